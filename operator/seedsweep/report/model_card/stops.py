"""What a model card tells of who was stopped early, in Markdown: by cuts, or by a floor."""

from collections.abc import Iterator

from seedsweep.api.cut import CutData
from seedsweep.report.model_card.scores import ROWS
from seedsweep.report.statistics.floor import AtFloor
from seedsweep.report.words import counted, score_text


def cut_lines(cuts: list[CutData]) -> Iterator[str]:
    """A table with a row for each cut."""
    brackets = any(cut.bracket for cut in cuts)
    yield f"|{' bracket |' if brackets else ''} cut at evaluation | kept | of | threshold | tied there |"
    yield f"|{' --: |' if brackets else ''} --: | --: | --: | --: | --: |"
    for cut in cuts[:ROWS]:
        where = f" {cut.bracket} |" if brackets else ""
        tied = cut.tied_at_threshold if cut.tied_at_threshold > 1 else "–"
        yield f"|{where} {cut.evaluation} | {len(cut.kept)} | {cut.size} | {score_text(cut.threshold)} | {tied} |"
    if len(cuts) > ROWS:
        yield ""
        yield f"{counted(len(cuts) - ROWS, 'cut')} more: see the record."


def floor_lines(floor: AtFloor) -> Iterator[str]:
    """The rule, the budget, and a table of those that fell."""
    over = f" over draws of {floor.examples:,} validation examples" if floor.examples is not None else ""
    yield (
        f"An episode trained on past evaluation {floor.evaluation} if it was better than a constant answer by more "
        f"than {floor.margin_words}{over}; {'at the floor ' if floor.keep else ''}it was not compared with others. "
        f"{floor.words}."
    )
    if floor.fallen:
        yield ""
        yield "| fell below the floor | score | had to beat | constant answer | standard error |"
        yield "| --- | --: | --: | --: | --: |"
        for item in floor.fallen[:ROWS]:
            numbers = (item.score, item.needed, item.fall.baseline, item.fall.standard_error)
            yield f"| {item.episode} | {' | '.join(map(score_text, numbers))} |"
    if len(floor.fallen) > ROWS:
        yield ""
        yield f"{counted(len(floor.fallen) - ROWS, 'episode')} more: see the record."

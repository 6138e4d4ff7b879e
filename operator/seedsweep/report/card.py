"""The winner's model card: what its score is worth and how it was come by, in Markdown for people and hubs.

It is made by the operator, whose image holds neither figures nor templates, and stays small however many episodes
there are. Nothing in it comes from variables, pod templates or storage: a card may be published.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from pydantic.main import IncEx

import seedsweep
from seedsweep.api.card import PLACE_FOR_TEST
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.cut import Cut, CutData, cut_name
from seedsweep.api.episode import Episode, EpisodeId, EpisodeStatus
from seedsweep.api.provenance import Provenance
from seedsweep.api.status import Best, SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import Layout
from seedsweep.report.analysis import (
    EXPECTED_BEST,
    WOULD_HAVE_WON,
    Analysis,
    Withheld,
    analyses,
    round_numbers,
    share_no_seed,
    withheld,
)
from seedsweep.report.audited import Audit, audit_of
from seedsweep.report.facts import saved_share, steps_trained, warnings, yaml_text
from seedsweep.report.record import Record
from seedsweep.report.words import (
    counted,
    data_words,
    duration_text,
    metric_name,
    metric_words,
    one_line,
    score_text,
    share_text,
)
from seedsweep.science.expected import expected_best

ROWS = 6
"""Of any table; the record has them all."""
_LONGEST_SPEC = 2000
_LONGEST_TEXT = 200
_OF_TRAINER = {"command", "args", "fine_tuning", "config", "gauges", "metric"}
_PUBLISHED: Mapping[str, IncEx | bool] = {
    "api_version": True,
    "kind": True,
    "metadata": {"name"},
    "spec": {"seeds": True, "parallelism": True, "early_stopping": True, "trainer": _OF_TRAINER},
}
"""What made the model, without where it ran."""
_HUB_METRICS = {
    "accuracy": ["accuracy"],
    "f1": ["f1"],
    "accuracyAndF1": ["accuracy", "f1"],
    "mcc": ["matthews_correlation"],
    "pearson": ["pearsonr"],
    "spearman": ["spearmanr"],
    "pearsonAndSpearman": ["pearsonr", "spearmanr"],
    "mse": ["mse"],
}
"""The hub's names of metrics."""
_DESIGNS = {
    "full": "every episode was trained fully, nothing was stopped early",
    "cut": "episodes were compared early, and only the best went on",
    "cut+audit": "episodes were compared early, and only the best went on, beside losers drawn before the start",
}
_OUTCOMES = {
    "Finished": "trained to the end",
    "LostByCut": "lost",
    "LostByDominance": "lost",
    "Failed": "failed",
    "Diverged": "diverged",
}
_SOURCES = """## Sources

Dodge et al. 2020, *Fine-Tuning Pretrained Language Models: Weight Initializations, Data Orders, and Early Stopping*
(arXiv 2002.06305): start many, stop early, continue some. Tang et al. 2020, *Showing Your Work Doesn't Always Work*
(arXiv 2004.13705): the unbiased estimator. Clopper and Pearson 1934: intervals of shares.
"""


def model_card(
    sweep: SeedSweep,
    status: SweepStatus,
    episodes: Mapping[EpisodeId, EpisodeStatus],
    cuts: Iterable[CutData],
) -> str:
    """The card of the winner, at most about 8 kB, but for its test score: see `seedsweep.api.card`.

    Raises:
        ValueError: the status has no winner.
    """
    if status.best is None:
        raise ValueError(f"{sweep.metadata.name} has no winner: there is nothing to make a card of")
    layout = Layout.of(sweep)
    record = _record(sweep, layout, episodes, cuts)
    parts = [
        _front_matter(sweep),
        _heading(sweep, status, status.best, len(layout.episodes)),
        PLACE_FOR_TEST,
        "\n".join(_choice(layout, status, status.best, record)),
        "\n".join(_scores(layout, status, record)),
        "\n".join(_cost(status)),
        "\n".join(_repetition(sweep, status, status.best)),
        _SOURCES,
    ]
    return "\n".join(parts)


def _record(
    sweep: SeedSweep, layout: Layout, episodes: Mapping[EpisodeId, EpisodeStatus], cuts: Iterable[CutData]
) -> Record:
    in_order = sorted(cuts, key=lambda cut: (cut.bracket, cut.rung))
    return Record(
        sweep,
        [
            Episode(
                metadata=ObjectMeta(name=f"{layout.name}-{layout.names[e]}"),
                spec=layout.episode_spec(e),
                status=episodes.get(e, EpisodeStatus()),
            )
            for e in layout.episodes
        ],
        [Cut(metadata=ObjectMeta(name=cut_name(layout.name, c.bracket, c.rung)), data=c) for c in in_order],
    )


def _front_matter(sweep: SeedSweep) -> str:
    """The metadata that hubs read, as YAML; every value as JSON, which is YAML that nothing can break out of.

    No `model-index`: the score that chose the model is no evaluation of it.
    """
    tuning, metric = sweep.spec.trainer.fine_tuning, metric_name(sweep.spec.trainer)
    facts: dict[str, object] = {}
    if tuning is not None:
        if _is_on_hub(tuning.model):
            facts["base_model"] = tuning.model
        facts["library_name"] = "transformers"
        facts["pipeline_tag"] = "text-classification"
        if tuning.dataset.hub is not None:
            facts["datasets"] = [tuning.dataset.hub.name]
    if metric is not None:
        facts["metrics"] = _HUB_METRICS.get(metric, [metric])
    facts["tags"] = ["seedsweep", "random-seeds"]
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items())
    return "\n".join(["---", *lines, "---", ""])


def _is_on_hub(model: str) -> bool:
    return not model.startswith((".", "/", "~", "package:")) and model.count("/") <= 1


def _heading(sweep: SeedSweep, status: SweepStatus, best: Best, t: int) -> str:
    metric, tuning = _plain(metric_words(sweep.spec.trainer, status)), sweep.spec.trainer.fine_tuning
    extreme = "highest" if Layout.of(sweep).maximize else "lowest"
    of = f"{_code(tuning.model)}, fine-tuned" if tuning is not None else "A model, trained"
    against = "" if best.baseline is None else f"; a constant answer scores {score_text(best.baseline)}"
    at = f"evaluation {best.evaluation}" + (f" of {status.evaluations}" if status.evaluations else "")
    single = sweep.spec.seeds.single is not None
    seeds = (
        f"seed {best.weight_init}"
        if single
        else f"weight-init seed {best.weight_init}, data-order seed {best.data_order}"
    )
    lines = [
        f"# {sweep.metadata.name}: the best of {counted(t, 'episode')}",
        "",
        f"{of} with the same settings and different random seeds, {counted(t, 'episode')} in all; "
        f"this is the one with the {extreme} validation {metric}.",
        "",
        "| | |",
        "| --- | --- |",
        f"| Seeds | {seeds} ({best.episode}) |",
        f"| Validation {metric} | **{score_text(best.score)}** at {at}{against} |",
        "",
        *(f"> {_plain(warning)}\n" for warning in warnings(status)),
    ]
    return "\n".join(lines)


def _choice(layout: Layout, status: SweepStatus, best: Best, record: Record) -> Iterator[str]:
    yield "## How it was chosen"
    yield ""
    yield f"Design: {status.design}; {_DESIGNS[status.design]}. {_whereabouts(record)}"
    winner = next(e.status for e in record.episodes if e.spec.id.name == best.episode)
    if winner.verdict is not None and winner.verdict.outcome not in ("Finished", "LostByCut", "LostByDominance"):
        yield f"This episode {_OUTCOMES[winner.verdict.outcome]} later; its evaluations until then count."
    elif winner.verdict is not None and winner.verdict.outcome != "Finished":
        yield "This episode itself lost there, and no survivor came to a better score; evaluations up to a cut count."
    if record.cuts:
        by = "latest score" if layout.latest else "best score so far"
        yield f"Episodes were ranked by their {by}, ties by validation loss, then by a hash of the seeds."
        yield ""
        yield from _cut_table([cut.data for cut in record.cuts])
    yield ""


def _whereabouts(record: Record) -> str:
    started = sum(bool(e.status.attempts or e.status.scores) for e in record.episodes)
    tally = dict.fromkeys(("trained to the end", "lost", "failed", "diverged"), 0)
    for episode in record.episodes:
        if episode.status.verdict is not None:
            tally[_OUTCOMES[episode.status.verdict.outcome]] += 1
    undecided = started - sum(tally.values())
    told = [f"{n:,} {what}" for what, n in tally.items()] + ([f"{undecided:,} undecided"] if undecided > 0 else [])
    return f"Of {counted(len(record.episodes), 'episode')}, {started:,} were started: {', '.join(told)}."


def _cut_table(cuts: list[CutData]) -> Iterator[str]:
    brackets = any(cut.bracket for cut in cuts)
    yield f"|{' bracket |' if brackets else ''} cut at evaluation | kept | of | threshold | tied there |"
    yield f"|{' --: |' if brackets else ''} --: | --: | --: | --: | --: |"
    for cut in cuts[:ROWS]:
        where = f" {cut.bracket} |" if brackets else ""
        of = len(cut.ranked) + len(cut.excluded)
        tied = cut.tied_at_threshold if cut.tied_at_threshold > 1 else "–"
        yield f"|{where} {cut.evaluation} | {len(cut.kept)} | {of} | {score_text(cut.threshold)} | {tied} |"
    if len(cuts) > ROWS:
        yield ""
        yield f"{counted(len(cuts) - ROWS, 'cut')} more: see the record."


def _scores(layout: Layout, status: SweepStatus, record: Record) -> Iterator[str]:
    found = analyses(record)
    yield "## All scores, not only the best"
    yield ""
    if found:
        yield "| | n | mean | sd | min | quartile | median | quartile | max |"
        yield "| --- | --: | --: | --: | --: | --: | --: | --: | --: |"
        for analysis in found[:ROWS]:
            s = analysis.summary
            numbers = (s.mean, s.deviation, s.minimum, s.lower_quartile, s.median, s.upper_quartile, s.maximum)
            yield f"| {analysis.title} | {s.n} | {' | '.join(map(score_text, numbers))} |"
        yield ""
        for analysis in found[:ROWS]:
            yield _computed_from(analysis)
        if len(found) > ROWS:
            yield f"{counted(len(found) - ROWS, 'bracket')} more: see the record."
    yield ""
    yield from _expected(layout, status, found)
    yield from _audited(record)
    yield ""


def _computed_from(analysis: Analysis) -> str:
    text = f"{analysis.title}: {analysis.source}."
    if analysis.notes:
        text += f" {counted(len(analysis.notes), 'episode')} counted with a stand-in or not at all, as the report says."
    if analysis.failed is None:
        return f"{text} How many were no better than a constant answer is unknown: no trainer published its score."
    f = analysis.failed
    interval = f"exact {100 * f.confidence:.0f} % interval {share_text(f.low, 1)} to {share_text(f.high, 1)}"
    share = f"{f.count} of {f.n} ({share_text(f.count, f.n)}, {interval})"
    return f"{text} No better than a constant answer ({score_text(analysis.baseline)}): {share}."


def _expected(layout: Layout, status: SweepStatus, found: list[Analysis]) -> Iterator[str]:
    """The best of n from full runs; of any other record, why it is withheld."""
    if status.design != "full":
        for item in withheld(status):
            # The others are the report's to give.
            if item.what in (EXPECTED_BEST, WOULD_HAVE_WON):
                yield _withheld(item)
        return
    independent = share_no_seed(layout.episodes)
    kind = "unbiased" if independent else "an approximation"
    for analysis in found:
        yield f"Expected validation score of the best of n runs ({kind}, from the scores above):"
        yield ""
        some = round_numbers(len(analysis.scores), (1, 2, 5))
        best = (expected_best(analysis.scores, n, design=status.design, maximize=layout.maximize) for n in some)
        yield f"| n | {' | '.join(f'{n:,}' for n in some)} |"
        yield f"| --- |{' --: |' * len(some)}"
        yield f"| expected best | {' | '.join(map(score_text, best))} |"
        if not independent:
            yield ""
            yield "Episodes share seeds, so they are not independent: that is why it is an approximation."


def _audited(record: Record) -> Iterator[str]:
    """What the losers that ran on tell of the cut."""
    found = audit_of(record)
    if isinstance(found, Withheld):
        yield _withheld(found)
    elif isinstance(found, Audit):
        e = found.estimate
        share = f"{share_text(e.winners.low, 1)} to {share_text(e.winners.high, 1)}"
        among = "" if found.complete else f" ({e.winners.n} of {found.drawn} drawn: the others have no final score)"
        yield ""
        yield (
            f"What the cut cost: {e.winners.n} of {counted(found.losers, 'loser')} trained on for the audit{among}, "
            f"and {e.winners.count} would have beaten the winner (exact 95 % interval of the share: {share})."
        )
        if e.interval is not None:
            low, high = e.interval
            reach = f"{score_text(low)} to {score_text(high)}" if high is not None else f"{score_text(low)} or more"
            how = "without bias" if found.complete else "as if those without a final score were like the others"
            yield f"An upper bound on the regret is estimated at {score_text(e.regret)} (95 % interval {reach}), {how}."
        if found.notes:
            yield f"{counted(len(found.notes), 'audited loser')} counted with a stand-in or not at all; see the report."


def _withheld(item: Withheld) -> str:
    return f"- **{item.what}** is withheld: {item.why}"


def _cost(status: SweepStatus) -> Iterator[str]:
    cost = status.cost
    yield "## What it cost"
    yield ""
    text = counted(steps_trained(cost), "optimizer step")
    saved = saved_share(cost)
    if cost.full_steps and saved is not None:
        text += f" of {cost.full_steps:,} that training all fully would take"
        text += f": {share_text(saved, 1)} saved" if saved > 0 else ""
    kinds = (("overshoot", cost.overshoot_steps), ("wasted", cost.wasted_steps), ("audit", cost.audit_steps))
    extra = ", ".join(f"{steps:,} {kind}" for kind, steps in kinds if steps)
    yield f"{text}{f' ({extra} included)' if extra else ''}."
    if cost.gpu_seconds:
        spared = f", about {duration_text(cost.saved_gpu_seconds)} saved" if cost.saved_gpu_seconds else ""
        yield f"GPUs (or processes where there is none) were held for {duration_text(cost.gpu_seconds)}{spared}."
    yield ""


def _repetition(sweep: SeedSweep, status: SweepStatus, best: Best) -> Iterator[str]:
    prints = [f"`{_shortened(one_line(p), 80)}`" for p in status.fingerprints]
    yield "## How to repeat it"
    yield ""
    yield f"With SeedSweep {seedsweep.__version__} and the data of digest `{status.data_digest or 'not published'}`:"
    if status.provenance is not None:
        yield from _origin(status.provenance)
    yield ""
    yield f"    seedsweep run sweep.yaml --episode {best.weight_init},{best.data_order}"
    yield ""
    more = f" and {len(prints) - ROWS} more" if len(prints) > ROWS else ""
    yield f"Equal bits are promised on equal fingerprints; here: {', '.join(prints[:ROWS]) or 'not published'}{more}."
    text = yaml_text(sweep, _PUBLISHED)
    yield ""
    if len(text) > _LONGEST_SPEC:
        yield f"The sweep's file is too long to stand here; {_code('sweep.json')} of its record holds it."
    else:
        yield f"```yaml\n{text}```"
        yield ""
        yield "Where it ran (image, variables, pods, storage) is left out."
    yield ""


def _origin(found: Provenance) -> Iterator[str]:
    yield ""
    yield f"- {_plain(data_words(found))}"
    if found.dataset_commit is not None:
        yield f"- data set at commit `{found.dataset_commit}`"
    if found.base_weights is not None:
        at = f", commit `{found.model_commit}`" if found.model_commit is not None else ""
        yield f"- base weights of digest `{found.base_weights}`{at}"


def _code(text: str) -> str:
    """Foreign text as code, in which Markdown reads nothing else."""
    return f"`{_shortened(one_line(text)).replace('`', chr(39))}`"


def _plain(text: str) -> str:
    """Foreign text as it stands: nothing in it is Markdown or HTML."""
    return re.sub(r"[\\`*_\[\]<>|#&]", r"\\\g<0>", _shortened(one_line(text)))


def _shortened(text: str, longest: int = _LONGEST_TEXT) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."

"""The winner's model card: what its score is worth and how it was come by, in Markdown for people and hubs.

It is made by the operator, whose image holds neither figures nor templates, and stays small however many episodes
there are. Nothing in it comes from variables, pod templates or storage: a card may be published.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from seedsweep.api.card import PLACE_FOR_TEST, average_section
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.cut import Cut, CutData
from seedsweep.api.episode import Episode, EpisodeId, EpisodeStatus
from seedsweep.api.status import Best, SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import Layout
from seedsweep.report.facts import (
    beats_constant,
    has_lost,
    outcome_of,
    saved_words,
    steps_trained,
    tie_words,
    warnings,
)
from seedsweep.report.model_card.foreign import as_code, as_text
from seedsweep.report.model_card.repetition import repetition_section
from seedsweep.report.model_card.scores import scores_section
from seedsweep.report.model_card.stops import cut_lines, floor_lines
from seedsweep.report.record import Record
from seedsweep.report.statistics.floor import at_floor
from seedsweep.report.words import (
    NOBODY_BEAT_A_CONSTANT,
    counted,
    duration_text,
    metric_name,
    metric_words,
    score_text,
)

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
    "floor": "episodes no better than a constant answer were stopped early, and others started in their place",
    "floor+cut": "episodes no better than a constant answer were stopped early, and others started in their place; of "
    "those that were better, only the best went on",
}
_OUTCOMES = {
    "Finished": "trained to the end",
    "LostByCut": "lost",
    "LostByDominance": "lost",
    "LostByFloor": "fell below the floor",
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
        _heading(record, status, status.best),
        *([average_section(status.best.average)] if status.best.average is not None else []),
        PLACE_FOR_TEST,
        "\n".join(_choice(layout, status, status.best, record)),
        "\n".join(scores_section(layout, status, record)),
        "\n".join(_cost(status)),
        "\n".join(repetition_section(record, status, status.best)),
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
        [Cut(metadata=ObjectMeta(name=c.name), data=c) for c in in_order],
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


def _heading(record: Record, status: SweepStatus, best: Best) -> str:
    sweep, t = record.sweep, len(record.episodes) - status.counts.unused
    metric, tuning = as_text(metric_words(sweep.spec.trainer, status)), sweep.spec.trainer.fine_tuning
    extreme = "highest" if sweep.spec.trainer.maximize else "lowest"
    of = f"{as_code(tuning.model)}, fine-tuned" if tuning is not None else "A model, trained"
    against = "" if best.baseline is None else f"; a constant answer scores {score_text(best.baseline)}"
    at = f"evaluation {best.evaluation}" + (f" of {status.evaluations}" if status.evaluations else "")
    single = sweep.spec.seeds.single is not None
    seeds = (
        f"seed {best.weight_init}"
        if single
        else f"weight-init seed {best.weight_init}, data-order seed {best.data_order}"
    )
    tie = tie_words(best, record.episodes)
    which = f"{'one of those' if tie else 'the one'} with the {extreme} validation {metric}{f': {tie}' if tie else ''}"
    this = f"this is {which}"
    if sweep.spec.result == "average":
        this = f"the winner is {which}; an average of weights was declared as the result: see below"
    lines = [
        f"# {sweep.metadata.name}: the best of {counted(t, 'episode')}",
        "",
        f"{of} with the same settings and different random seeds, {counted(t, 'episode')} in all; {this}.",
        "",
        "| | |",
        "| --- | --- |",
        f"| Seeds | {seeds} ({best.episode}) |",
        f"| Validation {metric} | **{score_text(best.score)}** at {at}{against} |",
        "",
        *(
            [f"> {NOBODY_BEAT_A_CONSTANT}\n"]
            if beats_constant(best, maximize=sweep.spec.trainer.maximize) is False
            else []
        ),
        *(f"> {as_text(warning)}\n" for warning in warnings(status)),
    ]
    return "\n".join(lines)


def _choice(layout: Layout, status: SweepStatus, best: Best, record: Record) -> Iterator[str]:
    yield "## How it was chosen"
    yield ""
    yield f"Design: {status.design}; {_DESIGNS[status.design]}. {_whereabouts(record)}"
    winner = next(e.status for e in record.episodes if e.spec.id.name == best.episode)
    if winner.verdict is not None and winner.verdict.outcome in ("Failed", "Diverged"):
        yield f"This episode {_OUTCOMES[winner.verdict.outcome]} later; its evaluations until then count."
    elif winner.verdict is not None and winner.verdict.outcome != "Finished":
        yield "This episode itself lost there, and no survivor came to a better score; evaluations up to there count."
    floor = at_floor(record)
    if floor is not None:
        yield from floor_lines(floor)
        yield ""
    if record.cuts:
        by = "latest score" if layout.latest else "best score so far"
        who = "Episodes" if floor is None else "Those above the floor"
        yield f"{who} were ranked by their {by}, ties by validation loss, then by a hash of the seeds."
        yield ""
        yield from cut_lines([cut.data for cut in record.cuts])
    yield ""


def _whereabouts(record: Record) -> str:
    started = sum(bool(e.status.attempts or e.status.scores) for e in record.episodes)
    layout, fell = Layout.of(record.sweep), _OUTCOMES["LostByFloor"]
    stops = [fell] if layout.floor is not None else []
    stops += ["lost"] if layout.floor is None or any(layout.rungs) else []
    tally = dict.fromkeys(("trained to the end", *stops, "failed", "diverged"), 0)
    for episode in record.episodes:
        outcome = outcome_of(episode)
        if outcome is not None:
            lost = has_lost(episode) and outcome != "LostByFloor"
            tally["lost" if lost else _OUTCOMES[outcome]] += 1
    undecided = started - sum(tally.values())
    told = [f"{n:,} {what}" for what, n in tally.items()] + ([f"{undecided:,} undecided"] if undecided > 0 else [])
    return f"Of {counted(len(record.episodes), 'episode')}, {started:,} were started: {', '.join(told)}."


def _cost(status: SweepStatus) -> Iterator[str]:
    cost = status.cost
    yield "## What it cost"
    yield ""
    text = counted(steps_trained(cost), "optimizer step")
    if cost.full_steps:
        saved = saved_words(status)
        text += f" of {cost.full_steps:,} that training all fully would take" + (f": {saved}" if saved else "")
    kinds = (("overshoot", cost.overshoot_steps), ("wasted", cost.wasted_steps), ("audit", cost.audit_steps))
    extra = ", ".join(f"{steps:,} {kind}" for kind, steps in kinds if steps)
    yield f"{text}{f' ({extra} included)' if extra else ''}."
    if cost.gpu_seconds:
        spared = f", about {duration_text(cost.saved_gpu_seconds)} saved" if cost.saved_gpu_seconds else ""
        held = duration_text(cost.gpu_seconds)
        yield f"Places (GPUs, or processes on a machine without one) were held for {held}{spared}."
    yield ""

"""What several of the last screen, the page and the model card tell about a record: who failed, what was spent."""

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic.main import IncEx
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from seedsweep.api.episode import BestEvaluation, Episode
from seedsweep.api.reading.scalars import TooLargeError, resolve
from seedsweep.api.status import Best, Cost, SweepStatus
from seedsweep.api.sweep import SeedSweep, Trainer
from seedsweep.report.words import counted, duration_text, metric_name, one_line, score_text, share_text

_WARNED_IF = {
    "Failed": "True",
    "NonDeterministic": "True",
    "HeterogeneousHardware": "True",
    "HeterogeneousData": "True",
    "ExactScores": "False",
}
_WARNINGS = {
    "Failed": "The sweep failed",
    "NonDeterministic": "Repeated evaluations gave other scores; the first record counts",
    "HeterogeneousHardware": "Episodes trained under different fingerprints: scores are not bit-comparable",
    "HeterogeneousData": "Episodes were trained on other data than the first: scores cannot be compared",
    "ExactScores": "Scores were sampled while episodes trained, not published as curves",
}
IMPORTED = "Imported"
"""Reason of the condition Complete of a record that something else trained."""


@dataclass(frozen=True, slots=True)
class Casualty:
    """An episode that came to no good end."""

    episode: str
    outcome: str
    """failed or diverged."""
    evaluations: int
    """How far it came."""
    attempts: int
    reason: str


def casualties(episodes: Iterable[Episode]) -> list[Casualty]:
    """Failed and diverged episodes, in the order given."""
    found = []
    for episode in episodes:
        verdict = episode.status.verdict
        if verdict is not None and verdict.outcome in ("Failed", "Diverged"):
            status = episode.status
            found.append(
                Casualty(
                    episode=episode.spec.id.name,
                    outcome=verdict.outcome.lower(),
                    evaluations=len(status.scores),
                    attempts=len(status.attempts),
                    reason=one_line(verdict.reason),
                )
            )
    return found


def outcome_of(episode: Episode) -> str | None:
    """How it came to its end for good; None while it goes on."""
    return episode.status.verdict.outcome if episode.status.verdict is not None else None


def has_lost(episode: Episode) -> bool:
    """Whether it was stopped at a rung, or is outranked there since the sweep got more seeds."""
    verdict = episode.status.verdict
    return verdict is not None and (verdict.outcome.startswith("Lost") or episode.status.state in ("Lost", "Audited"))


def counting_evaluations(episode: Episode) -> int:
    """How many of its evaluations can be the result: a loser's up to the rung where it lost."""
    status = episode.status
    if has_lost(episode) and status.rung_scores:
        return min(status.rung_scores[-1].evaluation, len(status.scores))
    return len(status.scores)


def may_be_result(episode: Episode, evaluation: int) -> bool:
    """Whether this evaluation can be the result: none of an episode that fell below a floor can."""
    return evaluation <= counting_evaluations(episode) and outcome_of(episode) != "LostByFloor"


def steps_trained(cost: Cost) -> int:
    """All optimizer steps, whatever they were good for."""
    return cost.useful_steps + cost.overshoot_steps + cost.wasted_steps + cost.audit_steps


def saved_share(status: SweepStatus) -> float | None:
    """Share of the steps of full training that losers did not take, less those that were taken again.

    Negative where interruptions cost more; None where nothing stops episodes. What an episode that failed or diverged
    did not train is not saved.
    """
    cost = status.cost
    if not cost.full_steps or status.design == "full":
        return None
    return cost.net_saved_steps / cost.full_steps


def not_counted(status: SweepStatus) -> str:
    """Which steps were neither taken nor saved, in words; empty where there are none."""
    cost = status.cost
    rest = (cost.full_steps or 0) - steps_trained(cost) - cost.net_saved_steps
    return f"not counting {rest:,} steps of episodes that failed, diverged or are not over" if rest > 0 else ""


def saved_words(status: SweepStatus) -> str:
    """The share saved in words, with what is not counted; empty where nothing was saved."""
    saved = saved_share(status)
    if saved is None or saved <= 0:
        return ""
    return ", ".join(filter(None, (f"{share_text(saved, 1)} saved", not_counted(status))))


def chosen_among(episodes: Sequence[Episode]) -> str:
    """What the winner's validation score was chosen from; empty where there was nothing to choose."""
    if len(episodes) > 1:
        return counted(len(episodes), "episode")
    scores = sum(score is not None for episode in episodes for score in episode.status.scores)
    return counted(scores, "evaluation") if scores > 1 else ""


class CostLine(NamedTuple):
    """One kind of optimizer steps."""

    name: str
    steps: int | None
    """None where it is not known."""
    meaning: str


def cost_lines(cost: Cost) -> list[CostLine]:
    """What was trained, apart by what it was good for, against what was planned and what training all would take."""
    return [
        CostLine("useful", cost.useful_steps, "survivors to the end, losers to their rung"),
        CostLine("overshoot", cost.overshoot_steps, "past the rung, before a loser stopped"),
        CostLine("wasted", cost.wasted_steps, "trained again, because an interruption or a failure lost them"),
        CostLine("audit", cost.audit_steps, "losers that trained on to estimate the cost of the cut"),
        CostLine("trained in all", steps_trained(cost), "the sum of the above"),
        CostLine(
            "planned", cost.planned_steps, "what the design costs at most; overshoot, waste and audit come on top"
        ),
        CostLine("full training", cost.full_steps, "every episode to its end"),
    ]


def full_seconds(cost: Cost) -> float | None:
    """What training everything would have held places for: an estimate from the seconds a step took here."""
    trained = steps_trained(cost)
    if not trained or not cost.full_steps or not cost.gpu_seconds:
        return None
    return cost.gpu_seconds / trained * cost.full_steps


def full_duration(cost: Cost) -> str:
    """The same in words; empty where it is not known, or reads as what places were held for."""
    full = full_seconds(cost)
    text = duration_text(full) if full is not None else ""
    return "" if text == duration_text(cost.gpu_seconds) else text


def wall_seconds(status: SweepStatus) -> float | None:
    """From start to completion, without the time suspended; None before both are known."""
    if status.start_time is None or status.completion_time is None:
        return None
    elapsed = datetime.fromisoformat(status.completion_time) - datetime.fromisoformat(status.start_time)
    return elapsed.total_seconds() - status.suspended_seconds


def idle_seconds(status: SweepStatus, now: datetime) -> float:
    """How long it was suspended, or over before it got more seeds, a suspension that goes on included."""
    suspended = status.condition("Suspended")
    if suspended is None or suspended.status != "True" or suspended.last_transition_time is None:
        return status.suspended_seconds
    return status.suspended_seconds + (now - datetime.fromisoformat(suspended.last_transition_time)).total_seconds()


def accuracy_examples(sweep: SeedSweep, scores: Iterable[float]) -> int | None:
    """How many validation examples these scores are shares of.

    None where that is not known, or they are none: of another metric, or a trainer's accuracies in percent.
    """
    if metric_name(sweep.spec.trainer) != "accuracy" or not all(0 <= score <= 1 for score in scores):
        return None
    return (sweep.status or SweepStatus()).validation_examples


def beats_constant(best: Best | None, *, maximize: bool) -> bool | None:
    """Whether the best score is better than that of a constant answer; None where either is not known."""
    if best is None or best.baseline is None:
        return None
    return best.score > best.baseline if maximize else best.score < best.baseline


def warnings(status: SweepStatus) -> list[str]:
    """What limits what the record can be trusted with."""
    said = []
    for kind, bad in _WARNED_IF.items():
        condition = status.condition(kind)
        if condition is not None and condition.status == bad:
            detail = one_line(condition.message)
            said.append(f"{_WARNINGS[kind]}{f': {detail}' if detail else ''}.")
    if status.best is not None and (lost := lost_score(status.best)):
        said.append(f"{lost[0].upper()}{lost[1:]}.")
    return said


def tie_words(best: Best, episodes: Iterable[Episode]) -> str:
    """Who has the winner's score too, and what decided; empty where nobody has."""
    bests = {e.spec.id.name: e.status.best for e in episodes if e.status.best is not None}
    tied = {name: found for name, found in bests.items() if name != best.episode and found.score == best.score}
    if not tied:
        return ""
    first = min(tied)
    who = f"{first} has" if len(tied) == 1 else f"{first} and {len(tied) - 1} more have"
    winner = bests.get(best.episode)
    own, lowest = _loss(winner), min(map(_loss, tied.values()))
    if own > lowest:
        return f"{who} the same score"
    decided = "the lower validation loss" if own < lowest else "a hash of the seeds"
    return f"{who} the same score, and {decided} decided"


def _loss(best: BestEvaluation | None) -> float:
    """As the engine ranks it: none is the worst."""
    return math.inf if best is None or best.loss is None else best.loss


def lost_score(best: Best) -> str:
    """That the winner had a score on record which its weights do not have; empty where it had none."""
    if best.lost is None:
        return ""
    return (
        f"its recorded best of {score_text(best.lost)} was not reproduced: what counts is the score of stored weights"
    )


def imported_from(status: SweepStatus) -> str | None:
    """Where a record that something else trained is from, in words; None for one of ours."""
    complete = status.condition("Complete")
    return one_line(complete.message) if complete is not None and complete.reason == IMPORTED else None


def has_test_set(trainer: Trainer) -> bool:
    """Whether the winner is to be scored on examples that nothing was selected on."""
    if trainer.fine_tuning is None:
        return False
    dataset = trainer.fine_tuning.dataset
    return bool(dataset.test or dataset.split.test or (dataset.hub is not None and dataset.hub.test))


def why_untested(sweep: SeedSweep) -> str:
    """Why the winner has no test score, though a test set was given; empty where none was."""
    status = sweep.status or SweepStatus()
    if not has_test_set(sweep.spec.trainer):
        return ""
    handed = status.condition("HandedOver")
    if handed is not None and handed.status == "False":
        return "not scored: the winner could not be handed over"
    if status.completion_time is None:
        return "not scored yet"
    return "not scored: no weights were kept"


def yaml_text(sweep: SeedSweep, fields: IncEx | None = None) -> str:
    """The resource, or some fields of it, without what was found out since.

    A record does not tell a written default from an absent one: neither is shown.
    """
    document = sweep.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=fields, exclude={"status"})
    out = io.StringIO()
    yaml = YAML()
    yaml.representer.add_representer(str, _represent_text)
    yaml.dump(document, out)
    return out.getvalue()


def _represent_text(representer: RoundTripRepresenter, text: str) -> ScalarNode:
    """In quotes where kubectl and `seedsweep run` would read it as something else: yes, 010, 1_000."""
    try:
        is_text = isinstance(resolve(text), str)
    except TooLargeError:
        is_text = False
    style = None if is_text else '"'
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)

"""The outcome of a sweep, worked out from its true curves in the most obvious way, without any engine."""

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction

from engine.cases import BASELINE, BASELINE_ERROR, Case, Truth
from seedsweep.api.early_stopping import Floor
from seedsweep.api.episode import EpisodeId

Score = float | None


@dataclass
class Outcome:
    """What must come out, however the sweep was run."""

    verdicts: dict[EpisodeId, tuple[str, int | None]] = field(default_factory=dict)
    """Finished, Lost, Failed or Diverged, and the rung at which that was; of those that a budget carries."""
    rankings: dict[tuple[int, int], list[tuple[EpisodeId, Score]]] = field(default_factory=dict)
    """Who was compared at a (bracket, rung), best first, with the score that counted."""
    kept: dict[tuple[int, int], set[EpisodeId]] = field(default_factory=dict)
    limits: dict[EpisodeId, int] = field(default_factory=dict)
    """The last evaluation that counts for an episode."""
    best: tuple[EpisodeId, float, int] | None = None
    """Winner, score and evaluation."""


def tie_hash(case: Case, episode: EpisodeId) -> int:
    """SHA-256 of ("tie", tieSeed, WI, DO) as a number."""
    stopping = case.sweep.spec.early_stopping
    seed = stopping.tie_seed if stopping is not None else 0
    text = repr(("tie", seed, episode.weight_init, episode.data_order))
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def work_out(case: Case) -> Outcome:
    """Train everything, cut, and look who is left."""
    outcome = Outcome()
    if case.layout.floor is not None:
        _spend(case, outcome, case.layout.floor)
        outcome.best = _best_of_all(case, outcome)
        return outcome
    for bracket, members in enumerate(case.layout.members):
        alive = list(members)
        for rung, mark in enumerate(case.marks[bracket]):
            alive = _cut(case, outcome, (bracket, rung), mark, case.layout.rungs[bracket][rung].keep, alive)
        for episode in alive:
            outcome.verdicts[episode] = (_end_of(case.truths[episode]), None)
            outcome.limits[episode] = case.evaluations
    outcome.best = _best_of_all(case, outcome)
    return outcome


def _spend(case: Case, outcome: Outcome, floor: Floor) -> None:
    """One seed after the other, while it is paid for even if it does not fall; then the rung, where there is one."""
    mark = floor.at_percent * case.evaluations // 100
    stopping = case.sweep.spec.early_stopping
    assert stopping is not None  # there is a floor
    rung = stopping.rungs[0] if stopping.rungs else None
    [[*at_rung]] = case.marks
    standing: list[EpisodeId] = []
    for episode, truth in case.truths.items():
        fallen = len(outcome.verdicts) - len(standing)
        # All that stand come to the rung, and the best of them to the end.
        apiece = case.step(at_rung[0]) if rung is not None else case.steps
        to_end = min(len(standing) + 1, rung.keep) if rung is not None else 0
        cost = fallen * case.step(mark) + (len(standing) + 1) * apiece + to_end * (case.steps - apiece)
        if cost > case.steps_planned():
            break
        score = _entry(case, truth, mark)[0] if truth.end >= mark else None
        gain = None if score is None else _fraction(_downwards(case, BASELINE)) - _fraction(_downwards(case, score))
        if truth.end < mark:
            outcome.verdicts[episode] = (_end_of(truth), 0)
        elif gain is None or gain <= Fraction(floor.margin) * _fraction(BASELINE_ERROR):
            outcome.verdicts[episode] = ("Lost", 0)
        else:
            outcome.verdicts[episode] = (_end_of(truth), None)
            standing.append(episode)
        outcome.limits[episode] = case.evaluations if episode in standing else mark
    if rung is not None:
        _cut(case, outcome, (0, 1), at_rung[0], rung.keep, standing)


def _fraction(number: float) -> Fraction:
    return Fraction(repr(number))


def _cut(
    case: Case, outcome: Outcome, key: tuple[int, int], mark: int, keep: int, alive: list[EpisodeId]
) -> list[EpisodeId]:
    """`key`: bracket and rung."""
    rung = key[1]
    eligible = [episode for episode in alive if case.truths[episode].end >= mark]
    for episode in set(alive) - set(eligible):
        outcome.verdicts[episode] = (_end_of(case.truths[episode]), rung)
        outcome.limits[episode] = mark
    entries = {episode: _entry(case, case.truths[episode], mark) for episode in eligible}
    use_loss = all(loss is not None for score, loss in entries.values() if score is not None)

    def order(episode: EpisodeId) -> tuple[bool, float, float, int]:
        score, loss = entries[episode]
        loss_part = loss if use_loss and loss is not None else 0.0
        return (score is None, _downwards(case, score or 0.0), loss_part, tie_hash(case, episode))

    ranked = sorted(eligible, key=order)
    if ranked:
        outcome.rankings[key] = [(episode, entries[episode][0]) for episode in ranked]
        outcome.kept[key] = set(ranked[:keep])
    for episode in ranked[keep:]:
        outcome.verdicts[episode] = ("Lost", rung)
        outcome.limits[episode] = mark
    return [episode for episode in alive if episode in ranked[:keep]]


def _entry(case: Case, truth: Truth, mark: int) -> tuple[Score, Score]:
    stopping = case.sweep.spec.early_stopping
    assert stopping is not None  # there are rungs
    if stopping.rank_by == "latest":
        return truth.scores[mark - 1], truth.losses[mark - 1] if truth.losses is not None else None
    best = _earliest_best(case, truth, mark)
    if best is None:
        return None, None
    return best[0], truth.losses[best[1] - 1] if truth.losses is not None else None


def _earliest_best(case: Case, truth: Truth, upto: int) -> tuple[float, int] | None:
    defined = [(score, i + 1) for i, score in enumerate(truth.scores[: min(upto, truth.end)]) if score is not None]
    return min(defined, key=lambda entry: (_downwards(case, entry[0]), entry[1]), default=None)


def _best_of_all(case: Case, outcome: Outcome) -> tuple[EpisodeId, float, int] | None:
    found = []
    for episode, (how, rung) in outcome.verdicts.items():
        truth = case.truths[episode]
        if how in ("Failed", "Diverged") and rung == 0:
            continue  # neither a survivor nor a loser: it was never compared with anyone
        if how == "Lost" and rung == 0 and case.layout.floor is not None:
            continue  # no better than a constant answer
        best = _earliest_best(case, truth, outcome.limits[episode])
        if best is not None:
            score, evaluation = best
            loss = truth.losses[evaluation - 1] if truth.losses is not None else 0.0
            found.append((_downwards(case, score), loss, tie_hash(case, episode), (episode, score, evaluation)))
    return min(found)[-1] if found else None


def _end_of(truth: Truth) -> str:
    if truth.end == len(truth.scores):
        return "Finished"
    return "Diverged" if truth.diverges == truth.end + 1 else "Failed"


def _downwards(case: Case, score: float) -> float:
    metric = case.sweep.spec.trainer.ranking_metric
    assert metric is not None  # cases always name it
    return -score if metric.goal == "maximize" else score

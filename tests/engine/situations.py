"""Observations written by hand, for tests that look at one plan."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Self, TypeVar

from engine.cases import make_sweep, percent_for
from engine.trainees import moment
from seedsweep.api.core.objects import Condition
from seedsweep.api.cut import CutData
from seedsweep.api.episode import (
    Attempt,
    BestEvaluation,
    EndReason,
    EpisodeId,
    EpisodeStatus,
    RungScore,
    StopReason,
    Verdict,
)
from seedsweep.api.recorded import timestamp
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import Decision, Plan, RecordCut, RecordEpisode, StartEpisode, StopAttempt
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Ending, Observation, Reading, SeenAttempt
from seedsweep.engine.plan import plan

EVALUATIONS, STEPS = 10, 100
LOST = Verdict(outcome="LostByCut", rung=0, cut="study-b0-r0")
Kind = TypeVar("Kind", bound=Decision)


def episode(i: int) -> EpisodeId:
    """The episode of this index."""
    return EpisodeId(i, i)


def study(t: int, *rungs: tuple[int, int], evaluations: int = EVALUATIONS, **options: object) -> Layout:
    """t episodes with rungs (evaluation, keep); `stopping` adds fields to earlyStopping, the rest to the spec."""
    extra = options.pop("stopping", {})
    assert isinstance(extra, dict)
    ladder = [{"atPercent": percent_for(e, evaluations), "keep": keep} for e, keep in rungs]
    stopping = {**({"rungs": ladder} if ladder else {}), **extra} or None
    return Layout.of(make_sweep([(i, i) for i in range(t)], evaluations, stopping, **options))


def reading(*scores: float | None, checkpoint: int | None = None, **fields: object) -> Reading:
    """A curve with losses, and a checkpoint at its last evaluation unless told."""
    values: dict[str, object] = {
        "scores": scores,
        "losses": tuple(1.0 for _ in scores),
        "evaluations_planned": EVALUATIONS,
        "steps_done": len(scores) * STEPS // EVALUATIONS,
        "steps_planned": STEPS,
        "checkpoint": len(scores) if checkpoint is None else checkpoint,
        "level": "L3",
        "fingerprint": "h100",
        **fields,
    }
    return Reading(**values)  # type: ignore[arg-type]


def running(i: int, *scores: float | None, **fields: object) -> SeenAttempt:
    """A bound attempt of episode i that has published these scores; fields of Reading and SeenAttempt."""
    own = {name: fields.pop(name) for name in list(fields) if name in SeenAttempt.__dataclass_fields__}
    seen = SeenAttempt(episode=episode(i), uid=f"uid-{i}", created=moment(0), bound=moment(0))
    published = reading(*scores, **fields) if scores or fields else None  # type: ignore[arg-type]
    return replace(seen, reading=published, **own)  # type: ignore[arg-type]


def pending(i: int, since: int | None = 0, **fields: object) -> SeenAttempt:
    """An attempt without a place, unschedulable since then; None: behind a gate of a queue."""
    unschedulable = moment(since) if since is not None else None
    seen = SeenAttempt(episode=episode(i), uid=f"uid-{i}", created=moment(0), unschedulable_since=unschedulable)
    return replace(seen, **fields)  # type: ignore[arg-type]


def ended(attempt: SeenAttempt, reason: EndReason, at: int = 50, **fields: object) -> SeenAttempt:
    """The same attempt, ended."""
    return replace(attempt, ending=Ending(reason, moment(at), **fields))  # type: ignore[arg-type]


def entry(uid: str, reason: EndReason | None = None, at: int = 50, **fields: object) -> Attempt:
    """An attempt on record."""
    over = timestamp(moment(at)) if reason is not None else None
    return Attempt(uid=uid, reason=reason, start_time=timestamp(moment(0)), completion_time=over, **fields)  # type: ignore[arg-type]


def on_record(*scores: float | None, rungs: Sequence[int] = (), **fields: object) -> EpisodeStatus:
    """A record with this curve, and final scores at the given rungs' evaluations (the best up to there)."""
    finals = []
    for number, mark in enumerate(rungs):
        defined = [score for score in scores[:mark] if score is not None]
        finals.append(RungScore(rung=number, evaluation=mark, score=max(defined, default=None), loss=1.0))
    defined = [score for score in scores if score is not None]
    best = max(defined, default=None)
    return EpisodeStatus(
        scores=list(scores),
        losses=[1.0 for _ in scores],
        rung_scores=finals,
        best=BestEvaluation(score=best, evaluation=scores.index(best) + 1, loss=1.0) if best is not None else None,
        **fields,  # type: ignore[arg-type]
    )


def stopped_at_rung(i: int, *scores: float | None, rungs: Sequence[int] = (3,)) -> EpisodeStatus:
    """An episode that ended its attempt at its rung and waits."""
    mark = len(scores)
    done = entry(f"old-{i}", EndReason.STOPPED_AT_RUNG, evaluations=mark, checkpoint=mark, steps=mark * 10)
    return on_record(*scores, rungs=rungs, attempts=[done])


def finished(i: int, *scores: float | None) -> EpisodeStatus:
    """A survivor that ran to the end."""
    done = entry(f"old-{i}", EndReason.DONE, evaluations=len(scores), steps=STEPS)
    return on_record(*scores, attempts=[done], verdict=Verdict(outcome="Finished"))


def cut_of(layout: Layout, kept: Sequence[int], lost: Sequence[int], rung: int = 0, bracket: int = 0) -> CutData:
    """A cut that was made."""
    ranked = [episode(i).name for i in (*kept, *lost)]
    mark = layout.rung_evaluations(EVALUATIONS)[bracket][rung]
    return CutData(
        sweep=layout.name,
        bracket=bracket,
        rung=rung,
        evaluation=mark,
        keep=len(kept),
        rank_by="best",
        ranked=ranked,
        scores=[0.9] * len(ranked),
    )


class Planned(Plan):
    """A plan, and what tests ask of it."""

    __slots__ = ()

    @classmethod
    def of(cls, todo: Plan) -> Self:
        """The same plan."""
        return cls(**{field.name: getattr(todo, field.name) for field in fields(todo)})

    @property
    def starts(self) -> list[tuple[int, int | None]]:
        """Index and stop-after of every start, in order."""
        return [(start.episode.weight_init, start.stop_after) for start in self.of_kind(StartEpisode)]

    @property
    def stops(self) -> list[tuple[int, StopReason]]:
        """Index and reason of every stop, in order."""
        return [(stop.episode.weight_init, stop.reason) for stop in self.of_kind(StopAttempt)]

    @property
    def cuts_made(self) -> list[CutData]:
        """The cuts that it records."""
        return [record.cut for record in self.records if isinstance(record, RecordCut)]

    def of_kind(self, kind: type[Kind]) -> list[Kind]:
        """The decisions of one kind."""
        return [decision for decision in self.decisions if isinstance(decision, kind)]

    def is_recorded(self, i: int) -> bool:
        """Whether it writes the episode's record."""
        return any(isinstance(record, RecordEpisode) and record.episode == episode(i) for record in self.records)

    def recorded(self, i: int) -> EpisodeStatus:
        """The record of an episode as the plan leaves it."""
        return next(r.status for r in self.records if isinstance(r, RecordEpisode) and r.episode == episode(i))

    def verdict_of(self, i: int) -> Verdict:
        """What its record of an episode says of it at last."""
        found = self.recorded(i).verdict
        assert found is not None, f"no verdict on {episode(i).name}"
        return found

    def condition(self, kind: str) -> Condition:
        """A condition of the sweep."""
        found = self.status.condition(kind)
        assert found is not None, f"no condition {kind}"
        return found


def look(
    layout: Layout,
    *attempts: SeenAttempt,
    records: Mapping[int, EpisodeStatus] | None = None,
    now: int = 100,
    **others: object,
) -> Planned:
    """What the engine makes of it; other fields of the Observation by name, `cuts` as a list."""
    cuts = others.pop("cuts", [])
    assert isinstance(cuts, list)
    values: dict[str, object] = {
        "status": SweepStatus(start_time=timestamp(moment(0)), evaluations=EVALUATIONS, steps=STEPS),
        "parallelism": layout.spec.parallelism,
        **others,
    }
    seen = Observation(
        episodes={episode(i): status for i, status in (records or {}).items()},
        cuts={(cut.bracket, cut.rung): cut for cut in cuts},
        attempts=attempts,
        **values,  # type: ignore[arg-type]
    )
    return Planned.of(plan(layout, seen, moment(now)))


OVER = {0: finished(0, 0.1, 0.2, 0.9, *(7 * [0.5])), 1: stopped_at_rung(1, 0.1, 0.2, 0.3).evolve(verdict=LOST)}
"""Records of two episodes after the cut at evaluation 3: the first has won, the second lost."""

"""What must hold in every turn of every world, and a ledger of the steps that were really trained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.brute import Outcome, work_out
from engine.trainees import moment
from seedsweep.api.cut import CutData
from seedsweep.api.episode import (
    MAX_ATTEMPTS,
    MAX_DOMINATORS,
    EndReason,
    EpisodeId,
    EpisodeStatus,
    RungScore,
    StopReason,
)
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import (
    CompareLosers,
    HandOverWinner,
    Plan,
    Prune,
    RecordCut,
    RecordEpisode,
    StartEpisode,
    StopAttempt,
    WarmUp,
)
from seedsweep.engine.facts.attempt_records import MAX_OUTPUTS

if TYPE_CHECKING:
    from engine.cases import Case
    from engine.simulator import World
    from engine.trainees import Trainee

Finals = dict[str, list[RungScore]]
"""Final scores by the episode's name."""
FINAL = {StopReason.CUT: "LostByCut", StopReason.DOMINATED: "LostByDominance", StopReason.FLOOR: "LostByFloor"}


class Watch:
    """Looks on as a world runs; raises AssertionError at the first thing that must not be."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.expected: Outcome | None
        """None where no two attempts of an episode give the same scores."""
        self.expect(world.case)
        self.trained: Counter[EpisodeId] = Counter()
        """Steps of ended attempts, replays included."""
        self.reach: Counter[EpisodeId] = Counter()
        self.forgotten: Counter[EpisodeId] = Counter()
        """Steps that ended attempts had trained beyond their last durable checkpoint, which another has to repeat."""
        self.pruned: set[EpisodeId] = set()
        self.peak_live = 0
        self.peak_checkpoints = 0
        self.peak_weights = 0
        self._live_before = 0

    def expect(self, case: Case) -> None:
        """The sweep has these seeds from now on."""
        self.expected = None if self.world.hazards.wobble else work_out(case)

    def before(self, todo: Plan) -> None:
        """Of the plan alone: what it records may only add to what is on record."""
        world = self.world
        frozen = {e for e, refusal in world.unrecorded.items() if refusal.until > moment(world.now)}
        assert_leaves_alone(todo, frozen, self._stops_on_record())
        self._live_before = sum(1 for t in world.trainees if t.live)
        tried = {(r.cut.bracket, r.cut.rung) for r in todo.records if isinstance(r, RecordCut)}
        assert not any(world.refused_cuts[key].until > moment(world.now) for key in tried & world.refused_cuts.keys())
        finals = {episode.name: status.rung_scores for episode, status in world.records.items()}
        for record in todo.records:
            if isinstance(record, RecordEpisode):
                _check_only_adds(world.records.get(record.episode, EpisodeStatus()), record.status)
                finals[record.episode.name] = record.status.rung_scores
                self._check_verdict(record.episode, record.status, finals)
            elif isinstance(record, RecordCut):
                self._check_cut(record.cut, finals)
        started = {d.episode for d in todo.decisions if isinstance(d, StartEpisode)}
        assert len(started) == sum(isinstance(d, StartEpisode) for d in todo.decisions), "one start an episode"
        cutting = {r.cut.bracket for r in todo.records if isinstance(r, RecordCut)}
        known = world.records | {r.episode: r.status for r in todo.records if isinstance(r, RecordEpisode)}
        settled = {episode for episode, status in known.items() if status.verdict is not None}
        bets = {e for e in started - settled if world.case.layout.bracket_of[e] in cutting}
        assert not bets, f"started while their cut is made: {bets}"
        for decision in todo.decisions:
            self._check_decision(decision, todo)

    def _stops_on_record(self) -> StopsOnRecord:
        world = self.world
        return StopsOnRecord(world.suspended, has_failed(world.status), world.records)

    def after(self, todo: Plan) -> None:
        """Of the world after a turn: places, cost, storage."""
        world = self.world
        live = [t.episode for t in world.trainees if t.live]
        assert len(live) == len(set(live)), "two live attempts of one episode"
        if len(live) > self._live_before:
            assert len(live) <= world.parallelism, f"{len(live)} live in {world.parallelism} places"
            assert not world.suspended, "a start while suspended"
        self.peak_live = max(self.peak_live, len(live))
        cost = todo.status.cost
        if cost.planned_steps is not None:
            assert cost.planned_steps == world.case.steps_planned()
            assert cost.useful_steps <= cost.planned_steps
        if not world.news and world.case.layout.ours:
            self._assert_checkpoints_are_few(len(todo.records))
        if not world.news and len(live) < world.parallelism and not todo.finished:
            self._assert_no_place_idles(todo)
        counts = todo.status.counts
        assert not todo.decisions or sum(value for _, value in counts) == len(world.case.truths)
        assert all(value >= 0 for _, value in counts)

    def started(self, trainee: Trainee) -> None:
        """No work is taken up again that was thrown away, and none that is settled."""
        assert trainee.episode not in self.pruned, f"{trainee.episode.name} starts after its checkpoint was pruned"
        status = self.world.records.get(trainee.episode)
        if status is not None and status.verdict is not None:
            assert trainee.episode in self.world.case.layout.audited
            assert status.verdict.outcome.startswith("Lost")

    def thrown_away(self, episode: EpisodeId) -> None:
        """Its checkpoints are gone."""
        self.pruned.add(episode)

    def ended(self, trainee: Trainee) -> None:
        """Enter what it trained."""
        if trainee.bound is None:
            return
        reached, start = trainee.steps_done(self.world.now), trainee.case.step(trainee.start)
        if trainee.temper.exact and trainee.publishes(self.world.now) is None:
            reached = start
        self.trained[trainee.episode] += reached - start
        self._note_forgotten(trainee, reached)
        self.reach[trainee.episode] = max(self.reach[trainee.episode], reached)

    def _note_forgotten(self, trainee: Trainee, reached: int) -> None:
        """With storage, no more than a checkpoint interval and what was on its way when it ended."""
        saved = trainee.durable(self.world.now)
        forgotten = max(0, reached - trainee.case.step(saved))
        self.forgotten[trainee.episode] += forgotten
        if trainee.resumable:
            most = trainee.temper.every + 1 + math.ceil(trainee.temper.lag / trainee.pace)
            upto = min(saved + most, trainee.case.evaluations)
            assert forgotten <= trainee.case.step(upto) - trainee.case.step(saved)

    def finished(self, todo: Plan) -> None:
        """At the end: nothing lives, and nothing more comes of looking again."""
        assert not any(t.live for t in self.world.trainees)
        assert not any(isinstance(d, StartEpisode | StopAttempt) for d in todo.decisions)
        ends = [c.type for c in todo.status.conditions if c.type in ("Complete", "Failed") and c.status == "True"]
        assert len(ends) == 1, f"conditions at the end: {ends}"
        assert not self.world.checkpoints, "checkpoints that no one will resume are kept"
        if (best := todo.status.best) is not None and self.world.case.layout.ours and self.world.hazards.resumable:
            winner = EpisodeId(best.weight_init, best.data_order)
            stored = self.world.bests.get(winner, set())
            assert best.weights is not None or not stored, "the winner has weights, and they are not handed over"
            if stored or not self.world.is_loser(winner):
                there = (best.evaluation, best.score) in stored
                assert best.weights is None or there, "the weights handed over are others"
                assert stored or self.world.hazards.wobble, "what counts was never stored"
        if self.expected is None:
            return
        winners = {self.expected.best[0]} if self.expected.best is not None else set()
        out = {episode for episode, (_, rung) in self.expected.verdicts.items() if rung is not None}
        assert not self.world.weights & (out - winners), "weights of episodes that did not survive are kept"

    def _assert_checkpoints_are_few(self, new_records: int) -> None:
        world, layout = self.world, self.world.case.layout
        leaders = 0
        for bracket, members in enumerate(layout.members):
            made = [world.cuts[key].keep for key in sorted(world.cuts) if key[0] == bracket]
            keeps = [*made[-1:], *(rung.keep for rung in layout.rungs[bracket]), len(members)]
            leaders += keeps[0]
        cut_short = {
            EndReason.INTERRUPTED,
            EndReason.FAILED,
            EndReason.OUT_OF_MEMORY,
            EndReason.STUCK,
            EndReason.STOPPED,
            EndReason.METRICS_UNAVAILABLE,
        }
        waiting = len(world.unrecorded)
        for episode, status in world.records.items():
            ended = [attempt.reason for attempt in status.attempts if attempt.reason is not None]
            interrupted = status.verdict is None and bool(ended) and ended[-1] in cut_short
            waiting += interrupted or episode in layout.audited
        stored = len(world.checkpoints)
        self.peak_checkpoints = max(self.peak_checkpoints, stored)
        self.peak_weights = max(self.peak_weights, len(world.weights))
        assert stored <= leaders + self.peak_live + waiting + new_records, f"{stored} checkpoints are kept"

    def _assert_no_place_idles(self, todo: Plan) -> None:
        world = self.world
        soon = todo.look_again_in is not None and todo.look_again_in.total_seconds() < 1
        if (
            soon
            or world.suspended
            or todo.status.observed_places is not None
            or len(world.trainees) >= world.parallelism
        ):
            return
        for episode in world.case.truths:
            status = world.records.get(episode, EpisodeStatus())
            if status.verdict is not None or any(t.episode == episode for t in world.trainees):
                continue
            if episode in world.unrecorded:
                continue
            last = status.attempts[-1].reason if status.attempts else None
            if last in (None, EndReason.INTERRUPTED, EndReason.STOPPED_AT_RUNG, EndReason.STOPPED):
                assert not self._needs_place(episode, status), f"{episode.name} waits while places idle"

    def _needs_place(self, episode: EpisodeId, status: EpisodeStatus) -> bool:
        layout = self.world.case.layout
        if layout.floor is not None and not self._is_carried(episode):
            return False
        bracket = layout.bracket_of[episode]
        done = sum(1 for key, cut in self.world.cuts.items() if key[0] == bracket and not self._is_outgrown(cut))
        return done == len(layout.rungs[bracket]) or len(status.rung_scores) <= done + layout.first_cut

    def _is_carried(self, episode: EpisodeId) -> bool:
        """It is paid for even if it does not fall, whatever becomes of those before it whose fate is open."""
        case = self.world.case
        before = list(case.truths)[: list(case.truths).index(episode)]
        if self.world.status.steps is None:
            # Nobody knows yet what less than a full run costs.
            return (len(before) + 1) * case.steps <= case.steps_planned()
        fates = [self.world.records.get(e, EpisodeStatus()).verdict for e in before]
        fallen = sum(fate is not None and fate.rung == 0 for fate in fates)
        standing = len(before) - fallen + 1
        [[floor, *rungs]] = case.layout.rung_evaluations(case.evaluations)
        apiece = case.step(rungs[0]) if rungs else case.steps
        kept = min(standing, case.layout.rungs[0][0].keep) if rungs else 0
        spent = fallen * case.step(floor) + standing * apiece + kept * (case.steps - apiece)
        return spent <= case.steps_planned()

    def _check_verdict(self, episode: EpisodeId, status: EpisodeStatus, finals: Finals) -> None:
        if status.verdict is None or not status.verdict.outcome.startswith("Lost"):
            return
        rung, bracket = status.verdict.rung, self.world.case.layout.bracket_of[episode]
        assert rung is not None
        cut = self.world.cuts.get((bracket, rung))
        survivors = cut.kept if cut is not None and not self._is_outgrown(cut) else frozenset()
        assert episode.name not in survivors, f"survivor {episode.name} lost"
        if status.verdict.outcome == "LostByDominance":
            names = status.verdict.dominators
            assert len(set(names)) == min(self.world.case.layout.rung(bracket, rung).keep, MAX_DOMINATORS)
            assert all(len(finals.get(name, ())) > rung for name in names), "a verdict before the scores it rests on"
            own = self._worth(status.rung_scores[rung].score)
            assert all(self._worth(finals[name][rung].score) >= own for name in names)
        if self.expected is not None:
            assert self.expected.verdicts[episode] == ("Lost", rung)

    def _is_outgrown(self, cut: CutData) -> bool:
        """The sweep got more seeds after it."""
        return cut.rung == 0 and cut.size < len(self.world.case.layout.members[cut.bracket])

    def _check_cut(self, cut: CutData, finals: Finals) -> None:
        """It is a pure function of the scores on record, and these are the true ones."""
        assert cut.scores == [finals[name][cut.rung].score for name in cut.ranked]
        worths = [self._worth(score) for score in cut.scores]
        assert worths == sorted(worths, reverse=True)
        assert [entry.kept for entry in cut.rows] == [i < cut.keep for i in range(len(cut.ranked))]
        before = self._names_before(cut)
        names = [*cut.ranked, *(entry.episode for entry in cut.excluded)]
        assert sorted(names) == sorted(before)
        if self.expected is not None:
            ranking = [(e.name, score) for e, score in self.expected.rankings[cut.bracket, cut.rung]]
            assert list(zip(cut.ranked, cut.scores, strict=True)) == ranking

    def _names_before(self, cut: CutData) -> Collection[str]:
        """Who is compared there, or would have been."""
        layout = self.world.case.layout
        if layout.floor is not None and self.expected is not None:
            return {episode.name for episode in self.expected.verdicts}
        if cut.rung == layout.first_cut:
            return {episode.name for episode in layout.members[cut.bracket]}
        return self.world.cuts[cut.bracket, cut.rung - 1].kept

    def _worth(self, score: float | None) -> float:
        if score is None:
            return float("-inf")
        return score if self.world.case.layout.maximize else -score

    def _check_decision(self, decision: object, todo: Plan) -> None:
        if isinstance(decision, StopAttempt):
            records = {r.episode: r for r in todo.records if isinstance(r, RecordEpisode)}
            record = records.get(decision.episode)
            on_record = self.world.records.get(decision.episode, EpisodeStatus())
            status = record.status if record is not None else on_record
            if decision.reason in FINAL:
                assert status.verdict is not None
                assert status.verdict.outcome == FINAL[decision.reason]
                by_cut = decision.reason == StopReason.CUT
                durable = self._cut_exists(decision.episode, status) if by_cut else on_record.verdict is not None
            else:
                durable = self._stops_on_record().gives_reason(decision)
                written = any(a.uid == decision.uid and a.stop == decision.reason for a in status.attempts)
                refusal = self.world.unrecorded.get(decision.episode)
                assert written or (refusal is not None and refusal.until > moment(self.world.now))
            assert durable or (record is not None and record.durable), f"{decision} rests on nothing durable"
        elif isinstance(decision, Prune):
            assert decision.episode not in {t.episode for t in self.world.trainees if t.live}
        elif isinstance(decision, HandOverWinner):
            if self.expected is not None:
                assert self.expected.best is not None
                winner, _, evaluation = self.expected.best
                assert (decision.episode, decision.best.evaluation) == (winner, evaluation)
            made = self.world.hand_over
            assert (
                made is None
                or made.missing is not None
                or made.episode != decision.episode.name
                or {*(made.average.episodes if made.average is not None else ())}
                != {e.name for e in decision.average_of}
            )
            assert self.world.handing_over is None
            assert not any(t.live for t in self.world.trainees)

    def _cut_exists(self, episode: EpisodeId, status: EpisodeStatus) -> bool:
        assert status.verdict is not None
        assert status.verdict.rung is not None
        return (self.world.case.layout.bracket_of[episode], status.verdict.rung) in self.world.cuts


@dataclass(frozen=True, slots=True)
class StopsOnRecord:
    """What is on record that says why an attempt is stopped, before a plan adds to it."""

    suspended: bool = False
    failed: bool = False
    records: Mapping[EpisodeId, EpisodeStatus] = field(default_factory=dict)

    def gives_reason(self, decision: object) -> bool:
        """Whether a stop rests on it."""
        if not isinstance(decision, StopAttempt):
            return False
        status = self.records.get(decision.episode, EpisodeStatus())
        if decision.reason in FINAL:
            return status.verdict is not None and status.verdict.outcome == FINAL[decision.reason]
        if any(a.uid == decision.uid and a.stop == decision.reason for a in status.attempts):
            return True
        ends = decision.reason in (StopReason.DEADLINE, StopReason.FINISHED)
        return (self.suspended and decision.reason == StopReason.SUSPENDED) or (self.failed and ends)


def has_failed(status: SweepStatus) -> bool:
    """The condition."""
    failed = status.condition("Failed")
    return failed is not None and failed.status == "True"


def assert_leaves_alone(todo: Plan, frozen: Collection[EpisodeId], before: StopsOnRecord) -> None:
    """Nothing is recorded, decided or told of an episode whose record cannot be written; the status says so.

    But for a stop whose reason is on record elsewhere.
    """
    named = [record.episode for record in todo.records if isinstance(record, RecordEpisode)]
    named += [
        decision.episode
        for decision in todo.decisions
        if not isinstance(decision, WarmUp | CompareLosers) and not before.gives_reason(decision)
    ]
    named += [event.episode for event in todo.events if event.episode is not None]
    assert not set(named) & set(frozen), f"{set(named) & set(frozen)} ought to be left alone"
    stalled = todo.status.condition("Stalled")
    assert not frozen or (stalled is not None and (stalled.status, stalled.reason) == ("True", "Forbidden"))
    assert not frozen or not todo.finished, "over, and not all of it is on record"


def _check_only_adds(before: EpisodeStatus, after: EpisodeStatus) -> None:
    assert after.rung_scores[: len(before.rung_scores)] == before.rung_scores, "a final score changed"
    assert after.scores[: len(before.scores)] == before.scores, "a recorded curve changed"
    assert after.losses[: len(before.losses)] == before.losses, "recorded losses changed"
    if before.verdict is not None:
        assert after.verdict is not None
        assert after.verdict.outcome == before.verdict.outcome, f"{before.verdict} became {after.verdict}"
    assert len(after.attempts) <= MAX_ATTEMPTS, "more attempts than a record holds"
    assert sum(1 for a in after.attempts if a.output) <= MAX_OUTPUTS, "more output than a record holds"
    assert [a.uid for a in after.attempts][: len(before.attempts)] == [a.uid for a in before.attempts]
    for old, new in zip(before.attempts, after.attempts, strict=False):
        assert old.reason is None or new in (old, old.evolve(output="")), "an ended attempt changed"
        assert old.start_time in (None, new.start_time), "when an attempt got its place changed"
        assert old.stop is None or old.stop == new.stop, "the reason of a stop changed"

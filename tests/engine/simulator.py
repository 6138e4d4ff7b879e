"""A world in simulated time: places, mishaps, crashes of the loop, and a memory that is what was recorded.

Nothing sleeps: time jumps to the next thing that happens, or to when the plan asked to be called again.
"""

import math
import random
from collections.abc import Sequence

from engine.accounts import Accounts
from engine.cases import Case
from engine.comparer import Comparer, assert_evidence_is_in_nobodys_way
from engine.fate import Fate, Hazards
from engine.gpus import Gpus
from engine.invariants import Watch, has_failed
from engine.trainees import Trainee, moment
from seedsweep.api.cut import CutData
from seedsweep.api.episode import BestEvaluation, EpisodeId, EpisodeStatus
from seedsweep.api.status import Average, SweepStatus
from seedsweep.engine.decisions import (
    CompareLosers,
    Decision,
    HandOverWinner,
    Plan,
    Prune,
    RecordCut,
    RecordEpisode,
    RecordEvidence,
    StartEpisode,
    StopAttempt,
)
from seedsweep.engine.observation import HandOverOutcome, Observation, Refusal
from seedsweep.engine.plan import plan
from seedsweep.engine.policies.scrape_pace import OFTEN

MAX_TURNS = 4000
TURNS_PER_EPISODE = 400
NODE_RETURNS = (60, 600)
"""Seconds until another GPU takes the place of one that vanished or died."""
MAX_CRASHES = 8
"""More, and what hangs would never be noticed: a loop knows of progress since it began to watch."""


DENIED = (1, 300)
"""Seconds for which the record of an episode cannot be written."""
ASKED_AGAIN = (1, 60)
"""Seconds until that is tried again."""


class Crash(Exception):  # noqa: N818 - it is no error of the code under test
    """The loop dies; records and attempts stay."""


class World:
    """Everything outside the engine."""

    def __init__(self, case: Case, hazards: Hazards, seed: int) -> None:
        self.case, self.hazards = case, hazards
        self.rng = random.Random(seed)
        self.fate = Fate(case, hazards, self.rng)
        self.now = 0
        self.records: dict[EpisodeId, EpisodeStatus] = {}
        self.cuts: dict[tuple[int, int], CutData] = {}
        self.status = SweepStatus()
        self.denied: dict[EpisodeId, int] = {}
        """Until when the record of an episode cannot be written."""
        self.unrecorded: dict[EpisodeId, Refusal] = {}
        """What the loop knows of that."""
        self.refused_cuts: dict[tuple[int, int], Refusal] = {}
        self.trainees: list[Trainee] = []
        self.checkpoints: dict[EpisodeId, int] = {}
        self.curves: dict[EpisodeId, tuple[float | None, ...]] = {}
        """The curves in the checkpoints."""
        self.bests: dict[EpisodeId, set[tuple[int, float]]] = {}
        """Best weights in the storage: of which evaluation, with which score."""
        self.asked: HandOverWinner | None = None
        """The last hand-over."""
        self.weights: set[EpisodeId] = set()
        self.saved: dict[EpisodeId, int] = {}
        """The best of so many evaluations is in storage."""
        self.parallelism = case.sweep.spec.parallelism
        count = hazards.gpus if hazards.gpus is not None else len(case.truths)
        self.gpus = Gpus(count, hazards.spread, self.rng)
        self.arrivals: list[int] = []
        """When further GPUs appear."""
        self.suspended = False
        self.handing_over: int | None = None
        self.hand_over: HandOverOutcome | None = None
        self.news = False
        """A fault or an end in the middle of this turn: the loop will hear of it."""
        self.often: frozenset[str] = frozenset()
        self.script = self.fate.draw_script()
        self.comparer = Comparer(seed)
        self.watch = Watch(self)
        self.accounts = Accounts(self)
        self.turns = self.crashes = 0
        self._uids = 0

    def grow(self, case: Case) -> None:
        """From now on the sweep has the seeds of this case."""
        self.case = self.fate.case = case
        self.watch.expect(case)

    def observe(self) -> Observation:
        """Records, what lives, and what has ended and is not on record as ended."""
        stored: dict[EpisodeId, bool] = dict.fromkeys(self.weights, False)
        if self.hazards.resumable:
            self._note_checkpoints()
            stored |= dict.fromkeys(self.checkpoints, True)
        return Observation(
            status=self.status,
            episodes=dict(self.records),
            cuts=dict(self.cuts),
            attempts=tuple(trainee.seen() for trainee in self.trainees),
            unrecorded=dict(self.unrecorded),
            refused_cuts=dict(self.refused_cuts),
            suspend=self.suspended,
            has_failed=has_failed(self.status),
            parallelism=self.parallelism,
            stored=stored,
            resumable=self.hazards.resumable,
            hand_over=self.hand_over,
            handing_over=self.handing_over is not None,
            compares=True,
            evidence=dict(self.comparer.seen),
        )

    def turn(self) -> Plan:
        """One turn of the loop: observe, plan, record, execute, publish; it may die on the way."""
        self.turns += 1
        self.news = False
        self._forget_vanished()
        seen = self.observe()
        todo = plan(self.case.layout, seen, moment(self.now))
        if not all(evidence.settled for evidence in seen.evidence.values()):
            assert_evidence_is_in_nobodys_way(self.case.layout, seen, moment(self.now), todo)
        self.watch.before(todo)
        dies = self.rng.random() < self.hazards.crash and self.crashes < MAX_CRASHES
        self.crashes += dies
        acts = self.rng.randint(0, len(todo.records) + len(todo.decisions)) if dies else 10**9
        try:
            durable, acts = self._record(todo, acts)
            self._execute(todo.decisions if durable else (), acts)
            if dies:
                raise Crash
            self.status = todo.status
        except Crash:
            self._restart()
        self._read_often(todo.read_often)
        self.watch.after(todo)
        return todo

    def _read_often(self, uids: frozenset[str]) -> None:
        for trainee in self.trainees:
            if trainee.uid in uids and trainee.uid not in self.often and not trainee.is_lost(self.now):
                trainee.scrape_at = min(trainee.scrape_at, self.now + self._until_scrape(often=True))
        self.often = uids

    def _until_scrape(self, *, often: bool) -> int:
        seconds = self.rng.randint(*self.hazards.tempo.scrape)
        return max(1, seconds // OFTEN) if often else seconds

    def sleep(self, todo: Plan) -> None:
        """Until something happens that the loop hears of, or the plan asked to be called."""
        tempo = self.hazards.tempo
        wakes = [self.now + 1] if self.news else []
        if todo.look_again_in is not None:
            wakes.append(self.now + math.ceil(todo.look_again_in.total_seconds()))
        elif not self.news and not self.trainees and not self.suspended and not self._awaits_answer:
            raise AssertionError(f"nothing runs and nothing is awaited: {self.status.message}")
        upcoming = self._next()
        if upcoming is not None:
            wakes.append(upcoming)
        if not wakes:
            raise AssertionError(f"deadlock: {self.status.message}")
        wake = min(wakes) + tempo.turn
        if tempo.doze and self.rng.random() < 0.1:
            wake += self.rng.randint(0, tempo.doze)
        while (upcoming := self._next()) is not None and upcoming <= wake:
            self._pass_time(upcoming)
            self._happen()
        self._pass_time(wake)

    @property
    def _awaits_answer(self) -> bool:
        return self.handing_over is not None or self.comparer.next_end is not None

    def _pass_time(self, until: int) -> None:
        self.accounts.pass_time(until)
        self.now = max(self.now, until)

    def _record(self, todo: Plan, acts: int) -> tuple[bool, int]:
        """Whether decisions may rest on all of it, as Backend.record tells; and how many acts are left."""
        durable = True
        for record in todo.records:
            if acts <= 0:
                raise Crash
            acts -= 1
            # Cuts and verdicts rest on scores written before them, also on those of other episodes.
            if isinstance(record, RecordCut):
                key = record.cut.bracket, record.cut.rung
                there = key in self.cuts and self.cuts[key].growth >= record.cut.growth
                if not durable or there or self.rng.random() < self.hazards.denied:
                    if not there:
                        self.refused_cuts[key] = self._refusal()
                    self.news = True
                    durable = False
                    continue
                self.cuts[key] = record.cut
                self.refused_cuts.pop(key, None)
            elif isinstance(record, RecordEvidence):
                self.comparer.record(record)
                self.news = True
            elif self._is_denied(record.episode):
                self._refuse(record)
                durable = durable and not record.durable
            elif durable or record.status.verdict is None:
                self.records[record.episode] = record.status
                self.unrecorded.pop(record.episode, None)
        self.trainees = [t for t in self.trainees if t.live or not self._ended_on_record(t)]
        return durable, acts

    def _refusal(self) -> Refusal:
        return Refusal("Forbidden", "it may not be written", moment(self.now + self.rng.randint(*ASKED_AGAIN)))

    def _is_denied(self, episode: EpisodeId) -> bool:
        if self.denied.get(episode, 0) <= self.now and self.rng.random() < self.hazards.denied:
            self.denied[episode] = self.now + self.rng.randint(*DENIED)
        return self.denied.get(episode, 0) > self.now or self.rng.random() < self.hazards.unwritten

    def _refuse(self, record: RecordEpisode) -> None:
        self.news = True
        if self.denied.get(record.episode, 0) > self.now:
            self.unrecorded[record.episode] = self._refusal()

    def _execute(self, decisions: Sequence[Decision], acts: int) -> None:
        for decision in self.rng.sample(decisions, len(decisions)):
            if acts <= 0:
                raise Crash
            acts -= 1
            fate = self.rng.random()
            if fate < self.hazards.clumsy / 2:
                self.news = True
                continue
            for _ in range(2 if fate < self.hazards.clumsy else 1):
                self._carry_out(decision)

    def _carry_out(self, decision: Decision) -> None:
        match decision:
            case StartEpisode():
                self._start(decision)
            case StopAttempt():
                for trainee in self.trainees:
                    if trainee.uid == decision.uid and trainee.live:
                        self._note_checkpoints()
                        trainee.stop = decision.reason
                        if trainee.bound is None:
                            trainee.over_as = "stopped"
                            self._end(trainee)
                            self.news = True
                        trainee.tell_to_end(self.now, decision.save)
            case Prune():
                self.watch.thrown_away(decision.episode)
                self.checkpoints.pop(decision.episode, None)
                best = self.records[decision.episode].best if decision.keep_best else None
                if best is None:
                    self.weights.discard(decision.episode)
                    self.bests.pop(decision.episode, None)
                elif (best.evaluation, best.score) in self.bests.get(decision.episode, ()):
                    self.bests[decision.episode] = {(best.evaluation, best.score)}
            case HandOverWinner() if self.handing_over is None:
                self.asked, self.hand_over, self.handing_over = decision, None, self.now + 30
            case CompareLosers():
                self.comparer.begin(decision, self.now)

    def _start(self, decision: StartEpisode) -> None:
        # The name of the pod: one object of an episode at a time, ended and unrecorded ones included.
        if any(t.episode == decision.episode for t in self.trainees):
            return
        self._uids += 1
        start = self.checkpoints.get(decision.episode, 0) if self.hazards.resumable else 0
        trainee = Trainee(
            case=self.case,
            episode=decision.episode,
            uid=f"uid-{self._uids}",
            created=self.now,
            start=start,
            scores=self.fate.draw_curve(decision.episode, self.curves.get(decision.episode, ())[:start]),
            stop_after=decision.stop_after,
            resumable=self.hazards.resumable,
            temper=self.fate.draw_temper(decision.episode),
            gate=self.now + (self.rng.randint(1, 30) if self.rng.random() < self.hazards.tempo.gated else 0),
        )
        self.watch.started(trainee)
        self.trainees.append(trainee)
        self._bind()

    def _bind(self) -> None:
        for trainee in self.trainees:
            if not trainee.live or trainee.bound is not None or trainee.gate > self.now:
                continue
            gpu = self.gpus.take(trainee.uid)
            if gpu is None:
                self._scale_up()
                return
            trainee.bind(self.now, gpu)
            trainee.scrape_at = self.now + self._until_scrape(often=False)

    def _scale_up(self) -> None:
        scaler = self.hazards.autoscaler
        if scaler is not None and len(self.gpus.there) + len(self.arrivals) < scaler.most:
            self.arrivals.append(self.now + self.rng.randint(*scaler.delay))

    def _next(self) -> int | None:
        times = [self.script[0][0]] if self.script else []
        times += self.arrivals
        if self.handing_over is not None:
            times.append(self.handing_over)
        if self.comparer.next_end is not None:
            times.append(self.comparer.next_end)
        for trainee in self.trainees:
            if not trainee.live:
                continue
            if trainee.bound is None:
                if trainee.gate > self.now:
                    times.append(trainee.gate)
            else:
                times.append(trainee.scrape_at)
                times += (t for t in (trainee.over_at, self._dies_next(trainee)) if t is not None)
        return min(times, default=None)

    def _happen(self) -> None:
        if self.handing_over is not None and self.handing_over <= self.now:
            self.handing_over, self.hand_over = None, self._find_weights()
        self.comparer.end(self.now)
        while self.script and self.script[0][0] <= self.now:
            self._obey(*self.script.pop(0)[1:])
        here = [at for at in self.arrivals if at <= self.now]
        self.arrivals = [at for at in self.arrivals if at > self.now]
        self.gpus.add(len(here))
        for trainee in self.trainees:
            if trainee.live and trainee.over_at is not None and trainee.over_at <= self.now:
                self._end(trainee)
            elif trainee.live and trainee.is_lost(self.now):
                self._mourn(trainee)
            elif trainee.live and trainee.bound is not None and trainee.scrape_at <= self.now:
                self._scrape(trainee)
        self._forget_vanished()
        self._bind()

    def _find_weights(self) -> HandOverOutcome:
        assert self.asked is not None  # who hands over was asked to
        wanted, name = self.asked.best, self.asked.episode.name
        there = self.bests.get(self.asked.episode, set())
        # A loser may have the best score, by `latest`: it is stopped with time to write, and here it always has enough.
        if (wanted.evaluation, wanted.score) in there or (self.is_loser(self.asked.episode) and not there):
            return HandOverOutcome(name, weights="file://best", average=self._average())
        instead = [BestEvaluation(evaluation=e, score=score) for e, score in sorted(there)]
        return HandOverOutcome(name, error="no such weights", missing=wanted, instead=tuple(instead))

    def _average(self) -> Average | None:
        """What becomes of the average, if one was asked for: it is made if all weights are there."""
        assert self.asked is not None  # who hands over was asked to
        members = self.asked.average_of
        if not members:
            return None
        whole = all((best.evaluation, best.score) in self.bests.get(e, ()) for e, best in members.items())
        names = [episode.name for episode in members]
        return Average(
            members=len(names), episodes=names, handed_over=whole, reason="" if whole else "weights are lost"
        )

    def is_loser(self, episode: EpisodeId) -> bool:
        """Whether a cut or a floor stopped it."""
        verdict = self.records[episode].verdict
        return verdict is not None and verdict.outcome.startswith("Lost")

    def _forget_vanished(self) -> None:
        self.trainees = [t for t in self.trainees if t.live or t.ending is not None]

    def _dies_next(self, trainee: Trainee) -> int | None:
        """When something happens to its node, or because of it."""
        marks = [at for at in (trainee.dies_at, trainee.marked_at) if at is not None and at > self.now]
        return min(marks, default=None)

    def _mourn(self, trainee: Trainee) -> None:
        """Its node is dead; sooner or later somebody marks its pod for deletion, which nobody there heeds."""
        trainee.scrape_at = self.now + 10**6
        if trainee.gpu is not None and trainee.gpu in self.gpus.there:
            self._lose_gpu(trainee.gpu.node)
        if trainee.marked_at is not None and trainee.marked_at <= self.now:
            trainee.stopping = True

    def _lose_gpu(self, node: str) -> str | None:
        """A GPU is gone; the attempt that held it. Another takes its place after a while."""
        if self.hazards.autoscaler is None:
            self.arrivals.append(self.now + self.rng.randint(*NODE_RETURNS))
        return self.gpus.remove(node)

    def _scrape(self, trainee: Trainee) -> None:
        trainee.scrape_at = self.now + self._until_scrape(often=trainee.uid in self.often)
        reading = trainee.publishes(self.now) if self.rng.random() >= self.hazards.mute else None
        if reading is not None:
            before = len(trainee.reading.scores) if trainee.reading is not None else 0
            if len(reading.scores) > before:
                trainee.progressed = self.now
            trainee.reading = reading

    def _end(self, trainee: Trainee) -> None:
        self._note_checkpoints()
        self.watch.ended(trainee)
        self.gpus.give_back(trainee.uid)
        trainee.ended = self.now
        if self.hazards.resumable and trainee.over_as in ("clean", "diverged"):
            done = trainee.evaluations_done(self.now)
            self.saved[trainee.episode] = max(done, self.saved.get(trainee.episode, 0))
            self.bests.setdefault(trainee.episode, set()).update(self._bests_of(trainee, done))
        if trainee.over_as in ("interrupted", "stopped") and self.rng.random() < self.hazards.vanish:
            return
        trainee.end(self.now, leaves_message=not self.fate.loses_words(trainee.episode, trainee.over_as))

    def _note_checkpoints(self) -> None:
        for trainee in self.trainees:
            if trainee.live and trainee.bound is not None:
                saved = trainee.durable(self.now)
                self.saved[trainee.episode] = max(saved, self.saved.get(trainee.episode, 0))
                if saved > self.checkpoints.get(trainee.episode, 0):
                    self.checkpoints[trainee.episode] = saved
                    self.curves[trainee.episode] = trainee.scores
                    # With it, what earlier attempts have stored is removed.
                    self.bests[trainee.episode] = self._bests_of(trainee, saved)
                if self.hazards.resumable and trainee.evaluations_done(self.now) > 0:
                    self.weights.add(trainee.episode)

    def _bests_of(self, trainee: Trainee, evaluation: int) -> set[tuple[int, float]]:
        """The best weights that it has stored by then: so far, and up to each rung."""
        marks = self.case.layout.rung_evaluations(self.case.evaluations)[self.case.layout.bracket_of[trainee.episode]]
        upto = [evaluation, *(mark for mark in marks if mark <= evaluation)]
        maximize = self.case.layout.maximize
        found = (BestEvaluation.of(trainee.scores, (), most, maximize=maximize) for most in upto)
        return {(best.evaluation, best.score) for best in found if best is not None}

    def _ended_on_record(self, trainee: Trainee) -> bool:
        entries = self.records[trainee.episode].attempts if trainee.episode in self.records else []
        return any(entry.uid == trainee.uid and entry.reason is not None for entry in entries)

    def _restart(self) -> None:
        """What was only in the loop's memory is gone; it watches again from now on."""
        self.news = True
        self.handing_over = None
        self.comparer.forget()
        self.unrecorded, self.refused_cuts = {}, {}
        for trainee in self.trainees:
            if trainee.live:
                trainee.reading = None
                trainee.progressed = self.now if trainee.bound is not None else None

    def _obey(self, kind: str, value: int) -> None:
        if kind == "suspend":
            self.suspended = bool(value)
        elif kind == "parallelism":
            self.parallelism = value
        elif kind == "reclaim":
            if self.gpus.there:
                self._interrupt(self._lose_gpu(self.rng.choice(self.gpus.there).node))
        else:
            self.gpus.add(value - len(self.gpus.there))
            for gpu in self.gpus.there[value:]:
                self._interrupt(self.gpus.remove(gpu.node))

    def _interrupt(self, uid: str | None) -> None:
        """Its GPU is gone, and it with it."""
        for trainee in self.trainees:
            if trainee.uid == uid and trainee.live:
                trainee.over_at, trainee.over_as = self.now, "interrupted"


def simulate(case: Case, hazards: Hazards, seed: int) -> World:
    """Run a sweep to its end, watched at every step; returns the world as it is then."""
    world = World(case, hazards, seed)
    run(world)
    return world


def run(world: World, most: int | None = None) -> None:
    """On to its end; or through `most` turns, where it does not come to it before."""
    turns = MAX_TURNS + TURNS_PER_EPISODE * len(world.case.truths) if most is None else most
    for _ in range(turns):
        todo = world.turn()
        if todo.finished and not world.news:
            world.watch.finished(todo)
            return
        world.sleep(todo)
    if most is None:
        raise AssertionError(f"no end after {turns} turns: {world.status.message}")

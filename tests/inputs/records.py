"""Made-up but consistent records of sweeps: what the engine would leave behind, without training anything."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from seedsweep.api.core.objects import Condition, ObjectMeta
from seedsweep.api.cut import MAX_EXCLUSION, Cut, CutData, ExcludedEpisode, cut_name
from seedsweep.api.early_stopping import Audit
from seedsweep.api.episode import (
    Attempt,
    BestEvaluation,
    EndReason,
    Episode,
    EpisodeSpec,
    EpisodeState,
    EpisodeStatus,
    RungScore,
    Verdict,
)
from seedsweep.api.finetuning import Split
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.recorded import shortened
from seedsweep.api.status import Best, Cost, CutSummary, EpisodeCounts, SweepStatus, TestScore
from seedsweep.api.sweep import SeedSweep
from seedsweep.contract.predictions import Predictions
from seedsweep.contract.training import Interval
from seedsweep.engine.layout import Layout
from seedsweep.report.beside import Beside

START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
EVALUATIONS, STEPS, RUNG, KEEP = 20, 200, 6, 3
BASELINE = 0.527
SECONDS_PER_STEP = 0.5
FAILED, DIVERGED = "wi3-do1", "wi2-do0"
FAILED_REASON = "OutOfMemory (failure 3, backoffLimitPerEpisode 2): CUDA out of memory"
DIVERGED_REASON = "loss or weights became non-finite before evaluation 4"

SWEEP = """
apiVersion: seedsweep.io/v1alpha1
kind: SeedSweep
metadata: {{name: {name}}}
spec:
  seeds: {{grid: {{weightInits: {{count: {weight_inits}}}, dataOrders: {{count: {data_orders}}}}}}}
  parallelism: 2
  {stopping}
  trainer:
    fineTuning:
      model: example/tiny-encoder
      dataset: {{task: rte, path: glue/RTE}}
      metric: {{name: accuracy, goal: {goal}, range: {{min: "0", max: "1"}}}}
      epochs: 2
      evaluationsPerEpoch: 10
"""


@dataclass(frozen=True)
class Record:
    """A sweep with all its episodes and cuts."""

    sweep: SeedSweep
    episodes: list[Episode]
    cuts: list[Cut]

    @property
    def status(self) -> SweepStatus:
        """The sweep's status, which every record made here has."""
        assert self.sweep.status is not None
        return self.sweep.status

    def with_status(self, **update: object) -> "Record":
        """The same record with parts of the sweep's status replaced."""
        status = self.status.model_copy(update=update)
        return replace(self, sweep=self.sweep.model_copy(update={"status": status}))


def curve(index: int, evaluations: int = EVALUATIONS) -> list[float | None]:
    """A curve that rises from about the baseline and levels off; every index its own height and pace."""
    noise = random.Random(index)
    height, pace = noise.uniform(0.03, 0.2), noise.uniform(3.0, 8.0)
    return [
        round(BASELINE + height * (1 - math.exp(-i / pace)) + noise.gauss(0, 0.008), 4)
        for i in range(1, evaluations + 1)
    ]


def best_of(scores: Sequence[float | None], upto: int = EVALUATIONS) -> BestEvaluation | None:
    """The earliest highest score among evaluations 1..upto."""
    known = [(score, -i) for i, score in enumerate(scores[:upto], start=1) if score is not None]
    return BestEvaluation(score=max(known)[0], evaluation=-max(known)[1]) if known else None


def parse(
    weight_inits: int = 4, data_orders: int = 2, *, early_stopping: bool = True, goal: str = "maximize"
) -> SeedSweep:
    """A sweep over a grid of seeds, without a status."""
    stopping = f"earlyStopping: {{rungs: [{{atPercent: 30, keep: {KEEP}}}]}}" if early_stopping else ""
    text = SWEEP.format(name="rte", weight_inits=weight_inits, data_orders=data_orders, stopping=stopping, goal=goal)
    return parse_sweep(text)


def finished(weight_inits: int = 4, data_orders: int = 2) -> Record:
    """All trained: one episode failed at evaluation 2, one diverged at 4, the best 3 went on after evaluation 6."""
    sweep = parse(weight_inits, data_orders)
    layout = Layout.of(sweep)
    scores = {e.name: curve(i) for i, e in enumerate(layout.episodes)}
    eligible = [e.name for e in layout.episodes if e.name not in (FAILED, DIVERGED)]
    at_rung = {name: best_of(scores[name], RUNG) for name in eligible}
    ranked = sorted(eligible, key=lambda name: -_score(at_rung[name]))
    cut = Cut(
        metadata=ObjectMeta(name=cut_name("rte", 0, 0)),
        data=CutData(
            sweep="rte",
            bracket=0,
            rung=0,
            evaluation=RUNG,
            keep=KEEP,
            rank_by="best",
            ranked=ranked,
            scores=[_score(at_rung[name]) for name in ranked],
            losses=[0.6 + i / 1000 for i in range(len(ranked))],
            excluded=[
                ExcludedEpisode(episode=DIVERGED, reason=shortened(f"Diverged: {DIVERGED_REASON}", MAX_EXCLUSION)),
                ExcludedEpisode(episode=FAILED, reason=shortened(f"Failed: {FAILED_REASON}", MAX_EXCLUSION)),
            ],
            threshold=_score(at_rung[ranked[KEEP - 1]]),
            tied_at_threshold=1,
        ),
    )
    episodes = [
        Episode(
            metadata=ObjectMeta(name=f"rte-{e.name}"),
            spec=EpisodeSpec(sweep="rte", weight_init=e.weight_init, data_order=e.data_order, index=i),
            status=_final_status(e.name, scores[e.name], cut.data),
        )
        for i, e in enumerate(layout.episodes)
    ]
    status = _final_sweep_status(episodes, cut)
    return Record(sweep.model_copy(update={"status": status}), episodes, [cut])


def write(folder: Path, record: Record) -> Path:
    """Put a record into a folder as a run on one machine does; returns the folder."""
    for sub in ("episodes", "cuts"):
        (folder / sub).mkdir()
    (folder / "sweep.json").write_text(record.sweep.model_dump_json(by_alias=True, exclude_none=True))
    for episode in record.episodes:
        path = folder / "episodes" / f"{episode.spec.id.name}.json"
        path.write_text(episode.model_dump_json(by_alias=True, exclude_none=True))
    for cut in record.cuts:
        (folder / "cuts" / f"{cut.metadata.name}.json").write_text(
            cut.model_dump_json(by_alias=True, exclude_none=True)
        )
    return folder


def fully_trained(weight_inits: int = 4, data_orders: int = 2) -> Record:
    """No early stopping: every episode has its whole curve."""
    sweep = parse(weight_inits, data_orders, early_stopping=False)
    episodes = [
        Episode(
            metadata=ObjectMeta(name=f"rte-{e.name}"),
            spec=EpisodeSpec(sweep="rte", weight_init=e.weight_init, data_order=e.data_order, index=i),
            status=EpisodeStatus(
                state="Finished",
                scores=curve(i),
                best=best_of(curve(i)),
                baseline=BASELINE,
                attempts=[_attempt(e.name, EVALUATIONS, EndReason.DONE)],
                verdict=Verdict(outcome="Finished"),
            ),
        )
        for i, e in enumerate(Layout.of(sweep).episodes)
    ]
    status = _final_sweep_status(episodes, None)
    return Record(sweep.model_copy(update={"status": status}), episodes, [])


def tied(losses: tuple[float | None, float | None]) -> Record:
    """As `finished`, but the second best has the winner's score; the validation losses of the winner, and its."""
    record = finished()
    ended = [e for e in record.episodes if e.status.state == "Finished"]
    winner, second = sorted(ended, key=lambda e: -_score(e.status.best))[:2]
    bests = {
        e.spec.id: BestEvaluation(score=_score(winner.status.best), evaluation=EVALUATIONS, loss=loss)
        for e, loss in zip((winner, second), losses, strict=True)
    }
    return replace(
        record,
        episodes=[e.evolve(status=e.status.evolve(best=bests.get(e.spec.id, e.status.best))) for e in record.episodes],
    )


def audited(finals: Mapping[str, float]) -> Record:
    """As `finished`, but these losers were drawn with a chance of 40 % and trained on, to a best score each."""
    record = finished()
    stopping = record.sweep.spec.early_stopping
    assert stopping is not None
    losers = {e.spec.id.name for e in record.episodes if e.status.state == "Lost"}
    for seed in range(10_000):
        spec = record.sweep.spec.evolve(early_stopping=stopping.evolve(audit=Audit(percent=40, seed=seed)))
        layout = Layout.of(record.sweep.evolve(spec=spec))
        if {e.name for e in layout.audited} & losers == set(finals):
            break
    episodes = []
    for episode in record.episodes:
        name, status = episode.spec.id.name, episode.status
        if name in finals:
            scores = [*status.scores, *[BASELINE] * (EVALUATIONS - RUNG - 1), finals[name]]
            status = status.evolve(state="Audited", scores=scores)
        episodes.append(episode.evolve(spec=layout.episode_spec(episode.spec.id), status=status))
    design = record.status.evolve(design="cut+audit")
    return Record(record.sweep.evolve(spec=spec, status=design), episodes, record.cuts)


def write_with_answers(folder: Path, record: Record) -> Path:
    """The same with the answers of `known` beside it, as attempts leave them."""
    write(folder, record)
    attempts = {e.spec.id.name: e.status.attempts for e in record.episodes}
    for (name, _), found in known(record).found.items():
        path = folder / "attempts" / attempts[name][-1].uid / found.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found.to_bytes())
    return folder


EXAMPLES = 10_000
"""Of the validation set, so that four digits of a score are whole examples."""


def known(record: Record) -> Beside:
    """Predictions of every episode, at every evaluation that it may have been chosen by, that give its scores."""
    found = {}
    for episode in record.episodes:
        name, scores = episode.spec.id.name, episode.status.scores
        for best in (best_of(scores, RUNG), best_of(scores)):
            if best is not None:
                found[name, best.evaluation] = predictions(best.evaluation, best.score, seed=episode.spec.index)
    return Beside(found)


def losses(episodes: Sequence[Episode]) -> Beside:
    """Training losses before every evaluation, of each episode its own."""
    training = {
        e.spec.id.name: {
            at: Interval(at, STEPS // EVALUATIONS * at, 0.7 - 0.02 * at - e.spec.index / 1_000, 3.0, 1.0)
            for at in range(1, len(e.status.scores) + 1)
        }
        for e in episodes
    }
    return Beside(training=training)


def predictions(evaluation: int, accuracy: float, seed: int = 0) -> Predictions:
    """Answers that are right for this share of EXAMPLES examples, which differ by seed."""
    order = list(range(EXAMPLES))
    random.Random(seed).shuffle(order)
    right = set(order[: round(accuracy * EXAMPLES)])
    labels = [i % 2 for i in range(EXAMPLES)]
    said = [label if i in right else 1 - label for i, label in enumerate(labels)]
    return Predictions(evaluation, "accuracy", None, list(range(EXAMPLES)), [*labels], [*said])


def _score(best: BestEvaluation | None) -> float:
    assert best is not None
    return best.score


def _final_status(name: str, scores: list[float | None], cut: CutData) -> EpisodeStatus:
    if name == FAILED:
        attempts = [_attempt(name, 2, EndReason.OUT_OF_MEMORY, "CUDA out of memory")] * 3
        verdict = Verdict(outcome="Failed", rung=0, reason=FAILED_REASON)
        return _status("Failed", scores[:2], attempts, verdict)
    if name == DIVERGED:
        attempts = [_attempt(name, 3, EndReason.DIVERGED).model_copy(update={"diverged_at": 4})]
        verdict = Verdict(outcome="Diverged", rung=0, reason=DIVERGED_REASON)
        return _status("Diverged", scores[:3], attempts, verdict)
    entry = next(e for e in cut.rows if e.episode == name)
    rung_score = RungScore(rung=0, evaluation=cut.evaluation, score=entry.score, loss=entry.loss)
    if entry.kept:
        attempts = [_attempt(name, RUNG, EndReason.STOPPED_AT_RUNG), _attempt(name, EVALUATIONS, EndReason.DONE)]
        status = _status("Finished", scores, attempts, Verdict(outcome="Finished"))
    else:
        attempts = [_attempt(name, RUNG, EndReason.STOPPED_AT_RUNG)]
        verdict = Verdict(outcome="LostByCut", rung=0, cut=cut_name("rte", 0, 0))
        status = _status("Lost", scores[:RUNG], attempts, verdict)
    return status.model_copy(update={"rung_scores": [rung_score]})


def _status(
    state: EpisodeState, scores: list[float | None], attempts: list[Attempt], verdict: Verdict
) -> EpisodeStatus:
    return EpisodeStatus(
        state=state, scores=scores, best=best_of(scores), attempts=attempts, verdict=verdict, baseline=BASELINE
    )


def _attempt(name: str, evaluations: int, reason: EndReason, message: str = "") -> Attempt:
    steps = evaluations * STEPS // EVALUATIONS
    at_start = RUNG * STEPS // EVALUATIONS if evaluations > RUNG and reason == EndReason.DONE else 0
    seconds = (steps - at_start) * SECONDS_PER_STEP
    return Attempt(
        uid=f"uid-{name}-{evaluations}",
        fingerprint="cpu-1t-fp32",
        start_time=START.isoformat(),
        completion_time=(START + timedelta(seconds=seconds)).isoformat(),
        reason=reason,
        message=message,
        evaluations=evaluations,
        steps_at_start=at_start,
        steps=steps,
        gpu_seconds=seconds,
    )


def _final_sweep_status(episodes: Sequence[Episode], cut: Cut | None) -> SweepStatus:
    t = len(episodes)
    cost = _cost(t, cut)
    ended = (START + timedelta(seconds=cost.useful_steps * SECONDS_PER_STEP / 2 + 20)).isoformat()
    counts = EpisodeCounts(finished=KEEP, lost=t - 5, failed=1, diverged=1) if cut else EpisodeCounts(finished=t)
    return SweepStatus(
        phase="Complete",
        message="the winner is exported",
        start_time=START.isoformat(),
        completion_time=ended,
        evaluations=EVALUATIONS,
        steps=STEPS,
        design="cut" if cut else "full",
        counts=counts,
        conditions=[Condition(type="Complete", status="True", reason="SurvivorsFinished", last_transition_time=ended)],
        cuts=[_summary(cut, t)] if cut else [],
        best=winner_of(episodes),
        cost=cost,
        data_digest="3f6c2a9be1d4",
        fingerprints=["cpu-1t-fp32"],
    )


def _cost(t: int, cut: Cut | None) -> Cost:
    full = t * STEPS
    if cut is None:
        return Cost(useful_steps=full, planned_steps=full, full_steps=full, gpu_seconds=full * SECONDS_PER_STEP)
    planned, overshoot, wasted = t * 60 + KEEP * 140, 12, 20
    useful = planned - 40 - 30  # one failed at step 20, one diverged after 30
    return Cost(
        useful_steps=useful,
        overshoot_steps=overshoot,
        wasted_steps=wasted,
        planned_steps=planned,
        full_steps=full,
        saved_steps=(t - KEEP - 2) * 140 - overshoot,
        gpu_seconds=(useful + overshoot + wasted) * SECONDS_PER_STEP,
    )


def winner_of(episodes: Sequence[Episode]) -> Best:
    """The result of a sweep that is over: of those that were trained to the end."""
    winner = max((e for e in episodes if e.status.state == "Finished"), key=lambda e: _score(e.status.best))
    assert winner.status.best is not None
    return Best(
        episode=winner.spec.id.name,
        weight_init=winner.spec.weight_init,
        data_order=winner.spec.data_order,
        score=winner.status.best.score,
        evaluation=winner.status.best.evaluation,
        weights="best",
        baseline=BASELINE,
        test=TestScore(
            metric="accuracy", score=0.6643, n=277, interval=[0.6053, 0.7195], confidence=0.95, baseline=0.5235
        ),
    )


def with_test_set(record: Record) -> Record:
    """The same of a sweep whose data has a test set."""
    trainer = record.sweep.spec.trainer
    assert trainer.fine_tuning is not None
    dataset = trainer.fine_tuning.dataset.evolve(split=Split(test=277))
    trainer = trainer.evolve(fine_tuning=trainer.fine_tuning.evolve(dataset=dataset))
    return replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))


def _summary(cut: Cut, t: int) -> CutSummary:
    assert cut.metadata.name is not None
    data = cut.data
    return CutSummary(
        bracket=data.bracket,
        rung=data.rung,
        evaluation=data.evaluation,
        threshold=data.threshold,
        kept=len(data.kept),
        of=t,
        ref=cut.metadata.name,
    )

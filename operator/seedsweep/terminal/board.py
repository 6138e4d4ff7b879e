"""The live view before it is drawn: episodes in rank order with the cuts between them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from seedsweep.api.checks import rung_evaluation
from seedsweep.api.cut import CutData
from seedsweep.api.episode import BestEvaluation, EpisodeId, EpisodeStatus
from seedsweep.api.status import Best
from seedsweep.engine.decisions import Plan, RecordCut, RecordEpisode
from seedsweep.engine.facts.ranking import Key, Score, ranking_key
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, SeenAttempt
from seedsweep.report.words import score_text

_NEW = EpisodeStatus()
_STATES = {
    "LostByCut": "lost",
    "LostByDominance": "lost",
    "LostByFloor": "fell",
    "Failed": "failed",
    "Diverged": "diverged",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One episode."""

    episode: EpisodeId
    rank: int | None
    """Within its bracket; None without a score, and for those that are out."""
    state: str
    scores: tuple[Score, ...]
    score: Score
    """What it is ranked by: its best (or latest) evaluation among those that count so far."""
    loss: Score
    """Validation loss of that evaluation, which breaks ties."""
    progress: float
    """Share of a full episode's steps, or of its evaluations where steps are not published."""
    passed: int
    """How many cuts kept it."""
    live: bool
    settled: bool
    """Its verdict is known and it is not among the survivors."""
    leader: bool = False


@dataclass(frozen=True, slots=True)
class Divider:
    """A line between rows: where a cut falls, or fell, or where a bracket begins."""

    text: str
    made: bool
    """A decision on record, not an outlook."""
    evaluation: int | None = None
    """Of a cut, where it is known."""
    threshold: float | None = None
    """Of a cut that is made."""


Entry = Row | Divider


@dataclass(frozen=True, slots=True)
class Board:
    """Everything a drawing of the sweep needs, in order."""

    entries: tuple[Entry, ...]
    evaluations: int | None
    """E, once known."""
    steps: int | None
    """S, once known."""
    low: float
    """Scores from here down are drawn lowest: the constant baseline, where a trainer published one."""
    high: float
    baseline: float | None
    """Score of a constant answer, where a trainer published one."""

    @property
    def rows(self) -> list[Row]:
        """The episodes alone."""
        return [entry for entry in self.entries if isinstance(entry, Row)]

    @property
    def leader(self) -> Row | None:
        """Who is best so far."""
        return next((row for row in self.rows if row.leader), None)


@dataclass(frozen=True, slots=True)
class _Facts:
    """One observation with what its plan adds."""

    layout: Layout
    statuses: Mapping[EpisodeId, EpisodeStatus]
    attempts: Mapping[EpisodeId, SeenAttempt]
    cuts: Mapping[tuple[int, int], CutData]
    kept: Mapping[tuple[int, int], frozenset[str]]
    """Survivors of each cut: looked up for every episode, so made once."""
    evaluations: int | None
    steps: int | None
    budget_is_shared_out: bool
    """Who has not begun by now never will."""

    def reading(self, episode: EpisodeId) -> Reading | None:
        attempt = self.attempts.get(episode)
        return attempt.reading if attempt is not None else None

    def curve(self, episode: EpisodeId) -> tuple[Score, ...]:
        """The record's scores, continued by what is published: the first record stands."""
        recorded = self.statuses.get(episode, _NEW).scores
        reading = self.reading(episode)
        return (*recorded, *reading.scores[len(recorded) :]) if reading is not None else tuple(recorded)

    def losses(self, episode: EpisodeId) -> tuple[Score, ...]:
        """The same of the validation losses; empty where none are told."""
        recorded = self.statuses.get(episode, _NEW).losses
        reading = self.reading(episode)
        published = reading.losses if reading is not None and reading.losses is not None else ()
        return (*recorded, *published[len(recorded) :])

    def rungs_passed(self, episode: EpisodeId) -> int:
        """How many cuts kept it."""
        bracket = self.layout.bracket_of[episode]
        passed = 0
        while episode.name in self.kept.get((bracket, passed), ()):
            passed += 1
        return passed


def make_board(layout: Layout, seen: Observation, plan: Plan) -> Board:
    """Rank every episode as the record and the live attempts have it at this moment."""
    facts = _facts(layout, seen, plan)
    brackets = range(len(layout.rungs))
    grouped: dict[int, list[Row]] = {b: [] for b in brackets}
    for episode in layout.episodes:
        grouped[layout.bracket_of[episode]].append(_row(facts, episode))
    every = [row for rows in grouped.values() for row in rows]
    leader = _leader(layout, every, plan.status.best)
    entries: list[Entry] = []
    for bracket in brackets:
        if len(brackets) > 1:
            entries.append(Divider(f"bracket {bracket}: {len(grouped[bracket])} episodes", made=False))
        entries += _ranked(facts, bracket, grouped[bracket], leader)
    baseline = _baseline(facts)
    low, high = _scale(every, baseline, maximize=layout.maximize)
    return Board(tuple(entries), facts.evaluations, facts.steps, low, high, baseline)


def _leader(layout: Layout, rows: Sequence[Row], best: Best | None) -> Row | None:
    """The engine's best; before anyone has been compared, whoever leads so far."""
    if best is not None:
        return next((row for row in rows if row.episode.name == best.episode), None)
    return min((row for row in rows if row.score is not None), key=lambda row: _order(layout, row), default=None)


def _facts(layout: Layout, seen: Observation, plan: Plan) -> _Facts:
    recorded = {r.episode: r.status for r in plan.records if isinstance(r, RecordEpisode)}
    decided = {(r.cut.bracket, r.cut.rung): r.cut for r in plan.records if isinstance(r, RecordCut)}
    attempts = {a.episode: a for a in seen.attempts if a.live}
    readings = [a.reading for a in attempts.values() if a.reading is not None]
    # A cut that was observed is the one that counts: another may have been made first.
    cuts = {**decided, **{key: cut for key, cut in seen.cuts.items() if not layout.is_outgrown(cut)}}
    return _Facts(
        layout=layout,
        statuses={**seen.episodes, **recorded},
        attempts=attempts,
        cuts=cuts,
        kept={key: cut.kept for key, cut in cuts.items()},
        evaluations=plan.status.evaluations
        or _first(r.evaluations_planned for r in readings)
        or layout.spec.trainer.planned_evaluations,
        budget_is_shared_out=plan.status.counts.unused > 0,
        steps=plan.status.steps or _first(r.steps_planned for r in readings),
    )


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def _row(facts: _Facts, episode: EpisodeId) -> Row:
    status = facts.statuses.get(episode, _NEW)
    attempt = facts.attempts.get(episode)
    scores = facts.curve(episode)
    score, loss = _ranked_by(facts, episode, scores)
    state = _state(status, attempt)
    if state == "waiting" and facts.budget_is_shared_out and episode not in facts.statuses:
        state = "unused"
    return Row(
        episode=episode,
        rank=None,
        state=state,
        scores=scores,
        score=score,
        loss=loss,
        progress=_progress(facts, len(scores), facts.reading(episode)),
        passed=facts.rungs_passed(episode),
        live=attempt is not None,
        settled=state in ("lost", "fell", "unused", "failed", "diverged"),
    )


def _state(status: EpisodeStatus, attempt: SeenAttempt | None) -> str:
    verdict = status.verdict
    if attempt is not None and attempt.stopping:
        return "stopping"
    if verdict is not None and verdict.outcome in _STATES:
        return "audited" if status.state == "Audited" else _STATES[verdict.outcome]
    if attempt is None:
        # Lost and audited here are those that had finished, and are outranked since the sweep got more seeds.
        says = status.state in ("Paused", "Trained", "Lost", "Audited")
        return status.state.lower() if says else "finished" if verdict is not None else "waiting"
    if attempt.bound is None:
        return "queued"
    return "starting" if attempt.reading is None else "training"


def _ranked_by(facts: _Facts, episode: EpisodeId, scores: Sequence[Score]) -> tuple[Score, Score]:
    """Score and loss."""
    found = facts.statuses.get(episode, _NEW).best
    if found is not None and found.lost is not None:
        return found.score, found.loss
    losses, ladder = facts.losses(episode), facts.layout.rungs[facts.layout.bracket_of[episode]]
    passed = facts.rungs_passed(episode)
    counted = list(scores)
    if facts.evaluations is not None and passed < len(ladder):
        # Evaluations past the next rung count only for an episode that is kept there.
        counted = counted[: rung_evaluation(ladder[passed].at_percent, facts.evaluations)]
        if facts.layout.latest:
            at = len(counted) - 1
            return (counted[at], losses[at] if at < len(losses) else None) if counted else (None, None)
    status = facts.statuses.get(episode, _NEW)
    if status.verdict is not None and status.verdict.fall is not None:
        counted = counted[: status.rung_scores[0].evaluation]
    best = BestEvaluation.of(counted, losses, len(counted), maximize=facts.layout.maximize)
    return (best.score, best.loss) if best is not None else (None, None)


def _progress(facts: _Facts, evaluations: int, reading: Reading | None) -> float:
    by_evaluations = evaluations / facts.evaluations if facts.evaluations else 0.0
    by_steps = reading.steps_done / facts.steps if reading is not None and facts.steps else 0.0
    return min(1.0, max(by_evaluations, by_steps))


def _order(layout: Layout, row: Row) -> Key:
    # Without a score they stand in the order in which they start.
    last = layout.index if row.score is None else layout.tie
    return ranking_key(row.score, row.loss, last[row.episode], maximize=layout.maximize)


def _ranked(facts: _Facts, bracket: int, rows: Sequence[Row], leader: Row | None) -> list[Entry]:
    """A bracket's rows: survivors of the latest cut first, each made cut below those it kept, then the rest."""
    made = sum(1 for b, _ in facts.cuts if b == bracket)
    ordered = sorted(rows, key=lambda r: (-r.passed, _out(r), *_order(facts.layout, r)))
    entries: list[Entry] = []
    rank = 0
    for place, row in enumerate(ordered):
        above = ordered[place - 1].passed if place else made
        entries += [_made_line(facts.cuts[bracket, rung]) for rung in range(above - 1, row.passed - 1, -1)]
        if row.score is None or _out(row):
            entries.append(row)
        else:
            rank += 1
            entries.append(replace(row, rank=rank, leader=row is leader))
        if outlook := _outlook(facts, bracket, made, place + 1, len(rows)):
            entries.append(outlook)
    return entries


def _out(row: Row) -> bool:
    return row.state in ("failed", "diverged") and row.passed == 0


def _made_line(cut: CutData) -> Divider:
    text = f"cut at evaluation {cut.evaluation}: kept {len(cut.kept)} of {cut.size}"
    return Divider(f"{text}, threshold {score_text(cut.threshold)}", True, cut.evaluation, cut.threshold)


def _outlook(facts: _Facts, bracket: int, made: int, above: int, total: int) -> Divider | None:
    """Where the next cut would fall below `above` rows of `total`, if it were made now."""
    ladder = facts.layout.rungs[bracket]
    if made >= len(ladder) or above != ladder[made].keep or above >= total:
        return None
    rung = ladder[made]
    evaluation = rung_evaluation(rung.at_percent, facts.evaluations) if facts.evaluations is not None else None
    where = f"evaluation {evaluation}" if evaluation is not None else f"{rung.at_percent} % of each episode"
    return Divider(f"the cut at {where} will keep {rung.keep}", False, evaluation)


def _baseline(facts: _Facts) -> float | None:
    known = [s.baseline for s in facts.statuses.values()] + [
        r.baseline for e in facts.attempts if (r := facts.reading(e))
    ]
    return next((b for b in known if b is not None), None)


def _scale(rows: Sequence[Row], baseline: float | None, *, maximize: bool) -> tuple[float, float]:
    """The scores drawn lowest and highest: baseline to best, so that a flat row means nothing was learnt."""
    defined = [score for row in rows for score in row.scores if score is not None]
    if not defined:
        return (0.0, 1.0)
    low, high = min(defined), max(defined)
    if baseline is not None and maximize and baseline < high:
        low = baseline
    if baseline is not None and not maximize and baseline > low:
        high = baseline
    return (low, high)

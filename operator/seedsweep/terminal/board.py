"""The live view before it is drawn: episodes in rank order with the cuts between them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seedsweep.api.checks import rung_evaluation
from seedsweep.api.cut import CutData
from seedsweep.api.episode import EpisodeId, EpisodeStatus
from seedsweep.api.status import Best
from seedsweep.engine.decisions import Plan
from seedsweep.engine.facts.ranking import Key, Score, ranking_key
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, SeenAttempt
from seedsweep.report.words import score_text
from seedsweep.terminal.snapshot import Snapshot

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


def make_board(layout: Layout, seen: Observation, plan: Plan) -> Board:
    """Rank every episode as the record and the live attempts have it at this moment."""
    snapshot = Snapshot.of(layout, seen, plan)
    brackets = range(len(layout.rungs))
    grouped: dict[int, list[Row]] = {b: [] for b in brackets}
    for episode in layout.episodes:
        grouped[layout.bracket_of[episode]].append(_row(snapshot, episode))
    every = [row for rows in grouped.values() for row in rows]
    leader = _leader(layout, every, plan.status.best)
    entries: list[Entry] = []
    for bracket in brackets:
        if len(brackets) > 1:
            entries.append(Divider(f"bracket {bracket}: {len(grouped[bracket])} episodes", made=False))
        entries += _ranked(snapshot, bracket, grouped[bracket], leader)
    baseline = _baseline(snapshot)
    low, high = _scale(every, baseline, maximize=layout.maximize)
    return Board(tuple(entries), snapshot.evaluations, snapshot.steps, low, high, baseline)


def _leader(layout: Layout, rows: Sequence[Row], best: Best | None) -> Row | None:
    """The engine's best; before anyone has been compared, whoever leads so far."""
    if best is not None:
        return next((row for row in rows if row.episode.name == best.episode), None)
    return min((row for row in rows if row.score is not None), key=lambda row: _order(layout, row), default=None)


def _row(snapshot: Snapshot, episode: EpisodeId) -> Row:
    status = snapshot.status(episode)
    attempt = snapshot.attempts.get(episode)
    scores = snapshot.curve(episode)
    score, loss = snapshot.ranked_by(episode, scores)
    state = _state(status, attempt)
    if state == "waiting" and snapshot.budget_is_shared_out and episode not in snapshot.statuses:
        state = "unused"
    return Row(
        episode=episode,
        rank=None,
        state=state,
        scores=scores,
        score=score,
        loss=loss,
        progress=_progress(snapshot, len(scores), snapshot.reading(episode)),
        passed=snapshot.rungs_passed(episode),
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


def _progress(snapshot: Snapshot, evaluations: int, reading: Reading | None) -> float:
    by_evaluations = evaluations / snapshot.evaluations if snapshot.evaluations else 0.0
    by_steps = reading.steps_done / snapshot.steps if reading is not None and snapshot.steps else 0.0
    return min(1.0, max(by_evaluations, by_steps))


def _order(layout: Layout, row: Row) -> Key:
    # Without a score they stand in the order in which they start.
    last = layout.index if row.score is None else layout.tie
    return ranking_key(row.score, row.loss, last[row.episode], maximize=layout.maximize)


def _ranked(snapshot: Snapshot, bracket: int, rows: Sequence[Row], leader: Row | None) -> list[Entry]:
    """A bracket's rows: survivors of the latest cut first, each made cut below those it kept, then the rest."""
    made = sum(1 for b, _ in snapshot.cuts if b == bracket)
    ordered = sorted(rows, key=lambda r: (-r.passed, _out(r), *_order(snapshot.layout, r)))
    entries: list[Entry] = []
    rank = 0
    for place, row in enumerate(ordered):
        above = ordered[place - 1].passed if place else made
        entries += [_made_line(snapshot.cuts[bracket, rung]) for rung in range(above - 1, row.passed - 1, -1)]
        if row.score is None or _out(row):
            entries.append(row)
        else:
            rank += 1
            entries.append(replace(row, rank=rank, leader=row is leader))
        if outlook := _outlook(snapshot, bracket, made, place + 1, len(rows)):
            entries.append(outlook)
    return entries


def _out(row: Row) -> bool:
    return row.state in ("failed", "diverged") and row.passed == 0


def _made_line(cut: CutData) -> Divider:
    text = f"cut at evaluation {cut.evaluation}: kept {len(cut.kept)} of {cut.size}"
    return Divider(f"{text}, threshold {score_text(cut.threshold)}", True, cut.evaluation, cut.threshold)


def _outlook(snapshot: Snapshot, bracket: int, made: int, above: int, total: int) -> Divider | None:
    """Where the next cut would fall below `above` rows of `total`, if it were made now."""
    ladder = snapshot.layout.rungs[bracket]
    if made >= len(ladder) or above != ladder[made].keep or above >= total:
        return None
    rung = ladder[made]
    evaluation = rung_evaluation(rung.at_percent, snapshot.evaluations) if snapshot.evaluations is not None else None
    where = f"evaluation {evaluation}" if evaluation is not None else f"{rung.at_percent} % of each episode"
    return Divider(f"the cut at {where} will keep {rung.keep}", False, evaluation)


def _baseline(snapshot: Snapshot) -> float | None:
    known = [s.baseline for s in snapshot.statuses.values()] + [
        r.baseline for e in snapshot.attempts if (r := snapshot.reading(e))
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

"""The live view before it is drawn: episodes in rank order with the cuts between them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from seedsweep.api.cut import CutData
from seedsweep.api.episode import BestEvaluation, EpisodeId, EpisodeStatus
from seedsweep.engine.decisions import Plan, RecordCut, RecordEpisode
from seedsweep.engine.facts.ranking import Score, score_key
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, SeenAttempt
from seedsweep.report.words import score_text

_NEW = EpisodeStatus()
_STATES = {"LostByCut": "lost", "LostByDominance": "lost", "Failed": "failed", "Diverged": "diverged"}


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

    @property
    def rows(self) -> list[Row]:
        """The episodes alone."""
        return [entry for entry in self.entries if isinstance(entry, Row)]


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

    def reading(self, episode: EpisodeId) -> Reading | None:
        attempt = self.attempts.get(episode)
        return attempt.reading if attempt is not None else None

    def curve(self, episode: EpisodeId) -> tuple[Score, ...]:
        """The record's scores, continued by what is published: the first record stands."""
        recorded = self.statuses.get(episode, _NEW).scores
        reading = self.reading(episode)
        return (*recorded, *reading.scores[len(recorded) :]) if reading is not None else tuple(recorded)

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
    leader = min((r for r in every if r.score is not None), key=lambda r: _order(layout, r), default=None)
    entries: list[Entry] = []
    for bracket in brackets:
        if len(brackets) > 1:
            entries.append(Divider(f"bracket {bracket}: {len(grouped[bracket])} episodes", made=False))
        entries += _ranked(facts, bracket, grouped[bracket], leader)
    low, high = _scale(facts, every)
    return Board(tuple(entries), facts.evaluations, facts.steps, low, high)


def _facts(layout: Layout, seen: Observation, plan: Plan) -> _Facts:
    recorded = {r.episode: r.status for r in plan.records if isinstance(r, RecordEpisode)}
    decided = {(r.cut.bracket, r.cut.rung): r.cut for r in plan.records if isinstance(r, RecordCut)}
    attempts = {a.episode: a for a in seen.attempts if a.live}
    readings = [a.reading for a in attempts.values() if a.reading is not None]
    # A cut that was observed is the one that counts: another may have been made first.
    cuts = {**decided, **seen.cuts}
    return _Facts(
        layout=layout,
        statuses={**seen.episodes, **recorded},
        attempts=attempts,
        cuts=cuts,
        kept={key: cut.kept for key, cut in cuts.items()},
        evaluations=plan.status.evaluations
        or _first(r.evaluations_planned for r in readings)
        or layout.spec.trainer.planned_evaluations,
        steps=plan.status.steps or _first(r.steps_planned for r in readings),
    )


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def _row(facts: _Facts, episode: EpisodeId) -> Row:
    status = facts.statuses.get(episode, _NEW)
    attempt = facts.attempts.get(episode)
    scores = facts.curve(episode)
    state = _state(status, attempt)
    return Row(
        episode=episode,
        rank=None,
        state=state,
        scores=scores,
        score=_score(facts, episode, scores),
        progress=_progress(facts, len(scores), facts.reading(episode)),
        passed=facts.rungs_passed(episode),
        live=attempt is not None,
        settled=state in ("lost", "failed", "diverged"),
    )


def _state(status: EpisodeStatus, attempt: SeenAttempt | None) -> str:
    verdict = status.verdict
    if attempt is not None and attempt.stopping:
        return "stopping"
    if verdict is not None and verdict.outcome in _STATES:
        return "audited" if status.state == "Audited" else _STATES[verdict.outcome]
    if attempt is None:
        idle = status.state in ("Paused", "Trained")
        return status.state.lower() if idle else "finished" if verdict is not None else "waiting"
    if attempt.bound is None:
        return "queued"
    return "starting" if attempt.reading is None else "training"


def _score(facts: _Facts, episode: EpisodeId, scores: Sequence[Score]) -> Score:
    ladder = facts.layout.rungs[facts.layout.bracket_of[episode]]
    passed = facts.rungs_passed(episode)
    counted = list(scores)
    if facts.evaluations is not None and passed < len(ladder):
        # Evaluations past the next rung count only for an episode that is kept there.
        counted = counted[: ladder[passed].at_percent * facts.evaluations // 100]
        if facts.layout.latest:
            return counted[-1] if counted else None
    best = BestEvaluation.of(counted, (), len(counted), maximize=facts.layout.maximize)
    return best.score if best is not None else None


def _progress(facts: _Facts, evaluations: int, reading: Reading | None) -> float:
    by_evaluations = evaluations / facts.evaluations if facts.evaluations else 0.0
    by_steps = reading.steps_done / facts.steps if reading is not None and facts.steps else 0.0
    return min(1.0, max(by_evaluations, by_steps))


def _order(layout: Layout, row: Row) -> tuple[tuple[bool, float], int]:
    # Without a score they stand in the order in which they start.
    last = layout.index if row.score is None else layout.tie
    return (score_key(row.score, layout.maximize), last[row.episode])


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
    eligible = len(cut.ranked)
    text = f"cut at evaluation {cut.evaluation}: kept {len(cut.kept)} of {eligible + len(cut.excluded)}"
    return Divider(f"{text}, threshold {score_text(cut.threshold)}", made=True)


def _outlook(facts: _Facts, bracket: int, made: int, above: int, total: int) -> Divider | None:
    """Where the next cut would fall below `above` rows of `total`, if it were made now."""
    ladder = facts.layout.rungs[bracket]
    if made >= len(ladder) or above != ladder[made].keep or above >= total:
        return None
    rung = ladder[made]
    where = (
        f"evaluation {rung.at_percent * facts.evaluations // 100}"
        if facts.evaluations is not None
        else f"{rung.at_percent} % of each episode"
    )
    return Divider(f"the cut at {where} will keep {rung.keep}", made=False)


def _scale(facts: _Facts, rows: Sequence[Row]) -> tuple[float, float]:
    """The scores drawn lowest and highest: baseline to best, so that a flat row means nothing was learnt."""
    defined = [score for row in rows for score in row.scores if score is not None]
    if not defined:
        return (0.0, 1.0)
    low, high = min(defined), max(defined)
    known = [s.baseline for s in facts.statuses.values()] + [
        r.baseline for e in facts.attempts if (r := facts.reading(e))
    ]
    baseline = next((b for b in known if b is not None), None)
    if baseline is not None and facts.layout.maximize and baseline < high:
        low = baseline
    if baseline is not None and not facts.layout.maximize and baseline > low:
        high = baseline
    return (low, high)

"""What the live page shows of a sweep, and what of it a page has not been told yet. Pure.

Of thousands of curves a turn changes few, so a page is sent rows and the new ends of curves, not all of them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from seedsweep.engine.facts.ranking import Score
from seedsweep.engine.layout import step_of
from seedsweep.report.facts import cost_lines, warnings
from seedsweep.report.visible import Range, is_near, robust_range
from seedsweep.report.words import metric_words, one_line, score_text, share_text
from seedsweep.terminal import NextStep
from seedsweep.terminal.board import Board, Divider, Row
from seedsweep.terminal.moment import Moment, saving_text, steps_text

Json = object
Object = dict[str, Json]

_ROOM = 0.08
"""Above and below the scores, as a part of their range."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A moment of a sweep as the page has it; rows and curves are by index of the episode."""

    at: datetime
    head: Object
    """All that is told once, however many episodes there are."""
    order: tuple[tuple[int, int | None] | tuple[str, bool], ...]
    """From the best down: index and rank of an episode; or of a line between them its words, and whether it is made."""
    rows: tuple[tuple[Json, ...], ...]
    """Name, kind (see `_kind`), state, score, evaluations, share of it that is done in percent."""
    curves: tuple[tuple[Score, ...], ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """How what was watched has ended, or why it is watched no more."""

    words: str
    steps: Sequence[NextStep]


@dataclass(frozen=True, slots=True)
class News:
    """All that a page is to know by now."""

    sight: Sight
    notice: str = ""
    """What whoever watches has to say beside it."""
    ending: Ending | None = None


def sight_of(moment: Moment) -> Sight:
    """What the page shows of this moment."""
    index, board = moment.layout.index, moment.board
    rows = sorted(board.rows, key=lambda row: index[row.episode])
    x = _positions(board, rows)
    return Sight(
        at=moment.now,
        head=_head(moment, x),
        order=tuple(
            (index[entry.episode], entry.rank) if isinstance(entry, Row) else (entry.text, entry.made)
            for entry in board.entries
        ),
        rows=tuple(_row(row, board) for row in rows),
        curves=tuple(row.scores for row in rows),
    )


def changes(before: News | None, now: News) -> bytes:
    """What a page that was told `before` (None: nothing yet) has to be told to show `now`, as JSON."""
    # With more seeds the same index is another episode.
    if before is None or len(before.sight.rows) != len(now.sight.rows):
        return _dumped({"anew": True, **_differences(None, now)})
    return _dumped(_differences(before, now))


def _differences(before: News | None, now: News) -> Object:
    old, new = before.sight if before is not None else None, now.sight
    found: Object = {"at": new.at.isoformat(), "notice": now.notice}
    if old is None or new.head != old.head:
        found["head"] = new.head
    if old is None or new.order != old.order:
        found["order"] = new.order
    if rows := [(i, *row) for i, row in enumerate(new.rows) if old is None or row != old.rows[i]]:
        found["rows"] = rows
    if curves := [_tail(i, old.curves[i] if old is not None else (), curve) for i, curve in _changed(old, new)]:
        found["curves"] = curves
    if now.ending is not None:
        steps = [{"what": step.what, "commands": list(step.commands)} for step in now.ending.steps]
        found["ending"] = {"words": now.ending.words, "steps": steps}
    return found


def _changed(old: Sight | None, new: Sight) -> Iterator[tuple[int, Sequence[Score]]]:
    for i, curve in enumerate(new.curves):
        if curve != (old.curves[i] if old is not None else ()):
            yield i, curve


def _tail(episode: int, old: Sequence[Score], new: Sequence[Score]) -> tuple[int, int, list[Score]]:
    """Of a curve what follows its first scores that are known already: index, how many these are, the others."""
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    # To five digits, more than any screen can show.
    return episode, same, [None if score is None else float(f"{score:.5g}") for score in new[same:]]


def _dumped(told: Object) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()


def _positions(board: Board, rows: Sequence[Row]) -> list[int]:
    """Where evaluations stand: at their optimizer steps, or at their numbers where steps are unknown."""
    numbers = range(1, 1 + max(board.evaluations or 0, *(len(row.scores) for row in rows)))
    if board.evaluations is None or board.steps is None:
        return list(numbers)
    return [step_of(i, board.evaluations, board.steps) for i in numbers]


def _head(moment: Moment, x: Sequence[int]) -> Object:
    layout, status, board = moment.layout, moment.status, moment.board
    scores = [score for row in board.rows for score in row.scores if score is not None]
    shown = _shown(robust_range(scores, maximize=layout.maximize) or (0.0, 1.0), board.baseline)
    metric = metric_words(layout.spec.trainer, status)
    cuts = [entry for entry in board.entries if isinstance(entry, Divider) and entry.evaluation is not None]
    by_step = board.evaluations is not None and board.steps is not None
    return {
        "name": layout.name,
        "compared": moment.compared,
        "phase": status.phase,
        "message": one_line(status.message),
        "warnings": warnings(status),
        "cards": [{"title": title, "figure": figure, "text": text} for title, figure, text in _cards(moment)],
        "cost": [
            {"name": name, "steps": _number(steps), "share": _share(steps, status.cost.full_steps), "meaning": meaning}
            for name, steps, meaning in cost_lines(status.cost)
        ],
        "axes": {"x": "optimizer step" if by_step else "evaluation", "y": f"validation {metric}"},
        "x": list(x),
        "range": list(shown),
        "baseline": board.baseline if board.baseline is not None and shown[0] < board.baseline < shown[1] else None,
        "cuts": [{"at": _at(cut, x), "threshold": cut.threshold, "text": cut.text, "made": cut.made} for cut in cuts],
        "best": _best(moment, x),
        "words": _words(moment, metric, cuts),
    }


def _at(cut: Divider, x: Sequence[int]) -> int | None:
    return x[cut.evaluation - 1] if cut.evaluation is not None and 0 < cut.evaluation <= len(x) else None


def _shown(scores: Range, baseline: float | None) -> Range:
    """What the figure has room for: these scores, and that of a constant answer where it is anywhere near."""
    low, high = scores
    if baseline is not None and is_near(baseline, low, high):
        low, high = min(low, baseline), max(high, baseline)
    room = _ROOM * (high - low) or 0.05
    return low - room, high + room


def _cards(moment: Moment) -> Iterator[tuple[str, str, str]]:
    """Title, figure, and what there is to say about it."""
    status, cost, leader = moment.status, moment.status.cost, moment.board.leader
    best = "best so far" if status.completion_time is None else "best"
    if leader is not None:
        constant = moment.board.baseline
        against = f"; a constant answer scores {score_text(constant)}" if constant is not None else ""
        yield best, score_text(leader.score), f"{leader.episode.name}{against}"
    else:
        yield best, score_text(None), "nobody has a score yet"
    yield "episodes", f"{len(moment.board.rows):,}", moment.counts_text
    spent = share_text(cost.useful_steps, cost.planned_steps) if cost.planned_steps else f"{cost.useful_steps:,}"
    saves = f"; saves {saving}" if (saving := saving_text(cost)) else ""
    yield "steps of the plan", spent, f"{steps_text(cost)}{saves}"
    yield "time left", moment.left_text.removesuffix(" left") or "–", f"{moment.elapsed_text}; {moment.places_text}"


def _number(n: int | None) -> str:
    return f"{n:,}" if n is not None else "–"


def _share(part: int | None, whole: int | None) -> str:
    return share_text(part, whole) if part is not None and whole else "–"


def _best(moment: Moment, x: Sequence[int]) -> Object | None:
    """Where the best score stands; None while there is none."""
    leader = moment.board.leader
    if leader is None or leader.score is None or leader.score not in leader.scores:
        return None
    evaluation = leader.scores.index(leader.score)
    text = f"{leader.episode.name} {score_text(leader.score)}"
    return {"at": x[evaluation], "score": leader.score, "text": text}


def _words(moment: Moment, metric: str, cuts: Sequence[Divider]) -> str:
    """The figure in words, for those who do not see it."""
    said = [f"Validation {metric} of every episode."]
    said += [f"{cut.text[0].upper()}{cut.text[1:]}." for cut in cuts]
    if (leader := moment.board.leader) is not None:
        said.append(f"The best so far is {leader.episode.name} with {score_text(leader.score)}.")
    return " ".join(said)


def _row(row: Row, board: Board) -> tuple[Json, ...]:
    done = f"{len(row.scores)}/{board.evaluations or '?'}"
    return row.episode.name, _kind(row), row.state, score_text(row.score), done, round(100 * row.progress)


def _kind(row: Row) -> str:
    """How its curve is drawn."""
    if row.leader:
        return "best"
    if row.state in ("failed", "diverged"):
        return row.state
    return "lost" if row.settled or row.state in ("audited", "stopping") else "open"

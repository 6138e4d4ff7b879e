"""A board as lines of text that fit a terminal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from seedsweep.engine.facts.ranking import Score
from seedsweep.report.words import score_text
from seedsweep.terminal.board import Board, Divider, Entry, Row

BLOCKS = "▁▂▃▄▅▆▇█"
MARK = "★"
_CURVE, _PROGRESS, _DONE = "curve", "progress", "done"
"""Titles of columns that may be narrow: one that does not fit is another, or none."""
_STYLES = {"failed": "not dim red", "diverged": "not dim red", "training": "bold", "finished": "green"}


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths in cells; what does not fit is left out: the bar first, then the curve, then how much is done."""

    rank: int
    episode: int
    state: int
    curve: int
    score: int
    bar: int
    done: int

    @classmethod
    def fit(cls, board: Board, width: int) -> "Columns":
        """Share out a terminal's width."""
        rows = board.rows
        rank = max(2, len(str(len(rows))))
        episode = max(len("episode"), *(len(row.episode.name) for row in rows))
        state = max(len(row.state) for row in [*rows]) if rows else 0
        score = max(len("best"), *(len(score_text(row.score)) for row in rows))
        done = 2 * len(str(board.evaluations or 0)) + 1
        gaps = 2 * 5 + 1
        free = width - 2 - rank - episode - state - score - done - gaps
        if free < 0:
            return cls(rank, episode, state, 0, score, 0, 0)
        slots = board.evaluations or 10
        bar = min(16, free // 3) if free >= 24 else 0
        curve = free - bar if free - bar >= len(_CURVE) else 0
        # Whole cells per evaluation, so that equal times stand under each other at equal widths.
        return cls(rank, episode, state, curve // slots * slots if curve > slots else curve, score, bar, done)


def draw_rows(board: Board, width: int, height: int) -> list[Text]:
    """Column titles and as many entries as `height` holds, the most telling ones first to stay."""
    columns = Columns.fit(board, width)
    shown, hidden = select(board.entries, height - 1)
    if hidden:
        shown, hidden = select(board.entries, height - 2)
    lines = [_titles(columns)]
    lines += [_row(e, board, columns) if isinstance(e, Row) else _divider(e, width) for e in shown]
    if hidden:
        counts = Counter(row.state for row in hidden)
        told = ", ".join(f"{n} {state}" for state, n in counts.most_common())
        lines.append(Text(f"   … {len(hidden)} more: {told}", style="dim"))
    return lines


def select(entries: Sequence[Entry], room: int) -> tuple[list[Entry], list[Row]]:
    """The entries that fit, in their order, and the rows left out.

    Dividers and the leader stay, then what trains, then what is near a cut, then the rest from the top.
    """
    if len(entries) <= room:
        return list(entries), []
    dividers = [i for i, entry in enumerate(entries) if isinstance(entry, Divider)]

    def priority(i: int) -> tuple[int, int]:
        entry = entries[i]
        if isinstance(entry, Divider) or entry.leader:
            return (0, i)
        if entry.live:
            return (1, i)
        distance = min((abs(i - d) for d in dividers), default=i)
        return (2, distance) if entry.rank is not None else (3, i)

    chosen = set(sorted(range(len(entries)), key=priority)[: max(0, room)])
    left_out = [entry for i, entry in enumerate(entries) if i not in chosen and isinstance(entry, Row)]
    return [entries[i] for i in sorted(chosen)], left_out


def sparkline(scores: Sequence[Score], slots: int, width: int, low: float, high: float) -> str:
    """Scores as blocks, `slots` evaluations over `width` cells; a space where undefined or still to come."""
    cells = []
    for cell in range(width):
        first = cell * slots // width
        last = max(first + 1, (cell + 1) * slots // width)
        known = [score for score in scores[first:last] if score is not None]
        cells.append(_block(known[-1], low, high) if known else " ")
    return "".join(cells)


def _block(score: float, low: float, high: float) -> str:
    height = (score - low) / (high - low) if high > low else 1.0
    return BLOCKS[min(len(BLOCKS) - 1, max(0, int(height * len(BLOCKS))))]


def _titles(columns: Columns) -> Text:
    curve = _CURVE if columns.curve else ""
    done = _PROGRESS if columns.bar + 1 + columns.done >= len(_PROGRESS) else _DONE if columns.done else ""
    return Text(
        f"  {'#':>{columns.rank}}  {'episode':<{columns.episode}}  {'state':<{columns.state}}"
        f"  {curve:<{columns.curve}}  {'best':>{columns.score}}  {done}",
        style="dim",
    )


def _row(row: Row, board: Board, columns: Columns) -> Text:
    slots = board.evaluations or max(1, len(row.scores))
    base = "green" if row.leader else "dim" if row.settled or row.state in ("waiting", "audited") else ""
    line = Text(f"{MARK if row.leader else ' '} ", style=base)
    line.append(f"{row.rank or '':>{columns.rank}}  {row.episode.name:<{columns.episode}}  ")
    line.append(f"{row.state:<{columns.state}}  ", style=_STYLES.get(row.state, ""))
    line.append(sparkline(row.scores, slots, columns.curve, board.low, board.high))
    line.append(f"  {score_text(row.score):>{columns.score}}  ", style="" if row.settled else "bold")
    filled = round(row.progress * columns.bar)
    line.append("━" * filled)
    line.append("─" * (columns.bar - filled), style="dim")
    if columns.done:
        total = str(board.evaluations) if board.evaluations is not None else "?"
        line.append(f" {len(row.scores):>{len(total)}}/{total}")
    return line


def _divider(divider: Divider, width: int) -> Text:
    rule, style = ("──", "magenta") if divider.made else ("┄┄", "dim")
    return Text(f"{rule} {divider.text} ".ljust(width, rule[0]), style=style)

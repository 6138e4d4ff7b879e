"""What a terminal shows while somebody works at it, frame by frame."""

import os
import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pexpect
import pyte
from pyte.screens import Char

PROMPT = "$ "
_KEY_SECONDS = 0.07
_SETTLED_SECONDS = 0.05
"""A program writes a frame at once, and a terminal hands it over in pieces."""
_FAINT, _BLINKING = 2, 5


@dataclass(frozen=True, slots=True)
class Run:
    """Text in one style, without gaps."""

    column: int
    text: str
    style: frozenset[str]
    """bold, faint, or the name of a colour."""


Line = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The lines of a terminal, from `at` on."""

    at: float
    """Seconds since the prompt stood there."""
    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """Without styles."""
        return "\n".join(_text_of(line) for line in self.lines).rstrip()


class Screen(pyte.Screen):
    """Keeps faint text, which pyte does not know, as blinking, which nothing here is."""

    def select_graphic_rendition(self, *attributes: int, **more: bool) -> None:
        """Set what the next cells look like."""
        kept = (_BLINKING if attribute == _FAINT else attribute for attribute in attributes)
        super().select_graphic_rendition(*kept, **more)


class Terminal:
    """bash on a terminal of its own, with a prompt and nothing else of this machine's user."""

    def __init__(self, folder: Path, path: str, columns: int, lines: int) -> None:
        self._screen = Screen(columns, lines)
        self._stream = pyte.Stream(self._screen)
        bare = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        self._shell = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile"],
            cwd=str(folder),
            env={**bare, "PS1": PROMPT, "TERM": "xterm-256color", "PATH": path},
            dimensions=(lines, columns),
            encoding="utf-8",
        )
        self.frames: list[Frame] = []
        """All that it has shown."""
        self._begun = time.monotonic()
        self._until_prompt()
        self._begun = time.monotonic()

    def run(self, command: str) -> float:
        """Type a command, and return once the prompt is back; the seconds after which it was sent off."""
        for key in command:
            time.sleep(_KEY_SECONDS)
            self._shell.send(key)
            self._take()
        sent = time.monotonic() - self._begun
        self._shell.send("\n")
        self._take()
        self._until_prompt()
        return sent

    def close(self) -> None:
        """End bash, and what it runs."""
        self._shell.close(force=True)

    def _until_prompt(self) -> None:
        while self._screen.display[self._screen.cursor.y].rstrip() != PROMPT.rstrip():
            self._take()

    def _take(self) -> None:
        """Read what there is, up to a pause; keep it where it changes what is seen."""
        while True:
            try:
                self._stream.feed(self._shell.read_nonblocking(size=65536, timeout=_SETTLED_SECONDS))
            except pexpect.TIMEOUT:
                break
        rows = self._screen.buffer
        lines = tuple(line_of([rows[y][x] for x in range(self._screen.columns)]) for y in range(self._screen.lines))
        if not self.frames or self.frames[-1].lines != lines:
            self.frames.append(Frame(time.monotonic() - self._begun, lines))


def line_of(cells: list[Char]) -> Line:
    """Runs of cells that look alike, split where there is more than a blank between words."""
    runs: list[Run] = []
    column = 0
    for style, group in groupby(cells, key=_style):
        text = "".join(cell.data for cell in group)
        runs += _words(column, text, style)
        column += len(text)
    return tuple(runs)


def _words(column: int, text: str, style: frozenset[str]) -> list[Run]:
    found = []
    for part in text.split("  "):
        if part.strip():
            found.append(Run(column + len(part) - len(part.lstrip()), part.strip(), style))
        column += len(part) + len("  ")
    return found


def _style(cell: Char) -> frozenset[str]:
    names = {"bold": cell.bold, "faint": cell.blink, cell.fg: cell.fg != "default"}
    return frozenset(name for name, there in names.items() if there)


def _text_of(line: Line) -> str:
    text = ""
    for run in line:
        text = text.ljust(run.column) + run.text
    return text

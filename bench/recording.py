"""The recording of the README: the quickstart at a terminal of 80 columns, from its command to its last screen.

    python bench/recording.py [docs/recording.svg]

runs it in a new folder, /tmp/seedsweep, and prints the last screen, whose figures the README gives. With a file it
draws what the terminal showed, as a picture that plays: each part takes the seconds below, and time passes evenly
within it.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from terminal_frames import Frame, Terminal
from terminal_svg import as_svg

EXAMPLES = Path(__file__).parents[1] / "examples"
COMMAND = "seedsweep run examples/quickstart.yaml"
COLUMNS, LINES = 80, 34
LOADING, TRAINING, LAST = 1.5, 13.0, 7.0
"""Seconds of the picture: up to the first board, up to the last screen, and that one. Typing takes its own time."""
SHORTEST = 0.2
"""Seconds that a frame of the picture is seen."""
TITLE = "A terminal: seedsweep run examples/quickstart.yaml"
WORDS = (
    "The model loads; eight curves fill, two episodes at a time; a cut keeps three; these train to their end. {last}"
)


def record() -> tuple[list[Frame], float]:
    """What the terminal showed, and when the command was sent off."""
    # Its name is seen: a random one would say nothing.
    folder = Path(tempfile.gettempdir()) / "seedsweep"
    shutil.copytree(EXAMPLES, folder / EXAMPLES.name)
    terminal = Terminal(folder, f"{Path(sys.executable).parent}:{os.environ['PATH']}", COLUMNS, LINES)
    try:
        return terminal.frames, terminal.run(COMMAND)
    finally:
        terminal.close()
        shutil.rmtree(folder)


def paced(frames: Sequence[Frame], sent: float) -> list[Frame]:
    """The frames of the picture, at its times."""
    boards = [i for i, frame in enumerate(frames) if re.search(r"^time .* elapsed", frame.text, re.MULTILINE)]
    first, last = frames[boards[0]].at, frames[boards[-1] + 1].at
    parts = ((0.0, sent, sent), (sent, first, LOADING), (first, last, TRAINING))

    def moved(at: float) -> float:
        return sum(length * min(1.0, max(0.0, (at - start) / (end - start))) for start, end, length in parts)

    found: list[Frame] = []
    for frame in (replace(frame, at=moved(frame.at)) for frame in frames):
        # Of those that follow each other sooner, the last one is seen.
        if found and frame.at - found[-1].at < SHORTEST and frame.at > sent:
            found[-1] = replace(frame, at=found[-1].at)
        else:
            found.append(frame)
    return found


def main() -> None:
    """Record, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("svg", type=Path, nargs="?")
    arguments = parser.parse_args()
    frames, sent = record()
    last = frames[-1].text
    print(last)
    if arguments.svg is not None:
        shown = paced(frames, sent)
        words = WORDS.format(last=" ".join(last.partition("\n\n")[0].split()))
        arguments.svg.write_text(as_svg(shown, shown[-1].at + LAST, COLUMNS, TITLE, words))


if __name__ == "__main__":
    main()

"""The recording in the README: a picture that is complete in itself, and ends with what the README says."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pyte
import pytest

from recording import COLUMNS, LOADING, TRAINING, paced
from terminal_frames import Frame, Run, Screen, line_of
from terminal_svg import as_svg

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "docs" / "recording.svg"
SVG = "{http://www.w3.org/2000/svg}"
LARGEST_BYTES = 300_000


def last_frame(picture: ElementTree.Element) -> list[str]:
    """What is seen where nothing moves: the part of the film that no movement brings into its window."""
    window = picture.find(f"{SVG}svg")
    assert window is not None
    lines = {group.get("id"): [text.text or "" for text in group] for group in picture.iter(f"{SVG}g")}
    seen = [use for use in window.iter(f"{SVG}use") if 0 <= float(use.get("y", "")) <= float(window.get("height", ""))]
    return [" ".join(lines[use.get("href", "").removeprefix("#")]) for use in seen]


def test_recording_is_small_and_needs_nothing_else() -> None:
    text = RECORDING.read_text()
    assert len(text.encode()) <= LARGEST_BYTES
    for element in ElementTree.fromstring(text).iter():
        assert element.tag.removeprefix(SVG) in {"svg", "title", "desc", "style", "defs", "g", "rect", "text", "use"}
        assert not [name for name in element.attrib if name.startswith("on")]
        assert element.get("href", "#").startswith("#")
    assert not re.search(r"url\(|@import|@font-face", text)


def test_recording_ends_with_the_figures_of_the_readme() -> None:
    shown = " ".join(last_frame(ElementTree.fromstring(RECORDING.read_text())))
    [said] = re.findall(r"^The recording .*?\n\n", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    figures = re.findall(r"\d[\d.,]*\d", said)
    assert len(figures) >= 9
    assert [figure for figure in figures if figure not in shown] == []


def test_recording_moves_only_for_those_who_have_not_asked_for_less_motion() -> None:
    text = RECORDING.read_text()
    assert re.findall(r"animation:", text) == ["animation:"]
    assert "@media (prefers-reduced-motion: no-preference) { #film { animation:" in text


def frames_at(*times: float, text: str = "time   1 s elapsed") -> list[Frame]:
    return [Frame(at, ((Run(0, f"{text} {at}", frozenset()),),)) for at in times]


def test_loading_and_training_take_the_time_that_the_picture_has_for_them() -> None:
    frames = [*frames_at(0, 1, text="$ "), *frames_at(5, 100, 195), *frames_at(205, text="done")]
    shown = paced(frames, sent=1.0)
    assert [frame.at for frame in shown] == pytest.approx(
        [
            0,
            1,
            1 + LOADING,
            1 + LOADING + TRAINING * 95 / 200,
            1 + LOADING + TRAINING * 190 / 200,
            1 + LOADING + TRAINING,
        ]
    )


def test_of_frames_that_nobody_could_see_apart_the_last_is_shown() -> None:
    frames = [*frames_at(0, text="$ "), *frames_at(1, 2, 3, 900), *frames_at(1001, text="done")]
    assert [frame.text.split()[-1] for frame in paced(frames, sent=0.5)] == ["0", "3", "900", "1001"]


def test_picture_holds_the_last_frame_where_no_movement_takes_it_away() -> None:
    frames = [*frames_at(0, text="first"), *frames_at(3, text="last")]
    assert last_frame(ElementTree.fromstring(as_svg(frames, 5.0, COLUMNS, "a < b", "c & d"))) == ["last 3"]


def test_cells_become_runs_of_words_in_one_style() -> None:
    screen = Screen(20, 1)
    pyte.Stream(screen).feed("ab c   \x1b[2mfaint\x1b[0m\x1b[1;32m x")
    line = line_of([screen.buffer[0][x] for x in range(20)])
    assert line == (
        Run(0, "ab c", frozenset()),
        Run(7, "faint", frozenset({"faint"})),
        Run(13, "x", frozenset({"bold", "green"})),
    )

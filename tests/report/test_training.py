"""Training losses and times, from what attempts left beside a record to the page and its table."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs import records
from report.pages import text_of, words_of
from seedsweep.contract.training import COLUMNS, FILE, Interval, parse_training, training_bytes
from seedsweep.report.beside import Beside, read_beside
from seedsweep.report.episodes import episodes_table
from seedsweep.report.exports import write_everything
from seedsweep.report.figures.drawing import page_svg
from seedsweep.report.figures.losses import losses_figure
from seedsweep.report.figures.selection import drawn_curves
from seedsweep.report.page import write_report
from seedsweep.report.record import Record, read_record
from seedsweep.report.training import last_losses, training_of, training_table


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def line(evaluation: int, loss: float | None = 0.5, seconds: float = 3.0) -> Interval:
    return Interval(evaluation, 10 * evaluation, loss, seconds, 1.0)


def test_the_first_attempt_that_tells_of_an_evaluation_stands(tmp_path: Path) -> None:
    record = records.finished()
    folder = records.write(tmp_path, record) or tmp_path
    episode = next(e for e in record.episodes if len({a.uid for a in e.status.attempts}) > 1)
    first, second = (folder / "attempts" / attempt.uid for attempt in episode.status.attempts[:2])
    beyond = len(episode.status.scores) + 1
    for place, lines in ((first, [line(1, 0.7), line(2, 0.6)]), (second, [line(2, 0.9), line(3, 0.4), line(beyond)])):
        place.mkdir(parents=True)
        (place / FILE).write_bytes(training_bytes(lines))
    known = read_beside(folder, read_record(folder)).training[episode.spec.id.name]
    assert {at: found.loss for at, found in known.items()} == {1: 0.7, 2: 0.6, 3: 0.4}


def test_page_and_table_tell_the_losses_and_the_share_of_evaluations() -> None:
    record = records.fully_trained(2, 1)
    last = records.EVALUATIONS
    training = {
        e.spec.id.name: {1: line(1, 0.7 + i / 10), 2: line(2, None), last: line(last, 0.1 + i / 10)}
        for i, e in enumerate(record.episodes)
    }
    known = Beside(training=training)
    found = training_of(of(record), known)
    assert found is not None
    assert found.first_loss == pytest.approx(0.75)
    assert found.last_loss == pytest.approx(0.15)
    assert (found.episodes, found.evaluations, found.evaluating) == (2, 6, 0.25)
    words = words_of(record, known)
    assert "was 0.75 before the first and 0.15 before the last, in the median of 2 episodes." in words
    assert "An evaluation took 1 s in the median of 6, all of them 25 % of the time of steps and evaluations." in words
    assert "seconds training loss" in words
    assert words.count(" 0.1 ") + words.count(" 0.2 ") >= 2
    assert "training loss" not in words_of(record).split("Click a heading")[0]
    rows = episodes_table(of(record), {}, last_losses(of(record), known)).rows
    assert {row[-1] for row in rows} == {0.1, 0.2}
    table = training_table(of(record), known)
    assert table is not None
    assert table.rows[1] == (record.episodes[0].spec.id.name, 2, 20, None, 3.0, 1.0)


def test_the_page_says_how_to_get_the_numbers_of_the_losses_and_where_they_are_then(tmp_path: Path) -> None:
    folder = records.write(tmp_path, records.finished())
    for episode in records.finished().episodes:
        for attempt in episode.status.attempts:
            place = folder / "attempts" / attempt.uid
            place.mkdir(parents=True, exist_ok=True)
            (place / FILE).write_bytes(training_bytes([line(at) for at in range(1, attempt.evaluations + 1)]))
    page = text_of(write_report(folder).read_text())
    assert "run seedsweep report on the folder of this page: it writes them to report/training.csv" in page
    assert not (folder / "report").exists()
    write_everything(folder, read_record(folder), lambda *_: None)
    assert (folder / "report" / "training.csv").exists()


def test_where_nothing_is_known_it_is_said_and_there_is_no_table() -> None:
    record = records.fully_trained(2, 1)
    assert training_table(of(record), Beside()) is None
    assert "The training loss and the time of evaluations are not known: seedsweep run" in words_of(record)


def test_losses_of_episodes_that_are_not_known_from_first_to_last_are_left_out() -> None:
    record = records.fully_trained(2, 1)
    known = Beside(training={record.episodes[0].spec.id.name: {1: line(1)}})
    found = training_of(of(record), known)
    assert found is not None
    assert (found.episodes, found.first_loss, found.evaluations) == (0, None, 1)
    assert "a mean over the steps before an evaluation" not in words_of(record, known)


def test_the_figure_has_the_losses_of_the_episodes_whose_curves_are_drawn() -> None:
    record = of(records.finished(12, 9))
    known = records.losses(record.episodes)
    [unknown, *told] = sorted(drawn_curves(record).names)
    figure = losses_figure(record, Beside(training={k: v for k, v in known.training.items() if k != unknown}))
    assert figure is not None
    assert set(figure.tips) == {f"loss-{name}" for name in told}
    assert f"The training loss of {len(told)} episodes" in figure.words
    assert "They are those of 108 whose curves are drawn and whose losses are known." in figure.words


def test_a_loss_is_drawn_at_the_evaluation_after_its_steps_and_one_that_is_not_known_leaves_a_gap() -> None:
    record = of(records.fully_trained(2, 1))
    name, last = record.episodes[0].spec.id.name, records.EVALUATIONS
    lines = {at: line(at, None if at == 3 else 1 / at) for at in range(1, last + 1) if at != 5}
    figure = losses_figure(record, Beside(training={name: lines}))
    assert figure is not None
    svg = page_svg(figure)
    drawn = re.search(rf'id="loss-{name}".*? d="([^"]*)"', svg, re.DOTALL)
    places = re.search(r'data-x="(\S+) (\S+)" data-y="(\S+) (\S+)"', svg)
    assert drawn is not None
    assert places is not None
    a, b, c, d = map(float, places.groups())
    at = [float(number) for number in re.findall(r"-?[\d.]+", drawn[1])]
    known = [i for i in range(1, last + 1) if i not in (3, 5)]
    assert at[::2] == pytest.approx([a + b * records.STEPS / last * i for i in known], abs=0.1)
    assert at[1::2] == pytest.approx([c + d / i for i in known], abs=0.1)
    assert drawn[1].count("M") == 3


def test_without_losses_there_is_no_figure_of_them() -> None:
    record = of(records.fully_trained(2, 1))
    assert losses_figure(record, Beside()) is None
    assert losses_figure(record, Beside(training={record.episodes[0].spec.id.name: {1: line(1, None)}})) is None


def test_lines_are_read_as_they_were_written() -> None:
    lines = [line(1, 0.693147), line(2, None, 0.0)]
    assert parse_training(training_bytes(lines)) == lines


HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    "row", ["", "1,10,0.5,3", "0,10,0.5,3,1", "301,10,0.5,3,1", "1,0,0.5,3,1", "1,10,nan,3,1", "1,10,0.5,-3,1", "a,b"]
)
def test_a_file_with_a_line_that_cannot_be_tells_nothing(row: str) -> None:
    assert parse_training(f"{HEADER}\n1,10,0.5,3,1\n{row}\n".encode()) == []


@given(st.binary() | st.text().map(lambda text: f"{HEADER}\n{text}".encode()))
def test_anything_else_tells_nothing_or_sound_lines(data: bytes) -> None:
    assert all(1 <= found.evaluation <= 300 for found in parse_training(data))

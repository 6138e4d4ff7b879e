"""Whether the winner is within noise of the runner-up, on the last screen: as the report says it, or not at all."""

from pathlib import Path

from inputs import records
from seedsweep.report.beside import read_beside
from seedsweep.report.findings.verdict import verdict_of
from seedsweep.report.record import Record
from seedsweep.report.words import p_text
from seedsweep.terminal.noise import noise_words


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def test_it_is_what_the_report_says(tmp_path: Path) -> None:
    record = of(records.finished())
    records.write_with_answers(tmp_path, records.finished())
    found = verdict_of(record, read_beside(tmp_path, record)).runner_up
    assert found is not None
    words = noise_words(tmp_path, record)
    assert words.startswith(f"{found.words}: p = {p_text(found.test.p)} on the same 10,000 examples")
    assert f" {found.episode}, the runner-up" in words


def test_nothing_is_said_where_the_answers_of_one_of_them_are_not_known(tmp_path: Path) -> None:
    records.write(tmp_path, records.finished())
    assert noise_words(tmp_path, of(records.finished())) == ""
    without = records.finished().with_status(best=None)
    assert noise_words(tmp_path, of(without)) == ""


def test_a_lead_that_is_no_noise_is_still_said_to_be_picked(tmp_path: Path) -> None:
    record = records.fully_trained(2, 1)
    records.write_with_answers(tmp_path, record)
    words = noise_words(tmp_path, of(record))
    assert "than chance explains" in words
    assert words.endswith("these scores picked the winner, so its lead tends to be smaller on others")

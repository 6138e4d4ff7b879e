"""The operator's log, line by line."""

import json
import logging
from collections.abc import Iterator

import pytest

from seedsweep.kube.process.log import MAX_MESSAGE, Changes, SweepLog, set_up_logging
from seedsweep.kube.process.log_format import LogFormat


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_line_about_a_sweep_begins_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogFormat.TEXT)
    SweepLog(logging.getLogger("seedsweep.kube.sweeps.sweep"), "nlp", "rte").info("accepted: %d episodes", 8)
    [line] = written(capsys)
    moment, rest = line.split(" ", 1)
    assert moment.endswith("Z")
    assert rest == "INFO nlp/rte: accepted: 8 episodes"


def test_as_json_a_line_has_its_parts_apart(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogFormat.JSON)
    SweepLog(logging.getLogger("seedsweep.kube.sweeps.sweep"), "nlp", "rte").warning("it is %s", "so")
    logging.getLogger("seedsweep.kube.app").info("started")
    about_sweep, other = (json.loads(line) for line in written(capsys))
    assert about_sweep.pop("time").endswith("Z")
    assert about_sweep == {
        "level": "WARNING",
        "logger": "seedsweep.kube.sweeps.sweep",
        "message": "it is so",
        "namespace": "nlp",
        "sweep": "rte",
    }
    assert other.keys() == {"time", "level", "logger", "message"}


@pytest.mark.parametrize("form", LogFormat)
def test_what_others_wrote_stays_on_one_line_and_has_its_bounds(
    form: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(form)
    logging.getLogger("seedsweep.x").warning("said: %s", "a\nb\x1b[31m" + "c" * 10_000)
    [line] = written(capsys)
    assert "said: a b" in line
    assert "\x1b" not in line
    assert len(line) < MAX_MESSAGE + 200


def test_an_error_is_told_with_where_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    for form in LogFormat:
        set_up_logging(form)
        try:
            raise ValueError("not thought of")
        except ValueError:
            logging.getLogger("seedsweep.x").exception("a turn failed")
    text, *lines, line = written(capsys)
    assert text.endswith("ERROR a turn failed")
    assert lines[-1] == "ValueError: not thought of"
    assert "ValueError: not thought of" in json.loads(line)["exception"]


@pytest.mark.parametrize("name", ["kopf.activities.authentication", "kopf._core.engines", "aiohttp.access", "asyncio"])
def test_the_chatter_of_libraries_is_left_out_and_their_warnings_are_not(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(LogFormat.TEXT)
    logging.getLogger(name).info("Initial authentication has been initiated.")
    logging.getLogger(name).warning("look out")
    [line] = written(capsys)
    assert line.endswith("WARNING look out")


def test_a_try_of_the_watch_that_failed_is_not_the_librarys_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogFormat.TEXT)
    logging.getLogger("kopf._cogs.clients.watching").error("Request attempt #1/9 failed; will retry: GET https://...")
    assert written(capsys) == []


def test_what_goes_wrong_is_news_once_until_it_changes_or_is_over() -> None:
    changes = Changes()
    assert not changes.is_over("a")
    assert [changes.is_new("a", text) for text in ("x", "x", "y", "x")] == [True, False, True, True]
    assert changes.is_new("b", "x")
    assert [changes.is_over("a") for _ in range(2)] == [True, False]
    assert changes.is_new("a", "x")

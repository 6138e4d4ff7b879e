"""What an attempt tells on /metrics, in its termination message and in its result."""

import contextlib
import json
import math
import socket
import struct
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from host.ports import free_port
from seedsweep.api.episode import EndReason
from seedsweep.contract.exits import classify_end
from seedsweep.contract.message import Message, Outcome, TrainerInfo, as_published, decode_message, encode_message
from seedsweep.contract.protocol import Env, ExitCode, MetricName
from seedsweep.contract.scrape import Expected, parse_reading, reading_of
from seedsweep_trainer.reporting.outlets import Outlets
from seedsweep_trainer.reporting.reporter import Reporter

SCORE, LOSS = str(MetricName.CURVE_SCORE), str(MetricName.CURVE_LOSS)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of an attempt of episode wi1-do2."""
    return {
        Env.CONTRACT: "1",
        Env.EPISODE: "wi1-do2",
        Env.ATTEMPT_UID: "u1",
        Env.WORK_DIR: str(tmp_path),
        Env.TERMINATION_LOG: str(tmp_path / "termination-log"),
        Env.METRICS_HOST: "127.0.0.1",
        Env.METRICS_PORT: str(free_port()),
    }


@pytest.fixture
def reporter(tmp_path: Path) -> Reporter:
    """One that speaks through its files, with six evaluations planned."""
    reporter = Reporter(TrainerInfo("wi1-do2", "u1"), Outlets(tmp_path / "termination-log", tmp_path))
    reporter.planned(evaluations=6, steps=60, baseline=0.68)
    return reporter


def fetch(environ: dict[str, str]) -> str:
    url = f"http://{environ[Env.METRICS_HOST]}:{environ[Env.METRICS_PORT]}/metrics"
    with urllib.request.urlopen(url, timeout=60) as answer:
        body: bytes = answer.read()
    return body.decode()


def samples(text: str) -> dict[str, dict[str, float]]:
    """Values by metric, then by the evaluation label ("" without one)."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[sample.labels.get("evaluation", "")] = sample.value
    return found


def served(reporter: Reporter) -> dict[str, dict[str, float]]:
    """What a scrape at this moment gets."""
    registry = CollectorRegistry()
    registry.register(reporter)
    return samples(generate_latest(registry).decode())


def last_words(tmp_path: Path) -> Message:
    message = decode_message((tmp_path / "termination-log").read_text())
    assert message is not None
    return message


def test_what_is_measured_beside_the_contract_is_told_as_far_as_it_was_measured() -> None:
    reporter = Reporter()
    assert not {"seedsweep_learning_rate", "seedsweep_tokens_total"} & set(served(reporter))
    reporter.measured(learning_rate=2e-5, tokens=640)
    reporter.measured(tokens=1280)
    found = served(reporter)
    assert (found["seedsweep_learning_rate"], found["seedsweep_tokens_total"]) == ({"": 2e-5}, {"": 1280})
    assert "seedsweep_gpu_memory_bytes" not in found


def test_one_scrape_tells_the_whole_curve(environ: dict[str, str]) -> None:
    reporter = Reporter.from_env(environ, level="L3")
    reporter.described(fingerprint="f", data="d", initialization="i")
    reporter.planned(evaluations=6, steps=60, baseline=0.68)
    for i, (score, loss) in enumerate([(0.5, 0.7), (0.25, 0.6), (0.75, 0.5)], 1):
        reporter.evaluated(step=10 * i, score=score, loss=loss)
    reporter.checkpointed(2)
    found = samples(fetch(environ))
    assert found[SCORE] == {"1": 0.5, "2": 0.25, "3": 0.75}
    assert found[LOSS] == {"1": as_published(0.7), "2": as_published(0.6), "3": 0.5}
    assert {name.removeprefix("seedsweep_"): only[""] for name, only in found.items() if "" in only} == {
        "validation_loss": 0.5,
        "validation_score": 0.75,
        "evaluations_done": 3,
        "evaluations_planned": 6,
        "steps_done": 30,
        "steps_planned": 60,
        "steps_at_start": 0,
        "checkpoint_evaluation": 2,
        "baseline_score": as_published(0.68),
        "trainer_info": 1,
    }


def test_scrape_says_who_publishes_and_is_what_the_operator_reads(environ: dict[str, str]) -> None:
    reporter = Reporter.from_env(environ, level="L3")
    reporter.described(fingerprint="f", data="d", initialization="i")
    reporter.planned(evaluations=6, steps=60)
    reporter.evaluated(step=10, score=0.5)
    reading = parse_reading(fetch(environ).encode(), Expected("wi1-do2", "u1"))
    assert (reading.scores, reading.losses) == ((0.5,), None)
    assert (reading.level, reading.fingerprint, reading.data) == ("L3", "f", "d")


def test_metrics_are_there_before_the_plan_and_the_first_evaluation(environ: dict[str, str]) -> None:
    Reporter.from_env(environ)
    reading = parse_reading(fetch(environ).encode(), Expected("wi1-do2", "u1"))
    assert (reading.scores, reading.evaluations_planned) == ((), None)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_scores_survive_the_text_format_exactly(scores: list[float]) -> None:
    reporter = Reporter()
    reporter.planned(evaluations=20, steps=20)
    for step, score in enumerate(scores):
        reporter.evaluated(step=step, score=score)
    found = list(served(reporter)[SCORE].values())
    assert found == list(map(as_published, scores))
    assert struct.pack(f"<{len(found)}f", *found) == struct.pack(f"<{len(scores)}f", *scores)


def test_metrics_and_message_carry_the_same_numbers(reporter: Reporter, tmp_path: Path) -> None:
    for i, score in enumerate([0.1, 2 / 3, -1e-7], 1):
        reporter.evaluated(step=i, score=score, loss=score)
        found = served(reporter)
        assert tuple(found[SCORE].values()) == last_words(tmp_path).scores
        assert tuple(found[LOSS].values()) == last_words(tmp_path).losses


def test_message_is_rewritten_at_every_evaluation_in_place(reporter: Reporter, tmp_path: Path) -> None:
    inode = (tmp_path / "termination-log").stat().st_ino
    for i in range(1, 4):
        reporter.evaluated(step=i, score=0.5)
        message = last_words(tmp_path)
        assert (message.outcome, len(message.scores), message.steps_done) == (Outcome.RUNNING, i, i)
    assert (tmp_path / "termination-log").stat().st_ino == inode


def test_message_replaces_a_longer_one_wholly(tmp_path: Path) -> None:
    (tmp_path / "termination-log").write_text("x" * 9_000)
    Reporter(TrainerInfo("e", "u"), Outlets(tmp_path / "termination-log")).planned(evaluations=1, steps=1)
    assert last_words(tmp_path).evaluations_planned == 1


def test_checkpoint_is_told_at_once_in_the_message(reporter: Reporter, tmp_path: Path) -> None:
    reporter.evaluated(step=10, score=0.5)
    reporter.checkpointed(1)
    assert last_words(tmp_path).checkpoint == 1


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_undefined_score_is_nan_and_keeps_its_place(reporter: Reporter, tmp_path: Path, score: float) -> None:
    reporter.evaluated(step=1, score=score)
    reporter.evaluated(step=2, score=0.5)
    curve = served(reporter)[SCORE]
    assert math.isnan(curve["1"])
    assert curve["2"] == 0.5
    assert math.isnan(last_words(tmp_path).scores[0])
    reporter.finish(Outcome.DONE)
    assert json.loads((tmp_path / "result.json").read_text())["scores"] == [None, 0.5]


def test_resumed_attempt_publishes_the_curve_of_those_before_it(reporter: Reporter, tmp_path: Path) -> None:
    reporter.resumed(step=30, scores=[0.5, 0.6, 0.7], losses=[0.3, 0.2, 0.1])
    found = served(reporter)
    assert found[SCORE] == {"1": 0.5, "2": as_published(0.6), "3": as_published(0.7)}
    assert (found[MetricName.STEPS_AT_START][""], found[MetricName.CHECKPOINT][""]) == (30, 3)
    reporter.evaluated(step=40, score=0.8, loss=0.05)
    assert len(last_words(tmp_path).scores) == 4
    assert last_words(tmp_path).steps_at_start == 30


def test_steps_between_evaluations_are_told(reporter: Reporter) -> None:
    reporter.stepped(7)
    assert served(reporter)[MetricName.STEPS_DONE][""] == 7


def test_evaluation_without_a_plan_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"call planned\(evaluations=, steps=\) first"):
        Reporter().evaluated(step=1, score=0.5)


def test_more_evaluations_than_planned_are_refused(reporter: Reporter) -> None:
    reporter.resumed(step=60, scores=[0.5] * 6)
    with pytest.raises(ValueError, match="evaluation 7 of 6 planned"):
        reporter.evaluated(step=61, score=0.5)


@pytest.mark.parametrize(("first", "second"), [(0.5, None), (None, 0.5)])
def test_loss_comes_with_every_evaluation_or_with_none(
    reporter: Reporter, first: float | None, second: float | None
) -> None:
    reporter.evaluated(step=1, score=0.5, loss=first)
    with pytest.raises(ValueError, match="a loss with every evaluation or with none"):
        reporter.evaluated(step=2, score=0.5, loss=second)


def test_stops_at_the_asked_evaluation_and_not_before(environ: dict[str, str]) -> None:
    reporter = Reporter.from_env(environ | {Env.STOP_AFTER: "2"})
    reporter.planned(evaluations=6, steps=60)
    stops = []
    for step in range(3):
        reporter.evaluated(step=step, score=0.5)
        stops.append(reporter.should_stop)
    assert stops == [False, True, True]


def test_runs_to_the_end_where_no_stop_is_asked_for(reporter: Reporter) -> None:
    reporter.resumed(step=60, scores=[0.5] * 6)
    assert not reporter.should_stop


def test_finish_leaves_the_last_words_and_a_readable_result(reporter: Reporter, tmp_path: Path) -> None:
    reporter.evaluated(step=10, score=0.5, loss=0.25)
    reporter.finish(Outcome.STOPPED)
    assert last_words(tmp_path).outcome == Outcome.STOPPED
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["outcome"], result["scores"], result["losses"]) == ("stopped", [0.5], [0.25])
    assert result["info"]["episode"] == "wi1-do2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.json", "termination-log"]


def test_divergence_names_the_evaluation_that_was_due(reporter: Reporter, tmp_path: Path) -> None:
    reporter.evaluated(step=10, score=0.5)
    reporter.finish(Outcome.DIVERGED)
    assert last_words(tmp_path).diverged_at == 2


def test_reason_of_a_failure_is_in_the_message(reporter: Reporter, tmp_path: Path) -> None:
    reporter.finish(Outcome.FAILED, "no such file: data.csv; give dataset.train")
    assert last_words(tmp_path).reason == "no such file: data.csv; give dataset.train"


def test_outside_a_sweep_nothing_is_served_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reporter = Reporter.from_env({})
    reporter.planned(evaluations=1, steps=1)
    reporter.evaluated(step=1, score=0.5)
    reporter.finish(Outcome.DONE)
    assert not reporter.should_stop
    assert list(tmp_path.iterdir()) == []


KINDS: dict[str, Callable[[float], Any]] = {
    "numpy": np.float32,
    "numpy integer or array": lambda value: np.int64(value) if value >= 1 else np.array([value]),
    "torch": torch.tensor,
    "decimal": lambda value: Decimal(str(value)),
    "fraction": lambda value: Fraction(str(value)),
    "whole as a float": float,
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_may_be_of_any_kind(reporter: Reporter, tmp_path: Path, kind: str) -> None:
    make = KINDS[kind]
    reporter.planned(evaluations=make(6), steps=make(60), baseline=make(0.5))
    reporter.resumed(step=make(10), scores=[make(0.25)], losses=[make(0.5)])
    reporter.stepped(make(15))
    reporter.evaluated(step=make(20), score=make(0.75), loss=make(0.25))
    reporter.checkpointed(make(2))
    message = last_words(tmp_path)
    assert (message.scores, message.losses, message.baseline) == ((0.25, 0.75), (0.5, 0.25), 0.5)
    assert (message.evaluations_planned, message.steps_planned, message.steps_done, message.checkpoint) == (
        6,
        60,
        20,
        2,
    )
    reporter.finish(Outcome.DONE)
    assert json.loads((tmp_path / "result.json").read_text())["steps_done"] == 20


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda r: r.planned(evaluations=10, steps=187.5), r"planned\(steps=\) is 187.5, not a whole number: round it"),
        (
            lambda r: r.planned(evaluations=301, steps=400),
            r"planned\(evaluations=\) is 301, not a whole number from 1 to 300",
        ),
        (lambda r: r.planned(evaluations=0, steps=4), r"planned\(evaluations=\) is 0"),
        (lambda r: r.planned(evaluations=3, steps=0), r"planned\(steps=\) is 0"),
        (lambda r: r.planned(evaluations="3", steps=4), r"planned\(evaluations=\) is '3', not a number"),
        (lambda r: r.planned(evaluations=np.array([1, 2]), steps=4), "not one number"),
        (lambda r: r.evaluated(step=61, score=0.5), "more steps than the 60 that are planned: round up"),
        (lambda r: r.stepped(61), "more steps than the 60 that are planned: round up"),
        (lambda r: r.stepped(np.float64(1.5)), r"stepped\(step=\) is 1.5"),
        (lambda r: (r.stepped(5), r.stepped(4)), r"stepped\(step=4\) goes back from step 5"),
        (lambda r: (r.evaluated(step=5, score=0), r.evaluated(step=4, score=0)), "goes back from step 5"),
        (lambda r: (r.evaluated(step=5, score=0), r.evaluated(step=5, score=0)), "a second score after the same step"),
        (lambda r: r.evaluated(step=5, score=None), r"evaluated\(score=\) is None, not a number"),
        (lambda r: r.evaluated(step=5, score=1e39), r"evaluated\(score=\): 1e\+39 does not fit a float32"),
        (lambda r: r.evaluated(step=5, score=10**400), r"evaluated\(score=\) does not fit a float32"),
        (lambda r: r.resumed(step=10, scores=[0.5] * 7), "an evaluation beyond the 6 that are planned"),
        (lambda r: r.resumed(step=10, scores=[0.5], losses=[]), "1 scores but 0 losses"),
        (lambda r: r.checkpointed(7), "an evaluation beyond the 6 that are planned"),
        (lambda r: r.checkpointed(1.5), r"checkpointed\(\) is 1.5"),
        (lambda r: r.described(fingerprint="f" * 257), r"described\(fingerprint=\) is .* at most 256 ASCII characters"),
        (lambda r: r.described(data="\N{SNOWMAN}"), r"described\(data=\)"),
        (lambda r: r.described(initialization=3), r"described\(initialization=\) is 3"),
    ],
)
def test_what_the_scraper_would_refuse_is_refused_where_it_is_said(
    reporter: Reporter, call: Callable[[Reporter], object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        call(reporter)
    # What was refused has left no trace.
    reporter.finish(Outcome.DONE)


def test_a_score_outside_the_metrics_range_is_refused_at_once(environ: dict[str, str]) -> None:
    metric = '{"name": "accuracy", "goal": "maximize", "range": {"min": "0", "max": "1"}}'
    reporter = Reporter.from_env(environ | {Env.METRIC: metric})
    reporter.planned(evaluations=6, steps=60)
    reporter.evaluated(step=1, score=math.nan)
    with pytest.raises(ValueError, match=r"evaluation 2 is 54.3, outside the metric's range 0 to 1"):
        reporter.evaluated(step=2, score=54.3)


ANY = st.one_of(st.integers(-2, 400), st.floats(), st.none(), st.text(max_size=3), st.integers())
CALLS = st.one_of(
    st.tuples(st.just("planned"), st.fixed_dictionaries({"evaluations": ANY, "steps": ANY, "baseline": ANY})),
    st.tuples(st.just("planned"), st.fixed_dictionaries({"evaluations": st.integers(1, 300), "steps": st.integers(1)})),
    st.tuples(st.just("evaluated"), st.fixed_dictionaries({"step": ANY, "score": ANY}, optional={"loss": ANY})),
    st.tuples(st.just("evaluated"), st.fixed_dictionaries({"step": st.integers(0, 9), "score": st.floats(0, 1)})),
    st.tuples(st.just("stepped"), st.fixed_dictionaries({"step": ANY})),
    st.tuples(st.just("checkpointed"), st.fixed_dictionaries({"evaluation": ANY})),
    st.tuples(
        st.just("resumed"),
        st.fixed_dictionaries({"step": ANY, "scores": st.lists(ANY)}, optional={"losses": st.lists(ANY)}),
    ),
    st.tuples(st.just("described"), st.fixed_dictionaries({"fingerprint": st.text(), "data": st.text()})),
)


@given(st.lists(CALLS, max_size=8))
def test_whatever_is_reported_is_refused_at_once_or_read(calls: list[tuple[str, dict[str, Any]]]) -> None:
    reporter = Reporter(TrainerInfo("wi1-do2", "u1"))
    expected, before = Expected("wi1-do2", "u1"), None
    for name, arguments in calls:
        with contextlib.suppress(ValueError):
            getattr(reporter, name)(**arguments)
        registry = CollectorRegistry()
        registry.register(reporter)
        # What an attempt resumes from is known before its first scrape.
        before = None if name == "resumed" else before
        before = parse_reading(generate_latest(registry), expected, before=before)
        message = decode_message(encode_message(reporter.message).decode())
        assert message is not None
        assert replace(reading_of(message, expected), done=False) == before


def test_other_ranks_are_silent_but_stop_with_the_first(environ: dict[str, str], tmp_path: Path) -> None:
    reporter = Reporter.from_env(environ | {"RANK": "1", Env.STOP_AFTER: "1"})
    reporter.planned(evaluations=6, steps=60)
    reporter.evaluated(step=1, score=0.5)
    reporter.finish(Outcome.STOPPED)
    assert reporter.should_stop
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="refused"):
        fetch(environ)


def test_port_that_is_taken_is_a_failure_that_is_retried_and_named(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind((environ[Env.METRICS_HOST], int(environ[Env.METRICS_PORT])))
        taken.listen()
        with pytest.raises(SystemExit) as ending:
            Reporter.from_env(environ)
    code = ending.value.code
    assert isinstance(code, int)
    assert classify_end(code, last_words(tmp_path)) == EndReason.FAILED
    message = last_words(tmp_path)
    assert message.outcome == Outcome.FAILED
    told = f"SEEDSWEEP_METRICS_PORT '{environ[Env.METRICS_PORT]}': another program has this port"
    assert told in message.reason
    assert told in capsys.readouterr().err
    assert "Errno" not in message.reason


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        (Env.CONTRACT, "2", "SEEDSWEEP_CONTRACT is '2'"),
        (Env.EPISODE, "", "SEEDSWEEP_EPISODE is not set"),
        (Env.METRICS_PORT, "http", "SEEDSWEEP_METRICS_PORT 'http'"),
        (Env.METRICS_PORT, "99999", "SEEDSWEEP_METRICS_PORT '99999'"),
    ],
)
def test_bad_variable_is_bad_configuration_and_named(
    environ: dict[str, str], tmp_path: Path, name: str, value: str, complaint: str
) -> None:
    with pytest.raises(SystemExit) as ending:
        Reporter.from_env(environ | {name: value})
    assert ending.value.code == ExitCode.BAD_CONFIGURATION
    assert complaint in last_words(tmp_path).reason


@pytest.mark.parametrize("log", ["missing/log", "folder"])
def test_termination_log_that_cannot_be_written_is_told_once_and_does_not_stop_training(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], log: str
) -> None:
    (tmp_path / "folder").mkdir()
    reporter = Reporter.from_env(environ | {Env.TERMINATION_LOG: str(tmp_path / log)})
    reporter.planned(evaluations=6, steps=60)
    reporter.evaluated(step=10, score=0.5)
    reporter.finish(Outcome.DONE)
    assert samples(fetch(environ))[SCORE] == {"1": 0.5}
    assert capsys.readouterr().err.count(log) == 1

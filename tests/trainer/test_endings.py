"""How `python -m seedsweep_trainer` ends: exit code, termination message, and what it tells whom."""

import errno
import http.client
import json
import math
import os
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from host.ports import free_port
from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Message, Outcome, decode_message
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep_trainer.__main__ import main
from seedsweep_trainer.endings import TERMINATED, explain
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage.durable import whole_folder
from seedsweep_trainer.training.step import Learner

Start = Callable[..., dict[str, str]]


@pytest.fixture
def environment(tmp_path: Path) -> Start:
    """Makes the contract's environment; keyword arguments add variables by the names of Env."""

    def make(config: FineTuning, **variables: str) -> dict[str, str]:
        (tmp_path / "work").mkdir(exist_ok=True)
        contract = {
            Env.CONTRACT: "1",
            Env.EPISODE: "e1",
            Env.ATTEMPT_UID: "a1",
            Env.WEIGHT_INIT_SEED: "1",
            Env.DATA_ORDER_SEED: "2",
            Env.WORK_DIR: str(tmp_path / "work"),
            Env.CHECKPOINT_DIR: str(tmp_path / "episode"),
            Env.METRICS_HOST: "127.0.0.1",
            Env.METRICS_PORT: str(free_port()),
            Env.TERMINATION_LOG: str(tmp_path / "termination-log"),
            Env.CONFIG: config.model_dump_json(by_alias=True, exclude_unset=True),
        }
        given = {str(name): value for name, value in contract.items()}
        return given | {str(Env[name]): value for name, value in variables.items()}

    return make


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], int]]:
    """Runs an attempt in this process."""
    before = signal.getsignal(signal.SIGTERM)

    def attempt(variables: dict[str, str]) -> int:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return main(["train"])

    yield attempt
    signal.signal(signal.SIGTERM, before)


def last_words(variables: dict[str, str]) -> Message:
    message = decode_message(Path(variables[Env.TERMINATION_LOG]).read_text())
    assert message is not None
    return message


def scraped_curve(variables: dict[str, str], name: str = "seedsweep_evaluation_score") -> list[float]:
    """The curve on /metrics, in order."""
    url = f"http://127.0.0.1:{variables[Env.METRICS_PORT]}/metrics"
    with urllib.request.urlopen(url, timeout=60) as answer:
        text = answer.read().decode()
    samples = {int(i): float(v) for i, v in re.findall(rf'^{name}{{evaluation="(\d+)"}} (\S+)$', text, re.MULTILINE)}
    return [samples[i] for i in range(1, len(samples) + 1)]


def bits(curve: Sequence[float | None]) -> bytes:
    return struct.pack(f"<{len(curve)}d", *(math.nan if value is None else value for value in curve))


def test_the_curve_is_the_same_on_every_channel_bit_for_bit(
    environment: Start, fine_tuning: Callable[..., FineTuning], run: Callable[[dict[str, str]], int], tmp_path: Path
) -> None:
    variables = environment(fine_tuning(), RUNGS="2")
    assert run(variables) == 0
    message = last_words(variables)
    result = json.loads((tmp_path / "work" / "result.json").read_text())
    assert message.outcome is Outcome.DONE
    assert len(message.scores) == message.evaluations_planned == 4
    assert message.checkpoint == 2, "at the rung: nobody trains on from the end"
    assert bits(scraped_curve(variables)) == bits(message.scores) == bits(result["scores"])
    losses = scraped_curve(variables, "seedsweep_evaluation_loss")
    assert bits(losses) == bits(message.losses or ()) == bits(result["losses"])
    assert all((message.info.fingerprint, message.info.data, message.info.initialization))


def test_a_process_started_by_the_contract_trains_and_can_be_scraped(
    environment: Start, fine_tuning: Callable[..., FineTuning], tmp_path: Path
) -> None:
    # More than it will get to do: it trains until a scrape has seen a score, and is then told to end.
    config = fine_tuning(epochs=300, evaluationsPerEpoch=1, batchSize=1)
    variables = environment(config)
    command = [sys.executable, "-m", "seedsweep_trainer", "train"]
    scraped: list[float] = []
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            command, env=os.environ | variables | {"HF_HUB_OFFLINE": "1"}, stdout=log, stderr=log
        ) as process,
    ):
        while not scraped and process.poll() is None:
            try:
                scraped = scraped_curve(variables)
            except (OSError, http.client.HTTPException):
                # It is not up yet.
                time.sleep(0.05)
        process.terminate()
    assert process.returncode == TERMINATED, (tmp_path / "log").read_text()
    message = last_words(variables)
    result = json.loads((tmp_path / "work" / "result.json").read_text())
    assert (message.outcome, message.evaluations_planned) == (Outcome.INTERRUPTED, 300)
    assert message.checkpoint == len(message.scores) == len(message.losses or ())
    assert bits(message.scores) == bits(result["scores"])
    assert scraped
    assert bits(scraped) == bits(message.scores[: len(scraped)])
    assert "evaluation 1/300, step 60/18000: score " in (tmp_path / "log").read_text()


def test_bad_configuration_ends_with_its_own_code_and_tells_field_value_and_remedy(
    environment: Start,
    fine_tuning: Callable[..., FineTuning],
    run: Callable[[dict[str, str]], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    variables = environment(fine_tuning(evaluationsPerEpoch=20))
    assert run(variables) == ExitCode.BAD_CONFIGURATION
    message = last_words(variables)
    assert message.outcome is Outcome.FAILED
    for text in (message.reason, capsys.readouterr().err):
        assert "evaluationsPerEpoch 20 is more than the 8 optimizer steps" in text
        assert "set it to at most 8" in text
        assert "Traceback" not in text


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CONFIG": '{"model": ""}'}, ["SEEDSWEEP_CONFIG", "model: ", "dataset: Field required"]),
        ({"CONFIG": "{"}, ["SEEDSWEEP_CONFIG", "JSON"]),
        ({"WEIGHT_INIT_SEED": "-1"}, ["SEEDSWEEP_WEIGHT_INIT_SEED '-1'", "not a whole number"]),
        ({"RUNGS": "2,x"}, ["SEEDSWEEP_RUNGS 'x'", "not a whole number"]),
        ({"DATA_ORDER_SEED": ""}, ["SEEDSWEEP_DATA_ORDER_SEED is not set"]),
        ({"CONTRACT": "7"}, ["SEEDSWEEP_CONTRACT is '7'", "same release"]),
        ({"STOP_AFTER": "soon"}, ["SEEDSWEEP_STOP_AFTER 'soon'", "not a whole number"]),
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_bad_variable_is_named_in_a_fresh_process(
    environment: Start, fine_tuning: Callable[..., FineTuning], variables: dict[str, str], words: list[str]
) -> None:
    full = environment(fine_tuning()) | {str(Env[name]): value for name, value in variables.items()}
    command = [sys.executable, "-m", "seedsweep_trainer"]
    done = subprocess.run(command, env=os.environ | full, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.BAD_CONFIGURATION, done.stderr
    assert all(word in done.stderr for word in words)
    assert all(word in last_words(full).reason for word in words)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "cublas", "system", "python"],
)
def test_out_of_memory_ends_with_its_own_code_and_tells_what_to_change(
    environment: Start,
    fine_tuning: Callable[..., FineTuning],
    run: Callable[[dict[str, str]], int],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Learner, "update", fail)
    variables = environment(fine_tuning())
    assert run(variables) == ExitCode.OUT_OF_MEMORY
    message = last_words(variables)
    assert message.outcome is Outcome.FAILED
    assert "halve batchSize 8 and double gradientAccumulationSteps 1" in message.reason
    assert "evaluationBatchSize 64 or dataset.maxLength 16" in message.reason


def test_a_batch_of_one_is_not_to_be_halved(fine_tuning: Callable[..., FineTuning]) -> None:
    _, reason = explain(MemoryError(), fine_tuning(batchSize=1))
    assert "halve" not in reason
    assert "lower evaluationBatchSize 64" in reason


def test_any_other_failure_is_told_with_its_traceback_in_the_log_only(
    environment: Start,
    fine_tuning: Callable[..., FineTuning],
    run: Callable[[dict[str, str]], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("nothing to divide by\nat all")

    monkeypatch.setattr(Learner, "update", fail)
    variables = environment(fine_tuning())
    assert run(variables) == 1
    assert last_words(variables).reason == "ZeroDivisionError: nothing to divide by"
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left on device")]
)
def test_a_full_disk_is_told_as_such(error: Exception) -> None:
    code, reason = explain(error, None)
    assert code == 1
    assert reason.startswith("no space left on the device: free some")


def test_no_exit_code_is_one_of_a_shell_or_a_signal() -> None:
    codes = {explain(error, None)[0] for error in (ConfigurationError("x"), MemoryError())}
    assert codes == {78, 79}


def test_sigterm_interrupts_and_keeps_a_checkpoint(
    environment: Start,
    fine_tuning: Callable[..., FineTuning],
    run: Callable[[dict[str, str]], int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    stepped = Reporter.stepped

    def terminate_at_6(reporter: Reporter, step: int) -> None:
        stepped(reporter, step)
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Reporter, "stepped", terminate_at_6)
    variables = environment(fine_tuning())
    assert run(variables) == 128 + signal.SIGTERM
    message = last_words(variables)
    assert (message.outcome, message.steps_done, message.checkpoint) == (Outcome.INTERRUPTED, 6, 1)
    assert [path.name for path in (tmp_path / "episode" / "a1").glob("evaluation-*")] == ["evaluation-1-step-6"]


def test_a_diverged_attempt_did_its_duty_and_says_at_which_evaluation(
    environment: Start, fine_tuning: Callable[..., FineTuning], run: Callable[[dict[str, str]], int]
) -> None:
    variables = environment(fine_tuning(learningRate="1e30"))
    assert run(variables) == 0
    message = last_words(variables)
    assert (message.outcome, message.diverged_at, message.scores) == (Outcome.DIVERGED, 1, ())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "--folder", "best", "--to", "{"], "--to '{' is not spec.export as JSON: give a uri or a hub"),
        (["export", "--folder", "best", "--to", '{"url": "/x"}'], "is not spec.export as JSON: give a uri or a hub"),
        (["conclude", "--best", "best", "--to", "to", "--card", "no.md"], "--card no.md: there is no such file; give"),
        (
            ["conclude", "--best", "best", "--to", "to", "--average", "no.json", "--episodes", "e"],
            "--average no.json: there is no list of survivors as JSON; give",
        ),
    ],
)
def test_an_option_that_cannot_be_read_is_named_without_a_traceback(
    arguments: list[str],
    says: str,
    fine_tuning: Callable[..., FineTuning],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(Env.CONFIG, fine_tuning().model_dump_json(by_alias=True))
    assert main(arguments) == ExitCode.BAD_CONFIGURATION
    (said,) = capsys.readouterr().err.splitlines()
    assert says in said


def test_a_copy_to_a_store_without_credentials_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    # Nothing but loopback may be asked, and no credentials of this machine's user may be found.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HOME", str(tmp_path))
    with whole_folder(tmp_path / "best") as folder:
        (folder / "README.md").write_text("a model")
    assert main(["export", "--folder", str(tmp_path / "best"), "--to", '{"uri": "s3://bucket/winner"}']) == 1
    [said] = capfd.readouterr().err.splitlines()
    assert said.startswith("seedsweep: storage s3://bucket/winner refuses: NoCredentialsError: ")
    assert "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in said

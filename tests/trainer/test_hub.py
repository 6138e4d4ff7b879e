"""Failures of a hub's client in our own words: what was not found, not allowed, not reached, and what to do."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import AutoConfig

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep_trainer import inputs
from seedsweep_trainer.__main__ import main
from seedsweep_trainer.data.hub import hub_failure
from seedsweep_trainer.errors import ConfigurationError, HubError
from seedsweep_trainer.jobs.warm_up import warm_up
from seedsweep_trainer.model import pretrained


def answered(kind: type[HfHubHTTPError], status: int) -> HfHubHTTPError:
    """As the client raises it for an answer with this status."""
    error = kind.__new__(kind)
    Exception.__init__(error, "the library's own words")
    error.response = SimpleNamespace(status_code=status)  # type: ignore[assignment]
    return error


def caused(error: Exception) -> OSError:
    """As transformers raises what came of it."""
    raised = OSError("can't load it, the library's own words")
    raised.__cause__ = error
    return raised


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (answered(RepositoryNotFoundError, 404), ConfigurationError, "has nothing of this name or does not show it"),
        (answered(GatedRepoError, 403), ConfigurationError, "is gated: accept its terms on the hub, and set HF_TOKEN"),
        (answered(RevisionNotFoundError, 404), ConfigurationError, "no such branch, tag or commit"),
        (answered(HfHubHTTPError, 401), ConfigurationError, r"refuses to show it \(status 401\): set HF_TOKEN"),
        (answered(HfHubHTTPError, 503), HubError, r"the hub failed \(status 503\): try again later, or give a folder"),
        (HFValidationError("the library's own words"), ConfigurationError, "neither on this machine nor a name"),
        (
            OfflineModeIsEnabled("the library's own words"),
            ConfigurationError,
            "HF_HUB_OFFLINE forbids .*: unset it, or give",
        ),
        (ConnectionError("the library's own words"), HubError, "was not reached: .*without a network, give a folder"),
        (TimeoutError("the library's own words"), HubError, "was not reached"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("wrap", [lambda error: error, caused], ids=["itself", "as a cause"])
def test_each_failure_says_what_to_do(
    error: Exception, kind: type[Exception], says: str, wrap: Callable[[Exception], Exception]
) -> None:
    failure = hub_failure("model 'a/b'", wrap(error), "give a folder")
    assert type(failure) is kind
    assert "own words" not in str(failure)
    with pytest.raises(kind, match=f"^model 'a/b'.*{says}"):
        raise failure


def test_what_the_cache_lacks_is_not_blamed_on_the_network_where_the_hub_must_not_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = LocalEntryNotFoundError("not in the cache")
    missing.__cause__ = ConnectionError("away")
    not_asked = ConnectionError("Couldn't reach a/b on the Hub")
    for error in (missing, not_asked):
        assert type(hub_failure("model 'a/b'", error, "give a folder")) is HubError
    monkeypatch.setattr("seedsweep_trainer.data.hub.is_offline_mode", lambda: True)
    for error in (missing, not_asked):
        assert "HF_HUB_OFFLINE forbids" in str(hub_failure("model 'a/b'", error, "give a folder"))


@pytest.mark.parametrize("error", [ValueError("of something else"), EntryNotFoundError("no such file")])
def test_other_failures_are_not_of_the_hub(error: Exception) -> None:
    assert hub_failure("model 'a/b'", error, "give a folder") is None


def test_a_hub_that_is_away_is_asked_again_by_a_warm_up_and_refused_by_a_check(
    fine_tuning: Callable[..., FineTuning],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("away")

    config = fine_tuning(dataset={"hub": {"name": "org/data", "validation": "validation"}, "maxLength": 16})
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", away)
    monkeypatch.setattr(inputs, "snapshot_download", away)
    with pytest.raises(HubError):
        warm_up(config, str(tmp_path / "sweep"))
    with pytest.raises(HubError):
        warm_up(fine_tuning(model="org/model"), str(tmp_path / "sweep"))
    monkeypatch.setenv(Env.CONFIG, config.model_dump_json(by_alias=True))
    assert main(["check"]) == ExitCode.BAD_CONFIGURATION
    said = capsys.readouterr().err
    assert "the hub was not reached" in said
    assert "Traceback" not in said


def test_a_hub_that_is_away_is_told_before_its_client_tries_for_each_file(
    fine_tuning: Callable[..., FineTuning], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", away)
    monkeypatch.setattr(AutoConfig, "from_pretrained", lambda path, **_: asked.append(path))
    with pytest.raises(HubError, match="model 'org/not-cached': the hub was not reached"):
        pretrained.load_architecture(fine_tuning(model="org/not-cached"))
    assert asked == []


def test_a_hub_that_answers_with_a_failure_is_asked_for_the_files_which_its_client_tries_again(
    fine_tuning: Callable[..., FineTuning], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise answered(HfHubHTTPError, 503)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", failing)
    monkeypatch.setattr(AutoConfig, "from_pretrained", lambda path, **_: f"config of {path}")
    assert str(pretrained.load_architecture(fine_tuning(model="org/not-cached"))) == "config of org/not-cached"


def test_a_model_in_the_cache_is_loaded_without_a_question(
    fine_tuning: Callable[..., FineTuning], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "try_to_load_from_cache", lambda *_, **__: "config.json")
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: pytest.fail("the hub is asked"))
    monkeypatch.setattr(AutoConfig, "from_pretrained", lambda path, **_: f"config of {path}")
    assert str(pretrained.load_architecture(fine_tuning(model="org/cached"))) == "config of org/cached"

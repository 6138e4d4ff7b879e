"""Fetching: what is refused at once, the pod that serves, and a download that breaks, goes on and is checked."""

import hashlib
import io
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from host.ports import free_port
from inputs import records
from inputs.garbage import JSON, altered
from inputs.pod_sweeps import CLAIM, EVERYTHING, sweep_with
from seedsweep.api.status import Best
from seedsweep.api.sweep import SeedSweep
from seedsweep.cluster import download, fetch_pod
from seedsweep.cluster.fetch import Request, fetch_sweep, place_of_winner
from seedsweep.cluster.fetch_pod import fetch_manifest
from seedsweep.cluster.record import stored_record
from seedsweep.cluster.remote import UriSource
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.objects.names import LABEL_SWEEP_UID
from seedsweep.kube.objects.weights import ClaimFolder, Uri, parse_place
from seedsweep.kube.pods.manifest import CONTAINER, STORAGE
from seedsweep_trainer.storage.durable import MANIFEST

FILES = {"model.safetensors": bytes(range(256)) * 100, "config.json": b"{}", "empty": b""}
BROKEN_OFF = ApiError(503, "ServiceUnavailable", "the proxy is gone")


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    return json.dumps({name: hashlib.sha256(content).hexdigest() for name, content in files.items()}).encode()


@dataclass
class Memory:
    """A source that fails in between."""

    files: dict[str, bytes] = field(default_factory=lambda: {**FILES, MANIFEST: manifest_of(FILES)})
    failures: list[Exception] = field(default_factory=list)
    """One an answer, before there is one."""
    read_bytes: int = 0

    async def sizes(self) -> Mapping[str, int]:
        return {name: len(content) for name, content in self.files.items()}

    async def read(self, name: str, part: range) -> bytes:
        if self.failures:
            raise self.failures.pop(0)
        self.read_bytes += len(part)
        return self.files[name][part.start : part.stop]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PART", 1000)
    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.0)


async def brought(source: Memory, folder: Path) -> list[tuple[int, int]]:
    progress: list[tuple[int, int]] = []
    await download.download(source, folder, lambda done, total: progress.append((done, total)))
    return progress


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}


async def test_every_file_of_the_manifest_comes_and_the_progress_ends_at_all_of_it(tmp_path: Path) -> None:
    progress = await brought(Memory(), tmp_path / "best")
    assert content_of(tmp_path / "best") == FILES
    assert progress[-1] == (25_602, 25_602)
    assert progress == sorted(progress)


async def test_a_connection_that_breaks_goes_on_with_the_part_that_broke(tmp_path: Path) -> None:
    source = Memory(failures=[BROKEN_OFF, OSError("reset"), ApiError(None, "Unreachable", "")])
    await brought(source, tmp_path / "best")
    assert content_of(tmp_path / "best") == FILES
    assert source.read_bytes == 25_602 + len(source.files[MANIFEST])


async def test_what_stays_away_is_given_up_and_the_next_try_reads_only_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Memory(files={**FILES, MANIFEST: manifest_of(FILES)})
    reads = 0

    async def breaks_later(name: str, part: range) -> bytes:
        nonlocal reads
        reads += 1
        if reads > 11:
            raise BROKEN_OFF
        return await Memory.read(first, name, part)

    monkeypatch.setattr(first, "read", breaks_later)
    monkeypatch.setattr(download.patiently, "__defaults__", (0.0,))
    with pytest.raises(CommandError, match="gave up after 0 s: the proxy is gone; the same command goes on") as caught:
        await brought(first, tmp_path / "best")
    assert caught.value.code == Exit.FAILED
    second = Memory()
    await brought(second, tmp_path / "best")
    assert content_of(tmp_path / "best") == FILES
    assert second.read_bytes == 25_602 - 10_000 + len(second.files[MANIFEST])


async def test_what_an_earlier_fetch_of_other_weights_has_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "model.safetensors").write_bytes(b"other" * 50)
    (tmp_path / "best" / "config.json").write_bytes(b"longer than the whole file")
    await brought(Memory(), tmp_path / "best")
    assert content_of(tmp_path / "best") == FILES


async def test_a_file_that_is_not_what_was_written_is_refused_and_not_kept(tmp_path: Path) -> None:
    source = Memory()
    source.files["config.json"] = b"[]"
    with pytest.raises(CommandError, match=r"config\.json is not what was written"):
        await brought(source, tmp_path / "best")
    assert not (tmp_path / "best" / "config.json").exists()
    assert not (tmp_path / "best" / MANIFEST).exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"model.safetensors": b"x"}, "no manifest.json"),
        ({MANIFEST: b"no JSON"}, "no list of files"),
        ({MANIFEST: b"[]"}, "no list of files"),
        ({MANIFEST: manifest_of({"../../.bashrc": b"x"}), "../../.bashrc": b"x"}, "no list of files"),
        ({MANIFEST: manifest_of({"/etc/passwd": b"x"}), "/etc/passwd": b"x"}, "no list of files"),
        ({MANIFEST: manifest_of({"a": b"x"})}, "a is missing there"),
    ],
)
async def test_a_folder_that_is_no_winners_is_refused(files: dict[str, bytes], said: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=said):
        await brought(Memory(files=files), tmp_path / "inner" / "best")
    assert content_of(tmp_path) == {}


async def test_a_refusal_is_final(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="no right"):
        await brought(Memory(failures=[ApiError(403, "Forbidden", "no right")]), tmp_path / "best")


async def test_a_uri_is_read_by_fsspec(tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    stored.mkdir()
    for name, content in {**FILES, MANIFEST: manifest_of(FILES)}.items():
        (stored / name).write_bytes(content)
    source = UriSource(Uri(stored.as_uri()))
    await download.download(source, tmp_path / "best", lambda done, total: None)
    assert content_of(tmp_path / "best") == FILES


async def test_a_uri_that_shows_nothing_here_says_with_whose_credentials_it_was_read(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="from here") as caught:
        await UriSource(Uri((tmp_path / "nowhere").as_uri())).sizes()
    assert caught.value.code == Exit.BAD_INPUT


@pytest.fixture
def s3_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """S3 at an address where nothing answers, without credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for file in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(file, os.devnull)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.usefixtures("s3_elsewhere")
async def test_a_uri_without_credentials_for_it_is_refused_at_once_with_the_remedy() -> None:
    source = UriSource(Uri("s3://bucket/best"))
    for ask in (source.sizes, lambda: source.read("config.json", range(2))):
        with pytest.raises(CommandError, match=r"^s3://bucket/best cannot be read: .*; .* with your own credentials"):
            await download.patiently(ask)


@pytest.mark.usefixtures("s3_elsewhere")
async def test_a_uri_that_nobody_answers_is_asked_again_and_given_up_in_plain_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    # The client's own tries come before those that this is about, and take seconds.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    source = UriSource(Uri("s3://bucket/best"))
    for ask in (source.sizes, lambda: source.read("config.json", range(2))):
        with pytest.raises(
            CommandError, match=r"gave up after 0 s: s3://bucket/best cannot be read: .*AWS_ENDPOINT_URL"
        ):
            await download.patiently(ask, patience=0.0)


def test_a_uri_of_an_unknown_kind_is_bad_input() -> None:
    with pytest.raises(CommandError, match="nosuch"):
        UriSource(Uri("nosuch://bucket/best"))


@pytest.mark.parametrize(
    "place", [ClaimFolder("team", "nlp/uid/best"), Uri("s3://bucket/a/best"), Uri("file:///mnt/best")]
)
def test_a_place_is_read_as_it_is_written(place: ClaimFolder | Uri) -> None:
    assert parse_place(str(place)) == place


@pytest.mark.parametrize("text", ["best", "/mnt/best", "persistentVolumeClaim/team", "persistentVolumeClaim/a:../b"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        parse_place(text)


def test_the_pod_that_serves_reads_the_claim_and_gets_neither_gpus_nor_variables_nor_what_it_does_not_mount() -> None:
    sweep = sweep_with(EVERYTHING)
    places = [ClaimFolder("weights", "team/sweep-uid/best"), ClaimFolder("weights", "team/sweep-uid/attempts")]
    pod = fetch_manifest(sweep, places, "word")
    [container] = pod["spec"]["containers"]
    assert container["image"] == sweep.spec.trainer.image
    assert container["args"][:2] == [f"--folder={STORAGE}/team/sweep-uid/{name}" for name in ("best", "attempts")]
    assert "--under=word" in container["args"]
    assert "env" not in container
    assert "envFrom" not in container
    assert "nvidia.com/gpu" not in json.dumps(container)
    assert {mount["mountPath"]: mount["readOnly"] for mount in container["volumeMounts"]} == {
        STORAGE: True,
        "/tmp": False,
    }
    assert {volume["name"] for volume in pod["spec"]["volumes"]} == {m["name"] for m in container["volumeMounts"]}
    assert not pod["spec"].keys() & {"resourceClaims", "schedulingGates"}
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    [near] = pod["spec"]["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert near["podAffinityTerm"]["labelSelector"] == {"matchLabels": {LABEL_SWEEP_UID: sweep.metadata.uid}}, (
        "a claim may be attached to the node of the episodes alone"
    )


def test_another_image_serves_the_claim_where_the_sweeps_cannot() -> None:
    pod = fetch_manifest(sweep_with({"spec.storage": CLAIM}), [ClaimFolder("weights", "a")], "word", "house:1")
    [container] = pod["spec"]["containers"]
    assert container["image"] == "house:1"


def test_the_pod_goes_with_the_sweep_and_by_itself_and_is_none_of_the_operators() -> None:
    pod = fetch_manifest(sweep_with({"spec.storage": CLAIM}), [ClaimFolder("weights", "a")], "word")
    [owner] = pod["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == ("sweep-uid", False)
    assert pod["spec"]["activeDeadlineSeconds"] > 0
    assert LABEL_SWEEP_UID not in pod["metadata"]["labels"]


def over(**update: object) -> SeedSweep:
    return records.finished().with_status(**update).sweep


def test_a_sweep_without_a_winner_says_why_there_is_none() -> None:
    with pytest.raises(CommandError, match="rte has no winner: all 8 failed"):
        place_of_winner(over(best=None, message="all 8 failed"))


def test_a_sweep_without_storage_says_what_would_have_kept_the_weights() -> None:
    best = Best(episode="wi0-do0", weight_init=0, data_order=0, score=0.7, evaluation=3)
    with pytest.raises(CommandError, match=r"went with its pod: spec\.storage would keep them"):
        place_of_winner(over(best=best))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(CommandError, match="is not empty: give a folder that is new or empty") as caught:
        fetch_sweep(Request("rte", "nlp", tmp_path), Console(file=io.StringIO()))
    assert caught.value.code == Exit.BAD_INPUT


def test_without_a_cluster_it_says_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(CommandError, match="set KUBECONFIG"):
        fetch_sweep(Request("rte", None, tmp_path / "to"), Console(file=io.StringIO()))


async def test_the_word_for_the_live_view_is_not_part_of_the_record() -> None:
    class NoObjects:
        async def list(self, *_: str) -> AsyncIterator[object]:
            nothing: tuple[object, ...] = ()
            for item in nothing:
                yield item

    sweep = records.finished().with_status(live_key="word").sweep
    record = await stored_record(cast("Api", NoObjects()), "nlp", sweep)
    assert record.sweep.status is not None
    assert record.sweep.status.live_key is None


# --- what the pod tells

ENDED = {
    "metadata": {"name": "demo-fetch-1", "uid": "u"},
    "status": {
        "phase": "Failed",
        "message": "said by the kubelet",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}],
        "containerStatuses": [
            {
                "name": CONTAINER,
                "state": {
                    "terminated": {"exitCode": 1, "reason": "Error", "message": "line\nseedsweep: no such folder\n"},
                    "waiting": {"reason": "ImagePullBackOff", "message": "no such image"},
                },
            }
        ],
    },
}


def test_a_pod_that_has_ended_says_why_in_its_last_line() -> None:
    with pytest.raises(CommandError, match="demo-fetch-1 has ended: no such folder"):
        fetch_pod._raise_if_over(ENDED, "demo-fetch-1")


@given(altered(ENDED) | JSON.map(lambda value: ((), value)))
def test_any_pod_is_borne(found: tuple[Any, Any]) -> None:
    _, pod = found
    assert isinstance(fetch_pod._waits_for(pod), str)
    said = _refused(fetch_pod._raise_if_over, pod, "demo-fetch-1")
    assert said is None or said.startswith("demo-fetch-1 has ended: ")
    assert "\n" not in (said or "")


def test_sizes_are_those_of_the_pod_that_serves() -> None:
    assert fetch_pod._sizes(b'{"a": 5, "b": 0}') == {"a": 5, "b": 0}


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.sampled_from([b"", b"{", b"\xff", b"{}", b'{"a": -1}']))
def test_what_does_not_list_a_folder_is_refused_in_plain_words(answer: bytes) -> None:
    said = _refused(fetch_pod._sizes, answer)
    assert said is None or "not the pod that serves" in said


def _refused(call: Callable[..., object], *arguments: Any) -> str | None:
    """What a call is refused with."""
    try:
        call(*arguments)
    except CommandError as error:
        return str(error)
    return None

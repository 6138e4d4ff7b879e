"""What attempts left in the storage of a sweep in a cluster comes home, and the report is that of a run."""

import asyncio
import io
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import fsspec
import pytest
from rich.console import Console

from host.s3 import S3Server
from inputs import records
from inputs.sweeps import as_resource
from seedsweep.api.sweep import Storage, Trainer
from seedsweep.cluster import attempts, download
from seedsweep.cluster import record as of_cluster
from seedsweep.cluster.attempts import bring_attempts, place_of_attempts
from seedsweep.cluster.fetch import Fetcher, Request
from seedsweep.cluster.record import bring_record
from seedsweep.codes import CommandError, Exit
from seedsweep.contract.conditions import FILE as CONDITIONS
from seedsweep.contract.conditions import conditions_bytes
from seedsweep.contract.for_reports import ATTEMPTS, is_for_reports
from seedsweep.contract.training import FILE as TRAINING
from seedsweep.contract.training import Interval, training_bytes
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.objects.weights import ClaimFolder, Uri
from seedsweep.kube.pods.manifest import STORAGE, storage_folder
from seedsweep.report.beside import Beside, read_beside, why_none
from seedsweep.report.findings.all_findings import Findings, findings_of
from seedsweep.report.record import Record, read_record
from seedsweep.report.statistics.whole import whole_runs
from seedsweep_trainer.jobs.file_server import folder_server
from seedsweep_trainer.storage.durable import whole_folder

Object = dict[str, Any]
CLAIM = {"persistentVolumeClaim": {"claimName": "team"}}


@dataclass(frozen=True)
class Swept:
    """A record as a cluster has it, and the folder of a run that left the same."""

    made: records.Record
    run: Path

    @property
    def record(self) -> Record:
        return Record(self.made.sweep, self.made.episodes, self.made.cuts)


def swept(tmp_path: Path, storage: Object) -> Swept:
    made, run = records.finished(), tmp_path / "run"
    run.mkdir(parents=True)
    records.write_with_answers(run, made)
    for episode in made.episodes:
        for attempt in episode.status.attempts:
            folder = run / ATTEMPTS / attempt.uid
            folder.mkdir(parents=True, exist_ok=True)
            (folder / CONDITIONS).write_bytes(conditions_bytes({"device": "Toy 9000"}))
            # What else a run's own folder has.
            (folder / "termination-log").write_text("last words")
    spec = made.sweep.spec.evolve(
        storage=Storage.model_validate(storage), trainer=made.sweep.spec.trainer.evolve(image="example/trainer:1")
    )
    metadata = made.sweep.metadata.evolve(namespace="nlp", uid="sweep-uid")
    return Swept(replace(made, sweep=made.sweep.evolve(metadata=metadata, spec=spec)), run)


def findings(folder: Path) -> Findings:
    record = read_record(folder)
    return findings_of(record, whole_runs(record), read_beside(folder, record))


@dataclass
class OneClaim:
    """An API server, as far as a fetch asks it: it runs the one pod that is made, on a folder in place of the claim."""

    claim: Path
    manifests: list[Object] = field(default_factory=list)
    refused: ApiError | None = None
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    async def create(self, _: str, manifest: Object) -> Object:
        if self.refused is not None:
            raise self.refused
        self.manifests.append(manifest)
        given = manifest["spec"]["containers"][0]["args"]
        folders = [Path(a.removeprefix("--folder=").replace(STORAGE, str(self.claim))) for a in given if "folder" in a]
        (under,) = [argument.removeprefix("--under=") for argument in given if "under" in argument]
        self._server = folder_server(folders, "127.0.0.1", 0, under)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return {"metadata": {"uid": "pod-uid"}}

    async def get(self, _: str) -> Object:
        return {"status": {"phase": "Running"}}

    async def read(self, path: str, part: range | None = None) -> bytes:
        assert self._server is not None
        url = f"http://127.0.0.1:{self._server.server_address[1]}/{path.partition('/proxy/')[2]}"
        return await asyncio.to_thread(answer_of, url, part)

    async def delete(self, *_: str) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        self._server = None


def answer_of(url: str, part: range | None) -> bytes:
    headers = {"Range": f"bytes={part.start}-{part.stop - 1}"} if part is not None else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            content: bytes = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise ApiError(error.code, str(error.code), "as the pod says") from error
    return content


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Swept], OneClaim]:
    """Makes this sweep the one that the cluster has."""

    def have(sweep: Swept) -> OneClaim:
        api = OneClaim(tmp_path / "claim")

        async def read(*_: object) -> Record:
            return sweep.record

        async def open_api(_: AsyncExitStack) -> Api:
            return cast("Api", api)

        monkeypatch.setattr(of_cluster, "read_stored_record", read)
        monkeypatch.setattr(attempts, "open_api", open_api)
        return api

    return have


@pytest.fixture(params=["claim", "s3"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, cluster: Callable[[Swept], OneClaim]) -> Swept:
    """A sweep whose attempts have left what is for reports in a claim, or on S3."""
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        found = swept(tmp_path, {"uri": server.uri(str(uuid4()))})
        place = place_of_attempts(found.record.sweep)
        assert isinstance(place, Uri)
        filesystem, root = fsspec.core.url_to_fs(place.uri)
        filesystem.put(f"{found.run / ATTEMPTS}/", f"{root}/", recursive=True)
    else:
        found = swept(tmp_path, CLAIM)
        copied(found, tmp_path / "claim")
    cluster(found)
    return found


def copied(sweep: Swept, claim: Path) -> None:
    """What the attempts left, in the claim."""
    to = claim / storage_folder(sweep.record.sweep) / ATTEMPTS
    fsspec.filesystem("file").put(f"{sweep.run / ATTEMPTS}/", f"{to}/", recursive=True)


def test_the_report_of_a_sweep_in_a_cluster_is_that_of_the_run_that_left_the_same(
    stored: Swept, tmp_path: Path
) -> None:
    assert "Bring them with `seedsweep report sweep/rte -n nlp`" in why_none(stored.record, Beside())
    said: list[str] = []
    home = bring_record("rte", "nlp", tmp_path / "home", said.append)
    assert not any("Not all" in line for line in said), said
    found = findings(home)
    assert found == findings(stored.run)
    assert found.verdict.withheld == ()
    assert found.verdict.runner_up is not None
    assert found.apart is not None
    assert [hardware for hardware, _ in found.how.conditions] == ["device Toy 9000"]
    assert not list((home / ATTEMPTS).glob("*/termination-log"))


def test_what_is_here_already_is_not_read_again(stored: Swept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = bring_record("rte", "nlp", tmp_path / "home", print)
    last = max((home / ATTEMPTS).glob("*/predictions/*.json"))
    content = last.read_bytes()
    last.unlink()
    # What a fetch that was broken off has left of it.
    last.with_name(f".{last.name}.partial").write_bytes(content[:1000])
    asked: list[str] = []

    async def watched(source: download.Source, name: str, *rest: Any) -> str:
        asked.append(name)
        return await download.bring(source, name, *rest)

    monkeypatch.setattr(attempts, "bring", watched)
    bring_record("rte", "nlp", home, print)
    assert asked == [last.relative_to(home / ATTEMPTS).as_posix()]
    assert last.read_bytes() == content
    assert not list(last.parent.glob(".*"))


def test_a_storage_that_does_not_give_them_leaves_the_record_and_is_told(
    tmp_path: Path, cluster: Callable[[Swept], OneClaim]
) -> None:
    found = swept(tmp_path, {"uri": (tmp_path / "nowhere").as_uri()})
    cluster(found)
    said: list[str] = []
    home = bring_record("rte", "nlp", tmp_path / "home", said.append)
    assert read_record(home).episodes == found.record.episodes
    assert len(said) == 1
    assert said[0].startswith("Not all that the report compares models by came: file://")
    assert "holds nothing that you may see from here" in said[0]


def test_without_the_right_to_pods_the_record_comes_and_it_is_told(
    tmp_path: Path, cluster: Callable[[Swept], OneClaim]
) -> None:
    found = swept(tmp_path, CLAIM)
    cluster(found).refused = ApiError(403, "Forbidden", 'User "viewer" cannot create resource "pods"')
    said: list[str] = []
    home = bring_record("rte", "nlp", tmp_path / "home", said.append)
    assert read_record(home).episodes == found.record.episodes
    assert 'came: User "viewer" cannot create resource "pods"' in said[-1]


def with_winner(sweep: Swept, claim: Path) -> Swept:
    """Its winner is handed over."""
    folder = storage_folder(sweep.record.sweep)
    with whole_folder(claim / folder / "best") as best:
        (best / "config.json").write_text("{}")
    assert sweep.made.status.best is not None
    weights = f"persistentVolumeClaim/team:{folder}/best"
    return replace(sweep, made=sweep.made.with_status(best=sweep.made.status.best.evolve(weights=weights)))


async def fetched(found: Swept, api: OneClaim, to: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Fetch it; what was said."""

    async def named_sweep(*_: object) -> Object:
        body: Object = as_resource(found.record.sweep)
        return {**body, "apiVersion": "seedsweep.io/v1alpha1", "kind": "SeedSweep"}

    async def stored_record(*_: object) -> Record:
        return found.record

    monkeypatch.setattr("seedsweep.cluster.fetch.named_sweep", named_sweep)
    monkeypatch.setattr("seedsweep.cluster.fetch.stored_record", stored_record)
    said = io.StringIO()
    await Fetcher(cast("Api", api), "nlp", Request("rte", "nlp", to), Console(file=said, width=500)).run()
    return said.getvalue()


@pytest.mark.parametrize("left", [True, False])
async def test_a_fetch_brings_the_winner_and_through_the_same_pod_what_is_for_reports(
    tmp_path: Path, cluster: Callable[[Swept], OneClaim], monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    claim, to = tmp_path / "claim", tmp_path / "winner"
    found = with_winner(swept(tmp_path, CLAIM), claim)
    if left:
        copied(found, claim)
    api = cluster(found)
    await fetched(found, api, to, monkeypatch)
    assert len(api.manifests) == 1
    assert (to / "best" / "config.json").read_text() == "{}"
    assert (to / "report.html").exists()
    if left:
        assert findings(to) == findings(found.run)
    else:
        assert findings(to).verdict.runner_up is None
    assert names_in(to) >= {"sweep.json", "curves.csv", "best/manifest.json"}


def without_cuts(sweep: Swept) -> Swept:
    """Somebody has deleted its Cuts."""
    return replace(sweep, made=replace(sweep.made, cuts=[]))


async def test_a_fetch_brings_the_winner_of_a_sweep_whose_cuts_are_gone_and_says_why_there_is_no_report(
    tmp_path: Path, cluster: Callable[[Swept], OneClaim], monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "winner"
    found = without_cuts(with_winner(swept(tmp_path, CLAIM), tmp_path / "claim"))
    said = await fetched(found, cluster(found), to, monkeypatch)
    assert (to / "best" / "config.json").exists()
    assert not (to / "report.html").exists()
    assert "There is no report: the record of rte in the cluster holds 0 of the 1 cuts that the sweep names" in said


@pytest.mark.parametrize(
    ("completed", "remedy"),
    [(True, "restore the objects from a backup of the cluster"), (False, "again within five minutes: try again then")],
)
def test_a_record_whose_cuts_are_gone_is_not_brought_and_the_remedy_is_that_of_a_cluster(
    tmp_path: Path, cluster: Callable[[Swept], OneClaim], completed: bool, remedy: str
) -> None:
    found = without_cuts(swept(tmp_path, CLAIM))
    if not completed:
        found = replace(found, made=found.made.with_status(completion_time=None, phase="Running", conditions=[]))
    cluster(found)
    with pytest.raises(CommandError, match=f"holds 0 of the 1 cuts that the sweep names: .*{remedy}"):
        bring_record("rte", "nlp", tmp_path / "home", print)
    assert not (tmp_path / "home").exists()


@dataclass
class Memory:
    """A source that breaks after so many parts."""

    files: Mapping[str, bytes]
    breaks_after: int = 1_000

    async def sizes(self) -> Mapping[str, int]:
        return {name: len(content) for name, content in self.files.items()}

    async def read(self, name: str, part: range) -> bytes:
        self.breaks_after -= 1
        if self.breaks_after < 0:
            raise ApiError(404, "NotFound", "the pod is gone")
        return self.files[name][part.start : part.stop]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Record, dict[str, bytes]]:
    """What attempts left, by path, with their record."""
    found = swept(tmp_path, CLAIM)
    folder = found.run / ATTEMPTS
    content = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return found.record, {name: data for name, data in content.items() if is_for_reports(name)}


def names_in(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.suffix != ".partial"}


async def test_one_that_breaks_leaves_whole_files_alone_and_the_next_goes_on(
    files: tuple[Record, dict[str, bytes]], tmp_path: Path
) -> None:
    record, content = files
    home = tmp_path / "home"
    with pytest.raises(ApiError, match="the pod is gone"):
        await bring_attempts(Memory(content, breaks_after=3), record, home, print)
    assert len(names_in(home / ATTEMPTS)) == 3
    await bring_attempts(Memory(content, breaks_after=len(content) - 3), record, home, print)
    assert all((home / ATTEMPTS / name).read_bytes() == data for name, data in content.items())


@pytest.mark.parametrize("name", [TRAINING, CONDITIONS, "predictions/evaluation-20.json"])
async def test_a_file_that_no_attempt_writes_so_large_is_left_there_and_told(
    files: tuple[Record, dict[str, bytes]], tmp_path: Path, name: str
) -> None:
    record, content = files
    large = f"{record.episodes[0].status.attempts[0].uid}/{name}"

    class Endless(Memory):
        async def sizes(self) -> Mapping[str, int]:
            return {**await super().sizes(), large: 1 << 40}

        async def read(self, name: str, part: range) -> bytes:
            assert name != large
            return await super().read(name, part)

    said: list[str] = []
    await bring_attempts(Endless(content), record, tmp_path, said.append)
    assert names_in(tmp_path / ATTEMPTS) == content.keys() - {large}
    assert said[0].endswith(f"1 file, such as {large}, 1099.5 GB.")


@dataclass
class Spoilt(Memory):
    """A source that does not give some of the files that it lists."""

    refused: Mapping[str, Exception] = field(default_factory=dict)

    async def read(self, name: str, part: range) -> bytes:
        if name in self.refused:
            raise self.refused[name]
        return await super().read(name, part)


async def test_files_that_have_gone_since_they_were_listed_are_passed_over(
    files: tuple[Record, dict[str, bytes]], tmp_path: Path
) -> None:
    record, content = files
    # The whole of what is asked for first, and the last.
    gone = {name: download.GoneError(name) for name in [*sorted(content)[: attempts.AT_ONCE], max(content)]}
    await bring_attempts(Spoilt(content, refused=gone), record, tmp_path, print)
    assert names_in(tmp_path / ATTEMPTS) == content.keys() - gone.keys()
    assert not list((tmp_path / ATTEMPTS).rglob("*.partial"))


async def test_a_file_that_cannot_be_had_keeps_no_other_back_and_is_told(
    files: tuple[Record, dict[str, bytes]], tmp_path: Path
) -> None:
    record, content = files
    refused = CommandError("you may not read it", Exit.BAD_INPUT)
    with pytest.raises(CommandError, match="you may not read it"):
        await bring_attempts(Spoilt(content, refused={min(content): refused}), record, tmp_path, print)
    assert names_in(tmp_path / ATTEMPTS) == content.keys() - {min(content)}


@pytest.mark.usefixtures("stored")
def test_a_sweep_at_work_may_remove_what_was_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = attempts._missing

    def and_one_that_has_gone(*given: Any) -> dict[str, int]:
        found = missing(*given)
        uid = min(found).partition("/")[0]
        return {f"{uid}/predictions/evaluation-299.json": 9, **found}

    monkeypatch.setattr(attempts, "_missing", and_one_that_has_gone)
    said: list[str] = []
    home = bring_record("rte", "nlp", tmp_path / "home", said.append)
    assert not any("Not all" in line for line in said), said
    assert not list(home.rglob("evaluation-299.json"))
    assert findings(home).verdict.withheld == ()


async def test_a_file_that_has_grown_since_is_brought_anew(
    files: tuple[Record, dict[str, bytes]], tmp_path: Path
) -> None:
    record, content = files
    home, uid = tmp_path / "home", record.episodes[0].status.attempts[0].uid
    first, both = (training_bytes([Interval(i, i, 0.5, 1.0, 1.0) for i in range(1, n + 1)]) for n in (1, 2))
    for lines in (first, both):
        await bring_attempts(Memory({**content, f"{uid}/{TRAINING}": lines}), record, home, print)
        assert (home / ATTEMPTS / uid / TRAINING).read_bytes() == lines


async def test_only_files_that_attempts_on_record_leave_to_reports_come(
    files: tuple[Record, dict[str, bytes]], tmp_path: Path
) -> None:
    record, content = files
    uid = record.episodes[0].status.attempts[0].uid
    strange = [f"{uid}/../../x.json", f"{uid}/predictions/evaluation-3.py", f"{uid}/.conditions.json.partial"]
    # However many answers a trainer leaves: a report compares models at their best evaluations, not at the first.
    strange.append(f"{uid}/predictions/evaluation-1.json")
    others = dict.fromkeys([*strange, "/etc/passwd", "nobodys-uid/conditions.json", "x"], b"{}")
    await bring_attempts(Memory({**content, **others}), record, tmp_path / "home", print)
    assert names_in(tmp_path / "home") == {f"{ATTEMPTS}/{name}" for name in content}


def test_a_claim_that_no_image_of_ours_serves_is_not_read_and_a_uri_is(tmp_path: Path) -> None:
    trainer = Trainer.model_validate({"metric": {"name": "reward", "goal": "maximize"}, "evaluations": 10})
    for storage, expected in ((CLAIM, None), ({"uri": "s3://b/x/"}, Uri("s3://b/x/nlp/sweep-uid/attempts"))):
        sweep = swept(tmp_path / str(expected is None), storage).record.sweep
        assert place_of_attempts(sweep) is not None
        assert place_of_attempts(sweep.evolve(spec=sweep.spec.evolve(trainer=trainer))) == expected
    ours = swept(tmp_path / "ours", CLAIM).record.sweep
    assert place_of_attempts(ours) == ClaimFolder("team", "nlp/sweep-uid/attempts")
    assert place_of_attempts(ours.evolve(spec=ours.spec.evolve(storage=None))) is None

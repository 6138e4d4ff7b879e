"""`seedsweep-trainer serve`: files of the folders it is given, whole or in parts, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from host.ports import free_port
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.jobs.file_server import folder_server

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "best"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(CONTENT)
    (folder / "sub" / "a b.txt").write_text("x")
    (tmp_path / "secret").write_text("not served")
    (folder / "link").symlink_to(tmp_path / "secret")
    return folder


@contextmanager
def serving(*folders: Path) -> Iterator[HTTPConnection]:
    with folder_server(folders, "127.0.0.1", 0, "word") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
        try:
            yield connection
        finally:
            connection.close()
            server.shutdown()
            thread.join()


@pytest.fixture
def connection(folder: Path) -> Iterator[HTTPConnection]:
    with serving(folder) as connection:
        yield connection


def get(connection: HTTPConnection, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection.request("GET", f"/word{path}", headers=headers)
    answer = connection.getresponse()
    return answer, answer.read()


def test_the_list_has_every_file_with_its_bytes_and_no_link(connection: HTTPConnection) -> None:
    answer, content = get(connection, "/")
    assert answer.status == 200
    assert json.loads(content) == {"best/model.safetensors": len(CONTENT), "best/sub/a b.txt": 1}


def test_several_folders_are_served_each_below_its_name(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "attempts" / "uid"
    other.mkdir(parents=True)
    (other / "conditions.json").write_text("{}")
    with serving(folder, tmp_path / "attempts", tmp_path / "nowhere") as connection:
        listed = json.loads(get(connection, "/")[1])
        assert listed.keys() == {"best/model.safetensors", "best/sub/a b.txt", "attempts/uid/conditions.json"}
        assert get(connection, "/attempts/uid/conditions.json")[1] == b"{}"


def test_a_file_that_goes_while_it_is_served_is_not_found_and_the_others_are(folder: Path) -> None:
    with serving(folder) as connection:
        (folder / "sub" / "a b.txt").unlink()
        assert json.loads(get(connection, "/")[1]).keys() == {"best/model.safetensors"}
        assert get(connection, "/best/sub/a%20b.txt")[0].status == 404
        assert get(connection, "/best/model.safetensors")[1] == CONTENT


@pytest.mark.parametrize("replaced_by", [b"", CONTENT * 2, None])
def test_a_file_that_is_replaced_or_goes_as_it_is_opened_comes_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, replaced_by: bytes | None
) -> None:
    with serving(folder) as connection:
        opens: Callable[..., object] = Path.open

        def changed(path: Path, *mode: str) -> object:
            file = opens(path, *mode)
            monkeypatch.undo()
            path.unlink()
            if replaced_by is not None:
                path.write_bytes(replaced_by)
            return file

        monkeypatch.setattr(Path, "open", changed)
        answer, content = get(connection, "/best/model.safetensors", Range="bytes=0-")
        assert answer.getheader("Content-Range") == f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"
        assert content == CONTENT


def test_a_file_comes_whole_and_in_parts_over_one_connection(connection: HTTPConnection) -> None:
    assert get(connection, "/best/model.safetensors")[1] == CONTENT
    answer, content = get(connection, "/best/model.safetensors", Range="bytes=100-199")
    assert (answer.status, content) == (206, CONTENT[100:200])
    assert answer.getheader("Content-Range") == f"bytes 100-199/{len(CONTENT)}"
    assert get(connection, "/best/model.safetensors", Range="bytes=10200-")[1] == CONTENT[10200:]
    assert get(connection, "/best/sub/a%20b.txt")[1] == b"x"


def test_a_part_beyond_the_end_is_refused(connection: HTTPConnection) -> None:
    answer, content = get(connection, "/best/model.safetensors", Range=f"bytes={len(CONTENT)}-")
    assert (answer.status, content) == (416, b"")


@pytest.mark.parametrize(
    "path", ["/../secret", "/best/link", "/best/sub", "/best/sub/../model.safetensors", "/best/%2e%2e/secret", "/best"]
)
def test_nothing_but_the_files_is_reached(connection: HTTPConnection, path: str) -> None:
    answer, content = get(connection, path)
    assert answer.status == 404
    assert b"not served" not in content


@pytest.mark.parametrize(
    "path", ["/", "/best/model.safetensors", "/wor/best/model.safetensors", "/word", "//best/model.safetensors"]
)
def test_who_does_not_know_the_word_gets_nothing(connection: HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    assert (answer.status, CONTENT[:100] in answer.read()) == (404, False)


def test_nothing_is_ever_written(connection: HTTPConnection) -> None:
    connection.request("PUT", "/best/model.safetensors", body=b"x")
    assert connection.getresponse().status == 501


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="no files"):
        folder_server([tmp_path / name], "127.0.0.1", 0, "word")


def test_the_command_serves_until_sigterm_and_needs_no_torch(folder: Path) -> None:
    port = free_port()
    code = "import sys; sys.modules['torch'] = None; from seedsweep_trainer.__main__ import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        code,
        "serve",
        f"--folder={folder}",
        "--host=127.0.0.1",
        f"--port={port}",
        "--under=word",
    ]
    with subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL) as process:
        try:
            assert json.loads(patiently(process, f"http://127.0.0.1:{port}/word/"))["best/model.safetensors"] == len(
                CONTENT
            )
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def patiently(process: subprocess.Popen[bytes], url: str) -> bytes:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                content: bytes = answer.read()
                return content
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"it ended with exit code {process.returncode}")

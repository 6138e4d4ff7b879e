"""A hub with one model, on loopback, that remembers what it is asked; and a data set as a hub's client brings it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import datasets

MODEL = "someone/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class FakeBuilder:
    """What `datasets` reads a data set of a hub with."""

    hash: str
    """The commit."""
    splits: Mapping[str, datasets.Dataset]

    def download_and_prepare(self) -> None:
        """It is there."""

    def as_dataset(self) -> datasets.DatasetDict:
        return datasets.DatasetDict(self.splits)


class FakeHub:
    """Serves the files of a folder as the newest commit of MODEL."""

    def __init__(self, folder: Path) -> None:
        hub = self
        self.asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.asked.append(self.path)
                status, headers, body = hub.answer(unquote(urlsplit(self.path).path))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815  # the server's own spelling

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._folder = folder
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path.startswith(f"/api/models/{MODEL}/tree/"):
            listed = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _oid(file)}
                for file in sorted(self._folder.iterdir())
            ]
            return 200, {}, json.dumps(listed).encode()
        if path.startswith(f"/api/models/{MODEL}"):
            files = [{"rfilename": file.name} for file in sorted(self._folder.iterdir())]
            return 200, {}, json.dumps({"id": MODEL, "sha": COMMIT, "siblings": files}).encode()
        file = self._folder / path.rpartition("/")[2]
        if not path.startswith(f"/{MODEL}/resolve/") or not file.is_file():
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        content = file.read_bytes()
        return 200, {"ETag": f'"{_oid(file)}"', "X-Repo-Commit": COMMIT}, content


def _oid(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


@contextmanager
def serving(folder: Path) -> Iterator[FakeHub]:
    hub = FakeHub(folder)
    thread = Thread(target=hub.server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        thread.join()
        hub.server.server_close()

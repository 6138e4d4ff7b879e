"""Folders over HTTP, to be read and nothing else: what `seedsweep fetch` reads a claim through.

    GET /UNDER/               the files as JSON, each with its bytes
    GET /UNDER/FOLDER/NAME    a file, or with a Range header a part of it

Only files that were there at the start are served, by exactly these names, and only to who knows UNDER: other pods of
the cluster may reach the address. Needs no torch.
"""

import json
import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import BinaryIO
from urllib.parse import unquote

from seedsweep_trainer.errors import ConfigurationError

_BLOCK = 1 << 20
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?")


def serve_folders(folders: Sequence[Path], host: str, port: int, under: str) -> None:
    """Serve until SIGTERM; raises ConfigurationError where there are no such folders, or nothing in any."""
    with folder_server(folders, host, port, under) as server:
        # The first process of a container dies of no signal that it does not handle.
        signal.signal(signal.SIGTERM, _end)
        server.serve_forever()


def folder_server(folders: Sequence[Path], host: str, port: int, under: str) -> ThreadingHTTPServer:
    """A server of the files in `folders`, each below its name; port 0 takes a free one.

    Its `serve_forever` is still to be called. Raises ConfigurationError where there is no file in any of them.
    """
    files = {
        path.relative_to(folder.parent).as_posix(): path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    if not files:
        given = " ".join(f"--folder {folder}" for folder in folders)
        raise ConfigurationError(f"{given}: there are no files; give folders of the sweep's storage")

    class Handler(_Handler):
        served = files
        prefix = f"/{under}/"

    return ThreadingHTTPServer((host, port), Handler)


class _Handler(BaseHTTPRequestHandler):
    served: Mapping[str, Path]
    """By the path of the request, without the prefix."""
    prefix: str
    protocol_version = "HTTP/1.1"
    timeout = 60.0

    def do_GET(self) -> None:
        """Answer with the list, a file or a part of one."""
        path = unquote(self.path.partition("?")[0])
        name = path.removeprefix(self.prefix)
        if not path.startswith(self.prefix):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif not name:
            content = json.dumps(self._sizes()).encode()
            self._answer(HTTPStatus.OK, BytesIO(content), 0, len(content), {"Content-Type": "application/json"})
        elif (file := self._opened(name)) is not None:
            with file:
                self._answer_with(file, os.fstat(file.fileno()).st_size)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _sizes(self) -> dict[str, int]:
        found = {}
        for name, path in self.served.items():
            # In the storage of a sweep that runs files come, go and are replaced.
            with suppress(FileNotFoundError):
                found[name] = path.stat().st_size
        return found

    def _opened(self, name: str) -> BinaryIO | None:
        with suppress(KeyError, FileNotFoundError):
            return self.served[name].open("rb")
        return None

    def _answer_with(self, file: BinaryIO, size: int) -> None:
        kind = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        if asked is None:
            self._answer(HTTPStatus.OK, file, 0, size, kind)
            return
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
        if first > last:
            self._answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, file, 0, 0, {"Content-Range": f"bytes */{size}"})
            return
        part = {**kind, "Content-Range": f"bytes {first}-{last}/{size}"}
        self._answer(HTTPStatus.PARTIAL_CONTENT, file, first, last + 1 - first, part)

    def _answer(
        self, status: HTTPStatus, content: BinaryIO, start: int, length: int, headers: Mapping[str, str]
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()
        content.seek(start)
        while length > 0 and (data := content.read(min(length, _BLOCK))):
            self.wfile.write(data)
            length -= len(data)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)

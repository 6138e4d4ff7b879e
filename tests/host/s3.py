"""A real S3 server on loopback, over a folder that tests can look into and damage."""

import os
import socket
import subprocess
import time
from pathlib import Path

import fsspec
import pytest

from cluster import binaries
from host.needs import lack
from host.ports import free_port

KEY, SECRET = "seedsweep", "seedsweep-secret"
BUCKET = "bucket"


class S3Server:
    """versitygw: objects are files below `folder`/bucket."""

    def __init__(self, folder: Path) -> None:
        """Skips, or fails where CI requires the part `s3`, without the program."""
        try:
            self._program = binaries.find(["versitygw"])["versitygw"]
        except binaries.BuildError as error:
            lack("s3", f"versitygw: {error}")
        self.bucket = folder / BUCKET
        self.bucket.mkdir(parents=True)
        self._port = free_port()
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_REGION": "us-east-1",
            # Nothing but loopback may be asked, whatever else is missing.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def uri(self, path: str) -> str:
        return f"s3://{BUCKET}/{path}"

    def start(self) -> None:
        """Start, or start again with what is in the folder; returns once it answers."""
        command = [str(self._program), "--port", f"127.0.0.1:{self._port}", "posix", str(self.bucket.parent)]
        environment = {**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
                return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, "the S3 server does not answer"
                time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def set_up(self, patch: pytest.MonkeyPatch) -> None:
        """Make this process, and those that it starts, a client."""
        for name, value in self.environment.items():
            patch.setenv(name, value)
        # Clients of other servers and credentials.
        fsspec.get_filesystem_class("s3").clear_instance_cache()

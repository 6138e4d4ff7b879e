"""What the live page of a command is told, without a browser."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

Object = dict[str, Any]


def news(process: "subprocess.Popen[str]") -> Iterator[Object]:
    """All that the page is told, from when its address is printed until its server goes."""
    assert process.stdout is not None
    address = next(line for line in process.stdout if line.startswith("Live page: ")).split()[-1]
    with urlopen(f"{address}news") as stream:
        for line in stream:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))

"""What an image's Python needs: `python requirements.py EXTRA...` prints the requirements of extras, one a line.

Run by the image's own Python in a folder with pyproject.toml. A base that brings torch keeps it: a second one would be
gigabytes more, and the first was built for the base's CUDA.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def requirements(project: dict[str, Any], extras: Iterable[str], *, torch_is_here: bool) -> Iterator[str]:
    """Of a pyproject's [project] table: what every part needs, and what the extras add. KeyError for no such extra."""
    for requirement in (*project["dependencies"], *(r for e in extras for r in project["optional-dependencies"][e])):
        if not (torch_is_here and re.match(r"[-.\w]+", requirement)[0] == "torch"):
            yield requirement


if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    print(*requirements(project, sys.argv[1:], torch_is_here=find_spec("torch") is not None), sep="\n")

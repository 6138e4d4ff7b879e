"""The table of values in the chart's README, from values.yaml: `python -m chart.table` writes it there."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CHART = Path(__file__).parents[2] / "charts" / "seedsweep"
BEGIN, END = "<!-- values -->", "<!-- end of values -->"

_VALUE = re.compile(r"( *)(\w+):")
_INDENT = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One described value."""

    path: str
    """Dotted."""
    default: Any
    description: str


def rows(values: Path) -> Iterator[Row]:
    """The values below which a comment that begins with "# --" stands, in their order."""
    text = values.read_text()
    defaults = YAML(typ="safe", pure=True).load(text)
    parents: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        said = line.strip()
        if said.startswith("# -- "):
            comment = [said.removeprefix("# -- ")]
        elif said.startswith("# ") and comment:
            comment.append(said.removeprefix("# "))
        elif found := _VALUE.match(line):
            parents[len(found[1]) // _INDENT :] = [found[2]]
            if comment:
                yield Row(".".join(parents), at(defaults, ".".join(parents)), " ".join(comment))
            comment = []


def at(values: Any, path: str) -> Any:
    """What stands under a dotted path."""
    for part in path.split("."):
        values = values[part]
    return values


def table(values: Path) -> str:
    """All of them in Markdown."""
    lines = [f"| `{row.path}` | `{json.dumps(row.default)}` | {row.description} |" for row in rows(values)]
    return "\n".join(["| value | default | |", "| --- | --- | --- |", *lines])


def with_table(readme: str, values: Path) -> str:
    """A README with its table as the values have it."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table(values)}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    file = CHART / "README.md"
    file.write_text(with_table(file.read_text(), CHART / "values.yaml"))

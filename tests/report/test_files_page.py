"""docs/files.md has every column of every table that is written, and no other."""

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from inputs import records
from seedsweep.api.seeds import Seeds
from seedsweep.contract.training import Interval
from seedsweep.exchange.export import SCHEMA
from seedsweep.report.beside import Beside
from seedsweep.report.curves import HEADER
from seedsweep.report.episodes import episodes_table
from seedsweep.report.figures.all_figures import figures_of
from seedsweep.report.record import Record
from seedsweep.report.training import training_table

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
IN_FOLDER, EXPORTED = "curves.csv in the run's folder", "seedsweep export --to FILE.parquet"


def independent(many: int) -> records.Record:
    """Episodes that share no seed."""
    record = records.fully_trained(many, 1)
    episodes = [e.evolve(spec=e.spec.evolve(weight_init=i, data_order=i)) for i, e in enumerate(record.episodes)]
    seeds = Seeds.model_validate({"single": {"count": many}})
    return replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(seeds=seeds)), episodes=episodes)


def documented() -> dict[str, set[str]]:
    """By table, its columns."""
    found = {}
    for section in PAGE.split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        columns = {
            name for line in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall("`(.+?)`", line)
        }
        for title in heading.split(", "):
            found[title.replace("`", "")] = columns
    return found


def written() -> dict[str, set[str]]:
    """By table, the columns that records of all kinds have."""
    found: dict[str, set[str]] = defaultdict(set)
    found[IN_FOLDER] = set(HEADER.strip().split(","))
    found[EXPORTED] = set(SCHEMA.names)
    for made in (records.finished(), records.fully_trained(12, 5), independent(10)):
        record = Record(made.sweep, made.episodes, made.cuts)
        tables = [episodes_table(record)]
        known = Beside(training={record.episodes[0].spec.id.name: {1: Interval(1, 10, 0.5, 2.0, 1.0)}})
        tables += [table for drawing in figures_of(record, known) for table in drawing.tables]
        tables += [table for table in [training_table(record, known)] if table is not None]
        for table in tables:
            columns = {re.sub(r"^rung_\d+_", "rung_K_", name) for name in table.columns}
            found[f"report/{table.name}.csv"] |= columns
    return dict(found)


@pytest.fixture(scope="module")
def tables() -> dict[str, set[str]]:
    return written()


def test_the_page_has_every_table_and_no_other(tables: dict[str, set[str]]) -> None:
    assert set(documented()) == set(tables)


@pytest.mark.parametrize("table", documented())
def test_the_page_has_every_column_and_no_other(tables: dict[str, set[str]], table: str) -> None:
    assert documented()[table] == tables[table]

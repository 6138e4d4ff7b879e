"""`seedsweep.load`: a record as tables, a result and a picture."""

import asyncio
import importlib.util
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import seedsweep
from inputs import records
from seedsweep.codes import CommandError
from seedsweep.engine.layout import Layout
from seedsweep.notebook import loading
from seedsweep.report.record import Record, RecordError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    records.write(tmp_path, records.finished())
    return tmp_path


def rows(table: Any) -> list[dict[str, Any]]:
    assert isinstance(table, pd.DataFrame)
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def test_a_record_is_what_is_on_disk(folder: Path) -> None:
    run, made = seedsweep.load(folder), records.finished()
    assert (run.folder, run.sweep.metadata.name) == (folder, made.sweep.metadata.name)
    assert run.record.episodes == made.episodes
    assert made.sweep.status is not None
    assert run.best == made.sweep.status.best
    assert run.best is not None
    assert f"best {run.best.score:.4f} by {run.best.episode}" in repr(run)


def test_losers_are_compared_with_the_last_one_kept_by_the_answers_beside_the_record(tmp_path: Path) -> None:
    made = records.finished()
    table = rows(seedsweep.load(records.write_with_answers(tmp_path, made)).episodes)
    tested = {row["episode"] for row in table if row["told_apart"] in (True, False)}
    assert tested == set(made.cuts[0].data.ranked[records.KEEP :])


def test_episodes_are_ranked_and_the_first_is_the_best(folder: Path) -> None:
    run = seedsweep.load(folder)
    table = rows(run.episodes)
    assert len(table) == len(run.record.episodes)
    assert run.best is not None
    assert (table[0]["rank"], table[0]["episode"]) == (1, run.best.episode)
    assert (table[0]["weight_init"], table[0]["data_order"]) == (run.best.weight_init, run.best.data_order)


def test_curves_hold_every_evaluation_once(folder: Path) -> None:
    run = seedsweep.load(str(folder))
    table = rows(run.curves)
    for episode in run.record.episodes:
        own = [row for row in table if row["episode"] == episode.spec.id.name]
        assert [row["evaluation"] for row in own] == list(range(1, len(episode.status.scores) + 1))
        assert [None if math.isnan(row["score"]) else row["score"] for row in own] == episode.status.scores


def test_cuts_hold_who_was_kept(folder: Path) -> None:
    run = seedsweep.load(folder)
    [cut] = run.record.cuts
    table = rows(run.cuts)
    assert [row["episode"] for row in table] == cut.data.ranked
    assert {row["episode"] for row in table if row["kept"]} == cut.data.kept
    assert {row["threshold"] for row in table} == {cut.data.threshold}


def test_a_record_without_a_cut_has_an_empty_table(tmp_path: Path) -> None:
    records.write(tmp_path, records.fully_trained())
    assert len(seedsweep.load(tmp_path).cuts) == 0


def test_without_pandas_tables_are_lists_of_dictionaries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_pandas = rows(seedsweep.load(folder).cuts)
    found = importlib.util.find_spec
    monkeypatch.setattr(loading, "find_spec", lambda name: None if name == "pandas" else found(name))
    run = seedsweep.load(folder)
    assert run.cuts == with_pandas
    assert {type(run.cuts), type(run.curves), type(run.episodes)} == {list}
    assert {type(row) for row in run.curves} == {dict}


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("PDF", b"%PDF")])
def test_a_picture_is_saved_as_its_name_says(folder: Path, tmp_path: Path, ending: str, begins: bytes) -> None:
    path = tmp_path / f"curves.{ending}"
    seedsweep.load(folder).plot().save(path)
    assert path.read_bytes().startswith(begins)


def test_a_picture_of_another_form_is_refused(folder: Path) -> None:
    with pytest.raises(CommandError, match=r"x\.gif is none of \.png, \.svg and \.pdf: give a name that ends so"):
        seedsweep.load(folder).plot().save("x.gif")


def test_a_notebook_shows_the_picture(folder: Path) -> None:
    shown = seedsweep.load(folder).plot()._repr_mimebundle_()
    assert isinstance(shown["image/png"], bytes)
    assert shown["image/png"].startswith(b"\x89PNG")


def test_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"no sweep\.json in it"):
        seedsweep.load(tmp_path)


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_a_sweep_in_a_cluster_is_read_where_a_loop_runs_and_where_none_does(
    monkeypatch: pytest.MonkeyPatch, in_a_loop: bool
) -> None:
    made = records.finished()

    async def read(name: str, namespace: str | None) -> Record:
        assert (name, namespace) == ("rte", "nlp")
        return Record(made.sweep, made.episodes, made.cuts)

    monkeypatch.setattr("seedsweep.cluster.record.read_stored_record", read)

    async def load() -> seedsweep.Run:
        return seedsweep.load("sweep/rte", namespace="nlp")

    run = asyncio.run(load()) if in_a_loop else seedsweep.load("sweep/rte", namespace="nlp")
    assert run.folder is None
    assert len(run.record.episodes) == len(Layout.of(made.sweep).episodes)

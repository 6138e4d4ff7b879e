"""`seedsweep seeds`: initialisations joined across tasks by their tensors, tested, or refused with the reason."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host.commands import seedsweep
from inputs import records
from seedsweep.api.episode import EpisodeId
from seedsweep.report.record import read_record
from studies.arms import imported, trained

TESTED, NOT_TESTABLE, BAD_INPUT = 0, 11, 2
SIZE = (15, 2)
GOLDEN = """\
Some initialisations are better than others on these tasks.

  one: best scores, mean over 2 data-order seeds
  two: best scores, mean over 2 data-order seeds
  three: best scores, mean over 2 data-order seeds
  15 initialisations in common, joined by their tensors
  Kendall's W 1.000 (1: all tasks rank alike), mean rank correlation +1.000,
  p = 0.0001 by shuffles within tasks

  mean rank of 15, and weight-init seed in each task:
       1.0   14, 14, 0
       2.0   13, 13, 1
       3.0   12, 12, 2
       4.0   11, 11, 3
       5.0   10, 10, 4
      11.0   4, 4, 10
      12.0   3, 3, 11
      13.0   2, 2, 12
      14.0   1, 1, 13
      15.0   0, 0, 14
  The first were picked because they came first: on another task expect less of
  them.
"""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = seedsweep("seeds", *arguments, "--json")
    return code, json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert seedsweep("seeds", *arguments) == BAD_INPUT
    text = capsys.readouterr().err.strip()
    assert "\n" not in text
    return text


def rising(episode: EpisodeId) -> float:
    return 0.6 + 0.01 * episode.weight_init + 0.001 * episode.data_order


def noise(seed: int) -> Callable[[EpisodeId], float]:
    return lambda episode: 0.6 + 0.1 * random.Random(f"{seed} {episode}").random()


def tasks(score: Callable[[int], Callable[[EpisodeId], float]], many: int = 3, **options: Any) -> list[Path]:
    return [
        trained(Path(name), score(i), data=f"data {i}", **{"size": SIZE, **options})
        for i, name in enumerate(("one", "two", "three")[:many])
    ]


def test_the_same_tensors_are_joined_whatever_the_numbers_of_their_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    folders = tasks(lambda i: rising, many=2)
    # In the third task the seeds are numbered the other way round: tensors 14 came of seed 0.
    mirrored = trained(
        Path("three"),
        lambda episode: rising(EpisodeId(14 - episode.weight_init, episode.data_order)),
        size=SIZE,
        digest=lambda episode: f"init-{14 - episode.weight_init}",
        data="data 2",
    )
    capsys.readouterr()
    assert seedsweep("seeds", *folders, mirrored) == TESTED
    assert capsys.readouterr().out == GOLDEN
    code, found = told(capsys, *folders, mirrored, "--by", "number")
    assert code == TESTED
    assert found["kendallsW"] < 0.2


def test_tasks_that_share_nothing_are_said_to(capsys: pytest.CaptureFixture[str]) -> None:
    folders = tasks(noise)
    code, found = told(capsys, *folders)
    assert (code, found["testable"], found["initializations"]) == (TESTED, True, 15)
    assert found["p"] > 0.05
    assert len(found["standings"]) == 15
    seedsweep("seeds", *folders)
    text = capsys.readouterr().out
    assert text.startswith("Nothing shows that an initialisation is good on more than one of these tasks.")
    assert "mean rank of" not in text


def test_where_less_is_better_the_lowest_mean_ranks_first(capsys: pytest.CaptureFixture[str]) -> None:
    folders = []
    for name, sign in (("a", 1), ("b", -1), ("c", 1)):
        scores = {EpisodeId(w, d): 0.5 + sign * (w + d / 10) / 100 for w in range(15) for d in range(2)}
        goal = "maximize" if sign > 0 else "minimize"
        folders.append(imported(Path(name), scores, "--goal", goal))
    code, found = told(capsys, *folders, "--by", "number")
    assert (code, found["kendallsW"]) == (TESTED, pytest.approx(1))
    assert found["standings"][0]["weightInitSeeds"] == [14, 14, 14]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"many": 2}, "2 tasks with 15 initialisations in common are too few: needs 3 tasks and 15 initialisations"),
        ({"size": (14, 2)}, "3 tasks with 14 initialisations in common are too few"),
    ],
)
def test_too_few_tasks_or_initialisations_are_not_testable(
    capsys: pytest.CaptureFixture[str], options: dict[str, Any], why: str
) -> None:
    folders = tasks(noise, **options)
    code, found = told(capsys, *folders)
    assert (code, found["testable"], found["kendallsW"], found["p"], found["standings"]) == (
        NOT_TESTABLE,
        False,
        None,
        None,
        [],
    )
    assert why in found["why"]
    seedsweep("seeds", *folders)
    assert capsys.readouterr().out.startswith("Not testable: ")


def without(folder: Path, *names: str) -> None:
    """These episodes crashed."""
    record = read_record(folder)
    for episode in record.episodes:
        if episode.spec.id.name in names:
            verdict = episode.status.verdict
            assert verdict is not None
            crashed = episode.evolve(status=episode.status.evolve(scores=[], verdict=verdict.evolve(outcome="Failed")))
            path = folder / "episodes" / f"{episode.spec.id.name}.json"
            path.write_text(crashed.model_dump_json(by_alias=True, exclude_none=True))


def test_means_are_over_the_same_data_orders(capsys: pytest.CaptureFixture[str]) -> None:
    folders = tasks(lambda i: rising, size=(15, 3))
    without(folders[1], "wi0-do1")
    code, found = told(capsys, *folders)
    assert code == TESTED
    assert [task["dataOrders"] for task in found["tasks"]] == [3, 2, 3]
    without(folders[1], "wi4-do0", "wi5-do2")
    code, found = told(capsys, *folders)
    assert code == NOT_TESTABLE
    assert "no data-order seed of two has a score with each of the 15 initialisations" in found["why"]


def test_seeds_that_go_in_pairs_are_not_testable(capsys: pytest.CaptureFixture[str]) -> None:
    folders = [imported(Path(name), [random.Random(f"{name}{i}").random() for i in range(20)]) for name in "abc"]
    code, found = told(capsys, *folders, "--by", "number")
    assert code == NOT_TESTABLE
    assert "Run a grid of weight-init and data-order seeds" in found["why"]


def test_a_task_in_which_all_are_equal_is_not_testable(capsys: pytest.CaptureFixture[str]) -> None:
    folders = tasks(lambda i: rising if i else lambda episode: 0.7)
    code, found = told(capsys, *folders)
    assert (code, found["why"]) == (
        NOT_TESTABLE,
        "all initialisations have the same score in one. Take another task",
    )


def test_numbers_alone_join_nothing_unless_the_user_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    scores = {EpisodeId(w, d): rising(EpisodeId(w, d)) for w in range(15) for d in range(2)}
    folders = [imported(Path(name), scores) for name in "abc"]
    text = refusal(capsys, *folders)
    assert text.startswith("a: wi0-do0 has no digest of its initial tensors on record")
    assert "give --by number if" in text
    assert seedsweep("seeds", *folders, "--by", "number") == TESTED
    assert "joined by the numbers of their seeds, as --by says" in " ".join(capsys.readouterr().out.split())


def test_two_records_of_one_task_or_of_two_models_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    one, two, three = tasks(noise)
    again = trained(Path("again"), noise(7), size=SIZE, data="data 0")
    assert refusal(capsys, one, two, again) == "again: has the data of one: give one record of each task"
    assert "one: has the data of one" in refusal(capsys, one, one, two)
    record = read_record(three)
    assert record.sweep.status is not None
    assert record.sweep.status.provenance is not None
    status = record.sweep.status.evolve(provenance=record.sweep.status.provenance.evolve(base_weights="c" * 16))
    (three / "sweep.json").write_text(record.sweep.evolve(status=status).model_dump_json(by_alias=True))
    assert "three: starts from other weights than one" in refusal(capsys, one, two, three)


def test_seeds_that_drew_the_same_tensors_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    folders = tasks(noise, digest=lambda episode: "same")
    assert "one: weight-init seeds 0 and 1 drew the same tensors" in refusal(capsys, *folders)


def test_survivors_and_options_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cut").mkdir()
    records.write(Path("cut"), records.finished())
    assert "a cut stopped its losers" in refusal(capsys, "cut")
    assert refusal(capsys, "cut", "--by", "name") == "--by: 'name' is not known: give digest or number"

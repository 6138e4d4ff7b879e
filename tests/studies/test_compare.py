"""`seedsweep compare`: what it says of two records, its exit codes, pairs, and what it refuses."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host import needs
from host.commands import seedsweep
from inputs import records
from inputs.bracketed import bracketed
from inputs.floored import floored, floored_and_cut
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.episode import EpisodeId
from seedsweep.codes import Exit
from seedsweep.parts import install_command
from studies.arms import imported, trained

A = [0.601, 0.612, 0.583, 0.594, 0.605, 0.576]
B = [0.652, 0.643, 0.631, 0.666, 0.627, 0.638]
BETTER, WORSE, CANNOT_TELL, SMALLER, BAD_INPUT = 0, 10, 11, 12, 2

GOLDEN = """\
B is better than A.

  A            a: mean 0.5952, standard deviation 0.0136, median 0.5975, n = 6
  B            b: mean 0.6428, standard deviation 0.0144, median 0.6405, n = 6
  B - A        +0.0477 score, 95 % interval +0.0295 to +0.0660, p = 0.002; medians +0.0430
  one run      of B beats one of A with a chance of 100 %, 95 % interval 48 to 100 %
  failed       A 1 of 6 (17 %, 95 % interval 0 to 64 %); B 0 of 6 (0 %, 95 % interval 0 to 46 %)
  noise floor  these runs find a difference of 0.0252 four times of five
  to tell      4 runs of each find a true difference as large as the observed one four times of five
  read as      The test shuffles runs between the arms (9,999 times, or in every way), and has Welch's t test
               beside it: the more cautious of the two counts.
               Not paired: the seeds have equal numbers, which alone prove nothing; give --paired if they are the
               same seeds.
               Not every record names its data by a digest: make sure that both were scored on the same examples.
"""


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "114")
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines()) + "\n"


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a comparison."""
    capsys.readouterr()
    code = seedsweep("compare", *arguments, "--json")
    return code, json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert seedsweep("compare", *arguments) == BAD_INPUT
    text = capsys.readouterr().err.strip()
    assert "\n" not in text
    return text


def pair(**options: Any) -> tuple[Path, Path]:
    return imported(Path("a"), A, **options), imported(Path("b"), B, **options)


def test_two_imported_records_print_what_was_printed_before(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = imported(Path("a"), A, "--baseline", "0.576"), imported(Path("b"), B, "--baseline", "0.576")
    capsys.readouterr()
    assert seedsweep("compare", a, b) == BETTER
    assert said(capsys) == GOLDEN


def test_the_json_of_two_imported_records(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = pair()
    code, found = told(capsys, a, b, "--smallest", "0.02")
    assert code == BETTER
    assert (found["verdict"], found["why"], found["goal"], found["paired"]) == ("better", None, "maximize", False)
    assert found["arms"]["A"] | {"scores": ""} == {
        "record": "a",
        "scores": "",
        "n": 6,
        "mean": pytest.approx(sum(A) / 6),
        "deviation": pytest.approx(0.01365, abs=1e-4),
        "median": pytest.approx(0.5975),
        "min": 0.576,
        "max": 0.612,
        "failed": None,
        "baseline": None,
        "notes": [],
    }
    assert found["difference"]["p"] == pytest.approx(2 / 924, abs=0.001)
    assert found["probabilityThatBBeatsA"]["estimate"] == 1
    assert [need["difference"] for need in found["runsToTell"]] == [pytest.approx(0.04767, abs=1e-4), 0.02]
    assert found["expectedBest"] is None
    assert not found["smallerThanSmallest"]


def test_a_change_for_the_worse_has_another_exit_code_and_mirrored_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = pair()
    one, other = told(capsys, a, b)[1], told(capsys, b, a)
    assert other[0] == WORSE
    assert other[1]["verdict"] == "worse"
    assert other[1]["difference"]["estimate"] == pytest.approx(-one["difference"]["estimate"])
    assert other[1]["difference"]["interval"] == pytest.approx([-x for x in reversed(one["difference"]["interval"])])
    assert other[1]["probabilityThatBBeatsA"]["estimate"] == pytest.approx(0)


def test_where_less_is_better_the_lower_scores_win(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = imported(Path("a"), A, "--goal", "minimize"), imported(Path("b"), B, "--goal", "minimize")
    code, found = told(capsys, a, b)
    assert (code, found["verdict"]) == (WORSE, "worse")
    assert found["difference"]["estimate"] > 0
    assert found["probabilityThatBBeatsA"]["estimate"] == 0
    assert told(capsys, b, a)[0] == BETTER
    seedsweep("compare", a, b)
    assert "+0.0477 score (lower is better), 95 % interval" in said(capsys)


def test_two_runs_an_arm_can_never_tell_and_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = imported(Path("a"), [0.1, 0.11]), imported(Path("b"), [0.9, 0.91])
    code, found = told(capsys, a, b)
    assert code == CANNOT_TELL
    assert found["difference"]["interval"] is None
    assert found["why"] == (
        "2 and 2 runs can never tell: even the most extreme scores give p = 0.333. Run at least 4 runs of each"
    )
    assert seedsweep("compare", a, b) == CANNOT_TELL
    assert said(capsys).startswith("Cannot tell whether B is better than A: 2 and 2 runs can never tell")


def test_a_single_run_shows_no_spread(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = told(capsys, imported(Path("a"), [0.5]), imported(Path("b"), B))
    assert code == CANNOT_TELL
    assert found["difference"] is None
    assert found["why"] == "a single run of an arm shows no spread, so that nothing tells a change from luck"


def test_equal_scores_tell_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = told(capsys, imported(Path("a"), [0.5] * 6), imported(Path("b"), [0.5] * 6), "--smallest", "0.1")
    assert code == CANNOT_TELL
    assert "does not differ between seeds at all" in found["why"]
    assert found["difference"]["p"] == 1


def test_a_difference_too_small_to_matter_is_told_apart_from_one_that_is_not_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng = random.Random(0)
    a, b = (imported(Path(name), [0.7 + rng.gauss(0, 0.01) for _ in range(40)]) for name in "ab")
    assert told(capsys, a, b)[0] == CANNOT_TELL
    assert told(capsys, a, b, "--smallest", "0.0005")[0] == CANNOT_TELL
    code, found = told(capsys, a, b, "--smallest", "0.02")
    assert (code, found["verdict"], found["smallerThanSmallest"]) == (SMALLER, "smaller", True)
    assert seedsweep("compare", a, b, "--smallest", "0.02") == SMALLER
    assert said(capsys).startswith("No difference of 0.0200 or more between A and B.")


def test_a_difference_that_is_there_and_too_small_to_matter_is_said_to_be_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert seedsweep("compare", *pair(), "--smallest", "0.5") == BETTER
    assert "B is better than A, by less than 0.5000." in said(capsys)


def test_undefined_and_diverged_runs_count_with_the_baseline_and_crashed_ones_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a = imported(Path("a"), [*A, None], "--baseline", "0.5")
    code, found = told(capsys, a, imported(Path("b"), B, "--baseline", "0.5"))
    assert code == BETTER
    assert (found["arms"]["A"]["n"], found["arms"]["A"]["min"]) == (7, 0.5)
    assert found["arms"]["A"]["failed"]["count"] == 1
    assert found["arms"]["A"]["notes"] == ["wi6-do6 has no defined score: counted with the constant baseline."]
    without = imported(Path("c"), [*A, None])
    found = told(capsys, without, imported(Path("d"), B))[1]
    assert found["arms"]["A"]["n"] == 6
    assert found["arms"]["A"]["notes"] == ["wi6-do6 has no defined score: not in n, for no baseline is known."]


def test_a_mean_that_a_few_failed_runs_decide_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(1)
    a = imported(Path("a"), [0.926 + rng.gauss(0, 0.004) for _ in range(60)])
    b = imported(Path("b"), [0.5 if i < 6 else 0.934 + rng.gauss(0, 0.004) for i in range(60)])
    found = told(capsys, a, b)[1]
    assert found["meanAndChanceDisagree"]
    assert found["difference"]["estimate"] < 0 < found["medianDifference"]
    seedsweep("compare", a, b)
    assert "The mean and the chance of one run point to different arms" in said(capsys)


def by_pair(shift: float) -> Any:
    """Scores that depend on the seeds far more than on the arm."""
    return lambda episode: 0.6 + 0.02 * episode.weight_init + 0.03 * episode.data_order + shift * (1 + episode[0] / 9)


def test_runs_whose_digests_are_equal_are_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = trained(Path("a"), by_pair(0)), trained(Path("b"), by_pair(0.002))
    code, found = told(capsys, a, b)
    assert (code, found["paired"], found["difference"]["method"]) == (BETTER, True, "clustered")
    assert found["pairs"] == {"better": 16, "n": 16}
    assert "Paired: equal seeds drew the same new tensors" in found["remarks"][0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"digest": lambda episode: f"other-{episode.weight_init}"}, "the same weight-init seeds drew other tensors"),
        ({"digest": lambda episode: None}, "equal numbers, which alone prove nothing"),
        ({"size": (4, 5)}, "the arms have other seeds"),
        ({"data": None}, "equal numbers, which alone prove nothing"),
    ],
)
def test_runs_that_nothing_shows_to_be_pairs_are_none(
    capsys: pytest.CaptureFixture[str], changes: Any, why: str
) -> None:
    a, b = trained(Path("a"), by_pair(0)), trained(Path("b"), by_pair(0.002), **changes)
    code, found = told(capsys, a, b)
    assert (code, found["paired"], found["difference"]["method"]) == (CANNOT_TELL, False, "clustered")
    assert why in found["remarks"][0]
    assert found["pairs"] is None


def test_the_user_may_say_that_equal_numbers_are_equal_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(2)
    base = [0.6 + 0.05 * rng.random() for _ in range(12)]
    a, b = imported(Path("a"), base), imported(Path("b"), [x + 0.003 + 0.002 * rng.random() for x in base])
    assert told(capsys, a, b)[0] == CANNOT_TELL
    code, found = told(capsys, a, b, "--paired")
    assert (code, found["difference"]["method"]) == (BETTER, "flipped")
    assert found["runsToTell"][0]["runs"] == 6


def test_pairs_that_the_records_contradict_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    a = trained(Path("a"), by_pair(0))
    other = trained(Path("b"), by_pair(0), digest=lambda episode: "x" + str(episode.weight_init))
    assert "drew other tensors in A than in B" in refusal(capsys, a, other, "--paired")
    more = trained(Path("c"), by_pair(0), size=(4, 5))
    assert "--paired: 4 episodes have no partner with the same seeds" in refusal(capsys, a, more, "--paired")
    one, two = imported(Path("d"), A), imported(Path("e"), A[:-1])
    assert "--paired: 1 episode has no partner" in refusal(capsys, one, two, "--paired")


def test_a_pair_of_which_one_run_is_missing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = imported(Path("a"), [*A, 0.9]), imported(Path("b"), [*B, None])
    found = told(capsys, a, b, "--paired")[1]
    assert found["pairs"]["n"] == 6
    assert found["arms"]["A"]["n"] == 7
    # The difference is not that of the means of all runs.
    assert found["difference"]["of"] == "mean over pairs of B less A"
    seedsweep("compare", a, b, "--paired")
    assert "score over 6 pairs, 95 % interval" in said(capsys)


def test_cells_of_a_grid_are_not_taken_for_independent(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(3)
    rows = [rng.gauss(0, 0.05) for _ in range(8)]
    scores = {EpisodeId(w, d): 0.7 + rows[w] + rng.gauss(0, 0.003) for w in range(4) for d in range(10)}
    other = {EpisodeId(w, d): 0.7 + rows[4 + w] + rng.gauss(0, 0.003) for w in range(4) for d in range(10)}
    code, found = told(capsys, imported(Path("a"), scores), imported(Path("b"), other))
    assert (code, found["difference"]["method"]) == (CANNOT_TELL, "clustered")
    low, high = found["difference"]["interval"]
    assert high - low > 0.05


def test_a_folder_is_named_as_it_was_typed_whatever_is_in_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = imported(Path("[red]a"), A), imported(Path("b"), B)
    capsys.readouterr()
    seedsweep("compare", a, b)
    assert "[red]a: mean" in said(capsys)


def test_one_weight_init_seed_says_nothing_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = (imported(Path(name), {EpisodeId(0, i): x for i, x in enumerate(arm)}) for name, arm in (("a", A), ("b", B)))
    capsys.readouterr()
    assert seedsweep("compare", a, b) == BETTER
    text = said(capsys)
    assert "All runs of A have one weight-init seed: nothing is said of others." in text
    assert "The test shuffles runs" in text


def test_the_last_scores_are_compared_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = trained(Path("a"), by_pair(0)), trained(Path("b"), by_pair(0.002))
    best, final = told(capsys, a, b)[1], told(capsys, a, b, "--score", "final")[1]
    assert final["arms"]["A"]["mean"] == pytest.approx(best["arms"]["A"]["mean"] - 0.01)
    assert "the last score" in final["arms"]["A"]["scores"]
    seedsweep("compare", a, b)
    assert "and so optimistic" in " ".join(said(capsys).split())
    seedsweep("compare", a, b, "--score", "final")
    assert "Scores are those of the last evaluation." in said(capsys)


def test_models_and_settings_may_differ_and_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    a = trained(Path("a"), by_pair(0))
    b = trained(Path("b"), by_pair(0.2), model="example/other", learning_rate="3e-5")
    code, found = told(capsys, a, b)
    assert code == BETTER
    assert found["differs"] == ["learningRate 2e-5 / 3e-5", "model example/tiny-encoder / example/other"]
    # Another tokenizer gives other tokens of the same data.
    other = trained(Path("c"), by_pair(0.2), model="example/other", data="e" * 16)
    code, found = told(capsys, a, other)
    assert (code, found["paired"]) == (BETTER, False)
    assert "The digests of the data differ, as those of tokens do" in found["remarks"][1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": "e" * 16}, "digest of the data: dddddddddddddddd in a, eeeeeeeeeeeeeeee in b: "),
        ({"examples": 277}, "validation examples: 138 in a, 277 in b: "),
    ],
)
def test_other_data_are_refused(capsys: pytest.CaptureFixture[str], changes: Any, said: str) -> None:
    a, b = trained(Path("a"), by_pair(0)), trained(Path("b"), by_pair(0), **changes)
    assert refusal(capsys, a, b).startswith(said)


def test_other_metrics_goals_and_baselines_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    a = imported(Path("a"), A, "--baseline", "0.5")
    f1 = imported(Path("b"), B, "--metric", "f1")
    assert refusal(capsys, a, f1).startswith("metric: score in a, f1 in b: ")
    down = imported(Path("c"), B, "--goal", "minimize")
    assert refusal(capsys, a, down).startswith("goal: maximize in a, minimize in c: ")
    other = imported(Path("d"), B, "--baseline", "0.4")
    assert refusal(capsys, a, other).startswith("score of a constant answer: 0.5 in a, 0.4 in d: ")


@pytest.mark.parametrize("record", [floored, floored_and_cut])
@pytest.mark.parametrize("command", [("compare", "floor", "floor"), ("plan", "--budget", "2", "--history", "floor")])
def test_a_record_with_a_floor_is_no_sample_of_whole_runs(
    command: tuple[str, ...],
    record: Callable[[], records.Record],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "floor").mkdir()
    records.write(tmp_path / "floor", record())
    assert seedsweep(*command) == BAD_INPUT
    said = capsys.readouterr().err
    assert "without earlyStopping" in said
    # Who fell was not trained up to the cut.
    assert "as they were at the cut" not in said


def test_brackets_are_compared_at_the_first_of_their_cuts(capsys: pytest.CaptureFixture[str]) -> None:
    record = bracketed()
    later = record.cuts[0].data.evolve(bracket=0, evaluation=records.RUNG + 4)
    record.cuts.append(record.cuts[0].evolve(metadata=ObjectMeta(name="rte-b0-r0"), data=later))
    folder = Path("brackets")
    folder.mkdir()
    records.write(folder, record)
    assert f"--evaluations {records.RUNG} --to NEW" in refusal(capsys, imported(Path("a"), A), folder)
    assert seedsweep("export", folder, "--to", "runs.parquet") == 0
    assert seedsweep("import", "runs.parquet", "--evaluations", records.RUNG, "--to", "one") == 0


def test_survivors_are_refused_and_the_remedy_compares_at_the_cut(capsys: pytest.CaptureFixture[str]) -> None:
    cut = Path("cut")
    cut.mkdir()
    records.write(cut, records.finished(4, 4))
    text = refusal(capsys, imported(Path("a"), A), cut)
    assert text.startswith("cut: a cut stopped its losers, so that final scores are those of survivors")
    assert "run it without earlyStopping, or compare both as they were at the cut" in text
    assert f"--evaluations {records.RUNG}" in text
    assert seedsweep("export", cut, "--to", "runs.parquet") == 0
    for name in ("one", "other"):
        assert seedsweep("import", "runs.parquet", "--evaluations", records.RUNG, "--to", name) == 0
    code, found = told(capsys, "one", "other", "--paired")
    assert (code, found["arms"]["A"]["n"]) == (CANNOT_TELL, 15)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--score", "test"), "--score: a record has a test score only for its winner"),
        (("--score", "mean"), "--score: 'mean' is not known: give best or final"),
        (("--smallest", "0"), "--smallest: '0' is no number above 0"),
        (("--smallest", "nan"), "--smallest: 'nan' is no number above 0"),
        (("--smallest", "much"), "--smallest: 'much' is no number above 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    assert refusal(capsys, *pair(), *options).startswith(said)


def test_folders_that_cannot_be_compared_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    a = imported(Path("a"), A)
    assert "is the folder of both A and B" in refusal(capsys, a, "../" + Path.cwd().name + "/a")
    assert "no sweep.json in it" in refusal(capsys, a, "nowhere")
    empty = Path("empty")
    empty.mkdir()
    record = records.fully_trained()
    unborn = [e.evolve(status=e.status.evolve(scores=[], verdict=None)) for e in record.episodes]
    records.write(empty, records.Record(record.sweep, unborn, []))
    assert "no episode has a score of a whole run: run the sweep to its end first" in refusal(capsys, a, empty)


def test_without_numpy_the_extra_that_has_it_is_named() -> None:
    code = "import sys; sys.modules['numpy'] = None; from seedsweep.cli import main; main(['compare', 'a', 'b'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = f"numpy is not installed: {install_command(['report'])}\n"
    assert (done.returncode, done.stderr) == (Exit.MISSING_PART, said)


DOCS = (Path(__file__).parents[2] / "docs" / "compare.md").read_text()


def in_the_docs(command: str) -> str:
    """What docs/compare.md shows as the output of a command."""
    return DOCS.split(f"    {command}\n\n```\n")[1].split("```")[0]


def recorded(name: str, to: str, *options: str) -> None:
    source = needs.seed_runs(name)
    goal = ("--goal", "maximize", "--metric", "accuracy")
    assert seedsweep("import", source, "--to", f"runs/{to}", *goal, *options) == 0


def test_bias_correction_is_better_on_berts_runs_of_rte_as_the_docs_show(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--by", "recipe", "--evaluations", "10", "--score", "val_acc", "--baseline", "0.528986")
    recorded("bertlarge/RTE.csv", "rte", *options)
    arms = ("runs/rte/not-debiased", "runs/rte/standard-debiased")
    for more in (("--paired",), ("--score", "final")):
        code, found = told(capsys, *arms, *more)
        assert (code, found["verdict"]) == (BETTER, "better")
        assert [arm["n"] for arm in found["arms"].values()] == [50, 50]
    monkeypatch.setenv("COLUMNS", "96")
    assert seedsweep("compare", *arms) == BETTER
    assert said(capsys) == in_the_docs(f"seedsweep compare {' '.join(arms)}")


def test_bert_large_is_not_told_from_base_on_sst2_by_its_mean_for_some_of_its_runs_fail(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arm in ("bbase", "blarge"):
        options = ("--seed=--seed", "--score", "acc", "--baseline", "0.5092")
        recorded(f"tang2020/{arm}-sst2-3e-05.tsv", arm, *options)
    code, found = told(capsys, "runs/bbase", "runs/blarge")
    assert code == CANNOT_TELL
    assert found["meanAndChanceDisagree"]
    assert found["difference"]["estimate"] < 0 < found["medianDifference"]
    monkeypatch.setenv("COLUMNS", "96")
    assert seedsweep("compare", "runs/bbase", "runs/blarge") == CANNOT_TELL
    assert said(capsys) == in_the_docs("seedsweep compare runs/bbase runs/blarge")

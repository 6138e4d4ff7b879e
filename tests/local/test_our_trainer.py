"""Sweeps on this machine with our own trainer, on a tiny model and a few made-up reviews."""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file, save_file

from host.runners import assert_ended, read_until, runner
from local.conftest import Command
from local.tiny_sweeps import make_material, write_sweep
from report.pages import text_of
from seedsweep.api.reading.parse import load_sweep
from seedsweep.engine.layout import Layout
from seedsweep.engine.questions.footprint import Footprint, in_words
from seedsweep.report.beside import read_beside
from seedsweep.report.facts import steps_trained
from seedsweep.report.findings.all_findings import findings_of
from seedsweep.report.findings.losers import losers_of
from seedsweep.report.record import read_record
from seedsweep.report.statistics.whole import whole_runs
from seedsweep.terminal.folder import use_winner
from seedsweep_trainer.storage.durable import broken, digests
from seedsweep_trainer.storage.folders import LocalFolders, Stored, find_best

STOPS_ONCE_TWO_HAVE_STARTED = """
import os, signal
from seedsweep.terminal import LiveView
show, started = LiveView.update, []
def update(view, seen, plan, now):
    show(view, seen, plan, now)
    started.extend(event for event in plan.events if event.reason == "Started")
    if len(started) >= 2:
        os.kill(os.getpid(), signal.SIGSTOP)
LiveView.update = update
"""
"""So that it cannot come to its end before it is killed."""


@pytest.fixture(scope="module")
def finished(material: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The file and the folder of a sweep whose runner was killed once, and that was then run to the end."""
    file, out = write_sweep(material, export=material / "copy"), tmp_path_factory.mktemp("runs") / "out"
    arguments = ("run", str(file), "--out", str(out))
    with runner(*arguments, before=STOPS_ONCE_TWO_HAVE_STARTED) as process:
        assert read_until(process, "started", 2)
        descendants = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        assert descendants
        assert_ended(descendants)
    with runner(*arguments) as process:
        said = process.communicate()[0]
        assert process.returncode == 0, said
    return file, out


def test_killed_sweep_goes_on_to_its_result(finished: tuple[Path, Path]) -> None:
    status = read_record(finished[1]).sweep.status
    assert status is not None
    assert status.phase == "Complete"
    assert status.best is not None
    assert status.best.test is not None
    assert status.best.test.n == 50


def test_episodes_record_which_tensors_their_weight_init_seed_drew(finished: tuple[Path, Path]) -> None:
    drawn = {(e.spec.weight_init, e.status.initialization) for e in read_record(finished[1]).episodes}
    seeds = [seed for seed, _ in drawn]
    assert len(seeds) == len(set(seeds)), "one digest a seed"
    assert len({digest for _, digest in drawn}) == len(seeds) > 1, "one seed a digest"
    assert None not in {digest for _, digest in drawn}


def test_winner_is_handed_over_with_the_weights_of_its_best_evaluation(finished: tuple[Path, Path]) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    status = read_record(finished[1]).sweep.status
    assert status is not None
    assert status.best is not None
    AutoModelForSequenceClassification.from_pretrained(finished[1] / "best")
    AutoTokenizer.from_pretrained(finished[1] / "best")
    work = finished[1] / "work" / status.best.episode
    kept = find_best(LocalFolders(work), Stored(status.best.evaluation))
    assert kept is not None
    folders = (finished[1] / "best", work / str(kept))
    handed, recorded = (load_file(folder / "model.safetensors") for folder in folders)
    assert handed.keys() == recorded.keys()
    assert all(handed[name].equal(recorded[name]) for name in handed)


def test_the_lines_of_the_last_screen_ask_the_winner(
    finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    step = use_winner(finished[1], read_record(finished[1]).sweep)
    exec("\n".join(step.commands), {})
    assert "'score': " in capsys.readouterr().out


def test_winners_card_tells_the_end_of_the_sweep_and_the_test_score(finished: tuple[Path, Path]) -> None:
    status = read_record(finished[1]).sweep.status
    assert status is not None
    assert status.best is not None
    assert status.best.test is not None
    card = (finished[1] / "best" / "README.md").read_text()
    assert f"({status.best.episode}) |" in card
    assert "Of 4 episodes, 4 were started: 1 trained to the end, 3 lost, 0 failed, 0 diverged." in card
    assert f"{steps_trained(status.cost):,} optimizer steps" in card
    assert f"**{status.best.test.score:.4f}**" in card
    assert broken(finished[1] / "best") is None, "the card is in the manifest, too"


def test_a_hand_over_that_failed_fails_the_sweep_until_the_same_command_succeeds(
    material: Path, tmp_path: Path, seedsweep: Command
) -> None:
    out = tmp_path / "out"
    shutil.copytree(material, tmp_path / "data")
    sweep = write_sweep(tmp_path / "data")
    (out / "best").mkdir(parents=True)
    (out / "best" / "mine.txt").write_text("of something else")
    failed = seedsweep("run", str(sweep), "--out", str(out))
    assert failed.code == 1, failed.out + failed.err
    assert "failed: HandOverFailed" in failed.out
    assert "holds something else" in failed.out
    assert "no test set" not in failed.out
    assert "no test set" not in (out / "report.html").read_text()
    shutil.rmtree(out / "best")
    attempts = len(list((out / "attempts").iterdir()))
    again = seedsweep("run", str(sweep), "--out", str(out))
    assert again.code == 0, again.out + again.err
    assert "is complete" in again.out
    assert (out / "best" / "model.safetensors").exists()
    assert len(list((out / "attempts").iterdir())) == attempts, "nothing was trained again"


def test_a_finished_sweep_that_gets_more_seeds_hands_over_what_all_of_them_give(
    finished: tuple[Path, Path], material: Path, tmp_path: Path, seedsweep: Command
) -> None:
    out, folder = tmp_path / "out", tmp_path / "data"
    shutil.copytree(material, folder)
    assert seedsweep("run", str(write_sweep(folder, data_orders=1)), "--out", str(out)).code == 0
    grown = seedsweep("run", str(write_sweep(folder)), "--out", str(out))
    assert grown.code == 0, grown.out + grown.err
    whole, record = read_record(finished[1]), read_record(out)
    assert record.cuts[0].data.ranked == whole.cuts[0].data.ranked
    assert record.cuts[0].evidence == whole.cuts[0].evidence is not None
    found, expected = record.sweep.status, whole.sweep.status
    assert found is not None
    assert expected is not None
    assert found.best is not None
    assert expected.best is not None
    unlike = {"weights", "exported"}
    assert found.best.model_dump(exclude=unlike) == expected.best.model_dump(exclude=unlike)
    weights = Path("best") / "model.safetensors"
    assert (out / weights).read_bytes() == (finished[1] / weights).read_bytes()


def write_average(folder: Path, data_orders: int) -> Path:
    """The same sweep with two survivors, whose average is the result."""
    file = write_sweep(folder, data_orders=data_orders)
    sweep = json.loads(file.read_text())
    sweep["spec"] |= {"result": "average", "earlyStopping": {"rungs": [{"atPercent": 40, "keep": 2}]}}
    file.write_text(json.dumps(sweep))
    return file


def test_the_average_of_a_sweep_that_grew_is_of_the_survivors_of_all_seeds(
    material: Path, tmp_path: Path, seedsweep: Command
) -> None:
    folder, grown, whole = tmp_path / "data", tmp_path / "grown", tmp_path / "whole"
    shutil.copytree(material, folder)
    for out, data_orders in ((grown, 1), (grown, 3), (whole, 3)):
        done = seedsweep("run", str(write_average(folder, data_orders)), "--out", str(out))
        assert done.code == 0, done.out + done.err
    found, expected = (read_record(out).sweep.status for out in (grown, whole))
    assert found is not None
    assert expected is not None
    assert found.best is not None
    assert expected.best is not None
    assert found.best.average is not None
    assert found.best.average.episodes == sorted(read_record(whole).cuts[0].data.kept)
    assert found.best.model_dump(exclude={"weights"}) == expected.best.model_dump(exclude={"weights"})
    weights = Path("best") / "model.safetensors"
    assert (grown / weights).read_bytes() == (whole / weights).read_bytes()
    member = next(name for name in found.best.average.episodes if name != found.best.episode)
    shutil.rmtree(grown / "work" / member)
    refused = seedsweep("run", str(write_average(folder, 4)), "--out", str(grown))
    assert refused.code == 2
    assert f"spec.seeds: cannot get more seeds: the weights of {member} are gone from" in refused.err


def test_where_the_winners_weights_are_cleaned_away_no_seeds_come_and_the_result_stays(
    finished: tuple[Path, Path], tmp_path: Path, seedsweep: Command
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished[1], out)
    growth_ends = "The sweep cannot get more seeds now: the winner's checkpoint is gone."
    cleaned = seedsweep("clean", str(out))
    assert cleaned.code == 0
    assert growth_ends in cleaned.out
    assert growth_ends not in seedsweep("clean", str(out)).out
    before = (out / "sweep.json").read_bytes()
    file = write_sweep(finished[0].parent, export=finished[0].parent / "copy", data_orders=3)
    refused = seedsweep("run", str(file), "--out", str(out))
    write_sweep(finished[0].parent, export=finished[0].parent / "copy")
    assert refused.code == 2
    assert "spec.seeds: cannot get more seeds: the winner's checkpoint is gone from" in refused.err
    assert "(`seedsweep clean` removed it, or the record was fetched without): make a new sweep" in refused.err
    assert (out / "sweep.json").read_bytes() == before


@pytest.mark.parametrize("changed", ["dataset", "model"])
def test_a_sweep_does_not_go_on_with_other_data_or_weights(
    changed: str, finished: tuple[Path, Path], tmp_path: Path, seedsweep: Command
) -> None:
    out, folder = tmp_path / "out", tmp_path / "data"
    shutil.copytree(finished[1], out)
    shutil.copytree(finished[0].parent, folder)
    if changed == "dataset":
        reviews = folder / "reviews.csv"
        reviews.write_text(reviews.read_text().replace("movie", "film", 1))
    else:
        weights = load_file(folder / "model" / "model.safetensors")
        weights["pooler.dense.bias"] += 1
        save_file(weights, folder / "model" / "model.safetensors", {"format": "pt"})
    before = (out / "sweep.json").read_bytes()
    refused = seedsweep(
        "run", str(write_sweep(folder, export=finished[0].parent / "copy", data_orders=3)), "--out", str(out)
    )
    assert refused.code == 2
    assert f"spec.trainer.fineTuning.{changed}: its " in refused.err
    assert f"are not those that {out} was recorded with: restore them, or run into another" in refused.err
    assert (out / "sweep.json").read_bytes() == before


def test_copy_of_the_winner_is_made_where_it_is_asked_for(finished: tuple[Path, Path]) -> None:
    status = read_record(finished[1]).sweep.status
    assert status is not None
    assert status.best is not None
    copy = finished[0].parent / "copy"
    assert status.best.exported == str(copy)
    assert digests(copy) == digests(finished[1] / "best")


def test_only_best_weights_of_survivors_stay(finished: tuple[Path, Path]) -> None:
    record = read_record(finished[1])
    assert record.sweep.status is not None
    assert record.sweep.status.best is not None
    wanted = {*record.cuts[0].data.kept, record.sweep.status.best.episode}
    work = finished[1] / "work"
    stored = {folder.name: [kept.name for kept in LocalFolders(folder).listed()] for folder in work.iterdir()}
    assert stored.keys() == wanted
    assert all(len(kept) == 1 and kept[0].startswith("best") for kept in stored.values())


def test_a_run_leaves_what_its_report_compares_models_with(finished: tuple[Path, Path]) -> None:
    record = read_record(finished[1])
    beside = read_beside(finished[1], record)
    assert beside.refused == ()
    assert len(beside.conditions) >= 4
    assert all("torch" in line for line in beside.conditions)
    kept = record.cuts[0].data.kept
    for episode in record.episodes:
        known, scores = beside.training[episode.spec.id.name], episode.status.scores
        told = len(scores) if episode.spec.id.name in kept else record.cuts[0].data.evaluation
        assert all(known[at].loss is not None for at in range(1, told + 1))
    findings = findings_of(record, whole_runs(record), beside)
    assert findings.withheld == ()
    [margin] = findings.verdict.margins
    assert margin.again is not None
    assert margin.examples == 50
    assert findings.verdict.runner_up is not None
    assert findings.apart is not None
    page = (finished[1] / "report.html").read_text()
    assert ", the runner-up" in page
    assert "Luck and skill apart" in page
    assert "The training loss, a mean over the steps before an evaluation, was " in page


def test_the_cut_says_which_losers_the_examples_tell_apart_as_the_report_does(finished: tuple[Path, Path]) -> None:
    record = read_record(finished[1])
    losers = losers_of(record, read_beside(finished[1], record), record.cuts[0].data)
    evidence = record.cuts[0].evidence
    assert losers is not None
    assert evidence is not None
    assert evidence.alike_episodes == [name for name, test in losers.tests.items() if not test.told_apart]
    told = (evidence.compared, evidence.unknown, evidence.examples, evidence.exact, evidence.few_kept)
    assert told == (losers.losers, 0, losers.examples, losers.exact, losers.few_kept)


def test_without_the_answers_the_report_says_what_the_cut_has_on_record(
    finished: tuple[Path, Path], tmp_path: Path, seedsweep: Command
) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(finished[1], alone, ignore=shutil.ignore_patterns("attempts", "work", "best"))
    assert seedsweep("report", str(alone)).code == 0
    evidence = read_record(alone).cuts[0].evidence
    assert evidence is not None
    told = f"{evidence.alike} of {evidence.compared} losers could not be told apart from {evidence.against}"
    assert told in text_of((alone / "report.html").read_text())


def test_episode_is_the_same_in_a_process_of_its_own(finished: tuple[Path, Path], seedsweep: Command) -> None:
    winner = read_record(finished[1]).cuts[0].data.ranked[0]
    seeds = winner.removeprefix("wi").replace("-do", ",")
    result = seedsweep("run", str(finished[0]), "--out", str(finished[1]), "--episode", seeds)
    assert result.code == 0, result.out
    assert "the same bit for bit in all 10 evaluations that are on record in" in result.out


class Watch:
    """Looks into a run's folder again and again while a sweep goes on, and remembers the most it has seen."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.looks = self.episodes = self.checkpoints = self.bytes = 0

    def look(self) -> None:
        """Episodes that can resume, checkpoints of all attempts, bytes of all checkpoints and weights."""
        kept = {path: LocalFolders(path).listed() for path in self._folders()}
        checkpoints = [
            path / str(folder) for path, folders in kept.items() for folder in folders if folder.is_checkpoint
        ]
        files = self._files()
        # What was there when it was seen and is there after all else was seen was all there at one moment.
        if not all(path.exists() for path in (*checkpoints, *files)):
            return
        self.looks += 1
        self.episodes = max(self.episodes, len({path.relative_to(self._out / "work").parts[0] for path in checkpoints}))
        self.checkpoints = max(self.checkpoints, len(checkpoints))
        # Linked files take their space once.
        self.bytes = max(self.bytes, sum(dict(files.values()).values()))

    def _folders(self) -> list[Path]:
        work = self._out / "work"
        return [path for path in work.iterdir() if not path.name.startswith(".")] if work.exists() else []

    def _files(self) -> dict[Path, tuple[int, int]]:
        """Inodes and sizes."""
        found = {}
        for folder in ("work", "best"):
            for parent, _, names in os.walk(self._out / folder):
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        about = Path(parent, name).stat()
                        found[Path(parent, name)] = about.st_ino, about.st_size
        return found


def test_checkpoints_stay_as_few_and_small_as_was_told(tmp_path: Path) -> None:
    """Six episodes in two places, of which one is kept: who waits or lost leaves nothing behind."""
    from safetensors.torch import load_file

    file, out = write_sweep(make_material(tmp_path, hidden_size=128)), tmp_path / "out"
    sweep = json.loads(file.read_text())
    sweep["spec"]["seeds"]["grid"]["weightInits"]["count"] = 3
    file.write_text(json.dumps(sweep))
    watch = Watch(out)
    with runner("run", str(file), "--out", str(out)) as process:
        while process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                watch.look()
            time.sleep(0.005)
        said = process.communicate()[0]
    assert process.returncode == 0, said
    (best,) = list(out.glob("best/model.safetensors"))
    parameters = sum(tensor.numel() for tensor in load_file(best).values())
    told = Footprint.of(Layout.of(load_sweep(file)), 2).bytes_of(parameters)
    assert f"Checkpoints take at most {in_words(told)} of the disk at once." in said
    kept, live = 1, 2
    assert watch.looks > 100
    assert 0 < watch.episodes <= kept + live
    # Who lives has a second one for the moment in which it replaces the first.
    assert watch.checkpoints <= kept + 2 * live
    assert 0.3 * told < watch.bytes <= 1.03 * told

"""The last screen: what it says about a result, and about none."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from inputs import records
from inputs.floored import floored, floored_and_cut
from report.pages import words_of
from seedsweep.api.core.objects import Condition
from seedsweep.api.finetuning import Dataset, Split
from seedsweep.api.status import Average
from seedsweep.api.sweep import Export
from seedsweep.local.next_steps import next_steps
from seedsweep.report.facts import warnings
from seedsweep.report.record import Record
from seedsweep.terminal import last_screen
from seedsweep.terminal.folder import PAIR_TASKS, use_winner
from seedsweep_trainer.data.glue import GLUE


def screen(record: records.Record, directory: Path = Path("runs/rte"), *, width: int = 120) -> str:
    out = io.StringIO()
    steps = list(next_steps(Path("rte.yaml"), directory, Record(record.sweep, record.episodes, record.cuts)))
    shown = last_screen(record.sweep, record.episodes, record.cuts, steps)
    Console(file=out, width=width).print(shown, crop=False)
    return out.getvalue()


def failed(reason: str = "BadConfiguration", message: str = "no such model") -> records.Record:
    condition = Condition(
        type="Failed", status="True", reason=reason, message=message, last_transition_time=records.START.isoformat()
    )
    return records.finished().with_status(phase="Failed", best=None, conditions=[condition])


def test_winner_comes_first_with_its_score() -> None:
    record = records.finished()
    assert record.status.best is not None
    first = screen(record).splitlines()[0]
    assert f"accuracy {record.status.best.score:.4f} by {record.status.best.episode}" in first


def test_a_recorded_best_that_no_weights_reproduce_is_told_beside_the_score_that_counts() -> None:
    record = records.finished()
    assert record.status.best is not None
    assert "not reproduced" not in screen(record)
    text = screen(record.with_status(best=record.status.best.evolve(lost=0.9123)))
    assert "its recorded best of 0.9123 was not reproduced" in text
    assert "recorded best of 0.9123" in " ".join(
        warnings(record.with_status(best=record.status.best.evolve(lost=0.9123)).status)
    )


@pytest.mark.parametrize(
    ("average", "text"),
    [
        (
            Average(members=3, score=0.71, members_score=0.7, handed_over=True),
            "average of the best weights of 3 survivors (validation score 0.7100, of its members 0.7000 on average)",
        ),
        (
            Average(members=3, reason="wi0-do1 diverged"),
            "the winner, not the average of the 3 survivors that was declared: wi0-do1 diverged",
        ),
    ],
)
def test_it_says_whose_weights_were_handed_over_where_an_average_was_declared(average: Average, text: str) -> None:
    record = records.finished()
    assert record.status.best is not None
    assert "survivors" not in screen(record)
    shown = screen(record.with_status(best=record.status.best.evolve(average=average)), width=200)
    assert text in shown


def test_a_tie_for_the_best_score_is_told_with_what_decided() -> None:
    assert "the same score" not in screen(records.finished())
    assert "the same score, and the lower validation loss decided" in screen(records.tied((0.4, 0.5)))
    assert "the same score, and a hash of the seeds decided" in screen(records.tied((None, None)))


def test_what_is_known_of_the_runner_up_stands_below_the_scores() -> None:
    record, out = records.finished(), io.StringIO()
    noise = "within noise of wi0-do0, the runner-up: p = 1.000 on the same 400 examples"
    Console(file=out, width=120).print(last_screen(record.sweep, record.episodes, record.cuts, [], noise))
    assert re.search(f"test +0.6643.*\n +noise +{noise}", out.getvalue())
    assert "noise" not in screen(record)


def test_test_score_comes_with_its_interval_and_n() -> None:
    assert "0.6643, 95 % interval 0.6053 to 0.7195, n = 277" in screen(records.finished())


def test_without_a_test_set_the_validation_score_is_called_optimistic() -> None:
    record = records.finished()
    assert record.status.best is not None
    text = screen(record.with_status(best=record.status.best.model_copy(update={"test": None})))
    assert "no test set" in text
    assert "optimistic" in text


def test_cut_is_told_with_its_threshold_and_ties() -> None:
    record = records.finished()
    assert "3 of 8 at evaluation 6, threshold" in screen(record)
    assert "tied" not in screen(record)
    data = record.cuts[0].data
    keep, scores = records.KEEP, data.scores
    scores = [*scores[:keep], scores[keep - 1], *scores[keep + 1 :]]
    record.cuts[0] = record.cuts[0].evolve(data=data.evolve(scores=scores, tied_at_threshold=2))
    assert "2 tied there" in screen(record)
    # Both were kept, and the next one is worse.
    record.cuts[0] = record.cuts[0].evolve(data=data.evolve(tied_at_threshold=2))
    assert "tied there" not in screen(record)


def test_a_floor_is_told_with_who_fell_and_what_was_used_of_the_budget() -> None:
    said = "2 of 5 episodes fell below 0.5870 at evaluation 6; 3.6 of 4 full runs used, 3 seeds left"
    assert said in screen(floored())
    both = screen(floored_and_cut())
    assert "2 of 6 episodes fell below 0.5870 at evaluation 6" in both
    assert "2 of 6 at evaluation 10" in both
    assert "fell below" not in screen(records.finished())


def test_failed_and_diverged_episodes_are_named_with_their_reasons() -> None:
    text = screen(records.finished())
    assert f"{records.FAILED} after 2 evaluations: {records.FAILED_REASON}" in text
    assert f"{records.DIVERGED} after 3 evaluations: {records.DIVERGED_REASON}" in text


def test_full_cost_in_seconds_is_called_an_estimate() -> None:
    text = screen(records.finished())
    assert "862 optimizer steps of 1,600 for training all fully: 24 % saved" in text
    assert "(12 overshoot, 20 wasted included)" in text
    assert "places held for 7 min, about 13 min if all had trained fully" in text


def test_full_cost_in_seconds_is_left_out_where_it_reads_as_what_was_held() -> None:
    record = records.finished()
    nearly_all = record.status.cost.evolve(useful_steps=1_600, overshoot_steps=0, wasted_steps=0, full_steps=1_605)
    text = screen(record.with_status(cost=nearly_all))
    assert "places held for 7 min" in text
    assert "if all had trained fully" not in text


def test_failure_comes_first_with_its_reason_and_the_remedy() -> None:
    lines = screen(failed()).splitlines()
    assert "failed: BadConfiguration" in lines[0]
    assert "no such model" in lines[1]
    assert "Correct spec.trainer" in lines[2]


def test_failed_sweep_names_the_log_to_look_at() -> None:
    assert f"runs/rte/logs/{records.FAILED}-2.log" in screen(failed("NoEpisodeFinished", "all failed"))


def test_commands_are_never_broken_over_lines() -> None:
    long = Path("runs") / ("x" * 100)
    lines = screen(records.finished(), long, width=60).splitlines()
    assert any(line.strip() == f"python -m webbrowser {long}/report.html" for line in lines)


ONE = "print(ask('a sentence'))"
TWO = "print(ask({'text': 'a sentence', 'text_pair': 'another'}))"


@pytest.mark.parametrize(
    ("data", "what", "asked"),
    [
        ({"task": "cola", "path": "glue"}, "Use the winner in Python", ONE),
        ({"task": "rte", "path": "glue"}, "Use the winner in Python", TWO),
        ({"train": "a.csv", "validation": "b.csv"}, "Use the winner in Python", ONE),
        (
            {"train": "a.csv", "validation": "b.csv", "columns": {"textPair": "b"}, "kind": "regression"},
            "Use the winner in Python (`score` is the value)",
            TWO,
        ),
    ],
)
def test_the_winner_is_asked_about_an_input_of_its_kind(data: dict[str, object], what: str, asked: str) -> None:
    sweep = records.finished().sweep
    tuning = sweep.spec.trainer.fine_tuning
    assert tuning is not None
    trainer = sweep.spec.trainer.evolve(fine_tuning=tuning.evolve(dataset=Dataset.model_validate(data)))
    step = use_winner(Path("runs/x"), sweep.evolve(spec=sweep.spec.evolve(trainer=trainer)))
    model = "ask = pipeline('text-classification', 'runs/x/best', truncation=True)"
    assert step == (what, ["from transformers import pipeline", model, asked])


def test_tasks_about_two_sentences_are_those_whose_files_have_two() -> None:
    assert {name for name, task in GLUE.items() if task.columns.text_pair is not None} == PAIR_TASKS


def test_failed_sweep_says_how_to_start_anew() -> None:
    assert "seedsweep run rte.yaml --out ANOTHER_FOLDER" in screen(failed())


def test_sweep_that_is_not_over_says_so() -> None:
    text = screen(records.finished().with_status(phase="Running", completion_time=None, conditions=[]))
    assert "is not over (Running); best so far" in text.splitlines()[0]


@pytest.mark.parametrize("width", [80, 120])
def test_screen_is_as_wide_as_the_terminal_at_most(width: int) -> None:
    assert max(len(line) for line in screen(records.finished(), width=width).splitlines()) <= width


def test_copy_of_the_winner_is_named_and_one_that_failed_says_why() -> None:
    record = records.finished()
    assert record.status.best is not None
    best = record.status.best.evolve(exported="s3://team/winner")
    assert re.search(r"copy +s3://team/winner", screen(record.with_status(best=best)))
    spec = record.sweep.spec.evolve(export=Export(uri="s3://team/winner"))
    without = replace(record, sweep=record.sweep.evolve(spec=spec)).with_status(
        phase="Failed", conditions=not_handed_over("the copy could not be made: no credentials")
    )
    assert re.search(r"copy +none: .*no credentials", screen(without))


def not_handed_over(why: str) -> list[Condition]:
    since = records.START.isoformat()
    failed = Condition(type="Failed", status="True", reason="HandOverFailed", message=why, last_transition_time=since)
    return [failed, failed.evolve(type="HandedOver", status="False")]


def test_a_hand_over_that_failed_is_told_as_one_with_the_way_to_try_again() -> None:
    record = records.with_test_set(records.finished())
    assert record.status.best is not None
    best = record.status.best.evolve(test=None, weights=None)
    text = screen(record.with_status(phase="Failed", best=best, conditions=not_handed_over("disk full")))
    assert text.splitlines()[0] == "✗ rte failed: HandOverFailed"
    assert "disk full" in text
    assert re.search("test +not scored: the winner could not be handed over", text)
    assert "the same `seedsweep run` again" in text
    assert "Start anew" not in text
    assert "no test set" not in text


def test_a_test_score_that_is_undefined_is_told_as_such() -> None:
    record = records.finished()
    assert record.status.best is not None
    assert record.status.best.test is not None
    undefined = record.status.best.test.evolve(score=None, interval=None)
    text = screen(record.with_status(best=record.status.best.evolve(test=undefined)))
    assert re.search("test +undefined: accuracy has no value on the 277 test examples", text)


def test_a_sweep_without_any_score_says_that_it_has_failed() -> None:
    lines = screen(failed("NoScore", "no evaluation of 4 episodes has a score")).splitlines()
    assert "failed: NoScore" in lines[0]
    assert "Correct the data or the metric" in lines[2]


def test_a_winner_no_better_than_a_constant_answer_gets_no_tick() -> None:
    record = records.finished()
    assert screen(record).startswith("✓ rte is complete")
    assert record.status.best is not None
    record = record.with_status(best=record.status.best.evolve(baseline=record.status.best.score))
    text = screen(record)
    assert "✓" not in text
    assert text.startswith("! rte is complete")
    assert "No episode beat a constant answer" in text


def test_what_failed_episodes_did_not_train_is_not_saved() -> None:
    record = records.fully_trained()
    cost = record.status.cost
    record = record.with_status(cost=cost.evolve(useful_steps=cost.useful_steps // 2))
    text = screen(record)
    assert "for training all fully" in text
    assert "saved" not in text
    assert "saved" in screen(records.finished())


@pytest.mark.parametrize(
    ("evaluations", "told"),
    [
        (1, "test        no test set"),
        (2, "test        no test set: the highest of 2 evaluations on the data that chose it, so optimistic"),
    ],
)
def test_one_episode_is_chosen_among_its_evaluations_or_among_nothing(evaluations: int, told: str) -> None:
    record = records.fully_trained(1, 1).with_status(evaluations=evaluations)
    [episode] = record.episodes
    record.episodes[0] = episode.evolve(status=episode.status.evolve(scores=episode.status.scores[:evaluations]))
    assert record.status.best is not None
    record = record.with_status(best=record.status.best.evolve(test=None))
    tuning = record.sweep.spec.trainer.fine_tuning
    assert tuning is not None
    bare = tuning.evolve(dataset=tuning.dataset.evolve(split=Split()))
    trainer = record.sweep.spec.trainer.evolve(fine_tuning=bare)
    record = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    assert told in [line.strip() for line in screen(record).splitlines()]
    words = words_of(record)
    assert ("so it is optimistic" in words) == (evaluations > 1)
    assert "among 1 episode" not in words

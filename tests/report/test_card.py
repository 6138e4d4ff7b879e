"""The winner's model card: what it says, what it withholds, and how small it stays."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import pytest
from ruamel.yaml import YAML

from inputs import records
from seedsweep.api import card as completion
from seedsweep.api import status as answers
from seedsweep.api.core.objects import Condition, EnvVar
from seedsweep.api.cut import CutData
from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.episode import EpisodeId, EpisodeStatus
from seedsweep.api.provenance import PartCounts, Provenance
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.seeds import Seeds
from seedsweep.engine.layout import Layout
from seedsweep.report.model_card.card import model_card

TEST = answers.TestScore(
    metric="accuracy", score=0.6643, n=277, interval=[0.6053, 0.7195], confidence=0.95, baseline=0.5235
)


def card_of(record: records.Record) -> str:
    return model_card(record.sweep, record.status, statuses(record), [cut.data for cut in record.cuts])


def statuses(record: records.Record) -> Mapping[EpisodeId, EpisodeStatus]:
    return {episode.spec.id: episode.status for episode in record.episodes}


def front_matter(card: str) -> dict[str, object]:
    _, metadata, _ = card.split("---\n", 2)
    found: dict[str, object] = YAML(typ="safe").load(metadata)
    return found


def test_card_states_the_winner_with_its_seeds_and_score() -> None:
    card = card_of(records.finished())
    assert "weight-init seed 1, data-order seed 0 (wi1-do0)" in card
    assert "**0.7054** at evaluation 20 of 20; a constant answer scores 0.5270" in card


@pytest.mark.parametrize(
    ("losses", "decided"),
    [((0.4, 0.5), "the lower validation loss"), ((0.4, 0.4), "a hash of the seeds"), ((None, None), "a hash of the")],
)
def test_a_winner_that_shares_its_score_is_not_called_the_one_with_the_highest(
    losses: tuple[float | None, float | None], decided: str
) -> None:
    assert "this is the one with the highest validation accuracy." in card_of(records.finished())
    card = card_of(records.tied(losses))
    assert "this is one of those with the highest validation accuracy: wi0-do" in card
    assert f" has the same score, and {decided}" in card
    assert "the one with the highest" not in card


MADE = answers.Average(members=3, score=0.71, members_score=0.7, handed_over=True)
GAVE_WAY = answers.Average(members=3, score=0.6, members_score=0.7, reason="a <barrier>")


def declared(average: answers.Average | None) -> records.Record:
    """A record whose sweep declared an average."""
    record = records.finished()
    assert record.status.best is not None
    sweep = record.sweep.evolve(spec=record.sweep.spec.evolve(result="average"))
    return replace(record, sweep=sweep).with_status(best=record.status.best.evolve(average=average))


def test_card_of_an_average_says_so_before_and_after_it_was_made() -> None:
    assert "average" not in card_of(records.finished())
    card = card_of(declared(None))
    assert "an average of weights was declared as the result: see below" in card
    assert "result: average" in card, "the sweep's file"
    done = completion.completed(card, TEST, MADE)
    assert done.index("## Which weights these are") < done.index("## Test score")
    assert "These are the weights of the average of the best weights of 3 survivors" in done
    gave_way = completion.completed(card, TEST, GAVE_WAY)
    assert "the winner, not the average of the 3 survivors that was declared: a \\<barrier\\>" in gave_way
    one = completion.average_words(answers.Average(members=1, reason="an average takes 2 to 100 survivors, not 1"))
    assert one.startswith("the winner, not the average of the 1 survivor that was declared: ")


def test_card_says_why_no_average_was_tried() -> None:
    card = card_of(declared(answers.Average(members=1, reason="there is one survivor")))
    assert completion.completed(card, TEST).count("## Which weights these are") == 1
    assert "that was declared: there is one survivor" in card


def test_card_states_where_every_episode_went() -> None:
    assert "Of 8 episodes, 8 were started: 3 trained to the end, 3 lost, 1 failed, 1 diverged." in card_of(
        records.finished()
    )


def test_who_finished_and_is_outranked_since_the_sweep_got_more_seeds_counts_as_lost() -> None:
    record = records.finished()
    first = next(entry for entry in record.episodes if entry.status.state == "Finished")
    outranked = first.evolve(status=first.status.evolve(state="Lost"))
    card = card_of(replace(record, episodes=[outranked if e is first else e for e in record.episodes]))
    assert "8 were started: 2 trained to the end, 4 lost, 1 failed, 1 diverged." in card


def test_card_of_a_cut_states_its_evaluation_and_threshold_and_of_how_many() -> None:
    record = records.finished()
    assert f"| 6 | 3 | 8 | {record.cuts[0].data.threshold:.4f} |" in card_of(record)


def test_card_states_the_cost_in_places_whatever_these_were() -> None:
    assert "\nPlaces (GPUs, or processes on a machine without one) were held for 7 min" in card_of(records.finished())


def test_card_of_a_cut_withholds_the_expected_best_with_the_reason() -> None:
    card = card_of(records.finished())
    assert "**Expected best of n runs** is withheld: the survivors ran to the end because they were ahead" in card
    assert "| expected best |" not in card


def test_card_of_full_runs_tells_the_expected_best_of_every_n() -> None:
    card = card_of(records.fully_trained())
    assert "| n | 1 | 2 | 5 | 8 |" in card
    assert "| expected best | 0.6475 |" in card
    assert card.count("0.7054 |\n") == 2, "the best of all 8 is the maximum"
    assert "(an approximation, from the scores above):" in card
    assert "Episodes share seeds, so they are not independent" in card


@pytest.mark.parametrize(
    ("pairs", "shared"), [([(0, 5), (1, 6), (2, 7)], False), ([(0, 5), (0, 6), (2, 7)], True)], ids=["own", "shared"]
)
def test_card_calls_the_expected_best_unbiased_only_where_no_seed_is_shared(
    pairs: list[tuple[int, int]], shared: bool
) -> None:
    record = records.fully_trained(3, 1)
    episodes = [
        e.evolve(spec=e.spec.evolve(weight_init=w, data_order=d))
        for e, (w, d) in zip(record.episodes, pairs, strict=True)
    ]
    seeds = Seeds.model_validate({"pairs": [{"weightInit": w, "dataOrder": d} for w, d in pairs]})
    sweep = record.sweep.evolve(spec=record.sweep.spec.evolve(seeds=seeds))
    assert record.status.best is not None
    best = record.status.best.evolve(episode=episodes[0].spec.id.name)
    card = card_of(replace(record, sweep=sweep, episodes=episodes).with_status(best=best))
    assert ("(unbiased, from the scores above)" in card) is not shared
    assert ("not independent" in card) is shared


def test_hub_reads_the_base_model_and_the_metric_but_no_result_that_the_choice_has_spoilt() -> None:
    found = front_matter(card_of(records.finished()))
    assert found["base_model"] == "example/tiny-encoder"
    assert found["metrics"] == ["accuracy"]
    assert "model-index" not in found


def test_a_model_that_is_no_hub_name_is_no_base_model() -> None:
    record = records.finished()
    tuning = record.sweep.spec.trainer.fine_tuning
    assert tuning is not None
    trainer = record.sweep.spec.trainer.evolve(fine_tuning=tuning.evolve(model="../models/own"))
    sweep = record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer))
    assert "base_model" not in front_matter(card_of(replace(record, sweep=sweep)))


def test_card_says_that_a_test_set_is_missing() -> None:
    card = completion.completed(card_of(records.finished()), None)
    assert "it is optimistic" in card
    assert completion.PLACE_FOR_TEST not in card


def test_test_score_stands_before_the_rest_with_n_and_interval() -> None:
    card = completion.completed(card_of(records.finished()), TEST)
    assert "**0.6643** (95 % interval 0.6053 to 0.7195, n = 277 examples). A constant answer scores 0.5235." in card
    assert card.index("## Test score") < card.index("## How it was chosen")


def test_card_tells_what_the_model_was_trained_from() -> None:
    origin = Provenance(
        base_weights="ab12",
        dataset_commit="cd34",
        examples=PartCounts(train=800, validation=200),
        truncated=PartCounts(train=0, validation=0),
    )
    card = card_of(records.finished().with_status(provenance=origin))
    assert "- 800 train, 200 validation examples, none truncated\n- data set at commit `cd34`\n" in card
    assert "- base weights of digest `ab12`\n" in card


def test_a_test_score_that_is_undefined_is_told_apart_from_none() -> None:
    card = completion.completed(card_of(records.finished()), TEST.evolve(score=None, interval=None))
    assert "Undefined: accuracy has no value on the 277 test examples" in card
    assert "no test set" not in card


def test_a_test_score_without_an_interval_stands_alone() -> None:
    assert "**0.6643** (n = 277 examples)." in completion.test_section(TEST.evolve(interval=None))


def test_a_card_of_other_making_gets_its_test_score_at_its_end() -> None:
    assert completion.completed("# Mine\n", TEST).startswith("# Mine\n\n## Test score\n")


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("NonDeterministic", "True", "the first record counts"),
        ("HeterogeneousHardware", "True", "not bit-comparable"),
        ("HeterogeneousData", "True", "cannot be compared"),
        ("ExactScores", "False", "sampled"),
    ],
)
def test_card_warns_of_what_casts_doubt_on_scores(kind: str, status: Literal["True", "False"], words: str) -> None:
    condition = Condition(type=kind, status=status, reason="Seen", message="", last_transition_time="2026-05-04")
    assert words in card_of(records.finished().with_status(conditions=[condition]))


def test_winner_that_lost_the_cut_is_said_to_have() -> None:
    record = records.finished()
    loser = next(entry for entry in record.cuts[0].data.rows if not entry.kept)
    assert record.status.best is not None
    best = record.status.best.evolve(episode=loser.episode)
    assert "This episode itself lost there" in card_of(record.with_status(best=best))


def test_card_repeats_the_sweep_without_variables_pods_and_storage() -> None:
    record = records.finished()
    trainer = record.sweep.spec.trainer.evolve(env=[EnvVar(name="TOKEN", value="hunter2")], image="internal/image")
    sweep = record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer))
    card = card_of(replace(record, sweep=sweep))
    assert "hunter2" not in card
    assert "internal/image" not in card
    repeated = parse_sweep(card.split("```yaml\n")[1].split("```")[0])
    assert Layout.of(repeated).episodes == Layout.of(record.sweep).episodes
    assert repeated.spec.trainer.fine_tuning == record.sweep.spec.trainer.fine_tuning


def test_commands_name_a_file_of_this_sweep_and_the_folder_of_its_record() -> None:
    card = card_of(records.finished())
    assert "Save the sweep below as `rte.yaml`." in card
    assert "```sh\nseedsweep run rte.yaml\n```" in card
    assert "```sh\nseedsweep run rte.yaml --out FOLDER --episode wi1-do0\n```" in card
    assert parse_sweep(card.split("```yaml\n")[1].split("```")[0]).metadata.name == "rte"


def test_no_line_of_the_card_can_be_read_as_part_of_a_list_before_it() -> None:
    origin = Provenance(base_weights="ab12", examples=PartCounts(train=800, validation=200))
    card = card_of(records.finished().with_status(provenance=origin))
    outside_of_fences = "".join(card.split("```")[::2])
    assert not [line for line in outside_of_fences.splitlines() if line.startswith(" ")]


def test_without_published_curves_the_card_compares_with_no_record() -> None:
    record = records.finished()
    sampled = [e.evolve(status=e.status.evolve(sampled=True)) for e in record.episodes]
    card = card_of(replace(record, episodes=sampled))
    assert "seedsweep run rte.yaml\n" in card
    assert "--episode" not in card


def test_foreign_words_cannot_break_out_of_the_card() -> None:
    message = "</blockquote>\n# Best model ever | [click](http://example.org) `x`"
    condition = Condition(
        type="Failed", status="True", reason="DeadlineExceeded", message=message, last_transition_time="2026-05-04"
    )
    card = card_of(records.finished().with_status(conditions=[condition]))
    assert "\n# Best" not in card
    assert "[click](" not in card
    assert "</blockquote>" not in card


def test_card_stays_small_whatever_the_number_of_episodes_and_cuts() -> None:
    record = records.finished(60, 40)
    many = [record.cuts[0].data.evolve(bracket=b, rung=r) for b in range(20) for r in range(20)]
    brackets = [{"episodes": 120, "rungs": [{"atPercent": 30, "keep": 3}]} for _ in range(20)]
    spec = record.sweep.spec.evolve(early_stopping=EarlyStopping.model_validate({"brackets": brackets}))
    status = record.status.evolve(
        fingerprints=[f"{i:064}" for i in range(500)],
        conditions=[
            Condition(type=kind, status="True", reason="Seen", message="x" * 30_000, last_transition_time="2026-05-04")
            for kind in ("Failed", "NonDeterministic", "HeterogeneousHardware")
        ],
    )
    card = model_card(record.sweep.evolve(spec=spec), status, statuses(record), many)
    assert len(completion.completed(card, TEST).encode()) < 8_000


def test_card_does_not_depend_on_the_order_of_what_is_on_record() -> None:
    record = records.finished()
    cuts = [record.cuts[0].data, record.cuts[0].data.evolve(rung=1, evaluation=9)]
    backwards = dict(reversed([*statuses(record).items()]))
    assert _card(record, statuses(record), cuts) == _card(record, backwards, cuts[::-1])


def test_without_a_winner_there_is_no_card() -> None:
    with pytest.raises(ValueError, match="no winner"):
        card_of(records.finished().with_status(best=None))


def _card(record: records.Record, episodes: Mapping[EpisodeId, EpisodeStatus], cuts: list[CutData]) -> str:
    return model_card(record.sweep, record.status, episodes, cuts)

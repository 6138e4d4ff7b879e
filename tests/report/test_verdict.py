"""The verdict in words, from records with and without predictions beside them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inputs import records
from inputs.bracketed import bracketed
from report.pages import words_of
from seedsweep.api.cut import CutData
from seedsweep.api.finetuning import Metric
from seedsweep.api.provenance import PartCounts, Provenance
from seedsweep.api.sweep import Storage, Trainer
from seedsweep.contract.conditions import FILE as CONDITIONS
from seedsweep.contract.predictions import Predictions, PredictionsError
from seedsweep.contract.training import FILE as TRAINING
from seedsweep.report.beside import Beside, read_beside, why_none
from seedsweep.report.findings.verdict import LOSERS, OTHER_EXAMPLES, WINNER_AND_RUNNER_UP, verdict_of
from seedsweep.report.record import Record, read_record
from seedsweep.report.words import chance_text
from seedsweep.science.examples.answers import Answers
from seedsweep.science.examples.paired import paired_test


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def with_cut(record: records.Record, **update: object) -> records.Record:
    cut = record.cuts[0]
    data = CutData.model_validate(cut.data.model_dump() | update)
    return replace(record, cuts=[cut.evolve(data=data)])


def with_examples(record: records.Record, validation: int) -> records.Record:
    return record.with_status(provenance=Provenance(examples=PartCounts(train=100, validation=validation)))


def by_latest(record: records.Record) -> records.Record:
    """The same, ranked by the score at the cut."""
    stopping = record.sweep.spec.early_stopping
    assert stopping is not None
    spec = record.sweep.spec.evolve(early_stopping=stopping.evolve(rank_by="latest"))
    at_cut = {e.spec.id.name: e.status.scores[records.RUNG - 1 : records.RUNG] for e in record.episodes}
    ranked = sorted(record.cuts[0].data.ranked, key=lambda name: -(at_cut[name][0] or 0.0))
    cut = with_cut(record, rank_by="latest", ranked=ranked, scores=[at_cut[name][0] for name in ranked])
    return replace(cut, sweep=record.sweep.evolve(spec=spec))


def test_a_cut_is_told_by_how_many_examples_decided_it() -> None:
    record = with_examples(records.finished(), 400)
    scores = [0.9, 0.8, 0.6800, 0.6750, 0.6, 0.5]
    record = with_cut(record, scores=scores)
    [margin] = verdict_of(of(record), Beside()).margins
    assert (margin.right, margin.examples) == (2, 400)
    words = words_of(record)
    assert "The cut at evaluation 6 was decided by 2 of 400 examples: " in words
    assert "answers that many more right than" in words


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ([0.9, 0.8, 0.7, 0.7, 0.6, 0.5], "was decided by a tie-breaker"),
        ([0.9, 0.8, 0.7, None, None, None], "was decided by a score that is undefined"),
        ([0.9, 0.8, 0.7, 0.65, 0.6, 0.5], "was decided by 0.0500"),
    ],
)
def test_a_cut_whose_examples_cannot_be_counted_is_told_otherwise(scores: list[float | None], told: str) -> None:
    assert told in words_of(with_cut(records.finished(), scores=scores))


def test_nobody_beat_a_constant_answer_is_the_first_thing_said() -> None:
    record = records.finished()
    assert "Verdict The winner beats a constant answer by 0." in words_of(record)
    assert record.status.best is not None
    record = record.with_status(best=record.status.best.evolve(baseline=record.status.best.score))
    assert "Verdict No episode beat a constant answer" in words_of(record)
    assert record.status.best is not None
    record = record.with_status(best=record.status.best.evolve(baseline=None))
    assert "Whether the winner beats a constant answer is not known" in words_of(record)


def test_winner_and_runner_up_are_compared_on_the_same_examples() -> None:
    record = records.fully_trained(5, 4)
    known = records.known(record)
    found = verdict_of(of(record), known).runner_up
    assert found is not None
    those = [known.found[name, records_best(record, name)] for name in (found.winner, found.episode)]
    said = np.array([each.answers for each in those])
    assert found.test == paired_test(Answers("accuracy", np.array(those[0].labels), said))
    words = words_of(record, known)
    assert f"{found.winner} is {found.words}: the difference is " in words
    assert f", {found.test.second_alone:,} by the second alone)" in words
    assert "the same episode would win with a chance of" in words


def records_best(record: records.Record, name: str) -> int:
    return next(e.status.best.evaluation for e in record.episodes if e.spec.id.name == name and e.status.best)


def test_it_is_told_how_often_others_would_be_kept() -> None:
    record = records.finished()
    found = verdict_of(of(record), records.known(record))
    again = found.margins[0].again
    assert again is not None
    assert len(again.chances) == len(record.cuts[0].data.ranked)
    assert sum(again.chances) == pytest.approx(records.KEEP)
    assert found.withheld == ()
    assert "the same 3 would be kept with a chance of" in words_of(record, records.known(record))


def test_without_predictions_it_is_told_how_to_get_them() -> None:
    withheld = {item.what: item.why for item in verdict_of(of(records.finished()), Beside()).withheld}
    assert set(withheld) == {WINNER_AND_RUNNER_UP, LOSERS, OTHER_EXAMPLES}
    assert all("Run the sweep with `seedsweep run` to get it." in why for why in withheld.values())


def test_on_a_cluster_it_is_told_whether_they_are_in_the_storage_or_went_with_the_pods() -> None:
    record = of(records.finished())
    metadata = record.sweep.metadata.evolve(namespace="nlp", uid="u")
    gone = record._replace(sweep=record.sweep.evolve(metadata=metadata))
    assert "went with the pods. Give the sweep spec.storage" in why_none(gone, Beside())
    spec = record.sweep.spec.evolve(storage=Storage.model_validate({"uri": "s3://bucket/sweeps"}))
    stored = record._replace(sweep=gone.sweep.evolve(spec=spec))
    assert "in the storage of the sweep. Bring them with `seedsweep report sweep/rte -n nlp`" in why_none(
        stored, Beside()
    )


def test_a_cut_by_the_latest_score_is_told_of_the_answers_at_the_cut(tmp_path: Path) -> None:
    record = by_latest(records.finished())
    ranked = record.cuts[0].data.ranked
    folder = records.write_with_answers(tmp_path, record)
    for episode in record.episodes:
        name, score = episode.spec.id.name, episode.status.scores[records.RUNG - 1 :][:1]
        if name in ranked and score[0] is not None:
            found = records.predictions(records.RUNG, score[0], seed=episode.spec.index)
            (folder / "attempts" / episode.status.attempts[-1].uid / found.path).write_bytes(found.to_bytes())
    read = read_record(folder)
    known = read_beside(folder, read)
    assert {(name, records.RUNG) for name in ranked} <= set(known.found)
    [margin] = verdict_of(read, known).margins
    assert margin.again is not None
    assert margin.losers is not None
    assert list(margin.losers.tests) == ranked[records.KEEP :]
    assert known.refused == ()


def test_where_one_ranked_episode_has_no_predictions_the_cut_is_not_drawn_anew() -> None:
    record = records.finished()
    known = records.known(record)
    missing = record.cuts[0].data.ranked[0]
    some = Beside({key: value for key, value in known.found.items() if key[0] != missing})
    found = verdict_of(of(record), some)
    assert found.margins[0].again is None
    assert f"of {missing} not all answers to single examples are known" in found.withheld[0].why


def test_predictions_are_read_beside_the_record(tmp_path: Path) -> None:
    record = records.fully_trained(2, 1)
    known = read_beside(tmp_path, read_record(records.write_with_answers(tmp_path, record)))
    best = {(e.spec.id.name, e.status.best.evaluation) for e in record.episodes if e.status.best}
    assert set(known.found) == best
    assert known.refused == ()
    # Thousands of files are of the same examples: these are kept once.
    assert len({(id(predictions.rows), id(predictions.labels)) for predictions in known.found.values()}) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"answers": [1] * records.EXAMPLES}, "gives a score of 0.5 where"),
        ({"metric": "f1"}, "is about another evaluation or metric"),
        ({"rows": list(range(1, records.EXAMPLES + 1))}, "is about other examples"),
        ({"labels": [0]}, "has not as many rows as labels and answers"),
    ],
)
def test_predictions_that_do_not_belong_to_the_record_are_left_out(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    record = read_record(records.write_with_answers(tmp_path, records.fully_trained(2, 1)))
    last = record.episodes[-1].status.attempts[-1].uid
    for path in (tmp_path / "attempts" / last).rglob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    known = read_beside(tmp_path, record)
    assert len(known.found) == 1
    assert told in known.refused[0]


def test_of_files_larger_than_attempts_write_them_no_more_is_read_than_tells_so(tmp_path: Path) -> None:
    record = read_record(records.write_with_answers(tmp_path, records.fully_trained(2, 1)))
    folder = tmp_path / "attempts" / record.episodes[-1].status.attempts[-1].uid
    for path in (*folder.rglob("*.json"), folder / CONDITIONS, folder / TRAINING):
        with path.open("ab") as file:
            # More than any memory holds; it takes no space.
            file.truncate(1 << 40)
    known = read_beside(tmp_path, record)
    assert len(known.found) == 1
    assert known.refused[0].endswith("is larger than 64 MiB")
    assert known.conditions == ()
    assert not any(known.training.values())


def test_more_classes_than_matthews_correlation_is_computed_for_are_refused(tmp_path: Path) -> None:
    record = read_record(records.write_with_answers(tmp_path, records.fully_trained(1, 1)))
    tuning = record.sweep.spec.trainer.fine_tuning
    assert tuning is not None
    assert tuning.metric is not None
    trainer = record.sweep.spec.trainer.evolve(fine_tuning=tuning.evolve(metric=tuning.metric.evolve(name="mcc")))
    ranked = record._replace(sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    for path in (tmp_path / "attempts").rglob("*.json"):
        many = {"metric": "mcc", "labels": list(range(records.EXAMPLES))}
        path.write_text(json.dumps(json.loads(path.read_text()) | many))
    [refused] = read_beside(tmp_path, ranked).refused
    assert refused.endswith("has more than 1,000 classes")


@pytest.mark.parametrize("value", ["1" + "0" * 400, "-1" + "0" * 400, "1e999", "NaN", "true"])
def test_a_value_that_is_no_finite_number_is_refused(value: str) -> None:
    with pytest.raises(PredictionsError, match="has answers that are no numbers"):
        Predictions.parse(
            f'{{"evaluation": 1, "metric": "mse", "rows": [0], "labels": [0], "answers": [{value}]}}'.encode()
        )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"evaluation": 1}', '{"evaluation": true, "metric": "accuracy"}'])
def test_a_file_that_holds_no_predictions_is_refused(text: str) -> None:
    with pytest.raises(PredictionsError):
        Predictions.parse(text.encode())


def test_predictions_are_read_as_they_were_written() -> None:
    found = Predictions(3, "mse", None, [4, 5], [0.25, 1.0], [0.125, -2.0])
    assert Predictions.parse(found.to_bytes()) == found


def test_ranked_by_the_latest_score_losers_can_win_and_are_not_left_out() -> None:
    record = records.finished()
    words = words_of(record, records.known(record))
    assert "Losers of a cut are left out, because they could not win." in words
    latest = by_latest(record)
    again = verdict_of(of(latest), records.known(latest)).winner_again
    assert again is not None
    scored = [e for e in latest.episodes if e.status.best is not None]
    assert again.among == len(scored)
    assert "could not win" not in words_of(latest, records.known(latest))


def test_one_example_and_one_kept_are_told_in_the_singular() -> None:
    record = with_cut(records.finished(), keep=1)
    known = records.known(record)
    words = words_of(record, known)
    assert "the same one would be kept with a chance of" in words
    assert "of 1 would change" not in words
    whole = records.fully_trained(2, 1)
    assert whole.status.best is not None
    labels: list[float] = [0, 1] * 10
    found = {}
    for name in ("wi0-do0", "wi1-do0"):
        said = labels if name == whole.status.best.episode else [1 - labels[0], *labels[1:]]
        at = records_best(whole, name)
        found[name, at] = Predictions(at, "accuracy", None, [*range(20)], labels, said)
    assert "1 example right by the first alone, 0 by the second alone)" in words_of(whole, Beside(found))


def test_numbers_are_told_as_more_or_less_close_and_not_as_right() -> None:
    record = records.fully_trained(2, 1)
    assert record.status.best is not None
    metric = Metric(name="mse", goal="minimize")
    trainer = record.sweep.spec.trainer
    assert trainer.fine_tuning is not None
    trainer = trainer.evolve(fine_tuning=trainer.fine_tuning.evolve(metric=metric))
    sweep = record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer))
    labels, winner = [float(i) for i in range(20)], record.status.best.episode
    found = {}
    for name in ("wi0-do0", "wi1-do0"):
        said = [label + (0.125 if name == winner else 0.5) for label in labels]
        at = records_best(record, name)
        found[name, at] = Predictions(at, "mse", None, [*range(20)], labels, said)
    words = words_of(replace(record, sweep=sweep), Beside(found))
    assert "20 examples answered more closely by the first, 0 by the second)" in words


def test_a_winner_that_is_told_apart_is_not_said_to_have_too_small_a_p() -> None:
    record = records.fully_trained(2, 1)
    assert record.status.best is not None
    found = {}
    for name in ("wi0-do0", "wi1-do0"):
        at = records_best(record, name)
        won = name == record.status.best.episode
        labels = [0.0, 1.0] * 50
        found[name, at] = Predictions(at, "accuracy", None, [*range(100)], labels, labels if won else [0.0] * 100)
    words = words_of(record, Beside(found))
    assert "than chance explains" in words
    # Neighbours in rank are nearer to each other than two that were drawn.
    assert "p tends to be too small" not in words
    assert "its lead tends to be smaller on other examples" in words


def test_cuts_of_several_brackets_are_told_by_their_bracket() -> None:
    record = bracketed()
    words = words_of(record)
    assert f"The cut of bracket 1 at evaluation {records.RUNG} was decided by" in words
    assert f"The cut of bracket 1 at evaluation {records.RUNG} kept 2 of 5" in words
    assert "of bracket" not in words_of(records.finished())


def test_who_was_ranked_without_a_defined_score_is_the_reason_where_no_file_is_missing() -> None:
    record = records.finished()
    last = record.cuts[0].data.ranked[-1]
    at = next(i for i, e in enumerate(record.episodes) if e.spec.id.name == last)
    undefined = record.episodes[at].status
    rung = undefined.rung_scores[0].evolve(score=None)
    status = undefined.evolve(scores=[None] * records.RUNG, best=None, rung_scores=[rung])
    record.episodes[at] = record.episodes[at].evolve(status=status)
    record = with_cut(record, scores=[*record.cuts[0].data.scores[:-1], None])
    [withheld] = verdict_of(of(record), records.known(record)).withheld
    assert withheld.what == OTHER_EXAMPLES
    assert withheld.why.startswith("a cut ranked episodes that had no defined score")
    assert "Restore" not in withheld.why


def test_answers_that_do_not_give_the_score_of_a_trainer_of_ones_own_are_the_trainers_to_mend() -> None:
    record = records.finished()
    trainer = Trainer.model_validate({"metric": {"name": "accuracy", "goal": "maximize"}})
    other = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    why = why_none(of(other), Beside(refused=("x.json gives a score of 0.5 where 50.0 is on record",)))
    assert why == (
        "x.json gives a score of 0.5 where 50.0 is on record. "
        "Have the trainer write them as docs/trainer-contract.md says to get it."
    )


def test_a_chance_of_draws_is_never_none_and_never_certain() -> None:
    assert chance_text(0.0) == "under 1 %"
    assert chance_text(1.0) == "over 99 %"
    assert chance_text(0.25) == "25 %"


def test_accuracies_in_percent_are_not_taken_for_shares_of_examples() -> None:
    record = with_examples(records.finished(), 400)
    for i, episode in enumerate(record.episodes):
        scores = [score and 100 * score for score in episode.status.scores]
        rungs = [rung.evolve(score=100 * (rung.score or 0.0)) for rung in episode.status.rung_scores]
        record.episodes[i] = episode.evolve(status=episode.status.evolve(scores=scores, rung_scores=rungs))
    record = with_cut(record, scores=[90.0, 80.0, 68.0, 67.5, 60.0, 50.0])
    words = words_of(record)
    assert "was decided by 0.5000" in words
    assert "nan" not in words.split()
    assert "A binomial draw" not in words

"""Which statistics a record carries, and from what they are computed."""

from collections.abc import Callable

import pytest

from inputs import records
from seedsweep.api.episode import Episode, EpisodeStatus, Verdict
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import analyses, full_runs, withheld


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def changed(record: records.Record, name: str, change: Callable[[EpisodeStatus], EpisodeStatus]) -> records.Record:
    def one(episode: Episode) -> Episode:
        if episode.spec.id.name != name:
            return episode
        return episode.model_copy(update={"status": change(episode.status)})

    return records.Record(record.sweep, [one(e) for e in record.episodes], record.cuts)


def without_baseline(record: records.Record) -> records.Record:
    episodes = [
        e.model_copy(update={"status": e.status.model_copy(update={"baseline": None})}) for e in record.episodes
    ]
    return records.Record(record.sweep, episodes, record.cuts)


def test_cut_record_is_summarised_at_the_cut_over_all_episodes() -> None:
    record = records.finished()
    [found] = analyses(of(record))
    diverged = max(s for s in next(e for e in record.episodes if e.spec.id.name == records.DIVERGED).status.scores if s)
    scores = [score for score in record.cuts[0].data.scores if score is not None] + [diverged]
    assert found.summary.n == 7
    assert found.summary.mean == pytest.approx(sum(scores) / 7)
    assert "evaluation 6" in found.source
    assert "7 of 8 episodes" in found.source


def test_what_survivors_reached_after_the_cut_never_enters_its_statistics() -> None:
    record = records.finished()
    [found] = analyses(of(record))
    assert found.summary.maximum == record.cuts[0].data.scores[0]
    assert record.status.best is not None
    assert found.summary.maximum < record.status.best.score


def test_diverged_episode_stays_in_n_with_its_best_finite_score() -> None:
    [found] = analyses(of(records.finished()))
    assert any(records.DIVERGED in note and "best score until then" in note for note in found.notes)


def test_episode_that_diverged_before_any_score_counts_with_the_baseline() -> None:
    record = changed(
        records.finished(), records.DIVERGED, lambda s: s.model_copy(update={"scores": [None], "best": None})
    )
    [found] = analyses(of(record))
    assert found.summary.n == 7
    assert found.summary.minimum == records.BASELINE
    assert found.failed is not None
    assert found.failed.count == 1


def test_failed_episode_is_named_as_not_in_n() -> None:
    [found] = analyses(of(records.finished()))
    assert f"{records.FAILED} failed before the cut: not in n." in found.notes


def test_without_a_baseline_the_share_of_failed_runs_is_unknown() -> None:
    record = without_baseline(records.finished())
    [found] = analyses(of(record))
    assert found.failed is None


def test_without_a_baseline_an_episode_without_scores_is_named_as_not_in_n() -> None:
    record = changed(
        without_baseline(records.finished()), records.DIVERGED, lambda s: s.model_copy(update={"scores": []})
    )
    [found] = analyses(of(record))
    assert found.summary.n == 6
    assert any(records.DIVERGED in note and "not in n" in note for note in found.notes)


def test_full_record_is_summarised_over_whole_runs() -> None:
    record = records.fully_trained()
    [found] = analyses(of(record))
    assert found.summary.n == 8
    assert record.status.best is not None
    assert found.summary.maximum == record.status.best.score
    assert "all 8 episodes" in found.source


def test_final_scores_are_those_of_the_last_evaluation_or_the_baseline_where_there_is_none() -> None:
    record = records.fully_trained()
    whole = {e.spec.id.name: e.status.scores for e in record.episodes}
    undefined, diverged, failed = list(whole)[:3]
    record = changed(record, undefined, lambda status: status.evolve(scores=[*status.scores[:-1], None]))
    verdict = Verdict(outcome="Diverged")
    record = changed(record, diverged, lambda status: status.evolve(scores=status.scores[:5], verdict=verdict))
    record = changed(record, failed, lambda status: status.evolve(verdict=verdict.evolve(outcome="Failed")))
    found = full_runs(of(record), "final")
    assert found is not None
    expected = {name: scores[-1] for name, scores in whole.items() if name != failed}
    assert found.by_episode == expected | {undefined: records.BASELINE, diverged: records.BASELINE}
    assert found.notes == (
        f"{undefined} has no defined last score: counted with the constant baseline.",
        f"{diverged} diverged before its last score: counted with the constant baseline.",
        f"{failed} failed: not in n.",
    )
    assert found.source == "the last score of the whole run of 7 of 8 episodes"
    best = full_runs(of(record), "best")
    assert best is not None
    assert best.by_episode[diverged] == max(score for score in whole[diverged][:5] if score is not None)


def test_nothing_is_computed_before_the_cut() -> None:
    record = records.finished()
    assert analyses(Record(record.sweep, record.episodes, [])) == []


def test_cut_record_withholds_what_only_finals_of_all_runs_can_tell() -> None:
    told = {item.what for item in withheld(records.finished().status)}
    assert any("Expected best of n" in what for what in told)
    assert any("spread" in what for what in told)
    assert any("loser would have won" in what for what in told)


def test_audited_record_does_not_withhold_what_its_audit_tells() -> None:
    status = records.finished().with_status(design="cut+audit").status
    assert not any("loser" in item.what for item in withheld(status))


def test_full_record_withholds_nothing() -> None:
    assert withheld(records.fully_trained().status) == []

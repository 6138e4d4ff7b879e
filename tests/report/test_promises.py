"""Whatever a report or a card withholds and says how to get: whoever does so gets it."""

from dataclasses import replace
from typing import Literal

import pytest

from inputs import records
from report.pages import words_of
from seedsweep.api.core.objects import Condition
from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.episode import EndReason, EpisodeId, Verdict
from seedsweep.api.finetuning import Metric
from seedsweep.api.seeds import Seeds
from seedsweep.api.sweep import Trainer
from seedsweep.engine.layout import Layout
from seedsweep.report.facts import IMPORTED
from seedsweep.report.model_card.card import model_card
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import (
    EVIDENCE,
    EXPECTED_BEST,
    OF_FINALS,
    WOULD_HAVE_WON,
    best_possible,
    withheld,
)
from seedsweep.report.statistics.audited import Audit, audit_of
from seedsweep.report.statistics.whole import whole_runs
from seedsweep.report.words import p_text

LOSERS = [e.spec.id.name for e in records.finished().episodes if e.status.state == "Lost"]


def card_of(record: records.Record) -> str:
    statuses = {episode.spec.id: episode.status for episode in record.episodes}
    return model_card(record.sweep, record.status, statuses, [cut.data for cut in record.cuts])


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def with_seeds(record: records.Record, seeds: Seeds) -> records.Record:
    return replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(seeds=seeds)))


def ended_early(record: records.Record, name: str, reason: EndReason, scores: int = records.RUNG) -> records.Record:
    """One audited loser came no further than so many evaluations, for this reason."""
    at = next(i for i, e in enumerate(record.episodes) if e.spec.id.name == name)
    status = record.episodes[at].status
    attempts = [*status.attempts, status.attempts[-1].evolve(reason=reason)]
    status = status.evolve(scores=status.scores[:scores], attempts=attempts)
    record.episodes[at] = record.episodes[at].evolve(status=status)
    return record


def test_every_remedy_of_a_cut_is_one_of_those_that_are_followed_here() -> None:
    told = {item.what: item.why for item in withheld(records.finished().status)}
    assert set(told) == {EXPECTED_BEST, OF_FINALS, EVIDENCE, WOULD_HAVE_WON}
    for what in (EXPECTED_BEST, OF_FINALS, EVIDENCE):
        assert "Run the sweep without earlyStopping to get" in told[what]
    # Of fewer there is none either.
    assert told[EVIDENCE].endswith("to get it, with 20 or more episodes.")
    assert "Set earlyStopping.audit to get an estimate" in told[WOULD_HAVE_WON]


def test_without_early_stopping_there_is_the_expected_best_of_n_in_page_and_card() -> None:
    record = records.fully_trained()
    words = words_of(record)
    assert "n unbiased plug-in one evaluation an epoch only the last evaluation relative error reduction 1 0." in words
    assert "| expected best |" in card_of(record)
    assert EXPECTED_BEST in words
    assert "does not support: Expected best" not in words


def test_the_expected_best_is_lower_where_episodes_are_evaluated_less_often() -> None:
    expected = whole_runs(of(records.fully_trained())).expected
    assert expected is not None
    epoch, last = expected.fewer["one evaluation an epoch"], expected.fewer["only the last evaluation"]
    for often, some, once in zip(expected.unbiased, epoch, last, strict=True):
        assert often >= some >= once


def test_a_metric_with_a_best_value_has_relative_error_reductions() -> None:
    expected = whole_runs(of(records.fully_trained())).expected
    assert expected is not None
    one, most = expected.unbiased[0], expected.unbiased[-1]
    assert expected.error_reduction[0] == 0
    assert expected.error_reduction[-1] == pytest.approx((most - one) / (1 - one))


def test_a_metric_without_a_best_value_has_none() -> None:
    record = records.fully_trained()
    trainer = Trainer.model_validate({"metric": {"name": "reward", "goal": "maximize"}})
    record = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    expected = whole_runs(of(record)).expected
    assert expected is not None
    assert expected.error_reduction == ()
    assert "relative error reduction" not in words_of(record)
    assert (
        "Relative error reduction : no best value of the metric is on record. Declare trainer.metric.range"
        in words_of(record)
    )


def test_without_early_stopping_and_with_a_grid_it_is_told_which_seed_matters() -> None:
    words = words_of(records.fully_trained(5, 4))
    assert "Which seed matters effect of standard deviation 95 % interval share of variance weight-init seed" in words
    assert "p, shuffled within the other seed" in words
    assert "best, worst seed F p of F p, selection repeated weight-init" in words


def test_twenty_whole_curves_tell_what_a_cut_would_have_seen() -> None:
    few, many = whole_runs(of(records.fully_trained(4, 2))), whole_runs(of(records.fully_trained(5, 4)))
    assert few.where_to_cut is None
    assert any("Run 20 or more episodes to get it" in item.why for item in few.withheld)
    assert many.where_to_cut is not None
    assert "What a cut would have seen of the end cut at evaluation best so far latest smoothed" in words_of(
        records.fully_trained(5, 4)
    )


def test_seeds_of_ones_own_withhold_which_seed_matters_and_name_the_grid() -> None:
    record = records.fully_trained(3, 1)
    ids = [EpisodeId(i, i) for i in range(3)]
    episodes = [
        e.evolve(spec=e.spec.evolve(weight_init=i, data_order=i)) for i, e in enumerate(record.episodes) if i < len(ids)
    ]
    single = Seeds.model_validate({"single": {"count": 3}})
    record = replace(with_seeds(record, single), episodes=episodes)
    words = words_of(record)
    assert "Run a grid of weight-init and data-order seeds to get it" in words
    assert "Episodes share seeds" not in words


def test_a_grid_too_small_to_tell_which_seed_matters_says_so_and_what_to_run() -> None:
    words = words_of(records.fully_trained(4, 1))
    assert "Which seed matters : the grid of 4 x 1 seeds with 4 scores needs at least two weight-init" in words
    assert "Run a whole grid of more seeds to get it" in words


def as_pairs(record: records.Record, leave_out: int) -> records.Record:
    """The same episodes but one, their seeds given as pairs."""
    episodes = [e for i, e in enumerate(record.episodes) if i != leave_out]
    pairs = [{"weightInit": e.spec.weight_init, "dataOrder": e.spec.data_order} for e in episodes]
    return replace(with_seeds(record, Seeds.model_validate({"pairs": pairs})), episodes=episodes)


def test_pairs_that_share_seeds_tell_which_seed_matters() -> None:
    record = as_pairs(records.fully_trained(4, 3), leave_out=5)
    found = whole_runs(of(record)).seeds
    assert found is not None
    assert found.missing == 1
    assert "each episode has seeds of its own" not in words_of(record)


def test_pairs_too_sparse_to_tell_which_seed_matters_are_said_to_be_so() -> None:
    words = words_of(as_pairs(records.fully_trained(2, 2), leave_out=3))
    assert "the grid of 2 x 2 seeds with 3 scores leaves no degrees of freedom" in words
    assert "each episode has seeds of its own" not in words


def test_pairs_of_very_many_seeds_are_refused_before_a_grid_is_made_of_them() -> None:
    record = records.fully_trained(2, 1)
    many = [{"weightInit": i // 2, "dataOrder": i} for i in range(1_000)]
    [withheld_here] = [
        item
        for item in whole_runs(of(with_seeds(record, Seeds.model_validate({"pairs": many})))).withheld
        if item.what == "Which seed matters"
    ]
    assert "500,000 pairs of seeds. Run a whole grid of fewer seeds to get it." in withheld_here.why


def ended_as(record: records.Record, at: int, outcome: Literal["Diverged", "Failed"], upto: int) -> None:
    """One episode of the record came to this end after so many evaluations."""
    episode = record.episodes[at]
    status = episode.status.evolve(
        state=outcome, scores=episode.status.scores[:upto], verdict=Verdict(outcome=outcome), best=None
    )
    record.episodes[at] = episode.evolve(status=status)


def test_a_cut_is_judged_by_diverged_episodes_too_and_tells_who_is_left_out() -> None:
    record = records.fully_trained(6, 4)
    ended_as(record, 0, "Diverged", 5)
    ended_as(record, 1, "Diverged", 0)
    ended_as(record, 2, "Failed", 5)
    found = whole_runs(of(record)).where_to_cut
    assert found is not None
    assert (found.n, found.diverged, found.left_out) == (23, 2, (record.episodes[2].spec.id.name,))
    words = words_of(record)
    assert "From 23 curves, 2 of which diverged: such a curve ranks last after its end." in words
    assert f"Left out, because they failed or are not finished: {record.episodes[2].spec.id.name}." in words


def test_a_cut_is_judged_by_the_losses_of_diverged_episodes_too() -> None:
    record = records.fully_trained(5, 4)
    for i, episode in enumerate(record.episodes):
        losses = [-score if score is not None else None for score in episode.status.scores]
        record.episodes[i] = episode.evolve(status=episode.status.evolve(losses=losses))
    gone = record.episodes[3].status
    verdict = Verdict(outcome="Diverged")
    short = gone.evolve(scores=gone.scores[:4], losses=gone.losses[:4], verdict=verdict)
    record.episodes[3] = record.episodes[3].evolve(status=short)
    found = whole_runs(of(record)).where_to_cut
    assert found is not None
    assert all("validation loss" in signals for signals in found.rows.values())


def test_where_all_diverged_without_a_score_no_cut_is_judged() -> None:
    record = records.fully_trained(5, 4)
    for i in range(20):
        ended_as(record, i, "Diverged", 0)
    [why] = [item.why for item in whole_runs(of(record)).withheld if item.what == EVIDENCE]
    assert why.startswith("no episode has a defined score")


def test_where_runs_failed_the_residual_has_no_interval_and_the_page_says_why() -> None:
    record = records.fully_trained(5, 4)
    first = record.episodes[0]
    scores = [records.BASELINE - 0.01] * records.EVALUATIONS
    record.episodes[0] = first.evolve(status=first.status.evolve(scores=scores))
    found = whole_runs(of(record)).seeds
    assert found is not None
    assert found.components.residual.interval is None
    assert found.components.rows.interval is not None
    assert "The interval of the residual is withheld, because 1 run failed" in words_of(record)
    healthy = whole_runs(of(records.fully_trained(5, 4))).seeds
    assert healthy is not None
    assert healthy.components.residual.interval is not None


def test_a_missing_cell_withholds_the_intervals_alone() -> None:
    record = records.fully_trained(4, 3)
    first = record.episodes[0]
    verdict = first.status.verdict
    assert verdict is not None
    failed = first.status.evolve(state="Failed", scores=[], best=None, verdict=verdict.evolve(outcome="Failed"))
    record.episodes[0] = first.evolve(status=failed)
    words = words_of(record)
    assert "Intervals need every cell, and 1 cell of the grid has no score" in words
    assert "weight-init seed 0.0" in words


def test_an_audit_tells_how_many_losers_would_have_won_and_bounds_the_regret_in_page_and_card() -> None:
    record = records.audited({LOSERS[0]: 0.5, LOSERS[1]: 0.75})
    best = record.status.best
    assert best is not None
    regret = (0.75 - best.score) / 0.4
    words = words_of(record)
    assert "2 of 3 losers trained on for the audit, drawn before the start" in words
    assert "1 of them would have beaten the result: 50 %, exact 95 % interval 1 % to 99 %" in words
    assert (
        f"An upper bound on the regret is estimated at {regret:.4f} (95 % interval {0.75 - best.score:.4f} to" in words
    )
    assert WOULD_HAVE_WON not in words
    card = card_of(record)
    assert "2 of 3 losers trained on for the audit, and 1 would have beaten the winner" in card
    assert f"An upper bound on the regret is estimated at {regret:.4f} (95 % interval" in card
    assert "without bias" in card
    assert "egret is at most" not in words + card


def test_where_the_interval_reaches_further_than_the_metric_the_audit_says_what_the_metric_allows() -> None:
    record = records.audited({LOSERS[0]: 0.5, LOSERS[1]: 0.75})
    found = audit_of(of(record))
    best = record.status.best
    assert best is not None
    assert isinstance(found, Audit)
    assert found.estimate.interval is not None
    high = found.estimate.interval[1]
    assert high is not None
    # An accuracy cannot improve by more than what is missing to 1.
    assert high > 1 - best.score
    told = f"No cut costs more than {1 - best.score:.4f}, the distance from the result to the metric's best value."
    assert told in words_of(record)
    assert told in card_of(record)


def test_an_audit_in_which_no_loser_beat_the_winner_gives_no_number_for_the_regret() -> None:
    record = records.audited({LOSERS[0]: 0.5, LOSERS[1]: 0.5})
    words, card = words_of(record), card_of(record)
    assert "None beat the result, so there is no estimate of the regret: the share above says" in words
    assert "0 would have beaten the winner (exact 95 % interval of the share: 0 % to 84 %)" in card
    assert "upper bound on the regret" not in words + card


def test_an_audit_of_a_metric_without_a_best_value_says_that_the_interval_has_no_upper_limit() -> None:
    record = records.audited({LOSERS[0]: 0.75})
    trainer = Trainer.model_validate({"metric": {"name": "reward", "goal": "maximize"}})
    record = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    assert "or more, without an upper limit, because the metric has no best value" in words_of(record)
    assert "or more)" in card_of(record)


def test_a_loser_that_diverged_in_its_audit_counts_with_what_it_had() -> None:
    record = ended_early(records.audited({LOSERS[0]: 0.5, LOSERS[1]: 0.75}), LOSERS[1], EndReason.DIVERGED)
    found = audit_of(of(record))
    assert isinstance(found, Audit)
    assert found.complete
    assert found.estimate.winners.n == 2
    assert found.estimate.winners.count == 0
    assert f"{LOSERS[1]} diverged: counted with its best score until then." in words_of(record)
    assert "1 audited loser counted with a stand-in or not at all" in card_of(record)


def test_a_loser_that_diverged_in_its_audit_before_any_score_counts_with_the_baseline() -> None:
    record = ended_early(records.audited({LOSERS[0]: 0.75, LOSERS[1]: 0.5}), LOSERS[1], EndReason.DIVERGED, scores=0)
    found = audit_of(of(record))
    assert isinstance(found, Audit)
    assert found.estimate.mean == pytest.approx((0.75 + records.BASELINE) / 2)
    assert f"{LOSERS[1]} diverged before any score: counted with the constant baseline." in words_of(record)


def test_losers_that_crashed_in_their_audit_are_made_up_for_by_the_others() -> None:
    record = ended_early(records.audited({LOSERS[0]: 0.75, LOSERS[1]: 0.5}), LOSERS[1], EndReason.FAILED)
    best = record.status.best
    assert best is not None
    found = audit_of(of(record))
    assert isinstance(found, Audit)
    assert found.estimate.regret == pytest.approx((0.75 - best.score) / (0.4 * 1 / 2))
    words, card = words_of(record), card_of(record)
    assert "1 of 2 drawn: the others have no final score" in words
    assert "1 of 2 drawn: the others have no final score" in card
    assert "which is unbiased" not in words
    assert "without bias" not in card


@pytest.mark.parametrize("phase", ["Running", "Suspended"])
def test_an_audit_tells_nothing_before_the_sweep_is_over(phase: str) -> None:
    record = records.audited({LOSERS[0]: 0.5, LOSERS[1]: 0.75}).with_status(phase=phase, completion_time=None)
    assert "the sweep is not over. The estimate is made at the end." in words_of(record)
    assert "upper bound on the regret" not in words_of(record)


def test_the_card_that_is_handed_over_while_a_sweep_concludes_has_its_audit() -> None:
    record = records.audited({LOSERS[0]: 0.5, LOSERS[1]: 0.75}).with_status(phase="Concluding", completion_time=None)
    assert "An upper bound on the regret is estimated at" in card_of(record)


def test_an_audit_that_drew_no_loser_says_so_and_how_to_draw_more() -> None:
    words = words_of(records.audited({}))
    assert "Whether a loser would have won : of 3 losers none was drawn for the audit" in words
    assert "Raise earlyStopping.audit.percent to get an estimate" in words
    assert "Raise earlyStopping.audit.percent" in card_of(records.audited({}))


def test_an_audited_loser_that_is_not_at_its_end_does_not_count() -> None:
    record = records.audited({LOSERS[0]: 0.5, LOSERS[1]: 0.75})
    at = next(i for i, e in enumerate(record.episodes) if e.spec.id.name == LOSERS[1])
    short = record.episodes[at]
    record.episodes[at] = short.evolve(status=short.status.evolve(scores=short.status.scores[:-1]))
    words = words_of(record)
    assert "1 of 3 losers trained on for the audit (1 of 2 drawn" in words
    assert f"{LOSERS[1]} did not train to the end" in words
    assert "there is no estimate of the regret" in words


def test_brackets_that_cut_nobody_are_one_full_record() -> None:
    record = records.fully_trained(4, 2)
    brackets = EarlyStopping.model_validate({"brackets": [{"episodes": 3, "rungs": []}, {"episodes": 5, "rungs": []}]})
    record = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(early_stopping=brackets)))
    assert not any(Layout.of(record.sweep).rungs)
    assert "Computed from the best score of the whole run of all 8 episodes" in words_of(record)


@pytest.mark.parametrize("record", [records.finished(), records.audited({LOSERS[0]: 0.9})], ids=["cut", "audited"])
def test_a_record_with_a_cut_never_tells_what_only_whole_runs_can(record: records.Record) -> None:
    found = whole_runs(of(record))
    assert (found.expected, found.seeds, found.where_to_cut) == (None, None, None)


def test_a_sweep_whose_episodes_all_diverged_has_a_page() -> None:
    record = records.fully_trained(5, 4)
    for i, episode in enumerate(record.episodes):
        verdict = episode.status.verdict
        assert verdict is not None
        gone = {"scores": [None], "best": None, "verdict": verdict.evolve(outcome="Diverged")}
        record.episodes[i] = episode.evolve(status=episode.status.evolve(**gone))
    words = words_of(record.with_status(best=None))
    assert "20 of 20, 100 %" in words
    assert f"1 {records.BASELINE:.4f} {records.BASELINE:.4f}" in words
    assert "weight-init seed 0.0000 0.0000 to 0.0000" in words


def test_seeds_without_spread_are_said_to_have_none_and_no_p_is_zero() -> None:
    record = records.fully_trained(5, 4)
    for i, episode in enumerate(record.episodes):
        scores = [0.6 + 0.01 * episode.spec.weight_init] * records.EVALUATIONS
        record.episodes[i] = episode.evolve(status=episode.status.evolve(scores=scores))
    words = words_of(record)
    assert "weight-init 0.0005 0.0005 4, 0 no spread within – 0.0005" in words
    assert "inf" not in words.split("best, worst seed")[1].split("Read the first p")[0]
    assert p_text(0.0) == "under 1e-300"


def test_an_import_names_what_its_curves_cannot_tell() -> None:
    record = records.fully_trained(3, 2)
    trainer = Trainer.model_validate({"metric": {"name": "score", "goal": "maximize"}, "evaluations": 20})
    since = records.START.isoformat()
    imported = Condition(type="Complete", status="True", reason=IMPORTED, message="x", last_transition_time=since)
    record = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    words = words_of(record.with_status(conditions=[imported]))
    assert "Relative error reduction, and one evaluation an epoch : an imported curve" in words
    assert "relative error reduction 1" not in words
    assert "Relative error reduction, and one evaluation an epoch" not in words_of(records.fully_trained(3, 2))


def test_an_episode_that_crashed_at_its_last_evaluation_is_no_whole_curve() -> None:
    record = records.fully_trained(6, 4)
    ended_as(record, 2, "Failed", records.EVALUATIONS)
    found = whole_runs(of(record)).where_to_cut
    assert found is not None
    assert (found.n, found.left_out) == (23, (record.episodes[2].spec.id.name,))


def test_episodes_that_have_not_begun_are_not_said_to_be_in_n() -> None:
    record = records.fully_trained(4, 2)
    record = replace(record, episodes=record.episodes[:5])
    words = words_of(record)
    assert "the best score of the whole run of 5 of 8 episodes; n = 5. Not begun: 3 episodes, not in n." in words
    assert "5 of 8 episodes. 3 episodes counted with a stand-in or not at all" in card_of(record)


@pytest.mark.parametrize(("name", "best"), [("mse", 0), ("loss", 0), ("reward", None)])
def test_the_best_value_of_what_is_minimized_is_zero_for_losses_of_our_trainer(name: str, best: float | None) -> None:
    record = records.audited({LOSERS[0]: 0.4})
    tuning = record.sweep.spec.trainer.fine_tuning
    assert tuning is not None
    tuning = tuning.evolve(metric=Metric.model_validate({"name": name, "goal": "minimize"}))
    trainer = record.sweep.spec.trainer.evolve(fine_tuning=tuning)
    spec = record.sweep.spec.evolve(trainer=trainer)
    assert best_possible(Layout.of(record.sweep.evolve(spec=spec))) == best

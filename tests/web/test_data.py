"""What the live page is told: all of a moment at first, then what has changed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from inputs import live_pages, moments, records
from inputs.screens import crowded
from seedsweep.report.words import score_text
from seedsweep.terminal import NextStep
from seedsweep.terminal.moment import Moment
from seedsweep.web.data import Ending, News, changes, sight_of

Object = dict[str, Any]


def told(before: moments.Moment | None, now: moments.Moment) -> Object:
    known = News(sight_of(live_pages.moment_of(before))) if before is not None else None
    found: Object = json.loads(changes(known, News(sight_of(live_pages.moment_of(now)))))
    return found


def applied(page: Object, news: Object) -> Object:
    """A page by what it is told, as its script has it."""
    page = {"rows": {}, "curves": {}} if news.get("anew") else page
    page |= {part: news[part] for part in ("head", "order") if part in news}
    for index, *row in news.get("rows", ()):
        page["rows"][index] = row
    for index, start, scores in news.get("curves", ()):
        page["curves"][index] = page["curves"].get(index, [])[:start] + scores
    return page


def test_a_new_page_is_told_all() -> None:
    moment = moments.after_the_cut()
    page = applied({}, told(None, moment))
    rows = live_pages.moment_of(moment).board.rows
    assert {row[0] for row in page["rows"].values()} == {row.episode.name for row in rows}
    by_name = {row.episode.name: row for row in rows}
    for index, row in page["rows"].items():
        board = by_name[row[0]]
        assert row[2:4] == [board.state, score_text(board.score)]
        assert page["curves"].get(index, []) == pytest.approx(list(board.scores), rel=1e-5)


def test_a_page_that_was_told_what_changed_is_one_that_was_told_all() -> None:
    before, after = moments.before_the_cut(), moments.after_the_cut()
    page = applied(applied({}, told(None, before)), told(before, after))
    assert page == applied({}, told(None, after))


def test_of_a_sweep_that_got_more_seeds_a_page_is_told_all() -> None:
    before, after = moments.before_the_cut(4, 2), moments.after_the_cut(4, 3)
    assert told(before, after) == told(None, after)


def test_an_evaluation_costs_one_score_and_its_row() -> None:
    moment = moments.before_the_cut()
    first, second = moment.seen.attempts
    assert second.reading is not None
    more = replace(second, reading=replace(second.reading, scores=(*second.reading.scores, 0.123456789)))
    news = told(moment, replace(moment, seen=replace(moment.seen, attempts=[first, more])))
    assert news["curves"] == [[1, len(second.reading.scores), [0.12346]]]
    assert [row[0] for row in news["rows"]] == [1]
    assert "order" not in news


def test_nothing_new_is_told_in_a_few_bytes() -> None:
    news = News(sight_of(live_pages.large(20)))
    assert len(changes(news, news)) < 100


def test_a_score_that_is_undefined_is_none() -> None:
    moment = moments.before_the_cut()
    first, second = moment.seen.attempts
    assert first.reading is not None
    gap = replace(first, reading=replace(first.reading, scores=(0.5, None, 0.75)))
    page = applied({}, told(None, replace(moment, seen=replace(moment.seen, attempts=[gap, second]))))
    assert page["curves"][0] == [0.5, None, 0.75]


def test_the_cut_stands_at_its_step_with_its_threshold_and_before_it_is_made_without() -> None:
    (made,) = told(None, moments.after_the_cut())["head"]["cuts"]
    assert (made["at"], made["made"]) == (60, True)
    assert made["text"].endswith(f"threshold {made['threshold']:.4f}")
    (next_one,) = told(None, moments.before_the_cut())["head"]["cuts"]
    assert (next_one["at"], next_one["threshold"], next_one["made"]) == (60, None, False)


def test_lines_stand_where_the_board_has_them() -> None:
    order = told(None, moments.after_the_cut())["order"]
    (line,) = [i for i, entry in enumerate(order) if isinstance(entry[0], str)]
    assert line == records.KEEP
    assert [rank for _, rank in order[:line]] == [1, 2, 3]


def test_where_steps_are_unknown_evaluations_stand_at_their_numbers() -> None:
    moment = moments.before_the_cut()
    status = moment.plan.status.evolve(steps=None)
    blind = [
        replace(a, reading=replace(a.reading, steps_planned=None))
        for a in moment.seen.attempts
        if a.reading is not None
    ]
    seen = replace(moment.seen, status=status, attempts=blind)
    head = told(None, replace(moment, seen=seen, plan=replace(moment.plan, status=status)))["head"]
    assert head["x"] == list(range(1, records.EVALUATIONS + 1))
    assert head["axes"]["x"] == "evaluation"
    assert head["cuts"][0]["at"] == records.RUNG


def test_kinds_tell_what_became_of_an_episode() -> None:
    page = applied({}, told(None, moments.after_the_cut()))
    kinds = {row[0]: row[1] for row in page["rows"].values()}
    assert kinds[records.FAILED] == "failed"
    assert kinds[records.DIVERGED] == "diverged"
    assert sorted(kinds.values()).count("best") == 1
    assert sorted(kinds.values()).count("lost") == 3


def test_a_constant_answer_is_shown_where_it_is_near() -> None:
    head = told(None, moments.before_the_cut())["head"]
    low, high = head["range"]
    assert low < records.BASELINE < high
    assert head["baseline"] == records.BASELINE
    far = live_pages.moment_of(moments.before_the_cut())
    far = replace(far, board=replace(far.board, baseline=-5.0))
    assert sight_of(far).head["baseline"] is None


def test_before_any_score_there_is_nothing_to_be_best() -> None:
    moment = moments.before_the_cut()
    head = told(None, replace(moment, seen=replace(moment.seen, attempts=[])))["head"]
    assert head["best"] is None
    assert head["cards"][0]["text"] == "nobody has a score yet"


@pytest.mark.parametrize("moment", [moments.before_the_cut(), moments.after_the_cut(10, 12), crowded()])
def test_every_moment_has_cards_and_costs_in_words(moment: moments.Moment) -> None:
    head = told(None, moment)["head"]
    assert [card["title"] for card in head["cards"]] == ["best so far", "episodes", "steps of the plan", "time left"]
    assert all(card["figure"] and card["text"] for card in head["cards"])
    assert [line["name"] for line in head["cost"]][-2:] == ["planned", "full training"]


def test_the_end_is_told_with_what_to_type() -> None:
    news = News(sight_of(live_pages.moment_of(moments.after_the_cut())))
    ended = replace(news, ending=Ending("rte is complete", [NextStep("See", ["less it"])]))
    assert json.loads(changes(news, ended))["ending"] == {
        "words": "rte is complete",
        "steps": [{"what": "See", "commands": ["less it"]}],
    }


def test_numbers_of_a_page_are_those_of_the_terminal() -> None:
    moment: Moment = live_pages.moment_of(moments.after_the_cut())
    cards = {card["title"]: card for card in told(None, moments.after_the_cut())["head"]["cards"]}
    assert moment.board.leader is not None
    assert cards["best so far"]["figure"] == score_text(moment.board.leader.score)
    assert cards["episodes"]["text"] == moment.counts_text
    assert moment.places_text in cards["time left"]["text"]

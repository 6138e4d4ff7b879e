"""report.html as text: what it says, and that it needs nothing but itself."""

import base64
import hashlib
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from inputs import records
from report.pages import text_of
from seedsweep.api.core.objects import Condition
from seedsweep.api.cut import MAX_EXCLUSION
from seedsweep.api.finetuning import Metric
from seedsweep.api.provenance import PartCounts, Provenance
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.recorded import shortened
from seedsweep.api.status import Average
from seedsweep.api.sweep import Trainer
from seedsweep.report.figures.drawing import STYLE_SHEET
from seedsweep.report.page import build_report, write_report

VOID = {"meta", "br", "link", "img", "hr", "input"}


def page_of(record: records.Record) -> str:
    return build_report(record.sweep, record.episodes, record.cuts)


class Balance(HTMLParser):
    """Fails on a tag that is closed by another."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("record", [records.finished(), records.fully_trained()], ids=["cut", "full"])
def test_tags_are_balanced(record: records.Record) -> None:
    balance = Balance()
    balance.feed(page_of(record))
    assert balance.open == []


def test_page_fetches_nothing_and_may_fetch_nothing() -> None:
    page = page_of(records.finished())
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)|@import|url\((?!#)""", page)
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    assert policy is not None
    directives = dict(part.strip().split(" ", 1) for part in policy[1].split(";"))
    assert directives["default-src"] == "'none'"
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert directives["script-src"] == f"'sha256-{digest}'"
    assert set(directives) == {"default-src", "script-src", "style-src", "base-uri", "form-action"}


def test_same_record_gives_the_same_page() -> None:
    assert page_of(records.finished()) == page_of(records.finished())


def test_result_has_seeds_scores_and_the_interval_of_the_test_score() -> None:
    words = text_of(page_of(records.finished()))
    assert "weight-init seed 1, data-order seed 0" in words
    assert "95 % interval 0.6053 to 0.7195, n = 277 examples" in words


@pytest.mark.parametrize(
    ("average", "text"),
    [
        (
            Average(members=3, score=0.71, members_score=0.7, handed_over=True),
            "Average of 3 survivors 0.7100 on validation, its members 0.7000 on average; handed over",
        ),
        (
            Average(members=3, reason="a <barrier>"),
            "Average of 3 survivors none not handed over: a <barrier>",
        ),
    ],
)
def test_result_says_which_model_was_handed_over_where_an_average_was_declared(average: Average, text: str) -> None:
    record = records.finished()
    assert record.status.best is not None
    assert "Average of" not in text_of(page_of(record))
    page = page_of(record.with_status(best=record.status.best.evolve(average=average)))
    assert text in text_of(page)
    assert "<barrier>" not in page


def test_without_a_test_set_the_page_says_that_the_score_is_optimistic() -> None:
    record = records.finished()
    assert record.status.best is not None
    words = text_of(page_of(record.with_status(best=record.status.best.model_copy(update={"test": None}))))
    assert "no test set was given" in words
    assert "expect less on new data" in words


def test_one_episode_is_said_to_differ_from_nothing() -> None:
    words = text_of(page_of(records.fully_trained(1, 1)))
    assert "1 episode of example/tiny-encoder, ranked by validation" in words
    assert "the best score of the whole run of the only episode; n = 1." in words
    assert "2 episodes of example/tiny-encoder that differ only in their seeds, ranked by" in text_of(
        page_of(records.fully_trained(2, 1))
    )


def test_a_test_set_is_advised_only_where_the_trainer_is_ours() -> None:
    record = records.fully_trained()
    assert record.status.best is not None
    record = record.with_status(best=record.status.best.evolve(test=None))
    assert "Set dataset.test or dataset.split.test" in text_of(page_of(record))
    trainer = Trainer.model_validate({"metric": {"name": "reward", "goal": "maximize"}})
    sweep = record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer))
    words = text_of(build_report(sweep, record.episodes, record.cuts))
    assert "so it is optimistic: expect less on new data." in words
    assert "dataset.test" not in words


def test_a_test_set_that_was_given_is_never_said_to_be_missing() -> None:
    record = records.with_test_set(records.finished())
    assert record.status.best is not None
    best, since = record.status.best.evolve(test=None), records.START.isoformat()
    failed = Condition(type="HandedOver", status="False", reason="HandOverFailed", last_transition_time=since)
    words = text_of(page_of(record.with_status(best=best, conditions=[failed])))
    assert "Test accuracy none not scored: the winner could not be handed over" in words
    assert "none not scored yet" in text_of(page_of(record.with_status(best=best, completion_time=None)))
    assert "not scored: no weights were kept" in text_of(page_of(record.with_status(best=best)))
    assert "dataset.test" not in words
    assert "no test set" not in words


def test_a_test_score_that_is_undefined_is_called_so() -> None:
    record = records.with_test_set(records.finished())
    assert record.status.best is not None
    assert record.status.best.test is not None
    test = record.status.best.test.evolve(score=None, interval=None)
    words = text_of(page_of(record.with_status(best=record.status.best.evolve(test=test))))
    assert "undefined it has no value on the 277 test examples" in words


ORIGIN = Provenance(
    base_weights="ab12",
    model_commit="cd34",
    examples=PartCounts(train=800, validation=200),
    truncated=PartCounts(train=16, validation=0),
    positive_label="legit $x$",
)


def test_what_was_trained_from_is_on_record_with_the_class_of_an_f1() -> None:
    record = records.finished().with_status(provenance=ORIGIN)
    trainer = record.sweep.spec.trainer
    assert trainer.fine_tuning is not None
    trainer = trainer.evolve(fine_tuning=trainer.fine_tuning.evolve(metric=Metric(name="f1", goal="maximize")))
    sweep = record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer))
    words = text_of(build_report(sweep, record.episodes, record.cuts))
    assert "ranked by validation F1 of legit $x$ (higher is better)" in words
    assert "800 train, 200 validation examples; truncated to maxLength: 16 train (2 %)" in words
    assert "digest ab12 , commit cd34" in words


def test_statistics_come_with_n_and_their_source() -> None:
    words = text_of(page_of(records.finished()))
    assert (
        "Computed from the best score up to evaluation 6, where the cut was made, of 7 of 8 episodes; n = 7." in words
    )
    assert "0 of 7, 0 %, exact 95 % interval 0 % to 41 %" in words


def test_page_says_what_it_withholds_and_why() -> None:
    words = text_of(page_of(records.finished()))
    assert "This record has the design “cut”. It does not support: Expected best of n runs" in words
    whole = records.fully_trained(5, 5)
    words = text_of(build_report(whole.sweep, whole.episodes, whole.cuts, records.known(whole)))
    # What a grid can never carry.
    assert re.findall(r"It does not support: (.*?) :", words) == ["Confidence bands of the best of n runs"]


def test_cut_table_has_everyone_with_the_reason_of_those_left_out() -> None:
    record = records.finished()
    words = text_of(page_of(record))
    for entry in record.cuts[0].data.rows:
        assert f"{entry.episode} {entry.score:.4f}" in words
    reason = shortened(f"Failed: {records.FAILED_REASON}", MAX_EXCLUSION)
    assert f"{records.FAILED} {reason}" in words


def test_of_many_the_table_of_a_cut_has_those_on_either_side_of_the_threshold() -> None:
    record = records.finished(12, 9)
    data = record.cuts[0].data.evolve(keep=50)
    record.cuts[0] = record.cuts[0].evolve(data=data)
    words = text_of(page_of(record))
    assert f"The 40 episodes nearest the threshold, of {len(data.ranked)}" in words
    for place, shown in ((29, False), (30, True), (49, True), (50, True), (69, True), (70, False)):
        verdict = "kept" if place < 50 else "lost"
        row = rf"{place + 1} {data.ranked[place]} {data.scores[place]:.4f} \S+ {verdict}"
        assert bool(re.search(row, words)) == shown


def test_ties_at_the_threshold_are_told_where_they_decided() -> None:
    record = records.finished()
    data = record.cuts[0].data

    def words(scores: list[float | None], tied: int) -> str:
        cut = data.evolve(scores=scores, threshold=scores[records.KEEP - 1], tied_at_threshold=tied)
        return text_of(page_of(replace(record, cuts=[record.cuts[0].evolve(data=cut)])))

    assert "; 3 episodes had exactly that score, and the lower" in words([0.9, 0.7, 0.7, 0.7, 0.6, 0.5], 3)
    assert "Threshold –; 4 episodes had no defined score, and the lower" in words([0.9, 0.8, *[None] * 4], 4)
    # Both were kept, and the next one is worse.
    assert "exactly that score" not in words([0.9, 0.7, 0.7, 0.6, 0.6, 0.5], 2)


def test_every_kind_of_cost_is_told_apart() -> None:
    words = text_of(page_of(records.finished()))
    for line in (
        "useful 830 52 %",
        "overshoot 12 under 1 %",
        "wasted 20 1 %",
        "audit 0 0 %",
        "full training 1,600 100 %",
    ):
        assert line in words
    assert "for about 13 min, estimated from the seconds a step took here" in words


def test_page_carries_the_sweep_file_without_its_status() -> None:
    record = records.finished()
    found = re.search(r"The sweep file.*?<pre[^>]*>(.*?)</pre>", page_of(record), re.DOTALL)
    assert found is not None
    again = parse_sweep(html.unescape(found[1]))
    assert again.spec == record.sweep.spec
    assert again.status is None


def test_doubts_about_the_record_stand_at_the_top() -> None:
    doubt = Condition(
        type="NonDeterministic",
        status="True",
        reason="ReplayDiffers",
        message="wi0-do0",
        last_transition_time=records.START.isoformat(),
    )
    words = text_of(page_of(records.finished().with_status(conditions=[doubt])))
    assert words.index("the first record counts: wi0-do0") < words.index("Result")


def test_last_words_of_a_trainer_stay_text() -> None:
    record = records.finished()
    hostile = "<script>alert(1)</script>"
    for i, episode in enumerate(record.episodes):
        if episode.status.verdict is not None and episode.status.verdict.outcome == "Failed":
            verdict = episode.status.verdict.model_copy(update={"reason": hostile})
            status = episode.status.model_copy(update={"verdict": verdict})
            record.episodes[i] = episode.model_copy(update={"status": status})
    page = page_of(record)
    assert hostile not in page
    assert html.escape(hostile) in page


def test_unfinished_sweep_has_a_page_that_says_so() -> None:
    record = records.finished().with_status(phase="Running", completion_time=None, best=None, cuts=[])
    words = text_of(build_report(record.sweep, record.episodes, []))
    assert "Not over yet: Running" in words
    assert "None yet: the cut has not been made." in words


def test_sweep_that_has_not_started_has_a_page() -> None:
    assert "no episode has a score that counts" in text_of(build_report(records.parse(), [], []))


def test_scores_that_the_figure_leaves_out_are_told() -> None:
    record = records.finished()
    assert "too far off" not in text_of(page_of(record))
    last = record.episodes[-1]
    far = last.status.model_copy(update={"scores": [-50.0]})
    record.episodes[-1] = last.model_copy(update={"status": far})
    assert "are too far off to be all shown" in text_of(page_of(record))


def test_report_is_written_beside_its_record(tmp_path: Path) -> None:
    record = records.finished()
    path = write_report(records.write(tmp_path, record))
    assert path == tmp_path / "report.html"
    assert path.read_text() == page_of(record)
    assert not list(tmp_path.glob("*partial*"))


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two #rrggbb colours."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("color", ["--ink", "--soft", "--best", "--bad", "--kept"])
@pytest.mark.parametrize("ground", ["--page", "--panel"])
def test_text_can_be_read_in_both_schemes(scheme: int, color: str, ground: str) -> None:
    assert contrast(colors(scheme)[color], colors(scheme)[ground]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("color", ["--ink", "--best", "--bad", "--kept", "--lost"])
def test_lines_can_be_seen_in_both_schemes(scheme: int, color: str) -> None:
    assert contrast(colors(scheme)[color], colors(scheme)["--page"]) >= 3


def colors(scheme: int) -> dict[str, str]:
    """Of the light scheme, or of the dark one."""
    blocks = re.findall(r":root \{([^}]*)\}", STYLE_SHEET.read_text())
    return dict(re.findall(r"(--[a-z]+): (#[0-9a-f]{6})", blocks[scheme]))

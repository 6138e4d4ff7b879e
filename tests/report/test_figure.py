"""The figure of all curves."""

import re
from xml.etree import ElementTree

from inputs import records
from inputs.floored import floored
from seedsweep.report.figures.curve_figures import curves_figure
from seedsweep.report.figures.drawing import VARIABLES, page_svg
from seedsweep.report.figures.scales import visible_range
from seedsweep.report.record import Record

SVG = "{http://www.w3.org/2000/svg}"


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def draw_curves(record: Record) -> str:
    return page_svg(curves_figure(record))


def parsed(record: records.Record) -> ElementTree.Element:
    return ElementTree.fromstring(draw_curves(of(record)))


def with_scores(record: records.Record, name: str, scores: list[float | None]) -> Record:
    episodes = [
        e.model_copy(update={"status": e.status.model_copy(update={"scores": scores})}) if e.spec.id.name == name else e
        for e in record.episodes
    ]
    return Record(record.sweep, episodes, record.cuts)


def texts(root: ElementTree.Element) -> str:
    return "\n".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))


def test_every_episode_has_its_curve_with_a_tip() -> None:
    record = records.finished()
    tips = {g.get("id"): g.findtext(f"{SVG}title") for g in parsed(record).iter(f"{SVG}g") if g.get("class") == "curve"}
    assert set(tips) == {f"curve-{episode.spec.id.name}" for episode in record.episodes}
    assert f"{records.DIVERGED}: diverged" in (tips[f"curve-{records.DIVERGED}"] or "")


def test_cut_baseline_and_winner_are_labelled() -> None:
    record = records.finished()
    assert record.status.best is not None
    shown = texts(parsed(record))
    assert f"cut at evaluation 6: 3 of 8 kept, threshold {record.cuts[0].data.threshold:.4f}" in shown
    assert f"constant {records.BASELINE:.4f}" in shown
    assert f"wi1-do0 {record.status.best.score:.4f}" in shown


def test_failed_and_diverged_episodes_are_marked_where_they_ended() -> None:
    ids = {g.get("id") for g in parsed(records.finished()).iter(f"{SVG}g")}
    assert {f"end-{records.FAILED}", f"end-{records.DIVERGED}"} <= ids


def test_evaluations_after_a_loss_are_drawn_apart() -> None:
    record = records.finished()
    loser = record.cuts[0].data.ranked[-1]
    assert f'id="after-{loser}"' not in draw_curves(of(record))
    assert f'id="after-{loser}"' in draw_curves(with_scores(record, loser, [0.55] * 9))


def test_figure_has_a_title_and_a_description_for_those_who_do_not_see_it() -> None:
    root = parsed(records.finished())
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title")
    assert "The cut at evaluation 6 kept 3 of 8" in (root.findtext(f"{SVG}desc") or "")


def test_all_colours_are_the_pages() -> None:
    svg = draw_curves(of(records.finished()))
    assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", svg)
    assert set(re.findall(r"var\((--[a-z]+)\)", svg)) == set(VARIABLES.values()) - {"--page"}


def test_same_record_gives_the_same_figure() -> None:
    assert draw_curves(of(records.finished())) == draw_curves(of(records.finished()))


def test_steps_are_the_axis_where_they_are_known() -> None:
    assert "optimizer step" in texts(parsed(records.finished()))
    assert "optimizer step" not in texts(parsed(records.finished().with_status(steps=None)))


def test_undefined_scores_leave_a_gap() -> None:
    whole = draw_curves(with_scores(records.finished(), records.DIVERGED, [0.55, 0.56, 0.57, 0.58]))
    gap = draw_curves(with_scores(records.finished(), records.DIVERGED, [0.55, None, 0.57, 0.58]))
    curve = re.compile(rf'id="curve-{records.DIVERGED}".*?d="([^"]*)"', re.DOTALL)
    [all_drawn], [with_gap] = curve.findall(whole), curve.findall(gap)
    assert (all_drawn.count("M"), with_gap.count("M")) == (1, 2)


def test_far_off_bad_scores_do_not_press_the_others_flat() -> None:
    record = with_scores(records.finished(), records.DIVERGED, [-50.0])
    visible = visible_range(record)
    assert visible is not None
    assert visible[0] > 0.5


def test_better_end_is_never_cut_off() -> None:
    record = with_scores(records.finished(), records.DIVERGED, [50.0])
    visible = visible_range(record)
    assert visible is not None
    assert visible[1] == 50.0


def test_sweep_without_any_score_has_a_figure() -> None:
    record = records.finished()
    bare = [e.model_copy(update={"status": e.status.model_copy(update={"scores": []})}) for e in record.episodes]
    unstarted = record.with_status(best=None, evaluations=None, steps=None)
    assert ElementTree.fromstring(draw_curves(Record(unstarted.sweep, bare, []))).tag == f"{SVG}svg"


def test_the_key_says_what_light_curves_are_wherever_there_are_any() -> None:
    assert "lost, until its stop" in texts(parsed(records.finished()))
    assert "lost, until its stop" in texts(parsed(floored()))
    assert "lost, until its stop" not in texts(parsed(records.fully_trained()))

"""Dashboards: what is shipped is what the code gives, and the rules of Grafana's dashboard linter hold.

Not its rules about the labels job and instance: a sweep is told by namespace and name, whoever scrapes it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from metrics_page import of_a_trainer, of_sweeps, of_the_operator
from write import BOARDS, ROOT, as_json, files

Object = dict[str, Any]
SHIPPED = {name: json.loads(as_json(board())) for name, board in BOARDS.items()}
each_board = pytest.mark.parametrize("board", SHIPPED.values(), ids=SHIPPED)
UNITS = {"short", "none", "s", "h", "reqps", "suffix:steps/s", "percentunit"}
WITH_UNIT = {"stat", "timeseries", "histogram"}


def panels(board: Object) -> Iterator[Object]:
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions(board: Object) -> list[str]:
    return [target["expr"] for panel in panels(board) for target in panel["targets"]]


@pytest.mark.parametrize(("path", "text"), files().items(), ids=lambda value: getattr(value, "name", ""))
def test_what_is_shipped_is_what_the_code_gives(path: Any, text: str):
    assert path.read_text() == text, "run: make monitoring"


def test_no_board_is_shipped_that_no_code_gives():
    assert {path.name for path in (ROOT / "charts" / "seedsweep" / "dashboards").iterdir()} == set(BOARDS)


@each_board
def test_the_data_source_is_chosen_once_and_used_everywhere(board: Object):
    source = {"type": "prometheus", "uid": "${datasource}"}
    first, *others = board["templating"]["list"]
    assert (first["type"], first["name"], first["label"]) == ("datasource", "datasource", "Data source")
    used = [panel["datasource"] for panel in panels(board)]
    used += [target["datasource"] for panel in panels(board) for target in panel["targets"]]
    used += [variable["datasource"] for variable in others if variable["type"] == "query"]
    assert all(found == source for found in used)


@each_board
def test_variables_follow_the_time_range(board: Object):
    queried = [variable for variable in board["templating"]["list"] if variable["type"] == "query"]
    assert {variable["refresh"] for variable in queried} == {2}


@each_board
def test_every_panel_has_a_title_a_description_and_a_query(board: Object):
    found = list(panels(board))
    assert all(panel["title"] and panel["description"].endswith(".") and panel["targets"] for panel in found)
    assert len({panel["title"] for panel in found}) == len(found)


@each_board
def test_every_panel_with_an_axis_has_a_unit(board: Object):
    units = {panel["fieldConfig"]["defaults"]["unit"] for panel in panels(board) if panel["type"] in WITH_UNIT}
    assert units <= UNITS


@each_board
def test_panels_fill_rows_and_lie_on_nothing(board: Object):
    taken: set[tuple[int, int]] = set()
    for panel in panels(board):
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@each_board
def test_queries_of_a_panel_have_names_of_their_own(board: Object):
    for panel in panels(board):
        names = [target["refId"] for target in panel["targets"]]
        assert len(set(names)) == len(names)


@each_board
def test_rates_use_the_interval_that_fits_the_scrapes(board: Object):
    ranges = [
        found
        for expression in expressions(board)
        for found in re.findall(r"(?:rate|increase|deriv)\([^\[]*\[([^\]]+)\]", expression)
    ]
    assert ranges
    assert set(ranges) == {"$__rate_interval"}


@each_board
def test_a_counter_of_the_operator_is_never_shown_bare(board: Object):
    for expression in expressions(board):
        for counter in re.findall(r"(\w*\(?)seedsweep_operator_\w+_total", expression):
            assert counter in ("rate(", "increase(")


@each_board
def test_every_query_about_sweeps_is_limited_to_what_was_chosen(board: Object):
    for expression in expressions(board):
        of_sweeps_ = re.findall(r"seedsweep_(?!operator_)\w+({[^}]*})?", expression)
        assert all('namespace="$namespace"' in found or 'namespace=~"$namespace"' in found for found in of_sweeps_)


@each_board
def test_only_metrics_that_there_are_are_asked_for(board: Object):
    known = {family.name for family in [*of_sweeps(), *of_the_operator(), *of_a_trainer()]}
    named = set(re.findall(r"\bseedsweep_\w+", " ".join(expressions(board))))
    assert {re.sub("_(total|bucket)$", "", name) for name in named} <= known


@each_board
def test_a_board_is_read_only_and_leads_to_the_other(board: Object):
    assert board["editable"] is False
    assert "id" not in board
    (link,) = board["links"]
    assert (link["type"], link["tags"], link["includeVars"]) == ("dashboards", board["tags"], True)


def test_rows_of_the_fleet_lead_to_their_sweep():
    text = json.dumps(SHIPPED["sweeps.json"])
    assert f"/d/{SHIPPED['sweep.json']['uid']}?" in text
    assert text.count("var-sweep=${__data.fields.sweep}") == 2

"""The report of an imported record: it tells where that is from, and nothing that did not happen."""

import re
from pathlib import Path

from exchange.importing import GRID, UP, imported, table
from seedsweep.report.page import build_report


def test_a_report_of_an_imported_record_says_where_it_is_from(tmp_path: Path) -> None:
    record = imported(tmp_path, table(tmp_path, GRID), *UP, "--baseline", "0.5")
    page = build_report(*record)
    assert "imported from runs.csv" in page
    assert "Not over yet" not in page


def page_of(folder: Path, text: str, *options: object) -> str:
    return " ".join(build_report(*imported(folder, table(folder, text), *UP, *options)).split())


def keys(page: str) -> set[str]:
    """The words in a page's figures."""
    return set(re.findall(r"<text[^>]*>([^<]*)</text>", page))


def test_a_page_of_an_imported_record_tells_nothing_that_did_not_happen(tmp_path: Path) -> None:
    page = page_of(tmp_path, "seed,evaluation,score\n1,1,0.5\n1,2,0.6\n2,1,0.4\n2,2,0.7\n")
    for words in ("not yet", "Started", "published", "bit-exact", "The sweep file", 'id="cost"', "constant baseline"):
        assert words not in page
    assert not {"diverged", "failed", "a constant answer"} & keys(page)
    assert "<dt>Imported</dt>" in page
    assert "import again with --baseline" in page


def test_a_page_shows_the_key_of_every_mark_that_occurs_and_of_no_other(tmp_path: Path) -> None:
    text = "seed,evaluation,score\n1,1,0.5\n1,2,0.6\n2,1,0.45\n"
    page = page_of(tmp_path, text, "--short", "diverged", "--baseline", 0.5)
    assert {"diverged", "a constant answer"} <= keys(page)
    assert "failed" not in keys(page)


def test_the_cost_of_an_imported_record_with_steps_is_told(tmp_path: Path) -> None:
    assert 'id="cost"' in page_of(tmp_path, GRID)


def test_a_page_of_an_imported_record_names_its_source_as_the_reason_whatever_its_metric(tmp_path: Path) -> None:
    page = page_of(tmp_path, "seed,evaluation,score\n1,1,0.5\n1,2,0.6\n2,1,0.4\n2,2,0.7\n", "--metric", "mine")
    assert "imported curves hold no answers to single examples" in page
    assert "Rank by one of these" not in page

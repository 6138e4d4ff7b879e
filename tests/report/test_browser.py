"""report.html in a real browser: it fits, follows the colour scheme and asks nobody for anything."""

import base64
import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from host.browser import find_browser
from inputs import records
from seedsweep.report.page import build_report

# Written into the page's title, which --dump-dom gives back.
PROBE = """
document.querySelector("#column-best button").click();
const row = document.querySelector("#episodes-table tbody tr");
row.click();
const marked = document.querySelectorAll(".on").length;
const style = getComputedStyle(document.body);
const curve = getComputedStyle(document.querySelector(".curve path"));
const fetched = performance.getEntriesByType("resource").length;
const overflow = document.documentElement.scrollWidth - innerWidth;
document.title = [overflow, style.backgroundColor, fetched, curve.stroke, marked].join("|");
"""


@pytest.fixture
def browser() -> str:
    return find_browser()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    record = records.finished()
    path = tmp_path / "report.html"
    made = build_report(record.sweep, record.episodes, record.cuts)
    # The page's policy lets no other script than its own run: here, the probe as well.
    probe = base64.b64encode(hashlib.sha256(PROBE.encode()).digest()).decode()
    made = made.replace("script-src ", f"script-src 'sha256-{probe}' ")
    path.write_text(made.replace("</body>", f"<script>{PROBE}</script></body>"))
    return path


def probed(browser: str, page: Path, *options: str) -> list[str]:
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'profile'}"]
    command += ["--blink-settings=preferredColorScheme=1", *options, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found is not None
    return found[1].split("|")


def test_page_fits_a_narrow_window_in_light_colours(browser: str, page: Path) -> None:
    overflow, ground, *_ = probed(browser, page, "--window-size=500,900")
    assert int(overflow) <= 0
    assert ground == "rgb(255, 255, 255)"


def test_page_follows_a_dark_scheme_and_fetches_nothing(browser: str, page: Path) -> None:
    _, ground, fetched, stroke, _ = probed(
        browser, page, "--window-size=1100,900", "--blink-settings=preferredColorScheme=0"
    )
    assert ground == "rgb(20, 24, 28)"
    assert stroke != "none"
    assert fetched == "0"


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_page_fits_every_width_and_a_row_marks_its_episode_in_all_places(browser: str, page: Path, width: int) -> None:
    overflow, *_, marked = probed(browser, page, f"--window-size={width},900")
    assert int(overflow) <= 0
    assert int(marked) >= 3

"""report.html in a real browser: it fits, follows the colour scheme and asks nobody for anything."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import records
from needs import lack
from seedsweep.report.page import build_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Written into the page's title, which --dump-dom gives back.
PROBE = """<script>
const style = getComputedStyle(document.body);
const curve = getComputedStyle(document.querySelector(".curve path"));
const fetched = performance.getEntriesByType("resource").length;
const overflow = document.documentElement.scrollWidth - innerWidth;
document.title = [overflow, style.backgroundColor, fetched, curve.stroke].join("|");
</script>"""


@pytest.fixture
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        lack("browser", f"browser: none of {', '.join(BROWSERS)} is installed")
    return found


@pytest.fixture
def page(tmp_path: Path) -> Path:
    record = records.finished()
    path = tmp_path / "report.html"
    path.write_text(build_report(record.sweep, record.episodes, record.cuts).replace("</body>", f"{PROBE}</body>"))
    return path


def probed(browser: str, page: Path, *options: str) -> list[str]:
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'profile'}"]
    command += ["--blink-settings=preferredColorScheme=1", *options, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found is not None
    return found[1].split("|")


def test_page_fits_a_narrow_window_in_light_colours(browser: str, page: Path) -> None:
    overflow, ground, _, _ = probed(browser, page, "--window-size=500,900")
    assert int(overflow) <= 0
    assert ground == "rgb(255, 255, 255)"


def test_page_follows_a_dark_scheme_and_fetches_nothing(browser: str, page: Path) -> None:
    _, ground, fetched, stroke = probed(
        browser, page, "--window-size=1100,900", "--blink-settings=preferredColorScheme=0"
    )
    assert ground == "rgb(20, 24, 28)"
    assert stroke != "none"
    assert fetched == "0"

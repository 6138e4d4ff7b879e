"""Report pages as their readers see them."""

import html
import re

from inputs import records
from seedsweep.report.beside import Beside
from seedsweep.report.page import build_report


def words_of(record: records.Record, known: Beside | None = None) -> str:
    """The text of a record's page, without figures."""
    return text_of(build_report(record.sweep, record.episodes, record.cuts, known or Beside()))


def text_of(page: str) -> str:
    """The text of a page, without figures; sentences must have a space between them."""
    body = re.sub(r"<(style|svg|script).*?</\1>", " ", page, flags=re.DOTALL)
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())
    assert not re.search(r"[a-z0-9)%][.:;,][A-Z][a-z ]", text), "two sentences without a space"
    return text

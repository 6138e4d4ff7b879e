"""Foreign text in a model card: on one line, not too long, and nothing in it is read as Markdown or HTML."""

from seedsweep.api.card import plain
from seedsweep.report.words import one_line

_LONGEST = 200


def as_code(text: str) -> str:
    """As code, in which Markdown reads nothing else."""
    return f"`{shortened(one_line(text)).replace('`', chr(39))}`"


def as_text(text: str) -> str:
    """As words among others."""
    return plain(shortened(one_line(text)))


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Its beginning, of so many characters at most."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."

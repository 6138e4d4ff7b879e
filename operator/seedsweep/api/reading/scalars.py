"""What a plain scalar of YAML means: as kubectl and the API server read it (sigs.k8s.io/yaml, after go-yaml v2).

That is YAML 1.1 where the two differ from YAML 1.2: 010 is 8, yes and on are true, 1_000 is a number. A date is a text,
and so is 1:30.
"""

import re

Scalar = str | int | float | bool | None

MAX_DIGITS = 100
"""A number of more is refused unread: no field takes it."""

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_BASES = (
    (re.compile(r"[-+]?0[xX][0-9a-fA-F]+", re.ASCII), 16),
    (re.compile(r"[-+]?0[bB][01]+", re.ASCII), 2),
    (re.compile(r"[-+]?0[oO]?[0-7]+", re.ASCII), 8),
    (re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII), 10),
)
_SIGN_INSIDE = re.compile(r"0b[-+][01]+", re.ASCII)
"""Of all that go-yaml takes for a number, the oddest."""
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)


class TooLargeError(ValueError):
    """A number that no field takes."""


def resolve(text: str) -> Scalar:
    """The value of a plain scalar; raises TooLargeError.

    A number without a fraction is an int, however it is written: in JSON, 3.0 is 3.
    """
    if text in _WORDS:
        return _WORDS[text]
    if not text or text[0] not in "0123456789+-.":
        return text
    digits = text.replace("_", "")
    if len(digits) > MAX_DIGITS:
        if any(form.fullmatch(digits) for form in (_FLOAT, *(form for form, _ in _BASES))):
            raise TooLargeError
        return text
    for form, base in _BASES:
        if form.fullmatch(digits):
            return int(_octal(digits) if base == 8 else digits, base)
    if _SIGN_INSIDE.fullmatch(digits):
        return int(digits[2:], 2)
    return _decimal(digits) if _FLOAT.fullmatch(digits) else text


def _octal(digits: str) -> str:
    sign = digits[0] if digits[0] in "+-" else ""
    return f"{sign}0o{digits.removeprefix(sign).lstrip('0').lstrip('oO') or '0'}"


def _decimal(digits: str) -> float | int:
    number = float(digits)
    return int(number) if number.is_integer() else number

"""What looks like a mistake in a column of labels: texts in it, a label that was mistyped, or one that is missing.

Imports nothing that is slow.
"""

import difflib
import re
from collections.abc import Iterable, Mapping

_MANY = 50
"""Up to so many classes, a class may have a single example: somebody tries to learn from few."""
_FEW_EACH = 2
_RARER = 10
"""By this factor a class is rarer than the one that it is mistaken for."""
_MISTYPED = 3
"""Examples of a class at most: a label that occurs more often was meant."""
_LETTERS, _LONG = 4, 8
"""Letters of a word from which one slip makes it unlikely that another word was meant, and from which two do."""
_ALIKE = 0.9
_COMPARED = 1_000
"""Classes at most: each rare one is compared with each frequent one."""
_NO_VALUE = ("nan", "NaN", "NaT", "<NA>", "NA", "N/A", "None", "null", "NULL", "#N/A")
"""What programs write where there is no value."""


def hold_texts(classes: int, examples: int) -> bool:
    """Whether labels are probably texts: nearly every example is a class of its own."""
    return classes > _MANY and examples < _FEW_EACH * classes


def typing_errors(sizes: Mapping[str, int]) -> dict[str, str]:
    """Labels that are rare and nearly written like a frequent one, each with that one.

    `sizes` has the number of examples by label. Labels that differ in digits are no typing errors. Of more than 1,000
    classes none is looked for.
    """
    found: dict[str, str] = {}
    if len(sizes) > _COMPARED:
        return found
    for label, size in sizes.items():
        if 0 < size <= _MISTYPED and _letters(label) >= _LETTERS:
            frequent = [other for other, n in sizes.items() if n >= _RARER * size and _digits(other) == _digits(label)]
            meant = next((other for other in frequent if _is_one_slip(label, other)), None)
            if meant is None and _letters(label) >= _LONG:
                meant = next(iter(difflib.get_close_matches(label, frequent, n=1, cutoff=_ALIKE)), None)
            if meant is not None:
                found[label] = meant
    return found


def missing_values(labels: Iterable[str]) -> list[str]:
    """The labels that probably stand for none."""
    return [label for label in labels if label.strip() in _NO_VALUE]


def _is_one_slip(one: str, other: str) -> bool:
    """Whether a character was left out, added or replaced, or two neighbours were swapped."""
    shorter, longer = sorted((one, other), key=len)
    start = next((i for i, c in enumerate(shorter) if c != longer[i]), len(shorter))
    one, other = shorter[start:], longer[start:]
    while one and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return len(other) <= 1 or (len(other) == 2 and one == other[::-1])


def _letters(label: str) -> int:
    return sum(c.isalpha() for c in label)


def _digits(label: str) -> list[str]:
    return re.findall(r"\d", label)

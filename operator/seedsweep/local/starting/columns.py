"""Which columns of a table hold sentences and labels, guessed from their names and values."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seedsweep.api.recorded import shortened
from seedsweep.codes import bad_input
from seedsweep.report.words import counted
from seedsweep_trainer.data.rows import Rows
from seedsweep_trainer.data.suspicions import hold_texts

_LABELS = ("label", "labels", "class", "category", "target", "sentiment", "stars", "rating", "score", "y")
_TEXTS = ("text", "sentence", "review", "content", "body", "comment", "message", "tweet", "document", "question")
_PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "answer"),
    ("text1", "text2"),
    ("text_a", "text_b"),
)
_MOST_CLASSES = 50
"""More different labels than that are numbers, or no labels."""
_NAMED_CLASSES, _NAME_WIDTH = 8, 20
_LENGTHS = (32, 64, 128, 256, 512)
_TOKENS_A_WORD = 1.4
"""Of English; other languages need more, and the trainer counts what was truncated."""
_COVERED = 0.95


@dataclass(frozen=True, slots=True)
class Found:
    """What a table holds."""

    rows: int
    text: str
    text_pair: str | None
    label: str
    kind: Literal["classification", "regression"]
    classes: Mapping[str, int]
    """By label, how many examples; empty for regression."""
    max_length: int
    """Tokens that hold nearly all texts."""

    @property
    def in_words(self) -> str:
        """What was guessed, on a line."""
        texts = f"{self.text!r}" + (f" and {self.text_pair!r}" if self.text_pair is not None else "")
        kind = _classes_in_words(list(self.classes)) if self.classes else "numbers"
        return f"{counted(self.rows, 'example')}: texts in {texts}, labels in {self.label!r} ({kind})"


def find_columns(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], source: Path, *, text: str, label: str
) -> Found:
    """Guess; `text` and `label` are the names of columns where they are known, else empty. `source` has the rows.

    Raises:
        CommandError: no column looks like it.
    """
    for option, name in (("--text", text), ("--label", label)):
        if name and name not in columns:
            raise bad_input(f"{option}: {name!r} is not a column: give one of {', '.join(columns[:20])}")
    values = {name: [row.get(name, "") for row in rows] for name in columns}
    given = bool(label)
    label = label or _label(columns, values)
    pair = _pair([name for name in columns if name != label]) if not text else None
    text, second = (
        pair if pair is not None else (text or _text([name for name in columns if name != label], values), None)
    )
    for what, name in (("text", text), *([("text", second)] if second is not None else []), ("label", label)):
        empty = [row for row, value in enumerate(values[name]) if not (value.strip() if name == label else value)]
        # Of columns that are empty throughout another is meant.
        if 0 < len(empty) < len(rows):
            raise bad_input("--data: " + Rows(f"column {name!r}", source).lacking(empty, what))
    counts = Counter(value for value in values[label] if value.strip())
    if label in counts and not given:
        remedy = f"put a line with names above it, such as text,label, or give --label {label} if that is the name"
        raise bad_input(f"--data: the first line is read as names of columns, and {label!r} in it is a label: {remedy}")
    is_number = _are_measurements(counts)
    if not is_number and not 2 <= len(counts) <= 1000:
        raise bad_input(
            f"--label: column {label!r} holds {counted(len(counts), 'different label')}: name another with --label"
        )
    if not is_number and hold_texts(len(counts), len(rows)):
        raise bad_input(
            f"--label: column {label!r} holds {counted(len(counts), 'different label')} for "
            f"{counted(len(rows), 'example')}: is it the column of texts? Name that of the labels"
        )
    return Found(
        rows=len(rows),
        text=text,
        text_pair=second,
        label=label,
        kind="regression" if is_number else "classification",
        classes={} if is_number else dict(sorted(counts.items())),
        max_length=_max_length([values[name] for name in (text, second) if name is not None]),
    )


def _classes_in_words(names: Sequence[str]) -> str:
    said = f"{len(names):,} classes"
    if len(names) > _NAMED_CLASSES:
        return said
    return f"{said}: {', '.join(shortened(name, _NAME_WIDTH) for name in names)}"


def _label(columns: Sequence[str], values: Mapping[str, Sequence[str]]) -> str:
    by_name = {name.lower(): name for name in reversed(columns)}
    for name in _LABELS:
        if name in by_name:
            return by_name[name]
    distinct = {name: len(set(values[name])) for name in columns}
    few = [name for name in columns if 2 <= distinct[name] <= min(_MOST_CLASSES, max(2, len(values[name]) // 2))]
    if not few:
        raise bad_input(f"--label: no column looks like labels: give one of {', '.join(columns[:20])}")
    return min(few, key=distinct.__getitem__)


def _pair(columns: Sequence[str]) -> tuple[str, str] | None:
    by_name = {name.lower(): name for name in reversed(columns)}
    return next(((by_name[a], by_name[b]) for a, b in _PAIRS if a in by_name and b in by_name), None)


def _text(columns: Sequence[str], values: Mapping[str, Sequence[str]]) -> str:
    by_name = {name.lower(): name for name in reversed(columns)}
    for name in _TEXTS:
        if name in by_name:
            return by_name[name]
    if not columns:
        raise bad_input("--text: there is no column beside the labels: give a file with texts")
    return max(columns, key=lambda name: sum(map(len, values[name])))


def _are_measurements(counts: Mapping[str, int]) -> bool:
    """Numbers to be predicted, not the names of classes: with fractions, or of too many kinds."""
    try:
        numbers = [float(value) for value in counts]
    except ValueError:
        return False
    return len(numbers) > _MOST_CLASSES or any(not math.isfinite(n) or not n.is_integer() for n in numbers)


def _max_length(columns: Sequence[Sequence[str]]) -> int:
    words = sorted(sum(len(text.split()) for text in texts) for texts in zip(*columns, strict=True))
    tokens = words[int(_COVERED * (len(words) - 1))] * _TOKENS_A_WORD + 3
    return next((length for length in _LENGTHS if tokens <= length), _LENGTHS[-1])

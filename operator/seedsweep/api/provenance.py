"""What a sweep was trained from, as its trainers found it: on the wire a short text, in the status an object."""

import re
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlencode

from seedsweep.api.base import Count
from seedsweep.api.recorded import Bound, Recorded

MAX_TEXT = 256
"""Characters on the wire."""
_MAX_DIGEST = 64
_MAX_LABEL = 64
_PARTS = ("train", "validation", "test")
_COUNTS = re.compile(r"([0-9]{1,15})-([0-9]{1,15})", re.ASCII)

Hash = Annotated[str, Bound(_MAX_DIGEST)]


class PartCounts(Recorded):
    """A number for each part of the data."""

    train: Count | None = None
    """Number of the training examples. Absent: not known."""
    validation: Count | None = None
    """Number of the validation examples. Absent: not known."""
    test: Count | None = None
    """Number of the test examples. Absent: there is no test set."""


class Provenance(Recorded):
    """The data and the weights that all episodes started from."""

    base_weights: Hash | None = None
    """Digest of the model's weights, before anything is newly drawn. Absent: not known."""
    model_commit: Hash | None = None
    """Commit that the model's revision was resolved to. Absent for a folder."""
    dataset_commit: Hash | None = None
    """Commit that the data set's revision was resolved to. Absent for files."""
    examples: PartCounts = PartCounts()
    """Number of examples in each part of the data."""
    truncated: PartCounts = PartCounts()
    """Number of examples in each part that were cut to maxLength tokens."""
    positive_label: Annotated[str, Bound(_MAX_LABEL)] | None = None
    """Class that F1 is about. Absent where the metric has no F1."""

    def to_text(self) -> str:
        """At most MAX_TEXT ASCII characters; a label that is too long is cut."""
        fields = {"weights": self.base_weights, "model": self.model_commit, "dataset": self.dataset_commit}
        for part in _PARTS:
            count, cut = getattr(self.examples, part), getattr(self.truncated, part)
            fields[part] = None if count is None else f"{count}-{cut or 0}"
        text = urlencode({name: value for name, value in fields.items() if value is not None})
        label = (self.positive_label or "")[:_MAX_LABEL]
        while label and len(found := f"{text}&positive={quote(label, safe='')}") > MAX_TEXT:
            label = label[:-1]
        return found if label else text


def parse_provenance(text: str) -> Provenance | None:
    """What a trainer has published; None where it is nothing of the kind. Parts that cannot be read are left out."""
    if not text or len(text) > MAX_TEXT:
        return None
    given = dict(parse_qsl(text, max_num_fields=20, errors="replace")) if text.count("&") < 20 else {}
    counts = {part: found for part in _PARTS if (found := _COUNTS.fullmatch(given.get(part, "")))}
    return Provenance(
        base_weights=_hash(given.get("weights")),
        model_commit=_hash(given.get("model")),
        dataset_commit=_hash(given.get("dataset")),
        examples=PartCounts(**{part: int(found[1]) for part, found in counts.items()}),
        truncated=PartCounts(**{part: int(found[2]) for part, found in counts.items()}),
        positive_label=_printable(given.get("positive", ""))[:_MAX_LABEL] or None,
    )


def _hash(text: str | None) -> str | None:
    return text if text is not None and re.fullmatch(r"[0-9a-f]{1,64}", text) else None


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())

"""What a sweep was trained from, on its way from a trainer into the record."""

from hypothesis import given
from hypothesis import strategies as st

from seedsweep.api.provenance import MAX_TEXT, PartCounts, Provenance, parse_provenance

HASHES = st.none() | st.text("0123456789abcdef", min_size=1, max_size=40)
COUNTS = st.integers(0, 10**9)


@st.composite
def provenances(draw: st.DrawFn) -> Provenance:
    parts = draw(st.sampled_from([("train", "validation"), ("train", "validation", "test")]))
    return Provenance(
        base_weights=draw(HASHES),
        model_commit=draw(HASHES),
        dataset_commit=draw(HASHES),
        examples=PartCounts(**{part: draw(COUNTS) for part in parts}),
        truncated=PartCounts(**{part: draw(COUNTS) for part in parts}),
        positive_label=draw(st.none() | st.text("abcé 日$&=+%#<\"'", min_size=1, max_size=100)),
    )


@given(provenances())
def test_what_a_trainer_found_reaches_the_record(found: Provenance) -> None:
    text = found.to_text()
    assert len(text) <= MAX_TEXT
    assert text.isascii()
    read = parse_provenance(text)
    assert read is not None
    label = found.positive_label
    assert read.evolve(positive_label=None) == found.evolve(positive_label=None)
    assert (label or "").startswith(read.positive_label or "")
    assert label is None or len(label) > 8 or read.positive_label == label


@given(st.text() | st.text("weights=trainpositive&%0123456789-abc\x00\n", max_size=300))
def test_whatever_a_trainer_publishes_becomes_a_record_or_nothing(text: str) -> None:
    found = parse_provenance(text)
    assert found is None or (found.positive_label or "x").isprintable()


def test_nothing_is_no_provenance() -> None:
    assert parse_provenance("") is None
    assert parse_provenance("x" * (MAX_TEXT + 1)) is None

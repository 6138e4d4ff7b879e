"""Which columns of labels hold texts, and which labels are probably mistyped."""

import pytest

from seedsweep_trainer.data.suspicions import hold_texts, missing_values, typing_errors


@pytest.mark.parametrize(
    ("classes", "examples", "expected"),
    [(900, 900, True), (600, 1199, True), (77, 154, False), (50, 50, False), (1000, 10_000, False), (2, 1, False)],
)
def test_labels_are_texts_where_nearly_every_example_is_a_class_of_its_own(
    classes: int, examples: int, expected: bool
) -> None:
    assert hold_texts(classes, examples) is expected


@pytest.mark.parametrize(
    ("rare", "frequent"),
    [
        ("unhapy", "unhappy"),
        ("unhapppy", "unhappy"),
        ("unhaypp", "unhappp"),
        ("nuetral", "neutral"),
        ("neitral", "neutral"),
        ("dissapointed", "disappointed"),
        ("goood", "good"),
    ],
)
def test_a_rare_label_that_is_close_to_a_frequent_one_is_a_typing_error(rare: str, frequent: str) -> None:
    assert typing_errors({rare: 1, frequent: 10, "other": 500}) == {rare: frequent}


@pytest.mark.parametrize(
    ("rare", "frequent"),
    [("1", "10"), ("10", "100"), ("class 11", "class 12"), ("bad", "sad"), ("happy", "unhappy"), ("food", "service")],
)
def test_numbers_short_words_and_other_words_are_no_typing_errors(rare: str, frequent: str) -> None:
    assert typing_errors({rare: 1, frequent: 1000}) == {}


@pytest.mark.parametrize("sizes", [{"unhapy": 1, "unhappy": 9}, {"unhapy": 4, "unhappy": 1000}, {"unhapy": 0}])
def test_a_label_that_is_not_far_rarer_was_meant(sizes: dict[str, int]) -> None:
    assert typing_errors(sizes) == {}


def test_what_programs_write_where_there_is_no_value_is_no_label() -> None:
    assert missing_values(["good", "nan", "NA ", "none", "nano", "<NA>"]) == ["nan", "NA ", "<NA>"]


def test_of_very_many_classes_none_is_compared() -> None:
    sizes = {f"name {'x' * i}": 1000 for i in range(999)}
    assert typing_errors({**sizes, "unhappy": 1000}) == {}
    assert typing_errors({**sizes, "unhappi": 1}) == {}
    assert typing_errors({**sizes, "unhappy": 1000, "unhappi": 1}) == {}
    assert typing_errors({**dict(list(sizes.items())[:900]), "unhappy": 1000, "unhappi": 1}) == {"unhappi": "unhappy"}

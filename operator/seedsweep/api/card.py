"""The one part of a winner's model card that is written where the test set is: the rest is made from the record.

Whoever hands over the winner completes the card; this says how, to both sides.
"""

from seedsweep.api.status import TestScore

PLACE_FOR_TEST = "<!-- test score -->\n"
"""A line of the card that shows nothing, where the section about the test score goes."""


def completed(card: str, test: TestScore | None) -> str:
    """The card with the section about the test score in its place, or at its end where it has none."""
    before, place, after = card.partition(PLACE_FOR_TEST)
    return before + test_section(test) + after if place else f"{card.rstrip()}\n\n{test_section(test)}"


def test_section(test: TestScore | None) -> str:
    """What a winner is worth on data that nothing was selected on, in Markdown; None: there is no such data."""
    if test is None:
        return (
            "## Test score\n\n"
            "None: the sweep had no test set. The validation score chose this model, so it is optimistic: expect less "
            "on new data.\n"
        )
    if test.score is None:
        return (
            f"## Test score\n\nUndefined: {test.metric} has no value on the {test.n:,} test examples, as a correlation "
            "with a constant has none. The validation score chose this model, so it is optimistic.\n"
        )
    interval = f"n = {test.n:,} examples"
    if test.interval is not None:
        low, high = test.interval
        interval = f"{100 * test.confidence:.0f} % interval {low:.4f} to {high:.4f}, {interval}"
    against = "" if test.baseline is None else f"A constant answer scores {test.baseline:.4f}. "
    return (
        f"## Test score\n\n**{test.score:.4f}** ({interval}). {against}"
        "The test set was scored once, for this model alone, after it had been chosen on other data. "
        "The interval is over these examples; it says nothing about other seeds.\n"
    )

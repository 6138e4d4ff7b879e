"""The one part of a winner's model card that is written where the test set is: the rest is made from the record.

Whoever hands over the winner completes the card; this says how, to both sides.
"""

import re

from seedsweep.api.status import Average, TestScore

PLACE_FOR_TEST = "<!-- test score -->\n"
"""A line of the card that shows nothing, where the section about the test score goes."""


def plain(text: str) -> str:
    """Foreign text as it stands: nothing in it is Markdown or HTML."""
    return re.sub(r"[\\`*_\[\]<>|#&]", r"\\\g<0>", text)


def completed(card: str, test: TestScore | None, average: Average | None = None) -> str:
    """The card with the sections about the average and the test score in their place, or at its end if it has none."""
    sections = test_section(test) if average is None else f"{average_section(average)}\n{test_section(test)}"
    before, place, after = card.partition(PLACE_FOR_TEST)
    return before + sections + after if place else f"{card.rstrip()}\n\n{sections}"


def average_words(average: Average) -> str:
    """Which model was handed over, the average that was declared or the winner, and why."""
    if average.handed_over:
        scores = f"validation score {average.score:.4f}, of its members {average.members_score:.4f} on average"
        return f"the average of the best weights of {average.members} survivors ({scores})"
    survivors = "1 survivor" if average.members == 1 else f"{average.members} survivors"
    return f"the winner, not the average of the {survivors} that was declared: {average.reason}"


def average_section(average: Average) -> str:
    """What became of the average that the sweep declared, in Markdown."""
    words = plain(average_words(average))
    return (
        f"## Which weights these are\n\nThese are the weights of {words}. spec.result declared an average before the "
        "start, and the test set had no part in this.\n"
    )


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

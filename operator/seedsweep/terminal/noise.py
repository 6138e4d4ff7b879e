"""What the last screen says of the winner against the runner-up, from the answers beside a record."""

from pathlib import Path

from seedsweep.report.record import Record


def noise_words(directory: Path, record: Record) -> str:
    """Whether the winner is within noise of the runner-up, as the report says it; empty where that is not known."""
    try:
        # Imported late: statistics load slowly, and may not be installed where a record is only looked at.
        from seedsweep.report.findings.verdict import runner_up_beside
        from seedsweep.report.words import counted, p_text
    except ModuleNotFoundError:
        return ""
    try:
        pair = runner_up_beside(directory, record)
    except OSError:
        return ""
    if pair is None:
        return ""
    words = f"{pair.words}: p = {p_text(pair.test.p)} on the same {counted(pair.examples, 'example')}"
    return (
        f"{words}; these scores picked the winner, so its lead tends to be smaller on others"
        if pair.test.told_apart
        else words
    )

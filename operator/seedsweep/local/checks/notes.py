"""What is suspicious about a sweep and not wrong: a note each, in `check` and at the start of a run."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from seedsweep.api.recorded import shortened
from seedsweep.engine.layout import Layout
from seedsweep.local.checks.trainer import Trainable
from seedsweep.report.words import counted, share_text

_HIGHEST_RATE = Decimal("0.01")
_LISTED = 3
_MANY_REPEATED = 0.01
"""Share of a part; every large data set holds some short texts twice."""
_LABEL_WIDTH = 40


def notes(layout: Layout, found: Trainable | None) -> Iterator[str]:
    """What to look at before the start; `found` is what our trainer says, where it was asked."""
    yield from _idle_cuts(layout)
    yield from _high_learning_rate(layout)
    if found is not None:
        yield from _typing_errors(found)
        yield from _absent_classes(found)
        yield from _repeated_examples(found)
        yield from _costly_evaluations(found)


def _idle_cuts(layout: Layout) -> Iterator[str]:
    stopping = layout.spec.early_stopping
    if stopping is not None and stopping.hyperband is not None:
        return  # Nobody chose these rungs.
    if layout.floor is not None:
        return  # How many come to the rung is not known.
    for size, ladder in zip(layout.sizes, layout.rungs, strict=True):
        running = size
        for rung in ladder:
            if rung.keep >= running:
                yield f"the cut at {rung.at_percent} % keeps {rung.keep:,} of {running:,} and stops nobody: lower keep"
            running = min(running, rung.keep)


def _high_learning_rate(layout: Layout) -> Iterator[str]:
    tuning = layout.spec.trainer.fine_tuning
    if tuning is not None and Decimal(tuning.learning_rate) > _HIGHEST_RATE:
        rate = tuning.learning_rate
        yield f"the learning rate {rate} is so high that training probably diverges: usual are 1e-5 to 5e-4"


def _typing_errors(found: Trainable) -> Iterator[str]:
    for one in found.mistyped[:_LISTED]:
        if one.meant is None:
            suspicion = "is what programs write for no label: a missing one?"
        else:
            suspicion = f"is rare and close to {shortened(one.meant, _LABEL_WIDTH)!r}: a typing error?"
        yield (
            f"{shortened(one.label, _LABEL_WIDTH)!r} ({counted(one.examples, 'example')}, row {one.row}) {suspicion} "
            "Correct it, or list the classes in dataset.labels"
        )
    if len(found.mistyped) > _LISTED:
        yield f"{len(found.mistyped) - _LISTED:,} more labels look like mistakes"


def _absent_classes(found: Trainable) -> Iterator[str]:
    for part, labels in found.absent.items():
        if labels:
            lost = "no episode can learn it" if part == "train" else "nothing there tells how well it is learned"
            yield f"{part} has none of {_in_words(labels)}: {lost}"


def _repeated_examples(found: Trainable) -> Iterator[str]:
    for part, repeated in found.repeated.items():
        size = found.examples[part]
        if repeated and repeated >= _MANY_REPEATED * size:
            seen = "train" if part == "validation" else "train or validation"
            yield (
                f"{repeated:,} of {size:,} {part} examples are in {seen} too: their scores say little of new data; "
                "remove them"
            )


def _costly_evaluations(found: Trainable) -> Iterator[str]:
    if found.step_seconds is None or found.evaluation_seconds is None:
        return
    evaluating, training = found.evaluations * found.evaluation_seconds, found.steps * found.step_seconds
    if 2 * evaluating >= training:
        share = share_text(evaluating, evaluating + training)
        yield f"evaluations take {share} of the time: a lower evaluationsPerEpoch makes it shorter, as fewer seeds do"


def _in_words(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _LISTED:,} more" if len(labels) > _LISTED else ""
    return ", ".join(f"{shortened(label, _LABEL_WIDTH)!r}" for label in labels[:_LISTED]) + more

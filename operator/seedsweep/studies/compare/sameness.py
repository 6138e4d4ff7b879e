"""What two records must have in common to be compared, what may differ, and whether their runs are pairs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seedsweep.api.finetuning import FineTuning
from seedsweep.api.status import SweepStatus
from seedsweep.codes import bad_input
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import known_baseline
from seedsweep.report.words import counted, metric_name, one_line


def check_comparable(a: tuple[Path, Record], b: tuple[Path, Record]) -> None:
    """Raise CommandError unless both were scored alike on the same data, as far as the records tell."""
    if a[0].resolve() == b[0].resolve():
        raise bad_input(f"{b[0]}: is the folder of both A and B: give the record of the change as B")
    for what, one, other, remedy in _contradictions(a[1], b[1]):
        raise bad_input(f"{what}: {one} in {a[0]}, {other} in {b[0]}: {remedy}")


def doubts(a: Record, b: Record) -> list[str]:
    """What the records leave open about their data."""
    digests = [_status(record).data_digest for record in (a, b)]
    if None in digests:
        return ["Not every record names its data by a digest: make sure that both were scored on the same examples."]
    if digests[0] != digests[1]:
        return [
            "The digests of the data differ, as those of tokens do between models and lengths; its name is the same."
        ]
    return []


def are_pairs(a: Record, b: Record, by_number: bool) -> tuple[bool, str]:
    """Whether episodes with equal seeds are pairs, and why or why not.

    Equal numbers alone prove nothing: seeds may have been numbered in the order of a file, or of the scores in it.

    Args:
        a: a record.
        b: another.
        by_number: whether the user says that equal numbers are equal seeds.

    Raises:
        CommandError: the user says so, and the records say otherwise.
    """
    seeds = [{episode.spec.id: episode.status.initialization for episode in record.episodes} for record in (a, b)]
    if seeds[0].keys() != seeds[1].keys():
        if by_number:
            alone = len(seeds[0].keys() ^ seeds[1].keys())
            who = f"{counted(alone, 'episode')} {'has' if alone == 1 else 'have'}"
            raise bad_input(f"--paired: {who} no partner with the same seeds: leave --paired out")
        return False, "not paired: the arms have other seeds"
    told = [(seeds[0][episode], seeds[1][episode]) for episode in seeds[0]]
    if any(one != other for one, other in told if one is not None and other is not None):
        if by_number:
            raise bad_input(
                "--paired: the same weight-init seeds drew other tensors in A than in B: leave --paired out"
            )
        return False, "not paired: the same weight-init seeds drew other tensors"
    digests = [_status(record).data_digest for record in (a, b)]
    if all(one is not None and other is not None for one, other in told) and digests[0] == digests[1] is not None:
        return True, "paired: equal seeds drew the same new tensors and the same order of the same data"
    if by_number:
        return True, "paired by the numbers of the seeds, as --paired says"
    return False, (
        "not paired: the seeds have equal numbers, which alone prove nothing; give --paired if they are the same seeds"
    )


def what_differs(a: Record, b: Record) -> list[str]:
    """Settings of our trainer that the two sweeps do not share, with both values."""
    tunings = [record.sweep.spec.trainer.fine_tuning for record in (a, b)]
    if tunings[0] is None or tunings[1] is None:
        return []
    one, other = (_settings(tuning) for tuning in tunings if tuning is not None)
    return [
        f"{name} {one.get(name, 'absent')} / {other.get(name, 'absent')}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def _settings(tuning: FineTuning) -> dict[str, str]:
    """By path, the leaves as text."""
    return dict(_leaves(tuning.model_dump(mode="json", by_alias=True, exclude_none=True), ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else name)
    else:
        yield path, one_line(str(value))


def _contradictions(a: Record, b: Record) -> Iterator[tuple[str, object, object, str]]:
    """What differs and must not: its name, both values and the remedy."""
    metrics = [metric_name(record.sweep.spec.trainer) for record in (a, b)]
    if metrics[0] != metrics[1]:
        remedy = "score both with one metric, or import again with the same --metric if they are one"
        yield "metric", metrics[0], metrics[1], remedy
    goals = ["maximize" if record.sweep.spec.trainer.maximize else "minimize" for record in (a, b)]
    if goals[0] != goals[1]:
        yield "goal", goals[0], goals[1], "one of the two is wrong: import or run that one again"
    remedy = "scores on different data say nothing of the change: run both on the same"
    labels = [found.positive_label if (found := _status(record).provenance) is not None else None for record in (a, b)]
    if None not in labels and labels[0] != labels[1]:
        yield "class that F1 is about", labels[0], labels[1], remedy
    baselines = [known_baseline(_status(record), record.episodes) for record in (a, b)]
    if None not in baselines and baselines[0] != baselines[1]:
        yield (
            "score of a constant answer",
            baselines[0],
            baselines[1],
            f"{remedy}, or import again with the same --baseline",
        )
    digests = [_status(record).data_digest for record in (a, b)]
    if None not in digests and digests[0] != digests[1] and not _other_tokens(a, b):
        yield "digest of the data", digests[0], digests[1], remedy
    sizes = [_status(record).validation_examples for record in (a, b)]
    if None not in sizes and sizes[0] != sizes[1]:
        yield "validation examples", sizes[0], sizes[1], remedy


def _other_tokens(a: Record, b: Record) -> bool:
    """Whether the same data has another digest, which is of tokens: another tokenizer, or another length."""
    one, other = (record.sweep.spec.trainer.fine_tuning for record in (a, b))
    if one is None or other is None:
        return False
    longest = other.dataset.max_length
    if one.dataset.evolve(max_length=longest) != other.dataset:
        return False
    return (one.model, one.model_revision, one.dataset.max_length) != (other.model, other.model_revision, longest)


def _status(record: Record) -> SweepStatus:
    return record.sweep.status or SweepStatus()

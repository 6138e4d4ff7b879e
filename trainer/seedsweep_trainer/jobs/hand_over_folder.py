"""The hand-over of a custom trainer's weights: the winner's folder as it was stored, or with the average in its place.

Needs no torch: only an average does.
"""

import logging
import shutil
from pathlib import Path

from seedsweep.api.card import completed
from seedsweep.api.status import Average
from seedsweep_trainer.errors import StorageError
from seedsweep_trainer.jobs.export import check_replaceable
from seedsweep_trainer.storage.durable import MANIFEST, broken, whole_folder
from seedsweep_trainer.storage.folders import AVERAGE, BEST_FACTS, MODEL_CARD, TEST_SCORE

_NOT_COPIED = {MANIFEST, BEST_FACTS, AVERAGE, TEST_SCORE}
"""What is said of the weights, and the names of what a hand-over says."""

log = logging.getLogger(__name__)


def hand_over_folder(
    best: Path, to: Path, card: str | None, average: Average | None = None, averaged: Path | None = None
) -> None:
    """Make the folder `to` from the winner's folder `best`, whole or not at all; one that exists is replaced.

    If `average` says that the average is handed over, the files are those of the folder `averaged`. With an average,
    average.json says what became of it. With a model card, README.md is that card and a section on the average.
    Raises StorageError where `best` is damaged, and ConfigurationError where `to` holds something that was not made
    here.
    """
    check_replaceable(to, f"--to {to}")
    if (reason := broken(best)) is not None:
        raise StorageError(f"the winner's weights in {best} are damaged: {reason}")
    source = averaged if averaged is not None and average is not None and average.handed_over else best
    log.info("handing over %s as %s", source, to)
    with whole_folder(to) as folder:
        copy_files(source, folder)
        if average is not None:
            (folder / AVERAGE).write_text(average.model_dump_json(by_alias=True) + "\n")
        if card is not None:
            (folder / MODEL_CARD).write_text(completed(card, None, average), encoding="utf-8")


def copy_files(source: Path, target: Path) -> None:
    """Copy the files that a trainer stored, and nothing that is only said of them."""
    for file in source.iterdir():
        if file.is_file() and file.name not in _NOT_COPIED:
            shutil.copyfile(file, target / file.name)

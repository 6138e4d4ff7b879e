"""The training loss and the time between evaluations, for reports."""

from threading import Lock

from seedsweep.contract.training import FILE, Interval, training_bytes
from seedsweep_trainer.checkpoints.report_files import ReportFiles


class TrainingFile:
    """Lines that wait in memory for the next moment at which anything is written."""

    def __init__(self, files: ReportFiles) -> None:
        self._files = files
        self._intervals: list[Interval] = []
        self._written = 0
        self._writing = Lock()

    def add(self, interval: Interval) -> None:
        """Take in an evaluation."""
        self._intervals.append(interval)

    def write(self) -> None:
        """Write all lines where there are new ones; from any thread."""
        with self._writing:
            known = tuple(self._intervals)
            if len(known) > self._written and self._files.write(FILE, training_bytes(known)):
                self._written = len(known)

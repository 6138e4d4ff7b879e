"""The folder of a run: the record that the API server would hold on a cluster, and every file of the attempts.

OUT/sweep.json             the SeedSweep with its status
OUT/episodes/wi0-do0.json  an Episode each
OUT/cuts/NAME.json         a Cut each, created once; its evidence is added once
OUT/curves.csv             every recorded evaluation
OUT/best/                  the winner's weights and its test score
OUT/report.html
OUT/logs/                  what the attempts printed
OUT/work/EPISODE/          checkpoints of an episode
OUT/attempts/UID/          an attempt's own folder: its last words, its predictions, what it ran with
OUT/reruns/EPISODE/        episodes that were trained again, apart from the record
OUT/.lock                  held while a runner, or anything that it started, lives
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.cut import Cut, CutData, CutEvidence
from seedsweep.api.episode import Episode, EpisodeId, EpisodeStatus
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.contract.for_reports import ATTEMPTS
from seedsweep.engine.layout import Layout
from seedsweep.files import create_whole, write_whole
from seedsweep.report.record import CURVES, CUTS, EPISODES, REPORT, SWEEP_FILE, resource_json

LOCK_PATIENCE_SECONDS = 10.0
"""How long the processes of a killed runner may take to end."""


class RunDirectoryError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class RunDirectory:
    """Paths and whole-or-nothing writes. Every method that writes raises OSError where it cannot."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.sweep_file = self.root / SWEEP_FILE
        self.curves_file = self.root / CURVES
        self.best = self.root / "best"
        self.report = self.root / REPORT
        self.logs = self.root / "logs"
        self.work = self.root / "work"
        self.attempts = self.root / ATTEMPTS
        self.reruns = self.root / "reruns"
        self._episodes = self.root / EPISODES
        self._cuts = self.root / CUTS

    def make(self) -> None:
        """Create the folders; raises OSError."""
        for folder in (self._episodes, self._cuts, self.logs, self.work, self.attempts):
            folder.mkdir(parents=True, exist_ok=True)

    def unmake(self) -> None:
        """Take back what `make` and `lock` created, unless there is a record or anything else in it."""
        if self.sweep_file.exists():
            return
        for file in (self.root / ".lock", *self.logs.glob("*.log")):
            file.unlink(missing_ok=True)
        for folder in (self._episodes, self._cuts, self.logs, self.work, self.attempts, self.root):
            with contextlib.suppress(OSError):
                folder.rmdir()

    @contextlib.contextmanager
    def lock(self) -> Iterator[int]:
        """Claim the folder, until this process and those that inherit the descriptor it yields have ended.

        Raises:
            RunDirectoryError: another runner is at work in it.
        """
        descriptor = self._claim()
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _claim(self) -> int:
        # Windows has none, and who only asks for paths needs none.
        import fcntl

        descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        patience = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
                if _lives(holder) or time.monotonic() > patience:
                    os.close(descriptor)
                    raise RunDirectoryError(
                        f"{self.root}: another `seedsweep run` is at work in this folder (process {holder}): "
                        "wait for it, stop it, or give another folder with --out"
                    ) from None
                # Its runner is gone: what it started notices, and ends.
                time.sleep(0.05)
            else:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                return descriptor

    def checkpoints(self, episode: EpisodeId) -> Path:
        """The episode's checkpoints."""
        return self.work / episode.name

    def log(self, episode: EpisodeId, attempt: int) -> Path:
        """What an attempt printed."""
        return self.logs / f"{episode.name}-{attempt}.log"

    def fresh_log(self, name: str) -> Path:
        """A log that is not there yet."""
        path = self.logs / f"{name}.log"
        path.unlink(missing_ok=True)
        return path

    def write_sweep(self, sweep: SeedSweep, status: SweepStatus) -> None:
        """Replace sweep.json."""
        write_whole(self.sweep_file, resource_json(sweep.evolve(status=status)))

    def write_episode(self, layout: Layout, episode: EpisodeId, status: EpisodeStatus) -> None:
        """Replace an episode's file."""
        spec = layout.episode_spec(episode)
        metadata = ObjectMeta(name=f"{layout.name}-{episode.name}")
        write_whole(
            self._episodes / f"{episode.name}.json", resource_json(Episode(metadata=metadata, spec=spec, status=status))
        )

    def create_cut(self, data: CutData) -> CutData:
        """Create a cut's file. Returns the cut that stands: this one, or the one that was there already."""
        path = self._cut(data)
        if create_whole(path, resource_json(Cut(metadata=ObjectMeta(name=data.name), data=data))):
            return data
        return Cut.model_validate_json(path.read_bytes()).data

    def add_evidence(self, data: CutData, evidence: CutEvidence) -> None:
        """Add it to a cut's file that has none."""
        path = self._cut(data)
        write_whole(path, resource_json(Cut.model_validate_json(path.read_bytes()).evolve(evidence=evidence)))

    def _cut(self, data: CutData) -> Path:
        return self._cuts / f"{data.name}.json"


def remove_tree(folder: Path) -> None:
    """Remove a folder, at once for everyone who looks at its path."""
    doomed = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(doomed, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True

"""What `run` and `check` are asked for."""

from dataclasses import dataclass
from pathlib import Path

from seedsweep.api.sweep import SeedSweep
from seedsweep.local.directory.run_directory import RunDirectory


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed."""

    file: Path
    out: Path | None = None
    """Absent: runs/NAME."""
    parallelism: int | None = None
    """At most so many episodes at once, whatever the file says."""

    @property
    def base(self) -> Path:
        """The folder that relative paths in the file start from."""
        return self.file.absolute().parent

    def directory(self, sweep: SeedSweep) -> RunDirectory:
        """The run's folder."""
        return RunDirectory(self.out or Path("runs") / sweep.metadata.name)

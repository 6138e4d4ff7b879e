"""SeedSweep: many seeds, one honest cut, the best model.

    run = seedsweep.run("sweep.yaml")     # train, or go on; like `seedsweep run`
    run = seedsweep.load("runs/reviews")  # a record: a folder, or "sweep/NAME" for a sweep in a cluster
    run.episodes, run.curves, run.cuts, run.best, run.plot()

docs/python.md explains these, docs/architecture.md the rooms.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seedsweep.version import __version__

if TYPE_CHECKING:
    from seedsweep.notebook.loading import Run, load
    from seedsweep.notebook.running import run

__all__ = ["Run", "__version__", "load", "run"]

_HOMES = {
    "Run": "seedsweep.notebook.loading",
    "load": "seedsweep.notebook.loading",
    "run": "seedsweep.notebook.running",
}


def __getattr__(name: str) -> Any:
    # The trainer and the command line import this package too: neither waits for what it does not use.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]

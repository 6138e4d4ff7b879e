"""The losers of each cut, compared with the last that was kept by the answers in this run's folder; on a thread."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from importlib.util import find_spec

from seedsweep.api.comparison import Comparison
from seedsweep.api.cut import CutData, CutEvidence
from seedsweep.engine.observation import Evidence
from seedsweep.local.directory.run_directory import RunDirectory

_PACKAGES = ("numpy", "scipy")
"""Of the parts `trainer` and `report`: a run that has neither leaves the comparison to its report."""

_log = logging.getLogger(__name__)


class Comparisons:
    """Those of this run. Where one fails, its cut stays without evidence, and all else goes on."""

    def __init__(self, directory: RunDirectory) -> None:
        self.possible = all(find_spec(package) is not None for package in _PACKAGES)
        """Whether this installation can compare."""
        self._directory = directory
        self._tasks: dict[str, asyncio.Task[CutEvidence]] = {}
        """By name of the cut."""

    @property
    def seen(self) -> Mapping[str, Evidence]:
        """See Observation.evidence."""
        return {name: _as_seen(task) for name, task in self._tasks.items()}

    def begin(self, cut: CutData, comparison: Comparison, then: Callable[[], None]) -> None:
        """Compare on a thread, and call `then` once that is over."""
        task = self._tasks[cut.name] = asyncio.create_task(self._compare(cut, comparison))

        def tell(task: asyncio.Task[CutEvidence]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.warning("%s gets no evidence: %s: %s", cut.name, type(error).__name__, error)
            then()

        task.add_done_callback(tell)

    async def _compare(self, cut: CutData, comparison: Comparison) -> CutEvidence:
        # It takes a second to load, and most of a run needs nothing of it.
        from seedsweep.evidence import compare_losers, reader_of

        found = await asyncio.to_thread(compare_losers, comparison, reader_of(self._directory.attempts))
        return CutEvidence.of(cut, found)


def _as_seen(task: asyncio.Task[CutEvidence]) -> Evidence:
    if not task.done():
        return Evidence(under_way=True)
    if task.cancelled() or task.exception() is not None:
        return Evidence(settled=True)
    return Evidence(found=task.result())

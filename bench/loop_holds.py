"""The operator, which tells at its end for how long its event loop was held: `python bench/loop_holds.py REPORT ...`.

Seconds of processor time, so that other work on the machine does not count: of the longest turn of the loop, and of the
longest collection of garbage, during which no thread of the process runs.
"""

import asyncio
import gc
import json
import sys
import time
from pathlib import Path

from seedsweep.cli import main

_longest = {"turn": 0.0, "collection": 0.0, "collections": 0.0}
_began = 0.0


def _watch_turns() -> None:
    run_once = asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]  # the one place that sees every turn

    def timed(loop: asyncio.BaseEventLoop) -> None:
        began = time.thread_time()
        run_once(loop)
        _longest["turn"] = max(_longest["turn"], time.thread_time() - began)

    asyncio.BaseEventLoop._run_once = timed  # type: ignore[attr-defined]


def _note_collection(phase: str, info: dict[str, int]) -> None:
    global _began
    del info
    if phase == "start":
        _began = time.thread_time()
        return
    took = time.thread_time() - _began
    _longest["collection"] = max(_longest["collection"], took)
    _longest["collections"] += took


if __name__ == "__main__":
    _watch_turns()
    gc.callbacks.append(_note_collection)
    report = Path(sys.argv[1])
    try:
        main(["operator", *sys.argv[2:]])
    finally:
        report.write_text(json.dumps(_longest))

"""The operator, which tells at its end for how long its event loop was held: `python bench/loop_holds.py REPORT ...`.

Seconds of processor time, so that other work on the machine does not count: of the longest turn of the loop, with how
many callbacks that had; of the longest single callback, with what it ran; and of the longest collection of garbage,
during which no thread of the process runs.
"""

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

from seedsweep.cli import main

_longest: dict[str, Any] = {
    "turn": 0.0,
    "callbacks": 0,
    "callback": 0.0,
    "callback of": "",
    "collection": 0.0,
    "collections": 0.0,
}
_began = 0.0
_callbacks = 0


def _watch_turns() -> None:
    run_once = asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]  # the one place that sees every turn
    run = asyncio.Handle._run  # and the one that sees every callback

    def timed_turn(loop: asyncio.BaseEventLoop) -> None:
        global _callbacks
        _callbacks, began = 0, time.thread_time()
        run_once(loop)
        took = time.thread_time() - began
        if took > _longest["turn"]:
            _longest["turn"], _longest["callbacks"] = took, _callbacks

    def timed_callback(handle: Any) -> None:
        global _callbacks
        _callbacks += 1
        began = time.thread_time()
        run(handle)
        took = time.thread_time() - began
        if took > _longest["callback"]:
            _longest["callback"], _longest["callback of"] = took, repr(handle)

    asyncio.BaseEventLoop._run_once = timed_turn  # type: ignore[attr-defined]
    asyncio.Handle._run = timed_callback  # type: ignore[assignment]


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

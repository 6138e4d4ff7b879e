"""Clocks that are wrong: what others write into pods and into metadata, as an operator sees it through a proxy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Object = dict[str, Any]

_BY_SCHEDULER = frozenset({"PodScheduled", "DisruptionTarget"})
"""Conditions that it sets."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """How far each is ahead."""

    api_server: timedelta
    scheduler: timedelta
    node: timedelta

    def rewrite(self, told: bytes) -> bytes:
        """An answer of the API server, or a line of a watch, as if these clocks had written it."""
        try:
            answer = json.loads(told)
        except ValueError:
            return told
        if not isinstance(answer, dict):
            return told
        event = answer.get("object")
        for item in answer.get("items") or [event if isinstance(event, dict) else answer]:
            self._set(item)
        return json.dumps(answer).encode()

    def _set(self, item: Object) -> None:
        metadata = item.get("metadata") or {}
        _shift(metadata, self.api_server)
        if "spec" not in item or "containers" not in item["spec"]:
            # Not a pod: its times are our own.
            return
        status = item.get("status") or {}
        _shift(status, self.node)
        for condition in status.get("conditions") or ():
            _shift(condition, self.scheduler if condition["type"] in _BY_SCHEDULER else self.node)
        for container in status.get("containerStatuses") or ():
            for state in (container.get("state") or {}).values():
                _shift(state, self.node)


def _shift(part: Object, by: timedelta) -> None:
    for name, value in part.items():
        if isinstance(value, str) and name.endswith(("Time", "Timestamp", "At")):
            moment = datetime.fromisoformat(value) + by
            part[name] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")


TWO_HOURS = timedelta(hours=2)
SKEWS: Mapping[str, Clocks] = {
    "all ahead": Clocks(TWO_HOURS, TWO_HOURS, TWO_HOURS),
    "all behind": Clocks(-TWO_HOURS, -TWO_HOURS, -TWO_HOURS),
    "nodes ahead of the API server": Clocks(-TWO_HOURS, TWO_HOURS, TWO_HOURS),
    "nodes behind the API server": Clocks(TWO_HOURS, -TWO_HOURS, -TWO_HOURS),
}

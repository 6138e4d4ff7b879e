"""Times as wrong clocks would have written them."""

import json
from datetime import timedelta
from typing import Any

from cluster.clocks import Clocks

NOON, ONE, TEN = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z", "2026-01-01T10:00:00Z"
CLOCKS = Clocks(api_server=timedelta(hours=1), scheduler=timedelta(hours=-2), node=timedelta(0))
CONDITIONS = [{"type": kind, "lastTransitionTime": NOON} for kind in ("PodScheduled", "Ready")]
POD = {
    "metadata": {"name": "p", "creationTimestamp": NOON},
    "spec": {"containers": []},
    "status": {
        "startTime": NOON,
        "conditions": CONDITIONS,
        "containerStatuses": [{"state": {"running": {"startedAt": NOON}}}],
    },
}
SWEEP = {"metadata": {"creationTimestamp": NOON}, "spec": {}, "status": {"startTime": NOON}}


def rewritten(told: object) -> Any:
    return json.loads(CLOCKS.rewrite(json.dumps(told).encode()))


def test_each_time_of_a_pod_is_that_of_who_wrote_it():
    pod = rewritten(POD)
    assert pod["metadata"]["creationTimestamp"] == ONE
    assert [c["lastTransitionTime"] for c in pod["status"]["conditions"]] == [TEN, NOON]
    assert pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] == NOON


def test_lists_and_watches_show_the_same_times():
    assert rewritten({"items": [POD]})["items"] == [rewritten(POD)]
    assert rewritten({"type": "ADDED", "object": POD})["object"] == rewritten(POD)


def test_what_the_operator_has_written_itself_stays():
    sweep = rewritten(SWEEP)
    assert sweep["metadata"]["creationTimestamp"] == ONE
    assert sweep["status"] == SWEEP["status"]


def test_what_is_no_object_stays():
    assert CLOCKS.rewrite(b"ok\n") == b"ok\n"
    assert CLOCKS.rewrite(b"[1]") == b"[1]"

"""Seeds of a sweep that become more, and that do not: for the types and for a real API server."""

from typing import Any

from seedsweep.api.core.objects import Condition

Seeds = dict[str, Any]
SINCE = "2026-01-01T00:00:00.000+00:00"


def _grid(inits: Seeds, orders: Seeds, **more: Any) -> Seeds:
    return {"grid": {"weightInits": inits, "dataOrders": orders, **more}}


def _pairs(*pairs: tuple[int, int]) -> Seeds:
    return {"pairs": [{"weightInit": w, "dataOrder": d} for w, d in pairs]}


_AXIS = {"count": 4}
MORE: dict[str, tuple[Seeds, Seeds]] = {
    "single count": ({"single": {"count": 4}}, {"single": {"count": 6}}),
    "single values": ({"single": {"values": [7, 3]}}, {"single": {"values": [3, 5, 7]}}),
    "pairs": (_pairs((0, 0), (1, 0)), _pairs((1, 0), (1, 1), (0, 0))),
    "one axis": (_grid({"count": 2}, {"count": 2}), _grid({"count": 2}, {"count": 3})),
    "both axes": (_grid({"values": [1, 2]}, {"count": 2}), _grid({"values": [4, 1, 2]}, {"count": 3})),
    "sample": (_grid(_AXIS, _AXIS, sample={"size": 5}), _grid(_AXIS, _AXIS, sample={"size": 9})),
}
"""Fewer and more, by form."""
FEWER: dict[str, tuple[Seeds, Seeds]] = {
    "another value": ({"single": {"values": [7, 3]}}, {"single": {"values": [3, 5, 8]}}),
    "another pair": (_pairs((0, 0), (1, 0)), _pairs((0, 0), (1, 1), (2, 2))),
    "one axis shrinks": (_grid({"count": 3}, {"count": 2}), _grid({"count": 2}, {"count": 9})),
    "values for a count": ({"single": {"count": 2}}, {"single": {"values": [0, 1, 2]}}),
    "a grid for pairs": (_pairs((0, 0), (1, 0)), _grid({"count": 2}, {"count": 2})),
    "the rest of a sample": (_grid(_AXIS, _AXIS, sample={"size": 5}), _grid(_AXIS, _AXIS)),
    "another sample": (
        _grid(_AXIS, _AXIS, sample={"size": 5, "seed": 0}),
        _grid(_AXIS, _AXIS, sample={"size": 9, "seed": 1}),
    ),
    "a sample of more": (
        _grid(_AXIS, _AXIS, sample={"size": 5}),
        _grid(_AXIS, {"count": 5}, sample={"size": 9}),
    ),
}
"""Of each, some seed is not in the second, or its form is another."""


def failed(reason: str) -> Condition:
    """The condition of a sweep that has failed."""
    return Condition(type="Failed", status="True", reason=reason, message="", last_transition_time=SINCE)

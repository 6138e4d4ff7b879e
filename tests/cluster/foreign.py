"""Objects that somebody else has made under names that a sweep needs: whoever finds them there has to read them."""

from collections.abc import Mapping
from typing import Any

from seedsweep.api.sweep import API_VERSION

_KINDS = {"episodes": "Episode", "cuts": "Cut"}

Object = dict[str, Any]


def foreign(plural: str, name: str, *, sweep: str = "another", labels: Mapping[str, str] | None = None) -> Object:
    """A pod, an Episode or a Cut of this name that no sweep of ours owns; `sweep`: whose it says that it is."""
    metadata = {"name": name, "labels": labels or {}}
    if plural == "pods":
        return {"metadata": metadata, "spec": {"containers": [{"name": "x", "image": "x:1"}]}}
    if plural == "episodes":
        content: Object = {"spec": {"sweep": sweep, "weightInit": 0, "dataOrder": 0, "index": 0}}
    else:
        cut = {"bracket": 0, "rung": 0, "evaluation": 3, "keep": 1, "rankBy": "best"}
        content = {"data": {"sweep": sweep, **cut, "ranked": ["wi0-do0"], "scores": [1.0]}}
    return {"apiVersion": API_VERSION, "kind": _KINDS[plural], "metadata": metadata, **content}

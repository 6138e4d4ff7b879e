"""The operator's rights as its chart has them, given to its user in one namespace, whole or without one of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from cluster.audit import AuditEvent
from cluster.controlplane import ControlPlane

USER = "operator"
"""The user that the control plane knows the operator by."""
FILE = Path(__file__).parents[2] / "charts" / "seedsweep" / "files" / "operator-rules.yaml"
_GROUP = "rbac.authorization.k8s.io"

Object = dict[str, Any]


class Right(NamedTuple):
    """To do one thing with one kind."""

    group: str
    """Of the API."""
    resource: str
    """With its subresource."""
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def rules() -> list[Object]:
    """All of them."""
    found: list[Object] = YAML(typ="safe", pure=True).load(FILE)
    return found


def rights() -> Iterator[Right]:
    """All of them one by one, in their order."""
    for rule in rules():
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for group in rule["apiGroups"]:
                    yield Right(group, resource, verb)


def rules_without(missing: Right) -> list[Object]:
    """All of them but one."""
    return [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]}
        for right in rights()
        if right != missing
    ]


def right_of(event: AuditEvent) -> Right:
    """What a request needed."""
    return Right(event.group, f"{event.resource}/{event.subresource}".rstrip("/"), event.verb)


def bind(control_plane: ControlPlane, namespace: str, user: str, role: str, kind: str = "ClusterRole") -> None:
    """Give a user a role in a namespace; `kind`: ClusterRole, or Role for one of its own."""
    subject = {"apiGroup": _GROUP, "kind": "User", "name": user}
    reference = {"apiGroup": _GROUP, "kind": kind, "name": role}
    binding = {"metadata": {"name": user}, "roleRef": reference, "subjects": [subject]}
    control_plane.create(f"/apis/{_GROUP}/v1/namespaces/{namespace}/rolebindings", binding)


def grant_rights(control_plane: ControlPlane, namespace: str, missing: Right | None = None) -> None:
    """Give the operator's user in one namespace what its chart gives, and no more; or that but for one."""
    rbac = f"/apis/{_GROUP}/v1/namespaces/{namespace}"
    given = rules() if missing is None else rules_without(missing)
    control_plane.create(f"{rbac}/roles", {"metadata": {"name": USER}, "rules": given})
    bind(control_plane, namespace, USER, USER, "Role")
    # One role holds them all: who may do one thing may do the others.
    known = next(right for right in rights() if right != missing)
    control_plane.until_allowed(USER, namespace, known.verb, known.group, known.resource)


def change_rights(control_plane: ControlPlane, namespace: str, missing: Right | None = None) -> None:
    """Take one away, or give all back."""
    given = rules() if missing is None else rules_without(missing)
    path = f"/apis/{_GROUP}/v1/namespaces/{namespace}/roles/{USER}"
    code, answer = control_plane.request("PATCH", path, {"rules": given})
    assert code == 200, answer
    if missing is not None:
        control_plane.until_allowed(USER, namespace, missing.verb, missing.group, missing.resource, to=False)

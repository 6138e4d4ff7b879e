"""A sweep's record on an API server, as an operator would leave it, for those who come to read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cluster.controlplane import ControlPlane
from cluster.rights import bind
from inputs import records
from seedsweep.api.base import ApiModel
from seedsweep.kube.objects import names

KINDS = ("seedsweeps", "episodes", "cuts")

Object = dict[str, Any]


@dataclass
class Cluster:
    """A record as an operator would leave it in a namespace."""

    control_plane: ControlPlane
    namespace: str
    record: records.Record
    uid: str = ""

    @property
    def api(self) -> str:
        return f"/apis/seedsweep.io/v1alpha1/namespaces/{self.namespace}"

    def write(self) -> None:
        """Create the sweep, not over yet, with all its episodes and cuts."""
        self.uid = self.control_plane.create(f"{self.api}/seedsweeps", self._body(self.record.sweep))["metadata"]["uid"]
        self.publish(phase="Running", completion_time=None, conditions=[], best=None, live_key="word")
        for plural, owned in (("episodes", self.record.episodes), ("cuts", self.record.cuts)):
            for item in owned:
                body = self._body(item)
                body["metadata"]["labels"] = names.labels("rte", self.uid)
                body["metadata"]["ownerReferences"] = [names.owner_reference("rte", self.uid)]
                self.control_plane.create(f"{self.api}/{plural}", body)

    def publish(self, **update: object) -> None:
        """Write the sweep's status, with parts of the record's replaced."""
        status = self.record.with_status(**update).status.model_dump(mode="json", by_alias=True, exclude_none=True)
        code, answer = self.control_plane.request("PATCH", f"{self.api}/seedsweeps/rte/status", {"status": status})
        assert code == 200, answer

    def allow(self, user: str, *resources: str, pods: Sequence[str] = ()) -> None:
        """Let a user read kinds of ours in the namespace, do this with pods, and nothing else."""
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        rules = [{"apiGroups": ["seedsweep.io"], "resources": list(resources), "verbs": ["get", "list"]}]
        if pods:
            rules.append({"apiGroups": [""], "resources": ["pods"], "verbs": list(pods)})
        self.control_plane.create(f"{rbac}/roles", {"metadata": {"name": "look"}, "rules": rules})
        bind(self.control_plane, self.namespace, user, "look", "Role")
        self.control_plane.until_allowed(user, self.namespace, "list", "seedsweep.io", resources[0])

    def _body(self, item: ApiModel) -> Object:
        body: Object = item.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
        return {"apiVersion": "seedsweep.io/v1alpha1", "kind": type(item).__name__, **body}

"""Where a sweep's objects are: its namespace, name and UID, and the paths and metadata that follow from them."""

from dataclasses import dataclass

from seedsweep.api.episode import EpisodeId
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.apiserver.client import Object
from seedsweep.kube.objects import names


def pods_path(namespace: str) -> str:
    """Path of the pods in a namespace."""
    return f"/api/v1/namespaces/{namespace}/pods"


def sweeps_path(namespace: str | None) -> str:
    """Path of the sweeps in a namespace, or in all."""
    where = f"namespaces/{namespace}/" if namespace is not None else ""
    return f"/apis/{API_VERSION}/{where}seedsweeps"


@dataclass(frozen=True, slots=True)
class Home:
    """The sweep that owns the records."""

    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, body: Object) -> "Home":
        """The sweep that an object is."""
        metadata = body["metadata"]
        return cls(metadata["namespace"], metadata["name"], metadata["uid"])

    def collection(self, plural: str) -> str:
        """Path of a collection in the sweep's namespace."""
        return f"/apis/{API_VERSION}/namespaces/{self.namespace}/{plural}"

    @property
    def pods(self) -> str:
        """Path of the pods in the sweep's namespace."""
        return pods_path(self.namespace)

    def pod(self, name: str) -> str:
        """Path of one of them."""
        return f"{self.pods}/{name}"

    @property
    def path(self) -> str:
        """Path of the sweep itself."""
        return f"{sweeps_path(self.namespace)}/{self.name}"

    @property
    def selector(self) -> str:
        """Labels of everything that belongs to it."""
        return f"{names.LABEL_SWEEP_UID}={self.uid}"

    def metadata(self, name: str, episode: EpisodeId | None = None) -> Object:
        """Metadata of an object that belongs to it."""
        labels = names.labels(self.name, self.uid, episode)
        owner = names.owner_reference(self.name, self.uid)
        return {"name": name, "namespace": self.namespace, "labels": labels, "ownerReferences": [owner]}

"""The parts of core Kubernetes types that a sweep may carry, under their own names.

Only fields by which the author of a sweep gains nothing that writing a pod would not give: no host
paths, no host namespaces, no privileged containers. What stands here is passed on to pods as it is.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from seedsweep.api.base import ApiModel

Name = Annotated[str, Field(min_length=1, max_length=253)]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?([numkMGTPE]|[KMGTPE]i|e[0-9]+)?$", max_length=32)]
Object = dict[str, Any]


class ObjectMeta(ApiModel):
    """Metadata of an object; all but name, namespace, labels and annotations is the API server's."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    namespace: Annotated[str, Field(max_length=63)] | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    uid: str | None = None
    generation: int | None = None
    resource_version: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    owner_references: list[Object] = Field(default_factory=list)
    finalizers: list[str] = Field(default_factory=list)
    managed_fields: list[Object] = Field(default_factory=list)


class EnvVar(ApiModel):
    """An environment variable; SEEDSWEEP_ names belong to the contract."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
    value: str = ""
    value_from: Object | None = None

    @model_validator(mode="after")
    def _not_ours(self) -> Self:
        if self.name.startswith("SEEDSWEEP_"):
            raise ValueError(f"{self.name}: names that begin with SEEDSWEEP_ are set by SeedSweep; choose another")
        return self


class ResourceRequirements(ApiModel):
    """Resources of the trainer's container."""

    limits: dict[str, Quantity | int] = Field(default_factory=dict)
    requests: dict[str, Quantity | int] = Field(default_factory=dict)
    claims: list[Object] = Field(default_factory=list)


class VolumeMount(ApiModel):
    """Where a volume of the pod template appears in the trainer's container."""

    name: Name
    mount_path: Annotated[str, Field(min_length=1)]
    sub_path: str | None = None
    read_only: bool = False


class Volume(ApiModel):
    """A volume of a harmless kind: exactly one source."""

    name: Name
    persistent_volume_claim: Object | None = None
    empty_dir: Object | None = None
    config_map: Object | None = None
    secret: Object | None = None
    ephemeral: Object | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [value for key, value in self if key != "name" and value is not None]
        if len(sources) != 1:
            raise ValueError("needs exactly one of persistentVolumeClaim, emptyDir, configMap, secret or ephemeral")
        return self


class PodSecurityContext(ApiModel):
    """Of the security context, only the group that owns mounted volumes."""

    fs_group: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class PodSpec(ApiModel):
    """The subset of a pod's spec that a sweep may set."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[Object] = Field(default_factory=list)
    affinity: Object | None = None
    topology_spread_constraints: list[Object] = Field(default_factory=list)
    volumes: list[Volume] = Field(default_factory=list)
    image_pull_secrets: list[Object] = Field(default_factory=list)
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    scheduler_name: str | None = None
    resource_claims: list[Object] = Field(default_factory=list)
    scheduling_gates: list[Object] = Field(default_factory=list)
    security_context: PodSecurityContext | None = None
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    service_account_name: str | None = None
    """Refused unless the administrator's allow-list has it."""


class PodTemplateMeta(ApiModel):
    """Labels and annotations for every pod, for charge-back, queues and the like."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class PodTemplate(ApiModel):
    """What every pod of the sweep gets beside the trainer's container."""

    metadata: PodTemplateMeta = PodTemplateMeta()
    spec: PodSpec = PodSpec()


class Condition(ApiModel):
    """A condition in the Kubernetes form."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: str
    observed_generation: int | None = None

"""The parts of core Kubernetes types that a sweep may carry, under their own names.

Only fields by which the author of a sweep gains nothing that writing a pod would not give: no host
paths, no host namespaces, no privileged containers. What stands here is passed on to pods as it is.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from seedsweep.api.base import ApiModel, Distinct, OneOf
from seedsweep.api.core.labels import Labels, PodAnnotations, PodLabels
from seedsweep.api.core.scheduling import (
    Affinity,
    NamedList,
    PodResourceClaim,
    Toleration,
    TopologySpreadConstraint,
)
from seedsweep.api.core.volumes import Name, Quantity, Resources, Volumes
from seedsweep.api.recorded import CONDITION_TYPE, MAX_MESSAGE, MAX_REASON, REASON, Bound, Recorded, Timestamp


class ObjectMeta(ApiModel):
    """Metadata of an object; all but name, namespace, labels and annotations is the API server's.

    Of a newer one it may have fields that nobody here knows: they are left out.
    """

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    generate_name: str | None = None
    namespace: Annotated[str, Field(max_length=63)] | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    self_link: str | None = None
    uid: str | None = None
    generation: int | None = None
    resource_version: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    owner_references: list[dict[str, Any]] = Field(default_factory=list)
    finalizers: list[str] = Field(default_factory=list)
    managed_fields: list[dict[str, Any]] = Field(default_factory=list)


class KeyReference(ApiModel):
    """A key of a ConfigMap or Secret in the sweep's namespace."""

    name: Name
    key: Name
    optional: bool = False


class FieldReference(ApiModel):
    """A field of the pod."""

    field_path: Name
    api_version: Literal["v1"] = "v1"


class ResourceReference(ApiModel):
    """A resource of a container."""

    resource: Name
    container_name: Name | None = None
    divisor: Quantity | int | None = None


class EnvVarSource(OneOf):
    """Where the value of a variable is from: exactly one source."""

    one_of = ("field_ref", "resource_field_ref", "config_map_key_ref", "secret_key_ref")

    field_ref: FieldReference | None = None
    resource_field_ref: ResourceReference | None = None
    config_map_key_ref: KeyReference | None = None
    secret_key_ref: KeyReference | None = None


class EnvVar(ApiModel):
    """An environment variable; SEEDSWEEP_ names belong to the contract."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
    value: Annotated[str, Field(max_length=32768)] = ""
    value_from: EnvVarSource | None = None

    @model_validator(mode="after")
    def _not_ours(self) -> Self:
        if self.name.startswith("SEEDSWEEP_"):
            raise ValueError(f"{self.name}: names that begin with SEEDSWEEP_ are set by SeedSweep; choose another")
        return self


class SourceReference(ApiModel):
    """A ConfigMap or Secret in the sweep's namespace."""

    name: Name
    optional: bool = False


class EnvFromSource(OneOf):
    """Variables from all entries of a ConfigMap or Secret."""

    one_of = ("config_map_ref", "secret_ref")

    prefix: Name | None = None
    config_map_ref: SourceReference | None = None
    secret_ref: SourceReference | None = None


class ContainerClaim(ApiModel):
    """A claim of the pod that the container uses."""

    name: Name
    request: Name | None = None


class ResourceRequirements(ApiModel):
    """Resources of the trainer's container."""

    limits: Resources = Field(default_factory=dict)
    requests: Resources = Field(default_factory=dict)
    claims: Annotated[list[ContainerClaim], Field(max_length=20)] = Field(default_factory=list)


class PodSecurityContext(ApiModel):
    """Of the security context, only the group that owns mounted volumes."""

    fs_group: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class PodSpec(ApiModel):
    """The subset of a pod's spec that a sweep may set."""

    node_selector: Labels = Field(default_factory=dict)
    tolerations: Annotated[list[Toleration], Field(max_length=50)] = Field(default_factory=list)
    affinity: Affinity | None = None
    topology_spread_constraints: Annotated[list[TopologySpreadConstraint], Field(max_length=20)] = Field(
        default_factory=list
    )
    volumes: Volumes = Field(default_factory=list)
    image_pull_secrets: NamedList = Field(default_factory=list)
    priority_class_name: Name | None = None
    runtime_class_name: Name | None = None
    scheduler_name: Name | None = None
    resource_claims: Annotated[list[PodResourceClaim], Field(max_length=20), Distinct(keys=("name",))] = Field(
        default_factory=list
    )
    scheduling_gates: NamedList = Field(default_factory=list)
    security_context: PodSecurityContext | None = None
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    service_account_name: Name | None = None
    """Name of the pods' ServiceAccount, which has to be on the administrator's allow-list. Absent: the default one of
    the namespace."""


class PodTemplateMeta(ApiModel):
    """Labels and annotations for every pod, for charge-back, queues and the like."""

    labels: PodLabels = Field(default_factory=dict)
    annotations: PodAnnotations = Field(default_factory=dict)


class PodTemplate(ApiModel):
    """What every pod of the sweep gets beside the trainer's container."""

    metadata: PodTemplateMeta = PodTemplateMeta()
    spec: PodSpec = PodSpec()


Generation = Annotated[int, Field(json_schema_extra={"minimum": 0})]
"""The metadata.generation of an object."""


class Condition(Recorded):
    """A condition in the Kubernetes form."""

    type: Annotated[str, Bound(316, CONDITION_TYPE)]
    """What the condition is about, in one word, such as Complete."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds: True, False or Unknown."""
    reason: Annotated[str, Bound(MAX_REASON, REASON)]
    """Why the condition has its status, in one word for programs."""
    message: Annotated[str, Bound(MAX_MESSAGE)] = ""
    """Why the condition has its status, in words for people."""
    last_transition_time: Timestamp
    """Time at which the status of the condition changed last (RFC 3339)."""
    observed_generation: Generation | None = None
    """The metadata.generation of the spec that the condition is about."""

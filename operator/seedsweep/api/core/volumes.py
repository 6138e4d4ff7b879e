"""Volumes of harmless kinds, as core Kubernetes types: nothing that reaches into a node."""

from typing import Annotated, Literal

from pydantic import Field

from seedsweep.api.base import ApiModel, Distinct, OneOf
from seedsweep.api.core.labels import Annotations, Keyed, Labels

Name = Annotated[str, Field(min_length=1, max_length=253)]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?([numkMGTPE]|[KMGTPE]i|e[0-9]+)?$", max_length=32)]
Resources = Annotated[dict[str, Quantity | int], Field(max_length=50), Keyed()]
FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
Mode = Annotated[int, Field(ge=0, le=0o777)]


class KeyToPath(ApiModel):
    """An entry and the file it becomes."""

    key: Name
    path: FilePath
    mode: Mode | None = None


Items = Annotated[list[KeyToPath], Field(max_length=100)]


class PersistentVolumeClaimSource(ApiModel):
    """A claim in the sweep's namespace."""

    claim_name: Name
    read_only: bool = False


class EmptyDirSource(ApiModel):
    """A folder that lives as long as the pod."""

    medium: Literal["", "Memory"] = ""
    size_limit: Quantity | int | None = None


class ConfigMapSource(ApiModel):
    """The entries of a ConfigMap as files."""

    name: Name
    items: Items = Field(default_factory=list)
    default_mode: Mode | None = None
    optional: bool = False


class SecretSource(ApiModel):
    """The entries of a Secret as files."""

    secret_name: Name
    items: Items = Field(default_factory=list)
    default_mode: Mode | None = None
    optional: bool = False


class ClaimResources(ApiModel):
    """How large a claim is."""

    requests: Resources = Field(default_factory=dict)
    limits: Resources = Field(default_factory=dict)


class ClaimSpec(ApiModel):
    """A claim made for one pod."""

    access_modes: Annotated[list[Name], Field(max_length=4)]
    resources: ClaimResources
    storage_class_name: Name | None = None
    volume_mode: Literal["Filesystem"] | None = None


class ClaimMeta(ApiModel):
    """Labels and annotations of a claim made for one pod."""

    labels: Labels = Field(default_factory=dict)
    annotations: Annotations = Field(default_factory=dict)


class ClaimTemplate(ApiModel):
    """A claim made for one pod."""

    metadata: ClaimMeta = ClaimMeta()
    spec: ClaimSpec


class EphemeralSource(ApiModel):
    """A claim that lives as long as the pod."""

    volume_claim_template: ClaimTemplate


class Volume(OneOf):
    """A volume of a harmless kind: exactly one source."""

    one_of = ("persistent_volume_claim", "empty_dir", "config_map", "secret", "ephemeral")

    name: Annotated[str, Field(min_length=1, max_length=63)]
    persistent_volume_claim: PersistentVolumeClaimSource | None = None
    empty_dir: EmptyDirSource | None = None
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    ephemeral: EphemeralSource | None = None


class VolumeMount(ApiModel):
    """Where a volume of the pod template appears in the trainer's container."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    mount_path: FilePath
    sub_path: FilePath | None = None
    read_only: bool = False


Volumes = Annotated[list[Volume], Field(max_length=50), Distinct(keys=("name",))]
VolumeMounts = Annotated[list[VolumeMount], Field(max_length=50), Distinct(keys=("mountPath",))]

"""The parts of core Kubernetes types that say where pods run, under their own names."""

from typing import Annotated, Literal

from pydantic import Field

from seedsweep.api.base import ApiModel, Distinct
from seedsweep.api.core.labels import Label, Labels, LabelValue

Weight = Annotated[int, Field(ge=1, le=100)]


class Requirement(ApiModel):
    """A condition on one label or field."""

    key: Label
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=100)] = Field(default_factory=list)


Requirements = Annotated[list[Requirement], Field(max_length=50)]


class LabelSelector(ApiModel):
    """Which pods or namespaces are meant."""

    match_labels: Labels = Field(default_factory=dict)
    match_expressions: Requirements = Field(default_factory=list)


class Toleration(ApiModel):
    """A taint that is put up with."""

    key: Label | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


class TopologySpreadConstraint(ApiModel):
    """How evenly pods spread over a topology."""

    max_skew: Annotated[int, Field(ge=1)]
    topology_key: Label
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    label_selector: LabelSelector | None = None
    match_label_keys: Annotated[list[Label], Field(max_length=20)] = Field(default_factory=list)
    min_domains: Annotated[int, Field(ge=1)] | None = None
    node_affinity_policy: Literal["Honor", "Ignore"] | None = None
    node_taints_policy: Literal["Honor", "Ignore"] | None = None


class NodeSelectorTerm(ApiModel):
    """Nodes for which all of this holds."""

    match_expressions: Requirements = Field(default_factory=list)
    match_fields: Requirements = Field(default_factory=list)


class NodeSelector(ApiModel):
    """Nodes for which one of the terms holds."""

    node_selector_terms: Annotated[list[NodeSelectorTerm], Field(min_length=1, max_length=20)]


class PreferredNodes(ApiModel):
    """Nodes that are liked better."""

    weight: Weight
    preference: NodeSelectorTerm


class NodeAffinity(ApiModel):
    """By the labels of nodes."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: Annotated[list[PreferredNodes], Field(max_length=20)] = Field(
        default_factory=list
    )


class PodAffinityTerm(ApiModel):
    """Nodes by the pods that are there."""

    topology_key: Label
    label_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    namespaces: Annotated[list[LabelValue], Field(max_length=100)] = Field(default_factory=list)
    match_label_keys: Annotated[list[Label], Field(max_length=20)] = Field(default_factory=list)
    mismatch_label_keys: Annotated[list[Label], Field(max_length=20)] = Field(default_factory=list)


class PreferredPodAffinity(ApiModel):
    """Nodes that are liked better for the pods that are there."""

    weight: Weight
    pod_affinity_term: PodAffinityTerm


class PodAffinity(ApiModel):
    """By the pods that run on nodes already: near them, or, as podAntiAffinity, apart."""

    required_during_scheduling_ignored_during_execution: Annotated[list[PodAffinityTerm], Field(max_length=20)] = Field(
        default_factory=list
    )
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredPodAffinity], Field(max_length=20)
    ] = Field(default_factory=list)


class Affinity(ApiModel):
    """Which nodes pods are drawn to."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class Named(ApiModel):
    """A reference by name."""

    name: Annotated[str, Field(min_length=1, max_length=253)]


NamedList = Annotated[list[Named], Field(max_length=20), Distinct(keys=("name",))]


class PodResourceClaim(ApiModel):
    """A ResourceClaim that pods share, or a template of which each gets its own."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    resource_claim_name: Annotated[str, Field(max_length=253)] | None = None
    resource_claim_template_name: Annotated[str, Field(max_length=253)] | None = None

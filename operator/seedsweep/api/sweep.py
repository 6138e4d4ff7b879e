"""`SeedSweep`: what a user asks for, and the status that answers."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from seedsweep.api.base import ApiModel, Distinct, OneOf, Text
from seedsweep.api.checks import cross_check
from seedsweep.api.core import EnvFromSource, EnvVar, ObjectMeta, PodTemplate, ResourceRequirements
from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.finetuning import MAX_EVALUATIONS, FineTuning, Metric
from seedsweep.api.seeds import MAX_EPISODES, Seeds
from seedsweep.api.status import SweepStatus
from seedsweep.api.volumes import Name, VolumeMounts

API_VERSION = "seedsweep.io/v1alpha1"


def _positive_number(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4})?", text) is None or float(text) <= 0:
        raise ValueError('must be a number above 0 in quotes, like "0.25"')
    return text


MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=253)]
Seconds = Annotated[int, Field(ge=1, le=10**8)]
GpuCount = Annotated[
    str,
    Field(max_length=9, json_schema_extra={"pattern": r"^[0-9]{1,4}(\.[0-9]{1,4})?$"}),
    AfterValidator(_positive_number),
]
Words = Annotated[list[Annotated[str, Field(max_length=32768)]], Field(max_length=500)]
MAX_TRAINER_TEXT = 131_072
"""Characters of what stands in every pod of the sweep: a command, its arguments, variables and configuration."""


class GaugeNames(ApiModel):
    """Names of the gauges under which a trainer of one's own exports what is needed; absent: the contract's names."""

    score: MetricName | None = None
    """A gauge with the latest validation score."""
    progress: MetricName | None = None
    """A gauge that rises from 0 to 1 over the episode."""


class ConfigMapKey(ApiModel):
    """A key of a ConfigMap in the sweep's namespace."""

    name: Name
    """Of the ConfigMap."""
    key: Name
    """Of its entry."""


class Config(OneOf):
    """What a trainer of one's own is told: exactly one of json or configMap."""

    one_of = ("json_text", "config_map")

    json_text: str | None = Field(default=None, alias="json", max_length=100_000)
    """The text itself, handed over as SEEDSWEEP_CONFIG."""
    config_map: ConfigMapKey | None = None


class Trainer(ApiModel):
    """The container that trains one episode: our own (`fineTuning`), or one's own (`command`, `metric`)."""

    image: Text | None = None
    """The container image, on a cluster."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """As in a core Container."""
    command: Words = Field(default_factory=list)
    """Replaces the image's entry point; $(SEEDSWEEP_SEED) and the like are expanded."""
    args: Words = Field(default_factory=list)
    """Arguments of the command; the same names are expanded."""
    env: Annotated[list[EnvVar], Field(max_length=500), Distinct(keys=("name",))] = Field(default_factory=list)
    """Variables of every episode; SEEDSWEEP_ names belong to the contract."""
    env_from: Annotated[list[EnvFromSource], Field(max_length=50)] = Field(default_factory=list)
    """As in a core Container."""
    resources: ResourceRequirements = ResourceRequirements()
    volume_mounts: VolumeMounts = Field(default_factory=list)
    """As in a core Container."""
    fine_tuning: FineTuning | None = None
    config: Config | None = None
    gauges: GaugeNames = GaugeNames()
    metric: Metric | None = None
    """The metric a trainer of one's own publishes, with its direction."""
    evaluations: Annotated[int, Field(ge=1, le=MAX_EVALUATIONS)] | None = None
    """How many evaluations an episode of a trainer of one's own makes: where GPUs are few, the first to start then stop
    at their rung, too. Absent: the trainer tells; one with a gauge of progress makes 100."""

    @model_validator(mode="after")
    def _ours_or_theirs(self) -> Self:
        if self.fine_tuning is not None:
            taken = [n for n in ("command", "args", "config", "metric", "evaluations") if getattr(self, n)]
            if taken:
                raise ValueError(
                    f"fineTuning is our own trainer; remove {', '.join(taken)} or remove fineTuning"
                    + (" (the metric goes inside fineTuning)" if "metric" in taken else "")
                )
        elif self.metric is None:
            raise ValueError("needs fineTuning, or metric (name and goal) for a trainer of one's own")
        return self

    @model_validator(mode="after")
    def _not_too_long(self) -> Self:
        size = sum(map(len, (*self.command, *self.args))) + sum(len(v.name) + len(v.value) for v in self.env)
        if self.config is not None and self.config.json_text is not None:
            size += len(self.config.json_text)
        if size > MAX_TRAINER_TEXT:
            raise ValueError(
                f"command, args, env and config have {size} characters together, more than {MAX_TRAINER_TEXT}: "
                "mount a ConfigMap instead"
            )
        return self

    @property
    def planned_evaluations(self) -> int | None:
        """Evaluations of an episode; None where the trainer has to tell."""
        return self.fine_tuning.evaluations if self.fine_tuning is not None else self.evaluations

    @property
    def ranking_metric(self) -> Metric | None:
        """The metric as written; None where it follows from fineTuning.dataset.task."""
        return self.fine_tuning.metric if self.fine_tuning is not None else self.metric


class ClaimSource(ApiModel):
    """A claim in the sweep's namespace."""

    claim_name: Name
    """Of the PersistentVolumeClaim."""


class RetentionPolicy(ApiModel):
    """What happens to stored weights."""

    when_finished: Literal["KeepBest", "KeepAll"] = "KeepBest"
    """Whether only the best weights stay once the sweep is over."""
    when_deleted: Literal["Retain", "Delete"] = "Retain"
    """Whether what is stored goes with the sweep."""


class Storage(OneOf):
    """Where checkpoints outlive pods: exactly one of persistentVolumeClaim or uri."""

    one_of = ("persistent_volume_claim", "uri")

    persistent_volume_claim: ClaimSource | None = None
    uri: Annotated[str, Field(pattern=r"^[a-z0-9+.-]+://.+$", max_length=4096)] | None = None
    """A folder by its fsspec URI, such as s3://bucket/prefix."""
    retention_policy: RetentionPolicy = RetentionPolicy()


class Hub(ApiModel):
    """A repository of models on the Hugging Face hub; the trainer's HF_TOKEN must be allowed to write it."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", max_length=200)]
    """OWNER/NAME; made where it does not exist."""
    private: bool = True
    """Whether a new repository is private."""


class Export(OneOf):
    """Where a copy of the winner goes, with its model card: exactly one of uri or hub."""

    one_of = ("uri", "hub")

    uri: Annotated[str, Field(pattern=r"^(/|[a-z0-9+.-]+://).+$", max_length=4096)] | None = None
    """A folder by its absolute path in the trainer's pod, or by its fsspec URI."""
    hub: Hub | None = None


class Scrape(ApiModel):
    """How often trainers' metrics are read, and where."""

    interval_seconds: Annotated[int, Field(ge=1, le=3600)] = 15
    """How often, and five times as often where others wait for a GPU whose trainer nears its rung; on one machine 2
    where it is not given."""
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    """How long one reading may take."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 9400
    """On one machine: the first of `parallelism` ports where it is given; else any free ones are taken."""


class SweepSpec(ApiModel):
    """What is studied, how much of it runs at once, and when it is cut."""

    seeds: Seeds
    parallelism: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    """How many episodes may train at once: how many GPUs to ask for."""
    gpus_per_episode: GpuCount | None = None
    """GPUs that an episode holds, for the ledger, like "0.25": required on a cluster where its resources do not tell
    it (time-slicing, MPS, resource claims). Absent: the whole GPUs and MIG slices of its limits."""
    early_stopping: EarlyStopping | None = None
    """Absent: every episode trains fully."""
    trainer: Trainer
    pod_template: PodTemplate = PodTemplate()
    """What every pod gets beside the container of the trainer."""
    storage: Storage | None = None
    """Where checkpoints outlive pods. Absent on a cluster: survivors start again from their seeds."""
    export: Export | None = None
    """Where a copy of the winner goes once the sweep is over."""
    backoff_limit_per_episode: Annotated[int, Field(ge=0, le=100)] = 2
    """Failures of an episode that are retried; interruptions do not count."""
    max_failed_episodes: Annotated[int, Field(ge=0, le=MAX_EPISODES)] | None = None
    """More failed episodes than this end the sweep. Absent: only all of them do."""
    progress_deadline_seconds: Seconds = 1800
    """An attempt without a new evaluation for so long is stopped and counts as a failure."""
    active_deadline_seconds: Seconds | None = None
    """After so long, suspended time not counted, the sweep fails and its best so far is kept."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=10**8)] | None = None
    """On a cluster: how long a finished sweep stays before it is deleted."""
    wait_for_capacity_seconds: Seconds = 300
    """How long pods may find no GPU before episodes begin to take turns on those there are."""
    suspend: bool = False
    """Stop all attempts at their next checkpoint and free their GPUs, until this is false again."""
    scrape: Scrape = Scrape()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        trainer = self.trainer
        problems = cross_check(self.seeds, self.early_stopping, trainer.fine_tuning, trainer.planned_evaluations)
        if problems:
            # The context carries them one by one, for an error that lists each with its path.
            raise PydanticCustomError("cross_check", "the parts do not fit together", {"problems": problems})
        return self


class SweepMeta(ObjectMeta):
    """Metadata of a sweep."""

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Pods, Episodes and Cuts are named after it: lower case letters, digits and '-', at most 40 characters."""


class SeedSweep(ApiModel):
    """Fine-tuning episodes that differ in their seeds alone, with early stopping."""

    api_version: Literal["seedsweep.io/v1alpha1"]
    kind: Literal["SeedSweep"]
    metadata: SweepMeta
    spec: SweepSpec
    status: SweepStatus | None = None

    def to_json(self) -> dict[str, Any]:
        """The resource as the API server would take it."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

"""`SeedSweep`: what a user asks for, and the status that answers."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from seedsweep.api.base import ApiModel, Distinct, GpuCount, OneOf, Text
from seedsweep.api.checks import check_budget, check_result, cross_check
from seedsweep.api.core.objects import EnvFromSource, EnvVar, ObjectMeta, PodTemplate, ResourceRequirements
from seedsweep.api.core.volumes import Name, VolumeMounts
from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.finetuning import FineTuning, Metric
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.api.seeds import MAX_EPISODES, Seeds
from seedsweep.api.status import SweepStatus

API_VERSION = "seedsweep.io/v1alpha1"


MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=253)]
Seconds = Annotated[int, Field(ge=1, le=10**8)]
Words = Annotated[list[Annotated[str, Field(max_length=32768)]], Field(max_length=500)]
MAX_NAME = 40
"""Characters of a sweep's name."""
MAX_TRAINER_TEXT = 131_072
"""Characters of what stands in every pod of the sweep: a command, its arguments, variables and configuration."""


class GaugeNames(ApiModel):
    """Names of the gauges that a custom trainer exports. Absent: the names in the trainer contract."""

    score: MetricName | None = None
    """Name of the gauge with the latest validation score. Absent: the name in the trainer contract."""
    progress: MetricName | None = None
    """Name of the gauge that rises from 0 to 1 over the episode. Absent: the trainer counts its evaluations instead."""


class ConfigMapKey(ApiModel):
    """A key of a ConfigMap in the sweep's namespace."""

    name: Name
    """Name of the ConfigMap."""
    key: Name
    """Key of the entry in the ConfigMap."""


class Config(OneOf):
    """Configuration of a custom trainer: exactly one of json or configMap."""

    one_of = ("json_text", "config_map")

    json_text: str | None = Field(default=None, alias="json", max_length=100_000)
    """The configuration as a string, which the trainer gets as SEEDSWEEP_CONFIG."""
    config_map: ConfigMapKey | None = None
    """The entry of a ConfigMap that the trainer gets as SEEDSWEEP_CONFIG."""


class OwnWeights(ApiModel):
    """The best weights that a custom trainer stores as the trainer contract says."""

    score_command: Words = Field(default_factory=list)
    """Command that scores weights on the validation data: see [trainer-contract.md](trainer-contract.md). It runs once;
    on a cluster, in the trainer's image without a GPU. Required for `result: average`."""


class Trainer(ApiModel):
    """The container that trains one episode: SeedSweep's own trainer (`fineTuning`), or a custom one (`command`,
    `metric`)."""

    image: Text | None = None
    """Container image of the trainer. Required on a cluster, ignored on one machine."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the image is pulled, as in a core/v1 Container."""
    command: Words = Field(default_factory=list)
    """Command that replaces the image's entry point. $(SEEDSWEEP_SEED) and the other variables of the contract are
    expanded."""
    args: Words = Field(default_factory=list)
    """Arguments of the command. $(SEEDSWEEP_SEED) and the other variables of the contract are expanded."""
    env: Annotated[list[EnvVar], Field(max_length=500), Distinct(keys=("name",))] = Field(default_factory=list)
    """Environment variables of every episode, as in a core/v1 Container. Names that begin with SEEDSWEEP_ are set by
    SeedSweep."""
    env_from: Annotated[list[EnvFromSource], Field(max_length=50)] = Field(default_factory=list)
    """Environment variables from ConfigMaps and Secrets, as in a core/v1 Container."""
    resources: ResourceRequirements = ResourceRequirements()
    """Requests, limits and claims of the container, as in a core/v1 Container. May change while the sweep is
    suspended."""
    volume_mounts: VolumeMounts = Field(default_factory=list)
    """Where volumes of the pod template are mounted in the container, as in a core/v1 Container."""
    fine_tuning: FineTuning | None = None
    """The recipe of SeedSweep's own trainer, shared by all episodes. Excludes command, args, config, metric and
    evaluations."""
    config: Config | None = None
    """Configuration of a custom trainer: exactly one of json or configMap."""
    gauges: GaugeNames = GaugeNames()
    """Names of the two gauges that a custom trainer exports instead of the whole curve. Absent: it exports the metrics
    of the trainer contract."""
    metric: Metric | None = None
    """The validation metric that a custom trainer exports, and by which episodes are ranked."""
    evaluations: Annotated[int, Field(ge=1, le=MAX_EVALUATIONS)] | None = None
    """Number of evaluations per episode of a custom trainer. Set it if there are fewer GPUs than episodes, so that the
    first ones to start also stop at their rung. Absent: the trainer reports it; a trainer with a gauge of progress has
    100."""
    weights: OwnWeights | None = None
    """The best weights of a custom trainer. If given, even as {}, the trainer stores them as the trainer contract says,
    and those of the winner are handed over. Absent: no weights are handed over."""

    @model_validator(mode="after")
    def _ours_or_theirs(self) -> Self:
        if self.fine_tuning is not None:
            taken = [n for n in ("command", "args", "config", "metric", "evaluations") if getattr(self, n)]
            if self.weights is not None:
                taken.append("weights")
            if self.gauges != GaugeNames():
                taken.append("gauges")
            if taken:
                raise ValueError(
                    f"fineTuning is our own trainer; remove {', '.join(taken)} or remove fineTuning"
                    + (" (the metric goes inside fineTuning)" if "metric" in taken else "")
                )
        elif self.metric is None:
            raise ValueError("needs fineTuning, or metric (name and goal) for a trainer of one's own")
        elif self.weights is not None and self.gauges != GaugeNames():
            raise ValueError(
                "weights belong to evaluations, and two gauges name none: publish the curve and remove gauges, or "
                "remove weights"
            )
        return self

    @model_validator(mode="after")
    def _not_too_long(self) -> Self:
        words = (*self.command, *self.args, *self.score_command)
        size = sum(map(len, words)) + sum(len(v.name) + len(v.value) for v in self.env)
        if self.config is not None and self.config.json_text is not None:
            size += len(self.config.json_text)
        if size > MAX_TRAINER_TEXT:
            raise ValueError(
                f"command, args, env, config and weights.scoreCommand have {size} characters together, more than "
                f"{MAX_TRAINER_TEXT}: "
                "mount a ConfigMap instead"
            )
        return self

    @property
    def planned_evaluations(self) -> int | None:
        """Evaluations of an episode; None where the trainer has to tell."""
        return self.fine_tuning.evaluations if self.fine_tuning is not None else self.evaluations

    @property
    def stores_weights(self) -> bool:
        """Whether it stores its best weights where there is a storage, so that they can be handed over."""
        return self.fine_tuning is not None or self.weights is not None

    @property
    def score_command(self) -> list[str]:
        """What scores an average of a custom trainer's weights; empty where nothing does."""
        return self.weights.score_command if self.weights is not None else []

    @property
    def ranking_metric(self) -> Metric | None:
        """The metric as written; None where it follows from fineTuning.dataset.task."""
        return self.fine_tuning.metric if self.fine_tuning is not None else self.metric

    @property
    def maximize(self) -> bool:
        """Whether a higher score is better; the published metrics of GLUE tasks all are."""
        return self.ranking_metric is None or self.ranking_metric.goal == "maximize"


class ClaimSource(ApiModel):
    """A claim in the sweep's namespace."""

    claim_name: Name
    """Name of the PersistentVolumeClaim, in the namespace of the sweep."""


class RetentionPolicy(ApiModel):
    """Which stored weights are kept."""

    when_finished: Literal["KeepBest", "KeepAll"] = "KeepBest"
    """What is kept once the sweep is over: KeepBest, the best weights of the winner and of every survivor; KeepAll,
    everything that survivors have stored, checkpoints included."""
    when_deleted: Literal["Retain", "Delete"] = "Retain"
    """What happens to the storage when the SeedSweep is deleted: Retain keeps it, Delete removes the sweep's folder."""


class Storage(OneOf):
    """Where checkpoints are stored: exactly one of persistentVolumeClaim or uri."""

    one_of = ("persistent_volume_claim", "uri")

    persistent_volume_claim: ClaimSource | None = None
    """A PersistentVolumeClaim in the namespace of the sweep."""
    uri: Annotated[str, Field(pattern=r"^[a-z0-9+.-]+://.+$", max_length=4096)] | None = None
    """URI of a folder that fsspec can write, such as s3://bucket/prefix."""
    retention_policy: RetentionPolicy = RetentionPolicy()
    """Which of the stored weights are kept, and for how long. May change until the winner has been handed over."""


class Hub(ApiModel):
    """A repository of models on the Hugging Face hub; the trainer's HF_TOKEN must be allowed to write it."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", max_length=200)]
    """The repository as OWNER/NAME; it is created if it does not exist."""
    private: bool = True
    """Whether a newly created repository is private."""


class Export(OneOf):
    """Where to copy the winner, with its model card: exactly one of uri or hub."""

    one_of = ("uri", "hub")

    uri: Annotated[str, Field(pattern=r"^(/|[a-z0-9+.-]+://).+$", max_length=4096)] | None = None
    """The folder for the copy: its absolute path in the trainer's pod, or its fsspec URI."""
    hub: Hub | None = None
    """A repository of models on the Hugging Face hub. The trainer's HF_TOKEN must be allowed to write it."""


class Scrape(ApiModel):
    """How often and on which port trainers' metrics are read."""

    interval_seconds: Annotated[int, Field(ge=1, le=3600)] = 15
    """Seconds between two readings of one trainer's metrics; a fifth of that if others wait for the GPU of a trainer
    near its rung. On one machine, 2 if absent."""
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    """Seconds that one reading may take."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 9400
    """TCP port of the trainers' metrics. On one machine, the first of `parallelism` ports if it is given, else any free
    ones."""


class SweepSpec(ApiModel):
    """Which episodes to train, how many at once, and when to cut."""

    seeds: Seeds
    """The episodes of the sweep, by their seeds: exactly one of grid, pairs or single. Without earlyStopping, or with
    one rung, you may add seeds while the sweep runs and after it is over: see [grow.md](grow.md)."""
    parallelism: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    """Number of episodes that may train at once. If each takes one GPU, this is the number of GPUs to use."""
    gpus_per_episode: GpuCount | None = None
    """GPUs that an episode holds, as a decimal string such as "0.25". They are counted in status.cost. Required on a
    cluster if the container's resources do not determine it (time-slicing, MPS, resource claims). Absent: the whole
    GPUs and MIG slices of its limits."""
    early_stopping: EarlyStopping | None = None
    """When episodes are stopped, and how many are kept: exactly one of rungs, brackets, hyperband or floor, or a floor
    with one rung. Absent: every episode trains to the end."""
    budget: Annotated[int, Field(ge=1, le=MAX_EPISODES)] | None = None
    """Total cost of the episodes of a sweep with earlyStopping.floor, in full runs. Episodes start in the order of
    spec.seeds while it pays for another that does not fall; the other seeds are not used. Required with
    earlyStopping.floor, and allowed only with it."""
    result: Literal["winner", "average"] = "winner"
    """Model that is handed over: `winner`, the weights of the best episode, or `average`, the mean of the survivors'
    best weights. If an average cannot be made, or scores worse on the validation data than its members do on average,
    the winner is handed over instead, and status.best.average says why. Needs trainer.fineTuning, or
    trainer.weights.scoreCommand."""
    trainer: Trainer
    """The container that trains one episode: SeedSweep's own (`fineTuning`), or another (`command`, `metric`)."""
    pod_template: PodTemplate = PodTemplate()
    """Labels, annotations and scheduling of the episodes' pods, in the form of a core/v1 PodTemplateSpec."""
    storage: Storage | None = None
    """Where checkpoints are stored so that they outlive pods: exactly one of persistentVolumeClaim or uri. Absent on a
    cluster: an episode that was stopped trains again from its seeds."""
    export: Export | None = None
    """Where to copy the winner once the sweep is over: exactly one of uri or hub. May change until the winner
    has been handed over. Absent: no copy is made."""
    backoff_limit_per_episode: Annotated[int, Field(ge=0, le=100)] = 2
    """Number of times that a failed episode is retried. Interruptions, such as an eviction, do not count."""
    max_failed_episodes: Annotated[int, Field(ge=0, le=MAX_EPISODES)] | None = None
    """Number of failed episodes that the sweep tolerates: one more ends it. Absent: it ends when all have failed."""
    progress_deadline_seconds: Seconds = 1800
    """Seconds that an attempt may take until its next evaluation, start-up included. After that it is stopped, which
    counts as a failure."""
    active_deadline_seconds: Seconds | None = None
    """Seconds that the sweep may take from its start, not counting suspension. After that it fails, and the best so far
    is kept. Absent: no limit."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=10**8)] | None = None
    """Seconds from completionTime until the SeedSweep is deleted, on a cluster. Absent: it stays."""
    wait_for_capacity_seconds: Seconds = 300
    """Seconds that pods may wait for a GPU before episodes take turns on the available ones."""
    suspend: bool = False
    """Whether the sweep is suspended: all attempts stop at their next checkpoint and free their GPUs, until this is
    false again."""
    scrape: Scrape = Scrape()
    """How often and on which port trainers' metrics are read."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        trainer = self.trainer
        problems = cross_check(self.seeds, self.early_stopping, trainer.fine_tuning, trainer.planned_evaluations)
        problems += check_budget(self.budget, self.seeds, self.early_stopping)
        if self.result == "average":
            scored = trainer.fine_tuning is not None or bool(trainer.score_command)
            problems += check_result(self.seeds, self.early_stopping, self.budget, scored=scored)
        if problems:
            # The context carries them one by one, for an error that lists each with its path.
            raise PydanticCustomError("cross_check", "the parts do not fit together", {"problems": problems})
        return self


class SweepMeta(ObjectMeta):
    """Metadata of a sweep."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Pods, Episodes and Cuts are named after it: lower case letters, digits and '-', at most 40 characters."""


def sweep_name(text: str) -> str:
    """A text as the name of a sweep; empty where it has no letter or digit that one may have."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_NAME].rstrip("-")


class SeedSweep(ApiModel):
    """Fine-tuning episodes that differ only in their seeds, with early stopping."""

    api_version: Literal["seedsweep.io/v1alpha1"]
    kind: Literal["SeedSweep"]
    metadata: SweepMeta
    spec: SweepSpec
    """Which episodes to train, how many at once, and when to cut."""
    status: SweepStatus | None = None
    """Observations, decisions and costs so far. Written only by the operator."""

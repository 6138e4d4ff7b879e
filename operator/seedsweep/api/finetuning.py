"""`spec.trainer.fineTuning`: what our own trainer is asked to do. The trainer parses these types too."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seedsweep.api.base import ApiModel, DecimalString, Distinct, OneOf, Seed, Text

MAX_EVALUATIONS = 300
"""Evaluations of one episode: as many as a pod's 4 KB termination message holds with their losses."""

MAX_DATASET_TEXT = 65_536
"""Characters of all labels and conditions of a data set together: the whole recipe is one variable of every pod, which
an operating system limits to 128 KiB."""

Task = Literal["mrpc", "rte", "cola", "sst2"]
METRIC_NAMES = ("accuracy", "f1", "accuracyAndF1", "mcc", "pearson", "spearman", "pearsonAndSpearman", "mse", "loss")
Recipe = Literal["stable", "dodge2020"]
Given = Annotated[Text, Field(min_length=1)]


class MetricRange(ApiModel):
    """The values the metric can take; a score outside is refused as not being this metric."""

    min: DecimalString | None = None
    """Smallest possible score."""
    max: DecimalString | None = None
    """Largest possible score; where there is one, reports state relative error reductions."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and Decimal(self.min) >= Decimal(self.max):
            raise ValueError(f"min {self.min} must be below max {self.max}")
        return self


class Metric(ApiModel):
    """The validation metric that ranks episodes."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """With fineTuning: one of accuracy, f1, accuracyAndF1, mcc, pearson, spearman, pearsonAndSpearman, mse, loss."""
    goal: Literal["maximize", "minimize"]
    """Which direction is better. Required: a metric without a direction cannot rank."""
    range: MetricRange | None = None


class Columns(ApiModel):
    """Names of the data's columns."""

    text: Given = "text"
    """The (first) sentence."""
    text_pair: Given | None = None
    """The second sentence, for pairs."""
    label: Given = "label"
    """The class or the value."""


class HubDataset(ApiModel):
    """A data set on the hub; its revision is resolved once and recorded."""

    name: Given
    """On the hub."""
    config: Text | None = None
    """The configuration of a data set that has several."""
    revision: Text | None = None
    """A branch, tag or commit."""
    train: Text = "train"
    """Name of the split to train on."""
    validation: Text | None = None
    """Name of the split that selects. Absent: taken from train as `split` says."""
    test: Text | None = None
    """Name of the split that reports, scored once for the winner."""


class Split(ApiModel):
    """Examples set aside from the training data where no file is given for them, drawn once by a fixed seed."""

    validation: Annotated[int, Field(ge=0)] = 0
    """Examples to select by."""
    test: Annotated[int, Field(ge=0)] = 0
    """Examples to report on."""
    seed: Seed = 0
    """Another seed draws others."""


class Subset(ApiModel):
    """At most so many examples of each part, drawn by a fixed seed of its own (after `split`)."""

    train: Annotated[int, Field(ge=1)] | None = None
    """At most so many."""
    validation: Annotated[int, Field(ge=1)] | None = None
    """At most so many."""
    test: Annotated[int, Field(ge=1)] | None = None
    """At most so many."""
    seed: Seed = 0
    """Another seed draws others."""


class Dataset(OneOf):
    """Where the examples come from: exactly one of `task` (with `path`), `train` (a file) or `hub`."""

    one_of = ("task", "train", "hub")

    task: Task | None = None
    """A GLUE task in its published TSV files: columns, labels and metric follow from it."""
    path: Given | None = None
    """With `task`: the folder that holds train.tsv and dev.tsv."""
    train: Given | None = None
    """A CSV, TSV, JSON (lines or array) or Parquet file: a path, or `package:NAME/FILE` inside an installed package."""
    validation: Given | None = None
    """A file to select by."""
    test: Given | None = None
    """A file to report on: scored once, for the winner."""
    hub: HubDataset | None = None
    columns: Columns = Columns()
    where: dict[str, Text] = Field(default_factory=dict, max_length=100)
    """Keep only rows whose named columns hold exactly these values."""
    kind: Literal["classification", "regression"] = "classification"
    """Of the task."""
    labels: Annotated[list[Text], Field(max_length=1000), Distinct()] | None = None
    """Class names in the order of their ids. Absent: the sorted distinct values of the label column in train."""
    positive_label: Text | None = None
    """The class that F1 is about. Absent: the second of two."""
    split: Split = Split()
    subset: Subset = Subset()
    max_length: Annotated[int, Field(ge=8, le=8192)] = 128
    """Longest input in tokens; how many examples were truncated stands in the record, report and model card."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.task is None) != (self.path is None):
            raise ValueError("task and path go together: the task's name and the folder with its train.tsv and dev.tsv")
        if self.hub is not None and (self.validation or self.test):
            raise ValueError("with hub, name the validation and test splits inside hub")
        if (
            self.task is None
            and self.split.validation == 0
            and not (self.hub.validation if self.hub else self.validation)
        ):
            raise ValueError("no validation data: give a validation file or split.validation")
        if self.kind == "regression" and (self.labels is not None or self.positive_label is not None):
            raise ValueError("regression has no labels: remove labels and positiveLabel")
        size = sum(map(len, self.labels or ())) + sum(len(key) + len(value) for key, value in self.where.items())
        if size > MAX_DATASET_TEXT:
            raise ValueError(
                f"labels and where have {size} characters together, more than {MAX_DATASET_TEXT}: shorten them"
            )
        return self


class FineTuning(ApiModel):
    """One fine-tuning recipe, shared by all episodes of a sweep: they differ in their seeds alone."""

    model: Given
    """A hub name, a folder, or `package:NAME/FOLDER` inside an installed Python package. Safetensors only."""
    model_revision: Text | None = None
    """The hub revision; resolved once and recorded."""
    dataset: Dataset
    metric: Metric | None = None
    """Absent: the published metric of `dataset.task`; required for any other data."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    """Passes over the training examples."""
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 16
    """Examples per forward pass; an optimizer step takes batchSize x gradientAccumulationSteps."""
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=4096)] = 1
    """Batches summed up for one optimizer step; they do not cross epochs."""
    evaluation_batch_size: Annotated[int, Field(ge=1, le=65536)] = 64
    """Examples per forward pass of an evaluation."""
    learning_rate: DecimalString = "2e-5"
    """The highest rate, at the end of the warm-up."""
    weight_decay: DecimalString = "0.01"
    """Of all but biases and normalisation weights."""
    warmup_percent: Annotated[int, Field(ge=0, le=100)] = 10
    """Share of all steps S over which the learning rate rises, before it falls linearly to 0 at S."""
    max_grad_norm: DecimalString = "1.0"
    """Gradients are scaled down to this norm."""
    evaluations_per_epoch: Annotated[int, Field(ge=1, le=MAX_EVALUATIONS)] = 10
    """E is this times epochs; evaluation i follows step ceil(i S / E)."""
    recipe: Recipe = "stable"
    """`stable`, or `dodge2020`: what the authors' code did, for reproducing the paper."""
    head: Literal["reinit", "keep"] = "reinit"
    """`keep` uses the checkpoint's own head, and so allows one weight-init seed only."""
    dropout_seed: Seed | None = None
    """Absent: dropout follows the data-order seed, in a stream of its own."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bf16 autocast over fp32 weights where the hardware has it, else fp32."""
    compile: bool = False
    """torch.compile: faster on long runs, not bit-equal to eager."""
    threads_per_episode: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of one episode. Part of the record: it changes the arithmetic and so the result."""
    checkpoint_every_evaluations: Annotated[int, Field(ge=1, le=MAX_EVALUATIONS)] = 1
    """How often a checkpoint is written, beside those at every rung; an interruption loses at most this much."""

    @property
    def evaluations(self) -> int:
        """E, the evaluations of a full episode."""
        return self.epochs * self.evaluations_per_epoch

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.evaluations > MAX_EVALUATIONS:
            raise ValueError(
                f"epochs x evaluationsPerEpoch is {self.evaluations}, more than {MAX_EVALUATIONS}: evaluate less often"
            )
        if self.metric is None and self.dataset.task is None:
            raise ValueError("metric is required for data that is not a GLUE task: give its name and goal")
        if self.metric is not None and self.metric.name not in METRIC_NAMES:
            raise ValueError(f"metric.name {self.metric.name!r} is not one of {', '.join(METRIC_NAMES)}")
        for name, number in (("learningRate", self.learning_rate), ("maxGradNorm", self.max_grad_norm)):
            if Decimal(number) <= 0:
                raise ValueError(f"{name} {number} must be above 0")
        if Decimal(self.weight_decay) < 0:
            raise ValueError(f"weightDecay {self.weight_decay} must not be below 0")
        return self

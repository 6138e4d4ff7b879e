"""`spec.trainer.fineTuning`: what our own trainer is asked to do. The trainer parses these types too."""

import difflib
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from seedsweep.api.base import ApiModel, DecimalString, Distinct, OneOf, Seed, Text
from seedsweep.api.limits import MAX_EVALUATIONS

MAX_DATASET_TEXT = 65_536
"""Characters of all labels and conditions of a data set together: the whole recipe is one variable of every pod, which
an operating system limits to 128 KiB."""

Task = Literal["mrpc", "rte", "cola", "sst2"]
METRIC_NAMES = ("accuracy", "f1", "accuracyAndF1", "mcc", "pearson", "spearman", "pearsonAndSpearman", "mse", "loss")
Recipe = Literal["stable", "dodge2020"]
MIN_GRAD_NORM = "1e-19"
"""Its square is about the smallest number that 32 bits hold in full precision, 1.2e-38."""
TOO_SMALL_GRAD_NORM = (
    f"must be at least {MIN_GRAD_NORM}: squares of smaller gradients are 0 in 32 bits, and nothing is trained; "
    "1.0 is usual"
)
Given = Annotated[Text, Field(min_length=1)]


class MetricRange(ApiModel):
    """The values that the metric can take; a score outside is refused."""

    min: DecimalString | None = None
    """Smallest possible score, as a decimal string. If the metric is minimized, reports give relative error reductions
    with it. Absent: no limit."""
    max: DecimalString | None = None
    """Largest possible score, as a decimal string. If the metric is maximized, reports give relative error reductions
    with it. Absent: no limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and Decimal(self.min) >= Decimal(self.max):
            raise ValueError(f"min {self.min} must be below max {self.max}")
        return self


class Metric(ApiModel):
    """The validation metric that ranks episodes."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the metric. With fineTuning one of accuracy, f1, accuracyAndF1, mcc, pearson, spearman,
    pearsonAndSpearman, mse, loss."""
    goal: Literal["maximize", "minimize"]
    """Which scores are better: `maximize`, the higher, or `minimize`, the lower ones."""
    range: MetricRange | None = None
    """The values that the metric can take. A score outside is refused. Absent: any number."""


class Columns(ApiModel):
    """Names of the data's columns."""

    text: Given = "text"
    """Name of the column with the (first) sentence."""
    text_pair: Given | None = None
    """Name of the column with the second sentence of a pair. Absent: there is one sentence."""
    label: Given = "label"
    """Name of the column with the class or the value."""


class HubDataset(ApiModel):
    """A data set on the hub; its revision is resolved once and recorded."""

    name: Given
    """Name of the data set on the hub."""
    config: Text | None = None
    """Name of the configuration, if the data set has several."""
    revision: Text | None = None
    """Branch, tag or commit of the data set. Absent: its main branch. Resolved once to a commit, which is recorded."""
    train: Text = "train"
    """Name of the split to train on."""
    validation: Text | None = None
    """Name of the split to select by. Absent: taken from the training split, as dataset.split says."""
    test: Text | None = None
    """Name of the split to report on, which is scored once, for the winner. Absent: none."""


class Split(ApiModel):
    """Examples set aside from the training data if no file is given for them, drawn once by a fixed seed."""

    validation: Annotated[int, Field(ge=0)] = 0
    """Number of training examples set aside to select by."""
    test: Annotated[int, Field(ge=0)] = 0
    """Number of training examples set aside to report on."""
    seed: Seed = 0
    """Seed of the drawing: another one sets other examples aside."""


class Subset(ApiModel):
    """Maximum number of examples of each split, drawn by a fixed seed of its own (after `split`)."""

    train: Annotated[int, Field(ge=1)] | None = None
    """Number of training examples to use at most. Absent: all."""
    validation: Annotated[int, Field(ge=1)] | None = None
    """Number of validation examples to use at most. Absent: all."""
    test: Annotated[int, Field(ge=1)] | None = None
    """Number of test examples to use at most. Absent: all."""
    seed: Seed = 0
    """Seed of the drawing: another one draws other examples."""


class Dataset(OneOf):
    """Where the examples come from: exactly one of `task` (with `path`), `train` (a file) or `hub`."""

    one_of = ("task", "train", "hub")

    task: Task | None = None
    """A GLUE task in its published TSV files, from which columns, labels and metric follow."""
    path: Given | None = None
    """Folder with train.tsv and dev.tsv of the GLUE task. Given with `task` only."""
    train: Given | None = None
    """File to train on, in CSV, TSV, JSON (lines or array) or Parquet: a path, or `package:NAME/FILE` inside an
    installed Python package."""
    validation: Given | None = None
    """File to select by, in any format of `train`. Absent: taken from the training data, as `split` says."""
    test: Given | None = None
    """File to report on, in any format of `train`. It is scored once, for the winner. Absent: none."""
    hub: HubDataset | None = None
    """A data set on the Hugging Face hub. Its revision is resolved once to a commit, which is recorded."""
    columns: Columns = Columns()
    """Names of the columns that hold sentences and labels."""
    where: dict[str, Text] = Field(default_factory=dict, max_length=100)
    """Columns by name, with the exact value that each must have: other rows are left out. Absent: all rows are used."""
    kind: Literal["classification", "regression"] = "classification"
    """What the labels are: classes (`classification`) or numbers (`regression`)."""
    labels: Annotated[list[Text], Field(max_length=1000), Distinct()] | None = None
    """Names of the classes in the order of their ids. Absent: the sorted distinct values of the label column in the
    training data."""
    positive_label: Text | None = None
    """Name of the class that F1 is about. Absent: the second of two."""
    split: Split = Split()
    """Examples set aside from the training data if no file or split is given for them, drawn once by a fixed seed."""
    subset: Subset = Subset()
    """Maximum number of examples of each split to use, drawn by a seed of its own after `split`."""
    max_length: Annotated[int, Field(ge=8, le=8192)] = 128
    """Longest input in tokens; longer ones are truncated. The number of truncated ones is recorded."""

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
    """One fine-tuning recipe, shared by all episodes of a sweep: they differ only in their seeds."""

    model: Given
    """The model in safetensors: its name on the hub, a folder, or `package:NAME/FOLDER` inside an installed Python
    package."""
    model_revision: Text | None = None
    """Branch, tag or commit of the model on the hub. Absent: its main branch. Resolved once to a commit, which is
    recorded."""
    dataset: Dataset
    """The data: exactly one of `task` (with `path`), `train` (a file) or `hub`."""
    metric: Metric | None = None
    """The validation metric that ranks episodes. Absent: the published metric of dataset.task. Required for any other
    data."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    """Number of passes over the training examples."""
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 16
    """Number of examples per forward pass at most. An optimizer step takes batchSize x gradientAccumulationSteps of
    them."""
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=4096)] = 1
    """Number of batches whose gradients are accumulated for one optimizer step, within an epoch."""
    evaluation_batch_size: Annotated[int, Field(ge=1, le=65536)] = 64
    """Number of examples per forward pass of an evaluation."""
    learning_rate: DecimalString = "2e-5"
    """Highest learning rate, reached at the end of the warm-up, as a decimal string."""
    weight_decay: DecimalString = "0.01"
    """Weight decay of all parameters except biases and normalisation, as a decimal string."""
    warmup_percent: Annotated[int, Field(ge=0, le=100)] = 10
    """Percent of all optimizer steps S over which the learning rate rises. Then it falls linearly to 0 at step S."""
    max_grad_norm: DecimalString = "1.0"
    """Norm that gradients are clipped to, as a decimal string. At least 1e-19, as the optimizer keeps the squares of
    gradients in 32 bits."""
    evaluations_per_epoch: Annotated[int, Field(ge=1, le=MAX_EVALUATIONS)] = 10
    """Number of evaluations per epoch. With E in all epochs and S optimizer steps, evaluation i follows step ceil(i S /
    E)."""
    recipe: Recipe = "stable"
    """How parameters are updated and when dropout is active: `stable`, or `dodge2020`, as in the authors' code, to
    reproduce the paper."""
    head: Literal["reinit", "keep"] = "reinit"
    """Origin of the output layer: `reinit` draws it from the weight-init seed; `keep` takes that of the checkpoint, and
    allows only one weight-init seed if the list `reinit` is empty. Tensors that the checkpoint lacks are drawn in
    either case."""
    reinit: Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=100), Distinct()] = (
        Field(default_factory=list)
    )
    """Further parts of the model to draw from the weight-init seed: names of parameters, or prefixes that end before a
    dot, like `bert.pooler` or `bert.encoder.layer.11`. Absent: none."""
    dropout_seed: Seed | None = None
    """Seed of dropout, the same for all episodes. Absent: dropout follows the data-order seed, in a stream of
    its own."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the training: `fp32`, `bf16` (autocast over fp32 weights), or `auto`, which is bf16 if the hardware
    is built for it: GPUs from 2020 on, CPUs with AMX."""
    compile: bool = False
    """Whether to use torch.compile: faster on long runs, but not bit-equal to eager mode."""
    threads_per_episode: Annotated[int, Field(ge=1, le=1024)] = 1
    """Number of CPU threads of one episode. It changes the arithmetic and so the result, and is recorded."""

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
        return self

    @field_validator("metric")
    @classmethod
    def _computed_here(cls, metric: Metric | None) -> Metric | None:
        if metric is not None and metric.name not in METRIC_NAMES:
            close = difflib.get_close_matches(metric.name, METRIC_NAMES, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            said = f"is not one of {', '.join(METRIC_NAMES)}{hint}"
            # The context carries what of the metric is wrong, for an error with its path and value.
            raise PydanticCustomError("unknown_metric", "{said}", {"said": said, "name": metric.name})
        return metric

    @field_validator("learning_rate", "max_grad_norm")
    @classmethod
    def _above_zero(cls, number: str) -> str:
        if Decimal(number) <= 0:
            raise ValueError("must be above 0")
        return number

    @field_validator("max_grad_norm")
    @classmethod
    def _squared_above_zero(cls, number: str) -> str:
        if Decimal(number) < Decimal(MIN_GRAD_NORM):
            raise ValueError(TOO_SMALL_GRAD_NORM)
        return number

    @field_validator("weight_decay")
    @classmethod
    def _not_below_zero(cls, number: str) -> str:
        if Decimal(number) < 0:
            raise ValueError("must not be below 0")
        return number

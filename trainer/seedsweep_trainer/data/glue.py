"""How the published files of GLUE's tasks are laid out."""

from dataclasses import dataclass

from seedsweep.api.finetuning import Columns, Task


@dataclass(frozen=True, slots=True)
class GlueTask:
    """How a GLUE task's TSV files are laid out."""

    columns: Columns
    classes: dict[str, str]
    """Label in the file -> class name, in the order of the class ids that GLUE uses."""
    positive: str
    header: tuple[str, ...] | None = None
    """Column names, for files without a header line."""


GLUE: dict[Task, GlueTask] = {
    "mrpc": GlueTask(
        Columns(text="#1 String", text_pair="#2 String", label="Quality"),
        {"0": "not_equivalent", "1": "equivalent"},
        positive="equivalent",
    ),
    "rte": GlueTask(
        Columns(text="sentence1", text_pair="sentence2"),
        {"entailment": "entailment", "not_entailment": "not_entailment"},
        positive="entailment",
    ),
    "cola": GlueTask(
        Columns(text="sentence"),
        {"0": "unacceptable", "1": "acceptable"},
        positive="acceptable",
        header=("source", "label", "mark", "sentence"),
    ),
    "sst2": GlueTask(Columns(text="sentence"), {"0": "negative", "1": "positive"}, positive="positive"),
}

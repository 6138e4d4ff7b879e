"""The section of a model card on training the same model again, in Markdown: versions, commands, the sweep's file."""

from collections.abc import Iterator, Mapping

from pydantic.main import IncEx

from seedsweep.api.provenance import Provenance
from seedsweep.api.status import Best, SweepStatus
from seedsweep.report.facts import yaml_text
from seedsweep.report.model_card.foreign import as_text, shortened
from seedsweep.report.model_card.scores import ROWS
from seedsweep.report.record import Record
from seedsweep.report.words import data_words, one_line
from seedsweep.version import __version__

_LONGEST_SPEC = 2000
_LONGEST_FINGERPRINT = 80
_OF_TRAINER = {"command", "args", "fine_tuning", "config", "gauges", "metric", "weights"}
_PUBLISHED: Mapping[str, IncEx | bool] = {
    "api_version": True,
    "kind": True,
    "metadata": {"name"},
    "spec": {
        "seeds": True,
        "parallelism": True,
        "early_stopping": True,
        "budget": True,
        "result": True,
        "trainer": _OF_TRAINER,
    },
}
"""What made the model, without where it ran."""


def repetition_section(record: Record, status: SweepStatus, best: Best) -> Iterator[str]:
    """Lines of the section."""
    sweep = record.sweep
    yield "## How to repeat it"
    yield ""
    yield f"With SeedSweep {__version__} and the data of digest `{status.data_digest or 'not published'}`:"
    if status.provenance is not None:
        yield from _origin(status.provenance)
    yield ""
    text = yaml_text(sweep, _PUBLISHED)
    whole = len(text) <= _LONGEST_SPEC
    yield from _commands(record, best, whole=whole)
    prints = [f"`{shortened(one_line(p), _LONGEST_FINGERPRINT)}`" for p in status.fingerprints]
    more = f" and {len(prints) - ROWS} more" if len(prints) > ROWS else ""
    yield f"Equal bits are promised on equal fingerprints; here: {', '.join(prints[:ROWS]) or 'not published'}{more}."
    if whole:
        yield ""
        yield f"```yaml\n{text}```"
        yield ""
        yield "Where it ran (image, variables, pods, storage) is left out."
    yield ""


def _commands(record: Record, best: Best, *, whole: bool) -> Iterator[str]:
    # Named after the sweep: any other file of this name would be another sweep's.
    file = f"{record.sweep.metadata.name}.yaml"
    from_where = (
        f"Save the sweep below as `{file}`."
        if whole
        else f"`{file}` stands for the sweep's file, which is too long to stand here."
    )
    yield f"{from_where} Relative paths in it start from its folder. This trains the whole sweep:"
    yield ""
    yield from _fenced(f"seedsweep run {file}")
    if any(episode.status.sampled for episode in record.episodes):
        # No two runs are sampled alike.
        return
    yield "This trains the winner alone, and compares it bit for bit with the record of this sweep in FOLDER:"
    yield ""
    yield from _fenced(f"seedsweep run {file} --out FOLDER --episode {best.episode}")


def _fenced(command: str) -> Iterator[str]:
    # An indented line after a list would be read as part of its last item.
    yield f"```sh\n{command}\n```"
    yield ""


def _origin(found: Provenance) -> Iterator[str]:
    yield ""
    yield f"- {as_text(data_words(found))}"
    if found.dataset_commit is not None:
        yield f"- data set at commit `{found.dataset_commit}`"
    if found.base_weights is not None:
        at = f", commit `{found.model_commit}`" if found.model_commit is not None else ""
        yield f"- base weights of digest `{found.base_weights}`{at}"

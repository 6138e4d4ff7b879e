"""A commented sweep for a data set. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from seedsweep.codes import bad_input
from seedsweep.local.starting.columns import Found
from seedsweep.parts import QUICKSTART_MODEL

BATCH, EPOCHS = 16, 3
FEWEST_EVALUATIONS, MOST_EVALUATIONS = 4, 10
"""Of an epoch, where it has as many steps."""
_ANSWERS_A_STEP = 3
"""To answer an example takes about a third of the time of training on it."""
_NO_TEXTS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""What some reader of YAML takes for something else than a text."""
"""It needs no network. It is small, and learns at a higher rate than others."""
_FEWEST = 20
_RARE = 0.2
"""Share of the smaller classes together below which accuracy says little."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a sweep is written with."""

    name: str
    model: str
    train: str
    """As the sweep's file names the data: relative to its own folder."""


def task_text(draft: Draft, task: str) -> str:
    """A sweep on a GLUE task whose folder is `draft.train`."""
    data = [
        f"task: {task} # its columns, labels and metric are known",
        f"path: {_word(draft.train)} # the folder with train.tsv and dev.tsv, relative to this file",
        "maxLength: 128 # tokens; longer inputs are truncated, and counted",
    ]
    return _text(draft, data, [], MOST_EVALUATIONS, "dev.tsv is what episodes are selected by.")


def data_text(draft: Draft, found: Found) -> str:
    """A sweep on a file; raises CommandError where it holds too few examples."""
    if found.rows < _FEWEST:
        raise bad_input(f"--data: {found.rows} examples are too few to train, select and report on: give {_FEWEST}")
    test, validation = min(1000, found.rows // 5), min(500, found.rows // 5)
    columns = {"text": found.text, "textPair": found.text_pair, "label": found.label}
    named = ", ".join(f"{key}: {_word(name)}" for key, name in columns.items() if name is not None)
    data = [
        f"train: {_word(draft.train)} # relative to this file",
        f"columns: {{{named}}}",
        *_kind(found),
        f"split: {{validation: {validation}, test: {test}}} # set aside from train, always the same ones",
        f"maxLength: {found.max_length} # tokens; longer inputs are truncated, and counted",
    ]
    train = found.rows - test - validation
    words = f"{found.rows:,} examples were found: validation selects, the test set reports."
    return _text(draft, data, [_metric(found)], _evaluations(train, validation), words)


def _evaluations(train: int, validation: int) -> int:
    """An epoch's: so many that they take about a third of the time, if there are steps for them."""
    affordable = _ANSWERS_A_STEP * train // (2 * validation)
    return min(-(-train // BATCH), MOST_EVALUATIONS, max(FEWEST_EVALUATIONS, affordable))


def _kind(found: Found) -> Iterator[str]:
    if found.kind == "regression":
        yield "kind: regression # the labels are numbers"
        return
    shown = ", ".join(_word(name) for name in list(found.classes)[:5])
    more = ", ..." if len(found.classes) > 5 else ""
    yield f"# {len(found.classes)} classes: {shown}{more}"


def _metric(found: Found) -> str:
    if found.kind == "regression":
        return "metric: {name: pearson, goal: maximize}"
    largest = max(found.classes.values()) / sum(found.classes.values())
    if largest > 1 - _RARE:
        return f"metric: {{name: mcc, goal: maximize}} # {largest:.0%} are of one class: accuracy would say little"
    return "metric: {name: accuracy, goal: maximize}"


def _text(draft: Draft, data: list[str], metric: list[str], evaluations: int, words: str) -> str:
    tuning = [
        f"model: {_word(draft.model)} # a name on the hub, a folder, or package:NAME/FOLDER",
        "dataset:",
        *(f"  {line}" for line in data),
        *metric,
        f"epochs: {EPOCHS}",
        f"batchSize: {BATCH}",
        f'learningRate: "{"4e-4" if draft.model == QUICKSTART_MODEL else "2e-5"}" # decimals stand in quotes',
        f"evaluationsPerEpoch: {evaluations} # a cut falls on one of them",
    ]
    head = f"""\
# {words}
#
#   seedsweep check THIS_FILE    what is wrong with it, and what it comes to
#   seedsweep run THIS_FILE
apiVersion: seedsweep.io/v1alpha1
kind: SeedSweep
metadata:
  name: {draft.name}
spec:
  seeds:
    grid: # every weight-init seed with every data-order seed: 20 episodes
      weightInits: {{count: 5}}
      dataOrders: {{count: 4}}
  parallelism: 4 # as many at once as there are GPUs, or cores, up to this
  earlyStopping: # remove this block for a record that `seedsweep plan` and `compare` can read: all train fully then
    rungs:
      - {{atPercent: 50, keep: 6}} # half-way, the six best go on
  trainer:
    fineTuning:
"""
    return head + "".join(f"      {line}\n" for line in tuning)


def _word(text: str) -> str:
    """As YAML has it: in quotes where it would be something else."""
    plain = re.fullmatch(r"[A-Za-z_./][\w./: -]*[\w./-]|[A-Za-z_]", text) and ": " not in text
    return text if plain and text.lower() not in _NO_TEXTS else json.dumps(text, ensure_ascii=False)

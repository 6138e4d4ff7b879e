"""The recommended plan as a sweep.yaml."""

import itertools
import json
from collections.abc import Collection
from pathlib import Path

from seedsweep.api.early_stopping import EarlyStopping, Rung
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.seeds import Grid, SeedRange, Seeds
from seedsweep.api.sweep import API_VERSION, MAX_NAME, SeedSweep, SweepMeta
from seedsweep.engine.layout import Layout
from seedsweep.new_file import write_new
from seedsweep.report.facts import yaml_text
from seedsweep.report.words import metric_name
from seedsweep.science.stopping.plans import at_percent
from seedsweep.studies.plan.answer import Answer
from seedsweep.studies.plan.histories import History

_SKELETON = """\
# {what}
# Put in your model and data, and read every line: docs/sweep.md.
apiVersion: {version}
kind: SeedSweep
metadata: {{name: planned}}
spec:
  seeds: {{single: {{count: {started}}}}} # one seed of its own for each episode
  parallelism: {parallelism} # the number of GPUs
{stopping}{trainer}"""
_OURS = """\
  trainer:
    # image: REGISTRY/seedsweep-trainer:0.1.0   # on a cluster
    fineTuning:
      model: google-bert/bert-base-uncased # your model
      dataset: {task: rte, path: glue/RTE} # your data
      epochs: 3
      evaluationsPerEpoch: 10
"""
_THEIRS = """\
  trainer:
    command: [python, train.py] # your program, with docs/trainer-contract.md; or fineTuning instead of all below
    evaluations: {evaluations} # of an episode, evenly spaced
    metric: {{name: {metric}, goal: {goal}}}
"""


def write_sweep(answer: Answer, path: Path) -> None:
    """Write it where no file is.

    Raises:
        CommandError: the file is there already, or it cannot be written.
    """
    text = sweep_text(answer)
    parse_sweep(text, source=str(path))
    write_new("--write", path, text.encode())


def sweep_text(answer: Answer) -> str:
    """YAML that `parse` takes: of the first history that SeedSweep trained, else a skeleton to fill in."""
    trained = next((history for history in answer.histories if not history.imported), None)
    if trained is None:
        return _skeleton(answer)
    return f"# {_what(answer)}\n{_NOTES}" + yaml_text(_planned_sweep(answer, trained))


_NOTES = """\
# Everything else is as in the sweep that it was planned from. Paths start from this file's folder.
# The seeds are others: those of before have been trained.
"""


def _what(answer: Answer) -> str:
    basis = "by the rule of thumb" if not answer.histories else f"from {', '.join(h.name for h in answer.histories)}"
    return f"Planned by `seedsweep plan --budget {answer.budget}` {basis}."


def _planned_sweep(answer: Answer, history: History) -> SeedSweep:
    spec = history.sweep.spec
    changed = spec.evolve(
        seeds=_new_seeds(history, answer.plan.started),
        early_stopping=_stopping(answer),
        parallelism=_parallelism(answer, spec.parallelism),
    )
    name = f"{history.sweep.metadata.name[: MAX_NAME - 8].rstrip('-')}-planned"
    return history.sweep.evolve(metadata=SweepMeta(name=name), spec=changed, status=None)


def _new_seeds(history: History, count: int) -> Seeds:
    """Seeds of its own for each episode, which the history has not; a kind that never varied there does not here."""
    used = {tuple(pair) for pair in history.runs.seeds.tolist()} | set(Layout.of(history.sweep).episodes)
    weight_inits, data_orders = ({pair[axis] for pair in used} for axis in (0, 1))
    if len(weight_inits) == 1:
        axes = SeedRange(values=list(weight_inits)), SeedRange(values=_others(data_orders, count))
    elif len(data_orders) == 1:
        axes = SeedRange(values=_others(weight_inits, count)), SeedRange(values=list(data_orders))
    else:
        return Seeds(single=SeedRange(values=_others(weight_inits | data_orders, count)))
    return Seeds(grid=Grid(weight_inits=axes[0], data_orders=axes[1]))


def _others(used: Collection[int], count: int) -> list[int]:
    return list(itertools.islice((seed for seed in itertools.count() if seed not in used), count))


def _stopping(answer: Answer) -> EarlyStopping | None:
    plan = answer.plan
    if plan.evaluation is None:
        return None
    return EarlyStopping(rungs=[Rung(at_percent=at_percent(plan.evaluation, len(answer.shares)), keep=plan.keep)])


def _parallelism(answer: Answer, otherwise: int) -> int:
    return min(answer.plan.started, answer.places if answer.places is not None else otherwise)


def _skeleton(answer: Answer) -> str:
    stopping = _stopping(answer)
    lines = "  # No earlyStopping: all train to the end.\n"
    if stopping is not None and stopping.rungs is not None:
        [rung] = stopping.rungs
        lines = f"  earlyStopping: {{rungs: [{{atPercent: {rung.at_percent}, keep: {rung.keep}}}]}}\n"
    return _SKELETON.format(
        what=_what(answer),
        version=API_VERSION,
        started=answer.plan.started,
        parallelism=_parallelism(answer, 1),
        stopping=lines,
        trainer=_THEIRS.format(**_their_metric(answer)) if answer.histories else _OURS,
    )


def _their_metric(answer: Answer) -> dict[str, object]:
    """Of imported histories, which agree in it."""
    return {
        "evaluations": len(answer.shares),
        "metric": json.dumps(metric_name(answer.histories[0].sweep.spec.trainer)),
        "goal": "maximize" if answer.maximize else "minimize",
    }

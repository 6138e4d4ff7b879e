"""What one object alone can tell, as CEL rules for the API server.

The types' own validators say the same in Python; one table of invalid sweeps in the tests is refused by both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from seedsweep.api.core import EnvVar, PodSpec, PodTemplate
from seedsweep.api.cut import CutSpec
from seedsweep.api.early_stopping import Bracket, EarlyStopping
from seedsweep.api.episode import Episode, EpisodeSpec, EpisodeStatus, RungScore
from seedsweep.api.finetuning import MAX_EVALUATIONS, METRIC_NAMES, Dataset, FineTuning, MetricRange
from seedsweep.api.seeds import MAX_EPISODES, Grid
from seedsweep.api.sweep import SeedSweep, SweepSpec, Trainer


@dataclass(frozen=True, slots=True)
class Rule:
    """An expression that must hold of `self`, and what to do where it does not."""

    expression: str
    message: str
    path: str = ""
    """The field that is to blame, below self."""

    def as_schema(self) -> dict[str, str]:
        """An entry of x-kubernetes-validations."""
        found = {"rule": self.expression, "message": self.message}
        return {**found, "fieldPath": f".{self.path}"} if self.path else found


# Values behind an optional (self.?x) lose their bounds, and so their known cost: has() keeps them.
def _size(seed_range: str) -> str:
    counted, listed = f"{seed_range}.count", f"{seed_range}.values"
    return f"(has({counted}) ? {counted} : has({listed}) ? size({listed}) : 0)"


def _cells(grid: str) -> str:
    return f"{_size(f'{grid}.weightInits')} * {_size(f'{grid}.dataOrders')}"


_TUNING, _DECLARED = "self.trainer.fineTuning", "self.trainer.evaluations"
_THEIRS = f"!has({_TUNING})"
_PLANNED = f"({_THEIRS} ? {_DECLARED} : {_TUNING}.epochs * {_TUNING}.evaluationsPerEpoch)"
_UNPLANNED = f"{_THEIRS} && !has({_DECLARED})"


def _evaluation(rung: str) -> str:
    return f"{rung}.atPercent * {_PLANNED} / 100"


def _fall_apart(rungs: str) -> str:
    same = f"{_evaluation('other')} == {_evaluation('rung')}"
    return f"{rungs}.all(rung, {_evaluation('rung')} >= 1 && {rungs}.exists_one(other, {same}))"


_GRID = "self.seeds.grid"
# Seeds without a form are refused elsewhere: here they must not add to the noise.
_EPISODES = (
    f"(has({_GRID}) ? (has({_GRID}.sample) ? {_GRID}.sample.size : {_cells(_GRID)})"
    " : has(self.seeds.pairs) ? size(self.seeds.pairs)"
    f" : has(self.seeds.single) ? {_size('self.seeds.single')} : {MAX_EPISODES})"
)
_ONE_WEIGHT_INIT = (
    f"(has({_GRID}) ? {_size(f'{_GRID}.weightInits')} <= 1"
    " : has(self.seeds.pairs) ? self.seeds.pairs.all(pair, pair.weightInit == self.seeds.pairs[0].weightInit)"
    f" : has(self.seeds.single) ? {_size('self.seeds.single')} <= 1 : true)"
)
_RUNGS, _BRACKETS = "self.earlyStopping.rungs", "self.earlyStopping.brackets"
_NO_RUNGS = f"!has(self.earlyStopping) || !has({_RUNGS})"
_NO_BRACKETS = f"!has(self.earlyStopping) || !has({_BRACKETS})"

_EVALUATION_REMEDY = (
    "every rung must fall on one of an episode's evaluations (epochs x evaluationsPerEpoch, or trainer.evaluations), "
    "and on one of its own: use a higher atPercent, space the rungs, or evaluate more often"
)

_TOGETHER = (
    Rule("!has(self.gpusPerEpisode) || double(self.gpusPerEpisode) > 0.0", "must be above 0", "gpusPerEpisode"),
    Rule(
        f"{_NO_RUNGS} || {_RUNGS}.all(rung, rung.keep <= {_EPISODES})",
        "keep is more than the episodes there are: keep as many as spec.seeds gives, or fewer",
        "earlyStopping.rungs",
    ),
    Rule(
        f"{_NO_BRACKETS} || {_BRACKETS}.map(bracket, bracket.episodes).sum() == {_EPISODES}",
        "brackets must hold all episodes of spec.seeds: their episodes must add up to as many",
        "earlyStopping.brackets",
    ),
    Rule(f"{_UNPLANNED} || {_NO_RUNGS} || {_fall_apart(_RUNGS)}", _EVALUATION_REMEDY, "earlyStopping.rungs"),
    Rule(
        f"{_UNPLANNED} || {_NO_BRACKETS} || {_BRACKETS}.all(bracket, {_fall_apart('bracket.rungs')})",
        _EVALUATION_REMEDY,
        "earlyStopping.brackets",
    ),
    Rule(
        f"{_THEIRS} || self.trainer.fineTuning.head != 'keep' || {_ONE_WEIGHT_INIT}",
        "keep brings its own head, so weight-init seeds change nothing: use one weight-init seed, or head: reinit",
        "trainer.fineTuning.head",
    ),
)

_ALWAYS_MUTABLE = frozenset(
    {
        "parallelism",
        "suspend",
        "backoff_limit_per_episode",
        "max_failed_episodes",
        "progress_deadline_seconds",
        "active_deadline_seconds",
        "ttl_seconds_after_finished",
        "wait_for_capacity_seconds",
        "scrape",
    }
)
_MUTABLE_WHILE_SUSPENDED = (
    "node_selector",
    "tolerations",
    "affinity",
    "topology_spread_constraints",
    "image_pull_secrets",
    "priority_class_name",
    "runtime_class_name",
    "scheduler_name",
    "resource_claims",
    "scheduling_gates",
)


def _unchanged(path: str) -> str:
    now, before = f"self.{path}", f"oldSelf.{path}"
    return f"(has({now}) ? has({before}) && {now} == {before} : !has({before}))"


def _paths(model: type[BaseModel], prefix: str, *, but: Iterable[str] = ()) -> list[str]:
    return [prefix + (field.alias or name) for name, field in model.model_fields.items() if name not in but]


def _mutability() -> list[Rule]:
    """What is not known to be mutable is fixed, so that a new field is."""
    fixed = [
        *_paths(SweepSpec, "", but=_ALWAYS_MUTABLE | {"trainer", "pod_template", "gpus_per_episode"}),
        *_paths(Trainer, "trainer.", but=("resources",)),
        *_paths(PodTemplate, "podTemplate.", but=("metadata", "spec")),
        *_paths(PodSpec, "podTemplate.spec.", but=_MUTABLE_WHILE_SUSPENDED),
    ]
    scheduling = [PodSpec.model_fields[name].alias for name in _MUTABLE_WHILE_SUSPENDED]
    # Labels choose a queue, too.
    paused = [
        "gpusPerEpisode",
        "trainer.resources",
        "podTemplate.metadata",
        *(f"podTemplate.spec.{name}" for name in scheduling),
    ]
    return [
        *(Rule(_unchanged(path), "is fixed once the sweep exists: make a new sweep", path) for path in fixed),
        *(
            Rule(
                f"(self.suspend && oldSelf.suspend) || {_unchanged(path)}",
                "may change only in a suspended sweep: set suspend: true, then change this, then set suspend: false",
                path,
            )
            for path in paused
        ),
    ]


_LADDER = (
    Rule(
        "!has(self.rungs) || (self.rungs.map(rung, rung.atPercent).isSorted()"
        " && self.rungs.all(rung, self.rungs.exists_one(other, other.atPercent == rung.atPercent)))",
        "every rung's atPercent must be above the one before it",
        "rungs",
    ),
    Rule(
        "!has(self.rungs) || self.rungs.map(rung, -rung.keep).isSorted()",
        "a rung's keep is more than what was kept before it: lower it",
        "rungs",
    ),
)

_CHOSEN_METRICS = ", ".join(f"'{name}'" for name in METRIC_NAMES)
_FIXED = Rule("self == oldSelf", "never changes once it is written")

RULES: Mapping[type[BaseModel], Sequence[Rule]] = {
    SeedSweep: [
        Rule(
            "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "metadata.name: pods are named after it: use lower case letters, digits and '-', at most 40 characters",
        )
    ],
    SweepSpec: [*_TOGETHER, *_mutability()],
    Grid: [
        Rule(
            f"!has(self.sample) || self.sample.size <= {_cells('self')}",
            "sample.size is larger than the grid, weightInits x dataOrders: lower it",
            "sample.size",
        ),
        Rule(
            f"has(self.sample) || {_cells('self')} <= {MAX_EPISODES}",
            f"the grid has more than {MAX_EPISODES} cells: sample from it",
        ),
    ],
    EarlyStopping: _LADDER,
    Bracket: [
        *_LADDER,
        Rule(
            "self.rungs.all(rung, rung.keep <= self.episodes)",
            "keep is more than the episodes there are in this bracket: lower it",
            "rungs",
        ),
    ],
    Trainer: [
        Rule(
            "!has(self.fineTuning) || ((!has(self.command) || size(self.command) == 0)"
            " && (!has(self.args) || size(self.args) == 0) && !has(self.config) && !has(self.metric)"
            " && !has(self.evaluations))",
            "fineTuning is our own trainer: remove command, args, config, evaluations and metric (which goes inside "
            "fineTuning), or remove fineTuning",
        ),
        Rule(
            "has(self.fineTuning) || has(self.metric)",
            "needs fineTuning, or metric (name and goal) for a trainer of one's own",
        ),
    ],
    EnvVar: [
        Rule(
            "!self.name.startsWith('SEEDSWEEP_')",
            "names that begin with SEEDSWEEP_ are set by SeedSweep; choose another",
            "name",
        )
    ],
    FineTuning: [
        Rule(
            f"self.epochs * self.evaluationsPerEpoch <= {MAX_EVALUATIONS}",
            f"epochs x evaluationsPerEpoch is more than {MAX_EVALUATIONS}: evaluate less often",
            "evaluationsPerEpoch",
        ),
        Rule(
            "has(self.metric) || has(self.dataset.task)",
            "metric is required for data that is not a GLUE task: give its name and goal",
        ),
        Rule(
            f"!has(self.metric) || self.metric.name in [{_CHOSEN_METRICS}]",
            f"is not one of {', '.join(METRIC_NAMES)}",
            "metric.name",
        ),
        Rule("double(self.learningRate) > 0.0", "must be above 0", "learningRate"),
        Rule("double(self.maxGradNorm) > 0.0", "must be above 0", "maxGradNorm"),
        Rule("double(self.weightDecay) >= 0.0", "must not be below 0", "weightDecay"),
    ],
    MetricRange: [
        Rule("!has(self.min) || !has(self.max) || double(self.min) < double(self.max)", "min must be below max")
    ],
    Dataset: [
        Rule(
            "has(self.task) == has(self.path)",
            "task and path go together: the task's name and the folder with its train.tsv and dev.tsv",
        ),
        Rule(
            "!has(self.hub) || (!has(self.validation) && !has(self.test))",
            "with hub, name the validation and test splits inside hub",
        ),
        Rule(
            "has(self.task) || self.split.validation > 0"
            " || (has(self.hub) ? has(self.hub.validation) : has(self.validation))",
            "no validation data: give a validation file or split.validation",
        ),
        Rule(
            "self.kind != 'regression' || (!has(self.labels) && !has(self.positiveLabel))",
            "regression has no labels: remove labels and positiveLabel",
        ),
    ],
    Episode: [Rule("!has(oldSelf.status) || has(self.status)", "status is the record: it is never removed")],
    EpisodeSpec: [_FIXED],
    EpisodeStatus: [
        Rule(
            "!has(oldSelf.rungScores) || oldSelf.rungScores.all(old,"
            " has(self.rungScores) && self.rungScores.exists(score, score.rung == old.rung))",
            "a rung score is never removed",
            "rungScores",
        ),
        Rule(
            "!has(oldSelf.verdict) || (has(self.verdict) && self.verdict == oldSelf.verdict)",
            "a verdict is final",
            "verdict",
        ),
    ],
    RungScore: [Rule("self == oldSelf", "a rung score is final: the first record wins")],
    CutSpec: [_FIXED],
}

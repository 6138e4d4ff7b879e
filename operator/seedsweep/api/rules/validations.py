"""What one object alone can tell, as CEL rules for the API server.

The types' own validators say the same in Python; one table of invalid sweeps in the tests is refused by both.
"""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from seedsweep.api.core.labels import LENGTH_REMEDY, MAX_ANNOTATIONS, OWN_LABELS, OWN_PREFIX, OWN_REMEDY
from seedsweep.api.core.objects import EnvVar, PodTemplateMeta
from seedsweep.api.core.volumes import ClaimMeta
from seedsweep.api.cut import Cut, CutData
from seedsweep.api.early_stopping import MAX_MEMBERS, Bracket, EarlyStopping, Floor
from seedsweep.api.episode import Episode, EpisodeSpec, EpisodeStatus, RungScore
from seedsweep.api.finetuning import (
    MAX_DATASET_TEXT,
    METRIC_NAMES,
    MIN_GRAD_NORM,
    TOO_SMALL_GRAD_NORM,
    Dataset,
    FineTuning,
    MetricRange,
)
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.api.rules.cel import Rule, length_of_list, length_of_mapping, size_of_range
from seedsweep.api.rules.mutability import mutability_rules, status_rules
from seedsweep.api.seeds import MAX_CELLS, MAX_EPISODES, Grid
from seedsweep.api.sweep import MAX_NAME, MAX_TRAINER_TEXT, SeedSweep, SweepSpec, Trainer


def _cells(grid: str) -> str:
    return f"{size_of_range(f'{grid}.weightInits')} * {size_of_range(f'{grid}.dataOrders')}"


def _not_ours(mapping: str) -> Rule:
    taken = ", ".join(f"'{key}'" for key in OWN_LABELS)
    free = f"!key.startsWith('{OWN_PREFIX}') && !(key in [{taken}])"
    message = f"a key that begins with {OWN_PREFIX}, or is one of {', '.join(OWN_LABELS)}, {OWN_REMEDY}"
    return Rule(f"!has(self.{mapping}) || self.{mapping}.all(key, {free})", message, mapping)


_SHORT_ANNOTATIONS = Rule(
    f"{length_of_mapping('self.annotations')} <= {MAX_ANNOTATIONS}",
    f"annotations have more than {MAX_ANNOTATIONS} characters in all: {LENGTH_REMEDY}",
    "annotations",
)

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
    f" : has(self.seeds.single) ? {size_of_range('self.seeds.single')} : {MAX_EPISODES})"
)
_SURVIVORS = (
    f"(!has(self.earlyStopping) ? {_EPISODES}"
    " : has(self.earlyStopping.rungs) ? self.earlyStopping.rungs[size(self.earlyStopping.rungs) - 1].keep"
    " : has(self.earlyStopping.brackets) ? self.earlyStopping.brackets.map(bracket, size(bracket.rungs) == 0"
    " ? bracket.episodes : bracket.rungs[size(bracket.rungs) - 1].keep).sum()"
    " : has(self.budget) ? self.budget : 0)"
)
_NO_AVERAGE = "!has(self.result) || self.result != 'average'"
_ONE_WEIGHT_INIT = (
    f"(has({_GRID}) ? {size_of_range(f'{_GRID}.weightInits')} <= 1"
    " : has(self.seeds.pairs) ? self.seeds.pairs.all(pair, pair.weightInit == self.seeds.pairs[0].weightInit)"
    f" : has(self.seeds.single) ? {size_of_range('self.seeds.single')} <= 1 : true)"
)
_RUNGS, _BRACKETS = "self.earlyStopping.rungs", "self.earlyStopping.brackets"
_FLOOR = "has(self.earlyStopping) && has(self.earlyStopping.floor)"
_NO_RUNGS = f"!has(self.earlyStopping) || !has({_RUNGS})"
_NO_BRACKETS = f"!has(self.earlyStopping) || !has({_BRACKETS})"

_EVALUATION_REMEDY = (
    "every rung must fall on one of an episode's evaluations (epochs x evaluationsPerEpoch, or trainer.evaluations), "
    "and on one of its own: use a higher atPercent, space the rungs, or evaluate more often"
)

_TOGETHER = (
    Rule("!has(self.gpusPerEpisode) || double(self.gpusPerEpisode) > 0.0", "must be above 0", "gpusPerEpisode"),
    Rule(
        f"{_NO_RUNGS} || {_FLOOR} || {_RUNGS}.all(rung, rung.keep <= {_EPISODES})",
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
        f"has(self.budget) == ({_FLOOR})",
        "budget and earlyStopping.floor go together: give both, or neither",
        "budget",
    ),
    Rule(
        f"!has(self.budget) || self.budget <= {_EPISODES}",
        "spec.seeds gives fewer episodes than full runs may be spent: list more seeds, or lower it",
        "budget",
    ),
    Rule(
        f"!has(self.budget) || {_NO_RUNGS} || {_RUNGS}.all(rung, rung.keep <= self.budget)",
        "keep is more than spec.budget pays for: keep as many as it has full runs, or fewer",
        "earlyStopping.rungs",
    ),
    Rule(
        f"{_UNPLANNED} || !({_FLOOR}) || {_evaluation('self.earlyStopping.floor')} >= 1",
        "falls before the first of an episode's evaluations: use a higher atPercent, or evaluate more often",
        "earlyStopping.floor",
    ),
    Rule(
        f"{_NO_AVERAGE} || has({_TUNING}) || (has(self.trainer.weights) && has(self.trainer.weights.scoreCommand)"
        " && size(self.trainer.weights.scoreCommand) > 0)",
        "needs fineTuning, or a trainer of one's own with weights.scoreCommand: add that, or use winner",
        "result",
    ),
    Rule(
        f"{_NO_AVERAGE} || {_SURVIVORS} <= {MAX_MEMBERS}",
        f"an average of more than {MAX_MEMBERS} survivors: keep fewer at the last rung, or use winner",
        "result",
    ),
    Rule(
        f"{_THEIRS} || self.trainer.fineTuning.head != 'keep' || {_ONE_WEIGHT_INIT}"
        " || (has(self.trainer.fineTuning.reinit) && size(self.trainer.fineTuning.reinit) > 0)",
        "keep brings its own head, so weight-init seeds change nothing: use one weight-init seed, or head: reinit",
        "trainer.fineTuning.head",
    ),
)

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
_OF_EACH = "needs one entry for each ranked episode"


def _length(column: str) -> str:
    return f"(has({column}) ? size({column}) : 0)"


_FIXED = Rule("self == oldSelf", "never changes once it is written")

RULES: Mapping[type[BaseModel], Sequence[Rule]] = {
    SeedSweep: [
        Rule(
            f"self.metadata.name.size() <= {MAX_NAME} && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "metadata.name: pods are named after it: use lower case letters, digits and '-', at most 40 characters",
        ),
        *status_rules(),
    ],
    SweepSpec: [*_TOGETHER, *mutability_rules()],
    Grid: [
        Rule(
            f"!has(self.sample) || self.sample.size <= {_cells('self')}",
            "sample.size is larger than the grid, weightInits x dataOrders: lower it",
            "sample.size",
        ),
        Rule(
            f"{_cells('self')} <= {MAX_CELLS}",
            f"the grid has more than {MAX_CELLS} cells, sampled or not: lower weightInits or dataOrders, or list pairs",
        ),
        Rule(
            f"has(self.sample) || {_cells('self')} <= {MAX_EPISODES}",
            f"the grid has more than {MAX_EPISODES} cells: sample from it",
        ),
    ],
    PodTemplateMeta: [_not_ours("labels"), _not_ours("annotations"), _SHORT_ANNOTATIONS],
    ClaimMeta: [_SHORT_ANNOTATIONS],
    EarlyStopping: [
        *_LADDER,
        Rule(
            "!has(self.floor) || !has(self.audit)",
            "audit goes with cuts of all episodes, not with a floor: remove audit or floor",
            "audit",
        ),
        Rule(
            "!has(self.floor) || !has(self.rungs) || size(self.rungs) == 1",
            "a floor goes with one rung: remove the others",
            "rungs",
        ),
        Rule(
            "!has(self.floor) || !has(self.rungs) || self.rungs.all(rung, rung.atPercent >= self.floor.atPercent)",
            "atPercent is before the floor's: use as much or more, or lower floor.atPercent",
            "rungs",
        ),
    ],
    Floor: [
        Rule("double(self.margin) >= 0.0 && double(self.margin) <= 10.0", "must be from 0 to 10", "margin"),
    ],
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
            " && !has(self.evaluations) && !has(self.weights)"
            " && (!has(self.gauges) || (!has(self.gauges.score) && !has(self.gauges.progress))))",
            "fineTuning is our own trainer: remove command, args, config, evaluations, weights, gauges and metric "
            "(which goes inside fineTuning), or remove fineTuning",
        ),
        Rule(
            "!has(self.weights) || !has(self.gauges) || (!has(self.gauges.score) && !has(self.gauges.progress))",
            "weights belong to evaluations, and two gauges name none: publish the curve and remove gauges, or remove "
            "weights",
            "weights",
        ),
        Rule(
            "has(self.fineTuning) || has(self.metric)",
            "needs fineTuning, or metric (name and goal) for a trainer of one's own",
        ),
        Rule(
            f"{length_of_list('self.command')} + {length_of_list('self.args')}"
            f" + (has(self.weights) ? {length_of_list('self.weights.scoreCommand')} : 0)"
            f" + {length_of_list('self.env', 'size(each.name) + (has(each.value) ? size(each.value) : 0)')}"
            f" + (has(self.config) && has(self.config.json) ? size(self.config.json) : 0) <= {MAX_TRAINER_TEXT}",
            f"command, args, env, config and weights.scoreCommand have more than {MAX_TRAINER_TEXT} characters "
            "together: mount a ConfigMap instead",
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
        Rule(f"double(self.maxGradNorm) >= {MIN_GRAD_NORM}", TOO_SMALL_GRAD_NORM, "maxGradNorm"),
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
        Rule(
            f"{length_of_list('self.labels')} + {length_of_mapping('self.where')} <= {MAX_DATASET_TEXT}",
            f"labels and where have more than {MAX_DATASET_TEXT} characters together: shorten them",
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
    Cut: [
        Rule(
            "!has(oldSelf.evidence) || (has(self.evidence) && self.evidence == oldSelf.evidence)",
            "is added once, and never changes after that",
            "evidence",
        )
    ],
    CutData: [
        _FIXED,
        Rule(f"{_length('self.scores')} == size(self.ranked)", _OF_EACH, "scores"),
        Rule(f"{_length('self.losses')} in [0, size(self.ranked)]", _OF_EACH, "losses"),
    ],
}

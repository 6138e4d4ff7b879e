"""Which fields of a SeedSweep may change once it exists, and when, as rules for the API server."""

from collections.abc import Iterable

from pydantic import BaseModel

from seedsweep.api.core.objects import PodSpec, PodTemplate
from seedsweep.api.rules.cel import Rule
from seedsweep.api.rules.growth import HAS_FAILED, NO_GROWTH, ONLY_MORE
from seedsweep.api.status import HAND_OVER_FAILED, INVALID
from seedsweep.api.sweep import Storage, SweepSpec, Trainer

ALWAYS_MUTABLE = frozenset(
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
"""Fields of a spec that change nothing of what its record is about."""
_WITH_RULES_OF_THEIR_OWN = frozenset({"seeds", "trainer", "pod_template", "gpus_per_episode", "storage", "export"})
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


_FIXED = "is fixed once the sweep exists: make a new sweep"
# A rejected sweep has handed nothing over, though it has a completionTime, and a hand-over that failed may be tried
# again. See SweepStatus.handed_over.
_HANDED_OVER = (
    "has(self.status) && ((has(self.status.best) && has(self.status.best.weights)) || has(self.status.completionTime))"
    " && !(has(self.status.conditions) && self.status.conditions.exists(c,"
    " (c.type == 'Accepted' && c.status == 'False')"
    f" || (c.type == 'Failed' && c.status == 'True' && c.reason == '{HAND_OVER_FAILED}')))"
)


_FAILED = (
    "has(self.status) && has(self.status.conditions) && self.status.conditions.exists(c,"
    f" c.type == 'Failed' && c.status == 'True' && !(c.reason in ['{INVALID}', '{HAND_OVER_FAILED}']))"
)


def _unchanged(path: str) -> str:
    now, before = f"self.{path}", f"oldSelf.{path}"
    return f"(has({now}) ? has({before}) && {now} == {before} : !has({before}))"


def _paths(model: type[BaseModel], prefix: str, *, but: Iterable[str] = ()) -> list[str]:
    return [prefix + (field.alias or name) for name, field in model.model_fields.items() if name not in but]


def mutability_rules() -> list[Rule]:
    """What is not known to be mutable is fixed, so that a new field is."""
    fixed = [
        *_paths(SweepSpec, "", but=ALWAYS_MUTABLE | _WITH_RULES_OF_THEIR_OWN),
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
    place = " && ".join(_unchanged(path) for path in _paths(Storage, "storage.", but=("retention_policy",)))
    return [
        *(Rule(_unchanged(path), _FIXED, path) for path in fixed),
        *_growth_rules(),
        Rule(f"has(self.storage) == has(oldSelf.storage) && (!has(self.storage) || ({place}))", _FIXED, "storage"),
        *(
            Rule(
                f"(self.suspend && oldSelf.suspend) || {_unchanged(path)}",
                "may change only in a suspended sweep: set suspend: true, then change this, then set suspend: false",
                path,
            )
            for path in paused
        ),
    ]


def _growth_rules() -> list[Rule]:
    """`growth` says it, with the reasons. Of lists that are sets or maps the order does not matter."""
    stopping, pairs, sample = "self.earlyStopping", "seeds.pairs", "seeds.grid.sample"
    one_rung = (
        f"has({stopping}.rungs) && size({stopping}.rungs) == 1 && {stopping}.rankBy == 'best' && !has({stopping}.floor)"
    )
    may_grow = f"!has({stopping}) || ({one_rung})"
    axes = ("seeds.grid.weightInits", "seeds.grid.dataOrders")
    same_cells = " && ".join(f"self.{axis} == oldSelf.{axis}" for axis in axes)
    grows = (
        f"has(self.seeds.single) ? has(oldSelf.seeds.single) && {_range_grows('seeds.single')}"
        f" : has(self.{pairs}) ? has(oldSelf.{pairs}) && self.{pairs} + oldSelf.{pairs} == self.{pairs}"
        " : has(self.seeds.grid) && has(oldSelf.seeds.grid) &&"
        f" (has(self.{sample}) ? has(oldSelf.{sample}) && self.{sample}.seed == oldSelf.{sample}.seed"
        f" && self.{sample}.size >= oldSelf.{sample}.size && {same_cells}"
        f" : !has(oldSelf.{sample}) && {' && '.join(map(_range_grows, axes))})"
    )
    return [
        Rule(f"self.seeds == oldSelf.seeds || ({may_grow})", NO_GROWTH, "seeds"),
        Rule(grows, ONLY_MORE, "seeds"),
    ]


def _range_grows(path: str) -> str:
    now, before = f"self.{path}", f"oldSelf.{path}"
    return (
        f"(has({now}.count) ? has({before}.count) && {now}.count >= {before}.count"
        f" : has({before}.values) && {now}.values + {before}.values == {now}.values)"
    )


def status_rules() -> list[Rule]:
    """What may change until the winner has been handed over, or the sweep has failed: rules of the whole object."""
    policy = "spec.storage.retentionPolicy"
    # That the storage itself appears or goes is refused elsewhere.
    same_policy = f"!has(self.spec.storage) || !has(oldSelf.spec.storage) || {_unchanged(policy)}"
    remedy = "may change only until the winner has been handed over, and it has been"
    return [
        Rule(
            f"!({_HANDED_OVER}) || {_unchanged('spec.export')}",
            f"{remedy}: copy it with `seedsweep fetch`",
            "spec.export",
        ),
        Rule(f"!({_HANDED_OVER}) || {same_policy}", f"{remedy}: remove what is stored by hand", policy),
        Rule(f"self.spec.seeds == oldSelf.spec.seeds || !({_FAILED})", HAS_FAILED, "spec.seeds"),
    ]

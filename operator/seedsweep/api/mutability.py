"""Which fields of a SeedSweep may change once it exists, and when, as rules for the API server."""

from collections.abc import Iterable

from pydantic import BaseModel

from seedsweep.api.cel import Rule
from seedsweep.api.core import PodSpec, PodTemplate
from seedsweep.api.sweep import SweepSpec, Trainer

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


def mutability_rules() -> list[Rule]:
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

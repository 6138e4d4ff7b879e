"""The init containers that make and score an average of a custom trainer's weights, and how they end. Pure.

`average` is of the housekeeping image and makes the folder; `score` is of the trainer's image and runs its score
command. Where one of them fails, the pod fails and its own container never begins: then that is the answer, and the
next pod hands the winner over. An init container runs once, and the kubelet tells its exit code and last output.
"""

from collections.abc import Mapping
from typing import Any

from seedsweep.api.housekeeping import HousekeepingAnswer, HousekeepingTask
from seedsweep.api.sweep import SeedSweep
from seedsweep.contract.foreign import mapping, whole
from seedsweep.contract.output import last_line
from seedsweep.contract.protocol import Env
from seedsweep.contract.scoring import failure_words, not_scored, too_long_words
from seedsweep.contract.variables import literal, scoring_variables
from seedsweep.kube.pods.facts import Terminated, init_terminated_of, is_past_deadline, is_taken, terminated_of
from seedsweep.kube.pods.manifest import SCRATCH, STORAGE, Object

AVERAGE, SCORE = "average", "score"
_COMMAND = ["seedsweep-trainer", "average"]
_MAX_SECONDS = 10**9
_NOT_STARTED = frozenset({"StartError", "ContainerCannotRun"})
"""A kubelet's reasons for a command that its image does not have."""


def makes_average(task: HousekeepingTask) -> bool:
    """Whether an average of a custom trainer's weights is made and scored before the hand-over."""
    return task.hand_over is not None and task.hand_over.own and bool(task.hand_over.average)


def with_scoring(container: Object, episodes: Object, sweep: SeedSweep) -> tuple[Object, list[Object]]:
    """The housekeeping container, told where the average is, and the init containers that make and score it.

    `episodes` is the container of an episode's pod.
    """
    told = {key: value for key, value in scoring_variables(sweep.spec, SCRATCH).items() if key != Env.CONTRACT}
    variables = [{"name": name, "value": literal(value)} for name, value in told.items() if name != Env.WORK_DIR]
    # First: $(NAME) reaches only back.
    ours = {**container, "env": [*variables, *container["env"]]}
    return ours, [{**ours, "name": AVERAGE, "command": _COMMAND}, _score(episodes, sweep)]


def _score(episodes: Object, sweep: SeedSweep) -> Object:
    """An episode's container without its episode, the storage and GPUs."""
    asked = {name: literal(value) for name, value in scoring_variables(sweep.spec, SCRATCH).items()}
    given = [v for v in episodes["env"] if v["name"] == Env.CONFIG or not v["name"].startswith("SEEDSWEEP_")]
    resources = episodes.get("resources", {})
    return {
        **{key: value for key, value in episodes.items() if key not in ("args", "ports", "resources")},
        "name": SCORE,
        "command": sweep.spec.trainer.score_command,
        "env": [*({"name": name, "value": value} for name, value in asked.items()), *given],
        "volumeMounts": [mount for mount in episodes["volumeMounts"] if mount["mountPath"] != STORAGE],
        # Extended resources, such as GPUs, have a domain in their names.
        "resources": {
            kind: {name: amount for name, amount in resources[kind].items() if "/" not in name}
            for kind in ("requests", "limits")
            if kind in resources
        },
    }


def is_scoring(task: HousekeepingTask, status: Mapping[str, Any]) -> bool:
    """Whether an average is made and its score command has not ended."""
    made, scored = init_terminated_of(status, AVERAGE), init_terminated_of(status, SCORE)
    return makes_average(task) and made is not None and made.exit_code == 0 and scored is None


def said_before(task: HousekeepingTask, status: Mapping[str, Any]) -> Terminated | None:
    """How the making of an average ended that failed; None where it did not."""
    made = init_terminated_of(status, AVERAGE) if makes_average(task) else None
    return made if made is not None and made.exit_code != 0 else None


def unscored(task: HousekeepingTask, pod: Mapping[str, Any]) -> HousekeepingAnswer | None:
    """The answer of a pod that failed because its average has no score; None where it failed for another reason.

    A score command that ends with its pod, as somebody deletes or evicts that, has not failed: it runs again.
    """
    metadata, spec, status = (mapping(pod.get(part)) for part in ("metadata", "spec", "status"))
    made, scored = init_terminated_of(status, AVERAGE), init_terminated_of(status, SCORE)
    if not makes_average(task) or made is None or made.exit_code != 0:
        return None
    assert task.hand_over is not None  # that is where an average is asked for
    if status.get("phase") != "Failed" or metadata.get("deletionTimestamp") or terminated_of(status) is not None:
        return None
    if scored is not None and scored.exit_code == 0:
        return None
    if is_past_deadline(status):
        why = too_long_words(whole(spec.get("activeDeadlineSeconds"), 0, _MAX_SECONDS) or 0)
    elif scored is None or scored.exit_code is None or is_taken(status):
        return None
    elif scored.reason in _NOT_STARTED:
        why = f"cannot be started: {last_line(scored.message)}"
    else:
        why = failure_words(scored.exit_code, scored.message)
        if scored.reason == "OOMKilled":
            why += " (out of memory: raise trainer.resources.limits)"
    return HousekeepingAnswer(average=not_scored(task.hand_over.average, why))

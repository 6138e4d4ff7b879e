"""The pod that does what must be done in a sweep's storage: its manifest, and what it tells. Pure.

It is an episode's pod without a GPU and without an episode: the same mounts, credentials and restrictions. What it was
asked stands in its own variables, so that whoever finds it knows what its answer is to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pydantic import ValidationError

from seedsweep.api.comparison import MAX_WHY
from seedsweep.api.housekeeping import HousekeepingAnswer, HousekeepingTask
from seedsweep.api.status import Average
from seedsweep.api.sweep import SeedSweep
from seedsweep.contract.foreign import decimal, mapping, recordable, text, whole
from seedsweep.contract.message import MAX_REASON
from seedsweep.contract.output import last_line
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep.contract.variables import expand, literal
from seedsweep.kube.housekeeping.scoring import is_scoring, makes_average, said_before, unscored, with_scoring
from seedsweep.kube.objects import names
from seedsweep.kube.objects.weights import ClaimFolder
from seedsweep.kube.pods.beside import pod_beside
from seedsweep.kube.pods.facts import (
    ENDED_PHASES,
    asked_of,
    conditions_of,
    terminated_of,
    told,
    variable_of,
    waiting_trouble,
)
from seedsweep.kube.pods.manifest import STORAGE, Object, PodSettings, not_ours

COMMAND = ["seedsweep-trainer", "housekeep"]
_MAX_PARAMETERS = 10**15
_MAX_EXAMPLES = 10**12
_MAX_PATH = 4_096
_MAX_ATTEMPT = 10**6
MAX_PRUNED = 500
"""Episodes that one pod frees: its task is a single variable, which an operating system limits to 128 KiB."""

COMPARISON_SECONDS = 600

_OF_QUEUES = "kueue.x-k8s.io/"
_OF_EPISODES = frozenset(
    {
        Env.EPISODE,
        Env.ATTEMPT_UID,
        Env.WEIGHT_INIT_SEED,
        Env.DATA_ORDER_SEED,
        Env.SEED,
        Env.METRIC,
        Env.RUNGS,
        Env.STOP_AFTER,
        Env.CHECKPOINT_DIR,
        Env.METRICS_HOST,
        Env.METRICS_PORT,
    }
)


def image_of(sweep: SeedSweep, settings: PodSettings) -> str | None:
    """The image that knows how to keep house; None where there is none."""
    trainer = sweep.spec.trainer
    return trainer.image if trainer.fine_tuning is not None else settings.housekeeping_image


def seconds_for(task: HousekeepingTask, settings: PodSettings) -> int:
    """How long a pod may take; the winner may have to wait for a comparison, which therefore gets less."""
    most = settings.housekeeping_seconds
    return most if task.compare is None else min(most, COMPARISON_SECONDS)


def housekeeping_manifest(sweep: SeedSweep, settings: PodSettings, task: HousekeepingTask, attempt: int) -> Object:
    """The manifest of a sweep's housekeeping pod; attempt 0, 1, ... of what it is asked."""
    pod = pod_beside(sweep)
    given, name = sweep.spec.pod_template.metadata, sweep.metadata.name
    assert sweep.metadata.uid is not None  # as an API server shows it
    metadata = {
        "name": names.housekeeping_name(name),
        "namespace": sweep.metadata.namespace,
        # A queue would have it wait for GPUs that it does not need.
        "labels": {
            **{key: value for key, value in not_ours(given.labels).items() if not key.startswith(_OF_QUEUES)},
            "app.kubernetes.io/name": "seedsweep",
            "app.kubernetes.io/instance": name,
            **names.labels(name, sweep.metadata.uid),
            names.LABEL_COMPONENT: names.HOUSEKEEPING,
        },
        "annotations": {**not_ours(given.annotations), names.ANNOTATION_ATTEMPT: str(attempt)},
        "ownerReferences": pod["metadata"]["ownerReferences"],
    }
    episodes = pod["spec"]["containers"][0]
    container = _container(episodes, sweep, settings, task)
    before: list[Object] = []
    if makes_average(task):
        container, before = with_scoring(container, episodes, sweep)
    spec = {
        **pod["spec"],
        "activeDeadlineSeconds": seconds_for(task, settings),
        **({"initContainers": before} if before else {}),
        "containers": [container],
    }
    return {**pod, "metadata": metadata, "spec": spec}


def clean_up_manifest(sweep: SeedSweep, settings: PodSettings) -> Object:
    """The manifest of the pod that removes all that a sweep has stored; nobody owns it, for the sweep is gone."""
    pod = housekeeping_manifest(sweep, settings, HousekeepingTask(remove_all=True), 0)
    metadata = pod["metadata"]
    metadata["name"] = names.clean_up_name(sweep.metadata.name, sweep.metadata.uid or "")
    metadata["labels"][names.LABEL_COMPONENT] = names.CLEAN_UP
    del metadata["ownerReferences"]
    # Nobody is left who would count its attempts.
    pod["spec"]["restartPolicy"] = "OnFailure"
    return pod


def _container(episodes: Object, sweep: SeedSweep, settings: PodSettings, task: HousekeepingTask) -> Object:
    ours = sweep.spec.trainer.fine_tuning is not None
    left_out = _OF_EPISODES if ours else {*_OF_EPISODES, Env.CONFIG}
    asked = literal(task.model_dump_json(by_alias=True, exclude_defaults=True))
    container = {key: value for key, value in episodes.items() if key not in ("args", "ports")}
    if not ours:
        container.pop("imagePullPolicy", None)
    return {
        **container,
        "image": image_of(sweep, settings),
        "command": COMMAND,
        # First: $(NAME) reaches only back, and people's own variables may refer to none of this.
        "env": [
            {"name": str(Env.TASK), "value": asked},
            *(variable for variable in episodes["env"] if variable["name"] not in left_out),
        ],
        "resources": {"requests": dict(settings.housekeeping_requests)},
    }


def readable_place(sweep: SeedSweep, path: str) -> str:
    """Where something in the storage is, for people who do not see what pods see."""
    storage = sweep.spec.storage
    claim = storage.persistent_volume_claim if storage is not None else None
    if claim is None or not path.startswith(f"{STORAGE}/"):
        return path
    return str(ClaimFolder(claim.claim_name, path.removeprefix(f"{STORAGE}/")))


@dataclass(frozen=True, slots=True)
class ChoreEnd:
    """How one ended."""

    answer: HousekeepingAnswer
    """With an error where it left no answer."""
    final: bool
    """Trying again would be in vain."""


@dataclass(frozen=True, slots=True)
class Chore:
    """A housekeeping pod, as an API server shows it."""

    uid: str
    name: str
    version: int
    owner_uid: str | None
    attempt: int
    task: HousekeepingTask
    trouble: str
    """Why it cannot begin."""
    scoring: bool
    """It has made an average, and its score command has not ended."""
    deleted: bool
    """Its deletion was asked for."""
    end: ChoreEnd | None


def chore_of(pod: Mapping[str, Any]) -> Chore | None:
    """The facts of a housekeeping pod; None for one that does not say which it is, or what it was asked.

    Any other part that is not as Kubernetes has it counts as absent: it must not hide a pod that is there.
    """
    metadata, spec, status = (mapping(mapping(pod).get(part)) for part in ("metadata", "spec", "status"))
    name, uid, version = text(metadata.get("name")), text(metadata.get("uid")), decimal(metadata.get("resourceVersion"))
    task = _task(spec)
    if not name or not uid or version is None or task is None:
        return None
    scheduled = mapping(conditions_of(status).get("PodScheduled"))
    unplaced = told(scheduled) if scheduled.get("status") == "False" else ""
    attempt = decimal(mapping(metadata.get("annotations")).get(names.ANNOTATION_ATTEMPT))
    answer = unscored(task, pod)
    return Chore(
        uid=uid,
        name=name,
        version=version,
        owner_uid=names.owner_uid(metadata),
        attempt=whole(attempt, 0, _MAX_ATTEMPT) or 0,
        task=task,
        trouble=waiting_trouble(status) or unplaced,
        scoring=is_scoring(task, status),
        deleted=bool(metadata.get("deletionTimestamp")),
        end=ChoreEnd(answer, final=False) if answer is not None else _end(status, task),
    )


def _task(spec: Mapping[str, Any]) -> HousekeepingTask | None:
    asked = variable_of(asked_of(spec), Env.TASK)
    if not isinstance(asked, str):
        return None
    try:
        return HousekeepingTask.model_validate_json(expand(asked, {}))
    except ValidationError:
        # Of another release: nothing of it is known here, and what is wanted is asked for anew.
        return HousekeepingTask()


def _end(status: Mapping[str, Any], task: HousekeepingTask) -> ChoreEnd | None:
    phase = text(status.get("phase"))
    if phase not in ENDED_PHASES:
        return None
    end = terminated_of(status) or said_before(task, status)
    code = end.exit_code if end is not None and end.exit_code is not None else 0 if phase == "Succeeded" else 1
    message = end.message if end is not None else ""
    answer = _answer(message)
    ended_early = answer is not None and (answer.only_tried or bool(answer.instead))
    if answer is None or (code != 0 and not answer.error and not ended_early):
        why = last_line(message) or told(status) or f"it ended with exit code {code}"
        answer = (answer or HousekeepingAnswer()).evolve(error=why if code != 0 else f"it left no answer: {why}")
    return ChoreEnd(_with_members(answer, task), final=code == ExitCode.BAD_CONFIGURATION)


def _with_members(answer: HousekeepingAnswer, task: HousekeepingTask) -> HousekeepingAnswer:
    """An answer has no room for the names of the members, and one of an earlier release says nothing of an average."""
    members = task.hand_over.members if task.hand_over is not None else []
    if not members or (answer.weights is None and not answer.only_tried):
        return answer
    made = answer.average or Average(members=len(members), reason="the image that hands over makes no averages")
    return answer.evolve(average=made.evolve(episodes=members))


def _answer(message: str) -> HousekeepingAnswer | None:
    """What a message says, as a record can hold it; None where it is no answer."""
    try:
        answer = HousekeepingAnswer.model_validate_json(message)
    except ValidationError:
        return None
    texts = (answer.weights or "", answer.exported or "", answer.test.metric if answer.test is not None else "")
    if any(recordable(part, _MAX_PATH) != part for part in texts) or not _is_sound(answer):
        return None
    if (compared := answer.compared) is not None:
        answer = answer.evolve(compared=compared.evolve(why=recordable(compared.why, MAX_WHY)))
    if (average := answer.average) is not None:
        answer = answer.evolve(average=average.evolve(reason=recordable(average.reason, MAX_REASON)))
    return answer.evolve(error=recordable(answer.error, MAX_REASON))


def _is_sound(answer: HousekeepingAnswer) -> bool:
    test = answer.test
    if test is not None and not (
        0 <= test.n <= _MAX_EXAMPLES
        and (test.interval is None or len(test.interval) == 2)
        and all(map(isfinite, (test.score or 0.0, test.confidence, *(test.interval or ()))))
    ):
        return False
    if answer.compared is not None and answer.compared.examples > _MAX_EXAMPLES:
        return False
    return answer.parameters is None or 0 <= answer.parameters <= _MAX_PARAMETERS

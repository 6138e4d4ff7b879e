"""Names, labels and annotations of what a sweep owns: functions of the sweep and the episode alone."""

import re
from collections.abc import Mapping
from typing import Any

from seedsweep.api.base import MAX_SEED
from seedsweep.api.episode import EpisodeId
from seedsweep.api.sweep import API_VERSION
from seedsweep.contract.foreign import mapping, mappings, text

LABEL_SWEEP = "seedsweep.io/sweep"
LABEL_SWEEP_UID = "seedsweep.io/sweep-uid"
LABEL_EPISODE = "seedsweep.io/episode"
LABEL_WEIGHT_INIT = "seedsweep.io/weight-init"
LABEL_DATA_ORDER = "seedsweep.io/data-order"
LABEL_COMPONENT = "app.kubernetes.io/component"
HOUSEKEEPING = "housekeeping"
"""The component of pods that touch a sweep's storage."""
CLEAN_UP = "clean-up"
"""The component of pods that remove the storage of a sweep that is gone."""
ANNOTATION_ATTEMPT = "seedsweep.io/attempt"
ANNOTATION_STOP_AFTER = "seedsweep.io/stop-after"
ANNOTATION_SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
ANNOTATION_DO_NOT_DISRUPT = "karpenter.sh/do-not-disrupt"

_OF_EPISODE = re.compile(r"-wi(0|[1-9][0-9]{0,9})-do(0|[1-9][0-9]{0,9})")
_OF_CUT = re.compile(r"-b([0-9]{1,4})-r([0-9]{1,4})(?:-g([0-9]{1,6}))?")


def object_name(sweep: str, episode: EpisodeId) -> str:
    """Of an episode's pod and of its Episode. Without the attempt: the API server refuses a second live pod."""
    return f"{sweep}-{episode.name}"


def housekeeping_name(sweep: str) -> str:
    """Of a sweep's housekeeping pod: the API server refuses a second one."""
    return f"{sweep}-{HOUSEKEEPING}"


def clean_up_name(sweep: str, uid: str) -> str:
    """Of the pod that removes what a deleted sweep has stored; another sweep may have the name by then."""
    return f"{sweep}-{CLEAN_UP}-{uid[:8]}"


def component_of(metadata: Mapping[str, Any]) -> str:
    """What a pod is for."""
    return text(mapping(metadata.get("labels")).get(LABEL_COMPONENT))


def episode_of(name: str) -> EpisodeId | None:
    """The episode that a pod or an Episode is named after; None for other names.

    Labels say it too, but whoever may edit a pod can change them. The name is what the API server keeps unique.
    """
    found = _OF_EPISODE.fullmatch(name, max(name.rfind("-wi"), 0))
    episode = EpisodeId(int(found[1]), int(found[2])) if found is not None else None
    return episode if episode is not None and max(episode) <= MAX_SEED else None


def cut_of(name: str) -> tuple[int, int, int] | None:
    """Bracket, rung and growth of the cut that a Cut is named after; None for other names."""
    found = _OF_CUT.fullmatch(name, max(name.rfind("-b"), 0))
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found is not None else None


def labels(sweep: str, uid: str, episode: EpisodeId | None = None) -> dict[str, str]:
    """What a sweep's objects are found by."""
    found = {LABEL_SWEEP: sweep, LABEL_SWEEP_UID: uid}
    if episode is not None:
        found[LABEL_EPISODE] = episode.name
        found[LABEL_WEIGHT_INIT] = str(episode.weight_init)
        found[LABEL_DATA_ORDER] = str(episode.data_order)
    return found


def owner_reference(sweep: str, uid: str) -> dict[str, Any]:
    """Deleting the sweep deletes what refers to it so, whether an operator runs or not."""
    return {
        "apiVersion": API_VERSION,
        "kind": "SeedSweep",
        "name": sweep,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def owner_uid(metadata: Mapping[str, Any]) -> str | None:
    """UID of the sweep that controls an object; None where another does, or none."""
    for reference in mappings(metadata.get("ownerReferences")):
        if reference.get("controller") and reference.get("kind") == "SeedSweep":
            return text(reference.get("uid")) or None
    return None

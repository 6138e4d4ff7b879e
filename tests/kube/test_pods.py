"""The pod of an episode: what it is told, what it may do, and what a cluster refuses beforehand."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.pod_sweeps import CLAIM, EVERYTHING, OWN_TRAINER, START, sweep_with, values_of, with_pod_metadata
from seedsweep.api.episode import EpisodeId
from seedsweep.api.sweep import Config, SeedSweep
from seedsweep.engine.decisions import StartEpisode
from seedsweep.kube.objects import names
from seedsweep.kube.pods.manifest import SCRATCH, STORAGE, PodSettings, pod_manifest, pod_problems

Object = dict[str, Any]

SEEDS = st.integers(min_value=0, max_value=2**31 - 1)


def own_trainer(**fields: Any) -> SeedSweep:
    return sweep_with({"spec.trainer": {**OWN_TRAINER, **fields}})


SWEEP = own_trainer()


def container_of(sweep: SeedSweep, start: StartEpisode = START) -> Object:
    containers: list[Object] = pod_manifest(sweep, start)["spec"]["containers"]
    (container,) = containers
    return container


# --- names


@given(sweep=st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True), weights=SEEDS, order=SEEDS)
def test_the_name_of_a_pod_tells_its_episode(sweep: str, weights: int, order: int):
    name = names.object_name(sweep, EpisodeId(weights, order))
    assert names.episode_of(name) == (weights, order)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= 253


@pytest.mark.parametrize("name", ["", "demo", "demo-wi1", "demo-wi1-do2-probe", "demo-wi1-do", "demo-wi-1-do2"])
def test_other_names_are_no_episodes(name: str):
    assert names.episode_of(name) is None


def test_a_pod_belongs_to_its_sweep_and_goes_with_it():
    metadata = pod_manifest(sweep_with(), START)["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("demo-wi3-do7", "team")
    assert names.owner_uid(metadata) == "sweep-uid"
    # Nobody has to wait for a pod before the sweep can go.
    assert metadata["ownerReferences"][0]["blockOwnerDeletion"] is False


def test_the_number_of_the_attempt_is_an_annotation_and_the_name_stays():
    first, third = (pod_manifest(sweep_with(), StartEpisode(EpisodeId(1, 1), n, None, ())) for n in (0, 2))
    annotations = [pod["metadata"].pop("annotations").pop("seedsweep.io/attempt") for pod in (first, third)]
    assert annotations == ["0", "2"]
    assert first == third


def test_labels_of_users_are_kept_and_ours_win():
    given = {"team": "nlp", names.LABEL_SWEEP: "x", names.LABEL_COMPONENT: "housekeeping", "seedsweep.io/other": "x"}
    labels = pod_manifest(with_pod_metadata(labels=given), START)["metadata"]["labels"]
    assert labels == {
        "team": "nlp",
        "app.kubernetes.io/name": "seedsweep",
        "app.kubernetes.io/component": "trainer",
        "app.kubernetes.io/instance": "demo",
        "seedsweep.io/sweep": "demo",
        "seedsweep.io/sweep-uid": "sweep-uid",
        "seedsweep.io/episode": "wi3-do7",
        "seedsweep.io/weight-init": "3",
        "seedsweep.io/data-order": "7",
    }


def test_annotations_of_users_are_kept_and_ours_win():
    given = {"cost": "42", names.ANNOTATION_ATTEMPT: "9", names.ANNOTATION_STOP_AFTER: "abc"}
    sweep = with_pod_metadata(annotations=given)
    ours = {"seedsweep.io/attempt": "2", "seedsweep.io/stop-after": "6"}
    assert pod_manifest(sweep, START)["metadata"]["annotations"].items() >= {"cost": "42", **ours}.items()
    to_the_end = pod_manifest(sweep, replace(START, stop_after=None))["metadata"]["annotations"]
    assert names.ANNOTATION_STOP_AFTER not in to_the_end


EVICTION = "cluster-autoscaler.kubernetes.io/safe-to-evict"
DISRUPTION = "karpenter.sh/do-not-disrupt"


def eviction_of(sweep: SeedSweep) -> tuple[str | None, str | None]:
    annotations = pod_manifest(sweep, START)["metadata"]["annotations"]
    return annotations.get(EVICTION), annotations.get(DISRUPTION)


def test_autoscalers_are_told_that_an_eviction_costs_an_interval_with_storage_and_all_work_without():
    assert eviction_of(sweep_with({"spec.storage": CLAIM})) == ("true", None)
    assert eviction_of(sweep_with()) == ("false", "true")
    # Whether a trainer of one's own goes on from a checkpoint is not known beforehand.
    assert eviction_of(sweep_with({"spec.storage": CLAIM, "spec.trainer": OWN_TRAINER})) == ("false", "true")


def test_what_users_tell_autoscalers_counts():
    template = {"metadata": {"annotations": {EVICTION: "true", DISRUPTION: "false"}}}
    assert eviction_of(sweep_with({"spec.podTemplate": template})) == ("true", "false")


# --- what the trainer is told


def test_contract_is_kept_with_all_that_is_known_of_the_attempt():
    container = container_of(sweep_with({"spec.storage": CLAIM}))
    values = values_of(container)
    config = json.loads(values.pop("SEEDSWEEP_CONFIG"))
    assert {name: value for name, value in values.items() if name.startswith("SEEDSWEEP_")} == {
        "SEEDSWEEP_CONTRACT": "1",
        "SEEDSWEEP_EPISODE": "wi3-do7",
        "SEEDSWEEP_WEIGHT_INIT_SEED": "3",
        "SEEDSWEEP_DATA_ORDER_SEED": "7",
        "SEEDSWEEP_METRIC": '{"name":"accuracy","goal":"maximize"}',
        "SEEDSWEEP_RUNGS": "6,12",
        "SEEDSWEEP_STOP_AFTER": "6",
        "SEEDSWEEP_WORK_DIR": SCRATCH,
        "SEEDSWEEP_STORAGE_DIR": f"{STORAGE}/team/sweep-uid",
        "SEEDSWEEP_CHECKPOINT_DIR": f"{STORAGE}/team/sweep-uid/wi3-do7",
        "SEEDSWEEP_METRICS_HOST": "0.0.0.0",
        "SEEDSWEEP_METRICS_PORT": "9400",
        "SEEDSWEEP_TERMINATION_LOG": "/dev/termination-log",
    }
    assert config["dataset"]["train"] == "train.csv"
    (uid,) = (variable for variable in container["env"] if variable["name"] == "SEEDSWEEP_ATTEMPT_UID")
    assert uid["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.uid"}}


def test_an_attempt_without_storage_or_a_stop_is_told_of_neither():
    values = values_of(container_of(sweep_with(), StartEpisode(EpisodeId(3, 7), 0, None, (6,))))
    assert (
        not {"SEEDSWEEP_CHECKPOINT_DIR", "SEEDSWEEP_STORAGE_DIR", "SEEDSWEEP_STOP_AFTER", "SEEDSWEEP_SEED"}
        & values.keys()
    )


def test_single_seeds_are_given_as_one():
    values = values_of(container_of(sweep_with({"spec.seeds": {"single": {"count": 8}}})))
    assert values["SEEDSWEEP_SEED"] == "3"


def test_variables_of_users_come_after_the_contracts_and_may_refer_to_them():
    env = [{"name": "WHERE", "value": "/runs/$(SEEDSWEEP_EPISODE)"}, {"name": "HOME", "value": "/home/me"}]
    container = container_of(own_trainer(env=env))
    values = values_of(container)
    assert (values["WHERE"], values["HOME"]) == ("/runs/wi3-do7", "/home/me")
    assert [v["name"] for v in container["env"][-2:]] == ["WHERE", "HOME"]
    names_given = [variable["name"] for variable in container["env"]]
    assert len(names_given) == len(set(names_given))


def test_sources_of_variables_are_passed_on_as_they_are():
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
    source = {"prefix": "HF_", "configMapRef": {"name": "settings"}}
    container = container_of(own_trainer(env=[secret], envFrom=[source]))
    assert container["env"][-1] == secret
    assert container["envFrom"] == [source]


@given(st.text(alphabet="$()AB{}", min_size=1))
def test_a_config_arrives_as_it_was_written(text: str):
    sweep = SWEEP.evolve(spec=SWEEP.spec.evolve(trainer=SWEEP.spec.trainer.evolve(config=Config(json_text=text))))
    assert values_of(container_of(sweep))["SEEDSWEEP_CONFIG"] == text


def test_a_config_in_a_config_map_is_read_by_the_kubelet():
    container = container_of(own_trainer(config={"configMap": {"name": "recipe", "key": "a.json"}}))
    (config,) = (variable for variable in container["env"] if variable["name"] == "SEEDSWEEP_CONFIG")
    assert config["valueFrom"] == {"configMapKeyRef": {"name": "recipe", "key": "a.json"}}


def test_storage_by_uri_names_a_folder_of_the_episode_and_mounts_nothing():
    pod = pod_manifest(sweep_with({"spec.storage": {"uri": "s3://bucket/runs/"}}), START)["spec"]
    values = values_of(pod["containers"][0])
    assert values["SEEDSWEEP_STORAGE_DIR"] == "s3://bucket/runs/team/sweep-uid"
    assert values["SEEDSWEEP_CHECKPOINT_DIR"] == "s3://bucket/runs/team/sweep-uid/wi3-do7"
    assert [volume["name"] for volume in pod["volumes"]] == ["seedsweep-scratch"]


# --- what surrounds it


def test_fields_of_the_sweep_are_passed_on_under_their_core_names():
    pod, template = pod_manifest(sweep_with(EVERYTHING), START)["spec"], EVERYTHING["spec.podTemplate"]["spec"]
    for field in template.keys() - {"volumes", "securityContext"}:
        assert pod[field] == template[field]
    assert pod["securityContext"]["fsGroup"] == 2000
    assert pod["volumes"] == [
        *template["volumes"],
        {"name": "seedsweep-scratch", "emptyDir": {}},
        {"name": "seedsweep-storage", **CLAIM},
    ]
    (container,), trainer = pod["containers"], EVERYTHING["spec.trainer"]
    for field in ("image", "imagePullPolicy", "command", "args", "envFrom", "resources"):
        assert container[field] == trainer[field]
    assert container["volumeMounts"] == [
        *trainer["volumeMounts"],
        {"name": "seedsweep-scratch", "mountPath": SCRATCH},
        {"name": "seedsweep-scratch", "mountPath": "/tmp"},
        {"name": "seedsweep-storage", "mountPath": STORAGE},
    ]


def test_a_volume_of_the_users_own_may_be_the_place_for_temporary_files():
    fields = {
        "spec.podTemplate": {"spec": {"volumes": [{"name": "fast", "emptyDir": {"medium": "Memory"}}]}},
        "spec.trainer.volumeMounts": [{"name": "fast", "mountPath": "/tmp/"}],
    }
    assert [mount["mountPath"] for mount in container_of(sweep_with(fields))["volumeMounts"]] == ["/tmp/", SCRATCH]


def test_caches_are_where_the_pod_may_write():
    container = container_of(sweep_with())
    writable = tuple(mount["mountPath"] for mount in container["volumeMounts"])
    values = values_of(container)
    assert values["HOME"].startswith(writable)
    assert values["HF_HOME"].startswith(writable)


def test_a_retry_would_rather_not_run_where_it_failed():
    sweep, key = sweep_with(EVERYTHING), "preferredDuringSchedulingIgnoredDuringExecution"
    before = pod_manifest(sweep, START)["spec"]["affinity"]
    after = pod_manifest(sweep, replace(START, avoid_node="node-7"))["spec"]["affinity"]
    added = after["nodeAffinity"][key].pop()
    assert added["preference"] == {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["node-7"]}]}
    assert after == before


def test_a_pod_neither_reaches_the_api_server_nor_starts_again_by_itself():
    pod = pod_manifest(sweep_with(), START)["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["restartPolicy"] == "Never"
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


# --- what a cluster refuses beforehand


def problems_of(sweep: SeedSweep, *allowed: str) -> list[tuple[str, str]]:
    return [(p.path, str(p)) for p in pod_problems(sweep, PodSettings(service_accounts=frozenset(allowed)))]


def test_a_sweep_that_names_all_a_cluster_needs_has_no_problem():
    data = {"train": "package:reviews/train.csv", "validation": "/data/validation.csv"}
    assert problems_of(sweep_with({"spec.trainer.fineTuning.dataset": data})) == []
    assert problems_of(own_trainer()) == []
    assert problems_of(sweep_with({"spec.storage": {"uri": "s3://b"}, "spec.trainer.fineTuning.dataset": data})) == []


@pytest.mark.parametrize(
    ("fields", "path", "remedy"),
    [
        ({"spec.trainer.image": ...}, "spec.trainer.image", "add the trainer's image"),
        (
            {"spec.podTemplate": {"spec": {"serviceAccountName": "admin"}}},
            "spec.podTemplate.spec.serviceAccountName",
            "(reader): remove it (found 'admin')",
        ),
        (
            {"spec.trainer.resources": {"limits": {"nvidia.com/gpu": "0.5"}}},
            "spec.trainer.resources.limits[nvidia.com/gpu]",
            "whole number",
        ),
        ({"spec.trainer.fineTuning.model": "./model"}, "spec.trainer.fineTuning.model", "absolute path"),
        (
            {"spec.trainer.fineTuning.dataset": {"train": "data/train.csv", "validation": "/v.csv"}},
            "spec.trainer.fineTuning.dataset.train",
            "absolute path",
        ),
        (
            {"spec.trainer.fineTuning.dataset": {"task": "rte", "path": "glue/RTE"}},
            "spec.trainer.fineTuning.dataset.path",
            "absolute path",
        ),
    ],
)
def test_what_only_a_cluster_refuses_is_named_with_its_remedy(fields: Object, path: str, remedy: str):
    data = {"spec.trainer.fineTuning.dataset": {"train": "/t.csv", "validation": "/v.csv"}}
    ((where, said),) = problems_of(sweep_with({**data, **fields}), "reader")
    assert where == path
    assert remedy in said


def test_pods_that_would_be_too_large_to_list_by_the_thousand_are_refused():
    volumes = [
        {"name": f"v{i}", "configMap": {"name": "x", "items": [{"key": "k", "path": "p" * 4_000}] * 10}}
        for i in range(10)
    ]
    sweep = sweep_with({"spec.trainer": OWN_TRAINER, "spec.podTemplate": {"spec": {"volumes": volumes}}})
    ((path, said),) = problems_of(sweep)
    assert path == "spec"
    assert "bytes, more than 262144: move what is long into ConfigMaps" in said


def test_a_service_account_that_the_administrator_allows_is_fine():
    account = {"spec.podTemplate": {"spec": {"serviceAccountName": "reader"}}}
    assert problems_of(sweep_with({**account, "spec.trainer": OWN_TRAINER}), "reader") == []

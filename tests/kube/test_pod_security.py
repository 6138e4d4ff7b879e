"""Pods against Pod Security "restricted", its rules written down as they are published."""

from typing import Any

import pytest

from inputs.pod_sweeps import EVERYTHING, START, sweep_with
from kube.test_own_average import OWN, TASK
from seedsweep.api.housekeeping import HousekeepingTask
from seedsweep.cluster.fetch_pod import fetch_manifest
from seedsweep.kube.housekeeping.manifest import clean_up_manifest, housekeeping_manifest
from seedsweep.kube.objects.weights import ClaimFolder
from seedsweep.kube.pods.manifest import PodSettings, pod_manifest

Object = dict[str, Any]

SWEEPS = {"least": sweep_with(), "all": sweep_with(EVERYTHING)}
SETTINGS = PodSettings(housekeeping_image="house:1")
MANIFESTS = {
    **{f"{name}, episode": pod_manifest(sweep, START) for name, sweep in SWEEPS.items()},
    **{
        f"{name}, housekeeping": housekeeping_manifest(sweep, SETTINGS, HousekeepingTask(), 0)
        for name, sweep in SWEEPS.items()
    },
    "all, average of an own trainer": housekeeping_manifest(OWN, SETTINGS, TASK, 0),
    **{f"{name}, clean-up": clean_up_manifest(sweep, SETTINGS) for name, sweep in SWEEPS.items()},
    "all, fetch": fetch_manifest(sweep_with(EVERYTHING), [ClaimFolder("weights", "team/sweep-uid/best")], "word"),
}
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


@pytest.fixture(params=MANIFESTS)
def pod(request: pytest.FixtureRequest) -> Object:
    spec: Object = MANIFESTS[request.param]["spec"]
    return spec


def containers(pod: Object) -> list[Object]:
    return [*pod["containers"], *pod.get("initContainers", ()), *pod.get("ephemeralContainers", ())]


def test_no_namespace_of_the_host_is_shared(pod: Object):
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"}
    assert not any("hostPort" in port for container in containers(pod) for port in container.get("ports", ()))


def test_only_harmless_kinds_of_volumes_are_mounted(pod: Object):
    for volume in pod["volumes"]:
        assert volume.keys() - {"name"} <= VOLUMES


def test_no_container_can_be_or_become_root(pod: Object):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"].get("runAsUser") != 0
    for container in containers(pod):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert not context.get("privileged")
        assert context.get("runAsNonRoot", True)
        assert context.get("runAsUser") != 0


def test_all_capabilities_are_dropped_and_none_is_added(pod: Object):
    for container in containers(pod):
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_system_calls_are_filtered_and_no_profile_is_loosened(pod: Object):
    context = pod["securityContext"]
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not context.keys() & {"seLinuxOptions", "windowsOptions", "appArmorProfile", "sysctls"}
    for container in containers(pod):
        loosened = {"seccompProfile", "seLinuxOptions", "windowsOptions", "appArmorProfile", "procMount"}
        assert not container["securityContext"].keys() & loosened


def test_beyond_the_standard_the_root_file_system_is_read_only(pod: Object):
    assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in containers(pod))

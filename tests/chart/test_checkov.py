"""checkov's checks of Kubernetes objects and Dockerfiles, on the rendered chart and the Dockerfile."""

import shutil
from pathlib import Path

import pytest

from chart.checkov import failures
from chart.rendering import CHART, THROUGH_PROMETHEUS, manifest

NOT_OURS = {
    "CKV_K8S_11": "no limit of CPU: a throttled operator cuts late",
    "CKV_K8S_15": "a release's tag is never moved, and image.pullPolicy is a value",
    "CKV_K8S_35": "the webhook's URL is read once, at the start, by the only process in the pod",
    "CKV_K8S_38": "the operator has a token: it talks to the API server",
    "CKV_K8S_43": "image.digest is a value; by default the release's own tag is enough",
    "CKV_DOCKER_2": "Kubernetes does not read HEALTHCHECK, and the chart has probes",
    "CKV_DOCKER_7": "FROM names an argument, whose default has a version",
}
NOT_OF_A_TEST = {
    "CKV_K8S_8": "the chart's test ends by itself: there is nothing to find out while it lives",
    "CKV_K8S_9": "nor is it ever ready for anybody",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "least.yaml").write_text(manifest())
    (folder / "everything.yaml").write_text(manifest(THROUGH_PROMETHEUS))
    shutil.copy(CHART.parents[1] / "Dockerfile", folder)
    return folder


def test_checkov_finds_nothing_but_what_is_meant(folder: Path):
    found = failures(folder)
    assert {f.check for f in found} == NOT_OURS.keys() | NOT_OF_A_TEST.keys()
    assert {f.resource for f in found if f.check in NOT_OF_A_TEST} == {"seedsweep-test"}

"""How the operator writes an Episode, which has no status subresource: its status changes, and nothing else of it."""

from collections.abc import AsyncIterator

import pytest
from kubernetes.aio.config import new_client_from_config

from cluster.controlplane import ControlPlane
from cluster.objects import EPISODE, Store, with_change, with_status
from seedsweep.api.episode import BestEvaluation, EpisodeStatus, RungScore, Verdict
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.apiserver.client import ONCE, Api, ApiError

FIRST = EpisodeStatus(scores=[0.5], best=BestEvaluation(score=0.5, evaluation=1, loss=2.0))
SECOND = EpisodeStatus(scores=[0.5, 0.75], best=BestEvaluation(score=0.75, evaluation=2))

LOST = EpisodeStatus(
    rung_scores=[RungScore(rung=0, evaluation=3, score=0.5)], verdict=Verdict(outcome="LostByDominance", rung=0)
)


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[Api]:
    async with await new_client_from_config(str(control_plane.kubeconfig())) as client:
        yield Api(client, ONCE)


@pytest.fixture
def path(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/episodes/{EPISODE['metadata']['name']}"


def dumped(status: EpisodeStatus) -> dict[str, object]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


async def test_a_status_takes_the_place_of_the_one_before_and_all_else_stays(store: Store, api: Api, path: str):
    made = store.create(with_status(EPISODE, FIRST))
    marked = with_change(made, "metadata.labels", {"backup": "yes"})
    marked = with_change(marked, "metadata.finalizers", ["example.com/held"])
    marked = store.replace(with_change(marked, "metadata.annotations", {"note": "kept"}))
    try:
        version = await api.set_field(path, "status", dumped(SECOND), marked["metadata"]["resourceVersion"])
        found = await api.get(path)
    finally:
        store.replace(with_change(await api.get(path), "metadata.finalizers", []))
    assert found["metadata"]["resourceVersion"] == version
    for part in ("labels", "finalizers", "annotations"):
        assert found["metadata"][part] == marked["metadata"][part]
    assert found["spec"] == made["spec"]
    assert found["status"]["best"] == {"score": 0.75, "evaluation": 2}
    assert EpisodeStatus.model_validate(found["status"]) == SECOND


async def test_a_write_from_an_older_version_is_a_conflict_and_one_of_what_is_gone_finds_nothing(
    store: Store, api: Api, path: str
):
    made = store.create(with_status(EPISODE, FIRST))
    old = made["metadata"]["resourceVersion"]
    await api.set_field(path, "status", dumped(SECOND), old)
    with pytest.raises(ApiError) as caught:
        await api.set_field(path, "status", dumped(FIRST), old)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert (await api.get(path))["status"]["scores"] == [0.5, 0.75]
    await api.delete(path, made["metadata"]["uid"])
    with pytest.raises(ApiError) as caught:
        await api.set_field(path, "status", dumped(FIRST), old)
    assert caught.value.missing


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (LOST.evolve(rung_scores=[RungScore(rung=0, evaluation=3, score=0.9)]), "a rung score is final"),
        (LOST.evolve(verdict=Verdict(outcome="Finished")), "a verdict is final"),
    ],
)
async def test_what_is_final_stays_as_it_was(store: Store, api: Api, path: str, forged: EpisodeStatus, said: str):
    made = store.create(with_status(EPISODE, LOST))
    with pytest.raises(ApiError, match=said) as caught:
        await api.set_field(path, "status", dumped(forged), made["metadata"]["resourceVersion"])
    assert caught.value.status == 422

"""Evidence of a cut in a cluster: asked of a pod of its own, added to the Cut once, and in nobody's way."""

import asyncio
import copy
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from inputs.pod_sweeps import CLAIM
from kube.fake_api import CUTS, PODS, FakeCluster, body_of, settle, until
from seedsweep.api.comparison import ALIKE, APART, UNKNOWN, Compared
from seedsweep.api.housekeeping import HousekeepingAnswer, HousekeepingTask
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.housekeeping.comparisons import MAX_FAILURES
from seedsweep.kube.objects.names import HOUSEKEEPING, LABEL_COMPONENT
from seedsweep.kube.pods.manifest import PodSettings

pytestmark = pytest.mark.simulated_time

Object = dict[str, Any]
Answer = Callable[[HousekeepingTask], tuple[HousekeepingAnswer, int]]
CUT = f"{CUTS}/demo-b0-r0"
SETTINGS = PodSettings(housekeeping_image="house:1", housekeeping_seconds=3600)
OTHERS = {
    **{"summary": "0 of 6 losers", "against": "wi0-do1", "compared": 6, "alike": 0, "toldApart": 6, "unknown": 0},
    "level": 0.05,
}
LOST = HousekeepingAnswer(error="the bucket is away")


def told(letters: str = "", **fields: Any) -> Answer:
    """What a comparison has found; by default, of its losers every other is told apart."""

    def answer(task: HousekeepingTask) -> tuple[HousekeepingAnswer, int]:
        if task.compare is None:
            return HousekeepingAnswer(), 0
        found = letters or "".join((ALIKE, APART)[i % 2] for i in range(len(task.compare.losers)))
        return HousekeepingAnswer(compared=Compared(letters=found, **{"examples": 100, "level": 0.05} | fields)), 0

    return answer


def failing(code: int = 1) -> Answer:
    return lambda task: (LOST, code) if task.compare is not None else (HousekeepingAnswer(), 0)


class Kept:
    """A sweep of 8 with a storage, and pods that keep its house."""

    def __init__(self, cluster: FakeCluster, answer: Answer) -> None:
        self.cluster, self.api, self.answer = cluster, cluster.api, answer
        self.asked: list[HousekeepingTask] = []

    @property
    def compared(self) -> list[HousekeepingTask]:
        return [task for task in self.asked if task.compare is not None]

    @property
    def evidence(self) -> Object | None:
        found: Object | None = self.api.objects.get(CUT, {}).get("evidence")
        return found

    @property
    def phase(self) -> str:
        return str(self.api.status("demo").get("phase"))

    async def keep_house(self) -> None:
        """For ever: a pod ends as soon as it is there."""
        while True:
            for pod in self.api.pods():
                if pod["metadata"]["labels"].get(LABEL_COMPONENT) == HOUSEKEEPING and "terminated" not in str(pod):
                    self._end(pod)
            await asyncio.sleep(0.05)

    async def train_to_the_rung(self) -> None:
        """All of them."""
        await until(lambda: len(self._training()) == 8)
        for pod in self._training():
            self.cluster.end_pod(pod, scores=3)

    async def train(self) -> None:
        """All to the rung, and those that are kept to their end."""
        await self.train_to_the_rung()
        await until(self._training)
        await settle()
        for pod in self._training():
            self.cluster.end_pod(pod)

    def _training(self) -> list[Object]:
        return [
            pod
            for pod in self.api.pods()
            if pod["metadata"]["labels"].get(LABEL_COMPONENT) != HOUSEKEEPING and "terminated" not in str(pod)
        ]

    def _end(self, pod: Object) -> None:
        task = HousekeepingTask.model_validate_json(self._variable(pod, Env.TASK).replace("$$", "$"))
        self.asked.append(task)
        answer, code = self.answer(task)
        end = {"exitCode": code, "message": answer.model_dump_json(by_alias=True, exclude_none=True)}
        ended = {
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [{"name": "trainer", "state": {"terminated": end}}],
        }
        path = f"{PODS}/{pod['metadata']['name']}"
        self.cluster.show_pod(self.api.edit(path, lambda found: found.update(status=ended)))

    def _variable(self, pod: Object, name: Env) -> str:
        values = {v["name"]: v.get("value", "") for v in pod["spec"]["containers"][0]["env"]}
        return str(values.get(name, ""))


@asynccontextmanager
async def kept(answer: Answer, relist_seconds: float = 300.0) -> AsyncIterator[Kept]:
    async with FakeCluster(relist_seconds, settings=SETTINGS) as cluster:
        found = Kept(cluster, answer)
        cluster.apply(body_of(parallelism=8, storage=CLAIM))
        house = asyncio.create_task(found.keep_house())
        try:
            yield found
        finally:
            house.cancel()


async def test_the_losers_of_a_cut_are_compared_and_the_cut_says_what_came_of_it():
    async with kept(told()) as sweep:
        await sweep.train()
        await until(lambda: sweep.phase == "Complete")
        cut = sweep.api.objects[CUT]
        losers = cut["data"]["ranked"][cut["data"]["keep"] :]
        [task] = sweep.compared
        assert task.compare is not None
        assert task.compare.against is not None
        assert task.compare.against.episode == cut["data"]["ranked"][cut["data"]["keep"] - 1]
        assert [sought.episode for sought in task.compare.losers if sought is not None] == losers
        assert cut["evidence"]["alikeEpisodes"] == losers[::2]
        assert cut["evidence"]["summary"] == f"{len(losers[::2])} of {len(losers)} losers"
        # By a pod that does nothing else: its failure would be another's.
        assert task == HousekeepingTask(compare=task.compare)


async def test_a_comparison_that_fails_is_tried_a_few_times_and_holds_nothing_up(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    async with kept(failing()) as sweep:
        await sweep.train()
        await until(lambda: sweep.phase == "Complete")
        assert len(sweep.compared) == MAX_FAILURES
        assert sweep.evidence is None
        assert "demo-b0-r0 stays without evidence: the bucket is away" in caplog.text


async def test_an_image_of_another_release_is_asked_once():
    async with kept(failing(ExitCode.BAD_CONFIGURATION)) as sweep:
        await sweep.train()
        await until(lambda: sweep.phase == "Complete")
        assert len(sweep.compared) == 1
        assert sweep.evidence is None


@pytest.mark.parametrize("letters", ["A", "A" * 500])
async def test_an_answer_about_other_losers_is_no_evidence(letters: str):
    async with kept(told(letters)) as sweep:
        await sweep.train()
        await until(lambda: sweep.phase == "Complete")
        assert sweep.evidence is None


async def test_many_losers_are_compared_by_one_pod_after_the_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seedsweep.kube.sweeps.storage_work.MAX_COMPARED", 2)
    async with kept(told()) as sweep:
        await sweep.train()
        await until(lambda: sweep.phase == "Complete")
        losers = len(sweep.api.objects[CUT]["data"]["ranked"]) - sweep.api.objects[CUT]["data"]["keep"]
        assert len(sweep.compared) == -(-losers // 2) > 1
        found = [task.compare.found for task in sweep.compared if task.compare is not None]
        assert [len(before.letters) if before is not None else 0 for before in found] == [*range(0, losers, 2)]
        assert sweep.evidence is not None
        assert sweep.evidence["compared"] == losers


async def test_without_the_answers_of_the_last_one_kept_no_other_pod_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seedsweep.kube.sweeps.storage_work.MAX_COMPARED", 2)
    async with kept(told(UNKNOWN * 2, examples=0, why="no answers of wi0-do0 are stored")) as sweep:
        await sweep.train()
        await until(lambda: sweep.phase == "Complete")
        assert len(sweep.compared) == 1
        assert sweep.evidence is not None
        assert (sweep.evidence["summary"], sweep.evidence["compared"]) == ("unknown", 0)
        assert sweep.evidence["whyUnknown"] == "no answers of wi0-do0 are stored"


async def test_evidence_that_the_api_server_refuses_is_told_and_holds_nothing_up_for_ever():
    async with kept(told()) as sweep:

        def refuse(verb: str, path: str, body: Any) -> None:
            if (verb, path) == ("PATCH", CUT):
                raise ApiError(403, "Forbidden", "cannot patch cuts")

        sweep.api.refuse = refuse
        await sweep.train()
        await until(lambda: sweep.api.condition("demo", "Stalled")[:2] == ("True", "Forbidden"))
        assert "patch cuts" in sweep.api.condition("demo", "Stalled")[2]
        await until(lambda: sweep.phase == "Complete")
        assert sweep.evidence is None
        assert sweep.api.count("PATCH", CUT) < 10


async def test_evidence_that_another_operator_has_added_stays():
    async with kept(told()) as sweep:

        def overtaken(task: HousekeepingTask) -> tuple[HousekeepingAnswer, int]:
            if task.compare is not None:
                sweep.api.edit(CUT, lambda cut: cut.update(evidence=OTHERS))
            return told()(task)

        sweep.answer = overtaken
        await sweep.train_to_the_rung()
        await until(lambda: sweep.compared)
        await settle(5)
        assert sweep.evidence == OTHERS
        assert sweep.api.count("PATCH", CUT) == 0


@pytest.mark.usefixtures("short_relists")
async def test_a_cut_that_somebody_deletes_is_made_again_with_its_evidence():
    async with kept(told(), relist_seconds=0.3) as sweep:
        await sweep.train_to_the_rung()
        await until(lambda: sweep.evidence is not None)
        before = copy.deepcopy(sweep.api.objects.pop(CUT))
        await until(lambda: CUT in sweep.api.objects)
        assert sweep.api.objects[CUT]["data"] == before["data"]
        assert sweep.evidence == before["evidence"]
        assert len(sweep.compared) == 1

"""One housekeeping pod at a time, from the wish to the record; the API server is a dictionary."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inputs.pod_sweeps import CLAIM, OWN_TRAINER, sweep_with
from seedsweep.api.core.objects import Condition
from seedsweep.api.episode import EpisodeId
from seedsweep.api.housekeeping import HandOver, HousekeepingTask, Member, Pruning
from seedsweep.api.status import Average, Best, SweepStatus
from seedsweep.api.sweep import Export, SeedSweep
from seedsweep.contract.protocol import Env
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.housekeeping.failures import HAND_OVER as HANDING_OVER
from seedsweep.kube.housekeeping.failures import MAX_BACK_OFF, MAX_FAILURES
from seedsweep.kube.housekeeping.housekeeper import Housekeeper
from seedsweep.kube.housekeeping.manifest import housekeeping_manifest
from seedsweep.kube.housekeeping.wanted import Wanted
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.manifest import PodSettings

Object = dict[str, Any]

SWEEP = sweep_with({"spec.storage": CLAIM})
ONE, TWO = EpisodeId(0, 0), EpisodeId(0, 1)
EPISODES = {e.name: e for e in (ONE, TWO)}
FREE_ONE = Wanted({ONE: Pruning(episode=ONE.name)})
HAND_OVER = Wanted(hand_over=HandOver(episode=ONE.name, evaluation=3, card=""))
SECONDS = 3600
WARM_UP = Wanted(warm_up=True)
BEST = Best(episode=ONE.name, weight_init=0, data_order=0, score=0.9, evaluation=3)


class ApiServer:
    """Pods by name, and what was asked of them."""

    def __init__(self) -> None:
        self.pods: dict[str, Object] = {}
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.error: ApiError | None = None
        self.deleted: list[str] = []
        self.finalizers: list[str] = []
        """Of pods that are deleted: they stay."""
        self.refused = 0
        self._version = 0

    async def get(self, path: str) -> Object:
        name = path.rsplit("/", 1)[-1]
        if name not in self.pods:
            raise ApiError(404, "NotFound", f"pods {name} not found")
        return self.pods[name]

    async def create(self, path: str, make: Callable[[], Object]) -> Object:
        if self.error is not None:
            raise self.error
        body = make()
        name = body["metadata"]["name"]
        if name in self.pods:
            self.refused += 1
            raise ApiError(409, "AlreadyExists", f"pods {name} already exists")
        metadata = {**body["metadata"], "creationTimestamp": self.now.isoformat(), "uid": f"pod-{self._version}"}
        return self._store({**body, "metadata": metadata, "status": {"phase": "Pending"}})

    async def delete(self, path: str, uid: str, grace_seconds: int | None = None) -> None:
        name = path.rsplit("/", 1)[-1]
        assert self.pods[name]["metadata"]["uid"] == uid
        self.deleted.append(uid)
        if self.finalizers:
            held = {"deletionTimestamp": self.now.isoformat(), "finalizers": self.finalizers}
            self.edit(**held)
        else:
            del self.pods[name]

    def edit(self, **metadata: object) -> Object:
        """Another hand changes the metadata of the only pod."""
        (pod,) = self.pods.values()
        return self._store({**pod, "metadata": {**pod["metadata"], **metadata}})

    def end(self, message: str, code: int = 0) -> Object:
        """The only pod ends."""
        (pod,) = self.pods.values()
        state = {"exitCode": code, "message": message, "finishedAt": self.now.isoformat()}
        status = {
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [{"name": "trainer", "state": {"terminated": state}}],
        }
        return self._store({**pod, "status": status})

    def begin(self, *containers: Object, phase: str = "Pending") -> Object:
        """The init containers of the only pod are at these; its own has not begun."""
        (pod,) = self.pods.values()
        return self._store({**pod, "status": {"phase": phase, "initContainerStatuses": list(containers)}})

    def task(self) -> HousekeepingTask:
        """Of the only pod."""
        (pod,) = self.pods.values()
        values = {v["name"]: v.get("value", "") for v in pod["spec"]["containers"][0]["env"]}
        return HousekeepingTask.model_validate_json(values[Env.TASK])

    def _store(self, pod: Object) -> Object:
        self._version += 1
        pod = {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(self._version)}}
        self.pods[pod["metadata"]["name"]] = pod
        return pod


class House:
    """A housekeeper, and those around it."""

    def __init__(self, server: ApiServer | None = None, sweep: SeedSweep = SWEEP) -> None:
        self.server = server or ApiServer()
        self.status = SweepStatus(best=BEST)
        self.recorded = False
        self.sweep = sweep
        home = Home("team", "demo", "sweep-uid")
        settings = PodSettings(housekeeping_image="house:1", housekeeping_seconds=SECONDS)
        self.keeper = Housekeeper(self.server, home, settings, lambda: None, lambda: self.server.now)  # type: ignore[arg-type]

    async def act(self, wanted: Wanted, after: float = 0.0) -> None:
        self.server.now += timedelta(seconds=after)
        await self.keeper.act(self.sweep, wanted, lambda task: self.recorded or not (task.prune or task.hand_over))

    def end(self, message: str, code: int = 0) -> None:
        self.keeper.saw(self.server.end(message, code))

    @property
    def seen(self):
        return self.keeper.seen(self.sweep, self.status, EPISODES)

    @property
    def hand_over(self):
        return self.keeper.hand_over_outcome(self.sweep, self.status)


async def test_what_is_wanted_while_a_pod_is_at_work_waits_for_the_next():
    house = House()
    await house.act(FREE_ONE)
    await house.act(Wanted({TWO: Pruning(episode=TWO.name)}))
    assert [pruning.episode for pruning in house.server.task().prune] == [ONE.name]
    assert house.seen.freeing == {ONE}
    assert house.seen.freed == {}


async def test_a_pod_stays_until_what_it_said_is_on_record():
    house = House()
    await house.act(FREE_ONE)
    house.end("{}")
    await house.act(Wanted({TWO: Pruning(episode=TWO.name)}))
    assert house.server.deleted == []
    assert (house.seen.freed, house.seen.freeing) == ({ONE: False}, frozenset())
    house.recorded = True
    await house.act(Wanted({TWO: Pruning(episode=TWO.name)}))
    assert len(house.server.deleted) == 1
    assert [pruning.episode for pruning in house.server.task().prune] == [TWO.name]


async def test_a_pod_that_is_not_wanted_any_more_is_deleted_and_none_follows():
    house = House()
    await house.act(FREE_ONE)
    house.end("{}")
    house.recorded = True
    await house.act(Wanted())
    assert house.server.pods == {}


async def test_the_next_operator_finds_the_answer_in_the_pod():
    house = House()
    await house.act(FREE_ONE)
    house.server.end("{}")
    successor = House(house.server, house.sweep)
    await successor.keeper.load()
    assert successor.seen.freed == {ONE: False}


async def test_the_next_operator_goes_on_counting_failures():
    house = House()
    await house.act(HAND_OVER)
    house.end('{"error":"the bucket is away"}', 1)
    for _ in range(MAX_FAILURES[HANDING_OVER] - 1):
        house = House(house.server)
        await house.keeper.load()
        assert house.hand_over is None
        await house.act(HAND_OVER, after=MAX_BACK_OFF.total_seconds())
        house.end('{"error":"the bucket is away"}', 1)
    assert house.hand_over is not None
    assert "the bucket is away" in house.hand_over.error
    assert (await reloaded(house)).hand_over == house.hand_over


async def reloaded(house: House) -> House:
    successor = House(house.server)
    await successor.keeper.load()
    return successor


async def test_a_failure_is_tried_again_only_after_a_pause_and_told_meanwhile():
    house = House()
    await house.act(FREE_ONE)
    house.end('{"error":"the bucket is away"}', 1)
    await house.act(FREE_ONE, after=1)
    assert house.server.deleted == []
    assert house.seen.trouble == "freeing what is no longer needed failed: the bucket is away"
    assert not house.seen.exhausted
    await house.act(FREE_ONE, after=60)
    assert len(house.server.deleted) == 1
    house.end("{}")
    assert house.seen.trouble == ""


async def test_what_is_done_is_not_undone_by_what_failed_after_it():
    house = House()
    await house.act(HAND_OVER)
    for _ in range(MAX_FAILURES[HANDING_OVER]):
        house.end('{"error":"no such repository","weights":"/var/lib/seedsweep/team/sweep-uid/best"}', 1)
        await house.act(HAND_OVER, after=MAX_BACK_OFF.total_seconds())
        if house.hand_over is not None:
            break
    assert house.hand_over is not None
    assert house.hand_over.weights == "persistentVolumeClaim/weights:team/sweep-uid/best"
    assert house.hand_over.error == "no such repository"


MEMBERS = [Member(episode=ONE.name, evaluation=3, score=0.8), Member(episode=TWO.name, evaluation=2, score=0.6)]
AVERAGE = Wanted(hand_over=HandOver(episode=ONE.name, evaluation=3, card="", average=MEMBERS))


async def test_what_became_of_the_average_outlives_the_pod_that_said_it():
    house = House()
    await house.act(AVERAGE)
    made = {"members": 2, "score": 0.75, "membersScore": 0.7, "handedOver": True}
    house.end(json.dumps({"weights": "/seedsweep/storage/team/sweep-uid/best", "average": made}))
    assert house.hand_over is not None
    names = [ONE.name, TWO.name]
    expected = Average(members=2, episodes=names, score=0.75, members_score=0.7, handed_over=True)
    assert house.hand_over.average == expected
    assert house.status.best is not None
    house.status = house.status.evolve(
        best=house.status.best.evolve(weights=house.hand_over.weights, average=house.hand_over.average)
    )
    house.recorded = True
    await house.act(Wanted())
    assert house.hand_over is not None
    assert house.hand_over.average == expected


async def test_an_image_that_makes_no_averages_has_handed_the_winner_over():
    house = House()
    await house.act(AVERAGE)
    house.end('{"weights":"/w"}')
    assert house.hand_over is not None
    assert house.hand_over.average is not None
    assert not house.hand_over.average.handed_over
    assert house.hand_over.average.reason == "the image that hands over makes no averages"


async def test_what_is_to_be_freed_is_still_freed_after_a_hand_over_that_was_given_up():
    house = House()
    await house.act(HAND_OVER)
    house.end('{"error":"no such repository"}', 78)
    assert house.hand_over is not None
    assert not house.seen.exhausted
    await house.act(FREE_ONE)
    assert house.seen.freeing == {ONE}
    house.end('{"error":"the bucket is away"}', 1)
    assert house.hand_over.error == "no such repository"


async def test_what_was_given_up_of_another_winner_is_tried_with_this_one():
    house = House()
    await house.act(HAND_OVER)
    house.end('{"error":"no such repository"}', 78)
    house.status = SweepStatus(best=BEST.evolve(episode=TWO.name, data_order=1))
    assert house.hand_over is None
    await house.act(Wanted(hand_over=HandOver(episode=TWO.name, evaluation=3, card="")), after=0)
    asked = house.server.task().hand_over
    assert asked is not None
    assert asked.episode == TWO.name


def hand_over_to(uri: str) -> Wanted:
    return Wanted(hand_over=HandOver(episode=ONE.name, evaluation=3, card="", export=Export(uri=uri)))


def exporting(uri: str) -> SeedSweep:
    return sweep_with({"spec.storage": CLAIM, "spec.export": {"uri": uri}})


async def test_a_winner_that_was_copied_elsewhere_than_the_spec_says_by_now_is_handed_over_once_more():
    house = House()
    house.sweep = exporting("s3://old/best")
    await house.act(hand_over_to("s3://old/best"))
    house.sweep = exporting("s3://new/best")
    house.end('{"weights":"/w","exported":"s3://old/best"}')
    assert house.hand_over is None
    await house.act(hand_over_to("s3://new/best"))
    asked = house.server.task().hand_over
    assert asked is not None
    assert asked.export == Export(uri="s3://new/best")
    house.end('{"weights":"/w","exported":"s3://new/best"}')
    assert house.hand_over is not None
    assert house.hand_over.exported == "s3://new/best"


async def test_what_was_given_up_is_tried_at_once_and_counted_anew_with_another_export():
    house = House()
    house.sweep = exporting("hub://no/such")
    await house.act(hand_over_to("hub://no/such"))
    house.end('{"error":"no such repository"}', 78)
    assert house.hand_over is not None
    house.sweep = exporting("s3://new/best")
    assert house.hand_over is None
    await house.act(hand_over_to("s3://new/best"))
    (pod,) = house.server.pods.values()
    assert pod["metadata"]["annotations"]["seedsweep.io/attempt"] == "0"
    house.end('{"weights":"/w","exported":"s3://new/best"}')
    assert house.hand_over is not None
    assert house.hand_over.error == ""


async def test_what_was_given_up_is_tried_anew_once_a_person_wants_it():
    house = House()
    await house.act(HAND_OVER)
    house.end('{"error":"no such repository"}', 78)
    assert house.hand_over is not None
    house.keeper.begin_again()
    assert house.hand_over is None
    await house.act(HAND_OVER)
    house.end('{"weights":"/w"}')
    assert house.hand_over is not None
    assert house.hand_over.error == ""


async def test_a_refused_configuration_is_not_tried_again():
    house = House()
    await house.act(WARM_UP)
    house.end('{"error":"no such model"}', 78)
    assert house.seen.warm_up is not None
    assert house.seen.warm_up.refused == "no such model"


async def test_a_warm_up_that_is_on_record_is_over_for_good():
    house = House()
    warmed = Condition(type="WarmedUp", status="True", reason="Done", last_transition_time="2026-01-01T00:00:00Z")
    house.status = SweepStatus(conditions=[warmed])
    assert house.seen.warm_up is None


async def test_a_pod_without_a_place_is_spoken_of_after_a_while_and_ended_in_time():
    house = House()
    await house.act(WARM_UP)
    (pod,) = house.server.pods.values()
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    pod["status"]["conditions"] = [scheduled]
    pod["metadata"]["resourceVersion"] = "99"
    house.keeper.saw(pod)
    assert house.seen.trouble == ""
    house.server.now += timedelta(seconds=31)
    assert house.seen.trouble == "demo-housekeeping cannot begin: Unschedulable: 0/3 nodes"
    await house.act(WARM_UP)
    assert house.server.deleted == []
    await house.act(WARM_UP, after=3600)
    assert house.server.pods == {}
    assert "not done after 3600 s: Unschedulable" in house.seen.trouble
    await house.act(WARM_UP, after=60)
    await house.act(WARM_UP, after=3600)
    assert house.seen.warm_up is not None
    assert house.seen.warm_up.over, "so long a wait counts more than other failures"


@pytest.mark.parametrize("gone", ["watch", "watch, by force", "list"])
async def test_a_pod_that_somebody_deletes_counts_as_a_failure(gone: str):
    house = House()
    await house.act(WARM_UP)
    deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if gone == "watch" else {}
    pod = house.server.edit(**deleted)
    house.server.pods.clear()
    if gone == "list":
        await house.keeper.load()
    else:
        house.keeper.saw_deleted(pod)
        await house.act(WARM_UP)
    await house.act(WARM_UP, after=60)
    (again,) = house.server.pods.values()
    assert again["metadata"]["annotations"]["seedsweep.io/attempt"] == "1"


REFUSALS: dict[str, tuple[ApiError, bool]] = {
    "away": (ApiError(None, "Unreachable", "the API server cannot be reached"), False),
    "busy": (ApiError(503, "ServiceUnavailable", "busy"), False),
    "quota": (ApiError(403, "Forbidden", "exceeded quota: none"), True),
    "rejected": (ApiError(422, "Invalid", "spec.volumes: no"), True),
}


@pytest.mark.parametrize("which", REFUSALS)
async def test_a_refused_pod_is_given_up_after_a_while_and_an_absent_api_server_waited_for(which: str):
    error, gives_up = REFUSALS[which]
    house = House()
    house.server.error = error
    for _ in range(10):
        await house.act(WARM_UP, after=MAX_BACK_OFF.total_seconds())
    assert house.seen.warm_up is not None
    assert house.seen.warm_up.over is gives_up
    if gives_up:
        assert str(error) in house.seen.warm_up.error


async def test_a_pod_of_that_name_that_is_not_ours_is_told_and_never_touched():
    house = House()
    foreign = housekeeping_manifest(sweep_with({"spec.storage": CLAIM}), PodSettings(), HousekeepingTask(), 0)
    foreign["metadata"]["ownerReferences"][0]["uid"] = "another"
    await house.server.create("", lambda: foreign)
    await house.act(FREE_ONE)
    assert "is not this sweep's" in house.seen.trouble
    assert house.server.deleted == []


async def test_a_pod_that_lost_its_label_is_followed_by_lists_and_not_taken_for_gone():
    house = House()
    await house.act(FREE_ONE)
    # As the watch shows it that asks for the label.
    house.keeper.saw_deleted(house.server.edit(labels={}))
    await house.act(FREE_ONE, after=60)
    assert house.seen.freeing == {ONE}
    assert house.seen.trouble == ""
    house.server.end("{}")
    await house.keeper.load()
    assert house.seen.freed == {ONE: False}


async def test_a_pod_that_lost_its_owner_stays_ours():
    house = House()
    await house.act(FREE_ONE)
    house.keeper.saw(house.server.edit(ownerReferences=[]))
    house.end("{}")
    assert house.seen.freed == {ONE: False}


async def test_a_pod_that_was_deleted_and_stays_is_told_and_asked_for_rarely_until_it_has_gone():
    house = House()
    await house.act(FREE_ONE)
    house.end("{}")
    house.recorded, house.server.finalizers = True, ["queue.io/held"]
    next_one = Wanted({TWO: Pruning(episode=TWO.name)})
    for _ in range(600):
        await house.act(next_one, after=1)
    assert house.seen.trouble.endswith(
        "pod demo-housekeeping was deleted and stays: the finalizers queue.io/held hold it"
    )
    assert not house.seen.exhausted
    assert house.server.refused < 200
    house.server.pods.clear()
    await house.act(next_one, after=60)
    assert house.seen.freeing == {TWO}
    assert len(house.server.deleted) == 1


@pytest.mark.parametrize("code", [0, 1])
async def test_a_pod_that_another_release_has_asked_for_more_is_waited_for_and_then_replaced(code: int):
    house = House()
    await house.act(WARM_UP)
    (pod,) = house.server.pods.values()
    (asked,) = (v for v in pod["spec"]["containers"][0]["env"] if v["name"] == Env.TASK)
    asked["value"] = '{"rewind":true}'
    successor = House(house.server)
    await successor.keeper.load()
    await successor.act(HAND_OVER, after=60)
    assert not successor.server.refused
    successor.end("{}" if code == 0 else "no such flag", code)
    await successor.act(HAND_OVER, after=60)
    assert successor.server.task().hand_over == HAND_OVER.hand_over
    assert successor.seen.trouble == ""


def _stale(pod: Object) -> Object:
    return {**pod, "metadata": {**pod["metadata"], "resourceVersion": "0"}}


@pytest.mark.parametrize("late", [_stale, dict])
async def test_a_late_watch_brings_no_pod_back(late: Callable[[Object], Object]):
    house = House()
    await house.act(FREE_ONE)
    old = late(next(iter(house.server.pods.values())))
    house.end("{}")
    house.recorded = True
    await house.act(Wanted({TWO: Pruning(episode=TWO.name)}))
    house.keeper.saw(old)
    assert house.seen.freeing == {TWO}


async def test_a_pod_at_work_is_left_to_its_own_end():
    house = House()
    await house.act(WARM_UP)
    await house.keeper.close()
    assert house.server.deleted == []


async def test_at_the_end_of_the_sweep_its_pod_goes():
    house = House()
    await house.act(HAND_OVER)
    house.end('{"weights":"/w"}')
    await house.keeper.close()
    assert house.server.pods == {}


# --- an average that its command does not score

MEMBERS = [Member(episode=e.name, evaluation=3, score=0.9) for e in (ONE, TWO)]
ASKED = HandOver(episode=ONE.name, evaluation=3, score=0.9, own=True, average=MEMBERS, card="")
SCORED = {**OWN_TRAINER, "weights": {"scoreCommand": ["score"]}}
OWN = sweep_with({"spec.storage": CLAIM, "spec.trainer": SCORED, "spec.result": "average"})
MADE = {"name": "average", "state": {"terminated": {"exitCode": 0, "message": "{}"}}}
AVERAGE = Wanted({TWO: Pruning(episode=TWO.name)}, ASKED)


def fail_to_score(house: House) -> None:
    """The score command of the only pod fails."""
    failed = {"name": "score", "state": {"terminated": {"exitCode": 3, "message": "no data"}}}
    house.keeper.saw(house.server.begin(MADE, failed, phase="Failed"))


async def test_after_an_average_without_a_score_the_next_pod_hands_over_the_winner_at_once():
    house = House(sweep=OWN)
    await house.act(AVERAGE)
    assert house.server.task().hand_over == ASKED
    fail_to_score(house)
    assert house.hand_over is None
    assert house.seen.freed == {}
    await house.act(AVERAGE)
    again = house.server.task()
    assert again.prune == [Pruning(episode=TWO.name)]
    assert again.hand_over is not None
    assert again.hand_over.average == []
    assert again.hand_over.tried is not None
    assert again.hand_over.tried.reason.endswith("the score command ended with exit code 3: no data")


async def test_of_other_members_a_new_average_is_tried():
    house = House(sweep=OWN)
    await house.act(AVERAGE)
    fail_to_score(house)
    grown = ASKED.evolve(average=[*MEMBERS, Member(episode="wi0-do2", evaluation=3, score=0.8)])
    await house.act(Wanted(hand_over=grown))
    assert house.server.task().hand_over == grown


async def test_the_next_operator_does_not_score_again_what_has_no_score():
    house = House(sweep=OWN)
    await house.act(AVERAGE)
    fail_to_score(house)
    later = await reloaded(house)
    await later.act(AVERAGE)
    asked = later.server.task().hand_over
    assert asked is not None
    assert asked.tried is not None
    later.end('{"error":"the bucket is away"}', 1)
    last = await reloaded(later)
    await last.act(AVERAGE, after=60)
    assert last.server.task().hand_over == asked


async def test_a_score_command_may_take_as_long_as_a_pod_may_and_its_node_tells_that_it_took_longer():
    house = House(sweep=OWN)
    await house.act(AVERAGE)
    house.keeper.saw(house.server.begin(MADE, {"name": "score", "state": {"running": {}}}))
    await house.act(AVERAGE, after=1.5 * SECONDS)
    assert house.server.deleted == []
    await house.act(AVERAGE, after=SECONDS)
    assert len(house.server.deleted) == 1

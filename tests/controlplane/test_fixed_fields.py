"""What may change in an object once it exists, and what a real API server keeps as it is."""

import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from cluster.controlplane import ControlPlane
from cluster.objects import EPISODE, Object, Store, refusal, run_kubectl, with_change, with_status
from inputs.growing import FEWER, MORE, failed
from inputs.largest import BYTES, largest_cut, largest_episode_status, largest_evidence
from inputs.sweeps import FINE_TUNING, as_resource
from seedsweep.api.core.objects import Condition
from seedsweep.api.cut import CutData
from seedsweep.api.episode import Episode, EpisodeStatus, RungScore, Verdict
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.reading.stored import read_cut, read_episode
from seedsweep.api.rules.growth import HAS_FAILED, NO_GROWTH, ONLY_MORE
from seedsweep.api.seeds import MAX_EPISODES, MAX_PAIRS
from seedsweep.api.status import Best, SweepStatus
from seedsweep.api.sweep import API_VERSION

ETCD_BYTES = 1.5 * 2**20
"""The largest object."""


def document(text: str) -> Object:
    found: Object = as_resource(parse_sweep(text))
    return found


# --- what may change

MUTABLE = {
    "spec.parallelism": 7,
    "spec.suspend": True,
    "spec.backoffLimitPerEpisode": 5,
    "spec.maxFailedEpisodes": 3,
    "spec.progressDeadlineSeconds": 60,
    "spec.activeDeadlineSeconds": 3600,
    "spec.ttlSecondsAfterFinished": 0,
    "spec.waitForCapacitySeconds": 10,
    "spec.scrape": {"intervalSeconds": 1},
}
CLAIM = {"persistentVolumeClaim": {"claimName": "weights"}}
FIXED = [
    ("spec.earlyStopping.rungs", [{"atPercent": 30, "keep": 3}], "spec.earlyStopping"),
    ("spec.earlyStopping", None, "spec.earlyStopping"),
    ("spec.storage", {"uri": "s3://bucket/prefix"}, "spec.storage"),
    ("spec.storage", None, "spec.storage"),
    ("spec.storage.persistentVolumeClaim", {"claimName": "other"}, "spec.storage"),
    ("spec.trainer.image", "example.org/other:2", "spec.trainer.image"),
    ("spec.trainer.env", [{"name": "A", "value": "c"}], "spec.trainer.env"),
    ("spec.trainer.fineTuning.epochs", 3, "spec.trainer.fineTuning"),
    ("spec.trainer.fineTuning.dataset.where", {"source": "x"}, "spec.trainer.fineTuning"),
    ("spec.podTemplate.spec.volumes", [{"name": "data", "emptyDir": {}}], "spec.podTemplate.spec.volumes"),
    ("spec.podTemplate.spec.serviceAccountName", "other", "spec.podTemplate.spec.serviceAccountName"),
]
MUTABLE_WHILE_SUSPENDED = {
    "spec.podTemplate.metadata.labels": {"team": "vision"},
    "spec.trainer.resources": {"limits": {"nvidia.com/gpu": 2}},
    "spec.gpusPerEpisode": "0.5",
    "spec.podTemplate.spec.nodeSelector": {"pool": "h100"},
    "spec.podTemplate.spec.tolerations": [{"operator": "Exists"}],
    "spec.podTemplate.spec.affinity": {"podAffinity": {}},
    "spec.podTemplate.spec.imagePullSecrets": [{"name": "other"}],
    "spec.podTemplate.spec.priorityClassName": "high",
}


@pytest.mark.parametrize("path", MUTABLE)
def test_deadlines_budgets_and_the_like_may_always_change(store: Store, path: str):
    live = store.create(document(FINE_TUNING))
    store.replace(with_change(live, path, MUTABLE[path]))


@pytest.mark.parametrize(("path", "value", "blamed"), FIXED)
def test_what_a_sweep_studies_never_changes_not_even_suspended(store: Store, path: str, value: Any, blamed: str):
    sweep = with_change(document(FINE_TUNING), "spec.suspend", True)
    if path.startswith("spec.storage") and (value is None or path != "spec.storage"):
        sweep = with_change(sweep, "spec.storage", CLAIM)
    message = refusal(store.try_replace(with_change(store.create(sweep), path, value)))
    assert f"{blamed}: Invalid value" in message
    assert "is fixed once the sweep exists: make a new sweep" in message


@pytest.mark.parametrize("path", MUTABLE_WHILE_SUSPENDED)
def test_where_pods_run_changes_only_while_none_does(store: Store, path: str):
    live = store.create(document(FINE_TUNING))
    value = MUTABLE_WHILE_SUSPENDED[path]
    assert "set suspend: true" in refusal(store.try_replace(with_change(live, path, value)))
    suspended = store.replace(with_change(live, "spec.suspend", True))
    store.replace(with_change(suspended, path, value))


ONE_RUNG = {"rungs": [{"atPercent": 30, "keep": 2}]}


def growing(seeds: Any, stopping: Any = ONE_RUNG) -> Object:
    return with_change(with_change(document(FINE_TUNING), "spec.seeds", seeds), "spec.earlyStopping", stopping)


@pytest.mark.parametrize("form", MORE)
def test_a_sweep_may_get_more_seeds_and_lose_none(store: Store, form: str):
    fewer, more = MORE[form]
    grown = store.replace(with_change(store.create(growing(fewer)), "spec.seeds", more))
    message = refusal(store.try_replace(with_change(grown, "spec.seeds", fewer)))
    assert "spec.seeds: Invalid value" in message
    assert ONLY_MORE in message


@pytest.mark.parametrize("form", FEWER)
def test_no_seed_is_taken_away_and_no_form_becomes_another(store: Store, form: str):
    fewer, other = FEWER[form]
    live = store.create(growing(fewer))
    assert ONLY_MORE in refusal(store.try_replace(with_change(live, "spec.seeds", other)))


@pytest.mark.parametrize(
    "stopping",
    [
        {"rungs": [{"atPercent": 30, "keep": 3}, {"atPercent": 60, "keep": 2}]},
        {"hyperband": {}},
        {**ONE_RUNG, "rankBy": "latest"},
    ],
)
def test_where_a_loser_could_be_revived_no_seeds_come(store: Store, stopping: Any):
    fewer, more = MORE["single count"]
    live = store.create(growing(fewer, stopping))
    assert NO_GROWTH in refusal(store.try_replace(with_change(live, "spec.seeds", more)))
    without = store.create(with_change(growing(fewer, None), "metadata.name", "without"))
    store.replace(with_change(without, "spec.seeds", more))


def test_a_sweep_that_declares_an_average_may_get_more_seeds_like_any_other(store: Store):
    fewer, more = MORE["single count"]
    store.replace(with_change(store.create(with_change(growing(fewer), "spec.result", "average")), "spec.seeds", more))


def test_a_sweep_that_failed_gets_no_more_seeds(store: Store):
    fewer, more = MORE["single values"]
    live = store.create(growing(fewer))
    status = SweepStatus(conditions=[failed("NoScore")]).model_dump(mode="json", by_alias=True, exclude_none=True)
    live = store.replace({**live, "status": status}, "status")
    assert HAS_FAILED in refusal(store.try_replace(with_change(live, "spec.seeds", more)))
    store.replace(with_change(live, "spec.seeds.single.values", [3, 7]))


SINCE = "2026-01-01T00:00:00.000+00:00"
HOLDS = {"type": "Complete", "status": "True", "reason": "WinnerFound", "message": "", "lastTransitionTime": SINCE}
NO_STATUS = {
    "a reason of two words": ({"conditions": [{**HOLDS, "reason": "two words"}]}, "conditions[0].reason"),
    "no reason": ({"conditions": [{**HOLDS, "reason": ""}]}, "conditions[0].reason"),
    "a type of two words": ({"conditions": [{**HOLDS, "type": "All done"}]}, "conditions[0].type"),
    "a type twice": ({"conditions": [HOLDS, {**HOLDS, "status": "False"}]}, "conditions[1]: Duplicate value"),
    "another status": ({"conditions": [{**HOLDS, "status": "Yes"}]}, "conditions[0].status"),
    "a long message": ({"conditions": [{**HOLDS, "message": "x" * 5_000}]}, "conditions[0].message: Too long"),
    "no date of a condition": ({"conditions": [{**HOLDS, "lastTransitionTime": "now"}]}, "[0].lastTransitionTime"),
    "no date of its start": ({"startTime": "yesterday"}, "status.startTime"),
    "no date of its end": ({"completionTime": "2026-13-01T00:00:00Z"}, "status.completionTime"),
    "no generation": ({"observedGeneration": -1}, "status.observedGeneration"),
}


@pytest.mark.parametrize("case", NO_STATUS)
def test_a_status_that_is_none_is_refused(store: Store, case: str):
    status, blamed = NO_STATUS[case]
    live = store.create(document(FINE_TUNING))
    assert blamed in refusal(store.try_replace({**live, "status": status}, "status"))
    good = {"conditions": [HOLDS], "startTime": SINCE, "completionTime": "2026-01-02T03:04:05Z"}
    store.replace({**live, "status": good}, "status")


UNTIL_HANDED_OVER = {
    "spec.export": {"hub": {"repository": "me/model", "private": False}},
    "spec.storage.retentionPolicy": {"whenFinished": "KeepAll", "whenDeleted": "Delete"},
}
REJECTED = Condition(type="Accepted", status="False", reason="Invalid", last_transition_time=SINCE)
NO_COPY = Condition(type="Failed", status="True", reason="HandOverFailed", last_transition_time=SINCE)
WINNER = Best(episode="wi0-do0", weight_init=0, data_order=0, score=0.5, evaluation=3)
NOT_YET = {
    "new": None,
    "running": SweepStatus(phase="Running", start_time=SINCE, best=WINNER),
    "rejected": SweepStatus(phase="Failed", completion_time=SINCE, conditions=[REJECTED]),
    "not handed over": SweepStatus(
        phase="Failed", completion_time=SINCE, conditions=[NO_COPY], best=WINNER.evolve(weights="s3://bucket/best")
    ),
}
BY_THEN = {
    "handed over": SweepStatus(phase="Concluding", best=WINNER.evolve(weights="s3://bucket/best")),
    "over without weights": SweepStatus(phase="Failed", completion_time=SINCE),
}


def stored(store: Store, status: SweepStatus | None) -> Object:
    """A sweep with storage and an export, as it stands."""
    sweep = with_change(document(FINE_TUNING), "spec.storage", CLAIM)
    live = store.create(with_change(sweep, "spec.export", {"uri": "s3://bucket/copy"}))
    return live if status is None else store.replace(with_status(live, status), "status")


@pytest.mark.parametrize("path", UNTIL_HANDED_OVER)
@pytest.mark.parametrize("state", NOT_YET)
def test_where_the_winner_goes_and_what_is_kept_may_change_until_it_is_handed_over(store: Store, path: str, state: str):
    live = stored(store, NOT_YET[state])
    for value in (UNTIL_HANDED_OVER[path], None, UNTIL_HANDED_OVER[path]):
        live = store.replace(with_change(live, path, value))
    assert with_change(live, path, UNTIL_HANDED_OVER[path]) == live


@pytest.mark.parametrize("path", UNTIL_HANDED_OVER)
@pytest.mark.parametrize("state", BY_THEN)
def test_once_the_winner_is_handed_over_that_is_fixed(store: Store, path: str, state: str):
    live = stored(store, BY_THEN[state])
    message = refusal(store.try_replace(with_change(live, path, UNTIL_HANDED_OVER[path])))
    assert f"{path}: Invalid value" in message
    assert "may change only until the winner has been handed over" in message
    again = store.replace(with_change(live, "spec.ttlSecondsAfterFinished", 5))
    store.replace(with_status(again, BY_THEN[state].evolve(message="still")), "status")


# --- the record

SCORE = RungScore(rung=0, evaluation=3, score=0.1 + 0.2, loss=1.0)


def test_an_episode_is_read_back_as_it_was_written(store: Store):
    status = EpisodeStatus(
        state="Running", scores=[0.1, None, 1.0, 1e-17], losses=[None, 2.0], rung_scores=[SCORE], baseline=0.5
    )
    written = store.create(with_status(EPISODE, status))
    assert Episode.model_validate_json(json.dumps(written)).status == status


def test_an_episodes_seeds_never_change(store: Store):
    live = store.create(EPISODE)
    assert "never changes" in refusal(store.try_replace(with_change(live, "spec.weightInit", 2)))


@pytest.mark.parametrize(
    "forged",
    [
        EpisodeStatus(rung_scores=[SCORE.evolve(score=0.9)]),
        EpisodeStatus(rung_scores=[SCORE.evolve(score=None)]),
        EpisodeStatus(rung_scores=[SCORE.evolve(rung=1)]),
        EpisodeStatus(),
    ],
    ids=["another", "undefined", "of another rung", "none"],
)
def test_a_rung_score_once_set_never_changes(store: Store, forged: EpisodeStatus):
    live = store.create(EPISODE)
    written = store.replace(with_status(live, EpisodeStatus(rung_scores=[SCORE])))
    assert "rung score" in refusal(store.try_replace(with_status(written, forged)))


def test_later_rungs_add_their_scores(store: Store):
    live = store.create(EPISODE)
    written = store.replace(with_status(live, EpisodeStatus(rung_scores=[SCORE])))
    both = EpisodeStatus(rung_scores=[SCORE, SCORE.evolve(rung=1, evaluation=5)])
    written = store.replace(with_status(written, both))
    assert len(written["status"]["rungScores"]) == 2


def test_a_record_is_never_removed(store: Store):
    live = store.create(EPISODE)
    written = store.replace(with_status(live, EpisodeStatus(rung_scores=[SCORE])))
    del written["status"]
    assert "never removed" in refusal(store.try_replace(written))


def test_a_verdict_is_final(store: Store):
    lost = EpisodeStatus(state="Lost", verdict=Verdict(outcome="LostByDominance", rung=0, dominators=["a", "b"]))
    live = store.create(EPISODE)
    written = store.replace(with_status(live, lost))
    again = lost.evolve(verdict=Verdict(outcome="Finished"))
    for forged in (again, lost.evolve(verdict=None)):
        assert "a verdict is final" in refusal(store.try_replace(with_status(written, forged)))
    store.replace(with_status(written, lost.evolve(scores=[0.5])))


# --- the decision


def cut(size: int) -> Object:
    ranked = {"ranked": [f"wi{i}-do{i}" for i in range(size)], "scores": [1 / (i + 1) for i in range(size)]}
    data = {"sweep": "demo", "bracket": 0, "rung": 0, "evaluation": 3, "keep": 5, "rankBy": "best", **ranked}
    return {"apiVersion": API_VERSION, "kind": "Cut", "metadata": {"name": "demo-b0-r0"}, "data": data}


def test_a_cut_never_changes(store: Store):
    live = store.create(cut(8))
    assert "never changes" in refusal(store.try_replace(with_change(live, "data.keep", 6)))
    ranked = live["data"]["ranked"][::-1]
    assert "never changes" in refusal(store.try_replace(with_change(live, "data.ranked", ranked)))


EVIDENCE = {
    **{"summary": "1 of 3 losers", "against": "wi4-do4", "compared": 3, "alike": 1, "toldApart": 2, "unknown": 0},
    **{"alikeEpisodes": ["wi5-do5"], "unknownEpisodes": [], "examples": 872, "test": "McNemarExact", "level": 0.05},
    **{"whyUnknown": "", "fewKept": False},
}


def test_a_cut_gets_its_evidence_once_and_keeps_it(store: Store):
    live = store.replace(with_change(store.create(cut(8)), "evidence", EVIDENCE))
    assert live["evidence"] == EVIDENCE
    for changed in ({**EVIDENCE, "alike": 3}, {**EVIDENCE, "alikeEpisodes": []}, None):
        forged = with_change(live, "evidence", changed)
        assert "is added once, and never changes" in refusal(store.try_replace(forged))
    assert "never changes once it is written" in refusal(store.try_replace(with_change(live, "data.keep", 6)))
    store.replace(with_change(live, "metadata.labels", {"a": "b"}))


def test_evidence_says_all_that_it_has_to(store: Store):
    live = store.create(cut(8))
    for field in ("summary", "against", "compared", "alike", "toldApart", "unknown", "level"):
        lacking = {name: value for name, value in EVIDENCE.items() if name != field}
        assert f"evidence.{field}: Required value" in refusal(store.try_replace(with_change(live, "evidence", lacking)))


@pytest.mark.parametrize(("column", "entries"), [("scores", 7), ("scores", 0), ("losses", 7), ("losses", 9)])
def test_a_column_of_a_cut_with_an_entry_too_few_or_too_many_is_refused(store: Store, column: str, entries: int):
    body = with_change(cut(8), f"data.{column}", [0.5] * entries)
    assert "needs one entry for each ranked episode" in refusal(store.try_create(body))
    store.create(with_change(cut(8), "data.losses", [None, *[0.5] * 7]))


def test_a_cut_is_a_record_and_asks_for_nothing(store: Store):
    live = store.create(cut(8))
    assert live.keys() == {"apiVersion", "kind", "metadata", "data"}
    without: list[Object] = [{"data": None}, {"data": {}}]
    for absent in without:
        assert "Required value" in refusal(store.try_create({**cut(8), **absent}))
    for part in ("spec", "status"):
        assert f'unknown field "{part}"' in refusal(store.try_create({**cut(8), part: {"keep": 5}}))


DOUBLES = [
    *(0.1 + 0.2, 1 / 3, 0.7726449275362319, 1e-300, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308),
    *(1.0, -1.0, 0.0, -0.0, 100.0, 1e15, 1e16, 1e21, 1e22, 1e23, 2.0**53, 2.0**53 + 2, 2.0**63, 2.0**64, -(2.0**63)),
    *(123456789012345680.0, 1e-6, 1e-7, 9.999999999999999e-7, 3.4028234663852886e38, 1.401298464324817e-45),
]


def test_scores_come_back_from_the_api_server_to_the_last_bit(
    store: Store, control_plane: ControlPlane, namespace: str
):
    ranked = [f"wi{i}-do0" for i in range(len(DOUBLES))]
    data = CutData.model_validate(cut(0)["data"])
    data = data.evolve(ranked=ranked, scores=DOUBLES, losses=DOUBLES, threshold=DOUBLES[-1])
    body = {**cut(0), "data": data.model_dump(by_alias=True)}
    live = store.create(body)
    assert read_cut(live).data == data
    # Stored once more, and as everybody else reads it.
    again = store.replace(with_change(live, "metadata.labels", {"a": "b"}))
    printed = run_kubectl(control_plane, "get", "cut", "demo-b0-r0", "-n", namespace, "-o", "json")
    in_yaml = run_kubectl(control_plane, "get", "cut", "demo-b0-r0", "-n", namespace, "-o", "yaml")
    for found in (again, json.loads(printed), YAML(typ="safe", pure=True).load(in_yaml)):
        read = [x for x in read_cut(found).data.scores if x is not None]
        # Only a zero has no sign there; it compares the same.
        assert [x.hex() for x in read if x] == [x.hex() for x in DOUBLES if x]
        assert read == DOUBLES


# --- the largest


@pytest.mark.parametrize("out", [0, MAX_EPISODES // 2])
def test_a_cut_of_as_many_episodes_as_there_may_be_is_accepted_and_stays_below_a_megabyte(
    store: Store, control_plane: ControlPlane, namespace: str, out: int
):
    data = largest_cut(out, "Failed: " + "m" * 2_000).model_dump(mode="json", by_alias=True)
    live = store.create({**cut(0), "data": data})
    assert len(read_cut(live).data.ranked) == MAX_EPISODES - out
    evidence = largest_evidence(read_cut(live).data)
    live = store.replace(with_change(live, "evidence", evidence.model_dump(mode="json", by_alias=True)))
    assert read_cut(live).evidence == evidence
    # As the API server writes its numbers, which is not as Python does.
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/cuts/demo-b0-r0"
    assert len(run_kubectl(control_plane, "get", "--raw", path).encode()) < BYTES
    store.replace(with_change(live, "metadata.labels", {"a": "b"}))


def test_an_episode_at_all_bounds_is_accepted_and_read_back(store: Store):
    live = store.create(EPISODE)
    status = largest_episode_status()
    written = store.replace(with_status(live, status))
    assert read_episode(written).status == status


def test_a_sweep_of_as_many_listed_pairs_as_there_may_be_is_checked_at_creation_and_at_a_change(store: Store):
    pairs = [{"weightInit": 2**31 - 1, "dataOrder": i} for i in range(MAX_PAIRS)]
    sweep = with_change(document(FINE_TUNING), "spec.trainer.fineTuning.head", "keep")
    live = store.create(with_change(sweep, "spec.seeds", {"pairs": pairs}))
    live = store.replace(with_change(live, "spec.parallelism", 7))
    message = refusal(store.try_replace(with_change(live, "spec.seeds.pairs", pairs[:-1])))
    assert ONLY_MORE in message
    assert len(json.dumps(live)) < ETCD_BYTES / 2

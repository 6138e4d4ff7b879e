"""What an operator of another release wrote is kept and ignored where it can be, and never taken for something else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.sweeps import FINE_TUNING, as_resource
from seedsweep.api.core.objects import Condition
from seedsweep.api.cut import Cut
from seedsweep.api.episode import Episode
from seedsweep.api.housekeeping import HousekeepingAnswer
from seedsweep.api.reading.parse import InvalidSweepError, parse_stored, parse_sweep
from seedsweep.api.reading.stored import UnreadableRecordError, read_cut, read_episode, read_status
from seedsweep.api.status import SweepStatus

Object = dict[str, Any]

SINCE = {"lastTransitionTime": "2026-01-01T00:00:00Z"}
CONDITION = {"type": "Suspended", "status": "False", "reason": "NotSuspended", "message": "", **SINCE}
CUT = {"bracket": 0, "rung": 0, "evaluation": 3, "kept": 2, "of": 8, "ref": "demo-b0-r0"}
BEST = {"episode": "wi0-do1", "weightInit": 0, "dataOrder": 1, "score": 0.5, "evaluation": 3, "weights": "s3://b/best"}
TEST = {"metric": "acc", "score": 0.5, "n": 40, "interval": [0.4, 0.6], "confidence": 0.95}
STATUS = {
    "phase": "Running",
    "startTime": "2026-01-01T00:00:00Z",
    "conditions": [CONDITION],
    "cuts": [CUT],
    "interruptions": [{"kind": "Evicted", "attempts": 2}],
    "best": {**BEST, "test": TEST},
    "cost": {"usefulSteps": 7},
}
EPISODE = {
    "apiVersion": "seedsweep.io/v1alpha1",
    "kind": "Episode",
    "metadata": {"name": "demo-wi0-do1"},
    "spec": {"sweep": "demo", "weightInit": 0, "dataOrder": 1, "index": 1},
    "status": {
        "state": "Lost",
        "attempts": [{"uid": "a", "reason": "Interrupted", "interruption": "Evicted"}, {"uid": "b"}],
        "rungScores": [{"rung": 0, "evaluation": 3, "score": 0.5}],
        "verdict": {"outcome": "LostByCut", "rung": 0, "cut": "demo-b0-r0"},
    },
}
RANKED = {"ranked": ["wi0-do1"], "scores": [0.5]}
CUT_DATA = {"sweep": "demo", "bracket": 0, "rung": 0, "evaluation": 3, "keep": 2, "rankBy": "best", **RANKED}


def body(status: object = None, **metadata: object) -> Object:
    found = as_resource(parse_sweep(FINE_TUNING))
    found["metadata"] |= {"namespace": "team", "uid": "u", "resourceVersion": "7", **metadata}
    return found if status is None else {**found, "status": status}


def spread(value: Any) -> Any:
    """The same with a field in every object that no release has."""
    if isinstance(value, list):
        return [spread(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {**{key: spread(item) for key, item in value.items()}, "newInV2": {"a": [1, None]}}


def changed(value: Any, path: str, to: Any) -> Any:
    """A copy with one part, by its dotted path, set to something else."""
    copy = json.loads(json.dumps(value))
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = copy
    for step in parents:
        place = place[step]
    place[last] = to
    return copy


# --- fields of another release


def test_unknown_fields_of_a_status_are_kept_ignored_and_written_back():
    newer = spread(STATUS)
    status, unreadable = read_status(newer)
    assert unreadable == []
    assert status.best is not None
    assert status.best.score == 0.5
    assert json.loads(status.model_dump_json(by_alias=True, exclude_unset=True)) == newer


def test_unknown_fields_outlive_a_change_of_the_others():
    status, _ = read_status(spread(STATUS))
    written = status.evolve(phase="Complete").model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert written == {**spread(STATUS), "phase": "Complete"}


def test_unknown_fields_of_episodes_and_cuts_are_kept():
    episode = read_episode({**EPISODE, "status": spread(EPISODE["status"]), "spec": spread(EPISODE["spec"])})
    again = episode.status.evolve(state="Failed").model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert again == {**spread(EPISODE["status"]), "state": "Failed"}
    cut = read_cut({"metadata": {"name": "demo-b0-r0"}, "data": spread(CUT_DATA)})
    assert cut.data.kept == {"wi0-do1"}
    assert cut.data.model_dump(mode="json", by_alias=True, exclude_unset=True) == spread(CUT_DATA)


def test_an_answer_of_a_newer_trainer_is_read():
    answer = HousekeepingAnswer.model_validate_json(json.dumps({"parameters": 5, "newInV2": 1}))
    assert answer.parameters == 5


@pytest.mark.parametrize("answer", [{"answer": 42}, {"parameters": 10**400}, {"test": {**TEST, "n": 10**30}}, 5, None])
def test_what_is_no_answer_is_refused(answer: Any):
    with pytest.raises(ValueError, match="HousekeepingAnswer"):
        HousekeepingAnswer.model_validate_json(json.dumps(answer))


def test_a_sweep_goes_on_whatever_a_newer_release_has_in_its_status():
    sweep = parse_stored(body(spread(STATUS)))
    assert sweep.status is not None
    assert sweep.status.start_time == STATUS["startTime"]


def test_metadata_of_a_newer_api_server_is_no_problem():
    managed = [{"manager": "kubectl", "fieldsV2": {"a": 1}}]
    sweep = parse_stored(body(managedFields=managed, shardOf="x"))
    assert sweep.metadata.uid == "u"
    assert parse_sweep(json.dumps(body(managedFields=managed, shardOf="x"))).spec == sweep.spec


def test_unknown_fields_of_a_spec_stay_errors():
    asked = body()
    asked["spec"]["newInV2"] = 1
    with pytest.raises(InvalidSweepError, match=r"spec\.newInV2: is not a field"):
        parse_stored(asked)


# --- values of another release


@pytest.mark.parametrize(
    ("path", "value", "gone"),
    [
        ("phase", "Exploring", "phase"),
        ("conditions.0.status", "Maybe", "conditions.0"),
        ("cuts.0.kept", "all", "cuts.0"),
        ("interruptions.0.kind", "Evaporated", "interruptions.0"),
        ("best.test.interval", [0.5], "best.test.interval"),
        ("best.test.score", float("nan"), "best.test.score"),
        ("best.score", "high", "best"),
        ("best", 7, "best"),
        ("cost.usefulSteps", None, "cost.usefulSteps"),
    ],
)
def test_of_a_status_only_what_cannot_be_read_is_left_out(path: str, value: Any, gone: str):
    status, unreadable = read_status(changed(STATUS, path, value))
    expected = json.loads(json.dumps(STATUS))
    place = expected
    *parents, last = [int(step) if step.isdigit() else step for step in gone.split(".")]
    for step in parents:
        place = place[step]
    del place[last]
    assert status == SweepStatus.model_validate_json(json.dumps(expected))
    (problem,) = unreadable
    assert problem.path.startswith("status." + path.split(".")[0])
    assert "run a release that knows it" in str(problem)


def test_several_unreadable_entries_are_left_out_and_none_of_their_neighbours():
    cuts = [{**CUT, "rung": i} for i in range(5)]
    cuts[1] = {"rung": "one"}
    cuts[2] = {**CUT, "rung": "two", "kept": None}
    status, unreadable = read_status({**STATUS, "cuts": cuts})
    assert [cut.rung for cut in status.cuts] == [0, 3, 4]
    assert {problem.path.split("]")[0] for problem in unreadable} == {"status.cuts[1", "status.cuts[2"}


def test_conditions_of_types_that_this_release_does_not_know_are_kept():
    other = {**CONDITION, "type": "Explored", "status": "True"}
    status, unreadable = read_status({**STATUS, "conditions": [other, CONDITION]})
    assert unreadable == []
    assert status.condition("Explored") == Condition.model_validate_json(json.dumps(other))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*STATUS, "x", "type"]), inner),
    max_leaves=10,
)


@given(json_values)
def test_whatever_stands_where_a_status_should_be_is_read_as_one(data: Any):
    status, _ = read_status(data)
    assert isinstance(status, SweepStatus)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("status.attempts.0.interruption", "Evaporated", "status.attempts[0].interruption"),
        ("status.attempts.1.stop", "Merged", "status.attempts[1].stop"),
        ("status.state", "Frozen", "status.state"),
        ("status.verdict.outcome", "LostByVote", "status.verdict.outcome"),
    ],
)
def test_an_episode_with_a_value_that_is_not_known_is_refused_with_its_field_and_a_remedy(
    path: str, value: str, named: str
):
    with pytest.raises(UnreadableRecordError) as caught:
        read_episode(changed(EPISODE, path, value))
    assert str(caught.value) == (
        f"Episode demo-wi0-do1: {named}: is not known to this release: run a release that knows it (found {value!r})"
    )


def test_a_cut_with_a_value_that_is_not_known_is_refused_with_its_field_and_a_remedy():
    with pytest.raises(
        UnreadableRecordError, match=r"Cut demo-b0-r0: data\.rankBy: is not known .* \(found 'median'\)"
    ):
        read_cut({"metadata": {"name": "demo-b0-r0"}, "data": {**CUT_DATA, "rankBy": "median"}})


def test_texts_that_a_newer_release_wrote_within_larger_bounds_are_read():
    long = "x" * 100_000
    assert read_status({**STATUS, "message": long})[0].message == long
    episode = read_episode(changed(EPISODE, "status.attempts.0.message", long))
    assert episode.status.attempts[0].message == long


def test_the_types_of_the_record_refuse_what_no_api_server_can_store():
    with pytest.raises(ValueError, match="finite"):
        Episode.model_validate_json(json.dumps(changed(EPISODE, "status.rungScores.0.score", float("nan"))))
    assert Cut.model_validate({"metadata": {"name": "x"}, "data": CUT_DATA}).data.threshold is None

"""The end of a simulated sweep against what was worked out by brute force, and its cost against the true ledger."""

from engine.simulator import World
from seedsweep.api.episode import EpisodeId

SAME = {"LostByCut": "Lost", "LostByDominance": "Lost"}


def assert_right_outcome(world: World) -> None:
    """Survivors, verdicts, curves, winner and the kind of end are as the true curves have it."""
    expected, case = world.watch.expected, world.case
    kept = {key: {e for e in case.truths if e.name in cut.kept} for key, cut in world.cuts.items()}
    assert kept == expected.kept
    found: dict[EpisodeId, tuple[str, int | None]] = {}
    for episode in case.truths:
        verdict = world.records[episode].verdict
        assert verdict is not None, f"{episode.name} was never settled"
        found[episode] = (SAME.get(verdict.outcome, verdict.outcome), verdict.rung)
        lost = "Audited" if episode in case.layout.audited else "Lost"
        assert world.records[episode].state == (lost if found[episode][0] == "Lost" else found[episode][0])
    assert found == expected.verdicts
    best = world.status.best
    if expected.best is None:
        assert best is None
    else:
        winner, score, evaluation = expected.best
        assert best is not None
        assert (best.episode, best.score, best.evaluation) == (winner.name, score, evaluation)
    complete = world.status.condition("Complete")
    assert complete is not None
    assert (complete.status == "True") == any(how == "Finished" for how, _ in expected.verdicts.values())
    _assert_audited_to_the_end(world)


def assert_exact_cost(world: World) -> None:
    """Every trained step is counted once, each under its right name."""
    case, watch, cost = world.case, world.watch, world.status.cost
    useful = overshoot = audit = 0
    for episode, reach in watch.reach.items():
        upto = min(reach, case.step(watch.expected.limits[episode]))
        useful += upto
        if episode in case.layout.audited and watch.expected.verdicts[episode][0] == "Lost":
            audit += reach - upto
        else:
            overshoot += reach - upto
    wasted = sum(watch.trained.values()) - sum(watch.reach.values())
    counted = (cost.useful_steps, cost.overshoot_steps, cost.audit_steps, cost.wasted_steps)
    assert counted == (useful, overshoot, audit, wasted)


def assert_cost_bounded(world: World) -> None:
    """Where not every attempt could tell how far it came, at least nothing is made up."""
    cost = world.status.cost
    total = cost.useful_steps + cost.overshoot_steps + cost.audit_steps + cost.wasted_steps
    assert total <= sum(world.watch.trained.values())


def _assert_audited_to_the_end(world: World) -> None:
    for episode in world.case.layout.audited:
        truth = world.case.truths[episode]
        assert world.records[episode].scores == list(truth.scores[: truth.end]), f"{episode.name} ended too early"

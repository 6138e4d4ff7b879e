"""The end of a simulated sweep against what was worked out by brute force, and its cost against the true ledger."""

from engine.brute import Outcome
from engine.simulator import World
from seedsweep.api.episode import EpisodeId

IDLE_TURNS = 2
HELD_TURNS = 2
SAME = {"LostByCut": "Lost", "LostByDominance": "Lost", "LostByFloor": "Lost"}


def assert_right_outcome(world: World) -> None:
    """Survivors, verdicts, curves, winner and the kind of end are as the true curves have it."""
    expected, case = _expected(world), world.case
    kept = {key: {e for e in case.truths if e.name in cut.kept} for key, cut in world.cuts.items()}
    assert kept == expected.kept
    found: dict[EpisodeId, tuple[str, int | None]] = {}
    assert not world.records.keys() - expected.verdicts.keys(), "an episode began that the budget does not carry"
    for episode in expected.verdicts:
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
    finished = any(how == "Finished" for how, _ in expected.verdicts.values())
    # A winner without a score is none.
    assert (complete.status == "True") == (finished and best is not None)
    _assert_audited_to_the_end(world)
    assert world.status.counts.unused == len(case.truths) - len(expected.verdicts)


def assert_exact_cost(world: World) -> None:
    """Every trained step is counted once, each under its right name."""
    case, watch, cost, expected = world.case, world.watch, world.status.cost, _expected(world)
    useful = overshoot = audit = 0
    for episode, reach in watch.reach.items():
        upto = min(reach, case.step(expected.limits[episode]))
        useful += upto
        if episode in case.layout.audited and expected.verdicts[episode][0] == "Lost":
            audit += reach - upto
        else:
            overshoot += reach - upto
    wasted = sum(watch.trained.values()) - sum(watch.reach.values())
    counted = (cost.useful_steps, cost.overshoot_steps, cost.audit_steps, cost.wasted_steps)
    assert counted == (useful, overshoot, audit, wasted)


def assert_one_story(world: World) -> None:
    """Of a trainer that is not deterministic: the cuts as they were made, and the best of what was recorded."""
    maximize = world.case.layout.maximize
    for (bracket, rung), cut in world.cuts.items():
        for episode in world.case.layout.members[bracket]:
            verdict = world.records[episode].verdict
            assert verdict is not None
            lost_here = verdict.outcome.startswith("Lost") and verdict.rung == rung
            ranked = set(cut.ranked)
            assert lost_here == (episode.name in ranked - cut.kept)
    best = world.status.best
    # Where one that led had lost its own, the weights of some others had been freed because of it.
    stored = any(s.best is not None and s.best.lost is not None for s in world.records.values())
    candidates = [s for s in world.records.values() if not (stored and s.freed is not None and not s.freed.best_kept)]
    bests = [status.best.score for status in candidates if status.best is not None]
    assert (best.score if best is not None else None) == ((max(bests) if maximize else min(bests)) if bests else None)


def assert_cost_bounded(world: World) -> None:
    """Where not every attempt could tell how far it came, at least nothing is made up."""
    cost = world.status.cost
    total = cost.useful_steps + cost.overshoot_steps + cost.audit_steps + cost.wasted_steps
    assert total <= sum(world.watch.trained.values())


def assert_little_waste(world: World) -> None:
    """No step is repeated but those after the last checkpoint of an attempt that was cut short."""
    watch, cost = world.watch, world.status.cost
    for episode, trained in watch.trained.items():
        repeated = trained - watch.reach[episode]
        assert repeated <= watch.forgotten[episode], f"{episode.name} repeats {repeated} steps without need"
    if world.hazards.exact:
        assert cost.wasted_steps <= sum(watch.forgotten.values())


def assert_gpus_are_used(world: World) -> None:
    """Of a loop that neither dies nor fumbles: it lets no GPU idle while work is ready, nor go to who only waits.

    A free GPU gets its next attempt with the turn that hears of it, or with the one after a cut. Who has nothing to
    decide makes room at the next scrape that shows its checkpoint; where nobody said that GPUs are scarce, only once
    others have waited for capacity as long as the sweep allows.
    """
    tempo, accounts = world.hazards.tempo, world.accounts
    turn = tempo.turn + tempo.doze + 1
    assert accounts.idle.longest <= IDLE_TURNS * turn, f"a GPU idled for {accounts.idle.longest} s"
    patience = world.case.sweep.spec.wait_for_capacity_seconds
    saved = max(tempo.lag) if world.hazards.resumable else 0
    most = patience + saved + tempo.scrape[1] + tempo.grace[1] + HELD_TURNS * turn
    assert accounts.held.longest <= most, f"a GPU was held without need for {accounts.held.longest} of {most} s"


def _expected(world: World) -> Outcome:
    assert world.watch.expected is not None, "there is no one right outcome without determinism"
    return world.watch.expected


def _assert_audited_to_the_end(world: World) -> None:
    for episode in world.case.layout.audited:
        truth = world.case.truths[episode]
        assert world.records[episode].scores == list(truth.scores[: truth.end]), f"{episode.name} ended too early"

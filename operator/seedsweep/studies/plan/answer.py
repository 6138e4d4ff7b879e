"""From a budget and histories to the plan: what is recommended, what it is worth, and how long it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from seedsweep.api.gpus import gpus_per_episode
from seedsweep.api.seeds import MAX_EPISODES
from seedsweep.codes import bad_input
from seedsweep.report.words import counted
from seedsweep.science.stopping.planning import MOST_A_SIDE, Planned, most_started, plan_budgets, splits_of
from seedsweep.science.stopping.plans import Plan, no_stopping, rule_of_thumb
from seedsweep.studies.plan.histories import History

LAST_BUDGET = 30
"""The curve over budgets ends here, as the paper's does, or at the budget that was asked for."""
UNKNOWN_RUN = tuple(Fraction(e, 30) for e in range(1, 31))
"""A full run where there is no history: three epochs of ten evaluations, as our trainer's defaults are."""


@dataclass(frozen=True, slots=True)
class Time:
    """How long a plan takes on some GPUs, all of its episodes alike."""

    full_runs: float
    """Wall-clock time over that of one full run: waves to the cut, and waves after it."""
    hours: float | None
    """None where no history tells how long a full run takes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The plan for a budget, and what it rests on."""

    budget: int
    plan: Plan
    shares: tuple[Fraction, ...]
    """Of a full run that each evaluation comes after."""
    histories: tuple[History, ...]
    curve: tuple[Planned, ...]
    """By budget; empty without a history."""
    most: int
    """The most episodes of a plan that the histories can value."""
    best_possible: float | None
    gpus: int | None
    places: int | None
    """Episodes that these GPUs train at once."""
    time: Time | None
    time_of_full: Time | None
    """Of as many full runs as the budget pays for. All None where the number of GPUs was not told."""

    @property
    def planned(self) -> Planned | None:
        """Of the budget that was asked for; None without a history."""
        return next((planned for planned in self.curve if planned.budget == self.budget), None)

    @property
    def maximize(self) -> bool:
        """Whether a higher score is better."""
        return all(history.sweep.spec.trainer.maximize for history in self.histories)

    def turned(self, score: float) -> float:
        """A score of the curve, where higher is better, as the metric has it."""
        return score if self.maximize else -score


def answer(
    budget: int, histories: Sequence[History], *, gpus: int | None = None, best_value: float | None = None
) -> Answer:
    """Plan.

    Args:
        budget: B, in full runs.
        histories: of one metric, goal and number of evaluations; none for the rule of thumb.
        gpus: K, for how long it takes.
        best_value: of the metric, where the histories do not tell it.

    Raises:
        CommandError: the histories are too few for the budget, the best value is worse than a score, an episode needs
            more GPUs than there are, or a sweep cannot have so many episodes.
    """
    shares = tuple(max(parts) for parts in zip(*(own.shares for own in histories), strict=True)) or UNKNOWN_RUN
    best = _best_value(histories, best_value)
    curve: list[Planned] = []
    plan, most = rule_of_thumb(budget, shares), 0
    if histories:
        runs = [history.runs for history in histories]
        splits = splits_of(runs)
        most = most_started(runs, splits)
        _check_enough(plan, budget, histories, most, shares)
        covered = {b for b in range(1, LAST_BUDGET + 1) if rule_of_thumb(b, shares).started <= most}
        turned = best if best is None or histories[0].sweep.spec.trainer.maximize else -best
        curve = plan_budgets(runs, sorted(covered | {budget}), shares, turned, splits)
        plan = next(planned.plan for planned in curve if planned.budget == budget)
    if plan.started > MAX_EPISODES:
        raise bad_input(
            f"--budget: {budget:,} full runs start {plan.started:,} episodes, more than the {MAX_EPISODES:,} of a "
            "sweep: give a smaller budget"
        )
    places = _places(gpus, histories)
    seconds = [history.run_seconds for history in histories if history.run_seconds is not None]
    run = sum(seconds) / len(seconds) if seconds else None
    return Answer(
        budget=budget,
        plan=plan,
        shares=shares,
        histories=tuple(histories),
        curve=tuple(curve),
        most=most,
        best_possible=best,
        gpus=gpus,
        places=places,
        time=_time(plan, shares, places, run),
        time_of_full=_time(no_stopping(budget), shares, places, run),
    )


def share_before_cut(plan: Plan, shares: Sequence[Fraction]) -> Fraction:
    """The part of a full run up to the cut; 1 where nothing is cut."""
    return shares[plan.evaluation - 1] if plan.evaluation is not None else Fraction(1)


def _best_value(histories: Sequence[History], given: float | None) -> float | None:
    """The metric's best value: as given, or as all records tell it."""
    if given is None:
        known = {history.best_possible for history in histories}
        return known.pop() if len(known) == 1 else None
    for history in histories:
        sign = 1 if history.sweep.spec.trainer.maximize else -1
        reached = float(history.runs.worth.max())
        if sign * given < reached:
            raise bad_input(
                f"--best-value: {given:g} is worse than the {sign * reached:g} that a run of {history.name} reached: "
                "give the metric's best value in the unit of the scores"
            )
    return given


def _check_enough(rule: Plan, budget: int, histories: Sequence[History], most: int, shares: Sequence[Fraction]) -> None:
    wanted = rule.started
    if wanted <= most:
        return
    smallest = min(histories, key=lambda history: len(history.runs))
    shared = f", which share seeds: a split by seed leaves one side {most}" if most < len(smallest.runs) // 4 else ""
    enough = 0
    while rule_of_thumb(enough + 1, shares).started <= most:
        enough += 1
    less = f"give a budget of at most {enough}, " if enough > 1 else ""
    if wanted > MOST_A_SIDE:
        raise bad_input(
            f"--history: a budget of {budget:,} starts {wanted:,} runs, and plans of more than {MOST_A_SIDE} are not "
            f"valued: {less}or leave --history out for the rule of thumb"
        )
    raise bad_input(
        f"--history: too small for a budget of {budget:,}: plans of {wanted:,} runs cannot be valued on "
        f"{counted(len(smallest.runs), 'whole run')} ({smallest.name}){shared}. {4 * wanted:,} runs would do, each "
        f"with seeds of its own: {less}give more runs, or leave --history out for the rule of thumb"
    )


def _places(gpus: int | None, histories: Sequence[History]) -> int | None:
    """How many episodes train at once on these GPUs."""
    if gpus is None:
        return None
    held = max((gpus_per_episode(history.sweep.spec) for history in histories), default=1.0)
    places = int(gpus / held)
    if places < 1:
        raise bad_input(f"--gpus: {gpus} is fewer than the {held:g} that an episode holds: give more")
    return places


def _time(plan: Plan, shares: Sequence[Fraction], places: int | None, run_seconds: float | None) -> Time | None:
    if places is None:
        return None
    share = share_before_cut(plan, shares)
    waves = -(-plan.started // places) * share + -(-plan.keep // places) * (1 - share)
    return Time(float(waves), float(waves) * run_seconds / 3600 if run_seconds is not None else None)

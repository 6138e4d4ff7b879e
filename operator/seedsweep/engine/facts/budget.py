"""What the budget of a sweep with a floor pays for: full runs, spent on one seed after the other. Pure."""

from dataclasses import dataclass

from seedsweep.engine.layout import Layout, step_of


@dataclass(frozen=True, slots=True)
class Prices:
    """What an episode costs, in steps, or in evaluations where the trainer tells no steps."""

    full: int
    early: int
    """Of one that falls, or comes to its end before the floor."""
    standing: int
    """Of any other: up to the rung; without a rung a full run."""
    keep: int
    """So many of those, p, train on from the rung to the end."""

    @classmethod
    def of(cls, layout: Layout, evaluations: int, steps: int | None) -> "Prices":
        """For so many evaluations and steps an episode."""
        full = steps if steps is not None else evaluations
        [marks] = layout.rung_evaluations(evaluations)
        early, *later = (step_of(mark, evaluations, full) for mark in marks)
        return cls(full, early, *((later[0], layout.rungs[0][0].keep) if later else (full, 0)))

    @classmethod
    def unknown(cls) -> "Prices":
        """While nobody knows how long an episode is, each takes a full run: none is taken back once that is known."""
        return cls(full=1, early=1, standing=1, keep=0)


@dataclass(slots=True)
class Budget:
    """How much of the full runs the first seeds take, by what has become of them so far.

    A price falls when an episode falls, and never rises: who is carried once is carried to the end, in whatever order
    the fates of episodes come to be known.
    """

    prices: Prices
    full_runs: int
    _trained: int = 0
    _standing: int = 0

    def carries_another(self) -> bool:
        """Whether the next seed is paid for, even if it does not fall."""
        most = self._trained + self.prices.standing + self._reserved(self._standing + 1)
        return most <= self.full_runs * self.prices.full

    def pay(self, *, early: bool) -> None:
        """For the next seed; `early`: it fell, or came to its end before the floor."""
        self._trained += self.prices.early if early else self.prices.standing
        self._standing += not early

    @property
    def used(self) -> float:
        """Full runs, those to come of who is kept at the rung included."""
        return (self._trained + self._reserved(self._standing)) / self.prices.full

    def _reserved(self, standing: int) -> int:
        return min(standing, self.prices.keep) * (self.prices.full - self.prices.standing)


def carried_anyway(layout: Layout, prices: Prices) -> int:
    """How many of the first seeds are carried whatever becomes of them: as many as if none fell."""
    budget = Budget(prices, layout.budget)
    for carried in range(len(layout.episodes)):
        if not budget.carries_another():
            return carried
        budget.pay(early=False)
    return len(layout.episodes)

"""`spec.earlyStopping`: when episodes are compared and how many go on."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seedsweep.api.base import ApiModel, DecimalString, OneOf, Percent, Seed
from seedsweep.api.seeds import MAX_EPISODES


class Rung(ApiModel):
    """One cut: at this share of an episode, only this many episodes are kept."""

    at_percent: Percent
    """Where the rung is, in whole percent of the evaluations E of a full episode: at evaluation floor(atPercent E /
    100)."""
    keep: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    """Number of episodes that train on."""


MAX_RUNGS = 20
MAX_BRACKETS = 20
MAX_MEMBERS = 100
"""Survivors whose weights are averaged."""

Rungs = Annotated[list[Rung], Field(min_length=1, max_length=MAX_RUNGS)]


class Bracket(ApiModel):
    """A group of episodes with rungs of its own."""

    episodes: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    """Number of the sweep's episodes that belong to the bracket."""
    rungs: Annotated[list[Rung], Field(max_length=MAX_RUNGS)]
    """The cuts of the bracket, in order. Empty: all of its episodes train to the end."""


class Hyperband(ApiModel):
    """Brackets generated as in Li et al. (2018), scaled to the sweep's number of episodes."""

    eta: Annotated[int, Field(ge=2, le=10)] = 3
    """Each rung keeps one in this many episodes."""
    resource: Annotated[int, Field(ge=2, le=100)] = 27
    """Units R of a full episode; the earliest rung is at one unit or later."""


class Audit(ApiModel):
    """Losers that train on to the end, so that the cost of the cut can be estimated. Chosen before the start."""

    percent: Percent
    """Probability, in percent, that an episode is selected for the audit, by a hash of (seed, weightInit,
    dataOrder)."""
    seed: Seed = 0
    """Seed of the selection: another one selects other episodes."""


class Floor(ApiModel):
    """Episodes no better than a constant answer are stopped, and cannot win; the next ones start in their place."""

    at_percent: Percent = 50
    """Where the floor is, in whole percent of the evaluations E of a full episode: at evaluation floor(atPercent E /
    100)."""
    margin: DecimalString = "1.5"
    """How many standard errors better than a constant answer an episode must be, as a decimal string from 0 to 10. The
    trainer publishes the score of a constant answer and its standard error."""

    @model_validator(mode="after")
    def _margin_in_range(self) -> Self:
        if not 0 <= Decimal(self.margin) <= 10:
            raise ValueError(f"margin {self.margin!r} must be from 0 to 10")
        return self


class EarlyStopping(OneOf):
    """When episodes are stopped, and how many are kept: exactly one of rungs, brackets, hyperband or floor, or a floor
    with one rung."""

    one_of = ("rungs", "brackets", "hyperband", "floor")
    together = frozenset({"floor", "rungs"})

    rank_by: Literal["best", "latest"] = "best"
    """Score that episodes are ranked by: `best`, their best one up to the rung (the rule of the paper), or `latest`,
    the one at the rung."""
    tie_seed: Seed = 0
    """Seed that breaks exact ties in score and loss, by a hash of (tieSeed, weightInit, dataOrder)."""
    rungs: Rungs | None = None
    """Cuts of all episodes, in order: each at a share of the evaluations, with the number of episodes to keep. Beside
    a floor, one cut of the episodes above it, at the floor or after it, that keeps at most spec.budget."""
    brackets: Annotated[list[Bracket], Field(min_length=1, max_length=MAX_BRACKETS)] | None = None
    """Groups of episodes with rungs of their own. Their sizes add up to the episodes of the sweep."""
    hyperband: Hyperband | None = None
    """Brackets generated as in Li et al. (2018), scaled to the number of episodes of the sweep."""
    floor: Floor | None = None
    """A comparison of each episode with a constant answer instead of other episodes. Needs spec.budget. With one rung
    in rungs, those above the floor are compared there as well."""
    bracket_seed: Seed = 0
    """Seed of the assignment of episodes to brackets, which is balanced over both kinds of seeds."""
    audit: Audit | None = None
    """Losers that train on to the end, so that the cost of the cut can be estimated. They are chosen before the start.
    Absent: none."""

    @model_validator(mode="after")
    def _fits_a_floor(self) -> Self:
        if self.floor is None:
            return self
        if self.audit is not None:
            raise ValueError("audit goes with cuts of all episodes, not with a floor: remove audit or floor")
        if len(self.rungs or ()) > 1:
            raise ValueError(
                f"rungs: found {len(self.rungs or ())} beside a floor, which goes with one: remove the others"
            )
        for rung in self.rungs or ():
            if rung.at_percent < self.floor.at_percent:
                raise ValueError(
                    f"rungs[0].atPercent {rung.at_percent} is before the floor at {self.floor.at_percent}: use "
                    f"{self.floor.at_percent} or more, or lower floor.atPercent"
                )
        return self

    @model_validator(mode="after")
    def _rungs_narrow(self) -> Self:
        ladders = [(f"brackets[{i}].rungs", bracket.rungs) for i, bracket in enumerate(self.brackets or ())]
        for path, rungs in [*ladders, ("rungs", self.rungs or [])]:
            for i in range(1, len(rungs)):
                before, rung = rungs[i - 1], rungs[i]
                if rung.at_percent <= before.at_percent:
                    raise ValueError(
                        f"{path}[{i}].atPercent {rung.at_percent} must be above the {before.at_percent} before it"
                    )
                if rung.keep > before.keep:
                    raise ValueError(
                        f"{path}[{i}].keep {rung.keep} is more than the {before.keep} kept before it: lower it"
                    )
        return self

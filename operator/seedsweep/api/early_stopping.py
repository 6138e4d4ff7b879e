"""`spec.earlyStopping`: when episodes are compared and how many go on."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seedsweep.api.base import ApiModel, OneOf, Percent, Seed
from seedsweep.api.seeds import MAX_EPISODES


class Rung(ApiModel):
    """One cut: at this share of an episode, only so many go on."""

    at_percent: Percent
    """Whole percent of the evaluations of a full episode; evaluation floor(atPercent E / 100)."""
    keep: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    """p: how many go on."""


MAX_RUNGS = 20
MAX_BRACKETS = 20

Rungs = Annotated[list[Rung], Field(min_length=1, max_length=MAX_RUNGS)]


class Bracket(ApiModel):
    """A part of the episodes with rungs of its own."""

    episodes: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    """How many of the sweep belong to it."""
    rungs: Annotated[list[Rung], Field(max_length=MAX_RUNGS)]
    """Its cuts, in their order; none: all of it train fully."""


class Hyperband(ApiModel):
    """Brackets generated as in Li et al. (2018), scaled to the sweep's number of episodes."""

    eta: Annotated[int, Field(ge=2, le=10)] = 3
    """Each rung keeps one in eta."""
    resource: Annotated[int, Field(ge=2, le=100)] = 27
    """R: a full episode is R units, the earliest rung is one unit or more of them."""


class Audit(ApiModel):
    """Losers that run on to the end, so that what the cut cost can be estimated. Chosen before the start."""

    percent: Percent
    """Chance that an episode is flagged, by a hash of (seed, weightInit, dataOrder)."""
    seed: Seed = 0
    """Another seed flags others."""


class EarlyStopping(OneOf):
    """When episodes are compared and how many go on: exactly one of rungs, brackets or hyperband."""

    one_of = ("rungs", "brackets", "hyperband")

    rank_by: Literal["best", "latest"] = "best"
    """The best score so far (the paper's rule), or the score at the rung."""
    tie_seed: Seed = 0
    """Exact ties in score and loss are broken by a hash of (tieSeed, weightInit, dataOrder)."""
    rungs: Rungs | None = None
    """Cuts of all episodes, in their order."""
    brackets: Annotated[list[Bracket], Field(min_length=1, max_length=MAX_BRACKETS)] | None = None
    """Parts of the episodes with rungs of their own; they add up to all."""
    hyperband: Hyperband | None = None
    bracket_seed: Seed = 0
    """Which episode goes into which bracket, balanced over both kinds of seeds."""
    audit: Audit | None = None

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

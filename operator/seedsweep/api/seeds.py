"""`spec.seeds`: which episodes there are."""

from collections import Counter
from typing import Annotated, Self

from pydantic import Field, model_validator

from seedsweep.api.base import ApiModel, Seed

MAX_EPISODES = 10_000


class SeedRange(ApiModel):
    """Seeds 0..count-1, or the listed ones: exactly one of the two."""

    count: Annotated[int, Field(ge=1, le=MAX_EPISODES)] | None = None
    """Seeds 0 to count - 1."""
    values: Annotated[list[Seed], Field(min_length=1, max_length=MAX_EPISODES)] | None = None
    """These seeds."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.count is None) == (self.values is None):
            raise ValueError("needs exactly one of count or values")
        if self.values is not None and len(set(self.values)) < len(self.values):
            twice = next(seed for seed, times in Counter(self.values).items() if times > 1)
            raise ValueError(f"seed {twice} is listed twice: list each seed once")
        return self

    @property
    def seeds(self) -> list[int]:
        """The seeds, in their order."""
        return list(range(self.count)) if self.count is not None else list(self.values or ())


class Sample(ApiModel):
    """A part of the grid: the cells whose SHA-256 of (seed, weightInit, dataOrder) sorts first."""

    size: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    """Episodes to draw."""
    seed: Seed = 0
    """Another seed draws others."""


class Grid(ApiModel):
    """Every weight-init seed with every data-order seed, or a sample of these cells."""

    weight_inits: SeedRange
    data_orders: SeedRange
    sample: Sample | None = None

    @model_validator(mode="after")
    def _sample_fits(self) -> Self:
        cells = len(self.weight_inits.seeds) * len(self.data_orders.seeds)
        if self.sample is not None and self.sample.size > cells:
            raise ValueError(f"sample.size {self.sample.size} is larger than the grid of {cells} cells: lower it")
        if self.sample is None and cells > MAX_EPISODES:
            raise ValueError(f"a grid of {cells} cells is more than {MAX_EPISODES}: sample from it")
        return self


class SeedPair(ApiModel):
    """One episode's seeds."""

    weight_init: Seed
    """Seeds the tensors that the model does not bring."""
    data_order: Seed
    """Seeds the order of the training examples."""


class Seeds(ApiModel):
    """Which episodes there are: exactly one of grid, pairs or single."""

    grid: Grid | None = None
    pairs: Annotated[list[SeedPair], Field(min_length=1, max_length=MAX_EPISODES)] | None = None
    single: SeedRange | None = None
    """One seed for everything: all seeds distinct, or for scripts with a single --seed."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [name for name in ("grid", "pairs", "single") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of grid, pairs or single; found {', '.join(given) or 'none'}")
        if self.pairs is not None:
            counts = Counter((pair.weight_init, pair.data_order) for pair in self.pairs)
            (weight_init, data_order), times = counts.most_common(1)[0]
            if times > 1:
                raise ValueError(
                    f"the pair weightInit {weight_init}, dataOrder {data_order} is listed {times} times: list it once"
                )
        return self

    @property
    def count(self) -> int:
        """t, the number of episodes."""
        if self.grid is not None:
            cells = len(self.grid.weight_inits.seeds) * len(self.grid.data_orders.seeds)
            return self.grid.sample.size if self.grid.sample is not None else cells
        return len(self.pairs) if self.pairs is not None else len(self.single.seeds) if self.single else 0

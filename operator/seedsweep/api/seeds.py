"""`spec.seeds`: which episodes there are."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from seedsweep.api.base import ApiModel, Distinct, OneOf, Seed

MAX_EPISODES = 10_000
# The API server keeps account of every listed pair, 150 bytes in all: more would leave an object too little room.
MAX_PAIRS = 5_000


class SeedRange(OneOf):
    """Seeds 0..count-1, or the listed ones: exactly one of the two."""

    one_of = ("count", "values")

    count: Annotated[int, Field(ge=1, le=MAX_EPISODES)] | None = None
    """Seeds 0 to count - 1."""
    values: Annotated[list[Seed], Field(min_length=1, max_length=MAX_EPISODES), Distinct()] | None = None
    """These seeds."""

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


Pairs = Annotated[list[SeedPair], Field(min_length=1, max_length=MAX_PAIRS), Distinct(keys=("weightInit", "dataOrder"))]


class Seeds(OneOf):
    """Which episodes there are: exactly one of grid, pairs or single."""

    one_of = ("grid", "pairs", "single")

    grid: Grid | None = None
    pairs: Pairs | None = None
    """These episodes."""
    single: SeedRange | None = None
    """One seed for everything: all seeds distinct, or for scripts with a single --seed."""

    @property
    def count(self) -> int:
        """t, the number of episodes."""
        if self.grid is not None:
            cells = len(self.grid.weight_inits.seeds) * len(self.grid.data_orders.seeds)
            return self.grid.sample.size if self.grid.sample is not None else cells
        return len(self.pairs) if self.pairs is not None else len(self.single.seeds) if self.single else 0

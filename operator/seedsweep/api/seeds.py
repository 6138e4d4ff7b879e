"""`spec.seeds`: which episodes there are."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from seedsweep.api.base import ApiModel, Distinct, OneOf, Seed

MAX_EPISODES = 10_000
"""Of one sweep: a Cut that ranks as many stays below 1 MB."""
MAX_PAIRS = 5_000
"""Of one sweep: one that lists as many stays below 1 MB, for the API server keeps account of each."""
MAX_CELLS = 250_000
"""Of a grid before it is sampled: every cell is hashed, a million of them in two seconds."""


class SeedRange(OneOf):
    """Seeds 0..count-1, or the listed ones: exactly one of the two."""

    one_of = ("count", "values")

    count: Annotated[int, Field(ge=1, le=MAX_EPISODES)] | None = None
    """Number of seeds: they are 0, 1, ..., count - 1."""
    values: Annotated[list[Seed], Field(min_length=1, max_length=MAX_EPISODES), Distinct()] | None = None
    """The seeds themselves, without duplicates."""

    @property
    def seeds(self) -> Sequence[int]:
        """The seeds, in their order."""
        return range(self.count) if self.count is not None else self.values or ()


class Sample(ApiModel):
    """A part of the grid: the cells whose SHA-256 of (seed, weightInit, dataOrder) sorts first."""

    size: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    """Number of episodes to draw."""
    seed: Seed = 0
    """Seed of the drawing: another one draws other cells."""


class Grid(ApiModel):
    """Every weight-init seed with every data-order seed, or a sample of these cells."""

    weight_inits: SeedRange
    """Weight-init seeds, one axis of the grid: they seed the tensors that the model does not bring."""
    data_orders: SeedRange
    """Data-order seeds, the other axis of the grid: they seed the order of the training examples."""
    sample: Sample | None = None
    """A part of the grid: the cells whose SHA-256 of (seed, weightInit, dataOrder) sorts first. Absent: all cells."""

    @property
    def cells(self) -> int:
        """How many there are before sampling."""
        return len(self.weight_inits.seeds) * len(self.data_orders.seeds)

    @model_validator(mode="after")
    def _sample_fits(self) -> Self:
        if self.cells > MAX_CELLS:
            raise ValueError(
                f"a grid of {self.cells} cells is more than {MAX_CELLS}, sampled or not: "
                "lower weightInits or dataOrders, or list pairs"
            )
        if self.sample is not None and self.sample.size > self.cells:
            raise ValueError(f"sample.size {self.sample.size} is larger than the grid of {self.cells} cells: lower it")
        if self.sample is None and self.cells > MAX_EPISODES:
            raise ValueError(f"a grid of {self.cells} cells is more than {MAX_EPISODES}: sample from it")
        return self


class SeedPair(ApiModel):
    """One episode's seeds."""

    weight_init: Seed
    """Weight-init seed: it seeds the tensors that the model does not bring."""
    data_order: Seed
    """Data-order seed: it seeds the order of the training examples."""


Pairs = Annotated[list[SeedPair], Field(min_length=1, max_length=MAX_PAIRS), Distinct(keys=("weightInit", "dataOrder"))]


class Seeds(OneOf):
    """Which episodes there are: exactly one of grid, pairs or single."""

    one_of = ("grid", "pairs", "single")

    grid: Grid | None = None
    pairs: Pairs | None = None
    """The episodes one by one, each with its two seeds."""
    single: SeedRange | None = None
    """One seed for both: every episode has a seed of its own, as scripts with a single --seed need it."""

    @property
    def count(self) -> int:
        """t, the number of episodes."""
        if self.grid is not None:
            return self.grid.sample.size if self.grid.sample is not None else self.grid.cells
        return len(self.pairs) if self.pairs is not None else len(self.single.seeds) if self.single else 0

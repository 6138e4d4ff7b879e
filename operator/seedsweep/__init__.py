"""SeedSweep: many seeds, one honest cut, the best model. See docs/architecture.md for the rooms."""

__version__ = "0.1.0"

"""How much a sweep's checkpoints and weights take of its storage at most, known before it starts."""

from dataclasses import dataclass

from seedsweep.engine.layout import Layout

CHECKPOINT_BYTES = 12
"""For each parameter: its weight and the optimizer's two moments, in fp32."""
WEIGHTS_BYTES = 4
"""For each parameter, in fp32."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Most that is stored at once, in numbers; what interrupted episodes have left comes on top."""

    kept: int
    """Checkpoints of those who do not train: who a cut keeps, the audited losers that wait for their turn."""
    live: int
    """Checkpoints of those at work; each is there twice while it is replaced."""
    best: int
    """Best weights, and those up to each rung or to the floor."""

    @classmethod
    def of(cls, layout: Layout, places: int) -> "Footprint":
        """Where so many episodes train at once."""
        # Where no rung follows a floor, who has not fallen is paid fully: there are never more than full runs.
        sizes = layout.sizes if layout.floor is None or any(layout.rungs) else (layout.budget,)
        ladders = list(zip(layout.rungs, sizes, strict=True))
        leaders = sum(min(size, ladder[0].keep) for ladder, size in ladders if ladder)
        never_cut = sum(size for ladder, size in ladders if not ladder)
        total, audited = sum(sizes), len(layout.audited)
        live = min(places, total)
        # Who is never cut waits for nobody: it has a checkpoint while it trains, and afterwards where all is kept.
        kept = min(leaders + audited + (never_cut if keeps_all(layout) else 0), total - live)
        # Best weights of all those, and of who has finished; the winner's are there once more at the end.
        holders = min(leaders + never_cut + audited + live, total)
        # At a floor they are kept as at a rung.
        return cls(kept, live, holders * (1 + layout.first_cut + max(len(ladder) for ladder in layout.rungs)) + 1)

    def bytes_of(self, parameters: int) -> int:
        """For a model of so many parameters."""
        return parameters * (CHECKPOINT_BYTES * (self.kept + 2 * self.live) + WEIGHTS_BYTES * self.best)


def keeps_all(layout: Layout) -> bool:
    """Survivors keep all that they stored, also once they have finished."""
    storage = layout.spec.storage
    return storage is not None and storage.retention_policy.when_finished == "KeepAll"


def in_words(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"

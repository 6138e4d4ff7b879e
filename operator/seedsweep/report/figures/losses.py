"""The figure of training losses, for the episodes whose validation curves are drawn."""

from matplotlib.figure import Figure

from seedsweep.report.beside import Beside
from seedsweep.report.figures.drawing import Drawing, Palette
from seedsweep.report.figures.plot import Curve, Plot, curve_keys, paint_curves, paint_key, show_range
from seedsweep.report.figures.selection import drawn_curves
from seedsweep.report.record import Record
from seedsweep.report.visible import robust_range
from seedsweep.report.words import counted


def losses_figure(record: Record, known: Beside) -> Drawing | None:
    """The mean training loss of the steps before each evaluation; None where no attempt left it beside the record."""
    names = drawn_curves(record).names
    curves = {name: curve for name, curve in _losses(record, known).items() if name in names}
    shown = [episode for episode in record.episodes if episode.spec.id.name in curves]
    losses = [loss for curve in curves.values() for loss in curve if loss is not None]
    if not losses:
        return None

    def paint(figure: Figure, palette: Palette) -> None:
        plot = Plot.of(figure, palette, record, curves, "training loss")
        paint_curves(plot, shown, "loss")
        show_range(plot, robust_range(losses, maximize=False))
        paint_key(plot, list(curve_keys(plot, shown)))

    words = f"The training loss of {counted(len(shown), 'episode')}: the mean of the steps before each evaluation."
    if len(shown) < len(record.episodes):
        words += f" They are those of {len(record.episodes):,} whose curves are drawn and whose losses are known."
    tips = {f"loss-{name}": _tip(name, curve) for name, curve in curves.items()}
    # Its numbers are in training.csv, which is there without this figure too.
    return Drawing("losses", "Training loss", words, paint, (), (9.6, 3.6), tips=tips)


def _losses(record: Record, known: Beside) -> dict[str, Curve]:
    """By name of an episode, the loss before each evaluation on record; those of which one is known."""
    found: dict[str, Curve] = {}
    for episode in record.episodes:
        lines = known.training.get(episode.spec.id.name, {})
        curve = [lines[at].loss if at in lines else None for at in range(1, len(episode.status.scores) + 1)]
        if any(loss is not None for loss in curve):
            found[episode.spec.id.name] = curve
    return found


def _tip(name: str, curve: Curve) -> str:
    last = next(loss for loss in reversed(curve) if loss is not None)
    return f"{name}: training loss {last:.3g} at last"

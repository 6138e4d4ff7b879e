"""Figures: painted once, in the page's own colours as SVG, and as PNG, SVG and PDF for a paper."""

import html
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seedsweep.report.table import Table

STYLE_SHEET = Path(__file__).parent.parent / "templates" / "report.css"
Format = Literal["png", "svg", "pdf"]
FORMATS: tuple[Format, ...] = ("png", "svg", "pdf")

FONT_SIZE = 11.0
"""Points, in a figure of 9.6 inches: 8 points where a paper has it as wide as its text."""
NARROW = 4.4
"""Inches: a figure so wide fits a phone, and its text can be read there."""
_DOTS_PER_INCH = 220
_NARROWEST, _WIDEST = 66, 103
"""Pixels of an inch: figures keep a size at which they can be read."""
_LINKED = "curve|loss|finalist|after|end"
"""What ids of an episode's marks begin with: the page's script finds them by these words and the episode's name."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by what they mean, under the names that the style sheet has for them."""

    page: str
    ink: str
    line: str
    lost: str
    kept: str
    best: str
    bad: str


# Colours that stand for variables of the style sheet: matplotlib knows none, so they are swapped in its output.
PAGE = Palette(*(f"#01020{i}" for i in range(len(fields(Palette)))))
VARIABLES = {getattr(PAGE, part.name): f"--{part.name}" for part in fields(Palette)}


@cache
def paper() -> Palette:
    """The light colours of the style sheet, for files."""
    light = STYLE_SHEET.read_text(encoding="utf-8").partition("}")[0]
    found = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", light))
    return Palette(**{part.name: found[part.name] for part in fields(Palette)})


@dataclass(frozen=True, slots=True)
class Area:
    """A square of size 1 in a figure's own numbers."""

    id: str
    corner: tuple[float, float]
    """Where both numbers are least."""
    tip: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure of the report, not painted yet."""

    name: str
    """Of its files, without an ending."""
    title: str
    words: str
    """The figure in words, for those who do not see it."""
    paint: Callable[[Figure, Palette], None]
    tables: tuple[Table, ...]
    """All numbers that are drawn, but for those of a table that a report has anyway."""
    size: tuple[float, float] = (9.6, 5.2)
    """Inches."""
    narrow_height: float = 4.8
    """Inches, of the figure as wide as a phone: what `paint` paints into is_narrow figures."""
    tips: Mapping[str, str] = field(default_factory=dict)
    """By id of a group in the figure: what is said of it where somebody points."""
    areas: Sequence[Area] = ()
    """On the page: where somebody points at what is drawn as a whole."""


def is_narrow(figure: Figure) -> bool:
    """Whether a figure is for phones."""
    return float(figure.get_figwidth()) <= NARROW


def page_svgs(drawing: Drawing) -> str:
    """The figure for wide windows and paper, and the one for phones: the style sheet shows one of them."""
    return page_svg(drawing) + page_svg(drawing, narrow=True)


def page_svg(drawing: Drawing, *, narrow: bool = False) -> str:
    """An `<svg>` element in the colours of the page, so that it reads in light and dark."""
    name, size = drawing.name, drawing.size
    kind, prefix = "wide", ""
    if narrow:
        name, size = f"{name}-narrow", (NARROW, drawing.narrow_height)
        kind, prefix = "narrow", "narrow-"
    with _settings():
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        drawing.paint(figure, PAGE)
        svg = _saved(figure, "svg").decode()
        places = _Places.of(figure.axes[0], size)
    svg = svg[svg.index("<svg") : svg.rindex("</svg>")]
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    opening, rest = svg.split(">", 1)
    opening = re.sub(r' (width|height|version)="[^"]*"', "", opening)
    opening += (
        f' id="{name}-figure" class="{kind}" role="img" aria-labelledby="{name}-title {name}-words" {places.data}'
    )
    opening += f' style="min-width: {_NARROWEST * size[0]:.0f}px; max-width: {_WIDEST * size[0]:.0f}px"'
    head = f'<title id="{name}-title">{html.escape(drawing.title)}</title>'
    head += f'<desc id="{name}-words">{html.escape(drawing.words)}</desc>'
    areas = "".join(places.rectangle(area, prefix) for area in drawing.areas)
    return f"{opening}>{head}{_linked(_short(_own_ids(rest, name)), drawing.tips, prefix)}{areas}</svg>"


def file_of(drawing: Drawing, form: Format) -> bytes:
    """The figure as a file for a paper; the same drawing gives the same bytes."""
    with _settings():
        figure = Figure(figsize=drawing.size, layout="constrained")
        drawing.paint(figure, paper())
        return _saved(figure, form)


@contextmanager
def _settings() -> Iterator[None]:
    with mpl.rc_context():
        # Whatever style this machine's user has set, the same record gives the same figure.
        mpl.rcdefaults()
        # Text stays text: it takes the page's font, can be searched and is read aloud.
        mpl.rcParams.update({"svg.fonttype": "none", "pdf.fonttype": 42, "font.size": FONT_SIZE})
        mpl.rcParams["svg.hashsalt"] = "seedsweep"
        # A metric's name is text, whatever signs are in it.
        mpl.rcParams["text.parse_math"] = False
        yield


def _saved(figure: Figure, form: Format) -> bytes:
    undated = {
        "png": {"Software": None},
        "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
        "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
    }
    out = io.BytesIO()
    figure.savefig(out, format=form, dpi=_DOTS_PER_INCH if form == "png" else "figure", metadata=undated[form])
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the numbers of axes lie in the SVG: x at a + b x, y at c + d y."""

    a: float
    b: float
    c: float
    d: float

    @classmethod
    def of(cls, axes: Axes, size: tuple[float, float]) -> "_Places":
        width, height = 72 * size[0], 72 * size[1]
        box, (left, right), (bottom, top) = axes.get_position(), axes.get_xlim(), axes.get_ylim()
        b, d = width * box.width / (right - left), height * box.height / (bottom - top)
        return cls(width * box.x0 - b * left, b, height * (1 - box.y0) - d * bottom, d)

    @property
    def data(self) -> str:
        """For the page's script."""
        return f'data-x="{self.a:.6g} {self.b:.6g}" data-y="{self.c:.6g} {self.d:.6g}"'

    def rectangle(self, area: Area, prefix: str) -> str:
        """Where somebody points at it; on a phone nobody points without a touch, which a tip does not answer."""
        x, y = self.a + self.b * area.corner[0], self.c + self.d * area.corner[1]
        size = f'x="{x:.1f}" y="{y:.1f}" width="{self.b:.1f}" height="{self.d:.1f}"'
        kind, tip = area.id.partition("-")[0], "" if prefix else f"<title>{html.escape(area.tip)}</title>"
        return f'<rect id="{prefix}{area.id}" class="{kind}" {size}>{tip}</rect>'


def _own_ids(svg: str, name: str) -> str:
    """Ids that no other figure of the page has: numbered ones are dropped, others begin with the figure's name."""
    svg = re.sub(r' id="[a-z0-9.]+_\d+"', "", svg, flags=re.IGNORECASE)
    svg = re.sub(rf' id="(?!(?:{_LINKED})-)([^"]+)"', rf' id="{name}.\1"', svg)
    return re.sub(r'(url\(|href=")#', rf"\1#{name}.", svg)


def _short(svg: str) -> str:
    """Paths to a hundredth of a point."""
    return re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)


def _linked(svg: str, tips: Mapping[str, str], prefix: str) -> str:
    """Each group that has a tip with it, and with the word that its id begins with as its class."""

    def tipped(match: re.Match[str]) -> str:
        tip = tips.get(match[1])
        said = f"<title>{html.escape(tip)}</title>" if tip is not None else ""
        return f'<g id="{prefix}{match[1]}" class="{match[2]}">{said}'

    return re.sub(rf'<g id="(({_LINKED})-[^"]+)">', tipped, svg)

"""An SVG that plays frames of a terminal, by itself and without scripts, and shows the last one where nothing moves."""

import html
from collections.abc import Sequence

from terminal_frames import Frame, Line, Run

_FONT = 14
_CELL_WIDTH, _CELL_HEIGHT = 8.4, 19
_BASELINE = 14
_MARGIN = 14
# The contrast of each with the ground is at least 4.5 to 1.
_STYLE = """
svg { font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; }
text { fill: #e6eaee; white-space: pre; }
.bold { font-weight: 700; }
.faint { fill: #9da7b1; }
.red { fill: #ff9a8a; }
.green { fill: #6fd08c; }
.magenta { fill: #e39bf0; }
.cyan { fill: #6fcbd8; }
.faint.green { fill: #5fae78; }
@media (prefers-reduced-motion: no-preference) { #film { animation: film %.2fs step-end infinite; } }
@keyframes film {
%s}
"""


def as_svg(frames: Sequence[Frame], seconds: float, columns: int, title: str, words: str) -> str:
    """The frames one after another, again and again; the last one until `seconds` are over.

    They stand below each other as on a film, of which a window shows one at a time.

    Args:
        frames: by the time of each.
        title: what it is.
        words: what happens in it, for those who do not see it.
    """
    rows = len(frames[0].lines)
    height, width = rows * _CELL_HEIGHT, columns * _CELL_WIDTH
    ids = {line: f"l{i}" for i, line in enumerate(dict.fromkeys(line for frame in frames for line in frame.lines))}
    lines = "".join(f'<g id="{name}">{"".join(map(_run, line))}</g>\n' for line, name in ids.items() if line)
    film = "".join(_frame(frame, -height * (len(frames) - 1 - i), ids) for i, frame in enumerate(frames))
    moves = "".join(
        f"{100 * frame.at / seconds:.2f}% {{ transform: translateY({height * (len(frames) - 1 - i)}px); }}\n"
        for i, frame in enumerate(frames)
    )
    outer = f"{width + 2 * _MARGIN:g} {height + 2 * _MARGIN:g}"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {outer}" role="img" aria-labelledby="title words">
<title id="title">{html.escape(title)}</title>
<desc id="words">{html.escape(words)}</desc>
<style>{_STYLE % (_FONT, seconds, moves)}</style>
<defs>
{lines}</defs>
<rect x=".5" y=".5" width="{width + 2 * _MARGIN - 1:g}" height="{height + 2 * _MARGIN - 1:g}" rx="8" fill="#14181c" \
stroke="#57606a"/>
<svg x="{_MARGIN}" y="{_MARGIN}" width="{width:g}" height="{height}" overflow="hidden"><g id="film">
{film}</g></svg>
</svg>
"""


def _run(run: Run) -> str:
    # As wide as its cells, whichever font there is: columns stay columns.
    place = f'x="{run.column * _CELL_WIDTH:.4g}" textLength="{len(run.text) * _CELL_WIDTH:.4g}"'
    style = f' class="{" ".join(sorted(run.style))}"' if run.style else ""
    return f'<text {place} lengthAdjust="spacingAndGlyphs"{style}>{html.escape(run.text, quote=False)}</text>'


def _frame(frame: Frame, top: int, ids: dict[Line, str]) -> str:
    uses = (
        f'<use href="#{ids[line]}" y="{top + i * _CELL_HEIGHT + _BASELINE}"/>'
        for i, line in enumerate(frame.lines)
        if line
    )
    return "".join(uses) + "\n"

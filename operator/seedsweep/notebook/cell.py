"""The live view in a notebook: one output of the cell, redrawn in place."""

import io
from typing import Any

from rich.console import Console, Group

_WIDTH = 100
_FORMAT = '<pre style="line-height: normal; white-space: pre">{code}</pre>'


class CellScreen:
    """Implements terminal.live.Screen."""

    def __init__(self) -> None:
        self._handle: Any = None

    def start(self) -> None:
        """See Screen."""
        from IPython.display import HTML, display

        self._handle = display(HTML(""), display_id=True)  # type: ignore[no-untyped-call]

    def update(self, frame: Group, *, refresh: bool) -> None:
        """See Screen."""
        self._show(as_html(frame))

    def stop(self) -> None:
        """See Screen."""
        self._show("")

    def _show(self, html: str) -> None:
        from IPython.display import HTML

        self._handle.update(HTML(html))  # type: ignore[no-untyped-call]


def as_html(frame: Group) -> str:
    """The frame as it stands in a terminal, colours included."""
    console = Console(record=True, file=io.StringIO(), width=_WIDTH, force_jupyter=False, force_terminal=True)
    console.print(frame)
    return console.export_html(inline_styles=True, code_format=_FORMAT)

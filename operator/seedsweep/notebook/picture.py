"""A figure of the report that a notebook shows."""

from os import PathLike
from pathlib import Path

from seedsweep.codes import bad_input
from seedsweep.files import write_whole
from seedsweep.report.figures.drawing import FORMATS, Drawing, file_of


class Picture:
    """A figure, with its numbers."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing

    def save(self, path: str | PathLike[str]) -> None:
        """Write it as PNG, SVG or PDF, as the name of the file ends; raises CommandError, OSError."""
        ending = Path(path).suffix.lower().removeprefix(".")
        form = next((form for form in FORMATS if form == ending), None)
        if form is None:
            raise bad_input(f"{path} is none of .png, .svg and .pdf: give a name that ends so")
        write_whole(Path(path), file_of(self._drawing, form))

    def __repr__(self) -> str:
        return f"<Picture: {self._drawing.words}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str | bytes]:
        """For a notebook: the same picture as in `seedsweep report`, and in words where no picture can be shown."""
        return {"image/png": file_of(self._drawing, "png"), "text/plain": self._drawing.words}

"""Where a winner's weights are, as `status.best.weights` has it: `persistentVolumeClaim/CLAIM:FOLDER`, or a URI."""

import re
from dataclasses import dataclass

_CLAIM = re.compile(r"persistentVolumeClaim/(?P<claim>[-a-z0-9.]+):(?P<folder>[^/].*)")
_URI = re.compile(r"[a-z0-9+.-]+://.+")


@dataclass(frozen=True, slots=True)
class ClaimFolder:
    """A folder of a claim in the sweep's namespace."""

    claim: str
    folder: str
    """From the root of the claim on."""

    def __str__(self) -> str:
        return f"persistentVolumeClaim/{self.claim}:{self.folder}"


@dataclass(frozen=True, slots=True)
class Uri:
    """A folder by its fsspec URI."""

    uri: str

    def __str__(self) -> str:
        return self.uri


Place = ClaimFolder | Uri


def parse_place(text: str) -> Place:
    """Raises ValueError for what is neither, or leads out of the claim."""
    found = _CLAIM.fullmatch(text)
    if found is not None and ".." not in found["folder"].split("/"):
        return ClaimFolder(found["claim"], found["folder"])
    if _URI.fullmatch(text):
        return Uri(text)
    raise ValueError(f"{text!r} is neither persistentVolumeClaim/CLAIM:FOLDER nor a URI")

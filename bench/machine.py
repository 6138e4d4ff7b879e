"""The machine and the versions that a figure is of."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from seedsweep.local.machine.hardware import usable_cores

PACKAGES = ("kopf", "numpy", "torch", "transformers")
"""Whose versions a figure may depend on."""


def described() -> str:
    """One line: processor, cores that this process may use, memory, system, and versions of what is installed."""
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    versions = ", ".join(f"{name} {number}" for name in PACKAGES if (number := _version(name)))
    system = f"{platform.platform()}, Python {platform.python_version()}"
    return f"{_processor()}, {usable_cores()} cores, {gigabytes:.0f} GiB; {system}, {versions}"


def _processor() -> str:
    """Its model, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""

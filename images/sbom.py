"""The bill of materials of an image's Python, in CycloneDX: `python sbom.py NAME VERSION`, run by that Python.

What the base brings beside Python's packages stands in the base's own bill.
"""

import json
import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from typing import Any

Object = dict[str, Any]


def bill(name: str, version: str, packages: Iterable[Distribution]) -> Object:
    """Every installed package once, by its package URL, with its licence where it states one."""
    components = {component["purl"]: component for component in map(_component, packages)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": version}},
        "components": [components[url] for url in sorted(components)],
    }


def _component(package: Distribution) -> Object:
    metadata = package.metadata
    name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
    found = {"type": "library", "name": name, "version": package.version, "purl": f"pkg:pypi/{name}@{package.version}"}
    licence = metadata.get("License-Expression")
    return {**found, "licenses": [{"expression": licence}]} if licence else found


if __name__ == "__main__":
    json.dump(bill(*sys.argv[1:], distributions()), sys.stdout, indent=1)

"""Labels and annotations: what Kubernetes takes as their keys and values, and which keys SeedSweep sets itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from seedsweep.api.base import Text

OWN_PREFIX = "seedsweep.io/"
OWN_LABELS = ("app.kubernetes.io/component", "app.kubernetes.io/instance", "app.kubernetes.io/name")
MAX_ANNOTATIONS = 65_536
"""Characters of all annotations of an object together: in UTF-8 at most the 256 KiB that Kubernetes takes."""

MAX_KEY, MAX_PREFIX = 317, 253
KEY = (
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
VALUE = "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
OWN_REMEDY = "is set by SeedSweep: choose another key"
KEY_REMEDY = (
    "a key is at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends; "
    "a DNS name and '/' may precede it"
)
LENGTH_REMEDY = "shorten them, or mount a ConfigMap"
VALUE_REMEDY = "at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"


def is_key(text: str) -> bool:
    """Whether Kubernetes takes it as the key of a label, and as the name of a resource."""
    return len(text) <= MAX_KEY and text.find("/") <= MAX_PREFIX and re.fullmatch(KEY, text) is not None


def is_own(key: str) -> bool:
    """Whether SeedSweep sets it itself on pods."""
    return key.startswith(OWN_PREFIX) or key in OWN_LABELS


@dataclass(frozen=True, slots=True)
class Keyed:
    """On a mapping: its keys are such as Kubernetes takes for labels, annotations and resources.

    An API server's schema has no word for keys: the same stands there as a rule.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        fits = f"size(key) <= {MAX_KEY} && key.indexOf('/') <= {MAX_PREFIX} && key.matches('{KEY}')"
        rule = {"rule": f"self.all(key, {fits})", "message": KEY_REMEDY}
        return {**handler(core), "x-kubernetes-validations": [rule]}

    def _check(self, entries: Mapping[str, Any]) -> Mapping[str, Any]:
        for key in entries:
            if not is_key(key):
                raise ValueError(f"{key[:MAX_KEY]!r}: {KEY_REMEDY}")
        return entries


def _check_key(text: str) -> str:
    if not is_key(text):
        raise ValueError(KEY_REMEDY)
    return text


def _check_value(text: str) -> str:
    if re.fullmatch(VALUE, text) is None:
        raise ValueError(f"must be {VALUE_REMEDY}, or empty")
    return text


def _check_length(entries: dict[str, str]) -> dict[str, str]:
    size = sum(len(key) + len(value) for key, value in entries.items())
    if size > MAX_ANNOTATIONS:
        raise ValueError(f"has {size} characters, more than {MAX_ANNOTATIONS} in all: {LENGTH_REMEDY}")
    return entries


def _check_own(entries: dict[str, str]) -> dict[str, str]:
    for key in entries:
        if is_own(key):
            raise ValueError(f"{key} {OWN_REMEDY}")
    return entries


Label = Annotated[str, Field(max_length=MAX_KEY, json_schema_extra={"pattern": KEY}), AfterValidator(_check_key)]
LabelValue = Annotated[str, Field(max_length=63, json_schema_extra={"pattern": VALUE}), AfterValidator(_check_value)]
Labels = Annotated[dict[str, LabelValue], Field(max_length=100), Keyed()]
Annotations = Annotated[dict[str, Text], Field(max_length=100), Keyed(), AfterValidator(_check_length)]
PodLabels = Annotated[Labels, AfterValidator(_check_own)]
PodAnnotations = Annotated[Annotations, AfterValidator(_check_own)]

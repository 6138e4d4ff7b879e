"""What all resource types share: camelCase on the wire, no unknown fields, no silent conversion."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class ApiModel(BaseModel):
    """A frozen value that parses strictly: what a CRD's schema would refuse is refused here too."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        # Neither JSON nor the API server has NaN: what is undefined is absent.
        allow_inf_nan=False,
    )

    def evolve(self, **changes: object) -> Self:
        """A copy with fields changed to values that are known to be valid.

        `model_copy` does the same several times slower; one plan of a large sweep makes thousands.
        """
        cls = type(self)
        copy = cls.__new__(cls)
        object.__setattr__(copy, "__dict__", {**self.__dict__, **changes})
        object.__setattr__(copy, "__pydantic_fields_set__", self.__pydantic_fields_set__ | changes.keys())
        object.__setattr__(copy, "__pydantic_extra__", self.__pydantic_extra__)
        object.__setattr__(copy, "__pydantic_private__", None)
        return copy


class OneOf(ApiModel):
    """A value of which exactly one of some fields is given."""

    one_of: ClassVar[tuple[str, ...]]
    together: ClassVar[frozenset[str]] = frozenset()
    """Those that may be given beside each other all the same."""

    @classmethod
    def choices(cls) -> list[str]:
        """The fields as they are called on the wire."""
        return [cls.on_the_wire(key) for key in cls.one_of]

    @classmethod
    def on_the_wire(cls, key: str) -> str:
        """What a field is called there."""
        return cls.model_fields[key].alias or key

    @classmethod
    def remedy(cls) -> str:
        """What is said where none or several are given."""
        *others, last = cls.choices()
        both = " and ".join(map(cls.on_the_wire, sorted(cls.together)))
        return f"needs exactly one of {', '.join(others)} or {last}" + (f", or {both} together" if both else "")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for key, name in zip(self.one_of, self.choices(), strict=True) if getattr(self, key) is not None]
        together = {*map(self.on_the_wire, self.together)}
        if len(given) != 1 and not (together and together == {*given}):
            raise ValueError(f"{self.remedy()}; found {', '.join(given) or 'none'}")
        return self


@dataclass(frozen=True, slots=True)
class Distinct:
    """On a list: no two items are equal, or have the same values of these fields (listType `set` and `map`)."""

    keys: tuple[str, ...] = ()
    """On the wire."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        if not self.keys:
            return {**schema, "x-kubernetes-list-type": "set"}
        return {**schema, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(self.keys)}

    def _check(self, items: Sequence[Any]) -> Sequence[Any]:
        for identity, times in Counter(map(self.identity, items)).most_common(1):
            if times > 1:
                raise ValueError(f"{identity} is listed {times} times: list it once")
        return items

    def identity(self, item: Any) -> str:
        """What no other item may share."""
        if not self.keys:
            return str(item)
        kind: type[BaseModel] = type(item)
        return ", ".join(f"{key} {getattr(item, name)}" for key, name in _names_of(kind, self.keys))


@cache
def _names_of(kind: type[BaseModel], keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Fields as they are called on the wire, each with its attribute."""
    names = {field.alias or name: name for name, field in kind.model_fields.items()}
    return tuple((key, names[key]) for key in keys)


DECIMAL = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$"


def _is_decimal(text: str) -> str:
    if re.fullmatch(DECIMAL, text) is None:
        raise ValueError('must be a decimal number in quotes, like "2e-5"')
    return text


# Kubernetes forbids floats in a spec: two readers may round one number differently.
DecimalString = Annotated[
    str, Field(min_length=1, max_length=32, json_schema_extra={"pattern": DECIMAL}), AfterValidator(_is_decimal)
]


def _is_positive(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4})?", text) is None or float(text) <= 0:
        raise ValueError('must be a number above 0 in quotes, like "0.25"')
    return text


GpuCount = Annotated[
    str,
    Field(max_length=9, json_schema_extra={"pattern": r"^[0-9]{1,4}(\.[0-9]{1,4})?$"}),
    AfterValidator(_is_positive),
]
MAX_SEED = 2**31 - 1
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Count = Annotated[int, Field(ge=0, le=2**53)]
"""What others count: beyond it, not every program reads the same number."""
Percent = Annotated[int, Field(ge=1, le=99)]
Text = Annotated[str, Field(max_length=4096)]
"""A string somebody wrote: bounded, as everything is whose checks have to have a known cost."""

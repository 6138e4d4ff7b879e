"""What all resource types share: camelCase on the wire, no unknown fields, no silent conversion."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """A frozen value that parses strictly: what a CRD's schema would refuse is refused here too."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )

    def evolve(self, **changes: object) -> Self:
        """A copy with fields changed to values that are known to be valid.

        `model_copy` does the same several times slower; one plan of a large sweep makes thousands.
        """
        cls = type(self)
        copy = cls.__new__(cls)
        object.__setattr__(copy, "__dict__", {**self.__dict__, **changes})
        object.__setattr__(copy, "__pydantic_fields_set__", self.__pydantic_fields_set__ | changes.keys())
        object.__setattr__(copy, "__pydantic_extra__", None)
        object.__setattr__(copy, "__pydantic_private__", None)
        return copy


def _is_decimal(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError('must be a decimal number in quotes, like "2e-5"') from None
    if not number.is_finite():
        raise ValueError("must be a finite decimal number")
    return text


# Kubernetes forbids floats in a spec: two readers may round one number differently.
DecimalString = Annotated[str, Field(min_length=1, max_length=32), AfterValidator(_is_decimal)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Percent = Annotated[int, Field(ge=1, le=99)]

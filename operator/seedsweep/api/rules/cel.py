"""Rules in CEL, as x-kubernetes-validations has them, and the sizes that they speak of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """An expression that must hold of `self`, and what to do where it does not."""

    expression: str
    message: str
    path: str = ""
    """The field that is to blame, below self."""

    def as_schema(self) -> dict[str, str]:
        """An entry of x-kubernetes-validations."""
        found = {"rule": self.expression, "message": self.message}
        return {**found, "fieldPath": f".{self.path}"} if self.path else found


# Values behind an optional (self.?x) lose their bounds, and so their known cost: has() keeps them.
def size_of_range(seed_range: str) -> str:
    """How many seeds a range has."""
    counted, listed = f"{seed_range}.count", f"{seed_range}.values"
    return f"(has({counted}) ? {counted} : has({listed}) ? size({listed}) : 0)"


def length_of_mapping(mapping: str) -> str:
    """Characters of all keys and values."""
    return f"(has({mapping}) ? {mapping}.map(key, size(key) + size({mapping}[key])).sum() : 0)"


def length_of_list(texts: str, of_each: str = "size(each)") -> str:
    """Characters of all items, each of which has `of_each`."""
    return f"(has({texts}) ? {texts}.map(each, {of_each}).sum() : 0)"

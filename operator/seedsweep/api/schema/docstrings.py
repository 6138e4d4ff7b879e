"""What the source says of each field: the string below it.

Pydantic can read these too (`use_attribute_docstrings`), but does so for every class at each start of every process.
"""

import ast
import inspect
import textwrap

from pydantic import BaseModel


def field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """By the field's name in Python; those of base classes included."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            found |= _own_docstrings(cls)
    return {name: text for name, text in found.items() if name in model.model_fields}


def _own_docstrings(cls: type) -> dict[str, str]:
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found

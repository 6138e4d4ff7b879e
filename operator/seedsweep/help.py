"""Help without the names of Python's types: `<bool>` beside a flag reads as if it took a value."""

from collections.abc import Iterable

from typer import Context
from typer.core import TyperArgument, TyperCommand, TyperGroup


class PlainCommand(TyperCommand):
    """A command whose help names what is to be given, and no types."""

    def get_params(self, ctx: Context) -> list:  # type: ignore[type-arg,override]  # of the click inside typer
        """All parameters, --help included."""
        return _without_types(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """The same for what stands before the command."""

    def get_params(self, ctx: Context) -> list:  # type: ignore[type-arg,override]
        """All parameters, --help and those for completion included."""
        return _without_types(super().get_params(ctx))


def _without_types(params: Iterable) -> list:  # type: ignore[type-arg]
    found = list(params)
    for param in found:
        # typer has no settings for the type of an argument, whose name stands beside it, and for `[1<=x<=65535]`,
        # which leaves no room for words. What is out of range is refused with the range.
        vars(param)["_get_number_range_help_str"] = str
        if isinstance(param, TyperArgument):
            vars(param)["display_type_rich"] = _no_type
        elif param.is_flag:
            param.metavar = ""
    return found


def _no_type(ctx: Context) -> None:
    del ctx

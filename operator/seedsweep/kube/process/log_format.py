"""How a line of the operator's log looks."""

from enum import StrEnum


class LogFormat(StrEnum):
    """Lines for people, or a JSON object a line for programs."""

    TEXT = "text"
    JSON = "json"

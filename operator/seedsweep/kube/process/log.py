"""The operator's log: a line for each thing that changes, as `namespace/name: text` or as JSON."""

import json
import logging
from datetime import UTC, datetime

from seedsweep.kube.process.log_format import LogFormat
from seedsweep.report.words import one_line

Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]

MAX_MESSAGE = 2_000
"""Characters; what others wrote may be as long as they like."""
_QUIET = {
    "kopf": logging.WARNING,
    # What becomes of its requests is told by kube.watching, once a change and not once a try.
    "kopf._cogs.clients": logging.CRITICAL,
    # Told by run_operator, in one line.
    "kopf._core.reactor": logging.CRITICAL,
    # A line for every event of every pod.
    "kopf.objects": logging.WARNING,
    # Told by kube.startup.
    "kubernetes": logging.ERROR,
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
}


class SweepLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines are about one sweep."""

    def __init__(self, logger: logging.Logger, namespace: str, name: str) -> None:
        super().__init__(logger, {"namespace": namespace, "sweep": name})


class Changes:
    """What went wrong last, by its key, so that it is told once and not at every try."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def is_new(self, key: str, text: str) -> bool:
        """Note what goes wrong now; whether that is news."""
        known = self._told.get(key) == text
        self._told[key] = text
        return not known

    def is_over(self, key: str) -> bool:
        """Note that nothing is wrong any more; whether something was."""
        return self._told.pop(key, None) is not None


def set_up_logging(form: LogFormat) -> None:
    """Log to stderr from INFO on: what we do, and of libraries only what they warn of."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if form is LogFormat.JSON else _TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)


def _message(record: logging.LogRecord) -> str:
    text = one_line(record.getMessage())
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 3] + "..."


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        sweep = getattr(record, "sweep", None)
        about = f"{getattr(record, 'namespace', '')}/{sweep}: " if sweep is not None else ""
        line = f"{_time(record)} {record.levelname} {about}{_message(record)}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            "namespace": getattr(record, "namespace", None),
            "sweep": getattr(record, "sweep", None),
            "exception": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None})

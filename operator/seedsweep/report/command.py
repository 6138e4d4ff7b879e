"""`seedsweep report`: one record or several, each with its page, figures and numbers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from seedsweep.codes import CommandError, Exit
from seedsweep.report.exports import write_everything
from seedsweep.report.record import IN_CLUSTER, RecordError, read_record

QUIET_SECONDS = 2.0
"""What takes no longer shows no progress."""

Fetch = Callable[[str], Path]
"""Brings the record of a sweep in a cluster, by its name, to a folder; raises CommandError."""


def write_reports(runs: Sequence[str], fetch: Fetch, console: Console) -> None:
    """Write the report of each, and print a line for each group of files; progress goes to `console`.

    Raises:
        CommandError: of some no report could be made; those of the others are there.
    """
    failures: list[tuple[str, Exit]] = []
    for run in dict.fromkeys(runs):
        try:
            _report_one(fetch(run.removeprefix(IN_CLUSTER)) if run.startswith(IN_CLUSTER) else Path(run), console)
        except RecordError as error:
            failures.append((str(error), Exit.BAD_INPUT))
        except CommandError as error:
            failures.append((str(error), error.code))
        except OSError as error:
            where = error.filename or run
            said = f"{where}: cannot be written ({error.strerror or error}): make room or give the right to"
            failures.append((said, Exit.FAILED))
    if failures:
        raise CommandError("\n".join(said for said, _ in failures), max(code for _, code in failures))


def _report_one(directory: Path, console: Console) -> None:
    columns = TextColumn("{task.description}"), BarColumn(bar_width=24)
    piped = not console.is_terminal
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=piped) as progress:
        bar = progress.add_task(str(directory), total=None, visible=False)
        slow = Timer(QUIET_SECONDS, progress.update, (bar,), {"visible": True})
        slow.daemon = True
        slow.start()

        def told(part: str, done: int, of: int) -> None:
            progress.update(bar, description=f"{directory}: {part}", completed=done, total=of)

        try:
            lines = write_everything(directory, read_record(directory), told)
        finally:
            slow.cancel()
    for line in lines:
        print(line)

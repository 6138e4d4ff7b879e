"""The command line, put together from the commands of the rooms.

What a command needs is imported once it runs: `seedsweep --help` is there at once.
"""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from seedsweep.cluster import commands as cluster
from seedsweep.codes import CommandError
from seedsweep.exchange import commands as exchange
from seedsweep.help import PlainCommand, PlainGroup
from seedsweep.kube import commands as kube
from seedsweep.local import commands as local
from seedsweep.studies.compare import commands as compare
from seedsweep.studies.plan import commands as plan
from seedsweep.studies.seeds import commands as seeds
from seedsweep.version import __version__

app = typer.Typer(cls=PlainGroup, no_args_is_help=True, pretty_exceptions_enable=False)
app.command("run", help=local.RUN_HELP)(local.run_command)
app.command("init", help=local.INIT_HELP)(local.init_command)
app.command("check", help=local.CHECK_HELP)(local.check_command)
app.command("report", help=cluster.REPORT_HELP)(cluster.report_command)
app.command("clean", help=local.CLEAN_HELP)(local.clean_command)
app.command("import", help=exchange.IMPORT_HELP)(exchange.import_command)
app.command("export", help=exchange.EXPORT_HELP)(exchange.export_command)
app.command("compare", help=compare.COMPARE_HELP)(compare.compare_command)
app.command("seeds", help=seeds.SEEDS_HELP)(seeds.seeds_command)
app.command("plan", help=plan.PLAN_HELP)(plan.plan_command)
app.command("operator", help=kube.OPERATOR_HELP)(kube.operator_command)
app.command("watch", help=cluster.WATCH_HELP)(cluster.watch_command)
app.command("wait", help=cluster.WAIT_HELP)(cluster.wait_command)
app.command("fetch", help=cluster.FETCH_HELP)(cluster.fetch_command)


def _flowing(text: str) -> str:
    """Paragraphs without line breaks, so that typer wraps them all: it keeps those of all paragraphs but the first."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


for command in app.registered_commands:
    command.help = _flowing(command.help or "")
    command.cls = PlainCommand


def _version(asked: bool) -> None:
    if asked:
        print(f"seedsweep {__version__}")
        raise typer.Exit


HELP = """
Fine-tune with many seeds, stop the losers early, keep the best and report honest statistics.

Every command exits with code 3 if a part that it needs is not installed. The message shows how to install it.
"""


@app.callback(help=_flowing(HELP))
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `seedsweep`: bad input is said plainly, without a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A pipe or console may know fewer characters than our screens have, as on Windows.
        sys.stdout.reconfigure(errors="replace")
    try:
        app(arguments)
    except CommandError as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)
    except ModuleNotFoundError as error:
        from seedsweep.parts import not_installed

        missing = not_installed(error.name)
        if missing is None:
            raise
        print(missing, file=sys.stderr)
        sys.exit(missing.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not _is_bad_input(error):
            raise
        print(error, file=sys.stderr)
        sys.exit(2)


def _is_bad_input(error: Exception) -> bool:
    """Whether a file or folder is not what it should be, which the error explains."""
    # Imported by now, where one of them was raised.
    from seedsweep.api.reading.parse import InvalidSweepError
    from seedsweep.local.directory.run_directory import RunDirectoryError
    from seedsweep.report.record import RecordError

    return isinstance(error, InvalidSweepError | RecordError | RunDirectoryError)

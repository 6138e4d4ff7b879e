"""The command line as a whole: its help is there at once, whatever the commands need."""

import itertools
import os
import subprocess
import sys

import pytest

SLOW = {"torch", "transformers", "kopf", "kubernetes", "matplotlib", "numpy", "scipy", "pyarrow", "aiohttp"}
OURS = "seedsweep.api"
"""Types that take pydantic as long to make as all the rest of `--help`."""
HELP_OF_ALL = """
import contextlib, sys
from seedsweep.cli import app, main
for command in [[], *([entry.name] for entry in app.registered_commands)]:
    with contextlib.suppress(SystemExit):
        main([*command, "--help"])
print(*sys.modules, file=sys.stderr)
"""


def test_help_of_every_command_loads_nothing_that_is_slow() -> None:
    done = subprocess.run([sys.executable, "-c", HELP_OF_ALL], capture_output=True, text=True, check=True)
    assert all(
        f"{command} [OPTIONS]" in done.stdout for command in ("run", "report", "import", "plan", "operator", "fetch")
    )
    loaded = set(done.stderr.split())
    assert "seedsweep.cli" in loaded
    assert not loaded & {*SLOW, OURS}


def test_help_fills_the_lines_of_a_narrow_terminal() -> None:
    """No line of a paragraph ends where the first word of the next would still have had room."""
    of_all = {**os.environ, "COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    done = subprocess.run([sys.executable, "-c", HELP_OF_ALL], capture_output=True, text=True, check=True, env=of_all)
    lines = [line.strip() for line in done.stdout.splitlines()]
    ragged = [
        line
        for line, after in itertools.pairwise(lines)
        if line and after and len(f"{line} {after.split()[0]}") < 70
        if not line.startswith(("│", "╭", "╰", "Usage")) and not after.startswith("╭")
    ]
    assert len(lines) > 100
    assert ragged == []


def test_help_names_no_types_and_cuts_nothing_off() -> None:
    of_all = {**os.environ, "COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    done = subprocess.run([sys.executable, "-c", HELP_OF_ALL], capture_output=True, text=True, check=True, env=of_all)
    assert [line for line in done.stdout.splitlines() if "<" in line or "…" in line] == []
    assert "if `seedsweep report` is installed" in " ".join(done.stdout.split())


@pytest.mark.parametrize(("typed", "offered"), [("ru", "run"), ("run --par", "--parallelism"), ("ch", "check")])
def test_a_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    words = f"seedsweep {typed}"
    asked = {"_SEEDSWEEP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = "import sys; sys.argv[0] = 'seedsweep'; from seedsweep.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, **asked}, capture_output=True, text=True)
    assert offered in done.stdout.split()

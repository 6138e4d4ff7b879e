"""checkov, in an environment of its own outside the checkout: what it needs is no dependency of ours."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import BuildError, cache, run_step
from host.needs import lack

VERSION = "3.3.30"
FRAMEWORKS = ("kubernetes", "dockerfile")


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that something does not pass."""

    check: str
    resource: str


def failures(folder: Path) -> set[Finding]:
    """What checkov finds wrong with the files in a folder; skips where it cannot be had."""
    command = [str(_program()), f"--directory={folder}", "--framework", *FRAMEWORKS]
    command += ["--output=json", "--quiet", "--compact", "--skip-download"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    reports = json.loads(done.stdout)
    assert {report["check_type"] for report in reports} == set(FRAMEWORKS), done.stderr
    assert all(report["summary"]["passed"] and not report["summary"]["parsing_errors"] for report in reports)
    found = [failed for report in reports for failed in report["results"]["failed_checks"]]
    return {Finding(failed["check_id"], failed["resource"].rsplit(".", 1)[-1]) for failed in found}


def _program() -> Path:
    folder = cache() / f"checkov-{VERSION}"
    ready = folder / "ready"
    if not ready.exists():
        try:
            uv = [sys.executable, "-m", "uv", "--quiet"]
            run_step("make an environment for checkov", [*uv, "venv", "--clear", str(folder)])
            python = f"--python={folder / 'bin' / 'python'}"
            run_step(f"install checkov {VERSION} from PyPI", [*uv, "pip", "install", python, f"checkov=={VERSION}"])
        except BuildError as error:
            lack("checkov", f"checkov: {error}")
        ready.touch()
    return folder / "bin" / "checkov"

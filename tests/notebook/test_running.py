"""`seedsweep.run`: the same as `seedsweep run`, in a script and where an event loop runs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seedsweep
from inputs.fake_sweeps import FakeSweep, outcome
from seedsweep.api.reading.parse import InvalidSweepError
from seedsweep.codes import CommandError

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"

Run = Callable[..., seedsweep.Run]


def in_a_loop(*arguments: object, **options: object) -> seedsweep.Run:
    async def run() -> seedsweep.Run:
        return seedsweep.run(*arguments, **options)  # type: ignore[arg-type]

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def fake_sweep(tmp_path: Path) -> FakeSweep:
    return FakeSweep(tmp_path, weight_inits=2, data_orders=2)


@pytest.mark.parametrize("run", [seedsweep.run, in_a_loop])
def test_a_sweep_runs_to_its_end(fake_sweep: FakeSweep, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(fake_sweep.write(), out=fake_sweep.out, progress=False)
    assert made.sweep.status is not None
    assert made.sweep.status.phase == "Complete"
    assert outcome(made.record) == outcome(fake_sweep.record)
    assert (fake_sweep.out / "report.html").exists()
    assert capsys.readouterr().out == ""


def test_progress_is_shown_and_a_sweep_that_is_over_is_not_trained_again(
    fake_sweep: FakeSweep, capsys: pytest.CaptureFixture[str]
) -> None:
    first = seedsweep.run(fake_sweep.write(), out=str(fake_sweep.out))
    assert "fake is complete" in capsys.readouterr().out
    again = seedsweep.run(fake_sweep.write(), out=str(fake_sweep.out))
    assert "is over already" in capsys.readouterr().out
    assert again.record == first.record


@pytest.mark.parametrize("run", [seedsweep.run, in_a_loop])
def test_bad_input_is_refused_with_every_problem(fake_sweep: FakeSweep, run: Run) -> None:
    fake_sweep.spec = {"parallelism": 0, "paralelism": 4}
    with pytest.raises(InvalidSweepError, match=r"(?s)spec\.parallelism: must be at least 1.*did you mean"):
        run(fake_sweep.write(), out=fake_sweep.out)
    assert not fake_sweep.out.exists()


def test_parallelism_must_be_a_place_at_least(fake_sweep: FakeSweep) -> None:
    with pytest.raises(CommandError, match=r"parallelism: must be at least 1 \(found 0\)"):
        seedsweep.run(fake_sweep.write(), parallelism=0)


def test_an_interrupted_cell_saves_and_the_same_call_goes_on(fake_sweep: FakeSweep) -> None:
    held = fake_sweep.hold("wi1-do1")
    file = fake_sweep.write()

    def interrupt() -> None:
        while not any(fake_sweep.out.glob("attempts/*")):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    async def cell() -> None:
        # As IPython's kernel runs a cell: the signal is a KeyboardInterrupt wherever the main thread is.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            seedsweep.run(file, out=fake_sweep.out, progress=False)

    asyncio.run(cell())
    status = fake_sweep.record.sweep.status
    assert status is not None
    assert status.completion_time is None
    held.unlink()
    made = in_a_loop(file, out=fake_sweep.out, progress=False)
    assert made.sweep.status is not None
    assert made.sweep.status.phase == "Complete"


def test_import_is_at_once_and_loads_no_torch() -> None:
    code = "import seedsweep, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "seedsweep" in loaded
    assert not loaded & {"torch", "transformers", "numpy", "pandas", "matplotlib", "pydantic", "rich", "asyncio"}


def test_nothing_that_runs_or_loads_imports_torch(fake_sweep: FakeSweep) -> None:
    arguments = f"{str(fake_sweep.write())!r}, out={str(fake_sweep.out)!r}, progress=False"
    code = f"import seedsweep, sys; seedsweep.run({arguments}).curves; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_the_notebook_of_the_examples_runs(fake_sweep: FakeSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    # Kernels and their messages need directories of this user's, and no debugger.
    monkeypatch.setenv("IPYTHONDIR", str(fake_sweep.folder / "ipython"))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    text = NOTEBOOK.read_text()
    sweep = json.dumps('SWEEP = "quickstart.yaml"')[1:-1]
    assert sweep in text
    text = text.replace(sweep, json.dumps(f"SWEEP = {json.dumps(str(fake_sweep.write()))}")[1:-1])
    done = execute(text, fake_sweep.folder)
    shown = json.dumps([cell.get("outputs") for cell in done["cells"]])
    assert "<Run fake: Complete, 4 episodes, best " in shown
    assert "image/png" in shown
    assert "fake is complete" in shown
    assert (fake_sweep.folder / "runs" / "fake" / "curves.pdf").exists()


def execute(text: str, folder: Path) -> dict[str, Any]:
    """Run all cells in a kernel of their own, whose folder this is; what they show is in them."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.reads(text, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=240,
        startup_timeout=240,
        # What is shown may follow its cell by more than the usual 4 s, after which it would be missing.
        iopub_timeout=240,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return dict(notebook)

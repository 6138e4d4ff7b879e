"""How a process of the trainer starts and ends: no garbage is looked for in vain, and nothing that was said is lost."""

import gc
import subprocess
import sys

import pytest

from seedsweep_trainer.process import importing

ENDING = """
import atexit
from seedsweep_trainer.process import end_process
atexit.register(print, "torn down")
print("said")
end_process(65)
"""


def test_nothing_is_collected_during_imports_and_what_they_made_is_left_alone_afterwards() -> None:
    frozen = gc.get_freeze_count()
    try:
        with importing():
            assert not gc.isenabled()
            made: list[list[int]] = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() - frozen > len(made)
    finally:
        gc.unfreeze()


def test_a_failed_import_leaves_the_collector_on() -> None:
    with pytest.raises(ModuleNotFoundError), importing():
        import nothing_of_this_name  # type: ignore[import-not-found]  # noqa: F401
    gc.unfreeze()
    assert gc.isenabled()


def test_a_process_ends_with_its_code_and_all_that_it_said_but_without_a_teardown() -> None:
    ended = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (65, "said\n", "")

"""A module that leaves something open fails itself, and no other pays for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

LEAKING = """
import socket

def test_that_leaves_a_socket_open():
    class Cycle: ...
    cycle = Cycle()
    cycle.itself, cycle.socket = cycle, socket.socket()
"""
CLEAN = """
import gc

def test_in_which_garbage_is_collected():
    gc.collect()
"""


def test_who_leaves_a_socket_open_fails_and_who_collects_it_does_not(tmp_path: Path):
    tests = Path(__file__).parent
    shutil.copy(tests / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "test_a.py").write_text(LEAKING)
    (tmp_path / "test_b.py").write_text(CLEAN)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-p", "no:asyncio", str(tmp_path)]
    found = os.environ | {"PYTHONPATH": str(tests)}
    done = subprocess.run(command, cwd=tmp_path, env=found, capture_output=True, text=True, check=False, timeout=240)
    said = done.stdout + done.stderr
    assert "ERROR test_a.py::test_that_leaves_a_socket_open" in said
    assert "PASSED test_b.py::test_in_which_garbage_is_collected" in said
    assert "ERROR test_b.py" not in said

"""Programs in a network of their own that holds nothing but ADDRESS.

An API server proxies to pods' addresses only, and to none on loopback.
"""

import os
import subprocess
import sys
from pathlib import Path

from host.needs import lack

ADDRESS = "203.0.113.7"
"""Set aside for documentation: no machine has it."""
TESTS = Path(__file__).parents[1]
GIVE_UP_AFTER = 600.0
"""Seconds: what hangs is told with what it has printed, before the test itself is ended."""
# The API server wants a way out, though none leads anywhere.
_NETWORK = f"ip link set lo up && ip addr add {ADDRESS}/24 dev lo && ip route add default dev lo"
_ENTER = ["unshare", "--map-root-user", "--net", "sh", "-c", f'{_NETWORK} && exec "$@"', "sh"]


def run_there(module: str, *arguments: object) -> str:
    """What a module of the tests prints there; it must end well. Skips where no such network can be made."""
    if subprocess.run([*_ENTER, "true"], capture_output=True, timeout=60, check=False).returncode != 0:
        lack("netns", "right to make a network of one's own (unshare --map-root-user --net)")
    done = subprocess.run(
        [*_ENTER, sys.executable, "-m", module, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=GIVE_UP_AFTER,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

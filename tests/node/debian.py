"""What a real node needs of Debian, installed by its own package manager where this process may."""

import os
import shutil
import subprocess

PACKAGES = {
    "buildah": "buildah",
    "containerd": "containerd",
    "conntrack": "conntrack",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
"""By a program of each."""
GIVE_UP_AFTER = 600


class LackingError(Exception):
    """This machine cannot run a node; the message says what it lacks."""


def ensure() -> None:
    """Install what is missing. Raises LackingError where that needs root or a package manager that is not there."""
    if os.geteuid() != 0:
        raise LackingError("root, without which there is no node")
    missing = sorted(package for program, package in PACKAGES.items() if shutil.which(program) is None)
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise LackingError(f"{', '.join(missing)}, and no apt-get to install them")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        done = subprocess.run(
            ["apt-get", "--quiet", *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=GIVE_UP_AFTER,
            check=False,
        )
        if done.returncode:
            raise LackingError(f"{', '.join(missing)}: {' '.join(done.stdout.split()[-30:])}")

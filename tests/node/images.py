"""Both images from the Dockerfile, without Docker and without a registry: buildah on a base made by debootstrap."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import seedsweep
from cluster.binaries import BuildError, run_step
from node.debian import LackingError

ROOT = Path(__file__).parents[2]
SUITE = "trixie"
PLAIN = ("python3", "python3-venv", "ca-certificates")
# A base that carries torch already, as NVIDIA's do: for CPUs, and a fifth of what PyPI's for GPUs takes.
# Without OpenBLAS, debootstrap takes the reference BLAS, with which an evaluation takes minutes.
BASES = {"operator": PLAIN, "trainer": (*PLAIN, "libopenblas0-pthread", "python3-torch")}
LAYERS_KEPT = 120
"""Two builds of both images leave about so many."""
PAUSE = "docker.io/library/seedsweep-pause:1"
"""Holds a pod's namespaces open, and does nothing."""
# As every published base has it.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MADE_OF = ("Dockerfile", "LICENSE", "README.md", "constraints.txt", "images", "operator", "pyproject.toml", "trainer")
# As this machine reaches its package indexes.
_OF_THIS_MACHINE = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


def reference(target: str) -> str:
    """What an image is called where no registry is named."""
    return f"docker.io/library/seedsweep-{target}:{seedsweep.__version__}"


def archives() -> list[Path]:
    """Both images and the pause image as files to import; built where the sources have changed.

    Raises LackingError where there is no base to build on, BuildError where the build fails.
    """
    _prune()
    return [_pause(), *(_image(target) for target in BASES)]


def sizes() -> dict[str, str]:
    """What bases and images come to unpacked, by name."""
    listed = json.loads(_buildah_output("images", "--json"))
    return {name: image["size"] for image in listed for name in image["names"] or ()}


def _prune() -> None:
    """Drop what former builds have left, now and then: each change of dependencies leaves gigabytes."""
    layers = json.loads(_buildah_output("images", "--all", "--json") or "[]")
    if len(layers) > LAYERS_KEPT:
        _buildah("remove layers of former builds", "rmi", "--prune", "--force")


def _image(target: str) -> Path:
    base = _base(BASES[target])
    archive = _cache() / f"{target}-{_digest(target)}.tar"
    if not archive.exists():
        command = ["build", "--layers", "--isolation=chroot", "--network=host"]
        command += [f"--target={target}", f"--build-arg=BASE={base}"]
        command += [f"--volume={file}:{file}:ro" for file in _OF_THIS_MACHINE if Path(file).exists()]
        _buildah(f"build the {target}'s image", *command, f"--tag={reference(target)}", str(ROOT))
        _save(target, reference(target), archive)
    return archive


def _pause() -> Path:
    archive = _cache() / f"pause-{SUITE}.tar"
    if not archive.exists():
        container = _buildah_output("from", _base(PLAIN)).strip()
        _buildah_output("config", "--entrypoint", '["sleep", "infinity"]', "--user", "65534", container)
        _buildah_output("commit", "--quiet", "--rm", container, PAUSE)
        _save("pause", PAUSE, archive)
    return archive


def _base(packages: tuple[str, ...]) -> str:
    """A local image of Debian with some packages: its name."""
    name = f"localhost/debian-{SUITE}:{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    if not _buildah_output("images", "--quiet", "--filter", f"reference={name}").strip():
        # Not below /tmp, which may be memory.
        with tempfile.TemporaryDirectory(prefix="seedsweep-base-", dir="/var/tmp") as folder:
            include = ",".join(packages)
            command = ["debootstrap", "--variant=minbase", f"--include={include}", SUITE, folder]
            try:
                run_step(f"debootstrap {SUITE} with {packages[-1]}", command)
            except BuildError as error:
                raise LackingError(str(error)) from error
            for leftover in ("var/cache/apt/archives", "var/lib/apt/lists"):
                shutil.rmtree(Path(folder) / leftover)
            container = _buildah_output("from", "scratch").strip()
            _buildah_output("copy", "--quiet", container, folder, "/")
            _buildah_output("config", "--env", f"PATH={_PATH}", container)
            _buildah_output("commit", "--quiet", "--rm", container, name)
    return name


def _save(what: str, image: str, archive: Path) -> None:
    """As an archive that containerd imports, in place of older ones."""
    partial = archive.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    _buildah(f"save the {what}'s image", "push", "--quiet", image, f"docker-archive:{partial}:{image}")
    for older in _cache().glob(f"{what}-*.tar"):
        older.unlink()
    partial.replace(archive)


def _digest(target: str) -> str:
    """Of all that an image is made of."""
    digest = hashlib.sha256(f"{SUITE} {BASES[target]}".encode())
    for file in _sources():
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    for name in _MADE_OF:
        path = ROOT / name
        if path.is_file():
            yield path
        else:
            yield from sorted(f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "seedsweep" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _command(*arguments: str) -> list[str]:
    storage = _cache() / "storage"
    return ["buildah", f"--root={storage}", "--runroot=/run/seedsweep-buildah", "--storage-driver=overlay", *arguments]


def _buildah(what: str, *arguments: str) -> None:
    run_step(what, _command(*arguments))


def _buildah_output(*arguments: str) -> str:
    done = subprocess.run(_command(*arguments), capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise BuildError(f"buildah {arguments[0]}: failed: {done.stderr.strip()[-500:]}")
    return done.stdout

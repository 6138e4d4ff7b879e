"""Real trainer processes behind pods without containers: the pod's variables, its address, and what it left behind."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from kubernetes.aio.client.api_client import ApiClient

from cluster.simulator.faults import End
from cluster.simulator.kubelet import Ended, Kubelet, running
from cluster.simulator.podapi import PodApi
from cluster.simulator.pods import InitContainer, Pod
from seedsweep.contract.message import MESSAGE_BYTES
from seedsweep.contract.protocol import Env
from seedsweep.kube.objects.names import LABEL_SWEEP
from seedsweep.kube.pods.manifest import SCRATCH, STORAGE
from seedsweep.local.processes.environment import TERMINATION_LOG, TRAINER
from seedsweep.local.processes.launchers import CommandLauncher, ForkLauncher, Launcher

GRACE_SECONDS = 10.0
TAIL_BYTES = 2048
"""Of the log, where a trainer that failed left no message, as terminationMessagePolicy FallbackToLogsOnError has it."""


class TrainerProcesses:
    """A process on this machine for every pod; its folders stand in for the pod's mounts."""

    def __init__(self, folder: Path, ours: Launcher, others: Launcher) -> None:
        """`ours` starts our own trainer, `others` whatever command a pod names."""
        self._folder = folder
        self._ours = ours
        self._others = others
        self._ending: set[asyncio.Task[int | None]] = set()
        """Told to end. A kubelet removes a pod when its process has ended; here it is gone from the API at once."""

    def pullable(self, pod: Pod) -> bool:
        """See Trainers: images are not used."""
        return True

    async def train(self, pod: Pod, told_to_end: asyncio.Event) -> Ended | None:
        """See Trainers."""
        work = self._folder / pod.uid
        log, message = work / "log", work / TERMINATION_LOG
        variables = self._variables(pod.env, pod.ip, message, work)
        _make_mounts(variables, message)
        launcher, command = self._what_runs(pod)
        if pod.task is not None and self._ending:
            # Else it could free a folder in which an episode's last process still writes.
            await asyncio.wait(self._ending)
        for container in pod.before:
            if (failed := await self._run_before(pod, container, work)) is not None:
                return failed
        process = await launcher.launch(command, variables, log)
        ended, told = asyncio.create_task(process.wait()), asyncio.create_task(told_to_end.wait())
        try:
            await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                self._ending.add(ended)
                process.terminate()
                await asyncio.wait((ended,), timeout=GRACE_SECONDS)
                process.kill()
            code = await ended
        finally:
            self._ending.discard(ended)
            ended.cancel()
            told.cancel()
        return _ended(code, message, log)

    async def _run_before(self, pod: Pod, container: InitContainer, work: Path) -> Ended | None:
        """Run an init container to its end; None where it has succeeded."""
        log, message = work / f"log-{container.name}", work / f"{TERMINATION_LOG}-{container.name}"
        message.touch()
        variables = self._variables(container.env, pod.ip, message, work)
        ours = container.command[0] == "seedsweep-trainer"
        command = (*TRAINER, *container.command[1:]) if ours else container.command
        process = await (self._ours if ours else self._others).launch(command, variables, log)
        code = await process.wait()
        return replace(_ended(code, message, log), failed_before=container.name) if code != 0 else None

    def _what_runs(self, pod: Pod) -> tuple[Launcher, tuple[str, ...]]:
        if pod.task is not None:
            return self._ours, (*TRAINER, *pod.command[1:])
        return (self._others, pod.command) if pod.command else (self._ours, (*TRAINER, "train"))

    def _variables(self, env: Mapping[str, str], ip: str | None, message: Path, work: Path) -> dict[str, str]:
        mounts = ((SCRATCH, work), (STORAGE, self._folder / "storage"))
        variables = dict(env)
        for path, folder in mounts:
            variables = {name: value.replace(path, str(folder)) for name, value in variables.items()}
        variables[Env.METRICS_HOST] = ip or ""
        variables[Env.TERMINATION_LOG] = str(message)
        return variables


def _make_mounts(variables: Mapping[str, str], message: Path) -> None:
    message.parent.mkdir()
    message.touch()
    if Env.CHECKPOINT_DIR in variables:
        Path(variables[Env.CHECKPOINT_DIR]).mkdir(parents=True, exist_ok=True)


def _ended(code: int | None, message: Path, log: Path) -> Ended:
    # None: it vanished, as after SIGKILL.
    end = End(137 if code is None else code, reason="Completed" if code == 0 else "Error")
    # One that is ended as it starts has no log yet.
    printed = log.read_bytes()[-TAIL_BYTES:] if code != 0 and log.exists() else b""
    words = message.read_bytes()[:MESSAGE_BYTES] or printed
    return Ended(end, words.decode(errors="replace"))


@asynccontextmanager
async def run_trainers(client: ApiClient, folder: Path, namespace: str | None = None) -> AsyncIterator[None]:
    """Run real trainers for all episodes, of one namespace or of all, within this context; they write in `folder`."""
    # The launchers' processes hold it until they have all ended.
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
    # One thread each: there are more trainers than cores.
    ours = ForkLauncher({"OMP_NUM_THREADS": "1"}, folder / "trainer.log", lock)
    others = CommandLauncher(folder, lock)
    try:
        async with running(Kubelet(PodApi(client, namespace, LABEL_SWEEP), TrainerProcesses(folder, ours, others))):
            yield
    finally:
        await ours.close()
        await others.close()
        os.close(lock)

"""The cluster that a command is for: the one it runs in, else that of KUBECONFIG."""

from contextlib import AsyncExitStack

from kubernetes.aio.utils import Backoff

from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import PATIENCE, Api, connect, default_namespace


async def open_api(stack: AsyncExitStack, patience: Backoff = PATIENCE) -> Api:
    """Its API server, until the stack ends; raises CommandError where there is no cluster."""
    try:
        return await stack.enter_async_context(connect(patience))
    except Exception as error:
        # A kubeconfig may hold anything, and name files that are not there.
        raise no_cluster() from error


def namespace_or_default(namespace: str | None) -> str:
    """The one that was given, else that of the pod or the kubeconfig's context; raises CommandError."""
    try:
        return namespace or default_namespace()
    except Exception as error:
        raise no_cluster() from error


def no_cluster() -> CommandError:
    """Why nothing can be done."""
    message = (
        "no cluster: KUBECONFIG or ~/.kube/config names none that can be used; "
        "set KUBECONFIG to a file with which `kubectl get ssw` works"
    )
    return CommandError(message, Exit.BAD_INPUT)

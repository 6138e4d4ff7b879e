"""What has to be there before the operator runs, or one line that says what is not."""

import asyncio
import errno
import socket
from contextlib import AsyncExitStack

import aiohttp
import kopf

from seedsweep.api.sweep import API_VERSION
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.apiserver.kubeconfig import no_cluster, open_api
from seedsweep.kube.watching.watches import find_api_server

ANSWER_WITHIN_SECONDS = 10.0
KINDS = frozenset({"seedsweeps", "episodes", "cuts"})
_OUTDATED = "episodes/status"
"""Where it is served, the API server drops the status of whatever else is written: nothing would be on record."""
_REMEDY = "apply the chart's definitions (helm show crds CHART | kubectl apply --server-side -f -)"


def listen(port: int) -> socket.socket:
    """The operator's port, on all addresses of this machine; raises CommandError."""
    both = socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            ("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both, backlog=128
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of this machine is taken: end what listens there, or pass --port"
        elif error.errno == errno.EACCES:
            message = f"port {port} may not be used by this user: pass --port with 1024 or more"
        else:
            message = f"port {port} cannot be listened on ({error.strerror}): pass another --port"
        raise CommandError(message, Exit.FAILED) from error


async def open_cluster(stack: AsyncExitStack) -> Api:
    """The API server, which answers and knows our kinds; closed with the stack. Raises CommandError."""
    api = await open_api(stack)
    try:
        found = find_api_server(settings=kopf.OperatorSettings())
    except Exception as error:
        # Whatever a file may hold.
        raise no_cluster() from error
    if found is None:
        raise no_cluster()
    await _check_kinds(api, found.server)
    return api


async def _check_kinds(api: Api, server: str) -> None:
    """End where the cluster lacks definitions: kopf would run on, and not notice when they come."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            found = await api.get(f"/apis/{API_VERSION}")
    except TimeoutError as error:
        raise CommandError(_unreachable(server), Exit.FAILED) from error
    except ApiError as error:
        raise CommandError(_why_refused(error, server), Exit.FAILED) from error
    known = {resource.get("name") for resource in found.get("resources", ())}
    missing = KINDS - known
    if missing:
        raise CommandError(f"this cluster knows no {', '.join(sorted(missing))}: {_REMEDY}", Exit.FAILED)
    if _OUTDATED in known:
        raise CommandError(f"this cluster's {_OUTDATED} is of an older release: {_REMEDY}", Exit.FAILED)


def _unreachable(server: str) -> str:
    return f"the API server {server} cannot be reached: check the address and the network on the way there"


def _why_refused(error: ApiError, server: str) -> str:
    match error.status:
        case None if isinstance(error.__cause__, aiohttp.ClientSSLError):
            return f"the API server {server} shows a certificate that is not trusted: check its certificate authority"
        case None:
            return _unreachable(server)
        case 401:
            return f"the API server {server} does not accept the operator's credentials (401): renew them"
        case 403:
            return (
                f"the API server {server} does not let the operator read /apis/{API_VERSION} (403): "
                "bind the ClusterRole system:discovery to its account"
            )
        case 404:
            return f"this cluster knows no SeedSweeps: {_REMEDY}"
        case _:
            return f"the API server {server} answers {error.status}: try again once it is well"

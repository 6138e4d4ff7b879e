"""A sweep as a person names it: found as it can be used, or one error that says what to do."""

from seedsweep.api.reading.parse import InvalidSweepError, parse_stored
from seedsweep.api.sweep import SeedSweep
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import Api, ApiError, Object
from seedsweep.kube.objects.home import sweeps_path
from seedsweep.report.words import one_line

_NAMED_SWEEPS = 10


async def find_sweep(api: Api, namespace: str, name: str) -> Object | None:
    """The sweep of this name; None where there is none. Raises ApiError."""
    try:
        return await api.get(f"{sweeps_path(namespace)}/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
        return None


async def named_sweep(api: Api, namespace: str, name: str) -> Object:
    """The sweep of this name.

    Raises:
        CommandError: there is none; the message names those that there are.
        ApiError: the API server refuses or does not answer.
    """
    # With an empty name the path would be that of all sweeps.
    found = await find_sweep(api, namespace, name) if name else None
    if found is not None:
        return found
    try:
        names = [item["metadata"]["name"] async for item in api.list(sweeps_path(namespace))]
    except ApiError as error:
        if error.status != 404:
            raise
        remedy = "install the chart, or give another cluster with KUBECONFIG"
        raise CommandError(f"this cluster knows no SeedSweeps: {remedy}", Exit.BAD_INPUT) from error
    more = ", ..." if len(names) > _NAMED_SWEEPS else ""
    known = f"there are {', '.join(names[:_NAMED_SWEEPS])}{more}" if names else "there is none"
    message = f"no SeedSweep {name or repr(name)} in namespace {namespace}: {known}; -n names another namespace"
    raise CommandError(message, Exit.BAD_INPUT)


def accepted(body: Object) -> SeedSweep:
    """A sweep from its object; raises CommandError where the operator has refused it, or would."""
    metadata = body["metadata"]
    refused = {"type": "Accepted", "status": "False", "observedGeneration": metadata.get("generation")}
    for condition in body.get("status", {}).get("conditions", ()):
        if refused.items() <= condition.items():
            message = f"{metadata['name']} is not accepted: {one_line(condition['message'])}"
            raise CommandError(message, Exit.FAILED)
    try:
        return parse_stored(body)
    except InvalidSweepError as error:
        raise CommandError(str(error), Exit.FAILED) from error

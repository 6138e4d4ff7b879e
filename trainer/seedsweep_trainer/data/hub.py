"""What a failure that came out of a hub's client means, in our own words."""

from collections.abc import Iterator

from huggingface_hub import is_offline_mode
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from seedsweep_trainer.errors import ConfigurationError, HubError

_CLIENTS = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "aiohttp", "fsspec")
"""Libraries that speak HTTP: they agree in no class of error."""


def hub_failure(what: str, error: BaseException, offline: str) -> Exception | None:
    """The error to raise for one that a hub is the cause of; None where it is not.

    `what` names the configuration's field and value; `offline` says what works without a hub. HubError where the hub
    was not reached or has failed, which may pass; ConfigurationError where asking again would change nothing.
    """
    for cause in _causes(error):
        if isinstance(cause, OfflineModeIsEnabled) or (
            # `datasets` raises the latter without having asked.
            isinstance(cause, LocalEntryNotFoundError | ConnectionError) and is_offline_mode()
        ):
            return ConfigurationError(
                f"{what} is not in the hub's cache on this machine, and HF_HUB_OFFLINE forbids to ask the hub: "
                f"unset it, or {offline}"
            )
        if isinstance(cause, GatedRepoError):
            return ConfigurationError(f"{what} is gated: accept its terms on the hub, and set HF_TOKEN")
        if isinstance(cause, RevisionNotFoundError):
            return ConfigurationError(f"{what}: the hub has no such branch, tag or commit of it; correct the revision")
        if isinstance(cause, RepositoryNotFoundError):
            return ConfigurationError(
                f"{what}: the hub has nothing of this name or does not show it: check the name, or set HF_TOKEN"
            )
        if isinstance(cause, HFValidationError):
            return ConfigurationError(
                f"{what} is neither on this machine nor a name that a hub can have: correct the path, or give "
                "OWNER/NAME"
            )
        if isinstance(cause, HfHubHTTPError) and not isinstance(cause, EntryNotFoundError):
            return _refused(what, cause, offline)
        if isinstance(cause, ConnectionError | TimeoutError) or _is_of_a_client(cause):
            return HubError(
                f"{what}: the hub was not reached: check the network and, where one is set, HF_ENDPOINT; "
                f"without a network, {offline}"
            )
    return None


def _refused(what: str, error: HfHubHTTPError, offline: str) -> Exception:
    status = getattr(error.response, "status_code", None)
    if status in (401, 403):
        return ConfigurationError(f"{what}: the hub refuses to show it (status {status}): set HF_TOKEN to one that may")
    return HubError(f"{what}: the hub failed (status {status}): try again later, or {offline}")


def _is_of_a_client(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _CLIENTS


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

"""The status of one sweep's object: the one place that knows what of it is on record."""

from collections.abc import Callable
from datetime import datetime

from seedsweep.api.reading.stored import read_status
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import API_VERSION
from seedsweep.engine.decisions import Event
from seedsweep.kube.apiserver.client import ApiError, Object
from seedsweep.kube.apiserver.gates import GatedApi
from seedsweep.kube.objects.home import Home
from seedsweep.kube.process.live_key import RecordedKey, live_key


class StatusRecord:
    """What is written, and the version of the object that it is written on."""

    def __init__(self, api: GatedApi, home: Home, shown: Callable[[Object], None]) -> None:
        """`shown` is called with the object where a conflict has it read: its spec may have changed as well."""
        self.written = SweepStatus()
        """As it stands in the API, as far as seen."""
        self.written_at: datetime | None = None
        """By our clock; None before the first write of ours."""
        self.key = RecordedKey(live_key(home.uid))
        """The word for its live view."""
        self.generation: int | None = None
        """Of the object as last seen."""
        self.planned = self.written
        """As it was to be written last."""
        self.untold: list[Event] = []
        """Events that wait until it is written, or until all that they rest on is recorded."""
        self._api = api
        self._home = home
        self._shown = shown
        self._version = 0

    def release(self) -> None:
        """Its sweep is over or gone: nothing more is shown to it, so that it is freed with its last reference."""
        self._shown = _ignore

    def saw(self, body: Object) -> None:
        """The sweep's object as a watch, a list or an answer shows it; an older one than is known tells nothing."""
        version = int(body["metadata"]["resourceVersion"])
        if version > self._version:
            self._version, self.generation = version, body["metadata"].get("generation")
            self.written = read_status(body.get("status") or {})[0]

    async def write(self, status: SweepStatus, now: datetime) -> None:
        """Put it on record.

        Raises:
            ApiError: it could not be, or nobody knows whether it was. After a conflict (the spec changed, or another
                operator wrote) what stands there has been read.
        """
        body: Object = {
            "apiVersion": API_VERSION,
            "kind": "SeedSweep",
            "metadata": {
                "name": self._home.name,
                "namespace": self._home.namespace,
                "uid": self._home.uid,
                "resourceVersion": str(self._version),
            },
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        try:
            version = await self._api.replace(f"{self._home.path}/status", body)
        except ApiError as error:
            if error.status == 409:
                await self._read()
            raise
        self.written_at = now
        self.key.note_written(status.live_key)
        if int(version) > self._version:
            self._version, self.written = int(version), status

    async def _read(self) -> None:
        found = await self._api.get(self._home.path)
        if found["metadata"]["uid"] == self._home.uid:
            self.saw(found)
            self._shown(found)


def _ignore(_: Object) -> None:
    pass

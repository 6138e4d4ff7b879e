"""Whether a sweep can be carried out at all, and what its status says where it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass

from seedsweep.api.checks import Problem, in_one_line
from seedsweep.api.parse import InvalidSweepError, parse_stored
from seedsweep.api.recorded import MAX_MESSAGE, shortened
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import Event, StartEpisode
from seedsweep.engine.findings import Finding, condition_of
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Refusal
from seedsweep.kube.client import Api, ApiError, Object, refusal_reason
from seedsweep.kube.clock import now
from seedsweep.kube.events import Recorder
from seedsweep.kube.home import Home
from seedsweep.kube.pods import PodSettings, pod_manifest, pod_problems
from seedsweep.kube.status import StatusRecord


@dataclass(frozen=True, slots=True)
class Accepted:
    """A sweep that can be carried out."""

    sweep: SeedSweep
    layout: Layout
    objections: Sequence[Refusal] = ()
    """What the API server has against its pods now, though it has begun."""


class Acceptance:
    """Judges the spec of one sweep."""

    def __init__(self, api: Api, settings: PodSettings, status: StatusRecord, recorder: Recorder) -> None:
        self._api = api
        self._settings = settings
        self._status = status
        self._recorder = recorder

    async def judge(self, home: Home, body: Object) -> Accepted | None:
        """The sweep as a value; None with condition Accepted=False where only we can tell that it cannot be done.

        Raises ApiError where the API server could not be asked, or the condition could not be written.
        """
        try:
            sweep = parse_stored(body)
        except InvalidSweepError as error:
            await self._reject(home, body, error.problems)
            return None
        problems = pod_problems(sweep, self._settings)
        layout = Layout.of(sweep)
        evaluations = sweep.spec.trainer.planned_evaluations
        if evaluations is not None:
            problems += layout.problems(evaluations)
        refused = "" if problems else await self._refused_pod(sweep, layout)
        if refused and self._status.written.start_time is not None:
            # What has begun is not given up for what may be mended on the cluster's side.
            return Accepted(sweep, layout, (Refusal("PodRejected", refused, now()),))
        if refused:
            problems = [Problem("spec", None, refused)]
        if problems:
            await self._reject(home, body, problems)
            return None
        return Accepted(sweep, layout)

    async def tell_stalled(self, home: Home, error: Exception) -> None:
        """Say in the status why nothing can be done, where even that is not refused."""
        if isinstance(error, ApiError):
            reason, message = refusal_reason(error), shortened(str(error), MAX_MESSAGE)
        else:
            reason, message = (
                "InternalError",
                "an error of the operator's own, which its log shows; it tries again",
            )
        status = self._with_condition(
            Finding("Stalled", True, reason, message), self._status.written.observed_generation
        )
        if status != self._status.written:
            try:
                await self._status.write(status := status.evolve(message=message), now())
            except ApiError:
                return
        # Also where it is on record already: the answer to the write may have got lost.
        since = status.condition("Stalled")
        assert since is not None  # set above
        event = Event("Stalled", f"{reason}: {message}", kind="Warning", key=since.last_transition_time)
        self._recorder.tell(home, [event])

    async def _refused_pod(self, sweep: SeedSweep, layout: Layout) -> str:
        """What the API server itself finds wrong with a pod of this sweep; empty where it finds nothing."""
        probe = StartEpisode(layout.episodes[0], 0, None, ())
        manifest = pod_manifest(sweep, probe)
        manifest["metadata"]["name"] += "-probe"
        pods = f"/api/v1/namespaces/{sweep.metadata.namespace}/pods"
        try:
            await self._api.create(pods, manifest, dry_run=True)
        except ApiError as error:
            if error.status in (400, 422) and refusal_reason(error) != "AdmissionDenied":
                return f"makes a pod that the API server refuses: {error}"
        return ""

    async def _reject(self, home: Home, body: Object, problems: Sequence[Problem]) -> None:
        message = in_one_line(problems, MAX_MESSAGE)
        generation = body["metadata"].get("generation")
        event = Event("Rejected", message, kind="Warning", key=str(generation))
        before = self._status.written.condition("Accepted")
        if before is not None and (before.status, before.message, before.observed_generation) == (
            "False",
            message,
            generation,
        ):
            # Whoever wrote it may not have told it: the answer got lost, or it ended.
            self._recorder.remind(home, [event])
            return
        status = self._with_condition(Finding("Accepted", False, "Invalid", message), generation)
        await self._status.write(status.evolve(observed_generation=generation, phase="Failed", message=message), now())
        self._recorder.tell(home, [event])

    def _with_condition(self, finding: Finding, generation: int | None) -> SweepStatus:
        """The status on record with one condition as it is now."""
        known, kind = self._status.written, finding.kind
        condition = condition_of(finding, known.condition(kind), generation, now())
        # Of a sweep that is not carried out nothing moves or stalls.
        moot = {kind, "Stalled", "Progressing"} if kind == "Accepted" else {kind}
        return known.evolve(conditions=[condition, *(c for c in known.conditions if c.type not in moot)])

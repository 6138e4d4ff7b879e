"""Whether a sweep can be carried out at all, and what its status says where it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass

from seedsweep.api.checks import Problem, in_one_line
from seedsweep.api.core.objects import Condition
from seedsweep.api.reading.parse import InvalidSweepError, parse_stored
from seedsweep.api.recorded import MAX_MESSAGE, keep_unknown, reason_word, shortened, timestamp
from seedsweep.api.status import INVALID, SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import Event, StartEpisode
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Refusal
from seedsweep.engine.status.findings import Finding, condition_of
from seedsweep.kube.apiserver.client import Api, ApiError, Object, refusal_reason
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.ledger.status import StatusRecord
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.manifest import PodSettings, pod_manifest, pod_problems
from seedsweep.kube.process.clock import now


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
        """The sweep as a value; None where only we can tell that it cannot be done: then its status says so.

        Raises ApiError where the API server could not be asked, or the status could not be written.
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
        refused = "" if problems else await self._refused_pod(home, sweep, layout)
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
            reason, message = reason_word(refusal_reason(error)), shortened(str(error), MAX_MESSAGE)
        else:
            reason, message = (
                "InternalError",
                "an error of the operator's own, which its log shows; it tries again",
            )
        known = self._status.written
        stalled = self._condition(Finding("Stalled", True, reason, message), known.observed_generation)
        changed = known.evolve(conditions=[stalled, *(c for c in known.conditions if c.type != "Stalled")])
        status = keep_unknown(changed, known)
        if status != known:
            try:
                await self._status.write(status.evolve(message=message), now())
            except ApiError:
                return
        # Also where it is on record already: the answer to the write may have got lost.
        event = Event("Stalled", f"{reason}: {message}", kind="Warning", key=stalled.last_transition_time)
        self._recorder.tell(home, [event])

    async def _refused_pod(self, home: Home, sweep: SeedSweep, layout: Layout) -> str:
        """What the API server itself finds wrong with a pod of this sweep; empty where it finds nothing."""
        probe = StartEpisode(layout.episodes[0], 0, None, ())
        manifest = pod_manifest(sweep, probe)
        manifest["metadata"]["name"] += "-probe"
        try:
            await self._api.create(home.pods, manifest, dry_run=True)
        except ApiError as error:
            if error.status in (400, 422) and refusal_reason(error) != "AdmissionDenied":
                return f"makes a pod that the API server refuses: {error}"
        return ""

    async def _reject(self, home: Home, body: Object, problems: Sequence[Problem]) -> None:
        message = in_one_line(problems, MAX_MESSAGE)
        generation = body["metadata"].get("generation")
        event = Event("Rejected", message, kind="Warning", key=str(generation))
        known = self._status.written
        status = self._rejected(message, generation)
        if status == known:
            # Whoever wrote it may not have told it: the answer got lost, or it ended.
            self._recorder.remind(home, [event])
            return
        await self._status.write(status, now())
        self._recorder.tell(home, [event])

    def _rejected(self, message: str, generation: int | None) -> SweepStatus:
        """The status on record, as that of a spec that is not carried out. What was found out before stays."""
        known = self._status.written
        judged = known.rejected and known.observed_generation == generation
        accepted = self._condition(Finding("Accepted", False, INVALID, message), generation)
        failed = known.condition("Failed")
        if failed is None or failed.status != "True" or failed.reason == INVALID:
            failed = self._condition(Finding("Failed", True, INVALID, message), generation)
        else:
            # It had failed already, and does not begin anew once its spec is mended.
            failed = failed.evolve(observed_generation=generation)
        # Nothing of it moves or stalls.
        moot = {"Accepted", "Failed", "Stalled", "Progressing"}
        changed = known.evolve(
            observed_generation=generation,
            phase="Failed",
            message=message,
            completion_time=known.completion_time if judged and known.completion_time else timestamp(now()),
            live_key=None,
            conditions=[failed, *(c for c in known.conditions if c.type not in moot), accepted],
        )
        return keep_unknown(changed, known)

    def _condition(self, finding: Finding, generation: int | None) -> Condition:
        """A condition as it is now."""
        return condition_of(finding, self._status.written.condition(finding.kind), generation, now())

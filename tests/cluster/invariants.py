"""What must hold of the sequence of API writes that a sweep leaves behind, whatever befell it: I1 to I11.

Works on audit events of the API server (audit.k8s.io/v1, stage ResponseComplete, with bodies): a watch does not say
who deleted, and an end state does not say in which order things came about.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cluster.audit import AuditEvent
from cluster.commits import in_commit_order, is_final
from cluster.rules import (
    Body,
    changed_for_good,
    kept,
    losers,
    named,
    rows,
    rung_score,
    worth,
    wrong_in_cut,
    wrong_in_fall,
    wrong_in_growth,
)
from seedsweep.api.episode import MAX_DOMINATORS
from seedsweep.api.seeds import Seeds
from seedsweep.kube.objects.names import (
    CLEAN_UP,
    HOUSEKEEPING,
    LABEL_COMPONENT,
    LABEL_EPISODE,
    LABEL_SWEEP_UID,
    owner_uid,
)

Key = tuple[str, str]
"""UID of a sweep, name of an episode."""

STOPS = frozenset({"Paused", "Suspended", "Deadline", "Stuck", "NodeLost", "MetricsUnavailable", "Finished"})
"""Reasons of a stop that are not final, and stand on the attempt itself."""
TERMINAL = {"Complete": "True", "Failed": "True", "Accepted": "False"}
EVENT_REASONS = {"Complete": "Complete", "Failed": "Failed", "Accepted": "Rejected", "Invalid": "Rejected"}
"""By a condition's reason, or else by its type."""


def violations(events: Iterable[AuditEvent], operators: Iterable[str], remaining: Sequence[Body] = ()) -> list[str]:
    """What was violated, in words; `operators` are users, `remaining` all objects that exist at the end."""
    history = History(frozenset(operators))
    for event in in_commit_order(events, remaining):
        history.replay(event)
    history.end(remaining)
    return history.found


@dataclass(slots=True)
class History:
    """The record as it stood after each write."""

    operators: frozenset[str]
    found: list[str] = field(default_factory=list)
    sweeps: dict[str, Body] = field(default_factory=dict)
    """As last written, by UID."""
    gone: set[str] = field(default_factory=set)
    """UIDs of deleted sweeps."""
    episodes: dict[Key, Body] = field(default_factory=dict)
    """Episode objects."""
    cuts: dict[str, list[Body]] = field(default_factory=lambda: defaultdict(list))
    """Specs by UID of the sweep."""
    explained: set[str] = field(default_factory=set)
    """Cuts that have got their evidence."""
    pods: dict[Key, Body] = field(default_factory=dict)
    """Pod objects that exist."""

    def replay(self, event: AuditEvent) -> None:
        """Take in one write, and note what is wrong with it."""
        body, name = event.answer or {}, f"{event.resource} {event.name}"
        # A queue may hold pods by finalizers of its own.
        finalizers = ((event.body or {}).get("metadata") or {}).get("finalizers")
        if finalizers and event.user in self.operators:
            self.found.append(f"{name} has finalizers {finalizers}")
        match event.resource, event.verb:
            case "pods", "create" if not event.subresource:
                self._pod_created(body)
            case "pods", "delete":
                self._pod_deleted(event, body)
            case "pods", "deletecollection":
                self.pods = {k: pod for k, pod in self.pods.items() if pod["metadata"]["namespace"] != event.namespace}
            case "episodes", "create" | "update" | "patch":
                self._episode_written(body)
            case "cuts", "create":
                self._cut_created(body)
            case "cuts", "update" | "patch":
                self._cut_written(name, body)
            case (("cuts" | "episodes"), "delete") if event.user in self.operators:
                self.found.append(f"I3: the operator deleted {name}")
            case "seedsweeps", "delete":
                self._sweep_deleted(event)
            case "seedsweeps", "create" | "update" | "patch":
                self._sweep_written(body)

    def end(self, remaining: Sequence[Body]) -> None:
        """Note what is wrong with where it all ended."""
        told = {(i["involvedObject"].get("uid"), i["reason"]) for i in remaining if i["kind"] == "Event"}
        for item in remaining:
            uid = item["metadata"].get("labels", {}).get(LABEL_SWEEP_UID)
            owners = {owner["uid"] for owner in item["metadata"].get("ownerReferences", ())}
            if self.gone & (owners | {uid}):
                self.found.append(f"I7: {item['kind']} {item['metadata']['name']} outlived its sweep")
        for uid, sweep in self.sweeps.items():
            for condition in _terminal(sweep):
                reason = EVENT_REASONS.get(condition.get("reason", ""), EVENT_REASONS[condition["type"]])
                if remaining and (uid, reason) not in told:
                    name = sweep["metadata"]["name"]
                    self.found.append(f"I10: {name} is {condition['type']} without an Event {reason}")

    def _pod_created(self, pod: Body) -> None:
        key = key_of(pod)
        if key is None:
            return
        if key in self.pods:
            self.found.append(f"I2: a second pod of {key[1]}, {pod['metadata']['name']}, beside a live one")
        if self._is_lost(key):
            self.found.append(f"I3: {key[1]} was started after it had lost")
        self.pods[key] = pod

    def _pod_deleted(self, event: AuditEvent, body: Body) -> None:
        by_operator = event.user in self.operators
        precondition = ((event.body or {}).get("preconditions") or {}).get("uid")
        if by_operator and precondition is None:
            self.found.append(f"I1: the operator deleted pod {event.name} without a UID")
        if by_operator and event.code < 300 and not may_clear_away(body, event.at):
            self.found.append(f"I1: housekeeping pod {event.name} was deleted at work")
        key = key_of(body) if event.code < 300 else None
        if key is None:
            return
        pod = self.pods.get(key)
        if by_operator and not self._may_stop(key, body["metadata"]["uid"]):
            self.found.append(f"I1: pod {event.name} was deleted without a record that says why")
        if pod is not None and pod["metadata"]["uid"] == body["metadata"]["uid"] and is_final(body):
            del self.pods[key]

    def _may_stop(self, key: Key, uid: str) -> bool:
        """Whether a durable record says why this pod may be deleted: its Episode's, or the sweep's own."""
        if self._is_lost(key):
            return True
        status = self._status(key)
        attempt: Body = next((a for a in status.get("attempts", ()) if a["uid"] == uid), {})
        said = attempt.get("stop") in STOPS or attempt.get("reason") is not None
        return said or self._is_halted(key[0])

    def _is_halted(self, uid: str) -> bool:
        """Whether the sweep is suspended or has failed: none of its pods may run on, written Episode or not."""
        failed = any(c["type"] == "Failed" for c in _terminal(self.sweeps.get(uid, {})))
        return failed or self._spec(uid).get("suspend") is True

    def _is_lost(self, key: Key) -> bool:
        """Whether a cut or a verdict on record stops it for good."""
        if self.episodes.get(key, {}).get("spec", {}).get("audited"):
            return False
        verdict = self._status(key).get("verdict") or {}
        alone = verdict.get("outcome") in ("LostByDominance", "LostByFloor")
        return alone or any(key[1] in losers(cut) for cut in self.cuts[key[0]])

    def _episode_written(self, body: Body) -> None:
        key = key_of(body)
        if key is None:
            return
        before, after = self._status(key), body.get("status") or {}
        self.found += [f"I3: {key[1]}: {what}" for what in changed_for_good(before, after)]
        self.episodes[key] = body
        verdict = after.get("verdict")
        if verdict is not None and verdict != before.get("verdict"):
            self._check_verdict(key, body, verdict)

    def _check_verdict(self, key: Key, body: Body, verdict: Body) -> None:
        bracket, rung = body["spec"].get("bracket", 0), verdict.get("rung")
        cut = self._last_cut(key[0], bracket, rung)
        survivors = kept(cut) if cut is not None and not self._is_outgrown(key[0], cut) else ()
        if verdict["outcome"].startswith("Lost") and key[1] in survivors:
            self.found.append(f"I3: {key[1]} was kept by the cut at rung {rung}, and lost")
        if verdict["outcome"] == "LostByCut" and (cut is None or key[1] not in losers(cut)):
            self.found.append(f"I3: {key[1]} lost by cut, but no cut says so")
        if verdict["outcome"] == "LostByDominance":
            self._check_dominators(key, body, verdict)
        if verdict["outcome"] == "LostByFloor":
            own = rung_score(body.get("status") or {}, verdict["rung"])
            wrong = wrong_in_fall(verdict["fall"], own, self._maximizes(key[0]))
            self.found += [f"I3: {key[1]}: {what}" for what in wrong]

    def _check_dominators(self, key: Key, body: Body, verdict: Body) -> None:
        rung, dominators = verdict["rung"], verdict.get("dominators") or []
        keep = self._keep(key[0], body["spec"].get("bracket", 0), rung)
        if keep is not None and len(set(dominators)) != min(keep, MAX_DOMINATORS):
            self.found.append(f"I3: {key[1]} names {len(set(dominators))} dominators of {keep}")
        own = rung_score(body.get("status") or {}, rung)
        scores = [rung_score(self._status((key[0], name)), rung) for name in dominators]
        if own is None or None in scores:
            self.found.append(f"I3: {key[1]} was outranked before all scores were on record")
            return
        maximize = self._maximizes(key[0])
        if any(worth(score, maximize) > worth(own, maximize) for score in scores if score is not None):
            self.found.append(f"I3: {key[1]} outranks one of its dominators {dominators}")

    def _cut_created(self, body: Body) -> None:
        uid, data = owner_uid(body["metadata"]), body["data"]
        if uid is None:
            return
        where = f"the cut of bracket {data['bracket']} at rung {data['rung']}"
        last = self._last_cut(uid, data["bracket"], data["rung"])
        if last is not None:
            self.found += [f"I3: {what} in {where}" for what in wrong_in_growth(last, data)]
        for row in rows(data):
            on_record = rung_score(self._status((uid, row.episode)), data["rung"])
            if on_record is None or on_record.get("score") != row.score:
                self.found.append(f"I3: {where} ranks {row.episode} by a score that is not on record")
        before = [kept(c) for c in self.cuts[uid] if (c["bracket"], c["rung"]) == (data["bracket"], data["rung"] - 1)]
        names = named(data)
        if len(names) != len(set(names)) or (before and set(names) != before[0]):
            self.found.append(f"I3: {where} is not made of the survivors of the one before it")
        tie_seed = self._spec(uid).get("earlyStopping", {}).get("tieSeed", 0)
        self.found += [f"{what} in {where}" for what in wrong_in_cut(data, self._maximizes(uid), tie_seed)]
        self.cuts[uid].append(data)

    def _cut_written(self, name: str, body: Body) -> None:
        """Its evidence is added, once, and nothing else changes."""
        uid = owner_uid(body["metadata"])
        same = uid is not None and body.get("data") in self.cuts[uid]
        if not same or not body.get("evidence") or name in self.explained:
            self.found.append(f"I3: {name} was changed")
        self.explained.add(name)

    def _last_cut(self, uid: str, bracket: int, rung: int | None) -> Body | None:
        made = [cut for cut in self.cuts[uid] if (cut["bracket"], cut["rung"]) == (bracket, rung)]
        return made[-1] if made else None

    def _is_outgrown(self, uid: str, cut: Body) -> bool:
        """The sweep has got more seeds since, which it may with one bracket and one rung."""
        spec = self._spec(uid)
        stopping = spec.get("earlyStopping") or {}
        if "seeds" not in spec or len(stopping.get("rungs") or ()) != 1 or "floor" in stopping:
            return False
        return len(named(cut)) < Seeds.model_validate(spec["seeds"]).count

    def _sweep_written(self, body: Body) -> None:
        metadata, status = body["metadata"], body.get("status") or {}
        uid, name = metadata["uid"], metadata["name"]
        self.sweeps[uid] = body
        observed, generation = status.get("observedGeneration"), metadata.get("generation", 0)
        if observed is not None and observed > generation:
            self.found.append(f"I10: {name} claims to have seen generation {observed} of {generation}")
        for condition in _terminal(body):
            if not condition.get("reason"):
                self.found.append(f"I10: {name} is {condition['type']} without a reason")
            if condition.get("observedGeneration") != observed:
                self.found.append(f"I10: {name} is {condition['type']} of a generation that it did not observe")
        cost = status.get("cost", {})
        planned = cost.get("plannedSteps")
        if planned is not None and cost.get("usefulSteps", 0) > planned:
            self.found.append(f"I11: {name} counts {cost['usefulSteps']} useful steps of {planned} planned")

    def _sweep_deleted(self, event: AuditEvent) -> None:
        if event.user in self.operators:
            precondition = ((event.body or {}).get("preconditions") or {}).get("uid")
            sweep = self.sweeps.get(precondition or "", {})
            life = (sweep.get("spec") or {}).get("ttlSecondsAfterFinished")
            over = (sweep.get("status") or {}).get("completionTime")
            if life is None or over is None or event.at < datetime.fromisoformat(over) + timedelta(seconds=life):
                self.found.append(f"I3: the operator deleted sweep {event.name}, whose time was not over")
        if event.code < 300:
            self.gone.add(_uid_of_deleted(event))

    def _status(self, key: Key) -> Body:
        return self.episodes.get(key, {}).get("status") or {}

    def _spec(self, uid: str) -> Body:
        spec: Body = self.sweeps.get(uid, {}).get("spec", {})
        return spec

    def _maximizes(self, uid: str) -> bool:
        goal: str = self._spec(uid).get("trainer", {}).get("metric", {}).get("goal", "maximize")
        return goal == "maximize"

    def _keep(self, uid: str, bracket: int, rung: int) -> int | None:
        """How many a rung keeps, where the sweep lists its rungs; a floor before them is number 0."""
        stopping = self._spec(uid).get("earlyStopping", {})
        rungs = stopping.get("rungs")
        return int(rungs[rung - ("floor" in stopping)]["keep"]) if rungs and bracket == 0 else None


def key_of(body: Body) -> Key | None:
    """The episode that a pod or an Episode is of; None for what is not ours."""
    metadata = body.get("metadata") or {}
    labels = metadata.get("labels") or {}
    uid = owner_uid(metadata)
    return (uid, labels[LABEL_EPISODE]) if uid is not None and LABEL_EPISODE in labels else None


def may_clear_away(pod: Body, at: datetime) -> bool:
    """Whether a housekeeping pod has ended, or has had its time; other pods have other rules."""
    metadata = pod.get("metadata") or {}
    if (metadata.get("labels") or {}).get(LABEL_COMPONENT) not in (HOUSEKEEPING, CLEAN_UP):
        return True
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True
    created = datetime.fromisoformat(metadata["creationTimestamp"])
    seconds: float = pod["spec"]["activeDeadlineSeconds"]
    return (at - created).total_seconds() >= seconds


def _terminal(sweep: Body) -> list[Body]:
    conditions = (sweep.get("status") or {}).get("conditions") or ()
    return [c for c in conditions if TERMINAL.get(c["type"]) == c["status"]]


def _uid_of_deleted(event: AuditEvent) -> str:
    """Of a custom resource: the answer is a Status with details, or the object that is on its way out."""
    body = event.answer or {}
    uid: str = body.get("details", {}).get("uid") or body.get("metadata", {}).get("uid") or ""
    return uid

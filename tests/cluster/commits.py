"""Which writes in an audit log took effect, and in which order.

An API server that loses its client answers 504 to nobody, and may have done what was asked all the same. What such a
write has done shows in what comes after it: a version that no answered write made, on which a later write builds, or
which is there at the end; a name that is taken; a name that is free again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster.audit import AuditEvent

Body = Mapping[str, Any]
Target = tuple[str, str]
"""Resource and name, in the one namespace that a log is about."""

OURS = frozenset({"pods", "episodes", "cuts", "seedsweeps"})
FORBIDDEN = 403
_PLURALS = {"Pod": "pods", "Episode": "episodes", "Cut": "cuts", "SeedSweep": "seedsweeps"}


def in_commit_order(events: Iterable[AuditEvent], remaining: Sequence[Body] = ()) -> list[AuditEvent]:
    """Writes of our objects by the revision that each made: in a log, answers may overtake one another.

    `remaining`: objects that exist at the end. Unanswered writes that took effect read as if they had been answered.
    Refused deletions stay, for what they asked can be wrong all the same; but of forbidden ones an API server does
    not even read what they ask.
    """
    log = [event for event in events if event.resource in OURS and not _is_dry_run(event)]
    there = {(_PLURALS[item["kind"]], item["metadata"]["name"]): item for item in remaining if item["kind"] in _PLURALS}
    done = _done_unanswered(log, there)
    behind = _answered_from_before(log)
    latest, keyed = 0, []
    for i, event in enumerate(log):
        if event.code >= 300 and i not in done and (event.verb != "delete" or event.code == FORBIDDEN):
            continue
        version, effective = done.get(i) or (_version(event.answer) if event.code < 300 else None, event)
        version = behind.get(i, version)
        latest = max(latest, version or 0)
        keyed.append((version or latest, effective))
    return list(_whole(event for _, event in sorted(keyed, key=lambda pair: pair[0])))


def _answered_from_before(log: Sequence[AuditEvent]) -> dict[int, int | None]:
    """Positions of deletions that another one overtook, and the version that this one made of the object.

    An API server that finds the object deleted by another request meanwhile answers with what it had read before.
    """
    written = {(_target(e), _version(e.answer)) for e in log if e.verb != "delete" and e.code < 300}
    deletions: dict[str, dict[int, int]] = defaultdict(dict)
    for i, event in enumerate(log):
        version = _version(event.answer)
        if event.verb == "delete" and event.code < 300 and version is not None:
            deletions[_uid(event.answer)][i] = version
    behind: dict[int, int | None] = {}
    for versions in deletions.values():
        made = [version for i, version in versions.items() if (_target(log[i]), version) not in written]
        for i, version in versions.items():
            if version not in made:
                behind[i] = min((other for other in made if other > version), default=None)
    return behind


def _whole(events: Iterable[AuditEvent]) -> Iterator[AuditEvent]:
    """With answers that hold all of the object: who writes a status need not send the rest, nor be told of it."""
    objects: dict[Target, Body] = {}
    for event in events:
        if event.code < 300 and event.verb in ("create", "update", "patch") and event.answer is not None:
            before = objects.get(_target(event), {}) if event.verb != "create" else {}
            objects[_target(event)] = whole = {**before, **event.answer}
            yield replace(event, answer=whole)
        else:
            yield event


def _is_dry_run(event: AuditEvent) -> bool:
    """Or an action on a pod, such as its binding, which has no version either."""
    return event.verb == "create" and event.code < 300 and _version(event.answer) is None


def _is_unanswered(event: AuditEvent) -> bool:
    return event.code == 0 or event.code >= 500


def _done_unanswered(
    log: Sequence[AuditEvent], there: Mapping[Target, Body]
) -> dict[int, tuple[int | None, AuditEvent]]:
    """By position in the log: the version that each made, where it can be told, and the event as if it was answered."""
    objects = _Objects(log, there)
    found: dict[int, tuple[int | None, AuditEvent]] = {}
    for i in _unanswered_that_came_or_went(log, there):
        content, version = objects.as_made_or_removed(i, log)
        found[i] = version, replace(log[i], code=200, answer=content)
    for i, version in objects.unanswered_updates(log).items():
        found[i] = version, replace(log[i], code=200, answer=objects.updated(log[i], version))
    return found


@dataclass(slots=True)
class _Known:
    """One version of an object."""

    content: Body | None = None
    """None: only its number is known."""
    answered: bool = False
    """The write that made it was."""


class _Objects:
    """All versions of objects that a log and the end tell of."""

    def __init__(self, log: Sequence[AuditEvent], there: Mapping[Target, Body]) -> None:
        self._versions: dict[Target, dict[int, _Known]] = defaultdict(dict)
        for event in log:
            base, made = _version(event.body), _version(event.answer) if event.code < 300 else None
            if base is not None:
                self._versions[_target(event)].setdefault(base, _Known())
            if made is not None and event.verb != "delete":
                self._versions[_target(event)][made] = _Known(event.answer, answered=True)
        for target, item in there.items():
            if (version := _version(item)) is not None:
                self._versions[target].setdefault(version, _Known()).content = item

    def unanswered_updates(self, log: Sequence[AuditEvent]) -> dict[int, int]:
        """Positions of those that took effect, and the versions they made.

        Of one version only one write can make the next: the last of those that nobody answered, where no answered one
        did.
        """
        makers: dict[tuple[Target, int], int] = {}
        for i, event in enumerate(log):
            base = _version(event.body)
            if _is_unanswered(event) and event.verb in ("update", "patch") and base is not None:
                after = self._after(_target(event), base)
                if after is not None and not self._versions[_target(event)][after].answered:
                    makers[_target(event), after] = i
        return {i: version for (_, version), i in sorted(makers.items(), key=lambda item: item[0][1])}

    def updated(self, event: AuditEvent, version: int) -> Body:
        """The object as an unanswered update of its status has left it."""
        known = self._versions[_target(event)]
        assert event.body is not None  # its version was read there
        if known[version].content is None:
            base = _version(event.body)
            before = known[base].content if base in known else None
            content = {**(before or event.body), "status": event.body.get("status")}
            known[version].content = _with_version(content, version)
        found = known[version].content
        assert found is not None
        return found

    def as_made_or_removed(self, i: int, log: Sequence[AuditEvent]) -> tuple[Body, int | None]:
        """The object that an unanswered creation made, or deletion removed; and the first version that it showed."""
        event = log[i]
        known = self._versions[_target(event)]
        if event.verb == "delete":
            uid = ((event.body or {}).get("preconditions") or {}).get("uid")
            last = [k.content for _, k in sorted(known.items()) if k.content is not None]
            same = [content for content in last if uid in (None, content["metadata"].get("uid"))]
            return (same or [{"metadata": {"name": event.name, "uid": uid}}])[-1], None
        before = max((_version(e.answer) or 0 for e in log[:i] if e.code < 300), default=0)
        shown = sorted(version for version in known if version > before)
        body = dict(event.body or {})
        if shown and (content := next((known[v].content for v in shown if known[v].content is not None), None)):
            body["metadata"] = {**body.get("metadata", {}), "uid": content["metadata"].get("uid")}
        return body, shown[0] if shown else None

    def _after(self, target: Target, version: int) -> int | None:
        return min((known for known in self._versions[target] if known > version), default=None)


def _unanswered_that_came_or_went(log: Sequence[AuditEvent], there: Mapping[Target, Body]) -> list[int]:
    """Positions of unanswered creations and deletions that took effect."""
    exists: set[Target] = set()
    creating: dict[Target, int] = {}
    deleting: dict[Target, int] = {}
    done: list[int] = []
    for i, event in enumerate(log):
        target, whole = _target(event), not event.subresource
        if event.verb == "create" and whole and event.code < 300:
            if target in exists and target in deleting:
                done.append(deleting[target])
            exists.add(target)
            creating.pop(target, None)
            deleting.pop(target, None)
        elif event.verb == "create" and whole and _is_unanswered(event):
            if target not in exists:
                creating[target] = i
        elif target in creating and _shows_that_it_exists(event):
            done.append(creating.pop(target))
            exists.add(target)
        if event.verb == "delete" and event.code < 300 and is_final(event.answer or {}):
            exists.discard(target)
            deleting.pop(target, None)
        elif event.verb == "delete" and _is_unanswered(event):
            deleting[target] = i
    done += [i for target, i in creating.items() if target in there]
    if there:
        done += [i for target, i in deleting.items() if target not in there]
    return sorted(done)


def _shows_that_it_exists(event: AuditEvent) -> bool:
    taken = event.verb == "create" and event.code == 409
    return taken or event.code < 300 or _version(event.body) is not None


def is_final(answer: Body) -> bool:
    """Whether the answer to a deletion says that the object is gone, not only on its way out."""
    return not (answer.get("metadata") or {}).get("deletionGracePeriodSeconds")


def _target(event: AuditEvent) -> Target:
    return event.resource, event.name


def _uid(body: Body | None) -> str:
    uid: str = ((body or {}).get("metadata") or {}).get("uid") or ""
    return uid


def _version(body: Body | None) -> int | None:
    version = ((body or {}).get("metadata") or {}).get("resourceVersion")
    return int(version) if version else None


def _with_version(content: Body, version: int) -> Body:
    return {**content, "metadata": {**content["metadata"], "resourceVersion": str(version)}}

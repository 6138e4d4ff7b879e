"""From what lives to what is on record: attempts as they are seen, their ends, and the curves they leave."""

from collections.abc import Sequence
from dataclasses import replace

from seedsweep.api.episode import (
    MAX_ATTEMPTS,
    MAX_DEVICE,
    MAX_ENDING,
    MAX_EVALUATIONS_ON_RECORD,
    MAX_FAILURE,
    MAX_FINGERPRINT,
    MAX_IMAGE,
    MAX_OUTPUT,
    Attempt,
    EndReason,
    EpisodeId,
    EpisodeStatus,
    Interruption,
    StopReason,
)
from seedsweep.api.recorded import end_of, shortened, timestamp
from seedsweep.engine.decisions import Event
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.end_reasons import CLEAN, end_of_stopped, end_reason, interruption_of, why_ended, why_unread
from seedsweep.engine.facts.retry import FAILURES, failures
from seedsweep.engine.facts.verdicts import stop_of
from seedsweep.engine.observation import Ending, Reading, SeenAttempt

_BLANK = Attempt(uid="")
_NOTHING_READ = Reading()
_KEEP_OUTPUT = FAILURES | {EndReason.BAD_CONFIGURATION}
"""Ends of which an episode has so few that there is room for what the attempt said and printed."""
MAX_OUTPUTS = 20
"""Attempts of one episode whose last lines of output stay on record: the newest that failed."""


def record_attempts(draft: Draft) -> None:
    """Give every attempt its entry, and every end its record."""
    for attempt in draft.attempts.values():
        entry = draft.record_of(attempt)
        if entry is None and len(draft.status(attempt.episode).attempts) >= MAX_ATTEMPTS:
            # Nobody started it on our behalf: its episode was given up.
            continue
        news = entry is None or _has_news(attempt, entry)
        if news and not draft.may_write(attempt.episode):
            draft.postpone(attempt.episode, attempt)
        elif news and attempt.ending is not None:
            _record_end(draft, attempt, attempt.ending)
        elif news:
            _record_place(draft, attempt, entry)
        elif draft.seen.records_progress and attempt.live:
            _record_progress(draft, attempt)
    _close_vanished(draft)


def _has_news(attempt: SeenAttempt, entry: Attempt) -> bool:
    """It has ended, or got its place."""
    if attempt.ending is not None:
        return entry.reason is None
    return entry.start_time is None and attempt.bound is not None


def _record_place(draft: Draft, attempt: SeenAttempt, entry: Attempt | None) -> None:
    """That it exists, and that it waits for a place no longer. Lazy: should it be lost, the attempt itself shows it."""
    status = draft.status(attempt.episode)
    if entry is None:
        entries = [*status.attempts, describe(attempt, None)]
        draft.events.append(Event("Started", _start_message(attempt, len(entries)), attempt.episode, key=attempt.uid))
    else:
        entries = [describe(attempt, a) if a is entry else a for a in status.attempts]
    draft.write(attempt.episode, status.evolve(attempts=entries), durable=False)


def _record_progress(draft: Draft, attempt: SeenAttempt) -> None:
    """For people who look at the record alone: what a live attempt has published since."""
    status, may = draft.status(attempt.episode), draft.may_write(attempt.episode)
    if may and attempt.reading is not None and len(attempt.reading.scores) > len(status.scores):
        draft.write(attempt.episode, status.evolve(**continued(status, attempt)), durable=False)


def _close_vanished(draft: Draft) -> None:
    """End on record what no longer exists and left no word: deleted by someone, or gone with its node."""
    seen = {attempt.uid for attempt in draft.seen.attempts}
    for episode, status in draft.seen.episodes.items():
        entry = status.attempts[-1] if status.attempts else None
        if entry is None or entry.reason is not None or entry.uid in seen or episode in draft.frozen:
            continue
        if not draft.may_write(episode):
            draft.postpone(episode)
            continue
        reason = end_of_stopped(entry.stop) if entry.stop is not None else EndReason.INTERRUPTED
        # Nobody saw when: the seconds it held a GPU are not known.
        ended = entry.evolve(
            completion_time=timestamp(draft.now),
            reason=reason,
            interruption=interruption_of(entry, reason, Interruption.VANISHED),
            message=entry.message or "it vanished without a word",
        )
        entries = [*status.attempts[:-1], ended]
        draft.write(episode, status.evolve(attempts=entries), durable=True)
        draft.events.append(_end_event(episode, ended, failures(entries)))


def continued(status: EpisodeStatus, attempt: SeenAttempt) -> dict[str, object]:
    """The fields of a record that this attempt brings up to date: its own entry, and the curve it continues.

    Where a replay disagrees with the record, the first record stands.
    """
    entries = status.attempts
    entry = next((a for a in entries if a.uid == attempt.uid), None)
    described = describe(attempt, entry)
    if entry is not None:
        entries = [described if a is entry else a for a in entries]
    elif len(entries) < MAX_ATTEMPTS:
        entries = [*entries, described]
    update: dict[str, object] = {"attempts": entries}
    reading = attempt.reading
    if reading is None:
        return update
    known = len(status.scores)
    # Samples of a replay are taken at other moments.
    exact = not (reading.sampled or status.sampled)
    if exact and known and status.scores[: len(reading.scores)] != list(reading.scores[:known]):
        update["non_deterministic"] = True
    if len(reading.scores) > known:
        update["scores"] = [*status.scores, *reading.scores[known:]]
        if reading.sampled:
            update["sampled"] = True
        if reading.losses is not None:
            update["losses"] = [*status.losses, *reading.losses[len(status.losses) :]]
    if status.baseline is None:
        update["baseline"] = reading.baseline
    if status.baseline_error is None:
        update["baseline_error"] = reading.baseline_error
    if status.initialization is None and reading.initialization:
        update["initialization"] = shortened(reading.initialization, MAX_FINGERPRINT)
    return update


def describe(attempt: SeenAttempt, entry: Attempt | None) -> Attempt:
    """The ledger's entry of an attempt as it is seen now; when it got its place stays as it was first recorded."""
    reading, entry = attempt.reading or _NOTHING_READ, entry or _BLANK
    return entry.evolve(
        uid=attempt.uid,
        node=attempt.node,
        device=_short(attempt.device, MAX_DEVICE),
        image=_short(attempt.image, MAX_IMAGE),
        fingerprint=_short(reading.fingerprint, MAX_FINGERPRINT) or entry.fingerprint,
        stop_after=attempt.stop_after,
        start_time=entry.start_time or (timestamp(attempt.bound) if attempt.bound is not None else None),
        evaluations=len(reading.scores),
        checkpoint=reading.checkpoint,
        steps_at_start=reading.steps_at_start,
        steps=reading.steps_done,
    )


def _short(text: str | None, limit: int) -> str | None:
    return shortened(text, limit) if text else text


def _record_end(draft: Draft, attempt: SeenAttempt, ending: Ending) -> None:
    attempt = _held_to_the_end(draft, attempt, ending)
    status = draft.status(attempt.episode)
    status = status.evolve(**continued(status, attempt))
    entry = next(a for a in status.attempts if a.uid == attempt.uid)
    if entry.stop is None and (stop := _lost_by(draft, attempt.episode) or attempt.stop) is not None:
        entry = entry.evolve(stop=stop)
    reason = end_reason(draft, entry, attempt, ending, len(status.scores))
    reading = attempt.reading
    diverged_at = (reading.diverged_at if reading is not None else None) or len(status.scores) + 1
    ended = entry.evolve(
        completion_time=timestamp(ending.at),
        reason=reason,
        interruption=interruption_of(entry, reason, ending.interruption),
        exit_code=ending.exit_code,
        message=shortened(
            (reason == EndReason.METRICS_UNAVAILABLE and attempt.unusable)
            or why_ended(draft, entry, ending)
            or why_unread(draft, attempt, ending, reason, len(status.scores)),
            MAX_FAILURE if reason in _KEEP_OUTPUT else MAX_ENDING,
        ),
        output=end_of(ending.output, MAX_OUTPUT) if reason in _KEEP_OUTPUT else "",
        diverged_at=diverged_at if reason == EndReason.DIVERGED else None,
        gpu_seconds=round(draft.gpu_seconds(attempt), 3),
    )
    entries = _forget_old_output([ended if a.uid == attempt.uid else a for a in status.attempts])
    draft.write(attempt.episode, status.evolve(attempts=entries), durable=True)
    draft.events.append(_end_event(attempt.episode, ended, failures(entries)))


def _forget_old_output(entries: Sequence[Attempt]) -> list[Attempt]:
    with_output = [i for i, entry in enumerate(entries) if entry.output]
    old = set(with_output[:-MAX_OUTPUTS])
    return [entry.evolve(output="") if i in old else entry for i, entry in enumerate(entries)]


def _held_to_the_end(draft: Draft, attempt: SeenAttempt, ending: Ending) -> SeenAttempt:
    """A curve as its end completes it: the last score holds for what came after it.

    That of a sampled curve by its exit code of 0; one that was to stop after an evaluation and was not seen past it is
    only taken at its word up to there. That of any other where the trainer chose to end early (early stopping).
    """
    reading, stop_after = attempt.reading, attempt.stop_after
    if reading is None or not reading.scores or ending.reason not in CLEAN:
        return attempt
    if not reading.sampled and not reading.done:
        return attempt
    entry = draft.record_of(attempt)
    told = attempt.stopping or (entry is not None and entry.stop is not None)
    if told or _lost_by(draft, attempt.episode) is not None:
        return attempt
    known = len(reading.scores)
    goal = draft.evaluations or known
    if reading.sampled and stop_after is not None and known < stop_after:
        goal = stop_after
    elif not reading.sampled and stop_after is not None and known >= stop_after:
        return attempt
    goal = min(goal, MAX_EVALUATIONS_ON_RECORD)
    held = replace(reading, scores=_held(reading.scores, goal))
    if reading.losses is not None:
        held = replace(held, losses=_held(reading.losses, goal))
    return replace(attempt, reading=held)


def _held(values: tuple[float | None, ...], goal: int) -> tuple[float | None, ...]:
    return (*values, *(values[-1:] * (goal - len(values))))


def _lost_by(draft: Draft, episode: EpisodeId) -> StopReason | None:
    """The verdict that stops an attempt without a word on the attempt itself: the verdict is the record."""
    return None if episode in draft.layout.audited else stop_of(draft.status(episode).verdict)


def _start_message(attempt: SeenAttempt, number: int) -> str:
    until = f", to stop after evaluation {attempt.stop_after}" if attempt.stop_after is not None else ""
    return f"attempt {number} of {attempt.episode.name} started{until}"


def _end_event(episode: EpisodeId, ended: Attempt, failed: int) -> Event:
    return replace(_describe_end(episode, ended, failed), key=ended.uid)


def _describe_end(episode: EpisodeId, ended: Attempt, failed: int) -> Event:
    where = f"{episode.name} after {ended.evaluations} evaluations"
    match ended.reason:
        case EndReason.DONE:
            return Event("Finished", f"{where}: {ended.message or 'trained to the end'}", episode)
        case EndReason.STOPPED_AT_RUNG:
            return Event("ReachedRung", f"{where}: waits for the cut", episode)
        case EndReason.DIVERGED:
            return Event("Diverged", f"{where}: loss or weights became non-finite", episode, "Warning")
        case EndReason.INTERRUPTED:
            why = ": ".join(filter(None, (ended.interruption, ended.message)))
            again = "from its last checkpoint" if ended.checkpoint else "from its seeds"
            return Event("Interrupted", f"{where}: interrupted ({why}), starts again {again}", episode, "Warning")
        case EndReason.STOPPED:
            return Event("Stopped", f"{where}: stopped ({ended.stop})", episode)
        case _:
            code = f", exit code {ended.exit_code}" if ended.exit_code is not None else ""
            detail = f": {ended.message}" if ended.message else ""
            return Event(
                "AttemptFailed", f"{where}: {ended.reason}{code} (failure {failed}){detail}", episode, "Warning"
            )

"""Records as large as this release can write them, and what a schema would refuse of one."""

import re
from collections.abc import Iterator
from typing import Any

from seedsweep.api.comparison import ALIKE, MAX_WHY, UNKNOWN, Compared
from seedsweep.api.cut import Cut, CutData, CutEvidence
from seedsweep.api.early_stopping import MAX_RUNGS
from seedsweep.api.episode import (
    MAX_ATTEMPTS,
    MAX_DOMINATORS,
    MAX_ENDING,
    MAX_EVALUATIONS_ON_RECORD,
    MAX_FAILURE,
    MAX_FINGERPRINT,
    MAX_IMAGE,
    MAX_OUTPUT,
    MAX_VERDICT,
    Attempt,
    BestEvaluation,
    EndReason,
    Episode,
    EpisodeId,
    EpisodeStatus,
    Interruption,
    RungScore,
    StopReason,
    Verdict,
)
from seedsweep.api.schema.crd import KINDS, definition
from seedsweep.api.seeds import MAX_EPISODES
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.facts.ranking import Contest, make_cut, rank

BYTES = 1_000_000
"""What a record has to stay below: two thirds of what an API server stores."""
FAILURES = 104
"""Attempts that have words of their own: backoffLimitPerEpisode and one more, and what ends an episode at once."""
LONG_FLOAT = -1.2345678901234567e-06
"""The API server writes no double with more characters: -0.0000012345678901234567."""
STEPS = 2**53

Object = dict[str, Any]


def episode(i: int) -> EpisodeId:
    return EpisodeId(2**31 - 1 - i, 2**31 - 1)


def longest_attempt(*, failed: bool) -> Attempt:
    stamp = "2026-01-01T00:00:00.000+00:00"
    return Attempt(
        uid="u" * 36,
        node="n" * 253,
        image="i" * MAX_IMAGE,
        fingerprint="f" * MAX_FINGERPRINT,
        stop_after=MAX_EVALUATIONS_ON_RECORD,
        start_time=stamp,
        completion_time=stamp,
        stop=StopReason.METRICS_UNAVAILABLE,
        reason=EndReason.METRICS_UNAVAILABLE,
        interruption=Interruption.PREEMPTED_BY_QUEUE,
        exit_code=-(2**31),
        message="m" * (MAX_FAILURE if failed else MAX_ENDING),
        output="o" * MAX_OUTPUT if failed else "",
        evaluations=MAX_EVALUATIONS_ON_RECORD,
        checkpoint=MAX_EVALUATIONS_ON_RECORD,
        diverged_at=MAX_EVALUATIONS_ON_RECORD,
        steps_at_start=STEPS,
        steps=STEPS,
        gpu_seconds=1234567890.123,
    )


def largest_episode_status() -> EpisodeStatus:
    curve: list[float | None] = [LONG_FLOAT] * MAX_EVALUATIONS_ON_RECORD
    return EpisodeStatus(
        state="Diverged",
        attempts=[longest_attempt(failed=i < FAILURES) for i in range(MAX_ATTEMPTS)],
        rung_scores=[
            RungScore(rung=i, evaluation=i + 1, score=LONG_FLOAT, loss=LONG_FLOAT, sampled=True)
            for i in range(MAX_RUNGS)
        ],
        scores=curve,
        losses=curve,
        best=BestEvaluation(score=LONG_FLOAT, evaluation=MAX_EVALUATIONS_ON_RECORD, loss=LONG_FLOAT),
        verdict=Verdict(
            outcome="LostByDominance",
            rung=MAX_RUNGS,
            cut="c" * 63,
            dominators=[episode(i).name for i in range(MAX_DOMINATORS)],
            reason="r" * MAX_VERDICT,
        ),
        baseline=LONG_FLOAT,
        initialization="i" * MAX_FINGERPRINT,
    )


def largest_cut(out: int, why: str) -> CutData:
    """Of as many episodes as there may be, with so many of them out for this reason."""
    everyone = [episode(i) for i in range(MAX_EPISODES)]
    scored = {e: RungScore(rung=0, evaluation=299, score=LONG_FLOAT, loss=LONG_FLOAT) for e in everyone[out:]}
    contest = Contest("s" * 40, 19, 19, 299, keep=1, maximize=True, latest=True, full_order=True)
    ranked = rank(scored, {e: i for i, e in enumerate(everyone)}, contest)
    return make_cut(contest, ranked, scored, dict.fromkeys(everyone[:out], why))


def largest_evidence(cut: CutData) -> CutEvidence:
    """Every loser is named, if there are few enough."""
    half = len(cut.losers) // 2
    letters = ALIKE * half + UNKNOWN * (len(cut.losers) - half)
    found = Compared(letters=letters, examples=10**7, exact=False, level=0.05, why="w" * MAX_WHY)
    return CutEvidence.of(cut, found)


def refused(kind: type[Cut | Episode | SeedSweep], part: str, value: object) -> list[str]:
    """What the schema of a kind refuses of a part of it, such as a status."""
    found = next(definition(k) for k in KINDS if k.model is kind)
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    return list(_refused(schema, value, part))


def _refused(schema: Object, value: Any, path: str) -> Iterator[str]:
    if value is None:
        return
    match schema["type"]:
        case "object":
            yield from (f"{path}.{name} is missing" for name in schema.get("required", ()) if value.get(name) is None)
            for name, field in schema["properties"].items():
                yield from _refused(field, value.get(name), f"{path}.{name}")
        case "array":
            if len(value) > schema["maxItems"]:
                yield f"{path} has {len(value)} items"
            for i, item in enumerate(value):
                yield from _refused(schema["items"], item, f"{path}[{i}]")
        case "string":
            if "enum" in schema:
                if value not in schema["enum"]:
                    yield f"{path} is {value}"
            elif len(value) > schema["maxLength"]:
                yield f"{path} has {len(value)} characters"
            elif re.search(schema.get("pattern", ""), value) is None:
                yield f"{path} is {value}"
        case "integer":
            if not -(2**63) <= value < 2**63:
                yield f"{path} is {value}"

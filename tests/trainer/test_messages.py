"""A termination message: whatever the bytes are, they are a message, none, or one stated error."""

import hashlib
import json
import math
import re
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.garbage import DEEP, JSON, TEXTS, Path, altered, is_recordable
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.contract.exits import LastWords, parse_last_words
from seedsweep.contract.message import (
    MAX_REASON,
    MESSAGE_BYTES,
    Message,
    MessageError,
    Outcome,
    TrainerInfo,
    as_published,
    decode_message,
    encode_message,
)
from seedsweep.contract.protocol import MAX_LABEL, MAX_STEPS
from seedsweep.contract.scrape import Expected

EXPECTED = Expected("wi1-do2", "u1")
INFO = TrainerInfo("wi1-do2", "u1", level="L3", fingerprint="f", data="d", initialization="i")
MESSAGE = Message(INFO, Outcome.DIVERGED, 10, 20, 100, 10, 2, 3, 0.25, (0.5, 0.75), (1.5, 1.25), "why")


def sealed(body: str) -> str:
    """A body behind its right checksum: that it is whole says nothing about what it is."""
    return f"{hashlib.sha256(body.encode(errors='replace')).hexdigest()[:8]} {body}"


def fields_of(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(encode_message(message).decode().partition(" ")[2])
    return fields


def assert_sound(message: Message) -> None:
    """Every number is within its bounds, every text fit for a record."""
    assert 0 <= message.evaluations_planned <= MAX_EVALUATIONS
    for steps in (message.steps_done, message.steps_planned, message.steps_at_start):
        assert 0 <= steps <= MAX_STEPS
    assert len(message.scores) <= MAX_EVALUATIONS
    assert message.losses is None or len(message.losses) == len(message.scores)
    assert message.baseline is None or math.isnan(message.baseline) or abs(message.baseline) < 3.5e38
    assert is_recordable(message.reason, MAX_REASON)
    assert all(is_recordable(text, MESSAGE_BYTES) for text in (message.info.fingerprint, message.info.data))
    counts = (message.evaluations_planned, message.steps_done, message.checkpoint)
    assert not any(isinstance(number, bool) for number in counts)


def assert_value_or_stated_error(text: str) -> None:
    """What the operator makes of a pod's last words, and the parser below it."""
    words = parse_last_words(text, EXPECTED)
    try:
        message = decode_message(text)
    except MessageError:
        assert words == LastWords(refused=words.refused) != LastWords()
        return
    assert (words == LastWords()) == (message is None)
    if message is not None:
        assert_sound(message)


whole_numbers = st.integers(0, MAX_STEPS)
singles = st.floats(width=32).map(as_published)
labels = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=MAX_LABEL)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any that a trainer may leave."""
    scores = draw(st.lists(singles, max_size=MAX_EVALUATIONS))
    losses = [draw(singles)] * len(scores) if draw(st.booleans()) else None
    return Message(
        info=TrainerInfo(*(draw(labels) for _ in TrainerInfo.__dataclass_fields__)),
        outcome=draw(st.sampled_from(Outcome)),
        evaluations_planned=draw(st.integers(0, MAX_EVALUATIONS)),
        steps_done=draw(whole_numbers),
        steps_planned=draw(whole_numbers),
        steps_at_start=draw(whole_numbers),
        checkpoint=draw(st.integers(0, MAX_EVALUATIONS)),
        diverged_at=draw(st.none() | st.integers(1, MAX_EVALUATIONS + 1)),
        baseline=draw(st.none() | singles.filter(math.isfinite)),
        scores=tuple(scores),
        losses=tuple(losses) if losses is not None else None,
        reason=draw(st.text(max_size=MAX_REASON).filter(lambda text: "\0" not in text)),
    )


@given(messages())
def test_what_a_trainer_leaves_fits_and_is_read_as_it_was_meant(message: Message) -> None:
    encoded = encode_message(message)
    assert len(encoded) <= MESSAGE_BYTES
    found = decode_message(encoded.decode())
    assert found is not None
    # Only these give way where the room is short.
    assert message.reason.startswith(found.reason)
    assert found.losses is None or len(found.losses) == len(found.scores)
    given_up = Message(**{name: getattr(message, name) for name in fields_of(message)} | {"reason": "", "losses": None})
    left = Message(**{name: getattr(found, name) for name in fields_of(found)} | {"reason": "", "losses": None})
    assert repr(left) == repr(given_up), "NaN is not equal to itself"


@given(st.binary())
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    assert_value_or_stated_error(data.decode(errors="replace"))
    assert_value_or_stated_error(sealed(data.decode(errors="replace")))


@given(TEXTS)
def test_any_text_is_a_message_none_or_an_error(text: str) -> None:
    assert_value_or_stated_error(text)
    assert_value_or_stated_error(sealed(text))


@given(JSON)
def test_any_json_is_a_message_or_an_error(value: Any) -> None:
    assert_value_or_stated_error(sealed(json.dumps(value)))


@given(altered(fields_of(MESSAGE)))
def test_a_message_of_which_any_part_is_nonsense_is_a_message_or_an_error(found: tuple[Path, Any]) -> None:
    assert_value_or_stated_error(sealed(json.dumps(found[1])))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("5", "is 5 instead of an object"),
        ('"abc"', "is 'abc' instead of an object"),
        ("null", "is None instead of an object"),
        ("[]", "is a list instead of an object"),
        # From Python 3.14 on, that is not too deep.
        ("[" * 2000 + "]" * 2000, "no JSON|is a list"),
        ('{"a":' * 680, "no JSON"),
        ("", "no JSON"),
        ("{}", "there is no scores"),
    ],
)
def test_what_is_no_object_is_refused_with_its_reason(body: str, reason: str) -> None:
    words = parse_last_words(sealed(body), EXPECTED)
    assert words.message is None
    assert re.search(reason, words.refused)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"baseline": 10**400}, "does not fit a float32"),
        ({"baseline": 10**39}, "does not fit a float32"),
        ({"baseline": 1e300}, "1e+300 does not fit a float32"),
        ({"baseline": True}, "baseline is True, not a number"),
        ({"baseline": "high"}, "baseline is 'high', not a number"),
        ({"steps_done": 10**300}, "not a whole number from 0 to 1000000000000"),
        ({"steps_done": True}, "steps_done is True, not a whole number"),
        ({"steps_done": 5.0}, "steps_done is 5.0, not a whole number"),
        ({"steps_done": -1}, "steps_done is -1, not a whole number"),
        ({"steps_done": "x"}, "steps_done is 'x', not a whole number"),
        ({"steps_done": None}, "steps_done is None, not a whole number"),
        ({"evaluations_planned": 301}, "evaluations_planned is 301, not a whole number from 0 to 300"),
        ({"checkpoint": 301}, "checkpoint is 301"),
        ({"diverged_at": [1]}, "diverged_at is a list"),
        ({"info": [1]}, "metrics of episode ''"),
        ({"info": {"episode": 5}}, "episode is 5, not a text"),
        ({"outcome": [1]}, "outcome is a list, not a text"),
        ({"outcome": "won"}, "outcome is 'won', none of running, done"),
        ({"scores": 5}, "scores is 5, not a text"),
        ({"scores": "*"}, "scores is not the base64"),
        ({"scores": "AAA="}, "scores is not the base64"),
        ({"scores": "\ud800"}, "scores is not the base64"),
        ({"scores": "AAAA" * 404}, "303 scores are more than the 300 evaluations"),
        ({"losses": ""}, "2 scores but 0 losses"),
        ({"reason": 5}, "reason is 5, not a text"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    words = parse_last_words(sealed(json.dumps({**fields_of(MESSAGE), **changes})), EXPECTED)
    assert (words.message, words.reading) == (None, None)
    assert reason in words.refused


def test_a_message_longer_than_kubernetes_keeps_is_not_whole() -> None:
    assert decode_message(sealed(DEEP)) is None


def test_what_may_be_left_out_and_what_nobody_knows_do_no_harm() -> None:
    fields = fields_of(MESSAGE)
    for name in ("steps_at_start", "checkpoint", "diverged_at", "baseline", "losses", "reason"):
        del fields[name]
    message = decode_message(sealed(json.dumps({**fields, "of_a_later_release": {}})))
    assert message == Message(INFO, Outcome.DIVERGED, 10, 20, 100, scores=(0.5, 0.75))


def test_texts_reach_a_record_without_what_an_api_server_refuses() -> None:
    fields = {**fields_of(MESSAGE), "reason": "a\0b\ud800c" + "x" * 2_000}
    fields["info"]["fingerprint"] = "f\0"
    message = decode_message(sealed(json.dumps(fields)))
    assert message is not None
    assert message.reason == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c" + "x" * 995
    assert message.info.fingerprint == "f\N{REPLACEMENT CHARACTER}"


@given(st.floats(3.5e38, allow_infinity=False) | st.integers(10**39, 10**400))
def test_a_score_that_fits_no_float32_is_refused_in_words(score: float) -> None:
    for signed in (score, -score):
        with pytest.raises(ValueError, match="does not fit a float32, whose largest number is"):
            as_published(signed)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_score_is_rounded_once(score: float) -> None:
    assert as_published(as_published(score)) == as_published(score)
    assert struct.pack("<f", as_published(score)) == struct.pack("<f", score)

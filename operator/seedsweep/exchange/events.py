"""TensorBoard's event files: records in TFRecord's framing, each an Event message of protocol buffers.

TensorBoard itself needs gRPC and a web server to be installed. The format is public and does not change: see
tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

MAX_RECORD = 64 << 20
"""Bytes: an event with pictures may be large, and is passed over."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EVENT_STEP, _EVENT_SUMMARY = 2, 5
_SUMMARY_VALUE = 1
_VALUE_TAG, _VALUE_SIMPLE, _VALUE_TENSOR = 1, 2, 8
_TENSOR_DTYPE, _TENSOR_CONTENT, _TENSOR_FLOATS, _TENSOR_DOUBLES = 1, 4, 5, 6
_FLOAT, _DOUBLE = 1, 2
_Fields = list[tuple[int, int | bytes]]


class CorruptEventsError(ValueError):
    """The file is no event file, or one that is damaged; the message says what to do."""


def read_scalars(path: Path) -> Iterator[tuple[str, int, float]]:
    """Tag, step and value of every scalar, in the order of the file.

    A last record that is not whole, as a killed writer leaves it, ends the file.

    Raises:
        CorruptEventsError: it is no event file, or damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        while len(header := file.read(12)) == 12:
            length, checksum = struct.unpack("<QI", header)
            if _masked(header[:8]) != checksum:
                raise CorruptEventsError("is damaged, or no event file of TensorBoard: remove it or restore it")
            if length > MAX_RECORD:
                raise CorruptEventsError(f"holds a record of more than {MAX_RECORD >> 20} MB: log scalars apart")
            body = file.read(length + 4)
            if len(body) < length + 4:
                return
            if _masked(body[:length]) != struct.unpack("<I", body[length:])[0]:
                raise CorruptEventsError("is damaged: restore it, or remove it")
            try:
                yield from _scalars(body[:length])
            except (IndexError, struct.error, UnicodeDecodeError):
                raise CorruptEventsError("holds a record that is no event: remove it or restore it") from None


def _scalars(event: bytes) -> Iterator[tuple[str, int, float]]:
    fields = _fields(event)
    step = next((value for number, value in fields if number == _EVENT_STEP), 0)
    for number, summary in fields:
        if number != _EVENT_SUMMARY or not isinstance(summary, bytes):
            continue
        for inner, value in _fields(summary):
            if inner == _SUMMARY_VALUE and isinstance(value, bytes):
                tag, found = _value(value)
                if found is not None and isinstance(step, int):
                    yield tag, step, found


def _value(message: bytes) -> tuple[str, float | None]:
    tag, found = "", None
    for number, value in _fields(message):
        if not isinstance(value, bytes):
            continue
        if number == _VALUE_TAG:
            tag = value.decode()
        elif number == _VALUE_SIMPLE:
            (found,) = struct.unpack("<f", value)
        elif number == _VALUE_TENSOR:
            found = _tensor(value)
    return tag, found


def _tensor(message: bytes) -> float | None:
    """The value of a tensor with one number, as newer writers log scalars; None for any other."""
    fields = _fields(message)
    dtype = next((value for number, value in fields if number == _TENSOR_DTYPE), None)
    if dtype not in (_FLOAT, _DOUBLE):
        return None
    form, own = ("<f", _TENSOR_FLOATS) if dtype == _FLOAT else ("<d", _TENSOR_DOUBLES)
    for number, value in fields:
        if number in (_TENSOR_CONTENT, own) and isinstance(value, bytes) and len(value) == struct.calcsize(form):
            found: float = struct.unpack(form, value)[0]
            return found
    return None


def _fields(message: bytes) -> _Fields:
    """Number and content of every field: an int of a varint, else its bytes."""
    found: _Fields = []
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            found.append((key >> 3, value))
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(kind, -1)
        if length < 0 or at + length > len(message):
            raise IndexError
        found.append((key >> 3, message[at : at + length]))
        at += length
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise IndexError


def _table() -> list[int]:
    """Of CRC-32C (Castagnoli), which TFRecord's checksums are."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC = _table()


def _masked(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

"""Metadata of an `.onnx` file, read and appended without any ONNX package.

An ONNX file is one protobuf message; its metadata are entries of field 14, each a key (field 1)
and a value (field 2). Entries may stand anywhere, so new ones are simply appended.
"""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

METADATA, KEY, VALUE = 14, 1, 2
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5


def metadata(file: IO[bytes]) -> dict[str, str]:
    """Return keys and values of the metadata; the graph is skipped, not read.

    Raises:
        ValueError: when the bytes are no ONNX file.
    """
    found = {}
    for number, value in _fields(file, wanted=METADATA):
        if number == METADATA:
            entry = dict(_fields(io.BytesIO(value), wanted=None))
            found[entry.get(KEY, b"").decode()] = entry.get(VALUE, b"").decode()
    return found


def with_metadata(model: bytes, entries: Mapping[str, str]) -> bytes:
    """Return the bytes of an ONNX file with more entries in its metadata."""
    parts = [model]
    for key, value in entries.items():
        entry = _text(KEY, key.encode()) + _text(VALUE, value.encode())
        parts.append(_text(METADATA, entry))
    return b"".join(parts)


def keeps_data_elsewhere(model: bytes) -> bool:
    """Return whether a tensor of a model lies in another file.

    Raises:
        ValueError: when the bytes are no ONNX file.
    """
    return _refers(model, _MODEL)


_TENSOR: dict[int, Any] = {13: None}
_ATTRIBUTE: dict[int, Any] = {5: _TENSOR, 10: _TENSOR}
_NODE = {5: _ATTRIBUTE}
_GRAPH = {1: _NODE, 5: _TENSOR, 15: {1: _TENSOR, 2: _TENSOR}}
_ATTRIBUTE |= {6: _GRAPH, 11: _GRAPH, 22: _GRAPH[15]}
_MODEL = {7: _GRAPH, 25: {7: _NODE}}
"""By field, what holds tensors, down to a tensor's own field for data in another file."""


def _refers(message: bytes, kinds: dict[int, Any]) -> bool:
    for number, value in _fields(io.BytesIO(message), wanted=None):
        if number in kinds and (kinds[number] is None or _refers(value, kinds[number])):
            return True
    return False


def _fields(file: IO[bytes], *, wanted: int | None) -> Iterator[tuple[int, bytes]]:
    """Numbers and bytes of a message's fields; those that are not wanted are skipped over."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    while file.tell() < end:
        number, kind = divmod(_varint(file), 8)
        if kind == VARINT:
            _varint(file)
            continue
        if kind not in (LENGTH, EIGHT_BYTES, FOUR_BYTES) or number == 0:
            raise ValueError("not protobuf")
        size = {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(kind) or (_varint(file) if kind == LENGTH else 0)
        if size > end - file.tell():
            raise ValueError("cut short")
        if kind == LENGTH and wanted in (None, number):
            yield number, file.read(size)
        else:
            file.seek(size, io.SEEK_CUR)


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("cut short")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:  # noqa: PLR2004 - the highest bit says that more follows
            return value
    raise ValueError("not protobuf")


def _text(number: int, value: bytes) -> bytes:
    return _encoded(number << 3 | LENGTH) + _encoded(len(value)) + value


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:  # noqa: PLR2004
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])

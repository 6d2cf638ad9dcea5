"""Columns as an Arrow IPC stream, written by the standard library alone: what any Arrow reader opens.

A stream is messages one after another: four bytes of 0xFF, the length of a flatbuffer, the flatbuffer, and a body with
the buffers of the columns. Here it is a schema, one batch of rows, and the end.

Source: Apache Arrow, Columnar Format 1.5, "IPC Streaming Format"; ``Schema.fbs`` and ``Message.fbs`` for the numbers.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from vedette.capture.shipping.flatbuffer import Number, Structs, Table, Value, finish

__all__ = ["CONTENT_TYPE", "Column", "bitmap", "encode", "texts"]

CONTENT_TYPE = "application/vnd.apache.arrow.stream"

_CONTINUES = b"\xff\xff\xff\xff"
_V5 = 4
_SCHEMA, _ROWS = 1, 3  # of the union MessageHeader
_LIST = 16  # of the union Type, as the numbers below
_MICROSECONDS = 2
_TYPES: dict[str, tuple[int, dict[int, Value]]] = {
    "float32": (3, {0: Number("h", 1)}),
    "float64": (3, {0: Number("h", 2)}),
    "int64": (2, {0: Number("i", 64), 1: Number("B", 1)}),
    "uint64": (2, {0: Number("i", 64), 1: Number("B", 0)}),
    "bool": (6, {}),
    "utf8": (5, {}),
    "binary": (4, {}),
    "timestamp": (10, {0: Number("h", _MICROSECONDS), 1: "UTC"}),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type is ``float32``, ``float64``, ``int64``, ``uint64``, ``bool``, ``utf8``, ``binary`` or ``timestamp``
    (microseconds, UTC); with a ``length``, lists of so many of them.

    ``buffers`` are those of the type in Arrow's order, without the validity: values, or offsets and values. ``validity`` is
    a bitmap (:func:`bitmap`), None where no value is null.
    """

    name: str
    kind: str
    buffers: tuple[bytes | memoryview, ...]
    nulls: int = 0
    validity: bytes | None = None
    length: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)


def bitmap(ones: bytes) -> bytes:
    """The bits of an Arrow bitmap from bytes that are ``0x31`` ("1") where a bit is set and ``0x30`` ("0") elsewhere.

    >>> bitmap(b"1011").hex()
    '0d'
    """
    return int(ones[::-1], 2).to_bytes((len(ones) + 7) // 8, "little") if ones else b""


def texts(values: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The two buffers of a column of texts or bytes: offsets and values.

    >>> texts([b"a", b"", b"bc"])
    (b'\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x03\\x00\\x00\\x00', b'abc')
    """
    return array("i", accumulate(map(len, values), initial=0)).tobytes(), b"".join(values)


def encode(columns: Sequence[Column], n_rows: int, metadata: Mapping[str, str]) -> bytes:
    """The columns, each of ``n_rows``, as a stream; ``metadata`` is that of the schema."""
    schema = Table({1: [_field(one) for one in columns], 2: _pairs(metadata)})
    nodes, buffers = _layout(columns, n_rows)
    places = list(accumulate((_padded(len(one)) for one in buffers), initial=0))
    rows = Table(
        {
            0: Number("q", n_rows),
            1: Structs(len(nodes) // 2, nodes),
            2: Structs(len(buffers), [n for pair in zip(places, map(len, buffers)) for n in pair]),  # noqa: B905
        }
    )
    parts: list[bytes | memoryview] = [_message(_SCHEMA, schema, 0), _message(_ROWS, rows, places[-1])]
    for one in buffers:
        parts += [one, bytes(_padded(len(one)) - len(one))]
    return b"".join([*parts, _CONTINUES, bytes(4)])


def _layout(columns: Sequence[Column], n_rows: int) -> tuple[list[int], list[bytes | memoryview]]:
    """Length and count of nulls of each column and of what it has within, and all buffers, in the schema's order."""
    nodes: list[int] = []
    buffers: list[bytes | memoryview] = []
    for one in columns:
        nodes += [n_rows, one.nulls]
        buffers.append(one.validity or b"")
        if one.length:
            nodes += [n_rows * one.length, 0]
            buffers.append(b"")
        buffers += one.buffers
    return nodes, buffers


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _message(kind: int, header: Table, body_bytes: int) -> bytes:
    data = finish(Table({0: Number("h", _V5), 1: Number("B", kind), 2: header, 3: Number("q", body_bytes)}))
    return _CONTINUES + struct.pack("<i", len(data)) + data


def _field(column: Column) -> Table:
    number, type_ = _TYPES[column.kind]
    children: list[Table] = []
    if column.length:
        children = [Table({0: "item", 1: Number("B", 0), 2: Number("B", number), 3: Table(type_), 5: []})]
        number, type_ = _LIST, {0: Number("i", column.length)}
    return Table(
        {
            0: column.name,
            1: Number("B", 1),
            2: Number("B", number),
            3: Table(type_),
            5: children,
            6: _pairs(column.metadata),
        }
    )


def _pairs(metadata: Mapping[str, str]) -> list[Table]:
    return [Table({0: key, 1: value}) for key, value in metadata.items()]

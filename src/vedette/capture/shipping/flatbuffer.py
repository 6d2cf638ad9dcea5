"""Flatbuffers, as far as Arrow's messages need them: tables, texts, numbers, and vectors of tables and structs.

A buffer starts with the place of its root table. A table is a signed distance back to its vtable, then its fields;
the vtable has the sizes of both and, for each slot of the schema, where its field lies. What is no number lies further
on, and the field holds the distance to it.

Source: FlatBuffers, "Internals" (https://flatbuffers.dev/internals/).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Number", "Structs", "Table", "Value", "finish"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a table; ``code`` is that of ``struct`` (``B``, ``h``, ``i``, ``q``)."""

    code: str
    value: int


@dataclass(frozen=True, slots=True)
class Structs:
    """A vector of ``count`` structs whose members are 64-bit integers; ``members`` has those of all, in order."""

    count: int
    members: Sequence[int]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its fields by the slots of the schema. What is left out has the schema's default."""

    fields: Mapping[int, Value]


Value = Number | Structs | Table | str | list[Table]


def finish(root: Table) -> bytes:
    """The buffer whose root is this table, padded to a multiple of 8 bytes."""
    out = bytearray(4)
    struct.pack_into("<I", out, 0, _table(out, root))
    _align(out, 8)
    return bytes(out)


def _align(out: bytearray, size: int, ahead: int = 0) -> None:
    """Pad so that what lies ``ahead`` bytes further on starts at a multiple of ``size``."""
    out.extend(bytes(-(len(out) + ahead) % size))


def _size(value: Value) -> int:
    return struct.calcsize(f"<{value.code}") if isinstance(value, Number) else 4


def _table(out: bytearray, table: Table) -> int:
    """Append the table and what it refers to; its place."""
    slots = max(table.fields, default=-1) + 1
    places: dict[int, int] = {}
    end = 4  # after the distance to the vtable
    for slot, value in table.fields.items():
        size = _size(value)
        places[slot] = end = -(-end // size) * size
        end += size
    vtable_bytes = 4 + 2 * slots
    _align(out, 8, vtable_bytes)  # the table then starts at a multiple of 8, and so do its longest fields
    out += struct.pack(f"<HH{slots}H", vtable_bytes, end, *(places.get(slot, 0) for slot in range(slots)))
    at = len(out)
    out += struct.pack("<i", vtable_bytes) + bytes(end - 4)
    for slot, value in table.fields.items():
        place = at + places[slot]
        if isinstance(value, Number):
            struct.pack_into(f"<{value.code}", out, place, value.value)
        else:
            struct.pack_into("<I", out, place, _apart(out, value) - place)
    return at


def _apart(out: bytearray, value: Structs | Table | str | list[Table]) -> int:
    """Append what a field refers to; its place."""
    match value:
        case Table():
            return _table(out, value)
        case str():
            text = value.encode()
            _align(out, 4)
            at = len(out)
            out += struct.pack("<I", len(text)) + text + b"\0"
        case Structs():
            _align(out, 8, 4)
            at = len(out)
            out += struct.pack(f"<I{len(value.members)}q", value.count, *value.members)
        case _:
            _align(out, 4)
            at = len(out)
            out += struct.pack("<I", len(value)) + bytes(4 * len(value))
            for index, one in enumerate(value):
                place = at + 4 + 4 * index
                struct.pack_into("<I", out, place, _table(out, one) - place)
    return at

"""The rows of a part as Arrow columns, and the document that says where they are from and what became of the others.

Columns: ``_sequence`` (int64), ``id`` (utf8), ``time`` and ``received`` (timestamps), then one for each field of the segment,
whose metadata say what it is: ``role``, ``name`` and ``type``.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from vedette.capture.format import null_bit
from vedette.capture.lost import Lost
from vedette.capture.shipping.arrow import Column, bitmap, encode, texts
from vedette.capture.shipping.parts import Part
from vedette.capture.shipping.slots import words
from vedette.records import Field, Physical, Role

__all__ = ["FORMAT", "body", "document"]

FORMAT = 1
_KINDS = {
    Physical.FLOAT64: "float64",
    Physical.INT64: "int64",
    Physical.UINT64: "uint64",
    Physical.BOOL: "bool",
    Physical.TEXT: "utf8",
    Physical.BYTES: "binary",
    Physical.TIMESTAMP: "timestamp",
    Physical.VECTOR32: "float32",
    Physical.VECTOR64: "float64",
}
_DIGITS = bytes.maketrans(b"\0\1", b"01")
_INVERTED = bytes.maketrans(b"01", b"10")


def document(part: Part, lost: Sequence[Lost]) -> dict[str, Any]:
    """What a part says of itself beside its rows, as plain values: ``docs/protocol.md`` has each key."""
    header = part.header
    about = {
        "format": FORMAT,
        "model": header.model,
        "stream": header.stream,
        "first": part.first,
        "end": part.end,
        "rows": part.n_rows,
        "lost": [asdict(one) for one in lost],
    }
    if not part.n_rows:
        return about
    absent = {
        name: count
        for index, (field, name) in enumerate(zip(header.fields, _names(header.fields), strict=True))
        if field.role is Role.FEATURE and (count := part.bits(null_bit(index) + 1).count(b"1"))
    }
    whose = {"version": header.version, "host": header.host, "pid": header.pid, "created": header.created}
    return {**about, **whose, "settings": header.settings.document(), "absent": absent}


def body(part: Part, about: str) -> bytes:
    """The rows of a part as an Arrow stream, with ``about`` (the document as JSON) in the schema's metadata."""
    time = _moments("time", part, 8)
    columns = [
        Column("_sequence", "int64", (_words(part, 0),)),
        _ids(part),
        time,
        replace(time, name="received")
        if _words(part, 8) == _words(part, 16)
        else _moments("received", part, 16),
        *(
            _column(part, index, field, name)
            for index, (field, name) in enumerate(
                zip(part.header.fields, _names(part.header.fields), strict=True)
            )
        ),
    ]
    return encode(columns, part.n_rows, {"vedette": about})


def _names(fields: tuple[Field, ...]) -> list[str]:
    """A name for each field: that of the lake's column, with the type behind it for the later ones of a feature."""
    names: list[str] = []
    for one in fields:
        names.append(f"{one.base}__{one.physical}{one.length or ''}" if one.base in names else one.base)
    return names


def _words(part: Part, at: int) -> bytes:
    """The eight bytes at a place of each slot."""
    words = memoryview(part.slots).cast("Q")
    return words[at // 8 :: part.layout.slot_bytes // 8].tobytes()


def _validity(nulls: bytes) -> tuple[int, bytes | None]:
    """How many are null, and the bitmap; ``nulls`` has ``0x31`` for a null."""
    count = nulls.count(b"1")
    return count, bitmap(nulls.translate(_INVERTED)) if count else None


def _ids(part: Part) -> Column:
    if not part.layout.ids:
        n = part.n_rows
        return Column("id", "utf8", texts([b""] * n), n, bitmap(b"0" * n))
    return Column("id", "utf8", texts(_given(part.ids)), *_validity(part.bits(0)))


def _given(values: list[bytes | None]) -> list[bytes]:
    return [one or b"" for one in values] if None in values else cast("list[bytes]", values)


def _moments(name: str, part: Part, at: int) -> Column:
    """Seconds as microseconds; null where a clock gave no time that there is."""
    seconds = memoryview(part.slots).cast("d")[at // 8 :: part.layout.slot_bytes // 8].tolist()
    try:
        return Column(name, "timestamp", (array("q", [round(one * 1e6) for one in seconds]).tobytes(),))
    except (ValueError, OverflowError):
        good = [math.isfinite(one) and abs(one) < 2**63 / 1e6 for one in seconds]
        values = array(
            "q", [round(one * 1e6) if fine else 0 for one, fine in zip(seconds, good, strict=True)]
        )
        nulls = bytes(0x30 if fine else 0x31 for fine in good)
        return Column(name, "timestamp", (values.tobytes(),), *_validity(nulls))


def _column(part: Part, index: int, field: Field, name: str) -> Column:
    nulls, validity = _validity(part.bits(null_bit(index)))
    at, size = part.layout.offsets[index], part.layout.slot_bytes
    buffers: tuple[bytes, ...]
    if index in part.texts:
        buffers = texts(_given(part.texts[index]))
    elif field.physical is Physical.BOOL:
        buffers = (bitmap(bytes(map(bool, words(part.slots, size, at))).translate(_DIGITS)),)
    elif field.length:
        width = field.length * struct.calcsize("f" if field.physical is Physical.VECTOR32 else "d")
        buffers = (b"".join(part.slots[start : start + width] for start in range(at, len(part.slots), size)),)
    else:
        buffers = (_words(part, at),)
    metadata = {"role": field.role.value, "name": field.name, "type": field.physical.value}
    return Column(name, _KINDS[field.physical], buffers, nulls, validity, field.length, metadata)

"""The slots of a segment as arrays. The one file of this folder that needs numpy, and is imported when rows are read."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.capture.checks import NONE, RIGHT, read_checks
from vedette.capture.crc32c import crc32c
from vedette.capture.folder import SegmentFile
from vedette.capture.format import (
    FLAG_VOID,
    FRAME,
    ID_BYTES_MAX,
    TEXT_HEADER_BYTES,
    VOID_REASONS,
    Header,
    Layout,
    null_bit,
    text_header,
)
from vedette.capture.journal import STALL_S, Chunk
from vedette.capture.values import TEXT_BYTES_MAX
from vedette.records import Physical, Role

__all__ = ["read_segment"]

_CODES = {
    Physical.FLOAT64: "<f8",
    Physical.INT64: "<i8",
    Physical.TIMESTAMP: "<i8",
    Physical.VECTOR32: "<f4",
    Physical.VECTOR64: "<f8",
}
_TEXTS = {Physical.TEXT: 1, Physical.BYTES: 2}  # and their kinds in a frame

_SECOND_LOOK_S = 0.05

Mask = NDArray[np.bool_]


def read_segment(
    file: SegmentFile,
    header: Header,
    after: int,
    *,
    end: int | None,
    alive: bool,
    youngest: float,
    problems: list[str],
) -> tuple[Chunk | None, bool]:
    """Return the rows of a segment above ``after``, and whether the segment has no more to come.

    ``end`` is where its rows are known to end, None where they are not; ``alive`` whether its writer may still
    write; ``youngest`` the time at which a later segment was made, 0 where there is none. Raises ``OSError``.
    """
    layout = header.layout
    first = max(after + 1, header.first)
    limit = header.first + header.capacity
    stop = limit if end is None else min(end, limit)
    slots = _slots(file.path, header, layout, first, stop, again=alive)
    sequence, whole = _whole(slots, first)
    if alive:
        decided = _undecided(slots["received"], whole, header.created, youngest)
        if not whole[:decided].all():
            # A copy of a file that is being written can hold later slots and lack earlier ones; and clocks jump.
            # What is to be given up for ever is looked at again.
            time.sleep(_SECOND_LOOK_S)
            slots = _slots(file.path, header, layout, first, stop, again=alive)
            sequence, whole = _whole(slots, first)
            decided = min(decided, _undecided(slots["received"], whole, header.created, youngest))
        finished = first + decided >= (limit if end is None else end)
    else:
        touched = np.flatnonzero((slots["lead"] == sequence) | (slots["trail"] == sequence))
        decided = len(slots) if end is not None else int(touched[-1]) + 1 if len(touched) else 0
        finished = True
    upto = (
        max(first, end) if finished and end is not None else first + decided
    )  # slots cut off the file are torn
    if upto <= after + 1:
        return None, finished
    slots, whole = slots[:decided], whole[:decided]
    whole &= _checked(slots, layout, first, header.first + header.checked)
    void = whole & ((slots["flags"][:, 0] & FLAG_VOID) != 0)
    codes, counts = np.unique(slots["code"][void], return_counts=True)
    reasons = {VOID_REASONS.get(int(c), f"reason {c}"): int(n) for c, n in zip(codes, counts, strict=True)}
    rows = slots[whole & ~void]
    texts = _Texts(file.path.with_suffix(".txt"), header.first)
    rows = rows[_readable(rows, layout, texts, f"{file.path.name}: ", problems)]
    chunk = Chunk(
        version=header.version,
        fields=header.fields,
        settings=header.settings,
        sequence=rows["lead"].astype(np.int64),
        time=rows["time"].copy(),
        received=rows["received"].copy(),
        ids=_ids(rows, texts) if layout.ids else np.full(len(rows), None),
        columns={
            field: _column(rows, index, field.physical, texts) for index, field in enumerate(header.fields)
        },
        absent={
            field: int(_bit(rows, null_bit(index) + 1).sum())
            for index, field in enumerate(header.fields)
            if field.role is Role.FEATURE
        },
        next=upto,
        torn=upto - (after + 1) - len(rows) - int(void.sum()),
        void=reasons,
    )
    return chunk, finished


def _whole(slots: NDArray[Any], first: int) -> tuple[NDArray[np.uint64], Mask]:
    """The sequences expected in the slots, and which slots are written from end to end."""
    sequence = np.arange(first, first + len(slots), dtype=np.uint64)
    return sequence, (slots["lead"] == sequence) & (slots["trail"] == sequence)


def _slots(path: Path, header: Header, layout: Layout, first: int, end: int, *, again: bool) -> NDArray[Any]:
    """Read the slots from ``first`` to ``end``.

    While the writer lives they are read twice, and what counts as whole by the first reading is taken from the
    second: a single copy could hold the first bytes of a slot from before they were written and the last from after.
    """
    dtype = _dtype(layout)
    at = header.header_bytes + (first - header.first) * header.slot_bytes
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        readings = [os.pread(descriptor, max(0, end - first) * dtype.itemsize, at) for _ in range(1 + again)]
    finally:
        os.close(descriptor)
    n = min(len(data) for data in readings) // dtype.itemsize
    # a bytearray, not a copy of the array: that would leave out what belongs to no field, such as the check words
    slots = np.frombuffer(bytearray(readings[-1]) if again else readings[-1], dtype, n)
    if again:
        slots["trail"] = np.frombuffer(readings[0], dtype, n)["trail"]
    return slots


def _dtype(layout: Layout) -> np.dtype[Any]:
    id_at = layout.id_at if layout.ids else 0  # without ids nobody reads it: all are null
    spans = [
        ("lead", "<u8", 0),
        ("time", "<f8", 8),
        ("code", "<u8", 8),  # the time's place holds the reason where a slot is void
        ("received", "<f8", 16),
        ("flags", ("<u8", (layout.flag_words,)), 24),
        ("id_length", "u1", id_at),
        ("id", f"S{ID_BYTES_MAX}", id_at + 1),
        ("id_offset", "<u8", id_at + 1),
        ("trail", "<u8", layout.slot_bytes - 8),
    ]
    for index, field in enumerate(layout.fields):
        code = _CODES.get(field.physical, "<u8")
        spans.append(
            (f"field {index}", (code, (field.length,)) if field.length else code, layout.offsets[index])
        )
    names, formats, offsets = zip(*spans, strict=True)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": layout.slot_bytes})


def _undecided(received: NDArray[np.float64], whole: Mask, created: float, youngest: float) -> int:
    """Return the first slot that its living writer may still fill; the number of slots where there is none."""
    for index in np.flatnonzero(~whole):
        later = received[index + 1 :][whole[index + 1 :]]
        if len(later):
            waited = max(float(later.max()), youngest) - float(later.min())
        else:
            before = received[:index][whole[:index]]
            waited = youngest - (float(before.max()) if len(before) else created)
        if not waited > STALL_S:
            return int(index)
    return len(whole)


def _checked(slots: NDArray[Any], layout: Layout, first: int, demanded: int) -> Mask:
    """True for the slots whose check word is right; where none was taken yet, only from ``demanded`` (a sequence) on."""
    found = np.frombuffer(
        read_checks(slots.view(np.uint8), 0, layout.slot_bytes, layout.check_at, first, len(slots)), np.uint8
    )
    late = np.arange(first, first + len(slots)) >= demanded
    return np.asarray((found == RIGHT) | ((found == NONE) & late))


def _bit(rows: NDArray[Any], bit: int) -> Mask:
    word, place = divmod(bit, 64)
    return np.asarray(rows["flags"][:, word] >> np.uint64(place) & np.uint64(1), dtype=bool)


def _column(rows: NDArray[Any], index: int, physical: Physical, texts: _Texts) -> tuple[NDArray[Any], Mask]:
    present = ~_bit(rows, null_bit(index))
    raw = rows[f"field {index}"]
    if physical in _TEXTS:
        values, _ = texts.resolve(raw, present, _TEXTS[physical])
        return values, present
    return (raw != 0 if physical is Physical.BOOL else raw.copy()), present


def _readable(rows: NDArray[Any], layout: Layout, texts: _Texts, where: str, problems: list[str]) -> Mask:
    """True for the rows whose texts and ids can be read; without checksums this is where damage shows."""
    readable = np.ones(len(rows), dtype=bool)
    for index, field in enumerate(layout.fields):
        if field.physical in _TEXTS:
            readable &= texts.resolve(
                rows[f"field {index}"], ~_bit(rows, null_bit(index)), _TEXTS[field.physical]
            )[1]
    if not layout.ids:
        return _said(readable, where, problems)
    null, long = _bit(rows, 0), _bit(rows, 1)
    readable &= texts.resolve(rows["id_offset"], long & ~null, _TEXTS[Physical.TEXT])[1]
    readable &= null | long | (rows["id_length"] <= ID_BYTES_MAX)
    short = readable & ~null & ~long
    for at in np.flatnonzero(short & _has_high_bytes(rows["id"])):
        try:
            rows["id"][at].decode()
        except UnicodeDecodeError:
            readable[at] = False
    return _said(readable, where, problems)


def _said(readable: Mask, where: str, problems: list[str]) -> Mask:
    """The same mask; what it leaves out is said once."""
    if not readable.all():
        problem = f"{where}{int((~readable).sum())} rows with damaged texts or ids"
        if problem not in problems:
            problems.append(problem)
    return readable


def _has_high_bytes(ids: NDArray[np.bytes_]) -> Mask:
    matrix = np.frombuffer(np.ascontiguousarray(ids).tobytes(), np.uint8).reshape(len(ids), ID_BYTES_MAX)
    return np.asarray((matrix >= 128).any(axis=1))


def _ids(rows: NDArray[Any], texts: _Texts) -> NDArray[np.object_]:
    raw = np.ascontiguousarray(rows["id"])
    if not _has_high_bytes(raw).any():
        ids = raw.astype(f"U{ID_BYTES_MAX}").astype(object)
        null, long = _bit(rows, 0), _bit(rows, 1)
    else:
        null, long = _bit(rows, 0), _bit(rows, 1)
        ids = np.array(
            [b"" if skip else one for one, skip in zip(raw.tolist(), long, strict=True)], dtype=object
        )
        ids[:] = [one.decode() for one in ids]
    # numpy takes zero bytes at the end for padding; the length says which of them are the id's own
    for at in np.flatnonzero(~null & ~long & (np.char.str_len(raw) != rows["id_length"])):
        ids[at] = ids[at].ljust(int(rows["id_length"][at]) - len(raw[at]) + len(ids[at]), "\0")
    if long.any():
        ids[long] = texts.resolve(rows["id_offset"], long & ~null, _TEXTS[Physical.TEXT])[0][long]
    ids[null] = None
    return np.asarray(ids, dtype=object)


class _Texts:
    """The text file beside a segment, read when the first text is asked for; each offset is decoded once."""

    def __init__(self, path: Path, first: int) -> None:
        self._path, self._first = path, first
        self._data: bytes | None = None
        self._known: dict[tuple[int, int], str | bytes | None] = {}

    def resolve(
        self, offsets: NDArray[np.uint64], wanted: Mask, kind: int
    ) -> tuple[NDArray[np.object_], Mask]:
        """Return the values at the offsets, None where not wanted, and a mask that is False where one is damaged."""
        values: NDArray[np.object_] = np.full(len(offsets), None, dtype=object)
        intact = np.ones(len(offsets), dtype=bool)
        if wanted.any():
            unique, inverse = np.unique(offsets[wanted], return_inverse=True)
            found = np.empty(len(unique), dtype=object)
            found[:] = [self._value(offset, kind) for offset in unique.tolist()]
            values[wanted] = found[inverse]
            intact[wanted] = np.array([value is not None for value in found], dtype=bool)[inverse]
        return values, intact

    def _value(self, offset: int, kind: int) -> str | bytes | None:
        key = (offset, kind)
        if key not in self._known:
            self._known[key] = self._decode(offset, kind)
        return self._known[key]

    def _decode(self, offset: int, kind: int) -> str | bytes | None:
        if self._data is None:
            try:
                data = self._path.read_bytes()
            except FileNotFoundError:
                data = b""
            self._data = data if data.startswith(text_header(self._first)) else b""
        if not TEXT_HEADER_BYTES <= offset <= len(self._data) - FRAME.size:
            return None
        length, checksum, found = FRAME.unpack_from(self._data, offset)
        start = offset + FRAME.size
        payload = self._data[start : start + length] if length <= TEXT_BYTES_MAX else b""
        if len(payload) != length or crc32c(payload) != checksum or found != kind:
            return None
        if kind == _TEXTS[Physical.BYTES]:
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError:
            return None

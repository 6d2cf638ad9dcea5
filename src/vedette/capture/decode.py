"""The rows of a segment as arrays, and a count of what is not among them.

This, ``columns.py``, ``lost_slots.py`` and ``text_reader.py`` are the files of this folder that need numpy; they are
imported when rows are read.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.capture.columns import Mask, SlotColumns
from vedette.capture.folder import SegmentFile
from vedette.capture.format import FLAG_ID_NULL, FLAG_ID_TEXT, VOID_REASONS, Header, null_bit
from vedette.capture.journal import STALL_S, Chunk
from vedette.capture.lost import GONE
from vedette.capture.lost_slots import lost_slots
from vedette.capture.text_reader import TEXT_KINDS, TextReader
from vedette.records import Physical, Role

__all__ = ["read_segment"]

_SECOND_LOOK_S = 0.05


def read_segment(
    file: SegmentFile,
    header: Header,
    after: int,
    *,
    end: int | None,
    alive: bool,
    youngest: float,
    problems: list[str],
    gone: str = GONE,
) -> tuple[Chunk | None, bool, int]:
    """Return the rows of a segment above ``after``, whether the segment has no more to come, and how many slots that
    were begun wait behind the last that was read.

    ``end`` is where its rows are known to end, None where they are not; ``alive`` whether its writer may still
    write; ``youngest`` the time at which a later segment was made, 0 where there is none; ``gone`` why sequences
    before the segment's first are missing. Raises ``OSError``.
    """
    first = max(after + 1, header.first)
    limit = header.first + header.capacity
    stop = limit if end is None else min(end, limit)
    slots = SlotColumns(file.path, header, first, stop, again=alive)
    if alive:
        decided = _undecided(slots, youngest)
        if not slots.whole()[:decided].all():
            # A copy of a file that is being written can hold later slots and lack earlier ones; and clocks jump.
            # What is to be given up for ever is looked at again.
            time.sleep(_SECOND_LOOK_S)
            slots = SlotColumns(file.path, header, first, stop, again=alive)
            decided = min(decided, _undecided(slots, youngest))
        finished = first + decided >= (limit if end is None else end)
    touched = np.flatnonzero(slots.touched())
    waiting = max(0, int(touched[-1]) + 1 - decided) if alive and not finished and len(touched) else 0
    if not alive:
        decided = len(slots) if end is not None else int(touched[-1]) + 1 if len(touched) else 0
        finished = True
    # slots cut off the file are torn
    upto = max(first, end) if finished and end is not None else first + decided
    if upto <= after + 1:
        return None, finished, waiting
    slots.cut(decided)
    return _chunk(file, slots, after, upto, gone, problems), finished, waiting


def _chunk(
    file: SegmentFile, slots: SlotColumns, after: int, upto: int, gone: str, problems: list[str]
) -> Chunk:
    """The rows among the slots, which stand for the sequences from ``after`` to before ``upto``."""
    header, layout = slots.header, slots.layout
    written, times = slots.whole(), slots.time
    whole = written & slots.intact()
    void = whole & slots.void()
    codes, counts = np.unique(slots.code[void], return_counts=True)
    reasons = {VOID_REASONS.get(int(c), f"reason {c}"): int(n) for c, n in zip(codes, counts, strict=True)}
    states = np.where(written, np.where(whole, 0, 2), 1)
    states[void] = 16 + np.minimum(slots.code[void], 2**32).astype(np.int64)
    slots.take(whole & ~void)
    texts = TextReader(file.path.with_suffix(".txt"), header.first)
    readable = _texts_readable(slots, texts)
    ids, found = _ids(slots, texts) if layout.ids else (np.full(len(slots), None), readable)
    readable &= found
    _say(readable, f"{file.path.name}: ", problems)
    states[np.flatnonzero(states == 0)[~readable]] = 3
    if not readable.all():
        slots.take(readable)
        ids = ids[readable]
    return Chunk(
        version=header.version,
        fields=header.fields,
        settings=header.settings,
        sequence=slots.lead.astype(np.int64),
        time=slots.time,
        received=slots.received,
        ids=ids,
        columns={field: _column(slots, index, texts) for index, field in enumerate(header.fields)},
        absent={
            field: int(slots.bit(null_bit(index) + 1).sum())
            for index, field in enumerate(header.fields)
            if field.role is Role.FEATURE
        },
        next=upto,
        torn=upto - (after + 1) - len(slots) - int(void.sum()),
        void=reasons,
        lost=lost_slots(
            after + 1, slots.first, upto, states, times, VOID_REASONS,
            created=header.created, gone=gone, before=lambda: _time_before(file, header, slots.first),
        ),
    )  # fmt: skip


def _time_before(file: SegmentFile, header: Header, first: int) -> float | None:
    """The event time of the last whole row of the segment before a sequence, None where it has none."""
    slots = SlotColumns(file.path, header, header.first, first, again=False)
    times = slots.time[slots.whole() & slots.intact() & ~slots.void()]
    return float(times[-1]) if len(times) else None


def _undecided(slots: SlotColumns, youngest: float) -> int:
    """Return the first slot that its living writer may still fill; the number of slots where there is none."""
    whole, received = slots.whole(), slots.received
    timed = whole & ~slots.void()  # a void slot has no time of receipt
    for index in np.flatnonzero(~whole):
        later = received[index + 1 :][timed[index + 1 :]]
        if len(later):
            waited = max(float(later.max()), youngest) - float(later.min())
        else:
            before = received[:index][timed[:index]]
            waited = youngest - (float(before.max()) if len(before) else slots.header.created)
        if not waited > STALL_S:
            return int(index)
    return len(whole)


def _column(slots: SlotColumns, index: int, texts: TextReader) -> tuple[NDArray[Any], Mask]:
    present, raw = slots.present(index), slots.raw(index)
    physical = slots.layout.fields[index].physical
    if physical in TEXT_KINDS:
        return texts.resolve(raw, present, TEXT_KINDS[physical])[0], present
    return (raw != 0 if physical is Physical.BOOL else raw), present


def _texts_readable(slots: SlotColumns, texts: TextReader) -> Mask:
    """True for the rows whose texts can be read."""
    readable = np.ones(len(slots), dtype=bool)
    for index, field in enumerate(slots.layout.fields):
        if field.physical in TEXT_KINDS:
            kind = TEXT_KINDS[field.physical]
            readable &= texts.resolve(slots.raw(index), slots.present(index), kind)[1]
    return readable


def _ids(slots: SlotColumns, texts: TextReader) -> tuple[NDArray[np.object_], Mask]:
    """The id of each row, None where it has none, and a mask that is False where one is damaged."""
    ids, readable = slots.short_ids()
    long = slots.bit(FLAG_ID_TEXT.bit_length() - 1) & ~slots.bit(FLAG_ID_NULL.bit_length() - 1)
    if long.any():
        found, intact = texts.resolve(slots.id_references, long, TEXT_KINDS[Physical.TEXT])
        ids[long] = found[long]
        readable &= intact
    return ids, readable


def _say(readable: Mask, where: str, problems: list[str]) -> None:
    """What is left out is said once."""
    if not readable.all():
        problem = f"{where}{int((~readable).sum())} rows with damaged texts or ids"
        if problem not in problems:
            problems.append(problem)

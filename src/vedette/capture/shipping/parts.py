"""Some rows of a stream at a time, as they lie in their slots, by the standard library alone: what is shipped.

Which slots count is what ``decode.py`` does with arrays and a whole segment at once, by the same rules (``docs/journal.md``,
"Which slots count"); the tests hold the two against each other.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vedette.capture.counted import read_bounds
from vedette.capture.folder import SegmentFile, is_alive, last_end, read_header, segment_files
from vedette.capture.format import ID_BYTES_MAX, Header, Layout, null_bit
from vedette.capture.lost import GONE, Lost
from vedette.capture.shipping.frames import BYTES, TEXT, Texts
from vedette.capture.shipping.runs import ROW, STATES, lost_runs
from vedette.capture.shipping.slots import (
    PIECE_ROWS,
    Idle,
    Slots,
    bits,
    both,
    chosen,
    decided,
    inverted,
    voids,
    where,
    words,
)
from vedette.errors import JournalError
from vedette.records import Physical

__all__ = ["ROWS_MAX", "Part", "StreamReader"]

ROWS_MAX = PIECE_ROWS
"""So many rows a part has at most."""

_FRAME_KINDS = {Physical.TEXT: TEXT, Physical.BYTES: BYTES}


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment: its end where that is known, whether its writer may still write, when the youngest after it was made (0
    where none was), and why there are no slots between the one before and this."""

    file: SegmentFile
    header: Header
    end: int | None
    writable: bool
    youngest: float
    gone: str


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of the sequences from ``first`` to ``end`` (half-open), all of one segment, and what the others are.

    ``slots`` are those of the rows, one after another. ``ids`` are UTF-8, None where a row has none, and are empty where the
    layout has no room for them; ``texts`` the values of each text and bytes field, by its index. ``lost`` says of the
    sequences without a row which they are and why; ``gone`` why those before the segment's own have no slots.
    """

    header: Header
    layout: Layout
    first: int
    end: int
    slots: bytes
    n_rows: int
    gone: str = GONE
    lost: list[Lost] = field(default_factory=list)
    ids: list[bytes | None] = field(default_factory=list)
    texts: dict[int, list[bytes | None]] = field(default_factory=dict)

    @property
    def n_bytes(self) -> int:
        """About as many bytes as the rows have."""
        values = (one for column in (self.ids, *self.texts.values()) for one in column)
        return len(self.slots) + sum(len(one) for one in values if one is not None)

    def bits(self, bit: int) -> bytes:
        """A bit of the flags of each row, as ``0x30`` ("0") or ``0x31`` ("1")."""
        return bits(self.slots, self.layout.slot_bytes, bit)


class StreamReader:
    """Reads one stream of a producer's folder, a part at a time. ``problems`` says what could not be read, and why."""

    def __init__(self, folder: Path, stream: str) -> None:
        self.folder, self.stream = folder, stream
        self.problems: list[str] = []
        self._unreadable: dict[int, str] = {}  # why, by the first sequence of a segment
        self._texts: Texts | None = None
        self._idle: Idle | None = None

    def read(self, after: int, *, rows_max: int = ROWS_MAX, bytes_max: int = 2**62) -> Part | None:
        """The next rows above ``after``, at most ``rows_max``, of about ``bytes_max`` bytes if that is more than one row.

        None where there is nothing that is decided: while the producer lives, reading ends before the first slot that is
        not written yet; once it is dead, such a slot is torn. Raises ``OSError`` where a file cannot be read now.
        """
        alive = is_alive(self.folder)  # before the rows are looked at: who is dead now writes no more
        names = sorted(file.path.name for file in self._files())
        if alive and self._idle is not None and self._idle.still(after, names):
            return None
        self._idle = None
        part = self._next(after, rows_max, bytes_max, names, alive=alive)
        if part is None and self._texts is not None:
            self._texts.close()  # the file may be gone, and would take its room for as long as it is open
        return part

    def _next(
        self, after: int, rows_max: int, bytes_max: int, names: list[str], *, alive: bool
    ) -> Part | None:
        for one in self._segments(after, alive=alive):
            try:
                with Slots(one.file, one.header) as slots:
                    part, finished = self._part(slots, one, after, rows_max)
                    while part is not None and part.n_rows > 1 and part.n_bytes > bytes_max:
                        fewer = max(1, min(part.n_rows // 2, part.n_rows * bytes_max // part.n_bytes))
                        part, finished = self._part(slots, one, after, fewer)
            except FileNotFoundError:
                continue  # freed meanwhile
            if part is not None:
                return part
            if not finished:
                self._idle = Idle(after, names, one.file, one.header)
                return None
        return None

    def _files(self) -> list[SegmentFile]:
        try:
            return segment_files(self.folder, self.stream)
        except FileNotFoundError:
            return []

    def _segments(self, after: int, *, alive: bool) -> Iterator[_Segment]:
        """The segments from the one that holds ``after + 1`` on. Raises ``OSError`` at one that cannot be read now."""
        files = self._files()
        # after the files: another may have taken the folder over meanwhile, and what it writes is not that of the dead
        owned = self._owned() if alive or is_alive(self.folder) else sys.maxsize
        start = bisect_right([file.first for file in files], after + 1)
        while start > 0:
            start -= 1
            if self._header(files[start]) is not None:
                break
        opened = ((file, header) for file in files[start:] if (header := self._header(file)) is not None)
        youngest = next((h.created for file in reversed(files) if (h := self._header(file)) is not None), 0.0)
        current, before = next(opened, None), 0
        while current is not None:
            following = next(opened, None)
            file, header = current
            ends = [header.end, *([following[0].first] if following else [])]
            end = min((one for one in ends if one is not None), default=None)
            writable = file.first >= owned
            if end is None and not writable:
                end = last_end(file, header)
            if end is None or end > after + 1:
                gone = next((why for at, why in self._unreadable.items() if before < at < file.first), GONE)
                yield _Segment(file, header, end, writable, youngest if following else 0.0, gone)
            current, before = following, file.first

    def _owned(self) -> int:
        """The first sequence that the folder's owner may write; 0 where nobody knows."""
        try:
            return read_bounds(self.folder / "counters", self.stream)[0]
        except (OSError, JournalError):
            return 0

    def _header(self, file: SegmentFile) -> Header | None:
        """The header of a segment that rows were written into; None for another, and for one that is damaged or gone."""
        try:
            header = read_header(file)
        except FileNotFoundError:
            return None
        except JournalError as error:
            self._unreadable[file.first] = f"the segment cannot be read: {error}"
            self._say(f"{file.path.name}: {error}")
            return None
        return header if header.opened else None

    def _say(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _part(self, slots: Slots, segment: _Segment, after: int, rows_max: int) -> tuple[Part | None, bool]:
        """The next rows of a segment, and whether it has no more to come."""
        header, layout, end = slots.header, slots.layout, segment.end
        first, limit = max(after + 1, header.first), header.first + header.capacity
        stop = limit if end is None else min(end, limit)
        n = max(0, min(rows_max, stop - first))
        data, whole = slots.read(first, n, twice=segment.writable)
        if segment.writable:
            n = decided(slots, first, whole, stop, segment.youngest)
        last = first + n >= stop and (end is not None or stop == limit)
        upto = max(end, first + n) if last and end is not None else first + n  # what was cut off is torn
        if upto <= after + 1:
            return None, last
        size = layout.slot_bytes
        states, codes = _states(slots, data[: n * size], whole[:n], first)
        rows = chosen(data[: n * size], size, inverted(states))
        kept, ids, texts = self._resolved(rows, slots)
        states = _with_unreadable(states, kept)
        part = Part(
            header=header,
            layout=layout,
            first=after + 1,
            end=upto,
            slots=chosen(rows, size, kept),
            n_rows=kept.count(1),
            gone=segment.gone,
            lost=lost_runs(
                first,
                states.ljust(upto - first, bytes([STATES["cut"]])),
                codes,
                lambda: memoryview(data).cast("d")[1 :: size // 8].tolist(),
                lambda: slots.time_before(first),
            ),
            ids=ids,
            texts=texts,
        )
        return part, last

    def _resolved(
        self, rows: bytes, slots: Slots
    ) -> tuple[bytes, list[bytes | None], dict[int, list[bytes | None]]]:
        """A byte for each row, 1 where all its texts and its id can be read; and ids and texts of those."""
        layout, path = slots.layout, slots.file.path
        if self._texts is None or self._texts.path != path.with_suffix(".txt"):
            if self._texts is not None:
                self._texts.close()
            self._texts = Texts(path.with_suffix(".txt"), slots.header.first)
        texts = self._texts
        damaged: set[int] = set()
        columns: dict[int, list[bytes | None]] = {}
        for index, one in enumerate(layout.fields):
            if one.physical not in _FRAME_KINDS:
                continue
            offsets = words(rows, layout.slot_bytes, layout.offsets[index])
            columns[index] = values = texts.resolve(offsets, _FRAME_KINDS[one.physical])
            if None in values:
                nulls = bits(rows, layout.slot_bytes, null_bit(index))
                damaged.update(i for i, value in enumerate(values) if value is None and nulls[i] == 0x30)
        ids, bad = _ids(rows, layout, texts) if layout.ids else ([], [])
        damaged.update(bad)
        kept = bytes(index not in damaged for index in range(len(rows) // layout.slot_bytes))
        if damaged:
            self._say(f"{path.name}: {len(damaged)} rows with damaged texts or ids")
            ids = [one for one, good in zip(ids, kept, strict=False) if good]
            columns = {
                index: [one for one, good in zip(values, kept, strict=True) if good]
                for index, values in columns.items()
            }
        return kept, ids, columns


def _states(slots: Slots, data: bytes, whole: bytes, first: int) -> tuple[bytes, dict[int, int]]:
    """A byte for each slot: what it is (``runs.STATES``), 0 for a row; and the reasons of void ones by place."""
    n, size = len(whole), slots.layout.slot_bytes
    good = both(whole, slots.checked(data, first, n))
    low = both(good, voids(data, size))
    if 0 not in good and 1 not in low:
        return bytes(n), {}
    states = bytearray(n)
    for place in where(good, 0):
        states[place] = STATES["damaged"] if whole[place] else STATES["unfinished"]
    there = slots.there(first)
    for place in range(there, n):
        states[place] = STATES["cut"]
    codes = {
        place: int.from_bytes(data[place * size + 8 : place * size + 16], "little") for place in where(low, 1)
    }
    for place in codes:
        states[place] = STATES["void"]
    return bytes(states), codes


def _with_unreadable(states: bytes, kept: bytes) -> bytes:
    """The same, with the rows that are not kept as unreadable."""
    if 0 not in kept:
        return states
    found = bytearray(states)
    for place, good in zip(where(states, ROW), kept, strict=True):
        if not good:
            found[place] = STATES["unreadable"]
    return bytes(found)


def _ids(rows: bytes, layout: Layout, texts: Texts) -> tuple[list[bytes | None], list[int]]:
    """The ids of the rows, and which rows have a damaged one."""
    size, at = layout.slot_bytes, layout.id_at
    null, long = bits(rows, size, 0), bits(rows, size, 1)
    lengths = rows[at::size]
    ids: list[bytes | None] = [
        rows[start : start + length]
        for start, length in zip(range(at + 1, len(rows), size), lengths, strict=True)
    ]
    far = where(long, 0x31)
    if far:
        places = (at + 1 + index * size for index in far)
        values = texts.resolve([int.from_bytes(rows[one : one + 8], "little") for one in places], TEXT)
        for index, value in zip(far, values, strict=True):
            ids[index] = value
    for index in where(null, 0x31):
        ids[index] = None
    if None not in ids and max(lengths, default=0) <= ID_BYTES_MAX and b"".join(ids).isascii():  # type: ignore[arg-type]
        return ids, []
    bad = [
        index
        for index, one in enumerate(ids)
        if null[index] == 0x30
        and (one is None or (long[index] == 0x30 and (lengths[index] > ID_BYTES_MAX or not _is_text(one))))
    ]
    return ids, bad


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True

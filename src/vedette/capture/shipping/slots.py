"""The slots of a segment, read where they lie, by the standard library alone: which are whole, and which are decided."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from vedette.capture.checks import NONE, RIGHT, read_checks
from vedette.capture.folder import SegmentFile
from vedette.capture.format import FLAG_VOID, Header
from vedette.capture.journal import STALL_S

__all__ = [
    "PIECE_ROWS",
    "Idle",
    "Slots",
    "bits",
    "both",
    "chosen",
    "decided",
    "inverted",
    "voids",
    "where",
    "words",
]

PIECE_ROWS = 10_000
"""So many slots are read at a time: some megabytes."""

_LOOK_ROWS = 1_000  # a slot that waits for its thread is followed by whole ones within as many, or by none
_IDLE_ROWS = 64
_SECOND_LOOK_S = 0.05
_ONES = [bytes(0x31 if value >> bit & 1 else 0x30 for value in range(256)) for bit in range(8)]
_VOIDS = bytes(bool(value & FLAG_VOID) for value in range(256))
_NOT = bytes(not value for value in range(256))
_RIGHT = bytes(value == RIGHT for value in range(256))
_RIGHT_OR_NONE = bytes(value in (RIGHT, NONE) for value in range(256))


class Slots:
    """The slots of one segment file, read where they lie; a context in which it is open."""

    def __init__(self, file: SegmentFile, header: Header) -> None:
        self.file, self.header, self.layout = file, header, header.layout
        self._descriptor = -1

    def __enter__(self) -> Slots:
        self._descriptor = os.open(self.file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self, first: int, n: int, *, twice: bool) -> tuple[bytes, bytes]:
        """``n`` slots from ``first`` on, and a byte for each: 1 where it is whole.

        While the writer lives they are read twice, and what counts as whole by the first reading is taken from the
        second: one alone could hold the first bytes of a slot from before they were written and the last from after.
        """
        size = self.header.slot_bytes
        at = self.header.header_bytes + (first - self.header.first) * size
        readings = [os.pread(self._descriptor, n * size, at) for _ in range(1 + twice)]
        there = (
            min(len(one) for one in readings) // size
        )  # a slot that is cut off is none, whatever zeros would make of it
        readings = [one.ljust(n * size, b"\0") for one in readings]
        leads = memoryview(readings[-1]).cast("Q")[:: size // 8]
        trails = memoryview(readings[0]).cast("Q")[size // 8 - 1 :: size // 8]
        expected = array("Q", range(first, first + n))
        if there == n and leads.tobytes() == expected.tobytes() == trails.tobytes():
            return readings[-1], b"\1" * n
        triples = zip(leads[:there].tolist(), trails[:there].tolist(), expected[:there], strict=True)
        whole = bytes(lead == one == trail for lead, trail, one in triples)
        return readings[-1], whole.ljust(n, b"\0")

    def there(self, first: int) -> int:
        """How many slots from ``first`` on the file has; one that was cut off has fewer than its header says."""
        size = self.header.slot_bytes
        at = self.header.header_bytes + (first - self.header.first) * size
        return max(0, (os.fstat(self._descriptor).st_size - at) // size)

    def time_before(self, first: int) -> float:
        """The event time of the last whole row before ``first``; when the segment was made where there is none."""
        size, stop = self.header.slot_bytes, first
        while stop > self.header.first:
            start = max(self.header.first, stop - _LOOK_ROWS)
            data, whole = self.read(start, stop - start, twice=False)
            good = both(both(whole, inverted(voids(data, size))), self.checked(data, start, stop - start))
            if 1 in good:
                return float(memoryview(data).cast("d")[good.rindex(1) * (size // 8) + 1])
            stop = start
        return self.header.created

    def checked(self, data: bytes, first: int, n: int) -> bytes:
        """A byte for each slot: 1 where its check word is right, or is not demanded yet and not there."""
        header, layout = self.header, self.layout
        found = bytes(read_checks(data, 0, layout.slot_bytes, layout.check_at, first, n))
        demanded = max(0, min(n, header.first + header.checked - first))
        return found[:demanded].translate(_RIGHT) + found[demanded:].translate(_RIGHT_OR_NONE)

    def received(self, first: int, stop: int) -> Iterator[float | None]:
        """When each row from ``first`` to ``stop`` was received; None for a slot that is not whole, or void."""
        size = self.header.slot_bytes
        while first < stop:
            n = min(PIECE_ROWS, stop - first)
            data, whole = self.read(first, n, twice=False)
            times = memoryview(data).cast("d")[2 :: size // 8].tolist()
            rows = both(whole, inverted(voids(data, size)))
            yield from (time if good else None for time, good in zip(times, rows, strict=True))
            first += n


@dataclass(frozen=True, slots=True)
class Idle:
    """Where a living producer's next row was looked for in vain, so that looking again costs next to nothing."""

    after: int
    names: list[str]
    file: SegmentFile
    header: Header

    def still(self, after: int, names: list[str]) -> bool:
        """True where nothing was written there since, and no file was made."""
        if (after, names) != (self.after, self.names):
            return False
        header = self.header
        first = max(after + 1, header.first)
        n = min(_IDLE_ROWS, header.first + header.capacity - first)
        try:
            with Slots(self.file, header) as slots:
                data, _ = slots.read(first, n, twice=False)
        except FileNotFoundError:
            return False
        return not any(
            memoryview(data).cast("Q")[header.slot_bytes // 8 - 1 :: header.slot_bytes // 8].tolist()
        )


def decided(slots: Slots, first: int, whole: bytes, stop: int, youngest: float) -> int:
    """How many slots are decided while their writer lives: those before the first that it may still fill."""
    start = whole.find(0)
    if start < 0:
        return len(whole)
    near = slots.received(first + start + 1, min(first + start + 1 + _LOOK_ROWS, stop))
    if not youngest and all(one is None for one in near):
        return start
    times = list(slots.received(first + start, stop))
    later = _bounds_after(times)
    before = _received_before(slots, first + start)
    given_up: list[int] = []
    decided = len(whole)
    for index in range(start, len(whole)):
        received = times[index - start]
        if received is not None:
            before = max(before, received)
        if whole[index]:
            continue
        bounds = later[index - start]
        waited = youngest - before if bounds is None else max(bounds[1], youngest) - bounds[0]
        if not waited > STALL_S:
            decided = index
            break
        given_up.append(index)
    if not given_up:
        return decided
    # A copy of a file that is being written can hold later slots and lack earlier ones; and clocks jump. What is to be
    # given up for ever is looked at again.
    time.sleep(_SECOND_LOOK_S)
    _, again = slots.read(first, decided, twice=True)
    return next((index for index in given_up if again[index]), decided)


def _bounds_after(times: list[float | None]) -> list[tuple[float, float] | None]:
    """For each place the earliest and the latest of the times after it; None where there are none."""
    found: list[tuple[float, float] | None] = []
    bounds: tuple[float, float] | None = None
    for one in reversed(times):
        found.append(bounds)
        if one is not None:
            bounds = (one, one) if bounds is None else (min(bounds[0], one), max(bounds[1], one))
    found.reverse()
    return found


def _received_before(slots: Slots, sequence: int) -> float:
    """When the nearest row before was received; when the segment was made where none is near."""
    near = slots.received(max(slots.header.first, sequence - _LOOK_ROWS), sequence)
    return max((one for one in near if one is not None), default=slots.header.created)


def bits(rows: bytes, size: int, bit: int) -> bytes:
    """A bit of the flags of each slot, as ``0x30`` ("0") or ``0x31`` ("1")."""
    return rows[24 + bit // 8 :: size].translate(_ONES[bit % 8])


def voids(rows: bytes, size: int) -> bytes:
    """A byte for each slot: 1 where its writer marked it as void."""
    return rows[24::size].translate(_VOIDS)


def words(rows: bytes, size: int, at: int) -> list[int]:
    """The word at a place of each slot."""
    return memoryview(rows).cast("Q")[at // 8 :: size // 8].tolist()


def both(one: bytes, other: bytes) -> bytes:
    """The bytes that are 1 in both."""
    n = len(one)
    return (int.from_bytes(one, "little") & int.from_bytes(other, "little")).to_bytes(n, "little")


def inverted(values: bytes) -> bytes:
    """1 where the byte is 0, and 0 elsewhere."""
    return values.translate(_NOT)


def where(values: bytes, wanted: int) -> list[int]:
    """The places of a byte."""
    return [index for index, value in enumerate(values) if value == wanted] if wanted in values else []


def chosen(data: bytes, size: int, good: bytes) -> bytes:
    """The slots whose byte is 1."""
    if 0 not in good:
        return data
    return b"".join(data[at * size : (at + 1) * size] for at in where(good, 1))

"""Some rows of a stream at a time, as they lie in their slots, by the standard library alone: what is shipped.

Which slots count is what ``decode.py`` does with arrays and a whole segment at once, by the same rules (``docs/journal.md``,
"Which slots count"); the tests hold the two against each other.
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vedette.capture.folder import SegmentFile, is_alive, last_end, read_header, segment_files
from vedette.capture.format import ID_BYTES_MAX, VOID_REASONS, Header, Layout, null_bit
from vedette.capture.shipping.frames import BYTES, TEXT, Texts
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
class Part:
    """The rows of the sequences from ``first`` to ``end`` (half-open), all of one segment, and what the others are.

    ``slots`` are those of the rows, one after another. ``ids`` are UTF-8, None where a row has none, and are empty where the
    layout has no room for them; ``texts`` the values of each text and bytes field, by its index. ``torn`` sequences are
    lost, ``void`` were given up by their writer, by reason.
    """

    header: Header
    layout: Layout
    first: int
    end: int
    slots: bytes
    n_rows: int
    torn: int
    void: dict[str, int] = field(default_factory=dict)
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
        if part is not None and part.torn and not alive and is_alive(self.folder):
            return None  # what seems torn may be about to be written
        if part is None and self._texts is not None:
            self._texts.close()  # the file may be gone, and would take its room for as long as it is open
        return part

    def _next(
        self, after: int, rows_max: int, bytes_max: int, names: list[str], *, alive: bool
    ) -> Part | None:
        for file, header, end, youngest in self._segments(after, alive=alive):
            try:
                slots = Slots(file, header)
                with slots:
                    part, finished = self._part(slots, after, end, rows_max, alive=alive, youngest=youngest)
                    while part is not None and part.n_rows > 1 and part.n_bytes > bytes_max:
                        fewer = max(1, min(part.n_rows // 2, part.n_rows * bytes_max // part.n_bytes))
                        part, finished = self._part(slots, after, end, fewer, alive=alive, youngest=youngest)
            except FileNotFoundError:
                continue  # freed meanwhile
            if part is not None:
                return part
            if not finished:
                self._idle = Idle(after, names, file, header)
                return None
        return None

    def _files(self) -> list[SegmentFile]:
        try:
            return segment_files(self.folder, self.stream)
        except FileNotFoundError:
            return []

    def _segments(
        self, after: int, *, alive: bool
    ) -> Iterator[tuple[SegmentFile, Header, int | None, float]]:
        """The segments from the one that holds ``after + 1`` on.

        Of each its end, where that is known, and when the youngest after it was made (0 where none was).
        """
        files = self._files()
        start = bisect_right([file.first for file in files], after + 1)
        while start > 0:
            start -= 1
            if self._header(files[start]) is not None:
                break
        opened = ((file, header) for file in files[start:] if (header := self._header(file)) is not None)
        youngest = next((h.created for file in reversed(files) if (h := self._header(file)) is not None), 0.0)
        current = next(opened, None)
        while current is not None:
            following = next(opened, None)
            file, header = current
            ends = [header.end, *([following[0].first] if following else [])]
            end = min((one for one in ends if one is not None), default=None)
            if end is None and not alive:
                end = last_end(file, header)
            if end is None or end > after + 1:
                yield file, header, end, youngest if following else 0.0
            current = following

    def _header(self, file: SegmentFile) -> Header | None:
        """The header of a segment that rows were written into; None for another, and for one that is damaged or gone."""
        try:
            header = read_header(file)
        except FileNotFoundError:
            return None
        except (JournalError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EIO:
                raise  # no more files may be opened, say: the rows are still there
            self._say(f"{file.path.name}: {error}")
            return None
        return header if header.opened else None

    def _say(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _part(
        self, slots: Slots, after: int, end: int | None, rows_max: int, *, alive: bool, youngest: float
    ) -> tuple[Part | None, bool]:
        """The next rows of a segment, and whether it has no more to come."""
        header, layout = slots.header, slots.layout
        first, limit = max(after + 1, header.first), header.first + header.capacity
        stop = limit if end is None else min(end, limit)
        n = max(0, min(rows_max, stop - first))
        data, whole = slots.read(first, n, twice=alive)
        if alive:
            n = decided(slots, first, whole, stop, youngest)
        last = first + n >= stop and (end is not None or stop == limit)
        upto = max(end, first + n) if last and end is not None else first + n  # what was cut off is torn
        if upto <= after + 1:
            return None, last
        size = layout.slot_bytes
        good, data = whole[:n], data[: n * size]
        good = both(good, slots.checked(data, first, n))
        low = voids(data, size)
        void = Counter(
            int.from_bytes(data[at * size + 8 : at * size + 16], "little") for at in where(both(good, low), 1)
        )
        good = both(good, inverted(low)) if void else good
        rows = chosen(data, size, good)
        rows, ids, texts = self._resolved(rows, slots)
        n_rows = len(rows) // size
        part = Part(
            header=header,
            layout=layout,
            first=after + 1,
            end=upto,
            slots=rows,
            n_rows=n_rows,
            torn=upto - (after + 1) - n_rows - void.total(),
            void={VOID_REASONS.get(code, f"reason {code}"): count for code, count in sorted(void.items())},
            ids=ids,
            texts=texts,
        )
        return part, last

    def _resolved(
        self, rows: bytes, slots: Slots
    ) -> tuple[bytes, list[bytes | None], dict[int, list[bytes | None]]]:
        """The rows whose texts and ids can be read, with them; the others are damaged."""
        layout, path = slots.layout, slots.file.path
        if self._texts is None or self._texts.path != path.with_suffix(".txt"):
            if self._texts is not None:
                self._texts.close()
            self._texts = Texts(path.with_suffix(".txt"), slots.header.first)
        texts = self._texts
        wanted = [i for i, one in enumerate(layout.fields) if one.physical in _FRAME_KINDS]
        while True:
            damaged: set[int] = set()
            columns: dict[int, list[bytes | None]] = {}
            for index in wanted:
                kind = _FRAME_KINDS[layout.fields[index].physical]
                offsets = words(rows, layout.slot_bytes, layout.offsets[index])
                columns[index] = values = texts.resolve(offsets, kind)
                if None in values:
                    nulls = bits(rows, layout.slot_bytes, null_bit(index))
                    damaged.update(i for i, one in enumerate(values) if one is None and nulls[i] == 0x30)
            ids, bad = _ids(rows, layout, texts) if layout.ids else ([], [])
            damaged.update(bad)
            if not damaged:
                return rows, ids, columns
            self._say(f"{path.name}: {len(damaged)} rows with damaged texts or ids")
            good = bytes(index not in damaged for index in range(len(rows) // layout.slot_bytes))
            rows = chosen(rows, layout.slot_bytes, good)


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

"""The slots of a segment turned into columns: each word of a slot is an array of its own, over all slots.

A slot lies in one piece and a column does not, so that to gather one column after the other would go through the whole
file each time. The file is read a piece at a time, small enough for the processor's cache, and each piece is turned
before the next is read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.capture.checks import NONE, RIGHT, read_checks
from vedette.capture.core import core
from vedette.capture.format import FLAG_ID_NULL, FLAG_ID_TEXT, FLAG_VOID, ID_BYTES_MAX, Header, null_bit
from vedette.records import Physical

__all__ = ["Mask", "SlotColumns"]

Mask = NDArray[np.bool_]

_PIECE_BYTES = 2**20
_TURN_ROWS = 512
_ID_BYTES = ID_BYTES_MAX + 1
_CODES = {Physical.FLOAT64: "<f8", Physical.INT64: "<i8", Physical.TIMESTAMP: "<i8"}
_ELEMENTS = {Physical.VECTOR32: "<f4", Physical.VECTOR64: "<f8"}


class SlotColumns:
    """The slots of a segment from sequence ``first`` to before ``end``, as far as the file has them.

    While the writer lives (``again``) each piece is read twice, and which slots are whole by the first reading counts,
    with the bytes of the second: one copy alone could hold the first bytes of a slot from before they were written and
    the last from after. Raises ``OSError``.
    """

    def __init__(self, path: Path, header: Header, first: int, end: int, *, again: bool) -> None:
        self.header, self.layout, self.first = header, header.layout, first
        layout, wanted = self.layout, max(0, end - first)
        self._words: NDArray[np.uint64] = np.empty((layout.slot_bytes // 8, wanted), "<u8")
        self._ids: NDArray[np.uint8] = np.empty((wanted if layout.ids else 0, _ID_BYTES), np.uint8)
        self._vectors = {
            index: np.empty((wanted, field.length), _ELEMENTS[field.physical])
            for index, field in enumerate(layout.fields)
            if field.length
        }
        self._checks = np.empty(wanted, np.uint8)
        n = self._read(
            path, header.header_bytes + (first - header.first) * layout.slot_bytes, wanted, again=again
        )
        self.cut(n)

    def __len__(self) -> int:
        return len(self._checks)

    def cut(self, n: int) -> None:
        """Keep only the first ``n``."""
        rows = slice(n)
        self._words, self._checks, self._ids = self._words[:, rows], self._checks[rows], self._ids[rows]
        self._vectors = {index: values[rows] for index, values in self._vectors.items()}

    def _read(self, path: Path, at: int, wanted: int, *, again: bool) -> int:
        """Read and turn; return how many slots the file has."""
        size = self.layout.slot_bytes
        step = max(1, _PIECE_BYTES // size)
        piece, before = bytearray(step * size), bytearray(step * size if again else 0)
        done = 0
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            while done < wanted:
                n_bytes = min(step, wanted - done) * size
                place = at + done * size
                n = os.preadv(descriptor, [memoryview(before)[:n_bytes]], place) // size if again else step
                n = min(n, os.preadv(descriptor, [memoryview(piece)[:n_bytes]], place) // size)
                if not n:
                    break
                self._turn(piece, before if again else piece, done, n)
                done += n
        finally:
            os.close(descriptor)
        return done

    def _turn(self, piece: bytearray, before: bytearray, done: int, n: int) -> None:
        layout = self.layout
        width = layout.slot_bytes // 8
        words = np.frombuffer(piece, "<u8", n * width).reshape(n, width)
        for start in range(0, n, _TURN_ROWS):
            part = words[start : start + _TURN_ROWS]
            self._words[:, done + start : done + start + len(part)] = part.T
        self._words[-1, done : done + n] = np.frombuffer(before, "<u8", n * width)[width - 1 :: width]
        found = read_checks(piece, 0, layout.slot_bytes, layout.check_at, self.first + done, n)
        self._checks[done : done + n] = np.frombuffer(found, np.uint8)
        rows = words.view(np.uint8)
        if layout.ids:
            self._ids[done : done + n] = rows[:, layout.id_at : layout.id_at + _ID_BYTES]
        for index, values in self._vectors.items():
            start, n_bytes = layout.offsets[index], values.shape[1] * values.itemsize
            values[done : done + n].view(np.uint8)[:] = rows[:, start : start + n_bytes]

    def take(self, rows: Mask) -> None:
        """Keep only these rows."""
        if not rows.all():
            self._words, self._checks = self._words[:, rows], self._checks[rows]
            self._ids = self._ids[rows] if self.layout.ids else self._ids
            self._vectors = {index: values[rows] for index, values in self._vectors.items()}

    @property
    def lead(self) -> NDArray[np.uint64]:
        """The first sequence in each slot."""
        return np.asarray(self._words[0])

    @property
    def trail(self) -> NDArray[np.uint64]:
        """The second sequence."""
        return np.asarray(self._words[-1])

    @property
    def time(self) -> NDArray[np.float64]:
        """Event times."""
        return np.asarray(self._words[1].view("<f8"))

    @property
    def code(self) -> NDArray[np.uint64]:
        """What stands in the place of the event time: the reason, where a slot is void."""
        return np.asarray(self._words[1])

    @property
    def received(self) -> NDArray[np.float64]:
        """Times of receipt."""
        return np.asarray(self._words[2].view("<f8"))

    @property
    def sequence(self) -> NDArray[np.uint64]:
        """The sequence that the place of each slot demands, before any were left out."""
        return np.arange(self.first, self.first + len(self), dtype=np.uint64)

    def whole(self) -> Mask:
        """True where a slot is written from end to end."""
        demanded = self.sequence
        return np.asarray((self.lead == demanded) & (self.trail == demanded))

    def touched(self) -> Mask:
        """True where either end of a slot was written."""
        demanded = self.sequence
        return np.asarray((self.lead == demanded) | (self.trail == demanded))

    def intact(self) -> Mask:
        """True where the check word is right, and where none was taken yet if the header demands none there."""
        late = np.arange(self.first, self.first + len(self)) >= self.header.first + self.header.checked
        return np.asarray((self._checks == RIGHT) | ((self._checks == NONE) & late))

    def void(self) -> Mask:
        """True where the slot was given up by its writer."""
        return np.asarray((self._words[3] & np.uint64(FLAG_VOID)) != 0)

    def bit(self, bit: int) -> Mask:
        """One bit of the flags of each slot."""
        word, place = divmod(bit, 64)
        flags = self._words[3 + word]
        mask = np.uint64(1 << place)
        # mostly a bit is the same in all rows, and to see that takes a tenth of the time
        if not np.bitwise_or.reduce(flags) & mask:
            return np.zeros(len(flags), bool)
        if np.bitwise_and.reduce(flags, initial=np.uint64(2**64 - 1)) & mask:
            return np.ones(len(flags), bool)
        return np.asarray(flags & mask, dtype=bool)

    def present(self, index: int) -> Mask:
        """True where a field has a value."""
        return ~self.bit(null_bit(index))

    def raw(self, index: int) -> NDArray[Any]:
        """A field as it is stored: numbers, references into the texts, vectors as rows of a matrix."""
        field = self.layout.fields[index]
        if field.length:
            return self._vectors[index]
        return np.asarray(
            self._words[self.layout.offsets[index] // 8].view(_CODES.get(field.physical, "<u8"))
        )

    @property
    def id_references(self) -> NDArray[np.uint64]:
        """The references into the texts that long ids have in the place of their bytes."""
        return np.ascontiguousarray(self._ids[:, 1:9]).view("<u8").reshape(-1)

    def short_ids(self) -> tuple[NDArray[np.object_], Mask]:
        """The ids that lie in the slots, None where there is none or it is long; and a mask, False where one is damaged."""
        flags = self._words[3]
        if core is not None:
            found, damaged = core.read_ids(self._ids, np.ascontiguousarray(flags), _ID_BYTES)
            readable = np.ones(len(flags), bool)
            readable[damaged] = False
            ids: NDArray[np.object_] = np.empty(len(flags), dtype=object)
            ids[:] = found
            return ids, readable
        return _python_ids(self._ids, (flags & np.uint64(FLAG_ID_NULL | FLAG_ID_TEXT)) == 0)


def _python_ids(rows: NDArray[np.uint8], short: Mask) -> tuple[NDArray[np.object_], Mask]:
    """The ids of the rows that have a short one, as the core reads them."""
    lengths = rows[:, 0]
    readable = ~short | (lengths <= ID_BYTES_MAX)
    ids: NDArray[np.object_] = np.full(len(rows), None, dtype=object)
    text = np.ascontiguousarray(rows[:, 1:])
    wanted = short & readable
    plain = wanted & ~(text >= 128).any(axis=1)
    raw = text.view(f"S{ID_BYTES_MAX}").reshape(-1)
    ids[plain] = raw[plain].astype(f"U{ID_BYTES_MAX}").astype(object)
    # numpy takes zero bytes at the end for padding; the length says which of them are the id's own
    for at in np.flatnonzero(plain & (np.char.str_len(raw) != lengths)):
        ids[at] = bytes(text[at, : lengths[at]]).decode()
    for at in np.flatnonzero(wanted & ~plain):
        try:
            ids[at] = bytes(text[at, : lengths[at]]).decode()
        except UnicodeDecodeError:
            readable[at] = False
    return ids, readable

"""The writer's side of one segment: the slots, the numbers that hand them out, and the texts beside them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.capture.checks import fill_checks
from vedette.capture.files import PreparedFile, file_of_core
from vedette.capture.format import (
    FLAG_VOID,
    OPENED_AT,
    SEAL_AT,
    Header,
    Layout,
    opened_bytes,
    seal_bytes,
    text_header,
)
from vedette.capture.slots import slots_of
from vedette.capture.texts import TextWriter
from vedette.records import Physical

__all__ = ["SegmentPlan", "SegmentWriter", "has_texts"]


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """What a segment is to be. ``text_bytes`` is the size of its text file, where its layout needs one."""

    path: Path
    header: Header
    layout: Layout
    text_bytes: int
    mapped: bool
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", self.header.encode())

    @property
    def size(self) -> int:
        """The bytes of the file with the slots."""
        return len(self.head) + self.header.capacity * self.layout.slot_bytes

    def files_of_core(self) -> tuple[Any, ...]:
        """The files as the core is to make them: the texts first, for the segment has rows once it has a name."""
        name, first = self.path.with_suffix(".txt"), text_header(self.header.first)
        texts = (file_of_core(name, self.text_bytes, first),) if has_texts(self.layout) else ()
        return (*texts, file_of_core(self.path, self.size, self.head))


class SegmentWriter:
    """A segment that rows are written into.

    ``slots`` yields ``(sequence, offset, buffer)``, each once, whichever thread asks; taking one cannot be interrupted.
    ``store(buffer, offset, *values)`` writes a slot. Until :meth:`open` the files mean nothing. ``made`` are the files of
    the core, where it has made them already.
    """

    def __init__(self, plan: SegmentPlan, made: tuple[Any, ...] = ()) -> None:
        header, layout, mapped = plan.header, plan.layout, plan.mapped
        self.path, self.layout, self.first = plan.path, layout, header.first
        self.limit = header.first + header.capacity
        head = plan.head
        self._half = len(head) // 2
        self.texts: TextWriter | None = None
        self.known: dict[str, int] = {}
        self.refer: Callable[[str | bytes], int] = _no_texts
        files = iter(made)
        if has_texts(layout):  # before the segment, which has rows once it has a name
            self.texts = TextWriter(
                plan.path.with_suffix(".txt"),
                header.first,
                plan.text_bytes,
                mapped=mapped,
                made=next(files, None),
            )
            self.known, self.refer = self.texts.known, self.texts.refer  # as the compiled log reads them
        try:
            self.file = PreparedFile(plan.path, plan.size, head, mapped=mapped, made=next(files, None))
        except BaseException:
            if self.texts is not None:
                self.texts.file.path.unlink(missing_ok=True)
                self.texts.file.close()
            raise
        self.opened = header.opened
        self.spoilt = False  # true once there was no memory to hand a slot out: its number may be gone without its place
        self.named = False  # true once the files' names are on disk
        self.faulted_in = bool(made)
        self.retired = False
        self.synced = header.first  # the sequence that was handed out next at the last sync
        self._target = self.file.target
        self._slots = slots_of(
            self._target, self.file.guard, len(head), layout.slot_bytes, self.first, self.limit
        )
        self.slots = self._slots.iterator
        self.store: Callable[..., None] = layout.slot.pack_into if mapped else _store(layout)

    @property
    def next(self) -> int:
        """The sequence that will be handed out next."""
        return self._slots.next

    @property
    def broken(self) -> bool:
        """True once a store to the segment or to its texts did not reach the file."""
        return self.file.broken or (self.texts is not None and self.texts.file.broken)

    @property
    def intact(self) -> bool:
        """False where another process has deleted the files or cut them off."""
        return self.file.intact and (self.texts is None or self.texts.file.intact)

    def open(self) -> None:
        """Say in the header that rows are written from now on."""
        for at in (OPENED_AT, self._half + OPENED_AT):
            self._target[at : at + 8] = opened_bytes(True)
        self.opened = True

    def is_written(self, buffer: Any, offset: int, sequence: int) -> bool:
        """True where the slot holds its second sequence."""
        at = offset + self.layout.slot_bytes - 8
        return bool(buffer[at : at + 8] == sequence.to_bytes(8, "little"))

    def void(self, buffer: Any, offset: int, sequence: int, code: int) -> None:
        """Mark a slot that was taken, and could not be written, as void."""
        row = bytearray(self.layout.slot_bytes)
        struct.pack_into("<QQdQ", row, 0, sequence, code, 0.0, FLAG_VOID)
        struct.pack_into("<Q", row, self.layout.slot_bytes - 8, sequence)
        buffer[offset : offset + len(row)] = bytes(row)

    def stop(self) -> int:
        """Hand out no more slots; return the first sequence that was not. Slots taken before may still be written.

        May be called again: an interrupted call leaves nothing undone that the next one does not do.
        """
        return self._slots.stop()

    def mark_end(self, end: int, checked: int = 0) -> None:
        """Say in the header where the rows end, and of how many slots the check words are there."""
        mark = seal_bytes(end, checked)
        for at in (SEAL_AT, self._half + SEAL_AT):
            self._target[at : at + len(mark)] = mark

    def check(self, start: int, end: int) -> None:
        """Give the rows from ``start`` to ``end`` (sequences, half-open) the check words that they lack."""
        if self.file.guard is None:
            return  # a file that is not mapped is checked as a whole, in one go, once it is sealed
        at = 2 * self._half + (start - self.first) * self.layout.slot_bytes
        with memoryview(self._target) as view:
            fill_checks(view, at, self.layout.slot_bytes, self.layout.check_at, start, end - start)

    def finish(self, end: int, *, check: bool, sync: bool = True) -> None:
        """Complete a sealed segment: check words, no room behind the rows, all on disk; no file where it has no rows.

        Raises ``OSError``. Nothing is lost where it does: the rows are where they were. Without ``check`` rows may lack
        their check words.
        """
        if end == self.first:
            self.discard()
            return
        used = 2 * self._half + (end - self.first) * self.layout.slot_bytes
        if check and self.file.guard is None:
            self._check_written(end, used)
        elif check:
            self.check(self.first, end)
        if not self.intact:
            return
        if check:
            self.mark_end(end, end - self.first)
        self.file.cut(used)
        if self.texts is not None:
            self.texts.cut()
        if sync:
            self._sync_sealed(used)

    def _check_written(self, end: int, used: int) -> None:
        data = bytearray(self._target[0:used])
        n = min(end - self.first, (len(data) - 2 * self._half) // self.layout.slot_bytes)
        layout = self.layout
        with memoryview(data) as view:
            filled = fill_checks(view, 2 * self._half, layout.slot_bytes, layout.check_at, self.first, n)
        if filled:
            self._target[2 * self._half : used] = bytes(data[2 * self._half :])

    def sync(self, n: int) -> None:
        """Put the rows before the sequence ``n``, and their texts, on disk, as far as they are not.

        Raises ``OSError``; after one the files must not be taken as safe, and not be tried again.
        """
        if self.texts is not None:
            self.texts.sync()
        size = self.layout.slot_bytes
        start = 0 if self.synced == self.first else 2 * self._half + (self.synced - self.first) * size
        self.synced = n
        self.file.sync(start, 2 * self._half + (n - self.first) * size)

    def _sync_sealed(self, used: int) -> None:
        """Put the files on disk; one that cannot be is written anew in its place. Raises ``OSError``."""
        texts = [] if self.texts is None else [(self.texts.file, self.texts.n_bytes)]
        for file, n_bytes in ((self.file, used), *texts):
            try:
                file.sync()
            except OSError:
                file.rewrite(n_bytes)
                self.named = False

    def fault_in(self) -> None:
        """Fault in all that is yet to be written to, once."""
        if not self.faulted_in:
            self.faulted_in = True
            if self.texts is not None:
                self.texts.fault_in()
            self.ready(self.limit - self.next)

    def ready(self, n_rows: int) -> None:
        """Fault in what the next ``n_rows`` will be written to."""
        start = 2 * self._half + (self.next - self.first) * self.layout.slot_bytes
        self.file.populate(start, n_rows * self.layout.slot_bytes)

    def discard(self) -> None:
        """Delete the files: no row is in them."""
        self.path.unlink(missing_ok=True)
        if self.texts is not None:
            self.texts.file.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmap; a slot that was taken and not written can no longer be."""
        self._slots.release()
        if self.texts is not None:
            self.texts.file.close()
        self.file.close()


def has_texts(layout: Layout) -> bool:
    """True where rows of this layout may need the text file: for a text, or for an id that is long."""
    return layout.ids or any(one.physical in (Physical.TEXT, Physical.BYTES) for one in layout.fields)


def _no_texts(value: str | bytes) -> int:
    raise AssertionError(f"no field of the layout holds a {type(value).__name__}")


def _store(layout: Layout) -> Callable[..., None]:
    """The function that writes a slot where nothing is mapped: as ``Struct.pack_into`` is where it is.

    That one zeroes the slot and writes first to last, so that a slot whose second sequence is there is there as a whole.
    """
    slot, size = layout.slot.pack, layout.slot_bytes

    def write(buffer: Any, offset: int, *values: Any) -> None:
        buffer[offset : offset + size] = slot(*values)

    return write

"""The writer's side of one segment: the mapped slots, the numbers that hand them out, and the texts beside them."""

from __future__ import annotations

import errno
import itertools
import mmap
import operator
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vedette.capture.format import (
    CHECKSUM_NONE,
    FLAG_VOID,
    PAGE,
    SEAL_AT,
    TEXT_HEADER_BYTES,
    Header,
    Layout,
    seal_bytes,
    text_frame,
    text_header,
)

__all__ = ["SegmentWriter", "TextFull", "TextWriter", "can_be_mapped"]

_TEXTS_KNOWN_MAX = 65_536
# A store to a mapped page that the disk cannot back is a SIGBUS: only file systems whose preallocated blocks are
# written in place are mapped. Copy-on-write and network file systems get a write() a row.
_MAPPED_FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs", "f2fs", "overlay"})


class TextFull(Exception):  # noqa: N818 - a state, not an error
    """The text file has its share of the journal: the segment is to be sealed."""


class TextWriter:
    """The text file of a segment. Every value is on it, whole, before a slot refers to it."""

    def __init__(self, path: Path, first: int, bytes_max: int) -> None:
        self.known: dict[str, int] = {}
        self._known_bytes: dict[
            bytes, int
        ] = {}  # apart: comparing str with bytes is a warning under python -b
        self._path, self._first, self._bytes_max = path, first, bytes_max
        self._descriptor = -1
        self._end = TEXT_HEADER_BYTES
        self._closed = False
        self._lock = threading.RLock()

    def refer(self, value: str | bytes) -> int:
        """Return the offset of a value, writing it first if it is not there yet.

        Raises ``OSError`` where there is no room, :class:`TextFull` where the file has reached its bound.
        """
        known: dict[Any, int] = self.known if isinstance(value, str) else self._known_bytes
        offset = known.get(value)
        if offset is None:
            frame = text_frame(value)
            offset = self._reserve(len(frame))
            _write_all(self._descriptor, frame, offset)
            if len(known) < _TEXTS_KNOWN_MAX:
                known[value] = offset
        return offset

    def _reserve(self, n_bytes: int) -> int:
        with self._lock:
            if self._closed:
                raise ValueError("the text file is closed")
            if self._descriptor < 0:
                self._open()
            if self._end + n_bytes > self._bytes_max:
                raise TextFull
            # no call between these two lines: a signal handler that logs cannot come in between
            offset = self._end
            self._end = offset + n_bytes
            return offset

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            _write_all(descriptor, text_header(self._first), 0)
            # a signal handler that logs may have been here meanwhile, on this thread and so under this lock
            if self._descriptor < 0:
                self._descriptor, descriptor = descriptor, -1
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def sync(self) -> None:
        """Put the texts on disk."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back; a thread that still refers to texts fails, and its row goes elsewhere."""
        self._closed = True
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


class _File:
    """A file behind the one operation of a map that the writer needs, for where it cannot be mapped."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = os.dup(descriptor)

    def __setitem__(self, place: slice, data: bytes) -> None:
        _write_all(self.descriptor, data, place.start)

    def __getitem__(self, place: slice) -> bytes:
        return os.pread(self.descriptor, place.stop - place.start, place.start)

    def flush(self) -> None:
        os.fsync(self.descriptor)

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = close


class SegmentWriter:
    """A segment that rows are written into.

    ``slots`` yields ``(sequence, offset, buffer)``, each once, whichever thread asks; it is built of C iterators,
    so taking one cannot be interrupted. ``store(buffer, offset, *values)`` writes a slot.
    """

    def __init__(
        self, path: Path, header: Header, layout: Layout, *, text_bytes_max: int, mapped: bool = True
    ) -> None:
        self.path, self.layout, self.first = path, layout, header.first
        self.limit = header.first + header.capacity
        self.texts = TextWriter(path.with_suffix(".txt"), header.first, text_bytes_max)
        head = header.encode()
        self.known, self.refer = self.texts.known, self.texts.refer  # as the compiled log reads them
        self._half = len(head) // 2
        self._size = len(head) + header.capacity * layout.slot_bytes
        self._target = self._create(head, mapped)
        self._numbers = iter(range(self.first, self.limit))
        offsets = range(len(head), self._size, layout.slot_bytes)
        self.slots: Iterator[tuple[int, int, Any]] = zip(
            self._numbers, offsets, itertools.repeat(self._target)
        )
        self._burnt: list[tuple[int, int, Any]] = []
        self.store: Callable[..., None] = _store(layout, mapped)

    def _create(self, head: bytes, mapped: bool) -> mmap.mmap | _File:
        fresh = self.path.with_suffix(".tmp")
        fresh.unlink(missing_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(fresh, flags, 0o600)
        try:
            _allocate(descriptor, self._size)
            _write_all(descriptor, head, 0)
            target: mmap.mmap | _File
            if mapped:
                # not MAP_POPULATE: it would cost one row milliseconds, where the faults cost a row in twenty some µs
                target = mmap.mmap(descriptor, self._size, flags=mmap.MAP_SHARED)
            else:
                target = _File(descriptor)
            fresh.rename(self.path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return target

    @property
    def next(self) -> int:
        """The sequence that will be handed out next."""
        return self.limit - operator.length_hint(self._numbers)

    def is_written(self, buffer: Any, offset: int, sequence: int) -> bool:
        """True where the slot holds its second sequence."""
        at = offset + self.layout.slot_bytes - 8
        return bool(buffer[at : at + 8] == sequence.to_bytes(8, "little"))

    def void(self, buffer: Any, offset: int, sequence: int, code: int) -> None:
        """Mark a slot that was taken, and could not be written, as void."""
        layout = self.layout
        row = bytearray(layout.slot_bytes)
        struct.pack_into("<QQdQ", row, 0, sequence, code, 0.0, FLAG_VOID)
        if layout.checksum != CHECKSUM_NONE:
            struct.pack_into("<Q", row, layout.body.size, zlib.crc32(row[: layout.body.size]))
        struct.pack_into("<Q", row, layout.slot_bytes - 8, sequence)
        buffer[offset : offset + layout.slot_bytes] = bytes(row)

    def stop(self) -> int:
        """Hand out no more slots; return the first sequence that was not. Slots taken before may still be written.

        May be called again: an interrupted call leaves nothing undone that the next one does not do.
        """
        # one call into C: no other thread takes a slot in between, no signal comes before it is noted
        self._burnt.extend(itertools.islice(self.slots, self.limit - self.first))
        return self._burnt[0][0] if self._burnt else self.limit

    def mark_end(self, end: int) -> None:
        """Say in the header where the rows end."""
        mark = seal_bytes(end)
        for at in (SEAL_AT, self._half + SEAL_AT):
            self._target[at : at + len(mark)] = mark

    def trim(self, end: int) -> None:
        """Give back the room of a sealed segment that holds no rows; the whole file where it has none."""
        if end == self.first:
            self.path.unlink(missing_ok=True)
            self.path.with_suffix(".txt").unlink(missing_ok=True)
            return
        used = 2 * self._half + (end - self.first) * self.layout.slot_bytes
        os.truncate(self.path, min(self._size, -(-used // PAGE) * PAGE))

    def sync(self) -> None:
        """Put the segment and its texts on disk."""
        self.texts.sync()
        self._target.flush()

    def close(self) -> None:
        """Unmap; a slot that was taken and not written can no longer be."""
        self.texts.close()
        self._target.close()


def _store(layout: Layout, mapped: bool) -> Callable[..., None]:
    """Return the function that writes a slot. Struct.pack_into zeroes it and writes first to last, so that a slot
    whose second sequence is there is there as a whole."""
    if mapped and layout.checksum == CHECKSUM_NONE:
        return layout.slot.pack_into
    slot, body, size = layout.slot.pack, layout.body.pack, layout.slot_bytes
    tail, crc32 = struct.Struct("<QQ").pack, zlib.crc32

    def write(buffer: Any, offset: int, *values: Any) -> None:
        buffer[offset : offset + size] = slot(*values)

    def write_checked(buffer: Any, offset: int, *values: Any) -> None:
        row = body(*values[:-1])
        buffer[offset : offset + size] = row + tail(crc32(row), values[-1])

    return write if layout.checksum == CHECKSUM_NONE else write_checked


def can_be_mapped(folder: Path) -> bool:
    """True where the file system is known to write preallocated blocks in place."""
    if not hasattr(os, "posix_fallocate"):
        return False
    device = folder.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False
    for line in mounts:
        mount, _, kind = line.partition(" - ")
        if mount.split(" ")[2] == name:
            return kind.split(" ")[0] in _MAPPED_FILE_SYSTEMS
    return False


def _allocate(descriptor: int, n_bytes: int) -> None:
    """Give a file all its blocks. Raises ``OSError`` where there is no room for them."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, n_bytes)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
                raise
    for at in range(0, n_bytes, 2**20):
        _write_all(descriptor, bytes(min(2**20, n_bytes - at)), at)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write it all or raise: the system may take a part where the disk is nearly full."""
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        n = os.pwrite(descriptor, data[written:], offset + written)
        if n == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += n

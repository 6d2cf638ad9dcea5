"""What a producer counted besides its rows, in a small mapped file that outlives the process.

Layout: ``docs/journal.md``. Each counter is one aligned store of eight bytes, so a kill leaves the old value or the
new one.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections import deque
from pathlib import Path

from vedette.capture.format import FORMAT, STREAMS
from vedette.errors import JournalError
from vedette.records import Counters

__all__ = ["COUNTERS_BYTES", "CounterFile", "Tally", "boot_id", "read_counters"]

COUNTERS_BYTES = 65_536
_MAGIC = b"VEDETTEC"
_HEAD = struct.Struct("<8sII40s")
_CLEAN_AT, _BATCH_AT = 56, 64
_STREAM_AT = {"predictions": 128, "labels": 192}
_PARTS = {"bound": 0, "dropped": 8, "sampled_out": 16}
_REASONS_AT, _REASON_BYTES = 256, 256
_REASON_MAX = (COUNTERS_BYTES - _REASONS_AT) // _REASON_BYTES
_TEXT_BYTES_MAX = _REASON_BYTES - 10
OTHER = "other reasons"
"""Takes the rows once the file has no room for another reason."""


def boot_id() -> str:
    """The name of this run of the machine, or ``""`` where the system has none to give."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:40]
    except OSError:
        return ""


class CounterFile:
    """The mapped file ``counters`` of one producer folder.

    ``bound`` is, for each stream, an upper bound (exclusive) of the sequences handed out; the next process starts
    there if the last segment is gone, so that a sequence is never used twice.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        if create:
            _write_new(path)
        descriptor = os.open(path, flags)
        try:
            if os.fstat(descriptor).st_size != COUNTERS_BYTES:
                raise JournalError(f"{path}: must have {COUNTERS_BYTES} bytes")
            self._map = mmap.mmap(descriptor, COUNTERS_BYTES)
        finally:
            os.close(descriptor)
        magic, form, size, boot = _HEAD.unpack_from(self._map)
        if (magic, form, size) != (_MAGIC, FORMAT, COUNTERS_BYTES):
            self._map.close()
            raise JournalError(f"{path}: not the counters of a journal of format {FORMAT}")
        self.boot = boot.rstrip(b"\0").decode("ascii", "replace")
        self._reasons = _reasons(self._map[:])

    def get(self, stream: str, part: str) -> int:
        """Return ``bound``, ``dropped`` or ``sampled_out`` of a stream."""
        return self._load(_STREAM_AT[stream] + _PARTS[part])

    def put(self, stream: str, part: str, value: int) -> None:
        """Store ``bound``, ``dropped`` or ``sampled_out`` of a stream."""
        self._store(_STREAM_AT[stream] + _PARTS[part], value)

    @property
    def batch(self) -> int:
        """The highest batch number given out."""
        return self._load(_BATCH_AT)

    @batch.setter
    def batch(self, value: int) -> None:
        self._store(_BATCH_AT, value)

    @property
    def adoptable(self) -> bool:
        """True where the numbers in here can be trusted: closed in order, or written since the machine started."""
        return bool(self._load(_CLEAN_AT)) or (self.boot != "" and self.boot == boot_id())

    def opened(self) -> None:
        """Note that a process owns the folder from here on."""
        self._store(_CLEAN_AT, 0)
        self._map[16:56] = boot_id().encode("ascii", "replace").ljust(40, b"\0")

    def closed(self) -> None:
        """Note that everything is on disk and the folder may be adopted after a restart of the machine."""
        self._map.flush()
        self._store(_CLEAN_AT, 1)
        self._map.flush()

    def sync(self) -> None:
        """Put the counters on disk."""
        self._map.flush()

    def reject(self, stream: str, reason: str, n: int) -> None:
        """Add ``n`` rows to those rejected for a reason."""
        key = (stream, _shorten(reason))
        if key not in self._reasons:
            if len(self._reasons) >= _REASON_MAX - len(STREAMS) and key[1] != OTHER:
                self.reject(stream, OTHER, n)
                return
            self._reasons[key] = len(self._reasons)
        at = _REASONS_AT + self._reasons[key] * _REASON_BYTES
        text = key[1].encode()
        # the text first: an entry counts once its number is not zero
        self._map[at + 8 : at + 10 + len(text)] = bytes((STREAMS.index(stream) + 1, len(text))) + text
        self._store(at, self._load(at) + n)

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()

    def _load(self, at: int) -> int:
        return int.from_bytes(self._map[at : at + 8], "little")

    def _store(self, at: int, value: int) -> None:
        self._map[at : at + 8] = value.to_bytes(8, "little")  # one store: pack_into would write zeros first


class Tally:
    """Counts rows that did not become slots; safe for threads, signal handlers and finalisers.

    Additions wait in a queue, and whoever holds the lock empties it, so that a handler which interrupts the holder
    leaves its own behind instead of waiting for itself. While there is no file (no folder could be made yet) they
    are kept in memory and go to the file once there is one.
    """

    def __init__(self) -> None:
        self.pending: deque[tuple[str, str, str | None, int]] = deque()
        self.spilt: list[tuple[str, str, str | None, int]] = []  # the core's, which appends without a call
        self._lock = threading.RLock()
        self._draining = False
        self._file: CounterFile | None = None
        self._early: dict[tuple[str, str, str | None], int] = {}

    def add(self, stream: str, part: str, reason: str | None = None, n: int = 1) -> None:
        """Add to ``dropped``, ``sampled_out`` or ``rejected`` (with its reason)."""
        self.pending.append((stream, part, reason, n))
        try:
            self.settle()
        except (RecursionError, MemoryError):
            pass  # it is queued; the next one to come writes it down

    def settle(self) -> None:
        """Write down what is queued."""
        with self._lock:
            if self._draining:
                return
            self._draining = True
            try:
                while self.spilt:
                    self.pending.append(self.spilt[-1])
                    self.spilt.pop()
                while self.pending:
                    self._write(
                        *self.pending[0]
                    )  # taken off only once it is written: the stack may end in between
                    self.pending.popleft()
            finally:
                self._draining = False

    def attach(self, file: CounterFile | None) -> None:
        """From now on count into this file (None: in memory); what was counted without one is added to it."""
        self.settle()
        with self._lock:
            self._file = file
            if file is not None:
                early, self._early = self._early, {}
                for (stream, part, reason), n in early.items():
                    self._write(stream, part, reason, n)

    def reset(self) -> None:
        """Start from nothing, without a file: in a child process, whose parent keeps its own counts."""
        self._lock, self._draining, self._file = threading.RLock(), False, None
        self._early.clear()
        self.pending.clear()
        self.spilt.clear()

    @property
    def attached(self) -> bool:
        """True while there is a file to count into."""
        return self._file is not None

    def _write(self, stream: str, part: str, reason: str | None, n: int) -> None:
        if self._file is None:
            key = (stream, part, None if reason is None else _shorten(reason))
            if len(self._early) >= 2 * _REASON_MAX and key not in self._early:
                key = (stream, part, OTHER)
            self._early[key] = self._early.get(key, 0) + n
        elif part == "rejected":
            self._file.reject(stream, reason or OTHER, n)
        else:
            self._file.put(stream, part, self._file.get(stream, part) + n)


def read_counters(path: Path, stream: str) -> Counters:
    """Return what the producer that owns this file counted for a stream. Raises ``JournalError``, ``OSError``."""
    data = path.read_bytes()
    if len(data) != COUNTERS_BYTES or _HEAD.unpack_from(data)[:3] != (_MAGIC, FORMAT, COUNTERS_BYTES):
        raise JournalError(f"{path}: not the counters of a journal of format {FORMAT}")

    def load(at: int) -> int:
        return int.from_bytes(data[at : at + 8], "little")

    rejected = {
        reason: load(_REASONS_AT + index * _REASON_BYTES)
        for (owner, reason), index in _reasons(data).items()
        if owner == stream
    }
    at = _STREAM_AT[stream]
    return Counters(load(at + _PARTS["dropped"]), load(at + _PARTS["sampled_out"]), rejected)


def _write_new(path: Path) -> None:
    """Make the file with its blocks allocated (a store to a hole on a full disk kills), complete or not at all."""
    fresh = path.with_name(path.name + ".tmp")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        head = _HEAD.pack(_MAGIC, FORMAT, COUNTERS_BYTES, boot_id().encode("ascii", "replace"))
        content = memoryview(head.ljust(COUNTERS_BYTES, b"\0"))
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)
    fresh.rename(path)


def _reasons(data: bytes) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for index in range(_REASON_MAX):
        at = _REASONS_AT + index * _REASON_BYTES
        stream, length = data[at + 8], data[at + 9]
        if not 1 <= stream <= len(STREAMS):
            break
        text = data[at + 10 : at + 10 + length].decode("utf-8", "replace")
        found.setdefault((STREAMS[stream - 1], text), index)
    return found


def _shorten(reason: str) -> str:
    """The reason in the bytes that an entry has."""
    return reason.encode("utf-8", "replace")[:_TEXT_BYTES_MAX].decode("utf-8", "ignore")

"""A process's hold on a producer folder: claimed under its lock, and the files that are made in it."""

from __future__ import annotations

import errno
import itertools
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from vedette.capture.counters import CounterFile
from vedette.capture.crc32c import crc32c
from vedette.capture.files import can_be_mapped
from vedette.capture.folder import (
    batch_files,
    create_folder,
    folder_number,
    last_end,
    read_header,
    seal_file,
    segment_files,
    sync_folder,
    take_lock,
    unlink_segment,
    unopened,
)
from vedette.capture.format import STREAMS, Header, Layout
from vedette.capture.segment import SegmentPlan, SegmentWriter
from vedette.errors import JournalError
from vedette.records import Settings

__all__ = ["Producer"]

_NOT_TO_BE_SYNCED = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP)
"""A folder above that is not ours to open; a file system that syncs no folders."""

_OWN_PARENTS = 3  # the model's folder, the journal's, and the one in which that was made


class Producer:
    """One process's hold on one producer folder, from :meth:`claim` to :meth:`close`."""

    def __init__(self, path: Path, lock: int, counters: CounterFile) -> None:
        self.path, self.counters = path, counters
        self._lock = -1  # the caller's until all is done: what raises before must not have it closed twice
        self._host = socket.gethostname()
        self._placed = False
        self._tokens = itertools.count(secrets.randbits(24))
        self._mapped = can_be_mapped(path)
        counters.opened()
        self._next = {stream: self._take_over(stream) for stream in STREAMS}
        for stream, first in self._next.items():
            counters.put(stream, "owned", first)
        counters.batch = max(counters.batch, *(number for number, *_ in batch_files(path)), 0)
        for leftover in path.glob("*.tmp"):
            leftover.unlink(missing_ok=True)
        self._lock = lock

    @classmethod
    def claim(cls, root: Path, model: str) -> Producer:
        """Adopt the first folder that no living process holds, else make a new one. Raises ``OSError``."""
        root.mkdir(parents=True, exist_ok=True)
        models = root / model
        create_folder(models)
        known = ((folder_number(name), name) for name in os.listdir(models))
        names = sorted((number, name) for number, name in known if number is not None)
        for _, name in names:
            producer = cls._adopt(models / name)
            if producer is not None:
                return producer
        number = names[-1][0] + 1 if names else 1
        while True:
            path = models / f"{number:04d}-{secrets.token_hex(4)}"
            create_folder(path)
            lock = None
            try:
                lock = take_lock(path)
                if lock is not None:
                    return cls(path, lock, CounterFile(path / "counters", create=True))
            except BaseException:
                shutil.rmtree(path, ignore_errors=True)  # or a full disk has one more with each attempt
                if lock is not None:
                    os.close(lock)
                raise

    @classmethod
    def _adopt(cls, path: Path) -> Producer | None:
        # a folder whose counters are not there yet is being made by another process
        if path.is_symlink() or not (path / "counters").is_file():
            return None
        lock = None
        try:
            lock = take_lock(path)
            if lock is None:
                time.sleep(
                    0.001
                )  # a reader that asks whether the producer lives holds the lock for microseconds
                lock = take_lock(path)
            if lock is None:
                return None
            counters = CounterFile(path / "counters")
            if counters.adoptable:
                return cls(path, lock, counters)
            counters.close()
        except (OSError, JournalError):
            pass  # a damaged folder is left to the reader, which reports it
        if lock is not None:
            os.close(lock)
        return None

    def _take_over(self, stream: str) -> int:
        """Seal what the last process left open; return the sequence to go on with."""
        bound = max(self.counters.get(stream, "bound"), 1)
        files = segment_files(self.path, stream)
        while files and unopened(files[-1]):
            unlink_segment(files.pop())
        if not files:
            return bound
        try:
            header = read_header(files[-1])
        except JournalError:
            return max(bound, files[-1].first + 1)
        end = last = last_end(files[-1], header)
        # a bound beyond what this segment can have says that a later one is gone
        if bound > (header.first + header.capacity if header.end is None else header.end):
            end = bound
        # before an empty segment goes: else it would read as rows that were lost
        self.counters.put(stream, "bound", end)
        if header.end is None:
            seal_file(files[-1], header, last)
        return end

    def next(self, stream: str) -> int:
        """The first sequence after the last sealed segment."""
        return self._next[stream]

    def plan_segment(
        self,
        stream: str,
        layout: Layout,
        first: int,
        *,
        model: str,
        version: str,
        settings: Settings,
        created: float,
        n_bytes: int,
        text_bytes: int,
    ) -> SegmentPlan:
        """The next segment of a stream, from a sequence on; nothing is made yet."""
        header = Header(
            stream=stream,
            first=first,
            capacity=max(16, n_bytes // layout.slot_bytes),
            slot_bytes=layout.slot_bytes,
            header_bytes=0,  # encode() knows
            created=created,
            model=model,
            version=version,
            pid=os.getpid(),
            host=self._host,
            fields=layout.fields,
            ids=layout.ids,
            settings=settings,
            opened=False,
        )
        # the last part makes the name one that is not used again, whoever makes a segment at the same time
        path = self.path / f"{stream}-{first:016d}-{next(self._tokens) & 0xFFFFFF:06x}.seg"
        return SegmentPlan(path, header, layout, text_bytes=text_bytes, mapped=self._mapped)

    def use(self, stream: str, segment: SegmentWriter) -> None:
        """Note that the segment's sequences may be handed out from now on."""
        segment.open()
        # not before the segment is open: a bound without a segment would read as rows that were lost
        self.counters.put(stream, "bound", segment.limit)

    def seal(self, stream: str, segment: SegmentWriter) -> int:
        """Close a segment to new rows, and return where it ends; the next one goes on there."""
        end = self._next[stream] = segment.stop()
        try:
            # the bound first: one beyond a sealed end says that rows are gone
            self.counters.put(stream, "bound", end)
            segment.mark_end(end)
        except OSError:
            pass  # a disk that is full, where files are not mapped: the reader takes the next segment's first as the end
        return end

    def sync_names(self) -> None:
        """Put the names of the files on disk, the first time also those of the folders on the way. Raises ``OSError``.

        A file that is synced and has no name there is lost with the power.
        """
        for folder in (self.path, *(() if self._placed else self.path.parents[:_OWN_PARENTS])):
            try:
                sync_folder(folder)
            except OSError as error:
                if error.errno not in _NOT_TO_BE_SYNCED:
                    raise
        self._placed = True

    def sync(self) -> None:
        """Put the counters on disk. Raises ``OSError``."""
        self.counters.sync()

    def write_batch(self, write: Callable[[Path], None]) -> tuple[Path, int]:
        """Have a batch written and synced; its path, under a name that no reader looks at, and its CRC-32C.

        Whatever ``write`` raises passes through.
        """
        fresh = self.path / f"batch-{secrets.token_hex(8)}.tmp"
        try:
            write(fresh)
            checksum = crc32c(fresh.read_bytes())
            descriptor = os.open(fresh, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fchmod(descriptor, 0o600)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        return fresh, checksum

    def name_batch(self, fresh: Path, checksum: int, stream: str, n_rows: int) -> int:
        """Give a batch the next number, and with it to the reader. Not to be called by two threads at once: a reader goes
        from number to number, and would never see one that comes after a higher one.

        Raises ``OSError`` where it cannot; the number is not used again then, and the batch is gone.
        """
        try:
            number = self.counters.batch + 1
            self.counters.batch = number
            self.counters.sync()  # before the name: a number that was seen is never given out again
            fresh.rename(self.path / f"batch-{number:012d}.{stream}.{n_rows}.{checksum:08x}.arrow")
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        try:
            self.sync_names()
        except OSError:
            pass  # it is in the journal, and counted there: to count it as dropped as well would be wrong
        return number

    def close(self) -> None:
        """Put the counters on disk and let the folder go, for the next process to adopt."""
        if self._lock >= 0:
            try:
                self.sync_names()
                self.counters.closed()
            finally:
                self.forget()

    def __del__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop the hold without a word to the disk: in a child process, whose parent still has it."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            self.counters.close()
            os.close(lock)

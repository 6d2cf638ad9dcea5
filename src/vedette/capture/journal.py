"""The reader's side of a journal: producers' folders, and their rows as arrays.

It never changes a row and needs no word from the writer: what is whole is read, what is not is counted. numpy is
imported only where rows are decoded.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.capture.counted import crowded, read_bounds, read_counters
from vedette.capture.counters import CounterFile
from vedette.capture.crc32c import crc32c
from vedette.capture.folder import (
    SegmentFile,
    batch_files,
    folder_number,
    is_alive,
    last_end,
    read_header,
    seal_file,
    segment_files,
    take_lock,
    unlink_segment,
)
from vedette.capture.format import STREAMS, Header
from vedette.capture.lost import GONE, Lost
from vedette.errors import JournalError
from vedette.records import Counters, Field, Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Batch", "Chunk", "ProducerFolder", "models", "producers", "sync"]

STALL_S = 300.0
"""A slot that is still empty when rows this much younger follow it is given up as torn. Its thread has a few hundred
nanoseconds to fill it, so that only one which will never come back takes as long."""
_SECOND_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one segment, as columns; ``sequence`` is ascending.

    ``time`` and ``received`` are seconds since 1970-01-01 UTC. ``ids`` is an object array of ``str`` or None.
    ``columns`` has, for each field, its values and a mask that is True where there is one: float64, int64, uint64 or
    bool arrays, int64 microseconds for timestamps, object arrays of ``str`` or ``bytes`` (None where absent).
    ``absent`` counts the rows in which a feature was not given at all. Of the sequences from the one asked for up to
    ``next`` (exclusive), ``torn`` are lost and ``void`` were given up by their writer, by reason; ``lost`` says of both
    which they are, why, and to which time they are counted.
    """

    version: str
    fields: tuple[Field, ...]
    settings: Settings
    sequence: NDArray[np.int64]
    time: NDArray[np.float64]
    received: NDArray[np.float64]
    ids: NDArray[np.object_]
    columns: dict[Field, tuple[NDArray[Any], NDArray[np.bool_]]]
    absent: dict[Field, int]
    next: int
    torn: int
    void: dict[str, int]
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """A file of rows that were recorded together; ``stream`` is predictions, labels or reference."""

    number: int
    stream: str
    n_rows: int
    checksum: int
    path: Path

    def read(self) -> bytes:
        """Return the file's bytes. Raises ``JournalError`` where they are not those that were written, ``OSError``."""
        data = self.path.read_bytes()
        if crc32c(data) != self.checksum:
            raise JournalError("the batch's checksum does not match: the file is damaged")
        return data


class ProducerFolder:
    """What one producer has written.

    ``problems`` says which files could not be read, and why; ``waiting`` how many slots lay, by stream, behind the last
    that a reading took: begun, and not written yet, or behind one that is not; ``stopped`` from which sequence on segments
    cannot be read now, and why.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.problems: list[str] = []
        self.waiting: dict[str, int] = {}
        self.stopped: dict[str, tuple[int, str]] = {}
        self._unreadable: dict[tuple[str, int], str] = {}  # why, by stream and first sequence of a segment

    @property
    def alive(self) -> bool:
        """True while a process holds this folder."""
        return is_alive(self.path)

    def read(self, stream: str, after: int) -> Iterator[Chunk]:
        """Yield the rows whose sequence is above ``after``, in order, one chunk a segment.

        While the producer lives, reading ends before the first slot of its own that is not written yet; once it is
        dead, such a slot is torn.
        """
        from vedette.capture.decode import read_segment

        self.waiting.pop(stream, None)
        alive = self.alive  # before the rows are looked at: who is dead now writes no more
        segments = list(self._segments(stream))
        # and after: another may have taken the folder over meanwhile, and what it writes is not that of the dead
        owned = self._bounds(stream)[0] if alive or self.alive else sys.maxsize
        for index, (file, header) in enumerate(segments):
            later = segments[index + 1 :]
            ends = [header.end, *(later_file.first for later_file, _ in later[:1])]
            end = min((end for end in ends if end is not None), default=None)
            if end is not None and end <= after + 1:
                continue
            youngest = max((later_header.created for _, later_header in later), default=0.0)
            before = segments[index - 1][0].first if index else 0
            try:
                chunk, finished, waiting = read_segment(
                    file, header, after,
                    end=end, alive=file.first >= owned, youngest=youngest, problems=self.problems,
                    gone=self._why_gone(stream, before, file.first),
                )  # fmt: skip
            except FileNotFoundError:
                continue  # freed meanwhile
            if chunk is not None:
                after = chunk.next - 1
                yield chunk
            if not finished:
                self.waiting[stream] = (
                    self.highest(stream) + 1 - max(after + 1, file.first) if later else waiting
                )
                return

    def missing_end(self, stream: str, after: int) -> Lost | None:
        """The sequences above ``after`` whose segments, the newest, are gone or cannot be read; None where none are.

        They are counted to the time at which the last segment that is there was made, else to the last change of the
        folder: no later one tells of them yet.
        """
        found = self._missing_end(stream, after)
        if found is not None and self.alive:
            # a process that opens its next segment at this moment has both, name and bound, in a moment
            time.sleep(_SECOND_LOOK_S)
            again = self._missing_end(stream, after)
            return found if again == found else None
        return found

    def _missing_end(self, stream: str, after: int) -> Lost | None:
        bound = self._bounds(stream)[1]
        segments = list(self._segments(stream))
        end = after + 1
        if stream in self.stopped:
            return None  # what lies there is not known now
        if segments:
            file, header = segments[-1]
            if bound <= (header.first + header.capacity if header.end is None else header.end):
                return None
            end = max(end, last_end(file, header))
        if bound <= end:
            return None
        at = segments[-1][1].created if segments else self.path.stat().st_mtime
        return Lost(end, bound - 1, "torn", self._why_gone(stream, end - 1, bound), at)

    def _bounds(self, stream: str) -> tuple[int, int]:
        """The first sequence of the folder's owner, and what is above all handed out; zeros where that cannot be read."""
        try:
            return read_bounds(self.path / "counters", stream)
        except (OSError, JournalError):
            return 0, 0

    def _why_gone(self, stream: str, after: int, before: int) -> str:
        """Why there are no slots of sequences between two segments, by the first sequence of both."""
        for (owner, first), error in self._unreadable.items():
            if owner == stream and after < first < before:
                return f"the segment cannot be read: {error}"
        return GONE

    def batches(self, after: int) -> list[Batch]:
        """The batches whose number is above ``after``, in order."""
        return [Batch(*entry) for entry in batch_files(self.path) if entry[0] > after]

    def counters(self, stream: str) -> Counters:
        """What the producer counted besides its rows; nothing, and a problem, where its file cannot be read."""
        try:
            found = read_counters(self.path / "counters", stream)
        except (OSError, JournalError) as error:
            # a process that was killed while it made the folder leaves one without a row, which is no loss
            if self.path.joinpath("counters").exists() or self._holds_files():
                self._report(self.path / "counters", error)
            return Counters(problem=(error.strerror if isinstance(error, OSError) else None) or str(error))
        if found.problem:
            self._report(self.path / "counters", JournalError(found.problem))
        return found

    def highest(self, stream: str) -> int:
        """The highest sequence handed out, as far as the files tell; 0 where there is none."""
        for file, header in reversed(list(self._segments(stream))):
            return last_end(file, header) - 1
        return max(self._bounds(stream)[1] - 1, 0)

    @property
    def crowded(self) -> bool:
        """True where the producer will soon count its oldest windows as one: they are to be noted elsewhere before."""
        try:
            return crowded(self.path / "counters")
        except (OSError, JournalError):
            return False

    def newest(self, stream: str) -> float | None:
        """The time at which the newest segment was made, None where there is none."""
        return next((header.created for _, header in reversed(list(self._segments(stream)))), None)

    def free(self, stream: str, upto: int) -> int:
        """Delete the segments of which every row has a sequence up to ``upto``; return how many.

        Only sealed segments go, and those of a dead producer, which are sealed first. Call it once the rows are
        safe elsewhere.
        """
        freed = 0
        for file, header in self._segments(stream):
            end = header.end if header.end is not None else self._seal_dead(stream, file, header)
            if end is None or end - 1 > upto:
                break
            unlink_segment(file)
            freed += 1
        return freed

    def free_batches(self, upto: int) -> int:
        """Delete the batches with numbers up to ``upto``; return how many."""
        batches = [batch for batch in self.batches(0) if batch.number <= upto]
        for batch in batches:
            batch.path.unlink(missing_ok=True)
        return len(batches)

    def _holds_files(self) -> bool:
        return bool(batch_files(self.path)) or any(segment_files(self.path, stream) for stream in STREAMS)

    def _seal_dead(self, stream: str, file: SegmentFile, header: Header) -> int | None:
        """Write down where a dead producer's open segment ends, so that its numbers go on from there."""
        held = None
        try:
            held = take_lock(self.path)
            if held is None:
                return None
            counters = CounterFile(self.path / "counters")
            end = last_end(file, header)
            counters.put(stream, "bound", end)
            counters.close()
            seal_file(file, header, end)
            return end
        except (OSError, JournalError) as error:
            self._report(file.path, error)
            return None
        finally:
            if held is not None:
                os.close(held)

    def _segments(self, stream: str) -> Iterator[tuple[SegmentFile, Header]]:
        """The segments and their headers, in order: without those that are damaged, which stay so, and only up to one
        that cannot be read now: to go on behind it would give up its rows, and free what comes after it first."""
        self.stopped.pop(stream, None)
        try:
            files = segment_files(self.path, stream)
        except FileNotFoundError:
            return
        for file in files:
            try:
                header = read_header(file)
                if header.opened:
                    yield file, header
            except FileNotFoundError:
                continue  # freed meanwhile
            except JournalError as error:
                self._unreadable[stream, file.first] = str(error)
                self._report(file.path, error)
            except OSError as error:
                self.stopped[stream] = (file.first, error.strerror or str(error))
                self._report(file.path, error)
                return

    def _report(self, path: Path, error: Exception) -> None:
        problem = f"{path.name}: {error}"
        if problem not in self.problems:
            self.problems.append(problem)


def producers(root: Path, model: str) -> list[ProducerFolder]:
    """The folders of all processes that recorded a model, living and dead, by number; none where there is no journal."""
    try:
        names = os.listdir(Path(root) / model)
    except (FileNotFoundError, NotADirectoryError):
        return []
    numbered = sorted((number, name) for name in names if (number := folder_number(name)) is not None)
    folders = [Path(root) / model / name for _, name in numbered]
    return [ProducerFolder(path) for path in folders if path.is_dir() and not path.is_symlink()]


def models(root: Path) -> list[str]:
    """The names of the models that a journal has folders of."""
    try:
        return sorted(entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def sync(*paths: Path) -> None:
    """Put files and folders on disk. Raises ``OSError``; after one, none of the files may be taken as safe."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""The writer of a journal: streams with their layouts, segments opened and sealed, and rows put into slots."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vedette.capture.counters import Tally
from vedette.capture.folder import journal_bytes
from vedette.capture.format import FIELDS_MAX, FLAG_ID_NULL, FLAG_ID_TEXT, ID_BYTES_MAX, STREAMS, Layout
from vedette.capture.producer import Producer
from vedette.capture.row import Cell, place
from vedette.capture.segment import SegmentWriter, TextFull
from vedette.capture.values import Rejected
from vedette.errors import JournalError
from vedette.records import Field, Role, Settings, check_feature_names

__all__ = ["JournalWriter", "NoRoom", "Stream", "void_or_whole"]

NO_ROOM = "no room in the journal"
_LOCK_S = 1.0  # as long as a row may wait for another thread that opens a file; after that, rows are dropped
_RETRY_S = 1.0
_ATTEMPTS = 16
_INTERRUPTED, _UNWRITABLE = 1, 2  # keys of format.VOID_REASONS


class NoRoom(Exception):  # noqa: N818 - an outcome that is counted
    """The row cannot be put anywhere now; the message is the reason."""


class Stream:
    """One of the streams: its layout, and the segment that is being written."""

    def __init__(self, name: str, checksum: int) -> None:
        self.name = name
        self.layout = Layout((), checksum=checksum, ids=name == "labels")
        self.declared: frozenset[Field] = frozenset()
        self.segment: SegmentWriter | None = None
        self.highest = 0
        self.opened = 0
        self.retry_at = 0.0


class JournalWriter:
    """Puts rows into the journal of one model, from one process.

    ``changed(stream)`` is called, under the lock, whenever a stream has another layout or segment, or none.
    """

    def __init__(
        self,
        root: Path,
        model: str,
        version: str,
        settings: Settings,
        *,
        clock: Callable[[], float],
        segment_bytes: tuple[int, int],
        journal_bytes_max: int,
        checksum: int,
        changed: Callable[[Stream], None],
    ) -> None:
        self.root, self.model, self.version, self.settings = root, model, version, settings
        self.tally = Tally()
        self.streams = {name: Stream(name, checksum) for name in STREAMS}
        self.producer: Producer | None = None
        self._clock, self._changed = clock, changed
        self._first_bytes, self._largest_bytes = segment_bytes
        self._journal_bytes_max = journal_bytes_max
        self._batches = 0
        self._claim_at = 0.0
        self._lock = threading.RLock()
        self._busy = self._stuck = False

    def put(self, stream: Stream, cells: Sequence[Cell], key: bytes | None, event: float, now: float) -> None:
        """Put a row into a slot. Raises :class:`NoRoom`, or :class:`Rejected` where there are too many fields."""
        names = [cell.name for cell in cells if cell.role is Role.FEATURE]
        for _ in range(_ATTEMPTS):
            segment = stream.segment
            layout = stream.layout if segment is None else segment.layout
            placed = place(layout, stream.declared, cells)
            lacking = placed if isinstance(placed, list) else []
            grows = isinstance(placed, list) or not set(names).issubset(layout.names)
            if grows or isinstance(placed, list) or (key is not None and not layout.ids):
                self._grow(stream, layout, lacking, names, ids=key is not None)
                continue
            if segment is None:
                self._open(stream)
                continue
            try:
                for index in placed.texts:
                    placed.values[index] = segment.refer(placed.values[index])
                flags, short = _id_field(segment, key)
            except TextFull:
                self._roll(stream, segment)
                continue
            except OSError:
                raise NoRoom(NO_ROOM) from None
            except ValueError:
                continue  # the segment was closed meanwhile
            words = layout.words(placed.flags | flags)
            for n, offset, buffer in segment.slots:
                try:
                    segment.store(buffer, offset, n, event, now, *words, *placed.values, short, n)
                    return
                except BaseException as problem:  # noqa: BLE001 - passed on there where it must be
                    if void_or_whole(problem, segment, buffer, offset, n):
                        return
                    break
            self._roll(stream, segment)
        raise NoRoom("no slot could be had")

    def declare(self, fields: Sequence[Field]) -> None:
        """Take the types of fields as known. Raises ``SchemaError`` for names that collide, :class:`NoRoom`."""
        for name, stream in self.streams.items():
            mine = [
                field for field in dict.fromkeys(fields) if (field.role is Role.LABEL) == (name == "labels")
            ]
            features = dict.fromkeys(field.name for field in mine if field.role is Role.FEATURE)
            check_feature_names(
                (*stream.layout.names, *(n for n in features if n not in stream.layout.names))
            )
            stream.declared |= frozenset(mine)
            missing = [field for field in mine if field not in stream.layout.fields]
            if missing:
                self._grow(stream, stream.layout, missing, tuple(features))

    def write_batch(self, stream: str, n_rows: int, write: Callable[[Path], None]) -> int:
        """Put a batch into the journal and return its number. Raises :class:`NoRoom`, ``OSError``, ``JournalError``."""

        def bounded(path: Path) -> None:
            write(path)
            if journal_bytes(self.root) > self._journal_bytes_max:
                raise NoRoom(NO_ROOM)

        with self._exclusive():
            producer = self._claim()
            number = producer.reserve_batch()
        producer.write_batch(number, stream, n_rows, bounded)
        self._batches = max(self._batches, number)
        return number

    def ensure_folder(self) -> None:
        """Have a folder to count in, if one can be had now."""
        if not self.tally.attached and time.monotonic() >= self._claim_at:
            try:
                with self._exclusive():
                    self._claim_at = time.monotonic() + _RETRY_S
                    self._claim()
            except (NoRoom, OSError, JournalError):
                pass  # what is counted stays in memory until there is one

    def position(self) -> dict[str, int]:
        """The highest sequence handed out for each stream, and the highest batch number; 0 for none."""
        at = {
            name: stream.highest if (segment := stream.segment) is None else segment.next - 1
            for name, stream in self.streams.items()
        }
        return {**at, "batches": self._batches}

    def close(self) -> None:
        """Seal the segments, put everything on disk, release the folder. Raises ``OSError``, :class:`NoRoom`."""
        with self._exclusive():
            producer = self.producer
            if producer is None:
                return
            try:
                for stream in self.streams.values():
                    segment = stream.segment
                    self._seal(stream)
                    if segment is not None:
                        segment.sync()
            finally:
                self.tally.attach(None)
                self.producer = None
                producer.close()

    def after_fork(self) -> None:
        """In a child process: let go of all that is the parent's. The next row opens a folder of the child's own."""
        self._lock, self._busy, self._stuck = threading.RLock(), False, False
        self.tally.reset()
        producer, self.producer = self.producer, None
        self._batches = 0
        for stream in self.streams.values():
            segment, stream.segment, stream.highest = stream.segment, None, 0
            self._changed(stream)
            if segment is not None:
                segment.close()
        if producer is not None:
            producer.forget()

    def _grow(
        self,
        stream: Stream,
        layout: Layout,
        fields: Sequence[Field],
        names: Sequence[str],
        *,
        ids: bool = False,
    ) -> None:
        """Make the layout wider; the open segment is sealed unless only names without a type are new."""
        with self._exclusive():
            if stream.layout is layout:  # else another thread was first
                if len(layout.fields) + len(fields) > FIELDS_MAX or len({*layout.names, *names}) > FIELDS_MAX:
                    raise Rejected(f"more than {FIELDS_MAX} fields")
                stream.layout = layout.wider(fields, names, ids=ids)
            segment = stream.segment
            if segment is None or segment.layout is stream.layout:
                return
            if segment.layout.body.format == stream.layout.body.format:
                segment.layout = stream.layout
                self._changed(stream)
            else:
                self._seal(stream)

    def _open(self, stream: Stream) -> None:
        with self._exclusive():
            if stream.segment is None:
                self._open_now(stream)

    def _roll(self, stream: Stream, old: SegmentWriter) -> None:
        with self._exclusive():
            if stream.segment is old:
                self._seal(stream)
                self._open_now(stream)

    def _open_now(self, stream: Stream) -> None:
        if time.monotonic() < stream.retry_at:
            raise NoRoom(NO_ROOM)
        try:
            producer = self._claim()
            n_bytes = min(self._first_bytes << min(stream.opened, 20), self._largest_bytes)
            if journal_bytes(self.root) + n_bytes > self._journal_bytes_max:
                raise OSError(f"journal_bytes_max={self._journal_bytes_max} is reached")
            stream.segment = producer.open_segment(
                stream.name,
                stream.layout,
                model=self.model,
                version=self.version,
                settings=self.settings,
                created=float(self._clock()),
                n_bytes=n_bytes,
            )
            stream.opened += 1
        except (OSError, JournalError) as error:
            stream.retry_at = time.monotonic() + _RETRY_S
            raise NoRoom(f"{NO_ROOM}: {error}") from None
        self._changed(stream)

    def _seal(self, stream: Stream) -> None:
        segment = stream.segment
        if segment is not None and self.producer is not None:
            # sealed before it is let go: an interruption in between leaves a segment that is sealed again
            self.producer.seal(stream.name, segment)
            stream.highest = self.producer.next(stream.name) - 1
        stream.segment = None
        self._changed(stream)

    def _claim(self) -> Producer:
        if self.producer is None:
            self.producer = Producer.claim(self.root, self.model)
        if not self.tally.attached:
            self.tally.attach(self.producer.counters)
        return self.producer

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Be the one thread that changes files. A row does not wait long for it, and never for itself."""
        lock = self._lock
        if not lock.acquire(timeout=0.0 if self._stuck else _LOCK_S):
            self._stuck = True
            raise NoRoom("another thread held the journal for too long")
        try:
            self._stuck = False
            if self._busy:  # a signal handler or a finaliser, in the middle of this very thread's work
                raise NoRoom("logged from inside the recorder")
            self._busy = True
            try:
                yield
            finally:
                self._busy = False
        finally:
            lock.release()


def void_or_whole(
    problem: BaseException, segment: SegmentWriter, buffer: Any, offset: int, sequence: int
) -> bool:
    """After a store raised: True where the slot is whole or was made void, False where the row has no slot.

    Passes on what must not be swallowed (``KeyboardInterrupt``, ``SystemExit`` and the like).
    """
    passing = not isinstance(problem, Exception)
    done = True
    try:
        if not segment.is_written(buffer, offset, sequence):
            segment.void(buffer, offset, sequence, _INTERRUPTED if passing else _UNWRITABLE)
    except ValueError:
        done = False  # the map is closed: this is a child process, and the segment is its parent's
    except OSError:
        pass  # not even a void slot fits on the disk: the reader counts it as torn
    if passing:
        raise problem
    return done


def _id_field(segment: SegmentWriter, key: bytes | None) -> tuple[int, bytes]:
    """The flag and the bytes of an id in a slot; a long one lies among the texts."""
    if key is None:
        return FLAG_ID_NULL, b""
    if len(key) <= ID_BYTES_MAX:
        return 0, key
    return FLAG_ID_TEXT, segment.refer(key.decode()).to_bytes(8, "little")

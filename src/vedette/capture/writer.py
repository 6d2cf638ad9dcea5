"""The writer of a journal: streams with their layouts, segments opened and sealed, and rows put into slots."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vedette.capture.ahead import Ahead
from vedette.capture.core import core
from vedette.capture.format import (
    FIELDS_MAX,
    FLAG_ID_NULL,
    FLAG_ID_TEXT,
    ID_BYTES_MAX,
    PAGE,
    ROW_BYTES_MAX,
    STREAMS,
    Layout,
)
from vedette.capture.guard import can_guard
from vedette.capture.producer import Producer
from vedette.capture.room import Room
from vedette.capture.row import Cell, place
from vedette.capture.segment import SegmentPlan, SegmentWriter, has_texts
from vedette.capture.stream import Stream
from vedette.capture.tally import Tally
from vedette.capture.texts import TextFull
from vedette.capture.turn import NoRoom, Turn
from vedette.capture.values import Rejected
from vedette.errors import JournalError
from vedette.records import Field, Role, Settings, check_feature_names

__all__ = ["JournalWriter", "reason_of", "void_or_whole"]

NO_ROOM = "no room in the journal"
_RETRY_S = 1.0
_ATTEMPTS = 16
_INTERRUPTED, _UNWRITABLE = 1, 2  # keys of format.VOID_REASONS
_CLOSE_S = 2.0
_SOON_S = 10.0  # a segment that was full in less is followed by one that is made at once
_HASTY_S = 1.0  # and only one that was full in less, as the core alone can, by one of over _LARGE_BYTES
_LARGE_BYTES = 2**25
_CHECKED_ROWS = 20_000 if core is None else 2**62  # checked at each sync; in Python a row costs a microsecond
_RETIRED_MAX = 64  # sealed segments that wait for the keeper, each with its maps
_RETIRED_BYTES_MAX = 2**27  # and what those take
_BEHIND = 2  # with more segments than this to complete, they are left without check words
_READY_ROWS = 64  # faulted in beyond twice what came since the last time


class JournalWriter:
    """Puts rows into the journal of one model, from one process.

    ``changed(stream)`` is called, under the lock, whenever a stream has another layout or segment, or none; ``wake()``
    when there is work for the keeper, and returns False where there is none to do it.
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
        changed: Callable[[Stream], None],
        wake: Callable[[], bool],
        sync_s: float,
    ) -> None:
        self.root, self.model, self.version, self.settings = root, model, version, settings
        can_guard()  # what it imports now is not imported by a row: a child forked meanwhile would wait for ever
        self.tally = Tally(clock, lambda: self.settings.window_s)
        self.streams = {name: Stream(name) for name in STREAMS}
        self.producer: Producer | None = None
        self.sync_s = sync_s
        self._clock, self._changed, self._wake = clock, changed, wake
        self._first_bytes, self._largest_bytes = segment_bytes
        self._room = Room(root, journal_bytes_max)
        self._batches = 0
        self._claim_at = 0.0
        self._turn, self._numbering, self._named_within = Turn(), threading.RLock(), False
        self._tending = threading.Lock()
        self.tended: Callable[[], None] | None = None  # called with each sync, by the keeper

    @property
    def pressure(self) -> float:
        """The share of the journal's room that is taken."""
        return self._room.share

    def check_room(self, stream: Stream) -> None:
        """Raise :class:`NoRoom` where a row need not be looked at, for there was no room a moment ago."""
        if stream.segment is None and time.monotonic() < stream.retry_at:
            raise NoRoom(NO_ROOM)

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
            if segment.spoilt:
                self._roll(stream, segment)
                continue
            try:
                for index in placed.texts:
                    placed.values[index] = segment.refer(placed.values[index])
                flags, short = _id_field(segment, key)
            except TextFull:
                stream.text_bytes = min(2 * stream.text_bytes, self._largest_bytes)
                self._roll(stream, segment)
                continue
            except OSError:
                raise NoRoom(NO_ROOM) from None
            except ValueError:
                continue  # the segment was closed meanwhile
            words = layout.words(placed.flags | flags)
            try:
                for n, offset, buffer in segment.slots:
                    try:
                        segment.store(buffer, offset, n, event, now, *words, *placed.values, short, n)
                        if segment.broken:
                            break
                        return
                    except BaseException as problem:  # noqa: BLE001 - passed on there where it must be
                        if void_or_whole(problem, segment, buffer, offset, n):
                            return
                        break
            except MemoryError:
                segment.spoilt = True
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
            if not self._room.suffices():
                raise NoRoom(NO_ROOM)

        with self._turn.taken():
            producer = self._claim()
        fresh, checksum = producer.write_batch(bounded)
        with self._numbering:
            if (
                producer is not self.producer or self._named_within
            ):  # closed meanwhile; or by a signal handler
                fresh.unlink(missing_ok=True)
                raise NoRoom("the recorder was closed, or at work, meanwhile")
            self._named_within = True
            try:
                number = self._batches = producer.name_batch(fresh, checksum, stream, n_rows)
            finally:
                self._named_within = False
        return number

    def renew(self) -> None:
        """Have each way in read the settings anew. Raises :class:`NoRoom`."""
        with self._turn.taken():
            for stream in self.streams.values():
                self._changed(stream)

    def ensure_folder(self) -> None:
        """Have a folder to count in, if one can be had now."""
        if not self.tally.attached:
            try:
                # a thread that is at it is waited for: what is counted meanwhile would be gone with the process
                with self._turn.taken():
                    if not self.tally.attached and time.monotonic() >= self._claim_at:
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
        with self._turn.taken():
            producer, self.producer = self.producer, None
            if producer is None:
                return
            for stream in self.streams.values():
                self._seal(stream, producer)
                try:  # now: a row of another thread, which takes another folder, must not find it
                    self._discard_spare(stream)
                except OSError:
                    pass  # it means nothing, and whoever adopts the folder deletes it
            self.tally.attach(None)
        held = self._tending.acquire(timeout=_CLOSE_S)  # a disk that does not answer keeps the keeper
        try:
            for stream in self.streams.values() if held else ():
                self._complete(stream)
        finally:
            if held:
                self._tending.release()
            with self._numbering:  # a batch that is being named keeps the folder until it is
                producer.close()

    def prepare(self) -> None:
        """Make ready what rows would else wait for: the segment that follows, and pages that are not faulted in.

        The keeper's thread calls it.
        """
        for stream in self.streams.values():
            producer, segment = self.producer, stream.segment
            if segment is None:
                continue
            try:
                self._prepare(stream, segment)
                segment.fault_in()
            except ValueError:  # the map was closed meanwhile, with the recorder
                if producer is self.producer and segment is stream.segment:
                    raise

    def complete(self) -> None:
        """Complete the segments that were sealed, and go on in others where other hands were at the open ones.

        The keeper's other thread calls it. Raises ``OSError``; the next call goes on.
        """
        with self._tending:
            for stream in self.streams.values():
                self._complete(stream)
                segment = stream.segment
                if segment is not None and not segment.intact:
                    self._replace(stream, segment)

    def sync(self) -> None:
        """Put what was written on disk. Raises ``OSError``; the next call goes on."""
        if self.tended is not None:
            self.tended()
            self._room.look()
        with self._tending:
            for stream in self.streams.values():
                if stream.segment is not None:
                    self._sync(stream, stream.segment)
            producer = self.producer
            if producer is not None and self.sync_s:
                producer.sync()

    def _replace(self, stream: Stream, segment: SegmentWriter) -> None:
        """Go on in another segment."""
        try:
            self._roll(stream, segment)
        except NoRoom:
            pass  # the next row says so, or finds that there is room again

    def after_fork(self) -> None:
        """In a child process: let go of all that is the parent's. The next row opens a folder of the child's own."""
        self._turn, self._numbering, self._named_within = Turn(), threading.RLock(), False
        self._tending = threading.Lock()
        self.tally.reset()
        self._claim_at = 0.0  # the parent has just had a folder; this process has none to count in
        producer, self.producer = self.producer, None
        self._batches = 0
        self._room.after_fork()
        for stream in self.streams.values():
            held = [stream.segment, *(segment for segment, _ in stream.retired)]
            spare, stream.spare, stream.segment = stream.spare, None, None
            stream.retired.clear()
            stream.highest = 0
            self._changed(stream)
            for segment in held:
                if segment is not None:
                    segment.close()
            if spare is not None:
                spare.forget()
        if producer is not None:
            producer.forget()

    def _prepare(self, stream: Stream, segment: SegmentWriter) -> None:
        """Make the segment that will follow, where this one will be full soon."""
        spare = stream.spare
        if spare is not None and (spare.first != segment.limit or spare.layout is not segment.layout):
            self._discard_spare(stream)
            spare = None
        half = segment.first + (segment.limit - segment.first) // 2
        producer = self.producer
        if producer is None or spare is not None or (stream.lasted > _SOON_S and segment.next < half):
            return
        plan = self._plan(producer, stream, segment.layout, segment.limit)
        spare = Ahead(plan)
        try:
            with self._room.taken(_bytes_of(plan)):
                with self._turn.taken():
                    if producer is not self.producer:  # closed meanwhile
                        return
                    stream.spare = spare
                spare.make()
            stream.opened += 1
        except NoRoom:
            pass  # somebody holds the journal for long
        except OSError:
            if stream.spare is spare:
                stream.spare = None  # the row that needs it will say so

    @staticmethod
    def _discard_spare(stream: Stream) -> None:
        spare, stream.spare = stream.spare, None
        if spare is not None:
            spare.discard()

    def _sync(self, stream: Stream, segment: SegmentWriter) -> None:
        """Put what was written since the last time on disk, and fault in as much again for what comes until the next."""
        n = segment.next
        new = n - segment.synced
        if not new:
            return
        segment.check(max(n - new, n - _CHECKED_ROWS), n)
        if not self.sync_s:
            segment.synced = n
            return
        try:
            segment.sync(n)
            self._sync_names(segment)
        except OSError:
            # not tried again on the same file: the system may have taken its pages as clean and will not write them
            self._replace(stream, segment)
            raise
        segment.ready(2 * new + _READY_ROWS)

    def _complete(self, stream: Stream) -> None:
        """Complete the segments that were sealed, and put them on disk."""
        while stream.retired:
            behind = len(stream.retired) > _BEHIND
            try:
                segment, end = stream.retired.popleft()
            except IndexError:  # a row's thread was first
                return
            segment.finish(end, check=core is not None or not behind)
            self._sync_names(segment)

    def _sync_names(self, segment: SegmentWriter) -> None:
        producer = self.producer  # none while the recorder is being closed, which does the same in the end
        if producer is not None and not segment.named:
            producer.sync_names()
            segment.named = True

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
        with self._turn.taken():
            if stream.layout is layout:  # else another thread was first
                if len(layout.fields) + len(fields) > FIELDS_MAX or len({*layout.names, *names}) > FIELDS_MAX:
                    raise Rejected(f"more than {FIELDS_MAX} fields")
                wider = layout.wider(fields, names, ids=ids)
                if wider.slot_bytes > ROW_BYTES_MAX:
                    raise Rejected(f"row wider than {ROW_BYTES_MAX} bytes")
                stream.layout = wider
            segment = stream.segment
            if segment is None or segment.layout is stream.layout:
                return
            if segment.layout.body.format == stream.layout.body.format:
                segment.layout = stream.layout
                self._changed(stream)
            else:
                self._seal(stream)

    def _open(self, stream: Stream) -> None:
        with self._turn.taken():
            if stream.segment is None:
                self._open_now(stream)

    def _roll(self, stream: Stream, old: SegmentWriter) -> None:
        with self._turn.taken():
            # one that another thread opened may be full by now: rows that only waited for it would wait again and again
            if (segment := stream.segment) is not None and (segment is old or segment.next == segment.limit):
                self._seal(stream)
                self._open_now(stream)

    def _open_now(self, stream: Stream) -> None:
        if time.monotonic() < stream.retry_at:
            raise NoRoom(NO_ROOM)
        try:
            producer = self._claim()
            made = self._take_spare(stream, producer)
            if made is None:
                plan = self._plan(producer, stream, stream.layout, producer.next(stream.name))
                with self._room.taken(_bytes_of(plan)):
                    made = SegmentWriter(plan)
                stream.opened += 1
            try:
                producer.use(stream.name, made)
                stream.segment = made
            except (
                BaseException
            ):  # interrupted in between: a second one with the same first sequence would follow
                made.discard()
                raise
            stream.began = time.monotonic()
        except (OSError, JournalError) as error:
            stream.retry_at = time.monotonic() + _RETRY_S
            if isinstance(error, FileNotFoundError):
                self._let_go()
                stream.retry_at = 0.0  # the next row takes another folder
                raise NoRoom("the journal's folder was deleted") from None
            raise NoRoom(f"{NO_ROOM}: {reason_of(error)}") from None
        self._changed(stream)
        self._wake()

    @staticmethod
    def _take_spare(stream: Stream, producer: Producer) -> SegmentWriter | None:
        """The segment that was made ahead, where it is there and follows; else the keeper deletes it."""
        spare = stream.spare
        if spare is None or spare.layout is not stream.layout or spare.folder != producer.path:
            return None
        made = spare.take() if spare.first == producer.next(stream.name) else None
        if made is None or not made.intact:
            return None
        stream.spare = None
        return made

    def _let_go(self) -> None:
        """Somebody has deleted the folder: the next attempt takes another."""
        producer, self.producer = self.producer, None
        self.tally.attach(None)
        for stream in self.streams.values():
            stream.segment, stream.spare, stream.highest = None, None, 0
            self._changed(stream)
        if producer is not None:
            with self._numbering:
                producer.forget()

    def _plan(self, producer: Producer, stream: Stream, layout: Layout, first: int) -> SegmentPlan:
        n_bytes = min(self._first_bytes << min(stream.opened, 20), self._largest_bytes)
        if core is None or stream.lasted > _HASTY_S:
            n_bytes = min(n_bytes, max(self._first_bytes, _LARGE_BYTES))
        text_bytes = min(stream.text_bytes, n_bytes) if has_texts(layout) else 0
        return producer.plan_segment(
            stream.name,
            layout,
            first,
            model=self.model,
            version=self.version,
            settings=self.settings,
            created=float(self._clock()),
            n_bytes=n_bytes,
            text_bytes=text_bytes,
        )

    def _seal(self, stream: Stream, producer: Producer | None = None) -> None:
        segment, producer = stream.segment, producer or self.producer
        if segment is not None and producer is not None:
            # sealed before it is let go: an interruption in between leaves a segment that is sealed again
            end = producer.seal(stream.name, segment)
            stream.highest = end - 1
            stream.lasted = time.monotonic() - stream.began if end == segment.limit else math.inf
            if not segment.retired:
                segment.retired = True
                stream.retired.append((segment, end))
            waiting = sum(one.file.size for one, _ in stream.retired.copy())
            if len(stream.retired) > _RETIRED_MAX or waiting > max(_RETIRED_BYTES_MAX, segment.file.size):
                self._let_one_go(stream)
        stream.segment = None
        self._changed(stream)
        if not self._wake():
            self._complete_now(stream)

    def _let_one_go(self, stream: Stream) -> None:
        """Cut the oldest sealed segment off behind its rows and leave the rest: the keeper comes too late for all."""
        try:
            segment, end = stream.retired.popleft()
            segment.finish(end, check=False, sync=False)
        except (IndexError, OSError):
            pass  # the keeper was first; or the file stays as long as it is, and its reader finds the end

    def _complete_now(self, stream: Stream) -> None:
        """Complete sealed segments without a keeper, if nobody else is at it."""
        if self._tending.acquire(blocking=False):
            try:
                self._complete(stream)
            except OSError:
                pass  # the disk is full or failing: the rows are where they were, and the reader finds their end
            finally:
                self._tending.release()

    def _claim(self) -> Producer:
        if self.producer is None:
            self.producer = Producer.claim(self.root, self.model)
        if not self.tally.attached:
            self.tally.attach(self.producer.counters)
        return self.producer


def reason_of(error: Exception) -> str:
    """What went wrong without the file's name, so that the same trouble is the same reason each time."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


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


def _bytes_of(plan: SegmentPlan) -> int:
    """The room that the files of a segment take."""
    return plan.size + plan.text_bytes + 2 * PAGE


def _id_field(segment: SegmentWriter, key: bytes | None) -> tuple[int, bytes]:
    """The flag and the bytes of an id in a slot; a long one lies among the texts."""
    if key is None:
        return FLAG_ID_NULL, b""
    if len(key) <= ID_BYTES_MAX:
        return 0, key
    return FLAG_ID_TEXT, segment.refer(key.decode()).to_bytes(8, "little")

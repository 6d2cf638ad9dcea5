"""The recorder: what runs in the model's process and puts each row into the journal.

``log`` and ``label`` never raise into the caller and never wait for a network: what cannot be kept is counted, with
its reason, and said once a minute through the logger ``vedette``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vedette.capture import process, values
from vedette.capture.compiled import compile_log, install, make_log
from vedette.capture.counters import Tally
from vedette.capture.folder import journal_bytes
from vedette.capture.format import (
    CHECKSUM_NONE,
    FIELDS_MAX,
    FLAG_ID_NULL,
    FLAG_ID_TEXT,
    ID_BYTES_MAX,
    STREAMS,
    Layout,
)
from vedette.capture.producer import Producer
from vedette.capture.row import Cell, label_cells, place, prediction_cells, snapshot
from vedette.capture.segment import SegmentWriter, TextFull
from vedette.capture.values import Rejected
from vedette.errors import JournalError, SchemaError
from vedette.records import Field, Role, Settings, check_feature_names, check_model_name

__all__ = ["Recorder"]

NO_ROOM = "no room in the journal"
_LOCK_S = 1.0  # as long as a row may wait for another thread that opens a file; after that, rows are dropped
_RETRY_S = 1.0
_SAY_S = 60.0
_SAID_MAX = 256
_ATTEMPTS = 16
_INTERRUPTED, _UNWRITABLE = 1, 2  # keys of format.VOID_REASONS
_logger = logging.getLogger("vedette")


class _NoRoom(Exception):  # noqa: N818 - an outcome that is counted
    """The row cannot be put anywhere now; the message is the reason."""


class _Stream:
    """One of a recorder's streams: its layout, and the segment that is being written."""

    def __init__(self, name: str, checksum: int) -> None:
        self.name = name
        self.layout = Layout((), checksum=checksum)
        self.generation = 0  # counts the layouts
        self.declared: frozenset[Field] = frozenset()
        self.segment: SegmentWriter | None = None
        self.highest = 0
        self.retry_at = 0.0


class Recorder:
    """Records the predictions and labels of one model into a journal.

    ``root`` is the journal's folder and ``version`` the model's. ``clock`` returns seconds since 1970-01-01 UTC.
    ``segment_bytes`` is the size of one preallocated file, ``journal_bytes_max`` the room that all files below
    ``root`` may take: what does not fit is dropped and counted. With ``checksum=1`` each slot carries a CRC-32, at
    about a third of a microsecond a row.

    Nothing is opened before the first row. ``log`` and ``label`` are bound to the instance and may be kept.

    >>> import tempfile
    >>> recorder = Recorder(Path(tempfile.mkdtemp()), "delays", "3", Settings())
    >>> recorder.log({"distance_km": 12.5, "rain": True}, 1, probability=0.93, id="a1")
    >>> recorder.label("a1", 0)
    >>> recorder.position()
    {'predictions': 1, 'labels': 1, 'batches': 0}
    >>> recorder.close()
    """

    def __init__(
        self,
        root: Path,
        model: str,
        version: str,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        segment_bytes: int = 4 * 2**20,
        journal_bytes_max: int = 2**30,
        checksum: int = CHECKSUM_NONE,
    ) -> None:
        if segment_bytes < 4096:
            raise ValueError(f"segment_bytes={segment_bytes}: must be at least 4096")
        self.root, self.model, self.version, self.settings = (
            Path(root),
            check_model_name(model),
            version,
            settings,
        )
        self._clock = clock
        self._segment_bytes, self._journal_bytes_max = segment_bytes, journal_bytes_max
        self._streams = {name: _Stream(name, checksum) for name in STREAMS}
        self._predictions, self._labels = self._streams["predictions"], self._streams["labels"]
        self._producer: Producer | None = None
        self._batches = 0
        self._tally = Tally()
        self._lock = threading.RLock()
        self._busy = self._stuck = False
        self._said: dict[str, float] = {}
        self._compiled = -1  # the generation of the layout that log is compiled for
        # what the compiled log calls when a row is not usual
        self.fit_float, self.fit_integer, self.key = values.fit_float, values.fit_integer, _key
        self.spilt = self._tally.pending.append
        self._log = make_log(clock, self)
        self.log: Callable[..., None] = self._log
        process.register(self)

    # -- rows

    def label(self, id: Any, label: Any, *, time: Any = None) -> None:  # noqa: A002 - the public name
        """Record the truth about the prediction with this id; ``time`` is when it became known."""
        with self._counting("labels"):
            now = float(self._clock())
            key = _identifier(id)
            if key is None:
                raise Rejected("id: a label needs one")
            cells = label_cells(label)
            self._put(self._labels, cells, key, self._event(time, now), now)

    def general(
        self,
        features: Any,
        prediction: Any,
        probability: Any,
        id: Any,
        latency_s: Any,
        time: Any,  # noqa: A002
    ) -> None:
        """Record a prediction of any shape: ``log`` comes here with what its compiled way does not take."""
        with self._counting("predictions"):
            now = float(self._clock())
            given = snapshot(features)
            key, event = _identifier(id), self._event(time, now)
            cells = prediction_cells(self._predictions.layout, given, prediction, probability, latency_s)
            self._put(self._predictions, cells, key, event, now)

    def void(
        self, problem: BaseException, segment: SegmentWriter, buffer: Any, offset: int, sequence: int
    ) -> bool:
        """After a store raised: True where the slot is whole or was made void, False where the row has no slot.

        Passes on what must not be swallowed (``KeyboardInterrupt``, ``SystemExit`` and the like).
        """
        passing = not isinstance(problem, Exception)
        try:
            done = segment.is_written(buffer, offset, sequence)
            if not done:
                segment.void(buffer, offset, sequence, _INTERRUPTED if passing else _UNWRITABLE)
                done = True
        except ValueError:
            done = False  # the map is closed: this is a child process, and the segment is its parent's
        except OSError:
            done = True  # not even a void slot fits on the disk: the reader counts it as torn
        if passing:
            raise problem
        return done

    def _put(self, stream: _Stream, cells: list[Cell], key: bytes | None, event: float, now: float) -> None:
        for _ in range(_ATTEMPTS):
            segment = stream.segment
            layout = stream.layout if segment is None else segment.layout
            names = tuple(cell.name for cell in cells if cell.role is Role.FEATURE)
            placed = place(layout, stream.declared, cells)
            if isinstance(placed, list) or not set(names).issubset(layout.names):
                self._grow(stream, layout, placed if isinstance(placed, list) else [], names)
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
                raise _NoRoom(NO_ROOM) from None
            except ValueError:
                continue  # closed under our hands
            words = layout.words(placed.flags | flags)
            for n, offset, buffer in segment.slots:
                try:
                    segment.store(buffer, offset, n, event, now, *words, *placed.values, short, n)
                    return
                except BaseException as problem:
                    if self.void(problem, segment, buffer, offset, n):
                        return
                    break
            self._roll(stream, segment)
        raise _NoRoom("no slot could be had")

    def _event(self, given: Any, now: float) -> float:
        if given is None:
            return now
        event, naive = values.event_time(given, now)
        if naive:
            self._say("a time without a time zone was taken as UTC")
        return event

    # -- what is not kept

    def reject(self, stream: str, reason: str, n: int = 1) -> None:
        """Count rows that cannot be kept, with the reason."""
        self._tally.add(stream, "rejected", reason, n)
        self._say(f"{stream}: rejected: {reason}")

    def drop(self, stream: str, reason: str, n: int = 1) -> None:
        """Count rows that could have been kept had there been room or time."""
        self._tally.add(stream, "dropped", None, n)
        self._say(f"{stream}: dropped: {reason}")

    def sample_out(self, stream: str, n: int = 1) -> None:
        """Count rows that a sampler left out."""
        self._tally.add(stream, "sampled_out", None, n)

    @contextmanager
    def _counting(self, stream: str) -> Iterator[None]:
        """Whatever happens inside to one row of the stream is counted, and raised only where it must be."""
        try:
            yield
        except Rejected as reason:
            self.reject(stream, str(reason))
        except SchemaError as reason:
            self.reject(stream, str(reason))
        except _NoRoom as reason:
            self.drop(stream, str(reason))
        except Exception as error:  # noqa: BLE001 - the edge: the model must not feel our faults or the caller's
            self.reject(stream, f"recording raised {type(error).__name__}")

    def _say(self, what: str) -> None:
        """One line a minute for each thing; never an exception, whatever handlers the user installed."""
        now = time.monotonic()
        if now < self._said.get(what, 0.0):
            return
        if len(self._said) >= _SAID_MAX:
            self._said.clear()
        self._said[what] = now + _SAY_S
        try:
            _logger.warning("%s: %s (said once a minute at most; all are counted)", self.model, what)
        except Exception:  # noqa: BLE001 - a handler of the user's
            pass

    # -- layouts, segments and batches

    def declare(self, fields: Sequence[Field]) -> None:
        """Take the types of fields as known, from a reference. Raises ``SchemaError`` for names that collide."""
        for name, stream in self._streams.items():
            mine = [field for field in fields if (field.role is Role.LABEL) == (name == "labels")]
            if not mine:
                continue
            features = tuple(dict.fromkeys(field.name for field in mine if field.role is Role.FEATURE))
            check_feature_names(
                (*stream.layout.names, *(n for n in features if n not in stream.layout.names))
            )
            stream.declared |= frozenset(mine)
            missing = [field for field in dict.fromkeys(mine) if field not in stream.layout.fields]
            if missing:
                self._grow(stream, stream.layout, missing, features)

    def _grow(self, stream: _Stream, layout: Layout, fields: Sequence[Field], names: Sequence[str]) -> None:
        """Make the layout wider; the open segment is sealed unless only names without a type are new."""
        with self._exclusive():
            if stream.layout is not layout:
                return  # another thread was first
            if (
                len(layout.fields) + len(fields) > FIELDS_MAX
                or len(set((*layout.names, *names))) > FIELDS_MAX
            ):
                raise Rejected(f"more than {FIELDS_MAX} fields")
            stream.layout = layout.wider(fields, names)
            stream.generation += 1
            if stream.segment is not None and not fields:
                stream.segment.layout = stream.layout
                self._install(stream, recompile=True)
            else:
                self._seal(stream)

    def _open(self, stream: _Stream) -> None:
        with self._exclusive():
            if stream.segment is None:
                self._open_now(stream)

    def _roll(self, stream: _Stream, old: SegmentWriter) -> None:
        with self._exclusive():
            if stream.segment is old:
                self._seal(stream)
                self._open_now(stream)

    def _open_now(self, stream: _Stream) -> None:
        if time.monotonic() < stream.retry_at:
            raise _NoRoom(NO_ROOM)
        try:
            producer = self._claim()
            if journal_bytes(self.root) + self._segment_bytes > self._journal_bytes_max:
                raise OSError(f"the journal has reached journal_bytes_max={self._journal_bytes_max}")
            stream.segment = producer.open_segment(
                stream.name,
                stream.layout,
                model=self.model,
                version=self.version,
                settings=self.settings,
                created=float(self._clock()),
                n_bytes=self._segment_bytes,
            )
        except (OSError, JournalError) as error:
            stream.retry_at = time.monotonic() + _RETRY_S
            raise _NoRoom(f"{NO_ROOM}: {error}") from None
        self._install(stream, recompile=True)

    def _claim(self) -> Producer:
        if self._producer is None:
            self._producer = Producer.claim(self.root, self.model)
            self._tally.attach(self._producer.counters)
        return self._producer

    def _seal(self, stream: _Stream) -> None:
        segment, stream.segment = stream.segment, None
        self._install(stream, recompile=False)
        if segment is not None and self._producer is not None:
            self._producer.seal(stream.name, segment)
            stream.highest = self._producer.next(stream.name) - 1

    def _install(self, stream: _Stream, *, recompile: bool) -> None:
        """Let ``log`` write into the stream's segment as it is now."""
        if stream is not self._predictions:
            return
        segment = stream.segment
        if segment is None:
            install(self._log, None, (0, (), None, None))
            return
        code = None
        if recompile and self._compiled != stream.generation:
            code = compile_log(stream.layout, stream.generation)
            self._compiled = stream.generation
        install(self._log, code, (stream.generation, segment.slots, segment, segment.store))

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Be the one thread that changes files. A row does not wait long for it, and never for itself."""
        lock = self._lock
        if not lock.acquire(timeout=0.0 if self._stuck else _LOCK_S):
            self._stuck = True
            raise _NoRoom("another thread held the journal for too long")
        try:
            self._stuck = False
            if self._busy:  # a signal handler or a finaliser, in the middle of this very thread's work
                raise _NoRoom("logged from inside the recorder")
            self._busy = True
            try:
                yield
            finally:
                self._busy = False
        finally:
            lock.release()

    def write_batch(self, stream: str, n_rows: int, write: Callable[[Path], None]) -> int:
        """Put a batch of rows into the journal and return its number, 0 where there was no room (counted).

        ``write`` is called with a path and writes an Arrow IPC file there; what it raises passes through. ``stream``
        is predictions, labels or reference; a reference that cannot be kept raises ``JournalError``.
        """
        if stream not in (*STREAMS, "reference"):
            raise ValueError(f"stream={stream!r}: must be predictions, labels or reference")

        def bounded(path: Path) -> None:
            write(path)
            if journal_bytes(self.root) > self._journal_bytes_max:
                raise _NoRoom(NO_ROOM)

        try:
            with self._exclusive():
                producer = self._claim()
                number = producer.reserve_batch()
            producer.write_batch(number, stream, n_rows, bounded)
        except (_NoRoom, OSError, JournalError) as error:
            if stream == "reference":
                raise JournalError(
                    f"the reference could not be put into the journal at {self.root}: {error}"
                ) from error
            self.drop(stream, f"a batch: {error}", n_rows)
            return 0
        self._batches = max(self._batches, number)
        return number

    def position(self) -> dict[str, int]:
        """The highest sequence handed out to this process for each stream, and the highest batch number; 0 for none."""
        at = {
            name: stream.highest if (segment := stream.segment) is None else segment.next - 1
            for name, stream in self._streams.items()
        }
        return {**at, "batches": self._batches}

    @property
    def producer(self) -> str | None:
        """The name of the folder that this process writes into, None before the first row."""
        producer = self._producer
        return None if producer is None else producer.path.name

    def close(self) -> None:
        """Seal the segments, put everything on disk and release the folder. A row logged later opens it again."""
        try:
            with self._exclusive():
                producer = self._producer
                if producer is None:
                    return
                for stream in self._streams.values():
                    segment = stream.segment
                    self._seal(stream)
                    if segment is not None:
                        segment.sync()
                self._tally.attach(None)
                self._producer = None
                producer.close()
        except (_NoRoom, OSError) as error:
            self._say(f"closing: {error}")

    def after_fork(self) -> None:
        """In a child process: let go of all that is the parent's. The next row opens a folder of the child's own."""
        self._lock, self._busy, self._stuck = threading.RLock(), False, False
        self._tally.reset()
        producer, self._producer = self._producer, None
        self._batches = 0
        for stream in self._streams.values():
            segment, stream.segment, stream.highest = stream.segment, None, 0
            self._install(stream, recompile=False)
            if segment is not None:
                segment.close()
        if producer is not None:
            producer.forget()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # noqa: BLE001 - __init__ may have failed, or the interpreter is going down
            pass


def _identifier(given: Any) -> bytes | None:
    try:
        return values.identifier(given)
    except Rejected as reason:
        raise Rejected(f"id: {reason}") from None


def _key(given: Any) -> bytes:
    """An id that is not None for the compiled log."""
    key = values.identifier(given)
    if key is None:
        raise Rejected("null")
    return key


def _id_field(segment: SegmentWriter, key: bytes | None) -> tuple[int, bytes]:
    """The flag and the bytes of an id in a slot; a long one lies among the texts."""
    if key is None:
        return FLAG_ID_NULL, b""
    if len(key) <= ID_BYTES_MAX:
        return 0, key
    return FLAG_ID_TEXT, segment.refer(key.decode()).to_bytes(8, "little")

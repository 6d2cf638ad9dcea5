"""The recorder: what runs in the model's process and puts each row into the journal.

``log`` and ``label`` never raise into the caller and never wait for a network: what cannot be kept is counted, with
its reason, and said once a minute through the logger ``vedette``.
"""

from __future__ import annotations

import copy
import logging
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from vedette.capture.compiled import CompiledLog
from vedette.capture.concurrency import Load
from vedette.capture.core import core
from vedette.capture.core_log import CoreLog
from vedette.capture.format import STREAMS
from vedette.capture.keeper import keep, wake
from vedette.capture.process import register
from vedette.capture.row import label_cells, prediction_cells, snapshot
from vedette.capture.sampling import SAMPLERS, All
from vedette.capture.sampling.draws import Drawn, LeftOut
from vedette.capture.stages import Stages
from vedette.capture.stream import Stream
from vedette.capture.structured import OWN_COLUMNS, label_json, prediction_json
from vedette.capture.turn import NoRoom
from vedette.capture.values import Rejected, event_time, fit_float, fit_integer, identifier
from vedette.capture.writer import JournalWriter, reason_of, void_or_whole
from vedette.errors import JournalError, SchemaError
from vedette.records import (
    JOURNAL_BYTES_MAX,
    STRUCTURED,
    SYNC_S,
    Field,
    Settings,
    check_model_name,
    check_sync_s,
    class_name,
)

if TYPE_CHECKING:
    from vedette.capture.private import Private
    from vedette.capture.sampling import Sampler

__all__ = ["Recorder"]

_SAY_S = 60.0
_SEGMENT_BYTES = (2**22, 2**27)
_SAID_MAX = 256
_logger = logging.getLogger("vedette")


class Recorder:
    """Records the predictions and labels of one model into a journal.

    ``root`` is the journal's folder and ``version`` the model's. ``clock`` returns seconds since 1970-01-01 UTC.
    ``segment_bytes`` is the size of one preallocated file, or of the first and the largest one (default 4 and 128 MiB,
    or an eighth of the journal): each is twice as large as the one before, so that a busy model seldom changes files;
    above 32 MiB only where one is full within a second.
    ``journal_bytes_max`` is the room that all files below ``root`` may take: what does not fit is dropped and counted.
    ``sync_s`` is how often what was written is put on disk in the background, for a power loss (a kill takes nothing that
    is written); 0 leaves that to the system.

    Nothing is opened before the first row. ``log`` and ``label`` are bound to the instance and may be kept.

    >>> import tempfile
    >>> recorder = Recorder(Path(tempfile.mkdtemp()), "delays", "3", Settings())
    >>> recorder.log({"distance_km": 12.5, "rain": True}, 1, probability=0.93, id="a1")
    >>> recorder.label("a1", 0)
    >>> recorder.position()
    {'predictions': 1, 'labels': 1, 'batches': 0}
    >>> recorder.close()
    """

    log: Callable[..., None]
    """``log(features, prediction=None, *, probability=None, id=None, latency_s=None, time=None, error=None, inclusion=None)``
    records one prediction. ``features`` is a mapping from name to value, ``probability`` a number, a mapping from class to
    number or a list in the order of the settings' classes, ``time`` seconds, a datetime or ISO 8601 text (default: the clock)."""

    def __init__(
        self,
        root: Path,
        model: str,
        version: str,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        segment_bytes: int | tuple[int, int] | None = None,
        journal_bytes_max: int = JOURNAL_BYTES_MAX,
        sync_s: float = SYNC_S,
    ) -> None:
        if segment_bytes is None:
            largest = min(
                _SEGMENT_BYTES[1], journal_bytes_max // 8
            )  # several have room, with what is made ahead
            segment_bytes = max(4096, min(_SEGMENT_BYTES[0], largest)), max(4096, largest)
        first, largest = segment_bytes if isinstance(segment_bytes, tuple) else (segment_bytes, segment_bytes)
        if not 4096 <= first <= largest:
            raise ValueError(
                f"segment_bytes={segment_bytes}: must be at least 4096, and the largest no less than the first"
            )
        self._clock = clock
        self._said: dict[str, float] = {}
        self._keys: list[Any] = []  # those of the last row that came the general way
        self._classes: list[Any] = []
        self._writer = JournalWriter(
            Path(root),
            check_model_name(model),
            version,
            settings,
            clock=clock,
            segment_bytes=(first, largest),
            journal_bytes_max=journal_bytes_max,
            changed=_weakly(self._changed),
            wake=wake,
            sync_s=check_sync_s(sync_s),
        )
        self._predictions, self._labels = (self._writer.streams[name] for name in STREAMS)
        way = SimpleNamespace(
            fit_float=fit_float,
            fit_integer=fit_integer,
            key=_key,
            void=void_or_whole,
            general=self._general,
            classes=lambda: self._writer.settings.classes,
            uncounted=self._writer.tally.uncounted,
            spilt=self._writer.tally.pending.append if core is None else self._writer.tally.spilt,
        )
        # way: what it calls when a row is not usual
        if core is None:
            self._way_in: Any = CompiledLog(clock, way)
        else:
            self._way_in = CoreLog(None if clock is time.time else clock, way)
        self.log = self._whole = self._log_structured if settings.task in STRUCTURED else self._way_in.log
        self.drawn: Drawn | None = None
        self._private: Private | None = None
        self.stages, self.load = Stages(), Load()  # of the calls that are watched
        keep(self._writer)
        register(self)

    @property
    def settings(self) -> Settings:
        """What is known of the model; segments that are opened later carry it."""
        return self._writer.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._writer.settings = settings
        self._writer.renew()  # a list of probabilities is in the order of the classes

    @property
    def root(self) -> Path:
        """The journal's folder."""
        return self._writer.root

    @property
    def producer(self) -> str | None:
        """The name of the folder that this process writes into, None before the first row."""
        producer = self._writer.producer
        return None if producer is None else producer.path.name

    def protect(self, private: Private) -> None:
        """Drop, hash or encrypt private columns from now on; called before :meth:`sample`, which sees rows as they are."""
        self._private, into = private, self._whole

        def log(
            features: Any,
            prediction: Any = None,
            *,
            probability: Any = None,
            id: Any = None,  # noqa: A002 - the public name
            latency_s: Any = None,
            time: Any = None,
            error: Any = None,
            inclusion: Any = None,
        ) -> None:
            try:
                features, id = private.features(snapshot(features)), private.id(id)  # noqa: A001
            except Exception as problem:  # noqa: BLE001 - as in _general: nothing of the row is kept
                miss("predictions", time, problem)
                return
            into(
                features,
                prediction,
                probability=probability,
                id=id,
                latency_s=latency_s,
                time=time,
                error=error,
                inclusion=inclusion,
            )

        miss = _weakly(self._miss)
        self.log = self._whole = log

    def sample(self, sampler: Sampler) -> None:
        """Keep the rows that a sampler wants kept, from now on: ``log`` is another function afterwards.

        A sampler with ``bind(window_s, pressure)`` is told the length of a window in seconds, and a function that says
        which share of the journal's room is taken.
        """
        if isinstance(sampler, All):
            return
        if type(sampler) in SAMPLERS.values():
            sampler = copy.deepcopy(sampler)  # with counts of its own, whoever else has it
        writer = self._writer
        count, say = _weakly(self._left_out_rows), _weakly(self._say)
        if hasattr(sampler, "bind"):
            sampler.bind(writer.settings.window_s, lambda: writer.pressure)
        left_out = LeftOut(lambda: writer.settings.window_s, count)
        self.drawn = Drawn(sampler, self._whole, left_out, self._clock, say)
        writer.tended = left_out.settle
        self.log = self.drawn.log

    def label(self, id: Any, label: Any, *, time: Any = None) -> None:  # noqa: A002 - the public name
        """Record the truth about the prediction with this id; ``time`` is when it became known."""
        try:
            now = float(self._clock())
            key = _identifier(id if self._private is None else self._private.id(id))
            if key is None:
                raise Rejected("id missing")
            if label is None or (isinstance(label, float) and label != label):
                raise Rejected("label missing")
            settings = self._writer.settings
            if settings.task in STRUCTURED:
                label = label_json(settings.task, label, settings.classes)
            self._writer.put(self._labels, label_cells(label), key, self._event(time, now), now)
        except Exception as error:  # noqa: BLE001 - as below
            self._miss("labels", time, error)

    def _log_structured(
        self,
        features: Any,
        prediction: Any = None,
        *,
        probability: Any = None,
        id: Any = None,  # noqa: A002 - the public name
        latency_s: Any = None,
        time: Any = None,
        error: Any = None,
        inclusion: Any = None,
    ) -> None:
        """Record a prediction that is more than one value: as its text, the way of all rows."""
        try:
            settings = self._writer.settings
            task = settings.task or ""
            text = prediction_json(task, prediction, settings.classes)
            for name in OWN_COLUMNS[task]:
                if isinstance(features, Mapping) and name in features:
                    raise Rejected(f"feature name {name!r}: is read off the predictions of task {task}")
        except Exception as problem:  # noqa: BLE001 - as below
            self._miss("predictions", time, problem)
            return
        self._way_in.log(
            features,
            text,
            probability=probability,
            id=id,
            latency_s=latency_s,
            time=time,
            error=error,
            inclusion=inclusion,
        )

    def _general(
        self,
        features: Any,
        prediction: Any,
        probability: Any,
        id: Any,  # noqa: A002 - the public name
        latency_s: Any,
        time: Any,
        error: Any,
        inclusion: Any,
    ) -> None:
        """Record a prediction of any shape: ``log`` comes here with what its compiled way does not take."""
        try:
            self._writer.check_room(self._predictions)
            now = float(self._clock())
            given = snapshot(features)
            self._keys = list(given)
            self._classes = list(probability) if type(probability) is dict else self._classes
            key, event = _identifier(id), self._event(time, now)
            layout, classes = self._predictions.layout, self._writer.settings.classes
            cells = prediction_cells(
                layout, classes, given, prediction, probability, latency_s, error, inclusion
            )
            self._writer.put(self._predictions, cells, key, event, now)
        except Exception as problem:  # noqa: BLE001 - the edge: the model must not feel our faults or the caller's
            self._miss("predictions", time, problem)
            return
        try:
            self._way_in.used()
        except Exception:  # noqa: BLE001, S110 - the row is kept: what fails now must not count it again
            pass

    def declare(self, fields: Sequence[Field]) -> None:
        """Take the types of fields as known, from a reference, before the first row or later.

        An integral float then goes into a declared integer field. Raises ``SchemaError`` for names that collide,
        ``ValueError`` for more than 4,096 fields.
        """
        try:
            self._writer.declare(fields)
        except Rejected as reason:
            raise ValueError(str(reason)) from None

    def write_batch(
        self,
        stream: str,
        n_rows: int,
        write: Callable[[Path], None],
        times: Callable[[], Mapping[float | None, int]] | None = None,
    ) -> int:
        """Put a batch of rows into the journal and return its number, 0 where there was no room (counted).

        ``write`` is called with a path and writes an Arrow IPC file there; what it raises, other than ``OSError``,
        passes through. ``stream`` is predictions, labels or reference; a reference that cannot be kept raises
        ``JournalError``, since without it nothing can be judged. ``times`` tells, of a batch that is dropped, the number
        of rows by event time (one for each window will do; None: unknown); default all at the time of receipt.
        """
        if stream not in (*STREAMS, "reference"):
            raise ValueError(f"stream={stream!r}: must be predictions, labels or reference")
        try:
            return self._writer.write_batch(stream, n_rows, write)
        except (NoRoom, OSError, JournalError) as error:
            if stream == "reference":
                raise JournalError(
                    f"the reference cannot be put into the journal {self._writer.root}: {error}"
                ) from error
            for when, n in (times() if times is not None else {None: n_rows}).items():
                self.drop(stream, f"a batch: {reason_of(error)}", n, time=when)
            return 0

    def in_memory(self) -> int:
        """The rows that were not kept and are counted in this process alone: there was no room for a folder. 0 for none."""
        self.settle()
        self._writer.ensure_folder()
        return self._writer.tally.in_memory

    def position(self) -> dict[str, int]:
        """The highest sequence handed out for ``predictions`` and ``labels``, the highest number of ``batches``.

        0 where this process has written none; sequences count over the life of the folder, see :attr:`producer`.
        """
        return self._writer.position()

    def reject(self, stream: str, reason: str, n: int = 1, *, time: float | None = None) -> None:
        """Count rows that cannot be kept, with the reason, in the window of their event time (None: of the clock)."""
        self._count(stream, "rejected", reason, n, time)

    def drop(self, stream: str, reason: str, n: int = 1, *, time: float | None = None) -> None:
        """Count rows that could have been kept, had there been room or time."""
        self._count(stream, "dropped", reason, n, time)

    def sample_out(self, stream: str, n: int = 1, *, time: float | None = None) -> None:
        """Count rows that a sampler left out."""
        self._count(stream, "sampled_out", None, n, time)

    def _left_out_rows(self, n: int, time_s: float) -> None:
        self.sample_out("predictions", n, time=time_s)

    def _count(self, stream: str, part: str, reason: str | None, n: int, time: float | None) -> None:
        self._writer.tally.add(stream, part, reason, n, time)
        try:
            self._writer.ensure_folder()
            if reason is not None:
                self._say(f"{stream}: {part}: {reason}")
        except Exception:  # noqa: BLE001, S110 - it is counted; what fails now (the stack may be at its end) must not count twice
            pass

    def close(self) -> None:
        """Seal the segments, put everything on disk and release the folder. A row logged later opens it again."""
        try:
            self.settle()
            self._writer.close()
        except (NoRoom, OSError) as error:
            self._say(f"closing: {error}")

    def after_fork(self) -> None:
        """In a child process: let go of all that is the parent's (``process.py`` calls it)."""
        self.load.forget()
        if self.drawn is not None:
            self.drawn.forget()
        self._writer.after_fork()

    def settle(self) -> None:
        """Write down the rows that a sampler left out."""
        if self.drawn is not None:
            self.drawn.left_out.settle(self._left_out_rows)

    def _event(self, given: Any, now: float) -> float:
        if given is None:
            return now
        event, naive = event_time(given, now)
        if naive:
            self._say("a time without a time zone was taken as UTC")
        return event

    def _changed(self, stream: Stream) -> None:
        """Let ``log`` write into the stream's segment as it is now; where there is none it takes the general way."""
        if stream is not self._predictions:
            return
        keys = {key: key for key in self._keys if type(key) is str}
        classes = {class_name(key): key for key in self._classes if type(key) in (str, int)}
        self._way_in.install(stream.segment, keys, classes)

    def _miss(self, stream: str, given: Any, error: Exception) -> None:
        """Count a row that did not become a slot. Whatever this raises, it raises before the row is counted."""
        part = "rejected"
        if isinstance(error, MemoryError):
            part, reason = "dropped", "out of stack or memory"
        elif isinstance(error, NoRoom):
            part, reason = "dropped", str(error)
        elif isinstance(error, (Rejected, SchemaError)):
            reason = str(error)
        else:
            reason = f"recording raised {type(error).__name__}"
        self._count(stream, part, reason, 1, self._when(given))

    def _when(self, given: Any) -> float | None:
        """The event time of a row that is not kept; None, for the time of receipt, where it has none that can be."""
        try:
            return None if given is None else event_time(given, float(self._clock()))[0]
        except Exception:  # noqa: BLE001 - Rejected, or a value or a clock of the user's that raises
            return None

    def _say(self, what: str) -> None:
        """One line a minute for each thing; never an exception, whatever handlers the user installed."""
        now = time.monotonic()
        if now < self._said.get(what, 0.0):
            return
        if len(self._said) >= _SAID_MAX:
            self._said.clear()
        self._said[what] = now + _SAY_S
        try:
            _logger.warning("%s: %s (said once a minute at most; all are counted)", self._writer.model, what)
        except Exception:  # noqa: BLE001, S110 - a handler of the user's
            pass

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # noqa: BLE001, S110 - __init__ has failed, or the interpreter is going down
            pass


def _weakly(method: Callable[..., None]) -> Callable[..., None]:
    """Call a method for as long as its object is there: what the keeper holds for a moment must not keep a recorder."""
    reference = weakref.WeakMethod(method)

    def call(*arguments: Any) -> None:
        found = reference()
        if found is not None:
            found(*arguments)

    return call


def _identifier(given: Any) -> bytes | None:
    try:
        return identifier(given)
    except Rejected as reason:
        raise Rejected(f"id: {reason}") from None


def _key(given: Any) -> bytes:
    """An id other than None, for the compiled log."""
    key = identifier(given)
    if key is None:
        raise Rejected("null")
    return key

"""From a run to its mirrors: a bounded queue and a thread for each, so that the training never waits for one.

What does not fit into the queue is dropped from the mirror alone, counted, and told as an event ``mirror_behind``; a mirror
that fails is told once as ``mirror_failed``, with the reason, and gets nothing more. The run itself knows nothing of either.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from vedette.capture.metrics import number_of
from vedette.capture.mirrors import About, Event, Mirror, Row, check_address, open_mirror
from vedette.capture.mirrors.address import hide, shown
from vedette.capture.process import register
from vedette.capture.values import Rejected

__all__ = ["CLOSE_S", "QUEUE_ROWS", "Feed", "Mirrors"]

QUEUE_ROWS = 65_536
"""Rows that may wait for a mirror: 30 MB with five metrics each, and six seconds of 10,000 rows a second."""
BLOCK_BYTES = 2**26
"""What batches (``run.log_many``) that wait for a mirror may take besides."""
CLOSE_S = 10.0
"""How long the end of a run waits for all of its mirrors together."""

_EVENTS_MAX = 1_000  # that may wait beyond that
_POLL_S = 0.2  # a wake-up for each row would take the interpreter from the training each time
_WRITE_ROWS = 5_000  # handed over at a time, so that what is dropped meanwhile is told soon

_Item = tuple[float, int, Mapping[str, float]] | tuple[float, str] | tuple[float, Any, Mapping[str, Any], int]


class Feed:
    """The queue and the thread of one mirror. ``tell(kind, **detail)`` records an event of the run."""

    def __init__(
        self, address: str, about: About, tell: Callable[..., None], opened: Callable[[str, About], Mirror]
    ) -> None:
        self.address = shown(address)
        self._place, self._about, self._tell, self._opened = address, about, tell, opened
        self._waiting: deque[_Item] = deque()
        self._n_max = QUEUE_ROWS
        self._block_bytes, self._lock = 0, threading.Lock()
        self._lost, self._peeked, self._told = count(), 0, 0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = threading.Thread(
            target=self._work, name=f"vedette-mirror-{about.run[:40]}", daemon=True
        )
        self._running = False

    def start(self) -> None:
        """Begin to hand over what waits."""
        assert self._thread is not None
        register(self)
        self._running = True
        self._thread.start()

    def put(self, item: _Item) -> None:
        """Hand over a row; never waits, and drops it where too many wait already."""
        if len(self._waiting) < self._n_max:
            self._waiting.append(item)
        elif self._n_max:
            next(self._lost)  # atomic, which += is not

    def put_event(self, item: tuple[float, str]) -> None:
        """Hand over an event: for these there is room besides, since how a run ended must not be what is dropped."""
        if len(self._waiting) < self._n_max + _EVENTS_MAX * bool(self._n_max):
            self._waiting.append(item)
        elif self._n_max:
            next(self._lost)

    def put_block(self, item: tuple[float, Any, Mapping[str, Any], int]) -> None:
        """Hand over a batch of rows."""
        with self._lock:
            fits = self._block_bytes + item[3] <= BLOCK_BYTES or not self._block_bytes
            if fits and len(self._waiting) < self._n_max:
                self._block_bytes += item[3]
                self._waiting.append(item)
                return
        if self._n_max:
            for _ in range(len(item[1])):
                next(self._lost)

    @property
    def dropped(self) -> int:
        """The rows that were dropped so far. Reading a count takes one number of it. For the mirror's thread and the end."""
        found = next(self._lost) - self._peeked
        self._peeked += 1
        return found

    def finish(self) -> None:
        """Say that nothing more comes."""
        self._ending.set()

    def close(self, wait_s: float = CLOSE_S) -> None:
        """Wait until the mirror has all, for so many seconds at most; what it has not then is told."""
        thread, self._thread = self._thread, None
        if thread is None or not self._running or thread is threading.current_thread():
            return
        self._ending.set()
        thread.join(max(wait_s, 0.0))
        if thread.is_alive():
            self._fail(
                f"had not taken all {wait_s:.0f} s after the run's end: {len(self._waiting):,} rows and more"
            )
        elif self._n_max:
            self._tell_behind(end=True)

    def after_fork(self) -> None:
        """In a child process: the thread is the parent's, and so is the mirror."""
        self._n_max, self._thread, self._lock = (
            0,
            None,
            threading.Lock(),
        )  # another thread may have held the old one
        self._waiting.clear()

    def _work(self) -> None:
        try:
            mirror = self._opened(self._place, self._about)
            try:
                while not (self._ending.wait(_POLL_S) and not self._waiting):
                    while rows := list(self._taken()):
                        mirror.write(rows)
                        self._tell_behind()
            finally:
                mirror.close()
        except Exception as error:  # noqa: BLE001 - the edge: whatever another system raises, the training goes on
            self._fail(f"{type(error).__name__}: {hide(str(error), self._place)[:1000]}")

    def _fail(self, reason: str) -> None:
        failed_before = not self._n_max
        self._n_max = 0
        self._waiting.clear()
        if not failed_before:
            self._tell("mirror_failed", mirror=self.address, reason=reason)

    def _tell_behind(self, *, end: bool = False) -> None:
        """Say that rows were dropped: when the first are, and in the end how many."""
        if self._told and not end:
            return
        dropped = self.dropped
        if dropped > self._told:
            self._told = dropped
            self._tell("mirror_behind", mirror=self.address, dropped=dropped)

    def _taken(self) -> Iterator[Row | Event]:
        """Some of what waits, as rows and events."""
        for _ in range(min(len(self._waiting), _WRITE_ROWS)):
            item = self._waiting.popleft()
            if len(item) == 2:
                said = json.loads(item[1])
                yield Event(item[0], said["step"], said["kind"], said["detail"])
            elif len(item) == 3:
                yield Row(*item)
            else:
                yield from self._block(item)

    def _block(self, item: tuple[float, Any, Mapping[str, Any], int]) -> Iterator[Row]:
        time_s, steps, columns, n_bytes = item
        with self._lock:
            self._block_bytes -= n_bytes
        values = {name: column.tolist() for name, column in columns.items()}
        for at, step in enumerate(steps.tolist()):
            yield Row(time_s, step, {name: column[at] for name, column in values.items()})


class Mirrors:
    """All mirrors of one run; raises for an address that none has (see ``check_address``)."""

    def __init__(
        self,
        also: Sequence[str],
        about: About,
        tell: Callable[..., None],
        *,
        synchronise: bool = False,
        opened: Callable[[str, About], Mirror] = open_mirror,
    ) -> None:
        self.check(also)
        self._synchronise = synchronise
        self._feeds = [Feed(address, about, tell, opened) for address in also]

    def start(self) -> None:
        """Open the mirrors, each in its thread."""
        for feed in self._feeds:
            feed.start()

    @staticmethod
    def check(also: Sequence[str]) -> None:
        """Raise ``ValueError`` or ``MissingExtraError`` for an address that no mirror has, or that comes twice."""
        if isinstance(also, str) or not all(isinstance(one, str) for one in also):
            raise ValueError(f"also={also!r}: must be a list of addresses, such as ['tensorboard:./tb']")
        for address in also:
            check_address(address)
        if len(set(also)) < len(also):
            raise ValueError(f"also={[shown(one) for one in also]}: names one mirror twice")

    def through(
        self, record: Callable[..., None], clock: Callable[[], float], at: Callable[[], int]
    ) -> Callable[[Any, Any], None]:
        """What records a row and hands it to the mirrors, with one time; ``at`` tells the step of the row just recorded."""
        puts = [feed.put for feed in self._feeds]

        def put(values: Any, step: Any) -> None:
            now = clock()
            record(values, step, time=now)
            if values.__class__ is dict:
                for value in values.values():
                    if value.__class__ is not float:
                        break
                else:
                    for one in puts:
                        one((now, step, values))
                    return
            try:
                plain = _plain(values, synchronise=self._synchronise)
                step = at() if step is None else step.__index__()
            except Exception:  # noqa: BLE001 - the recorder has counted it, with the reason
                return
            if plain:
                for one in puts:
                    one((now, step, plain))

        return put

    def many(self, time_s: float, steps: Any, columns: Mapping[str, Any]) -> None:
        """Hand over a batch of rows, of arrays that nobody changes any more."""
        n_bytes = int(steps.nbytes + sum(column.nbytes for column in columns.values()))
        for feed in self._feeds:
            feed.put_block((time_s, steps, columns, n_bytes))

    def event(self, time_s: float, text: str) -> None:
        """Hand over an event, as the JSON text that is recorded of it."""
        for feed in self._feeds:
            feed.put_event((time_s, text))

    def close(self, wait_s: float = CLOSE_S) -> None:
        """Wait until the mirrors have all; for so many seconds at most, all together."""
        deadline = time.monotonic() + wait_s
        for feed in self._feeds:
            feed.finish()
        for feed in self._feeds:
            feed.close(deadline - time.monotonic())


def _plain(given: Any, *, synchronise: bool) -> dict[str, float]:
    """The metrics of a call as floats, now, since a tensor may have other values later; what is none is left out."""
    parts = given if isinstance(given, tuple) else (given,)
    found: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            if value is None or not isinstance(name, str):
                continue
            try:
                found[str(name)] = number_of(value, synchronise=synchronise)
            except Rejected:
                continue
    return found

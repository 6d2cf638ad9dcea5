"""All models at a glance, kept up to date beside the routes: a list of 5,000 models is an answer from memory."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from fastapi import FastAPI, Request

from vedette.engine.glance import Glance, glance, models_of
from vedette.engine.runs import runs_of
from vedette.errors import VedetteError
from vedette.lake.tables import Lake
from vedette.records import KIN, Health, Status, Verdict, owner_of
from vedette.server.api.answers import now, stamp_of, stamp_of_table
from vedette.server.api.kept import Moved
from vedette.server.needs import Caller

__all__ = ["Seen", "Watching", "watch", "watching_of"]

log = logging.getLogger("vedette")

_TABLES = ("state", "alerts", "ledger", "events", "deliveries")
_LOOKING_SHARE = 0.05  # of a core that looking for changes may take
_READING_SHARE = 0.5  # and reading what changed: people wait for it


@dataclass(frozen=True, slots=True)
class Seen:
    """A model at a glance, and the number of the change that made it so."""

    glance: Glance
    moved: Moved
    number: int


class Watching:
    """Looks through the tables of a lake for those that moved on, in a thread, and reads the models of these anew.

    ``every_s`` is how often, less often where it takes long. What asks for changes is told by ``listen``.
    """

    def __init__(self, lake: Lake, every_s: float = 1.0) -> None:
        self.lake, self.every_s = lake, every_s
        self.boot = secrets.token_hex(4)
        self.number = 0
        self.names: tuple[str, ...] = ()
        """The models of the lake, read or not, as the last round found them."""
        self.whole = threading.Event()
        """Set once every model was read."""
        self._seen: dict[str, Seen] = {}
        self._listeners: dict[int, Callable[[], object]] = {}
        self._reading = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vedette-watching", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stop.set()
        for tell in list(self._listeners.values()):
            tell()
        self._thread.join(timeout=30)

    @property
    def stopped(self) -> bool:
        """True once it was told to end."""
        return self._stop.is_set()

    def models(self) -> list[Seen]:
        """Every model that was read so far, by name."""
        seen = self._seen
        return [seen[name] for name in sorted(seen)]

    def counts(self, caller: Caller) -> tuple[int, int]:
        """Of the models that a caller may see, how many were read so far, and how many there are."""
        n_read = sum(caller.may(name) for name in list(self._seen))
        return n_read, max(n_read, sum(caller.may(name) for name in self.names))

    def glance(self, name: str) -> Glance:
        """One model as it is now: from memory where nothing moved on since it was read.

        What stands beside a model, such as its runs, is read each time: it is none of the models.
        """
        moved, moment = self._moved(name), now()
        if owner_of(name) != name:
            return self._glance(name, moment)
        one = self._current(name, moved, moment)
        if one is None:
            one, changed = self._read(name, moved, moment)
            if changed:
                self._tell()
        return one.glance

    def listen(self, tell: Callable[[], object]) -> Callable[[], None]:
        """Call ``tell`` from the thread after each round that found a change; returns what ends that."""
        key = id(tell)
        self._listeners[key] = tell
        return lambda: self._listeners.pop(key, None) and None

    def look(self) -> float:
        """One round: read anew what moved on, or whose time has come; the seconds that looking alone took."""
        began = time.monotonic()
        self.names = names = tuple(models_of(self.lake))
        gone = self._seen.keys() - set(names)
        if gone:
            with self._reading:
                self._seen = {name: one for name, one in self._seen.items() if name not in gone}
        changed, read_s = bool(gone), 0.0
        for name in names:
            if self._stop.is_set():
                break
            moved, moment = self._moved(name), now()
            if self._current(name, moved, moment) is None:
                reading = time.monotonic()
                changed |= self._read(name, moved, moment)[1]
                read_s += time.monotonic() - reading
        else:
            self.whole.set()
        if changed:
            self._tell()
        return time.monotonic() - began - read_s

    def _moved(self, name: str) -> Moved:
        own = (name, *(f"{name}.{kind}" for kind in KIN), runs_of(name))
        return (*stamp_of(self.lake, own, _TABLES), *stamp_of_table(self.lake.maintenance))

    def _current(self, name: str, moved: Moved, moment: datetime) -> Seen | None:
        """A model as it was read, None where it moved on since."""
        before = self._seen.get(name)
        if before is None or before.moved != moved:
            return None
        turns = before.glance.turns
        return before if turns is None or moment < turns else None

    def _read(self, name: str, moved: Moved, moment: datetime) -> tuple[Seen, bool]:
        """A model read anew, unless another thread just did; and whether it is another than before."""
        with self._reading:
            current = self._current(name, moved, moment)
            if current is not None:
                return current, False
            before = self._seen.get(name)
            found = self._glance(name, moment)
            same = before is not None and before.glance == found
            self.number += not same
            one = Seen(found, moved, before.number if same and before else self.number)
            self._seen[name] = one
        if not same and not self.whole.is_set() and self.number % 50 == 0:
            self._tell()
        return one, not same

    def _glance(self, name: str, moment: datetime) -> Glance:
        try:
            return glance(self.lake, name, moment)
        except VedetteError as error:  # one that cannot be read hides no other, and is not well
            why = Verdict("model", "", Status.UNKNOWN, None, "", "rule", str(error))
            counts = {one.value: int(one is Status.UNKNOWN) for one in Status}
            return Glance(Health(name, "", Status.UNKNOWN, (why,)), counts, (), None, 0, 0, None, None)

    def _tell(self) -> None:
        for tell in list(self._listeners.values()):
            tell()

    def _run(self) -> None:
        while not self._stop.is_set():
            began, looked_s = time.monotonic(), 0.0
            try:
                looked_s = self.look()
            except (VedetteError, OSError) as error:  # a lake that is away for a while is looked for again
                log.warning("watching %s: %s", self.lake.path, error)
            read_s = time.monotonic() - began - looked_s
            pause_s = looked_s * (1 / _LOOKING_SHARE - 1) + read_s * (1 / _READING_SHARE - 1)
            self._stop.wait(max(self.every_s, pause_s) if self.whole.is_set() else 0.05)


@asynccontextmanager
async def watch(app: FastAPI) -> AsyncIterator[None]:
    """The service that keeps all models at a glance: given to ``application``, beside the routers that read from it."""
    one = Watching(app.state.lake)
    app.state.watching = one
    one.start()
    try:
        yield
    finally:
        await asyncio.to_thread(one.stop)


def watching_of(request: Request) -> Watching:
    """What watches the lake of a request's application."""
    one: Watching = request.app.state.watching
    return one

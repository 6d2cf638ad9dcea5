"""All models at a glance, kept up to date beside the routes: a list of 5,000 models is an answer from memory."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from fastapi import FastAPI, Request

from vedette import config
from vedette.engine.glance import Glance, glance, models_of
from vedette.engine.runs import runs_of
from vedette.engine.scraped import TABLES
from vedette.errors import ConfigError, VedetteError
from vedette.lake.stamps import Stamp, stamp_of, stamp_of_file, stamp_of_table
from vedette.lake.tables import Lake
from vedette.records import KIN, Health, Status, Verdict, owner_of
from vedette.server.api.answers import now
from vedette.server.api.glances import KeptGlances
from vedette.server.needs import Caller

__all__ = ["Beside", "Seen", "Watching", "watch", "watching_of"]

log = logging.getLogger("vedette")

_LOOKING_SHARE = 0.05  # of a core that looking for changes may take
_READING_SHARE = 0.5  # and reading what changed: people wait for it
_KEEP_EVERY = 200  # models that were read: what a start that is killed loses

Beside = Callable[[Collection[str]], bool]
"""What else is read of a lake, in the same thread: told which models moved on since the last time; False: it is not through."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A model at a glance, and the number of the change that made it so."""

    glance: Glance
    moved: Stamp
    number: int


class Watching:
    """Looks through the tables of a lake for those that moved on, in a thread, and reads the models of these anew.

    ``every_s`` is how often, less often where it takes long. What asks for changes is told by ``listen``; what else is read
    of models that moved on comes after each round (``beside``). With ``kept``, what was read before the last end is not
    read again unless it moved on.
    """

    def __init__(self, lake: Lake, every_s: float = 1.0, kept: KeptGlances | None = None) -> None:
        self.lake, self.every_s = lake, every_s
        self.boot = secrets.token_hex(4)
        self.number = 0
        self.names: tuple[str, ...] = ()
        """The models of the lake, read or not, as the last round found them."""
        self.whole = threading.Event()
        """Set once every model was read."""
        self._seen: dict[str, Seen] = {}
        self._listeners: dict[int, Callable[[], object]] = {}
        self._kept, self._unkept = kept, dict[str, tuple[Stamp, Glance]]()
        self._beside: list[tuple[Beside, set[str]]] = []
        self._written: tuple[Stamp, Stamp] = ((), ())
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
            return self._glance(name, moment)[0]
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

    def beside(self, read: Beside) -> None:
        """Call ``read`` from the thread after each round."""
        self._beside.append((read, set()))

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
                self._keep(_KEEP_EVERY)
        else:
            self.whole.set()
        self._keep(1)
        if self._kept is not None:
            self._kept.forget(gone)
        if changed:
            self._tell()
        return time.monotonic() - began - read_s

    def read_beside(self) -> bool:
        """Have read what else is read of the lake; True where all of that is through."""
        through = True
        for read, moved in self._beside:
            with self._reading:
                told = frozenset(moved)
                moved.clear()
            through &= read(told)
        return through

    def _moved(self, name: str) -> Stamp:
        own = (name, *(f"{name}.{kind}" for kind in KIN), runs_of(name))
        return (*stamp_of(self.lake, own, TABLES), *stamp_of_table(self.lake.maintenance), *self._said())

    def _said(self) -> Stamp:
        """What ``vedette.toml`` says of alerts, or what is wrong with it: a model at a glance shows that too."""
        stamp = stamp_of_file(config.where())
        before, said = self._written
        if before != stamp or not said:
            try:
                said = (repr(config.read().alerting),)
            except ConfigError as error:
                said = (str(error),)
            self._written = stamp, said
        return said

    def _keep(self, least: int) -> None:
        """Write what was read to the disk, where that is as much as is worth it."""
        if self._kept is None or len(self._unkept) < least:
            return
        with self._reading:
            some, self._unkept = self._unkept, {}
        self._kept.keep(some)

    def _current(self, name: str, moved: Stamp, moment: datetime) -> Seen | None:
        """A model as it was read, None where it moved on since."""
        before = self._seen.get(name)
        if before is None or before.moved != moved:
            return None
        turns = before.glance.turns
        return before if turns is None or moment < turns else None

    def _read(self, name: str, moved: Stamp, moment: datetime) -> tuple[Seen, bool]:
        """A model read anew, unless another thread just did or it is as it was kept; and whether it is another than before."""
        with self._reading:
            current = self._current(name, moved, moment)
            if current is not None:
                return current, False
            before = self._seen.get(name)
            found = None if before is not None or self._kept is None else self._kept.found(name, moved)
            if found is None or (found.turns is not None and moment >= found.turns):
                found, readable = self._glance(name, moment)
                if readable:
                    self._unkept[name] = moved, found
            for _, names in self._beside:
                names.add(name)
            same = before is not None and before.glance == found
            self.number += not same
            one = Seen(found, moved, before.number if same and before else self.number)
            self._seen[name] = one
        if not same and not self.whole.is_set() and self.number % 50 == 0:
            self._tell()
        return one, not same

    def _glance(self, name: str, moment: datetime) -> tuple[Glance, bool]:
        """A model as its tables are, and whether they could be read: one that cannot hides no other, and is not well."""
        try:
            return glance(self.lake, name, moment), True
        except VedetteError as error:
            why = Verdict("model", "", Status.UNKNOWN, None, "", "rule", str(error))
            counts = {one.value: int(one is Status.UNKNOWN) for one in Status}
            health = Health(name, "", Status.UNKNOWN, (why,))
            return Glance(health, counts, (), None, 0, 0, None, None), False

    def _tell(self) -> None:
        for tell in list(self._listeners.values()):
            tell()

    def _run(self) -> None:
        while not self._stop.is_set():
            began, looked_s, through = time.monotonic(), 0.0, True
            try:
                looked_s = self.look()
                through = self.read_beside()
            except (VedetteError, OSError) as error:  # a lake that is away for a while is looked for again
                log.warning("watching %s: %s", self.lake.path, error)
            read_s = time.monotonic() - began - looked_s
            pause_s = max(looked_s * (1 / _LOOKING_SHARE - 1) - read_s, read_s * (1 / _READING_SHARE - 1))
            self._stop.wait(max(self.every_s if through else 0, pause_s) if self.whole.is_set() else 0.05)


@asynccontextmanager
async def watch(app: FastAPI) -> AsyncIterator[None]:
    """The service that keeps all models at a glance: given to ``application``, beside the routers that read from it."""
    one = Watching(app.state.lake, kept=await asyncio.to_thread(KeptGlances, app.state.lake))
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

"""The sender's rounds, one after another, for as long as there is need of them."""

from __future__ import annotations

import logging
import math
import os
import random
import threading
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from vedette.capture.shipping.answers import delay_s
from vedette.capture.shipping.delivery import Again, Shipped, Stopped
from vedette.capture.shipping.desk import Desk, Status
from vedette.capture.shipping.sender import Sender
from vedette.capture.shipping.transport import Client
from vedette.config import ServerSettings
from vedette.errors import IngestError

__all__ = ["End", "follow", "once"]

GIVE_UP_S = 3600.0
"""A sender that a recorder started ends where nobody records and the server has taken nothing for so long: the next one to
record starts another."""

_ROUND_S = 0.5
_POLL_S = 0.05
_SLOW_S = 60.0
_SAY_S = 60.0

log = logging.getLogger("vedette")


class End(Enum):
    """Why a sender ended."""

    BUSY = "another one ships the journal"
    DONE = "nobody needs it any more, or it was told to end"
    STOPPED = "the server takes nothing until somebody changes something"


class _Follower:
    """One sender at work, under the lock whose descriptor is given; ``stop`` ends it."""

    def __init__(self, sender: Sender, lock: int, stop: threading.Event, rng: random.Random) -> None:
        self.sender, self.desk, self._rng = sender, sender.desk, rng
        self._lock, self._stop = lock, stop
        self._tries = 0
        self._status: Status | None = None
        self._said_at = -math.inf
        self.worked_at = self.used_at = time.monotonic()

    @property
    def over(self) -> bool:
        """True where it was told to end, or the journal was deleted."""
        return self._stop.is_set() or _deleted(self._lock)

    def round(self) -> tuple[str, float]:
        """Go round once; the state that shipping is in then, and how long to wait. Raises ``OSError``."""
        try:
            found = self.sender.round()
        except Again as error:
            self._tries = 1 if self.sender.moved else self._tries + 1
            return self._say("waiting", str(error)), delay_s(self._tries, error.retry_after, self._rng)
        except Stopped as error:
            for request in self.desk.pending():
                self.desk.serve(request, str(error))
            return self._say("stopped", str(error)), self._rng.uniform(_SLOW_S / 2, _SLOW_S)
        except OSError as error:
            if not self.desk.path.is_dir():
                raise
            self._tries += 1
            return self._say("waiting", f"the journal: {error.strerror or error}"), _SLOW_S / 2
        self._tries = 0
        why = next(iter(found.behind.values()), "")
        self._say("waiting" if why else "working", why)
        if found.moved or why:
            self.used_at = time.monotonic()
        return "", 0.0 if found.more else _ROUND_S

    def note(self) -> None:
        """Note who still needs the sender."""
        if self.sender.anybody_alive:
            self.used_at = self.worked_at = time.monotonic()
        elif self.sender.moved:
            self.worked_at = time.monotonic()

    def _say(self, state: str, why: str) -> str:
        """Leave word in the journal; and in the log, a line a minute at most, and one when shipping stops."""
        before = self._status
        if before is None or (before.state, before.why) != (state, why):
            since = before.since if before is not None and before.state == state else time.time()
            self._status = Status(state, why, since, os.getpid())
            try:
                self.desk.say(self._status)
            except OSError:
                pass  # the disk is full, say: shipping is what makes room
        news = before is None or before.state != state
        now = time.monotonic()
        if state == "stopped" and news:
            log.error("%s: stopped, the journal is kept: %s", self.desk.journal, why)
        elif state == "waiting" and now >= self._said_at + _SAY_S:
            self._said_at = now
            log.warning("%s: waiting: %s (said once a minute)", self.desk.journal, why)
        return state

    def pause(self, wait_s: float, *, early: bool) -> None:
        """Wait; with ``early`` no longer than until somebody asks."""
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0 and not self.over:
            self._stop.wait(min(left, _POLL_S))
            if early and self.desk.pending():
                return


def follow(
    journal: Path,
    url: str,
    settings: Callable[[], ServerSettings],
    *,
    idle_exit_s: float | None = None,
    stop: threading.Event | None = None,
    seed: int | None = None,
    tie: Callable[[int, Callable[[], None]], object] | None = None,
) -> End:
    """Ship a journal until ``stop`` is set, unless another process does already.

    With ``idle_exit_s`` it ends by itself: after so long without rows where nobody records, and at once where the server
    takes nothing of anybody (a token that it does not know). Without, it goes on asking now and then. ``tie`` is given the
    lock's descriptor and what lets go of the connection, for who must do both in a forked child.

    Raises ``OSError`` and ``JournalError`` where the journal cannot be used.
    """
    desk, stop, rng = Desk(journal), stop or threading.Event(), random.Random(seed)  # noqa: S311 - for retries
    lock = desk.take()
    if lock is None:
        return End.BUSY
    client = Client(url, settings)
    try:
        if tie is not None:
            tie(lock, client.forget)
        desk.tidy()
        return _go_on(_Follower(Sender(desk, client, rng=rng), lock, stop, rng), idle_exit_s)
    except OSError:
        if _deleted(lock):
            return End.DONE
        raise
    finally:
        client.close()
        os.close(lock)


def _go_on(follower: _Follower, idle_exit_s: float | None) -> End:
    """Go round for as long as there is need."""
    while not follower.over:
        state, wait_s = follower.round()
        follower.note()
        now = time.monotonic()
        if idle_exit_s is not None:
            if state == "stopped":
                return End.STOPPED
            idle = now - follower.used_at > idle_exit_s and not state and not follower.desk.pending()
            if idle or now - follower.worked_at > GIVE_UP_S:
                return End.DONE
        follower.pause(wait_s, early=not state)
    return End.DONE


def _deleted(lock: int) -> bool:
    """True where the journal was deleted: nothing is left to do, and this is no lock on what comes in its place."""
    return os.fstat(lock).st_nlink == 0


def once(journal: Path, url: str, settings: Callable[[], ServerSettings]) -> Shipped | None:
    """Ship what a journal holds, and say what went out; None where another process ships it.

    Raises ``IngestError`` with the reason where not all of it is acknowledged then.
    """
    desk = Desk(journal)
    lock = desk.take()
    if lock is None:
        return None
    client = Client(url, settings)
    try:
        sender = Sender(desk, client)
        try:
            while (found := sender.round()).more:
                pass
        except (Again, Stopped) as error:
            raise IngestError(f"{url}: {error}; what is not acknowledged is still in {journal}") from error
        if found.behind:
            why = "; ".join(dict.fromkeys(found.behind.values()))
            raise IngestError(f"{url}: {why}; what is not acknowledged is still in {journal}")
        return sender.shipped
    finally:
        client.close()
        os.close(lock)

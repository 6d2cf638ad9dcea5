"""Shipping as a process that records sees it: a sender is seen to, waited for where somebody must know, and spoken of.

Nothing is sent, and no sender started, before something was recorded.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

from vedette.capture import keeper
from vedette.capture.process import register
from vedette.capture.shipping import letters
from vedette.capture.shipping.desk import Desk, Request
from vedette.capture.shipping.starter import Starter
from vedette.config import ServerSettings
from vedette.errors import IngestError, LakeError

__all__ = ["Shipping"]

END_S = 2.0
"""As long as the end of a process waits for the network."""

_LOOK_S = 5.0  # how often it is seen to that a sender runs
_POLL_S = 0.005
_SAY_S = 60.0

log = logging.getLogger("vedette")

_all: dict[tuple[Path, str], Shipping] = {}
_all_lock = threading.Lock()
_end_at: float | None = None  # when the end of the process waits no longer, for all journals together


class Shipping:
    """The shipping of one journal to one server; :meth:`of` gives the one that a process has.

    ``settings`` says how the server is spoken to; ``config_path`` is the file that they are from, if any.
    """

    sync_s = 0.0  # the keeper's: there is nothing to put on disk

    def __init__(
        self, journal: Path, url: str, settings: Callable[[], ServerSettings], config_path: Path | None = None
    ) -> None:
        self.desk, self.url = Desk(journal), url
        self._aside = self.desk.path / "aside"
        self._starter = Starter(self.desk, url, settings, config_path)
        self._born = time.time()
        self._models: set[str] = set()  # that this process may record
        self._told = letters.names(self._aside)
        self._look_at = self._said_at = -math.inf
        self._said_of = 0.0

    @classmethod
    def of(
        cls,
        model: str,
        journal: Path,
        url: str,
        settings: Callable[[], ServerSettings],
        config_path: Path | None = None,
    ) -> Shipping:
        """The one of this process for a journal and a server; ``model`` may be recorded from now on."""
        with _all_lock:
            found = _all.get((journal, url))
            if found is None:
                found = _all[journal, url] = cls(journal, url, settings, config_path)
                keeper.keep(found)
                register(found)
            found._models.add(model)
        return found

    def complete(self) -> None:
        """Nothing is sealed here."""

    def sync(self) -> None:
        """Nothing is written here."""

    def prepare(self) -> None:
        """See now and then that a sender runs, and say so where it does not get on. The keeper calls it."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_S
            if self.desk.models:
                self._starter.ensure()
                self._warn(now)

    def recorded(self) -> None:
        """Something was put into the journal of which no segment tells the keeper."""
        if not keeper.wake():
            self._starter.ensure()

    def _warn(self, now: float) -> None:
        """Say in this process's log what holds shipping up: a line a minute at most, and once that it stopped."""
        status = self.desk.status()
        if status is None or status.state == "working" or now < self._said_at + _SAY_S:
            return
        if time.time() < self._born + _LOOK_S:
            return  # it may be the last word of a sender that is gone
        if status.state == "stopped" and (status.since == self._said_of or status.since < self._born):
            return
        self._said_at, self._said_of = now, status.since
        log.warning(
            "%s: %s: %s; what is recorded is kept in %s",
            self.url,
            status.state,
            status.why,
            self.desk.journal,
        )

    def flush(self, model: str, timeout_s: float) -> None:
        """Return once the server has acknowledged all that the journal holds of a model now.

        Raises ``IngestError`` with the reason where it does not in time, or will not, or has refused rows since the last
        call; ``LakeError`` where the journal cannot be written.
        """
        try:
            request = self.desk.ask(model)
        except OSError as error:
            raise LakeError(f"journal {self.desk.journal}: cannot be written: {error.strerror}") from error
        try:
            self._await(request, timeout_s)
        finally:
            self.desk.withdraw(request)
        refusal = self.desk.answer(request)
        if refusal is not None:
            raise IngestError(f"{self.url}: {refusal}; what was recorded is kept in {self.desk.journal}")
        self._raise_refused(model)

    def _await(self, request: Request, timeout_s: float) -> None:
        deadline, look_at, looks = time.monotonic() + timeout_s, -math.inf, 0
        while self.desk.waits(request):
            now = time.monotonic()
            if now > deadline:
                status = self.desk.status()
                why = status.why if status is not None and status.why else f"see {self.desk.path / 'log'}"
                raise IngestError(
                    f"{self.url}: not all that was recorded was acknowledged within {timeout_s:g} s: {why}; "
                    f"it is kept in {self.desk.journal}"
                )
            if now > look_at:
                # one that was stopped may have been so before this request: it is started again, to be told now
                self._starter.ensure(now_at_last=looks < 2)
                look_at, looks = now + 1.0, looks + 1
            time.sleep(_POLL_S)

    def _raise_refused(self, model: str) -> None:
        """Raise ``IngestError`` where the server refused rows of a model, and nobody was told of it."""
        new = letters.names(self._aside) - self._told
        self._told |= new
        mine = [
            one
            for one in (letters.read(self._aside, name) for name in sorted(new))
            if one.get("model") == model
        ]
        if mine:
            rows = sum(int(one["rows"]) for one in mine)
            why = ", ".join(dict.fromkeys(str(one["reason"]) for one in mine))
            raise IngestError(f"{self.url}: refused {rows} rows: {why}; they are set aside in {self._aside}")

    def close(self) -> None:
        """At the end of the process: what was recorded last has a little time to go out. What does not is kept."""
        global _end_at
        if _end_at is None:
            _end_at = time.monotonic() + END_S
        if not self.desk.journal.is_dir():
            return
        requests: list[Request] = []
        try:
            requests = [self.desk.ask(model) for model in self.desk.models if model in self._models]
            if requests:
                self._starter.ensure()
            while time.monotonic() < _end_at and any(self.desk.waits(one) for one in requests):
                status = self.desk.status()
                if self.desk.held and status is not None and status.state != "working":
                    break  # it will not be now
                time.sleep(_POLL_S)
        except OSError:
            pass  # the disk is full, say: what was recorded is in the journal
        finally:
            self._starter.end()
            for one in requests:
                self.desk.withdraw(one)
                self.desk.answer(one)

    def after_fork(self) -> None:
        """In a child process: the sender is the parent's."""
        global _end_at
        _end_at = None
        self._starter.after_fork()
        self._look_at = self._said_at = -math.inf

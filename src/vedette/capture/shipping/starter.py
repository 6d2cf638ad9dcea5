"""Starts a journal's sender: a process of its own, which outlives this one, or a thread where no process can be started."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from vedette.capture.shipping.desk import Desk
from vedette.config import ServerSettings
from vedette.errors import JournalError

__all__ = ["EXIT_STOPPED", "Starter"]

EXIT_STOPPED = 77
"""How the process ends where the server takes nothing until somebody changes something: a token, say."""

IDLE_EXIT_S = 30.0
"""A sender ends after so long without rows, where nobody records any more."""

_STOPPED_S = 60.0  # until one that was stopped is started again: with the environment of who starts it
_UP_S = 30.0  # a start takes a tenth of a second, on a machine that has nothing else to do
_BETWEEN_S = 1.0
_FAILURES_MAX = 3  # then a thread is used
_LOG_BYTES_MAX = 2**20

log = logging.getLogger("vedette")


class Starter:
    """Sees that a journal has a sender. ``settings`` and ``config_path`` are for the thread and for the process."""

    def __init__(
        self, desk: Desk, url: str, settings: Callable[[], ServerSettings], config_path: Path | None
    ) -> None:
        self.desk, self.url = desk, url
        self._settings, self._config_path = settings, config_path
        self._busy = threading.Lock()
        self._child: int | None = None
        self._child_since = self._not_before = -math.inf
        self._failures = 0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._forget: Callable[[], None] | None = None  # lets go of what the thread holds

    def ensure(self, *, now_at_last: bool = False) -> None:
        """Start a sender where none runs; with ``now_at_last`` also where the last one has just been stopped.

        Raises ``OSError`` where the journal cannot be written.
        """
        if not self._busy.acquire(blocking=False):
            return  # another thread is at it
        try:
            now = time.monotonic()
            self._reap(now)
            if self.desk.held or (self._thread is not None and self._thread.is_alive()):
                self._failures = 0
                return
            if self._child is not None:
                if now < self._child_since + _UP_S:
                    return
                self._failures, self._child = self._failures + 1, None  # what runs there is no sender
            if now < self._not_before and not now_at_last:
                return
            self._not_before = now + _BETWEEN_S
            self.desk.open()
            if self._failures >= _FAILURES_MAX or not self._spawn(now):
                self._run_thread()
        finally:
            self._busy.release()

    def _spawn(self, now: float) -> bool:
        """Start the process; False where none can be."""
        if not sys.executable or not hasattr(os, "posix_spawn"):
            return False
        output = self.desk.path / "log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        if output.exists() and output.stat().st_size > _LOG_BYTES_MAX:
            flags |= os.O_TRUNC
        environment = dict(os.environ)
        if self._config_path is not None:
            environment["VEDETTE_CONFIG"] = str(self._config_path)
        module = [sys.executable, "-P", "-m", "vedette.capture.shipping"]
        try:
            self._child = os.posix_spawn(
                sys.executable,
                [*module, str(self.desk.journal), self.url, str(IDLE_EXIT_S)],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o600),
                    (os.POSIX_SPAWN_OPEN, 2, str(output), flags, 0o600),
                ],
                setsid=True,
            )
        except (OSError, NotImplementedError) as error:
            log.warning(
                "%s: no process can be started to ship it: %s; a thread does", self.desk.journal, error
            )
            return False
        self._child_since = now
        return True

    def _reap(self, now: float) -> None:
        """Note how the process that was started has ended, if it has."""
        if self._child is None:
            return
        try:
            ended, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:
            self._child = None  # somebody else in this process reaped it
            return
        if not ended:
            return
        self._child = None
        code = os.waitstatus_to_exitcode(status)
        if code == EXIT_STOPPED:
            self._not_before = now + _STOPPED_S
        elif code > 0:
            self._failures += 1

    def _run_thread(self) -> None:
        """Ship in a thread of this process."""
        from vedette.capture.shipping.follow import End, follow  # HTTP and the rest: only where it is needed

        def tie(lock: int, leave: Callable[[], None]) -> None:
            def forget() -> None:
                os.close(lock)
                leave()

            self._forget = forget

        def run() -> None:
            try:
                end = follow(
                    self.desk.journal,
                    self.url,
                    self._settings,
                    idle_exit_s=IDLE_EXIT_S,
                    stop=self._stop,
                    tie=tie,
                )
                if end is End.STOPPED:
                    self._not_before = time.monotonic() + _STOPPED_S
            except (OSError, JournalError) as error:
                log.warning("%s: shipping ended: %s", self.desk.journal, error)
            finally:
                self._forget = None

        thread = threading.Thread(target=run, name="vedette-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # no thread may be started either: what is recorded waits in the journal
        self._thread = thread

    def end(self) -> None:
        """Have the thread end, if there is one."""
        self._stop.set()

    def after_fork(self) -> None:
        """In a child process: the sender is the parent's."""
        forget = self._forget
        self.__init__(self.desk, self.url, self._settings, self._config_path)  # type: ignore[misc]
        if forget is not None:
            forget()

"""Telling people beside the rounds of a follower: a thread for each model that is being told of."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from vedette import config
from vedette.engine.delivery import deliver
from vedette.errors import ConfigError
from vedette.lake.tables import Lake

__all__ = ["Background"]

log = logging.getLogger("vedette")


class Background:
    """Tells beside the rounds of a follower: a channel that hangs holds up no round, nor another model.

    As long as ``vedette.toml`` is wrong, what it said before holds: people go on being told.
    """

    def __init__(self, lake: Lake, clock: Callable[[], float]) -> None:
        self._lake, self._clock = lake, clock
        self._threads: dict[str, threading.Thread] = {}
        self._acting: dict[str, threading.Thread] = {}
        self._asked: dict[str, bool] = {}
        self._waiting: dict[str, int] = {}
        self._guard = threading.Lock()
        self._written: config.Config | None = None  # what could be read last
        self._said: str | None = None  # the last error of the settings: logged once, not at each round

    @property
    def waiting(self) -> int:
        """Notices that wait to be tried again, and models that are being told of."""
        with self._guard:
            return sum(self._waiting.values()) + len(self._threads)

    def tell(self, model: str, *, completed: bool) -> None:
        """Tell of a model soon; where its last turn still runs, once more after it."""
        with self._guard:
            self._asked[model] = completed
            if model not in self._threads:
                thread = threading.Thread(target=self._run, args=(model,), daemon=True)
                self._threads[model] = thread
                thread.start()

    def close(self, timeout_s: float) -> None:
        """Wait for what is under way; what does not end in time is sent again by the next process, with its key."""
        deadline = time.monotonic() + timeout_s
        with self._guard:
            threads = [*self._threads.values(), *self._acting.values()]
        for one in threads:
            one.join(max(0.0, deadline - time.monotonic()))

    def _run(self, model: str) -> None:
        while True:
            with self._guard:
                completed = self._asked.pop(model, None)
                if completed is None:
                    del self._threads[model]
                    return
            waiting = 0
            try:
                written = self._read()
                if written is not None:
                    self._act(model, written)
                    waiting = deliver(
                        self._lake, [model], clock=self._clock, completed=completed, written=written
                    )
            except Exception:
                log.exception("model %s: telling failed", model)
            with self._guard:
                self._waiting[model] = waiting

    def _act(self, model: str, written: config.Config) -> None:
        """Evaluate comparisons and do what policies say, beside telling: an action that takes its time holds up nobody."""
        if not written.policies_of(model) and not written.compare_of(model):
            return

        def work() -> None:
            from vedette.engine.chain import act  # only where there is something to decide

            try:
                if act(self._lake, model, clock=self._clock, written=written):
                    self.tell(model, completed=False)  # what waits for approval, or failed
            except Exception:
                log.exception("model %s: its policies", model)

        with self._guard:
            running = self._acting.get(model)
            if running is not None and running.is_alive():
                return  # the next round looks again
            self._acting[model] = threading.Thread(target=work, daemon=True)
            self._acting[model].start()

    def _read(self) -> config.Config | None:
        """What ``vedette.toml`` says, or said when it could be read last; None where it never could."""
        try:
            self._written, self._said = config.read(), None
        except ConfigError as error:
            if str(error) != self._said:
                before = "the channels stay as they were" if self._written else "nobody is told"
                log.error("%s: %s", before, error)
            self._said = str(error)
        return self._written

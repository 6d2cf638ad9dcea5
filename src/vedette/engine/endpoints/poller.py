"""Looks at an endpoint every so often, in a thread of its own, and records each look."""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from vedette.capture.process import register
from vedette.config.endpoints import EndpointSettings, endpoint_of
from vedette.engine.endpoints.exposition import check_parser
from vedette.engine.endpoints.look import Look, look
from vedette.engine.endpoints.row import Rows
from vedette.errors import ConfigError, NotAllowedError

__all__ = ["Poller", "settings_for", "window_for"]

_MINUTE_S = 60.0
log = logging.getLogger("vedette")


def settings_for(name: str, **said: Any) -> EndpointSettings:
    """The settings of an endpoint from arguments; what is None is not said.

    >>> settings_for("live", url="https://example.org/health", every=30.0, version=None).every_s
    30.0
    """
    usual = {"stage": ""}
    return endpoint_of(
        name, {key: one for key, one in said.items() if one is not None and one != usual.get(key)}
    )


def window_for(endpoints: Iterable[EndpointSettings]) -> float:
    """The length of a window of looks: a minute, or as many as the longest pause between two looks.

    >>> window_for([settings_for("live", url="https://example.org", every=90.0)])
    120.0
    """
    longest = max((one.every_s for one in endpoints), default=_MINUTE_S)
    return max(_MINUTE_S, _MINUTE_S * math.ceil(longest / _MINUTE_S))


class Poller:
    """Looks at an endpoint every ``settings.every_s`` seconds, and records each look with ``record``.

    A look that the thread could not make in time is left out and not made up for: the next one is at its own time, and what is
    missing shows as completeness. A look that may not be made (the address is not allowed, a token is missing) is counted with
    ``reject``: nothing is known of the model then.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        record: Callable[..., None],
        reject: Callable[..., None],
        *,
        clock: Callable[[], float] = time.time,
        follow: bool = True,
    ) -> None:
        if settings.kind == "prometheus":
            check_parser()
        self.settings, self.last = settings, None
        self._record, self._reject, self._clock = record, reject, clock
        self._rows, self._said = Rows(settings), ""
        self._one_at_a_time, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        if follow:
            self._thread = threading.Thread(
                target=_run,
                args=(weakref.ref(self), self._stop, settings.every_s),
                name=f"vedette-endpoint-{settings.name}",
                daemon=True,
            )
            self._thread.start()
        register(self)

    last: Look | None
    """The last look, None before the first."""

    def look(self) -> Look:
        """Look and record, now. Raises ``NotAllowedError`` or ``ConfigError`` where it may not be asked."""
        with self._one_at_a_time:
            at_s, running_s = self._clock(), time.monotonic()
            try:
                found = look(self.settings)
            except (NotAllowedError, ConfigError) as error:
                self._reject("predictions", f"endpoint {self.settings.name}: not looked at", 1, time=at_s)
                self._say(str(error))
                raise
            row = self._rows.of(found, running_s)
            if not self._stop.is_set() or threading.current_thread() is not self._thread:
                # one that is down has no answer, as a prediction that failed: error_rate counts it
                said = "up" if found.up else None
                self._record(row, said, latency_s=found.latency_s, error=found.error, time=at_s)
            self._say("" if found.up else f"endpoint {self.settings.name}: down: {found.answer}")
            self.last = found
        return found

    def _say(self, words: str) -> None:
        """A line in the log where something changed."""
        if words and words != self._said:
            log.warning("%s", words)
        elif self._said and not words:
            log.warning("endpoint %s: up again", self.settings.name)
        self._said = words

    def __del__(self) -> None:
        if hasattr(self, "_stop"):
            self._stop.set()

    def close(self) -> None:
        """Look no more; a look that goes on is waited for, but not for ever."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def after_fork(self) -> None:
        """In a child process: the looking is the parent's."""
        self._one_at_a_time, self._thread, self._stop = threading.Lock(), None, threading.Event()
        self._stop.set()


def _run(of: weakref.ref[Poller], stop: threading.Event, every_s: float) -> None:
    begun, number = time.monotonic(), 0
    while True:
        poller = of()
        if poller is None or stop.is_set():
            return
        try:
            poller.look()
        except (NotAllowedError, ConfigError):
            pass  # counted and said by look()
        except Exception as error:  # noqa: BLE001 - the edge: it must go on the next time
            log.warning("endpoint %s: %s: %s", poller.settings.name, type(error).__name__, error)
        del poller
        number = max(number + 1, math.ceil((time.monotonic() - begun) / every_s))
        if stop.wait(max(0.0, begun + number * every_s - time.monotonic())):
            return

"""The machine beside a training: a thread reads what the process takes, and keeps it at the step that the run has reached.

The readings lie in a part of the run of their own (``capture.run_parts``), written by a recorder of their own: the training's
thread shares nothing with this one, and neither its steps nor the names of its history are touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from vedette.capture.machine import available_bytes, children_cpu_seconds
from vedette.capture.resources import Readings, Resources

__all__ = ["DENSE", "FIRST_S", "Machine", "MachineReadings"]

FIRST_S = 0.1
"""Seconds between the first readings."""

DENSE = 60
"""The time between two readings is no more than this part of the run so far: however short it is, it has so many that lie
alike apart."""

_KEPT = ("rss_bytes", "cpu_share", "workers_cpu_share", "available_bytes")


class MachineReadings(Readings):
    """What of this process, its children and the machine a training run is told.

    ``rss_bytes`` is the memory in use, ``cpu_share`` the processor time since the last reading as a share of one core,
    ``workers_cpu_share`` that of the child processes (the workers of data loaders), ``available_bytes`` the memory that the
    process can still take (``capture.machine``), and of each GPU ``gpu0_use``, ``gpu0_memory_bytes`` and so on.

    >>> sorted(MachineReadings().read()) >= ["available_bytes", "cpu_share", "rss_bytes"]
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self._children = (time.monotonic(), children_cpu_seconds())

    def read(self) -> dict[str, float]:
        """One reading."""
        found = super().read()
        found["cpu_share"] = found.pop("cpu", float("nan"))
        left = available_bytes()
        if left is not None:
            found["available_bytes"] = left
        now, used = time.monotonic(), children_cpu_seconds()
        (before, had), self._children = self._children, (now, used)
        if used is not None and had is not None and now > before:
            found["workers_cpu_share"] = max(0.0, (used - had) / (now - before))
        return {
            name: value
            for name, value in found.items()
            if (name in _KEPT or name.startswith("gpu")) and value == value
        }


class Machine(Resources):
    """The thread that reads for a run; it ends with the run. In a forked child nothing is read.

    ``log(readings, step)`` keeps a reading, ``step`` tells how far the run is, ``every_s`` is the time between two readings once
    the run is ``every_s * DENSE`` old, ``done`` is called when the last one is kept. A run shorter than ``FIRST_S`` has none.
    """

    def __init__(
        self,
        log: Callable[[Mapping[str, float], int], None],
        step: Callable[[], int],
        every_s: float,
        done: Callable[[], None],
    ) -> None:
        self._done, self._since, self._parent = done, time.monotonic(), True
        super().__init__(lambda found, _: log(found, max(step(), 0)), dict, every_s)

    def _reader(self) -> Readings:
        return MachineReadings()

    def wait_s(self) -> float:
        """The time until the next reading."""
        return min(max((time.monotonic() - self._since) / DENSE, FIRST_S), self.every_s)

    def close(self) -> None:
        """Read a last time, and end the thread."""
        if self._stop.is_set() or not self._parent:
            return
        self._end(last=self._read)
        self._done()

    def after_fork(self) -> None:
        """In a child process: what it takes is not the run's."""
        self._parent = False
        self._stop, self._thread = type(self._stop)(), None
        self._stop.set()

"""What the process takes: memory, processor, threads, open files, and the GPU; read every few seconds by a thread of its own.

Each reading is a row of the model ``<model>.process``, recorded, counted and judged as any other.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from vedette.capture.process import register

__all__ = ["EVERY_S", "Readings", "Resources", "check_every", "gpu_readings"]

EVERY_S = 10.0
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_logger = logging.getLogger("vedette")


def check_every(given: bool | float | None, name: str = "resources") -> float:
    """The seconds between two readings; 0 for never. Raises ``ValueError`` for what cannot be."""
    if given is None or given is False:
        return 0.0
    if given is True:
        return EVERY_S
    if not isinstance(given, int | float) or not 0.1 <= given <= 3600:
        raise ValueError(
            f"{name}={given!r}: must be True, False, or 0.1 to 3,600 seconds between two readings"
        )
    return float(given)


class Readings:
    """Reads what this process takes. Names end in their unit; what cannot be told on this system is left out.

    ``rss_bytes`` and ``rss_peak_bytes`` are the memory in use and the most there ever was, ``memory_limit_bytes`` what there may
    be (of the container, else of the machine), ``cpu`` the processor time since the
    last reading as a share of one core (2.0: two cores were busy), ``threads``, ``open_files``; ``gpu0_use`` (share of the
    time), ``gpu0_memory_bytes``, ``gpu0_power_w``, ``gpu0_temperature_c`` and so on of each GPU, through NVML where the package
    ``nvidia-ml-py`` is there.

    >>> readings = Readings()
    >>> found = readings.read()
    >>> found["rss_peak_bytes"] >= found["rss_bytes"] > 0, found["threads"] >= 1
    (True, True)
    """

    def __init__(self) -> None:
        self._cpu = (time.monotonic(), _cpu_seconds())
        self._gpu = _GPU()
        self._limit = _memory_limit()

    def read(self) -> dict[str, float]:
        """One reading."""
        found: dict[str, float] = {}
        for part in (self.memory, self._limits, self._processor, self._files, self._gpu.read):
            try:
                found |= part()
            except (OSError, ValueError, IndexError):  # not on this system, or not for this user
                pass
        return found

    @staticmethod
    def memory() -> dict[str, float]:
        """What of a reading is memory."""
        found: dict[str, float] = {}
        if sys.platform == "linux":
            found["rss_bytes"] = float(int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE)
        resource: Any = import_module("resource")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["rss_peak_bytes"] = max(
            float(peak * (1 if sys.platform == "darwin" else 1024)), found.get("rss_bytes", 0.0)
        )
        return found

    def _limits(self) -> dict[str, float]:
        return {} if self._limit is None else {"memory_limit_bytes": self._limit}

    def _processor(self) -> dict[str, float]:
        now, used = time.monotonic(), _cpu_seconds()
        before, self._cpu = self._cpu, (now, used)
        if now <= before[0]:
            return {}
        return {"cpu": max(0.0, (used - before[1]) / (now - before[0]))}

    @staticmethod
    def _files() -> dict[str, float]:
        if sys.platform != "linux":
            return {"threads": float(threading.active_count())}
        return {
            "threads": float(_threads()),
            "open_files": float(
                len(os.listdir("/proc/self/fd")) - 1
            ),  # less the one that the look itself takes
        }


def _memory_limit() -> float | None:
    """The memory that this process may have: its control group's, else the machine's; None where that cannot be told."""
    found = []
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found.append(float(Path(name).read_text("ascii")))
        except (OSError, ValueError):  # no such group, or "max"
            pass
    try:
        found.append(float(os.sysconf("SC_PHYS_PAGES") * _PAGE))
    except (AttributeError, OSError, ValueError):  # not told on this system
        pass
    return min(found, default=None)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def _threads() -> int:
    """The threads of the process, those that Python does not know of too."""
    return int(Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[17])


class _GPU:
    """The GPUs as NVML tells of them; none where the package or the driver is missing."""

    def __init__(self) -> None:
        self._handles: list[Any] | None = None
        self._nvml: Any = None

    def read(self) -> dict[str, float]:
        if self._handles is None:
            self._handles = []
            try:
                self._nvml = import_module("pynvml")
                self._nvml.nvmlInit()
                n = self._nvml.nvmlDeviceGetCount()
                self._handles = [self._nvml.nvmlDeviceGetHandleByIndex(i) for i in range(n)]
            except Exception:  # noqa: BLE001 - no package, no driver, no device: there is nothing to read
                return {}
        found: dict[str, float] = {}
        for number, handle in enumerate(self._handles):
            found |= {
                f"gpu{number}_{name}": value for name, value in gpu_readings(self._nvml, handle).items()
            }
        return found


def gpu_readings(nvml: Any, handle: Any) -> dict[str, float]:
    """One GPU's readings; those that it does not give are left out."""
    found: dict[str, float] = {}
    asked: Mapping[str, Callable[[], float]] = {
        "use": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
        "memory_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used,
        "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
        "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
    }
    for name, ask in asked.items():
        try:
            found[name] = float(ask())
        except Exception:  # noqa: BLE001, S110 - NVML's errors: not supported by this device, a device that is gone
            pass
    return found


class Resources:
    """The thread that reads, and records each reading with ``log``, beside what ``more`` says.

    It ends with the process, or with :meth:`close`.
    """

    def __init__(
        self,
        log: Callable[..., None],
        more: Callable[[], Mapping[str, float]],
        every_s: float = EVERY_S,
    ) -> None:
        self.every_s = every_s
        self._log, self._more = log, more
        self._stop = threading.Event()
        self._said = self._read = False
        self._readings = self._reader()
        self._start()
        register(self)

    def _reader(self) -> Readings:
        return Readings()

    def _start(self) -> None:
        self._thread: threading.Thread | None = threading.Thread(
            target=_run,
            args=(weakref.ref(self), self._stop, self.wait_s()),
            name="vedette-resources",
            daemon=True,
        )
        try:
            self._thread.start()
        except RuntimeError:  # no thread may be started: nothing is read
            self._thread = None

    def wait_s(self) -> float:
        """The time until the next reading; the first comes soon."""
        return self.every_s if self._read else min(self.every_s, 1.0)

    def record(self) -> None:
        """Read and record once; never an exception."""
        self._read = True
        try:
            self._log({**self._readings.read(), **self._more()}, "read")
        except Exception as error:  # noqa: BLE001 - the edge: the model's process must not feel it
            if not self._said:
                self._said = True
                _logger.warning("reading resources: %s: %s (said once)", type(error).__name__, error)

    def __del__(self) -> None:
        if hasattr(self, "_stop"):
            self._stop.set()

    def close(self) -> None:
        """Record a last time, and end the thread."""
        if not self._stop.is_set():
            self._end(last=True)

    def _end(self, *, last: bool) -> None:
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)
        if last:
            self.record()

    def after_fork(self) -> None:
        """In a child process: a thread of its own."""
        stopped = self._stop.is_set()
        self._stop = threading.Event()
        if stopped:
            self._stop.set()
            return
        self._readings, self._read = self._reader(), False
        self._start()


def _run(of: weakref.ref[Resources], stop: threading.Event, wait_s: float) -> None:
    while not stop.wait(wait_s):
        resources = of()
        if resources is None:
            return
        resources.record()
        wait_s = resources.wait_s()
        del resources

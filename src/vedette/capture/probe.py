"""The active probe: the model is run on the same inputs every so often, and its answers are held against those expected.

Each run is a row for each input in the model ``<model>.probe``, with its latency and the memory that it took.
"""

from __future__ import annotations

import copy
import inspect
import logging
import math
import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from vedette.capture.frameworks.inputs import plain
from vedette.capture.process import register
from vedette.capture.resources import Readings

__all__ = ["Probe", "rows_to_probe", "same"]

_logger = logging.getLogger("vedette")
_UNKNOWN = object()


class Probe:
    """Runs ``predict`` on each of ``inputs`` every ``every_s`` seconds, in a thread of its own.

    ``expected`` are the answers that are right, in the order of the inputs; without them those of the first run are. Numbers
    may differ by ``tolerance`` (absolute, or relative to what was expected, whichever is more). Each answer is recorded with
    ``log`` as a row: ``probe`` (the name), ``input`` (its number), ``host``, ``answer``, ``expected``, ``changed`` (0 or 1),
    ``difference`` (of numbers), ``memory_bytes`` (by which the process's greatest memory grew), the latency, and the type of
    what was raised.
    """

    def __init__(
        self,
        predict: Callable[[Any], Any],
        inputs: Sequence[Any],
        log: Callable[..., None],
        *,
        expected: Sequence[Any] | None,
        every_s: float,
        tolerance: float,
        name: str = "probe",
    ) -> None:
        self._predict, self._inputs, self._log, self.name = predict, list(inputs), log, name
        if not callable(predict) or inspect.iscoroutinefunction(predict):
            raise TypeError(
                f"predict={predict!r}: must be a function of one input, and no coroutine function"
            )
        if not isinstance(name, str) or not name:
            raise ValueError(f"name={name!r}: must be text that tells this probe from others")
        if expected is not None and (
            isinstance(expected, str | bytes | Mapping) or not hasattr(expected, "__len__")
        ):
            raise ValueError(
                f"expected: type {type(expected).__name__}: must be a list with an answer for each input"
            )
        if not self._inputs or len(self._inputs) > 10_000:
            raise ValueError(f"inputs: {len(self._inputs)} of them: must be 1 to 10,000")
        if isinstance(every_s, bool) or not isinstance(every_s, int | float) or not 0.1 <= every_s <= 86_400:
            raise ValueError(f"every_s={every_s!r}: must be 0.1 to 86,400 seconds")
        if (
            isinstance(tolerance, bool)
            or not isinstance(tolerance, int | float)
            or not 0 <= tolerance < math.inf
        ):
            raise ValueError(f"tolerance={tolerance!r}: must be a number of 0 or more")
        self.expected: list[Any] = [_UNKNOWN] * len(self._inputs) if expected is None else list(expected)
        if len(self.expected) != len(self._inputs):
            raise ValueError(
                f"expected: {len(self.expected)} answers for {len(self._inputs)} inputs: must be as many"
            )
        self.every_s, self.tolerance = float(every_s), float(tolerance)
        self._readings, self._changed, self._host = Readings(), False, socket.gethostname()
        self._stop, self._one_at_a_time = threading.Event(), threading.Lock()
        self._start()
        register(self)

    def _start(self) -> None:
        self._thread: threading.Thread | None = threading.Thread(
            target=_run, args=(weakref.ref(self), self._stop, self.every_s), name="vedette-probe", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            _logger.warning("the probe cannot run: no thread can be started")

    def run(self) -> int:
        """Run once, now; returns how many of the answers were not as expected."""
        with self._one_at_a_time:
            found = []
            for number, one in enumerate(self._inputs):
                if self._stop.is_set() and threading.current_thread() is self._thread:
                    break
                found.append(self._ask(number, one))
            changed = [one for one in found if one]
            if changed and not self._changed:
                _logger.warning(
                    "the probe: %d of %d answers are not as expected: %s",
                    len(changed),
                    len(found),
                    changed[0],
                )
            self._changed = bool(changed)
        return len(changed)

    def _ask(self, number: int, one: Any) -> str:
        """Ask once; in words what is not as expected, empty where all is."""
        row: dict[str, Any] = {"probe": self.name, "input": number, "host": self._host}
        one = _copied(one)  # the model may write into it
        before = self._readings.memory()["rss_peak_bytes"]
        start, failed, answer = time.perf_counter(), None, None
        try:
            answer = self._predict(one)
        except BaseException as error:  # noqa: BLE001 - it is what is looked for; what would end a thread too
            failed = error
        seconds = time.perf_counter() - start
        row["memory_bytes"] = self._readings.memory()["rss_peak_bytes"] - before
        if failed is None and self.expected[number] is _UNKNOWN:
            self.expected[number] = _copied(answer)  # and give the same array each time
        known = self.expected[number]
        try:
            agrees = failed is None and same(answer, known, self.tolerance)
        except Exception as error:  # noqa: BLE001 - an answer that cannot be compared is not as expected
            agrees, failed = False, error
        row["changed"] = int(not agrees)
        told, right = _told(answer), None if known is _UNKNOWN else _told(known)
        if failed is None and _is_number(told) and _is_number(right) and math.isfinite(told - right):
            row["difference"] = float(told - right)
        row["answer"], row["expected"] = str(told)[:200], str(right)[:200]
        if self._stop.is_set() and threading.current_thread() is self._thread:
            return ""  # the model took longer than the probe is wanted for
        self._log(row, "as expected" if agrees else "changed", latency_s=seconds, error=failed)
        if agrees:
            return ""
        expected = "" if known is _UNKNOWN else f", expected {row['expected']}"
        if failed is not None:
            return f"input {number} raised {type(failed).__name__}{expected}"
        if (
            row["answer"] == row["expected"]
        ):  # of another type or shape, or different where the text is cut off
            expected += (
                f" (types {type(answer).__name__} and {type(known).__name__}, or not the same to the end)"
            )
        return f"input {number} was {row['answer']}{expected}"

    def __del__(self) -> None:
        if hasattr(self, "_stop"):
            self._stop.set()

    def close(self) -> None:
        """Run no more. A run that goes on is waited for, but not for ever; what it answers later is not recorded."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def after_fork(self) -> None:
        """In a child process: the probe is the parent's."""
        self._one_at_a_time = threading.Lock()
        self._stop, self._thread = threading.Event(), None
        self._stop.set()


def rows_to_probe(inputs: Any) -> list[Any]:
    """The inputs one by one: of a table its rows as mappings, of anything else its elements."""
    if hasattr(inputs, "iter_rows"):
        return list(inputs.iter_rows(named=True))
    if hasattr(inputs, "to_dict") and hasattr(inputs, "iloc"):
        return list(inputs.to_dict("records"))
    if hasattr(inputs, "to_pylist"):
        return list(inputs.to_pylist())
    if (
        isinstance(inputs, Mapping)
        and len({len(one) for one in inputs.values() if hasattr(one, "__len__")}) == 1
    ):
        return [dict(zip(inputs, values, strict=True)) for values in zip(*inputs.values(), strict=True)]
    if isinstance(inputs, str | bytes | Mapping) or not hasattr(inputs, "__iter__"):
        raise TypeError(f"inputs: type {type(inputs).__name__}: must be a sequence of inputs, or a table")
    return list(inputs)


def same(answer: Any, expected: Any, tolerance: float = 0.0) -> bool:
    """True where two answers are the same: numbers within the tolerance, NaN as NaN, arrays and mappings part by part.

    >>> same([0.1, {"a": 1}], (0.1, {"a": 1})), same(1.0, 1.0 + 1e-9), same(1.0, 1.0 + 1e-9, 1e-6)
    (True, False, True)
    """
    if expected is _UNKNOWN:
        return False
    one, other = _plain(answer), _plain(expected)
    if isinstance(one, bool) or isinstance(other, bool):
        return bool(one == other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        if one != one or other != other:
            return one != one and other != other
        if math.isinf(one) or math.isinf(other):
            return bool(one == other)
        return bool(one == other or abs(one - other) <= tolerance * max(1.0, abs(other)))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key], tolerance) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other, [tolerance] * len(one)))
    return bool(one == other)


def _copied(value: Any) -> Any:
    """The value as it is now; itself where it cannot be copied."""
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - somebody's object
        return value


def _plain(value: Any) -> Any:
    """A table as a mapping of lists, an array, tensor or column as a list, a scalar of those as Python's own."""
    for attribute in ("detach", "cpu", "numpy"):  # a tensor, wherever it is
        if hasattr(value, attribute) and not hasattr(value, "columns"):
            value = getattr(value, attribute)()
    if hasattr(value, "to_pydict"):
        return value.to_pydict()
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        return value.to_dict("list") if hasattr(value, "iloc") else value.to_dict(as_series=False)
    for attribute in ("tolist", "to_list"):
        if hasattr(value, attribute):
            return getattr(value, attribute)()
    return plain(value)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _told(answer: Any) -> Any:
    """An answer as a row can hold it: of an array of one element that, else text."""
    found = _plain(answer)
    while isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found if isinstance(found, str | int | float | bool) or found is None else repr(found)


def _run(of: weakref.ref[Probe], stop: threading.Event, every_s: float) -> None:
    while True:
        probe = of()
        if probe is None or stop.is_set():
            return
        try:
            probe.run()
        except Exception as error:  # noqa: BLE001 - the edge: it must go on the next time
            _logger.warning("the probe: %s: %s", type(error).__name__, error)
        del probe
        if stop.wait(every_s):
            return

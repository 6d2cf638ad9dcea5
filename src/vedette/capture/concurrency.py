"""How much is asked of a model: the calls that are going on, and the rows of each; counted without a lock."""

from __future__ import annotations

import operator

__all__ = ["Load"]

_MANY = 2**62


class _Counter:
    """Counts up, one call of C for each; from any thread."""

    def __init__(self) -> None:
        self._numbers = iter(range(_MANY))
        self.count = self._numbers.__next__

    @property
    def n(self) -> int:
        """How many there were."""
        return _MANY - operator.length_hint(self._numbers)


class Load:
    """The calls of a process that are watched.

    >>> load = Load()
    >>> load.begin(); load.begin(); load.end(8)
    >>> load.reading()
    {'calls': 2.0, 'concurrency': 1.0, 'concurrency_peak': 2.0, 'batch_size': 8.0, 'batch_size_peak': 8.0}
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start from nothing: in a child process."""
        self._begun, self._ended = _Counter(), _Counter()
        self._peak, self._rows, self._batch_peak = 0, 0, 0
        self._told = (0, 0, 0)

    def begin(self) -> None:
        """A call begins."""
        # to read the counters is dear: the peak is looked at where it can have moved
        n = self._begun.count() + 1 - self._ended.n
        if n > self._peak:
            self._peak = n

    def end(self, n_rows: int) -> None:
        """A call of so many rows has ended."""
        self._ended.count()
        self._rows += n_rows
        if n_rows > self._batch_peak:
            self._batch_peak = n_rows

    def reading(self) -> dict[str, float]:
        """Since the last reading: calls, the most that went on at once, mean and largest rows of a call; and those going on."""
        ended, begun, rows = self._ended.n, self._begun.n, self._rows
        going_on = max(0, begun - ended)  # a call in which a child was forked ends there without having begun
        before = self._told
        self._told = (begun, ended, rows)
        found = {
            "calls": float(begun - before[0]),
            "concurrency": float(going_on),
            "concurrency_peak": float(max(self._peak, going_on)),
        }
        if ended > before[1]:
            found["batch_size"] = (rows - before[2]) / (ended - before[1])
            found["batch_size_peak"] = float(self._batch_peak)
        self._peak, self._batch_peak = going_on, 0
        return found

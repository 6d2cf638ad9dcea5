"""The drawing: a ``log`` that keeps the rows a sampler wants kept, and counts those it leaves out."""

from __future__ import annotations

import operator
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, repeat
from typing import Any

from vedette.capture.sampling.rate import Rate
from vedette.capture.sampling.row import Row
from vedette.capture.values import event_time

__all__ = ["Drawn", "LeftOut"]

_INVERSE_MAX = 2**20
_DRAWS_MAX = 4096  # strata that are drawn in at the same time
_TOLD = 64  # rows that are left out are written down so many at a time
_MANY = 2**62
_WINDOWS_MAX = 256


class LeftOut:
    """Counts rows that were left out, by window of event time, a few at a time; from any thread.

    ``add(n, time_s)`` writes them down. A kill takes the count of less than 64 rows with it: none of them was to be kept.
    """

    def __init__(self, window_s: Callable[[], float], add: Callable[[int, float], None]) -> None:
        self._window_s, self._add = window_s, add
        self.forget()

    def forget(self) -> None:
        """Start from nothing: in a child process, whose parent has counted its own."""
        self._settling = threading.Lock()
        self._counts: dict[float, tuple[Callable[[], int], Any, list[int]]] = {}

    def count(self, time_s: float) -> None:
        """One more."""
        window = time_s // self._window_s()
        found = self._counts.get(window)
        if found is None:
            if len(self._counts) >= _WINDOWS_MAX:
                self.settle()
                for old in list(self._counts)[: _WINDOWS_MAX // 2]:
                    self._counts.pop(old, None)
            numbers = iter(range(_MANY))
            found = self._counts.setdefault(window, (numbers.__next__, numbers, [0]))
        if not (found[0]() + 1) % _TOLD:  # a call of C: no two threads have the same number
            self.settle()

    def settle(self, add: Callable[[int, float], None] | None = None) -> None:
        """Write down what was not yet, with ``add`` where it is given."""
        if not self._settling.acquire(blocking=False):
            return  # another thread is at it, or this very one, in a finaliser: the next time has these too
        try:
            length = self._window_s()
            for window, (_, numbers, told) in list(self._counts.items()):
                n = _MANY - operator.length_hint(numbers)
                new = n - told[0]
                if new > 0:
                    told[0] = n
                    (add or self._add)(new, window * length)
        finally:
            self._settling.release()


class Drawn:
    """``log`` with a sampler before it.

    ``log`` is the recorder's, ``left_out`` what counts the others. Whatever goes wrong in a sampler, the row is kept, with
    the probability of one that it then had, and ``say`` is told.
    """

    def __init__(
        self,
        sampler: Any,
        log: Callable[..., None],
        left_out: LeftOut,
        clock: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        self._chance: Callable[[Row], tuple[float, Any]] = sampler.chance
        # a rate needs no look at a row
        self._fixed = _inverse(sampler.rate) if isinstance(sampler, Rate) else 0
        self._log, self.left_out, self._clock, self._say = log, left_out, clock, say
        self._renew()

    def forget(self) -> None:
        """Draw and count anew: in a child process, which must not draw what its parent does."""
        self.left_out.forget()
        self._renew()

    def _renew(self) -> None:
        self._random = random.Random()  # noqa: S311 - of its own, so that nobody who seeds the common one seeds ours
        self._draws: dict[Any, Callable[[], int]] = {}

    def log(
        self,
        features: Any,
        prediction: Any = None,
        *,
        probability: Any = None,
        id: Any = None,  # noqa: A002 - the public name
        latency_s: Any = None,
        time: Any = None,
        error: Any = None,
        inclusion: Any = None,
    ) -> None:
        """Record one prediction, or leave it out."""
        n = 1
        try:
            if self._fixed:
                n = self._fixed
                if n > 1 and not self.draw(None, n):
                    self.left_out.count(self._when(time))
                    return
            else:
                when = self._when(time)
                n, stratum = self.inverse(Row(features, prediction, probability, error, when))
                if n > 1 and not self.draw(stratum, n):
                    self.left_out.count(when)
                    return
        except Exception as problem:  # noqa: BLE001 - a sampler of the user's, or a row that will be rejected
            n = 1
            self._tell(problem)
        if n > 1:
            inclusion = 1.0 / n if inclusion is None else _product(inclusion, n)
        self._log(
            features,
            prediction,
            probability=probability,
            id=id,
            latency_s=latency_s,
            time=time,
            error=error,
            inclusion=inclusion,
        )

    def _when(self, time: Any) -> float:
        """The event time of a row, in seconds since 1970."""
        now = self._clock()
        return now if time is None else event_time(time, now)[0]

    def inverse(self, row: Row) -> tuple[int, Any]:
        """The whole number that one row in is kept, and the stratum."""
        chance, stratum = self._chance(row)
        if not 0.0 < chance <= 1.0:
            raise ValueError(f"a sampler gave the probability {chance!r}: must be above 0 and at most 1")
        return _inverse(chance), stratum

    def draw(self, stratum: Any, n: int) -> int:
        """1 for one row of each n of a stratum, at a random place, else 0."""
        key = (stratum, n)
        following = self._draws.get(key)
        if following is None:
            if len(self._draws) >= _DRAWS_MAX:
                self._draws = {}  # a block that is begun anew changes no row's probability
            following = self._draws[key] = _blocks(self._random, n)
        return following()

    def many(self, rows: Iterable[Mapping[str, Any]], times_s: Iterable[float]) -> list[int]:
        """For each row of a batch the number it stands for, 0 where it is left out; a row is a mapping of all its columns."""
        found = []
        for row, when in zip(rows, times_s, strict=True):
            try:
                seen = Row(row, row.get("prediction"), _probability(row), row.get("error"), when)
                n, stratum = self.inverse(seen)
                if n > 1 and not self.draw(stratum, n):
                    self.left_out.count(when)
                    n = 0
            except Exception as problem:  # noqa: BLE001 - a sampler of the user's
                n = 1
                self._tell(problem)
            found.append(n)
        return found

    def _tell(self, problem: Exception) -> None:
        try:
            self._say(f"sampler: raised {type(problem).__name__}: the row was handed on")
        except Exception:  # noqa: BLE001, S110 - out of stack or memory: the row is handed on all the same
            pass


def _inverse(chance: float) -> int:
    """The largest whole number whose inverse is no smaller; a hair more, since one over a number can come out below it."""
    return min(int(1.0 / chance + 1e-9), _INVERSE_MAX)


def _blocks(source: random.Random, n: int) -> Callable[[], int]:
    """What returns 1 once in each n calls, at a random place; one call of C but for the first of each n."""

    def block(size: int) -> Iterator[int]:
        at = int(source.random() * size)
        return chain(repeat(0, at), (1,), repeat(0, size - at - 1))

    return partial(next, chain.from_iterable(map(block, repeat(n))))


def _probability(row: Mapping[str, Any]) -> Any:
    """The probability of a row of a frame: one number, or those of the classes."""
    found = row.get("probability")
    if found is not None:
        return found
    return [
        value for name, value in row.items() if name.startswith("probability_") and value is not None
    ] or None


def _product(inclusion: Any, n: int) -> Any:
    """The probability of a row that was sampled before it came; one that cannot be is left for the recorder to refuse."""
    try:
        return inclusion / n if 0.0 < inclusion <= 1.0 else inclusion
    except TypeError:
        return inclusion

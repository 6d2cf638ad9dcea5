"""The last totals of what only grows, so that the next one says how much it has grown since.

What a request changes is drafted first, and kept once its rows are on disk: one that is refused and sent again says the same
again.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from typing import NamedTuple

__all__ = ["Draft", "Series", "Total", "Totals"]

_SERIES_MAX, _MODELS_MAX = 20_000, 10_000  # of one model; and models


class Series(NamedTuple):
    """Of which model, by which resource, under which name."""

    model: str
    resource: str
    name: str


class Total(NamedTuple):
    """A total: since when it grows and as of when, in nanoseconds since 1970; how many there are, and their sum."""

    since_ns: int
    at_ns: int
    n: float
    sum: float


class Totals:
    """The last total of each series. It may be used by any thread."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, OrderedDict[Series, Total]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, series: Series) -> Total | None:
        """The last total of a series, None where there was none."""
        with self._lock:
            of_model = self._last.get(series.model)
            return None if of_model is None else of_model.get(series)

    def keep(self, changed: dict[Series, Total]) -> None:
        """Remember these totals; not those that another request has come ahead of."""
        with self._lock:
            for series, total in changed.items():
                own = self._last.setdefault(series.model, OrderedDict())
                self._last.move_to_end(series.model)
                before = own.pop(series, None)
                own[series] = total if before is None or before.at_ns <= total.at_ns else before
                while len(own) > _SERIES_MAX:
                    own.popitem(last=False)
                while len(self._last) > _MODELS_MAX:
                    self._last.popitem(last=False)


class Draft:
    """What one request says of totals, over those that are kept."""

    def __init__(self, totals: Totals) -> None:
        self.totals = totals
        self.changed: dict[Series, Total] = {}

    def grown(self, series: Series, total: Total, *, delta: bool, falls: bool = False) -> dict[str, float]:
        """How much a total has grown a second since the last one, and the mean of what came; nothing for the first.

        With ``delta`` it is what came since ``since_ns`` itself; ``falls`` where it may become less. Raises ``ValueError``
        for one that is older than the last.
        """
        since_ns, at_ns, n, of_sum = total
        if not delta:
            before = self.changed.get(series) or self.totals.of(series)
            if before is not None and before.at_ns > at_ns:
                raise ValueError(f"metric {series.name[:80]}: a total that is older than the last one")
            self.changed[series] = total
            if before is None or before.since_ns != since_ns:
                if not since_ns:
                    return {}  # since when it grows nobody says
            else:
                since_ns, n, of_sum = before.at_ns, n - before.n, of_sum - before.sum
        seconds = (at_ns - since_ns) / 1e9
        if seconds <= 0 or (n < 0 and not falls):
            return {}
        found = {f"{series.name}_per_s": n / seconds}
        if n > 0 and math.isfinite(of_sum):
            found[f"{series.name}_mean"] = of_sum / n
        return found

    def forget(self, model: str) -> None:
        """What was drafted of a model does not hold."""
        self.changed = {series: total for series, total in self.changed.items() if series.model != model}

    def keep(self) -> None:
        """What was drafted holds from now on."""
        self.totals.keep(self.changed)

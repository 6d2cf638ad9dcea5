"""The rate of rows."""

from __future__ import annotations

import numpy as np

from vedette.statistics.estimates import Estimates, Reasons, check_kind, check_level
from vedette.statistics.intervals import garwood
from vedette.statistics.summary import Summary

__all__ = ["Throughput"]


class Throughput:
    """How many rows came in a second.

    rows / length of the window, all rows counted, whatever is in them. The interval is Garwood's for the rate of a
    Poisson process that gave so many rows: what came is known, the rate that it came at is not. Where rows come in
    bursts the rate is less sure than it says. No rows are a rate of 0 with an upper limit, not a reason; a window
    whose length is not known has the reason ``length of the window is not known``.

    Source: F. Garwood (1936), Biometrika 28, 437-442.

    >>> import numpy as np
    >>> from dataclasses import replace
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> minute = replace(summarise_numeric(numeric_grid("x", [0.0]), np.zeros(10)), window_s=60.0)
    >>> figures = STATISTICS["throughput_per_s"].figures(minute)
    >>> (60 * figures.low).round(3).tolist(), (60 * figures.high).round(3).tolist()     # Garwood's table II
    ([4.795], [18.39])
    """

    name = "throughput_per_s"
    kinds: tuple[str, ...] = ("numeric", "category")
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The rate by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        reasons, length = Reasons(len(current)), current.window_s
        known = length is not None and length > 0
        reasons.add(np.full(len(current), not known), "length of the window is not known")
        reasons.add(current.rows < 0, "corrections without the rows that they correct")
        low, high = garwood(current.rows, level)
        second = 1.0 / length if length is not None and known else 1.0
        return Estimates.of(current.rows * second, low * second, high * second, current.rows, reasons)

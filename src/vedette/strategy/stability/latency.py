"""Whether a version is slower than another, looked at as often as one likes.

In come, by window, rows, sums and squares of seconds of both versions (latencies, or times of a stage). The difference of means
over all windows so far, with its standard error, goes into ``strategy.versions``: claims are wrong at most as often as asked for,
whenever one looks. Rows of a window hang together (load, a neighbour, the hour), so the error is the greater of that of
independent rows and that of the windows' means about the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.measured import Measured, unknown
from vedette.strategy.versions import Estimates, compare
from vedette.strategy.versions.normal import ROWS_MIN, WINDOWS_MIN

__all__ = ["Latencies", "slower"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Latencies:
    """Seconds of one version by window, in order of time: rows, sum and sum of squares, [W] each."""

    n: Floats
    total: Floats
    squares: Floats

    def __post_init__(self) -> None:
        sizes = {np.shape(one) for one in (self.n, self.total, self.squares)}
        if len(sizes) != 1 or len(next(iter(sizes))) != 1:
            raise ValueError(f"n, total, squares: shapes {sorted(sizes)}: must be arrays of one length")


def slower(
    champion: Latencies, challenger: Latencies, *, tolerance: float = 0.05, alpha: float = 0.025
) -> Measured:
    """Mean seconds of the challenger less those of the champion, with a confidence sequence of 1 - 2 ``alpha``.

    Windows are paired by their number, from the first of each. ``tolerance`` is the change that matters, as a share of the
    champion's mean: what is bet on. ``n`` counts the rows of the version that has fewer. ``note`` says ``slower`` or
    ``faster`` where that is sure. UNKNOWN with fewer than 8 windows or 200 rows of either.

    >>> n = np.full(40, 500.0)
    >>> wobble = 0.002 * np.sin(np.arange(40.0))
    >>> fast = Latencies(n, n * (0.100 + wobble), n * (0.0101 + (0.100 + wobble) ** 2 - 0.01))
    >>> slow = Latencies(n, n * (0.120 + wobble), n * (0.0101 + (0.120 + wobble) ** 2 - 0.01))
    >>> found = slower(fast, slow)
    >>> round(found.value, 3), found.note
    (0.02, 'slower')
    """
    parts = [_running(one) for one in (champion, challenger)]
    windows = min(len(one[0]) for one in parts)
    if windows < WINDOWS_MIN:
        return unknown(f"{windows} windows with rows of both versions: {WINDOWS_MIN} are needed")
    (n_a, mean_a, var_a), (n_b, mean_b, var_b) = (
        tuple(column[WINDOWS_MIN - 1 : windows] for column in one) for one in parts
    )
    rows = float(min(n_a[-1], n_b[-1]))
    if rows < ROWS_MIN:
        return unknown(f"{rows:.0f} rows of a version: {ROWS_MIN} are needed", int(rows))
    looks = Estimates(mean_b - mean_a, np.sqrt(var_a + var_b), np.minimum(n_a, n_b))
    found = compare(
        looks, higher_is_better=False, smallest=max(tolerance * float(mean_a[0]), 1e-9), alpha=alpha
    )
    note = "slower" if found.worse_at is not None else "faster" if found.better_at is not None else None
    return Measured.of(found.value, found.low, found.high, int(rows), note)


def _running(one: Latencies) -> tuple[Floats, Floats, Floats]:
    """Rows, mean and variance of the mean over all windows with rows up to each."""
    has = np.asarray(one.n) > 0
    n, total, squares = (np.asarray(part, dtype=np.float64)[has] for part in (one.n, one.total, one.squares))
    size, sums = np.cumsum(n), np.cumsum(total)
    mean = sums / size
    within = np.maximum(np.cumsum(squares) / size - mean**2, 0.0) / size
    # sum of (T_w - mean n_w)^2 over windows, as windows come
    m = np.arange(1, len(n) + 1)
    apart = np.cumsum(total**2) - 2 * mean * np.cumsum(total * n) + mean**2 * np.cumsum(n**2)
    between = np.maximum(apart, 0.0) / size**2 * m / np.maximum(m - 1, 1)
    return size, mean, np.maximum(within, between)

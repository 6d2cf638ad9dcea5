"""How long labels take: the share of predictions whose label has come by an age, and whether late labels differ.

What is counted is additive: predictions by window, and first labels by window and delay, the number of windows between
that of the prediction and that in which its label was known. A window is only as old as it is: of a prediction of
yesterday nobody knows whether its label takes two days or never comes. Such rows are censored, and the share that has come
by an age is Kaplan and Meier's (1958): with ``r_j`` predictions watched through the delay ``j`` and without a label before
it, and ``a_j`` labels that came with it, ``F(d) = 1 - prod_{j <= d} (1 - a_j / r_j)``.

Sources: E. L. Kaplan and P. Meier (1958), JASA 53, 457-481; P. K. Andersen, Oe. Borgan, R. D. Gill and N. Keiding (1993),
Statistical Models Based on Counting Processes, section IV.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import Estimates, Reasons, check_level
from vedette.statistics.intervals import clopper_pearson

__all__ = [
    "Delays",
    "Dependence",
    "completeness",
    "delay_dependence",
    "expected_completeness",
    "quantile_delay",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

WINDOWS_MIN = 2
"""Windows that must have been watched through a delay: what one window did says nothing of others."""

PAIRS_MIN = 5
"""Windows with both early and late labels that a test of dependence needs."""

DEPENDENCE_LEVEL = 0.001
"""Level of the test whether late labels differ: a false answer shows bounds where an interval would do."""


@dataclass(frozen=True, slots=True, eq=False)
class Delays:
    """Predictions and first labels of W windows.

    ``start`` (int64 [W]) numbers the windows, ``present`` the last that has closed. ``predictions`` (float64 [W]) are rows,
    or, of sampled ones, what they stand for. ``arrivals`` (float64 [W, D]) are the labels that came in the window of the
    prediction (delay 0), the next, and so on. Windows that have not closed say nothing and may be in it.
    """

    start: Integers
    predictions: Floats
    arrivals: Floats
    present: int

    @classmethod
    def of(
        cls,
        start: npt.ArrayLike,
        predictions: npt.ArrayLike,
        label_start: npt.ArrayLike,
        label_known: npt.ArrayLike,
        labels: npt.ArrayLike,
        present: int,
    ) -> Delays:
        """From counts of predictions by window, and of labels by window and the window in which they were known.

        All windows are numbers. A label known before the window of its prediction came with it (delay 0). Raises
        ``ValueError`` where arrays of one kind differ in length.

        >>> one = Delays.of([0, 1, 2], [10, 10, 10], [0, 0, 1], [0, 1, 2], [4, 4, 5], present=2)
        >>> one.arrivals.tolist()
        [[4.0, 4.0], [0.0, 5.0], [0.0, 0.0]]
        """
        at, n = np.asarray(start, dtype=np.int64), np.asarray(predictions, dtype=np.float64)
        own, known = np.asarray(label_start, dtype=np.int64), np.asarray(label_known, dtype=np.int64)
        came = np.asarray(labels, dtype=np.float64)
        if at.shape != n.shape or not own.shape == known.shape == came.shape:
            raise ValueError(
                f"predictions of {n.shape} in windows of {at.shape}, labels of {came.shape} in windows of {own.shape} and "
                f"{known.shape}: must be as many"
            )
        starts, place = np.unique(np.concatenate([at, own]), return_inverse=True)
        delay = np.maximum(known - own, 0)
        width = int(delay.max(initial=0)) + 1
        whole: Floats = np.bincount(place[: len(at)], weights=n, minlength=len(starts)).astype(np.float64)
        cell = place[len(at) :] * width + delay
        arrivals: Floats = np.bincount(cell, weights=came, minlength=len(starts) * width).astype(np.float64)
        return cls(starts, whole, arrivals.reshape(len(starts), width), int(present))

    def __add__(self, other: Delays) -> Delays:
        """Both together: rows of other producers, segments or windows."""
        parts = [(one.start, one.predictions, one.arrivals) for one in (self, other)]
        places = [np.nonzero(arrivals) for _, _, arrivals in parts]
        own = np.concatenate([start[at[0]] for (start, _, _), at in zip(parts, places, strict=True)])
        known = own + np.concatenate([at[1] for at in places])
        came = np.concatenate([arrivals[at] for (_, _, arrivals), at in zip(parts, places, strict=True)])
        starts = np.concatenate([self.start, other.start])
        n = np.concatenate([self.predictions, other.predictions])
        return Delays.of(starts, n, own, known, came, max(self.present, other.present))

    @property
    def age(self) -> Integers:
        """The delay through which each window was watched, -1 for one that has not closed."""
        return np.maximum(self.present - self.start, -1)

    @property
    def watched(self) -> tuple[Floats, Floats]:
        """Predictions at risk ``r`` and labels ``a`` (both [W, D]), 0 beyond the age of a window.

        More labels than predictions (those of rows that were never logged in this window) are as many as there are.
        """
        width = max(int(self.age.max(initial=0)) + 1, self.arrivals.shape[1])
        came = np.zeros((len(self.start), width))
        came[:, : self.arrivals.shape[1]] = np.maximum(self.arrivals, 0.0)
        before = np.cumsum(came, axis=1) - came
        risk = np.maximum(self.predictions[:, np.newaxis] - before, 0.0)
        seen = np.arange(width) <= self.age[:, np.newaxis]
        return np.where(seen, risk, 0.0), np.where(seen, np.minimum(came, risk), 0.0)


def _curve(delays: Delays) -> tuple[Floats, Floats, Floats]:
    """F(d), and its variance by windows and by rows on the scale of log(1 - F), for each delay."""
    risk, came = delays.watched
    total = risk.sum(axis=0)
    hazard = np.divide(came.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    left = np.maximum(1.0 - hazard, 0.0)
    survival = np.cumprod(left)
    scale = np.where((total > 0) & (left > 0), total * left, np.inf)
    moved = np.cumsum((came - hazard * risk) / scale, axis=1)  # what each window moves log(1 - F) by
    n_windows = max(int((delays.age >= 0).sum()), 2)
    by_window = np.square(moved).sum(axis=0) * n_windows / (n_windows - 1)
    by_row = np.cumsum(hazard / scale)  # Greenwood
    return 1.0 - survival, by_window, by_row


def completeness(delays: Delays, level: float = 0.95) -> Estimates:
    """The share of predictions whose label has come within each delay 0, 1, ... windows, with its interval.

    Days on which labels come together are not so many independent rows: the variance is the larger of Greenwood's and
    that between windows (each window's influence on ``log(1 - F)``, squared and added up); the interval is that of
    ``log(-log(1 - F))``, with Student's quantile of the windows watched. It is conservative where labels come in
    batches. 0 and 1 have Clopper and Pearson's interval. ``n`` are the predictions that were watched through the delay; one
    through which fewer than two windows were has a reason instead.

    >>> one = Delays.of([0, 1, 2, 3], [100] * 4, [0, 1, 2, 0], [0, 1, 2, 1], [30, 34, 32, 40], present=3)
    >>> completeness(one).value[:2].round(3).tolist()       # by hand: 96/400; 1 - (1 - 96/400)(1 - 40/204)
    [0.24, 0.389]
    """
    check_level(level)
    share, by_window, by_row = _curve(delays)
    old = delays.age[:, np.newaxis] >= np.arange(len(share))
    n_windows = (old & (delays.predictions[:, np.newaxis] > 0)).sum(axis=0)
    n = (old * delays.predictions[:, np.newaxis]).sum(axis=0)
    reasons = Reasons(len(share))
    reasons.add(delays.predictions.sum() <= 0, "no predictions")
    reasons.add(n_windows < WINDOWS_MIN, f"fewer than {WINDOWS_MIN} windows of that age", n_windows)
    df = np.maximum(n_windows - 1.0, 1.0)
    quantile = special.stdtrit(df, (1 + level) / 2)
    inside = (share > 0) & (share < 1)
    log_left = np.log(np.where(inside, 1.0 - share, 0.5))
    spread = quantile * np.sqrt(np.maximum(by_window, by_row)) / np.abs(log_left)
    with np.errstate(over="ignore"):
        low = -np.expm1(log_left * np.exp(-spread))
        high = -np.expm1(log_left * np.exp(spread))
    n = np.maximum(n, 1.0)
    exact_low, exact_high = clopper_pearson(np.where(share >= 1, n, 0.0), n, level)
    low, high = np.where(inside, low, exact_low), np.where(inside, high, exact_high)
    return Estimates.of(share, low, high, np.rint(n), reasons)


def expected_completeness(delays: Delays, age: npt.ArrayLike) -> Floats:
    """The share of labels to be expected of windows of these ages; NaN before any window closed, 0 for an age below 0.

    An age beyond all that was watched is answered with the greatest that was.
    """
    ages = np.asarray(age, dtype=np.int64)
    if not bool((delays.age >= 0).any()):
        return np.full(ages.shape, np.nan)
    share = _curve(delays)[0][: int(delays.age.max()) + 1]
    return np.where(ages < 0, 0.0, share[np.clip(ages, 0, len(share) - 1)])


def quantile_delay(delays: Delays, p: float) -> int | None:
    """The least delay within which a share ``p`` of all predictions have their label; None where it was not seen.

    Raises ``ValueError`` where ``p`` is not between 0 and 1.

    >>> quantile_delay(Delays.of([0, 1, 2], [10] * 3, [0, 0, 1, 1, 2], [0, 1, 1, 2, 2], [4, 4, 4, 4, 4], present=2), 0.5)
    1
    """
    if not 0.0 < p < 1.0:
        raise ValueError(f"p={p}: must lie between 0 and 1, such as 0.5")
    if not bool((delays.age >= 0).any()):
        return None
    found = completeness(delays)
    enough = np.flatnonzero(np.nan_to_num(found.value, nan=-1.0) >= p)
    return int(enough[0]) if len(enough) else None


@dataclass(frozen=True, slots=True)
class Dependence:
    """Whether something of the labels goes with their delay: ``depends`` at the level .01 over all that was tested.

    ``p_value`` is that over all tests (Bonferroni), ``of`` names what differed most, ``slope`` is its difference between
    the latest and the earliest half of the labels of the same window. ``reason`` says why nothing could be tested.
    """

    depends: bool
    p_value: float
    of: str
    slope: float
    reason: str | None = None


def delay_dependence(counts: npt.ArrayLike, names: tuple[str, ...]) -> Dependence:
    """Test whether labels that came late are others than those that came early, within the same window of predictions.

    ``counts`` [W, D, Q, 2]: labels by window and delay, for each of Q questions (a label is of this class; the prediction
    was right) those that are not and those that are. Of [W, S, D, Q, 2] they are compared within the S strata of a window
    as well: whether late labels differ among rows that are alike in what the strata are of. For each question the
    covariance of the answer with the rank of the delay, and with the square of that rank, within windows (and strata), is
    added up over windows; its variance is the larger of that of independent rows (the hypergeometric one of a permutation
    within them) and that between windows. Raises ``ValueError`` for another shape.

    Labels that never come are not tested: nothing is known of them.

    Source: N. Mantel (1963), JASA 58, 690-700 (extended Mantel-Haenszel test).

    >>> same = np.tile(np.array([[[50, 50]], [[50, 50]]]), (8, 1, 1, 1))
    >>> delay_dependence(same, ("right",)).depends
    False
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim not in (4, 5) or table.shape[-2:] != (len(names), 2):
        raise ValueError(
            f"counts of shape {table.shape}: must be [windows, delays, {len(names)}, 2], or [windows, strata, delays, "
            f"{len(names)}, 2]"
        )
    table = np.maximum(table if table.ndim == 5 else table[:, np.newaxis], 0.0)
    n = table.sum(axis=4)  # [W, S, D, Q]
    both = ((n > 0).sum(axis=2) >= 2).any(axis=1)
    if not len(names) or not bool((both.sum(axis=0) >= PAIRS_MIN).any()):
        most = int(both.sum(axis=0).max(initial=0))
        why = f"fewer than {PAIRS_MIN} windows with labels of different delays: {most}"
        return Dependence(False, float("nan"), "", float("nan"), why)
    p_values = _trends(table, n)
    best = np.unravel_index(int(np.nanargmin(p_values)), p_values.shape)
    p = min(float(p_values[best]) * int(np.isfinite(p_values).sum()), 1.0)
    question = int(best[0])
    slope = _late_less_early(table[:, :, :, question].reshape(-1, table.shape[2], 2))
    return Dependence(p < DEPENDENCE_LEVEL, p, names[question], slope)


def _trends(table: Floats, n: Floats) -> Floats:
    """p-values [Q, 2] of the trends with the rank of the delay and with its square, of counts by window and stratum."""
    pooled = n.sum(axis=(0, 1))  # [D, Q]
    share = np.cumsum(pooled, axis=0) - pooled / 2
    rank = share / np.maximum(pooled.sum(axis=0), 1.0) - 0.5
    yes = table[..., 1]
    size = n.sum(axis=2)  # [W, S, Q]
    some = np.maximum(size, 1.0)
    mean = yes.sum(axis=2) / some
    p_values = np.full((table.shape[3], 2), np.nan)
    for number, score in enumerate((rank, rank * rank)):
        centre = (n * score).sum(axis=2) / some
        away = score - centre[:, :, np.newaxis]
        moved = (away * (yes - n * mean[:, :, np.newaxis])).sum(axis=(1, 2))  # [W, Q]
        by_row = (n * away**2).sum(axis=2) * size * mean * (1 - mean) / np.maximum(size - 1, 1.0)
        spread = by_row.sum(axis=1)
        telling = spread > 0
        variance = np.where(telling, spread, 0.0).sum(axis=0)
        k = telling.sum(axis=0)
        middle = np.where(telling, moved, 0.0).sum(axis=0) / np.maximum(k, 1)
        squares = np.where(telling, (moved - middle) ** 2, 0.0).sum(axis=0)
        by_window = squares * k / np.maximum(k - 1, 1)
        good = (k >= PAIRS_MIN) & (variance > 0)
        widest = np.where(good, np.maximum(variance, by_window), 1.0)
        z = np.where(telling, moved, 0.0).sum(axis=0) / np.sqrt(widest)
        p_values[:, number] = np.where(good, 2 * special.stdtr(np.maximum(k - 1, 1), -np.abs(z)), np.nan)
    return p_values


def _late_less_early(one: Floats) -> float:
    """The share of yes among the later half of the labels less that of the earlier half, by window, then averaged."""
    n = one.sum(axis=2)
    total = n.sum(axis=1, keepdims=True)
    before = np.cumsum(n, axis=1) - n
    early = np.clip(total / 2 - before, 0.0, n)
    late = n - early
    share = np.divide(one[..., 1], n, out=np.zeros_like(n), where=n > 0)
    weight = total[:, 0]
    if weight.sum() <= 0:
        return float("nan")
    differ = (share * late).sum(axis=1) - (share * early).sum(axis=1)
    return float(2.0 * differ.sum() / weight.sum())

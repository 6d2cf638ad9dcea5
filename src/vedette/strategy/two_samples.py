"""Have two sets of rows the same distribution? P-values that hold from a few hundred rows to many millions.

Each function answers with the chance, if all rows of both sets were exchangeable, of a difference as great as the one
seen, or less likely; where several tests look at one column, the least p-value times their number (Bonferroni).
Everything is computed from counts. A cell is a range of values or a level.

Rows that depend on those before them (a series in time, rows of one user in a row) vary less within a file and more
between files. ``inflation`` reads off a stretch of rows how many times the variance of a mean is that of independent
rows; with it, n rows are judged as n / inflation.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.grid import merge_cells
from vedette.strategy.hypergeometric import tails

__all__ = [
    "DEPENDENT_MIN",
    "VALUES_MIN",
    "inflation",
    "levels",
    "means",
    "number_parts",
    "numbers",
    "repeats",
    "share",
    "together",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

VALUES_MIN = 50
"""With fewer rows on either side nothing is judged."""

EXPECTED_MIN = 10.0
"""Rows that a cell should expect on either side: with fewer, chi-square's tail is wrong far out."""

GROUPS_MAX = 20
TAILS = (0.0005, 0.002, 0.004, 0.008, 0.03)  # of the rows of both files
TAIL_MAX = 0.1  # a cell that holds more is no tail
DEPENDENT_MIN = 100  # fewer values say too little about autocorrelation
CORRELATED_MIN = 0.1  # six standard errors of 4,000 independent values
_LEVELS_MAX = 400  # further levels are compared as one: more would only add noise
_KURTOSIS_SHARE = 0.01  # a sum of n scores of kurtosis k is normal far out where k/n is below this


def together(p_values: Iterable[float | None]) -> float | None:
    """One p-value of several on the same rows, whatever ties them: the least times their number, at most 1.

    >>> together([0.5, 0.004, None])
    0.008
    """
    known = [p for p in p_values if p is not None]
    return min(1.0, min(known) * len(known)) if known else None


def inflation(values: npt.ArrayLike) -> float:
    """How many times the variance of the mean of consecutive values is that of independent ones, 1 or more.

    1 + 2 (r_1 + r_2 + ...), r_k the autocorrelations, as far as the sums of neighbouring pairs of them stay positive.
    1 where r_1 is under 0.1 or under three standard errors, of under 100 values, and of values that come in order or
    each in one run: those were sorted, which says nothing about where they came from.

    Source: C. J. Geyer (1992), Statistical Science 7, 473-483, section 3.3.

    >>> inflation(np.random.default_rng(0).normal(size=4000))
    1.0
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) < DEPENDENT_MIN:
        return 1.0
    steps = np.diff(x)
    away = x - x.mean()
    if (steps >= 0).all() or (steps <= 0).all() or np.count_nonzero(steps) + 1 == len(np.unique(x)) < len(x):
        return 1.0
    squared = np.abs(np.fft.rfft(away, 2 * len(x))) ** 2
    covariance = np.fft.irfft(squared)[: len(x) // 2]
    r = covariance / covariance[0]
    if r[1] < max(CORRELATED_MIN, 3 / np.sqrt(len(x))):
        return 1.0
    pairs = r[: len(r) // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    last = int(negative[0]) if len(negative) else len(pairs)
    return max(1.0, float(2 * pairs[:last].sum() - 1))


def share(current: int, n: int, reference: int, m: int, inflated: float = 1.0) -> float | None:
    """Of ``n`` and ``m`` rows, ``current`` and ``reference`` carry a mark (missing, wrong): Fisher's exact test.

    Twice the smaller tail of the hypergeometric distribution. Of dependent rows the normal test, its variance
    ``inflated``. None where there are no rows, or none differ.

    >>> round(share(12, 100, 2, 100), 4)     # 2 * scipy.stats.hypergeom(200, 14, 100).sf(11)
    0.0101
    """
    if not n or not m or current + reference in (0, n + m):
        return None
    if inflated > 1:
        marked = (current + reference) / (n + m)
        return _two_sided(
            (current / n - reference / m) ** 2 / (marked * (1 - marked) * (1 / n + 1 / m)) / inflated
        )
    found = tails(n + m, current + reference, n, current)
    return float(min(1.0, 2 * min(found.below[0], found.above[0]) + 2 * found.equal[0]))


def numbers(current: Integers, reference: Integers, inflated: float = 1.0) -> float | None:
    """Counts [cells] of a numeric column, cells in the order of the values: the p-value of ``number_parts`` together."""
    found = number_parts(current, reference, inflated)
    return None if found is None else together(found.values())


def number_parts(
    current: Integers, reference: Integers, inflated: float = 1.0
) -> dict[str, float | None] | None:
    """What each test of a numeric column says of counts [cells]: ``shape``, ``location``, ``spread`` and ``tails``.

    Chi-square over up to 20 groups of about equal counts; the rank sum (Wilcoxon 1945) and the sum of squared ranks
    about the middle (Mood 1954), both with mid-ranks and the variance of sampling without putting back, where the
    scores are not so uneven that their sum is far from normal; and Fisher's exact test of the share of rows in either
    tail and of both, at five depths (times their number), for what a few wild values do that no rank sees. None where a side has
    under 50 values or all lie in one cell.
    """
    n, m = int(current.sum()), int(reference.sum())
    pooled = current + reference
    if min(n, m) < VALUES_MIN * inflated or np.count_nonzero(pooled) < 2:
        return None
    groups = int(np.clip(min(n, m) / inflated // EXPECTED_MIN, 2, GROUPS_MAX))
    group = merge_cells(pooled, groups)
    into = np.bincount(group, weights=current), np.bincount(group, weights=reference)
    middle = (np.cumsum(pooled) - pooled / 2) / (n + m) - 0.5
    found = {
        "shape": _chi_square(*_enough(*into), inflated),
        "location": _sum(middle, current, pooled, inflated),
        "spread": _sum(middle**2, current, pooled, inflated),
        "tails": _tails(current, reference, inflated),
    }
    if all(
        p is None for p in found.values()
    ):  # one value holds nearly everything: what is beside it is a share
        most = int(pooled.argmax())
        return {"shape": share(n - int(current[most]), n, m - int(reference[most]), m, inflated)}
    return found


def levels(current: Integers, reference: Integers, inflated: float = 1.0) -> float | None:
    """Counts [levels] of a category, rare levels in any number: chi-square, the greatest single difference, repeats.

    Chi-square over the levels that expect ten rows on either side, the others as one; Fisher's exact test of each of
    the 400 most frequent levels (times their number); the test of ``repeats`` for the others. Of dependent rows
    chi-square alone. None where a side has under 50 rows (of dependent ones, so many times more) or there is one level.
    """
    n, m = int(current.sum()), int(reference.sum())
    if min(n, m) < VALUES_MIN * inflated or np.count_nonzero(current + reference) < 2:
        return None
    if inflated > 1:
        whole = _chi_square(*_enough(current, reference), inflated)
        first = int((current + reference).argmax())
        return share(int(current[first]), n, int(reference[first]), m, inflated) if whole is None else whole
    order = np.argsort(-(current + reference), kind="stable")
    most, rest = order[:_LEVELS_MAX], order[_LEVELS_MAX:]
    a, b = current[most], reference[most]
    found = tails(n + m, a + b, n, a)
    two = np.minimum(1.0, 2 * np.minimum(found.below, found.above) + 2 * found.equal)
    single = min(1.0, float(two.min()) * len(two))
    a, b = np.append(a, current[rest].sum()), np.append(b, reference[rest].sum())
    return together([_chi_square(*_enough(a, b)), single, repeats(current[rest], reference[rest], n, m)])


def repeats(current: Integers, reference: Integers, n: int, m: int) -> float | None:
    """Counts [values] of values too many to have a cell each (identifiers, texts): do both sets repeat the same ones?

    Each value that occurs c times gives r of them to the current rows; were rows exchangeable, r would be binomial(c,
    n/(n+m)), and T = (r - c p)^2/(c p (1-p)) would have mean 1 and variance 2 + (1 - 6 p (1-p))/(c p (1-p)). The sum
    over values, standardised, is normal where they are many; only an excess counts. Values that occur once say
    nothing. None with under 200 values that occur more than once.

    Source: the moments of the binomial; W. G. Cochran (1954), Biometrics 10, 417-451, on many sparse cells.
    """
    times = current + reference
    held = times > 1
    if held.sum() < 200:
        return None
    c, r = times[held].astype(np.float64), current[held].astype(np.float64)
    p = n / (n + m)
    unit = c * p * (1 - p)
    excess = ((r - c * p) ** 2 / unit).sum() - len(c)
    spread = np.sqrt((2 + (1 - 6 * p * (1 - p)) / unit).sum())
    return float(special.ndtr(-excess / spread))


def means(a: tuple[float, float, int], b: tuple[float, float, int]) -> float | None:
    """Do two means differ, each given with its variance and number of rows: Welch's test, or Student's where surer.

    Of skewed values a small side that holds none of the rare large ones has hardly a variance, and Welch's test takes
    its mean for certain; the variance of all rows, between the sides too, is what rows that are exchangeable have. The
    greater p-value of both is told. None with under 50 rows on either side, or no variance.

    Sources: B. L. Welch (1947), Biometrika 34, 28-35; E. J. G. Pitman (1937), Supplement to the Journal of the Royal
    Statistical Society 4, 119-130 (the permutation variance).

    >>> round(means((1.0, 4.0, 100), (0.5, 1.0, 100)), 4)     # scipy.stats.ttest_ind_from_stats(equal_var=False)
    0.0269
    """
    (mean, variance, n), (mean_b, variance_b, m) = a, b
    if min(n, m) < VALUES_MIN or not np.isfinite([mean, mean_b, variance, variance_b]).all():
        return None
    one, two = variance / n, variance_b / m
    if one + two <= 0:
        return None
    free = (one + two) ** 2 / (one**2 / (n - 1) + two**2 / (m - 1))
    gap, total = abs(mean - mean_b), n + m
    welch = float(2 * special.stdtr(free, -gap / np.sqrt(one + two)))
    pooled = ((n - 1) * variance + (m - 1) * variance_b + n * m / total * gap**2) / (total - 1)
    return max(welch, _two_sided(gap**2 / (pooled * (1 / n + 1 / m))))


def _enough(current: Floats | Integers, reference: Floats | Integers) -> tuple[Floats, Floats]:
    """Cells that expect enough rows on either side on their own, and all others as one.

    Where these together expect too few, they are left out; but not where they are all that a side has.
    """
    a, b = np.asarray(current, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    pooled = a + b
    own = pooled * min(a.sum(), b.sum()) / max(pooled.sum(), 1.0) >= EXPECTED_MIN
    a, b = np.append(a[own], a[~own].sum()), np.append(b[own], b[~own].sum())
    few = (a + b)[-1] * min(a.sum(), b.sum()) / max(pooled.sum(), 1.0) < EXPECTED_MIN
    all_of_a_side = not a[:-1].sum() or not b[:-1].sum()
    return (a[:-1], b[:-1]) if few and not all_of_a_side else (a, b)


def _chi_square(current: Floats, reference: Floats, inflated: float = 1.0) -> float | None:
    n, m, pooled = current.sum(), reference.sum(), current + reference
    if len(current) < 2 or not min(n, m):
        return None
    gap = current - pooled * (n / (n + m))
    statistic = float((gap**2 / pooled).sum() * (n + m) ** 2 / (n * m)) / inflated
    return float(special.gammaincc((len(current) - 1) / 2, statistic / 2))


def _tails(current: Integers, reference: Integers, inflated: float) -> float | None:
    """The shares of rows in the lower tail, the upper, and both; of dependent rows only where they expect enough."""
    n, m, pooled = int(current.sum()), int(reference.sum()), current + reference
    least = EXPECTED_MIN * inflated * (n + m) / min(n, m) if inflated > 1 else 1.0
    beyond: set[tuple[int, int]] = set()
    for depth in TAILS:
        ends = []
        for flip in (slice(None), slice(None, None, -1)):
            below, ours, theirs = (np.cumsum(counts[flip]) for counts in (pooled, current, reference))
            end = int(np.searchsorted(below, depth * (n + m)))
            if end < len(below) - 1 and least <= below[end] <= TAIL_MAX * (n + m):
                ends.append((int(ours[end]), int(theirs[end])))
        beyond.update(ends)
        if len(ends) == 2:
            beyond.add((ends[0][0] + ends[1][0], ends[0][1] + ends[1][1]))
    if inflated > 1 or not beyond:
        return together([share(ours, n, theirs, m, inflated) for ours, theirs in sorted(beyond)])
    k, j = np.array(sorted(beyond)).T  # all at once: each call has its price
    found = tails(n + m, k + j, n, k)
    return together(np.minimum(1.0, 2 * np.minimum(found.below, found.above) + 2 * found.equal).tolist())


def _two_sided(squared: float) -> float:
    """The p-value of the square of a standard normal number."""
    return float(2 * special.ndtr(-np.sqrt(squared)))


def _sum(score: Floats, current: Integers, pooled: Integers, inflated: float) -> float | None:
    """The sum of the scores of the current rows, drawn from all rows without putting back; None where far from normal."""
    total, n = float(pooled.sum()), float(current.sum())
    centred = score - (score * pooled).sum() / total
    variance = (centred**2 * pooled).sum() / total
    if variance <= 0 or (centred**4 * pooled).sum() / total / variance**2 > _KURTOSIS_SHARE * min(
        n, total - n
    ):
        return None
    z = (centred * current).sum() / np.sqrt(n * variance * (total - n) / (total - 1))
    return _two_sided(z**2 / inflated)

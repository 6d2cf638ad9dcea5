"""All columns together: how well a classifier tells the current rows from those of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.direction_shift import Shift
from vedette.statistics.estimates import check_level
from vedette.statistics.intervals import unlike

__all__ = ["ROWS_MIN", "Domain", "domain_classifier"]

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

ROWS_MIN = 50  # of either side
FOLDS = 5
ROWS_A_FREEDOM = 40  # that a degree of freedom of the classifier may cost: more would fit noise
SHUFFLES = 100  # of the sides of rows: mean and deviation of AUC without change are known to 10 and 7 %
COUNTED_MIN = 10  # shuffles beyond: then their share is the p-value, else the tail of Student's t
SEED = 20261128


@dataclass(frozen=True, slots=True)
class Domain:
    """How well rows of the two sides can be told apart.

    ``auc`` is the chance that a current row has a higher score than one of the reference, with scores from a classifier
    that has not seen them: 0.5 where there is nothing to tell. ``p_value`` is that of so high an AUC without change.
    ``shares`` says by column what part of the distance of the sides' mean scores it carries; they add up to 1, and may be
    below 0 for a column that takes away what another one says too often.
    """

    auc: Shift
    p_value: float | None
    shares: Mapping[str, Shift]


def domain_classifier(
    features: Mapping[str, Floats],
    current: npt.ArrayLike,
    pairs: Sequence[tuple[str, str]] = (),
    level: float = 0.95,
    seed: int = SEED,
) -> Domain:
    """A classifier two-sample test over columns.

    ``features`` maps each column to numbers [N, F] that know nothing of the sides (``domain_features`` makes them: ranks,
    levels, places along axes); ``current`` [N] is True for current rows. ``pairs`` are columns whose first features'
    products are features too, so that a change of how two columns go together shows.

    The classifier is a ridge regression of the side on all features: Fisher's linear discriminant, with the ridge such
    that it has no more than one degree of freedom for 40 rows. Rows are scored by classifiers that were fitted to the four
    fifths of rows without them; pairs of rows are compared within a fifth. The interval is DeLong's within fifths, on the
    scale of log-odds. What the chances of fitting add to the variance it does not know: it is multiplied by what they
    multiply it by where sides are shuffled. It holds the AUC that classifiers like these have on average.

    The p-value holds for few rows: with the sides shuffled 100 times over the rows the same fits give the law of AUC
    without change. Where fewer than ten of these reach the AUC, the tail of Student's t on 99 degrees of freedom about
    their mean stands for the share. Rows have to be exchangeable without change.

    Sources: D. Lopez-Paz and M. Oquab (2017), ICLR (classifier two-sample tests); E. LeDell, M. Petersen and M. van der
    Laan (2015), Electronic Journal of Statistics 9, 1583-1607 (intervals of cross-validated AUC); E. R. DeLong, D. M.
    DeLong and D. L. Clarke-Pearson (1988), Biometrics 44, 837-845.

    Raises ``ValueError`` where numbers of rows differ, values are not finite, or a pair names no column.

    >>> rng = np.random.default_rng(0)
    >>> x, side = rng.normal(size=(2000, 1)), np.arange(2000) < 1000
    >>> x[side] += 1.0
    >>> found = domain_classifier({"x": x, "noise": rng.normal(size=(2000, 1))}, side)
    >>> found.auc.low < 0.760 < found.auc.high     # two normal laws 1 sd apart: Phi(1/sqrt(2)) = 0.760
    True
    >>> round(found.shares["x"].value, 1)
    1.0
    """
    check_level(level)
    side = np.asarray(current, dtype=np.bool_)
    matrix, owner, names = _matrix(features, side, pairs)
    n, m = int(side.sum()), int((~side).sum())
    for where, count in (("", n), (" in the reference", m)):
        if count < ROWS_MIN:
            return _nothing(f"fewer than {ROWS_MIN} rows{where}: {count}", n)
    if not matrix.shape[1]:
        return _nothing("no column varies", n)
    rng = np.random.default_rng(seed)
    fold = rng.permutation(np.arange(len(side)) % FOLDS)
    sides = np.concatenate(
        [side[:, np.newaxis], np.stack([rng.permutation(side) for _ in range(SHUFFLES)], axis=1)], axis=1
    )
    scores, own = _scored(matrix, sides.astype(np.float64), fold, owner, len(names))
    wins = np.zeros(SHUFFLES + 1)
    compared = np.zeros(SHUFFLES + 1)
    variance = 0.0
    for part in range(FOLDS):
        held = fold == part
        ones = sides[held].sum(axis=0).astype(np.float64)
        zeros = held.sum() - ones
        ranks = np.apply_along_axis(_midranks, 0, scores[held])
        wins += (ranks * sides[held]).sum(axis=0) - ones * (ones + 1) / 2
        compared += ones * zeros
        variance += (ones[0] * zeros[0]) ** 2 * _delong(scores[held, 0], side[held])
    auc = wins / compared
    chance = (n + m + 1) / (12 * n * m)  # the variance of an AUC whose classifier was given
    fitted = max(1.0, float(auc[1:].var(ddof=1)) / chance)
    first = _interval(float(auc[0]), fitted * variance / float(compared[0]) ** 2, min(n, m), level)
    told = Shift(float(auc[0]), *first, n)
    return Domain(told, _chance(auc), _shares(own, side, names, level))


def _matrix(
    features: Mapping[str, Floats], side: Booleans, pairs: Sequence[tuple[str, str]]
) -> tuple[Floats, Floats, list[str]]:
    """The features of unit variance [N, p], the part of each that a column owns [p, C], and the columns' names."""
    names = list(features)
    parts, owners = [], []
    for place, (name, given) in enumerate(features.items()):
        part = np.asarray(given, dtype=np.float64)
        if part.ndim != 2 or len(part) != len(side):
            raise ValueError(f"features of {name!r} of shape {part.shape}: must be [{len(side)}, features]")
        if not np.isfinite(part).all():
            raise ValueError(f"features of {name!r}: must be finite")
        parts.append(part)
        owners.append(np.repeat(np.eye(len(names))[[place]], part.shape[1], axis=0))
    for one, other in pairs:
        unknown = {one, other} - set(names)
        if unknown:
            raise ValueError(f"pair {(one, other)!r}: {unknown.pop()!r} is no column of features")
        parts.append(np.asarray(features[one])[:, :1] * np.asarray(features[other])[:, :1])
        owners.append((np.eye(len(names))[[names.index(one)]] + np.eye(len(names))[[names.index(other)]]) / 2)
    if not parts:
        return np.zeros((len(side), 0)), np.zeros((0, 0)), names
    matrix, owner = np.concatenate(parts, axis=1), np.concatenate(owners)
    sd = matrix.std(axis=0)
    kept = sd > 1e-9 * np.maximum(np.abs(matrix).max(axis=0, initial=0.0), 1e-300)
    return (matrix[:, kept] - matrix[:, kept].mean(axis=0)) / sd[kept], owner[kept], names


def _scored(
    matrix: Floats, sides: Floats, fold: npt.NDArray[np.int64], owner: Floats, columns: int
) -> tuple[Floats, Floats]:
    """Scores [N, sides] of rows by the fit to the other folds, and what each column adds to the first of them [N, C]."""
    n, p = matrix.shape
    gram, ridge = matrix.T @ matrix, _ridge(matrix)
    scores, own = np.zeros_like(sides), np.zeros((n, columns))
    for part in range(FOLDS):
        held = fold == part
        out = matrix[held]
        seen = n - len(out)
        mean = -out.sum(axis=0) / seen  # of all rows it is 0
        inner = gram - out.T @ out - seen * np.outer(mean, mean)
        y = sides[~held] - sides[~held].mean(axis=0)
        weight = np.linalg.solve(inner + ridge * np.eye(p), matrix[~held].T @ y)
        scores[held] = (out - mean) @ weight
        own[held] = ((out - mean) * weight[:, 0]) @ owner
    return scores, own


def _ridge(matrix: Floats) -> float:
    """The ridge at which sum e/(e + ridge) over eigenvalues e of X'X is as many degrees of freedom as rows allow."""
    n, p = matrix.shape
    size = np.linalg.eigvalsh(matrix.T @ matrix).clip(0.0)
    allowed = min(n / ROWS_A_FREEDOM, 0.99 * p)
    low, high = 1e-6 * float(n), 1e6 * float(n)
    for _ in range(60):
        middle = (low * high) ** 0.5
        if float((size / (size + middle)).sum()) > allowed:
            low = middle
        else:
            high = middle
    return high


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, those of equal values their mean."""
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values))
    rank[order] = np.arange(1, len(values) + 1)
    ordered = values[order]
    if (ordered[1:] != ordered[:-1]).all():
        return rank
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    end = np.cumsum(count)
    return np.asarray((end - (count - 1) / 2)[place])


def _delong(scores: Floats, side: Booleans) -> float:
    """The variance of an AUC by the placements of each side's rows among the other's."""
    n, m = int(side.sum()), int((~side).sum())
    if min(n, m) < 2:
        return 0.25
    whole = _midranks(scores)
    up = (whole[side] - _midranks(scores[side])) / m
    down = (whole[~side] - _midranks(scores[~side])) / n
    return float(up.var(ddof=1) / n + down.var(ddof=1) / m)


def _interval(auc: float, variance: float, rows: int, level: float) -> tuple[float, float]:
    """The interval on the scale of log-odds; where all pairs are right, what so many rows can say."""
    if not 0 < auc < 1:
        beyond = float(unlike(rows, level))
        return (1 - beyond, 1.0) if auc >= 1 else (0.0, beyond)
    z = float(special.ndtri((1 + level) / 2))
    half = z * np.sqrt(variance) / (auc * (1 - auc))
    odds = float(special.logit(auc))
    return float(special.expit(odds - half)), float(special.expit(odds + half))


def _chance(auc: Floats) -> float:
    """How likely so high a first AUC is among the others, which are those of shuffled sides."""
    others = auc[1:]
    beyond = int((others >= auc[0]).sum())
    if beyond >= COUNTED_MIN:
        return float(beyond + 1) / (len(others) + 1)
    sd = float(others.std(ddof=1)) * np.sqrt(1 + 1 / len(others))
    if sd <= 0:
        return 1.0
    return float(special.stdtr(len(others) - 1, (float(others.mean()) - float(auc[0])) / sd))


def _shares(own: Floats, side: Booleans, names: Sequence[str], level: float) -> dict[str, Shift]:
    """Each column's part of the gap between the sides' mean scores, with the interval of a ratio of means."""
    n, m = int(side.sum()), int((~side).sum())
    gap = own[side].mean(axis=0) - own[~side].mean(axis=0)
    whole = float(gap.sum())
    if whole <= 0:
        return {}
    share = gap / whole
    rest = (
        own - own.sum(axis=1, keepdims=True) * share
    )  # its mean gap is 0: the numerator of what a ratio errs by
    error = np.sqrt(rest[side].var(axis=0, ddof=1) / n + rest[~side].var(axis=0, ddof=1) / m) / whole
    half = float(special.ndtri((1 + level) / 2)) * error
    return {
        name: Shift(float(share[at]), float(share[at] - half[at]), float(share[at] + half[at]), n)
        for at, name in sorted(enumerate(names), key=lambda one: -share[one[0]])
    }


def _nothing(reason: str, n: int) -> Domain:
    return Domain(Shift(np.nan, np.nan, np.nan, n, reason), None, {})

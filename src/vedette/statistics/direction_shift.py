"""How far vectors moved from those of a reference: MMD, the shift of the mean, and the change of covariance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from vedette.statistics.comparison import VALUES_MIN
from vedette.statistics.directions import Directions
from vedette.statistics.estimates import check_level
from vedette.statistics.feature_moments import FeatureMoments
from vedette.statistics.squared_length import squared_length

__all__ = ["Shift", "direction_shifts", "kept_axes"]

Floats = npt.NDArray[np.float64]

ROWS_AN_AXIS = 10  # of both sides together, that the inverse of a covariance may rest on
SHIFTS = np.linspace(0.0, 6.0, 601)  # standard deviations that an MMD is told in
FEW = "fewer than {} vectors{}: {}"


@dataclass(frozen=True, slots=True)
class Shift:
    """One distance of two sets of rows with its interval; NaN where ``reason`` says why there is none.

    ``n`` are the current rows that it rests on.
    """

    value: float
    low: float
    high: float
    n: int
    reason: str | None = None


def direction_shifts(current: Directions, reference: Directions, level: float = 0.95) -> dict[str, Shift]:
    """The distances of the current vectors from the reference's.

    ``mmd``
        The maximum mean discrepancy with a Gaussian kernel of the median bandwidth: the distance of the mean Fourier
        features, 0 for one law, at most the root of 2. The square is estimated without bias, and then cut at 0.
    ``mmd_sd``
        The same in the data's unit: so many standard deviations would all reference vectors have to move along their
        main axis for this MMD. With phi_j the characteristic function of the reference at frequency w_j, a shift by t has
        MMD^2 = mean of 2 |phi_j|^2 (1 - cos(t'w_j)). Beyond 6 it is told as 6.
    ``mean_shift_sd``
        The Mahalanobis distance of the means: how many standard deviations (of both sides) they lie apart along the
        direction that tells them apart best. Of more than 32 elements: of the places along 16 axes of greatest variance and
        16 random ones.
    ``covariance_change``
        With the reference's covariance of the leading axes (at most 6) scaled to the identity, the current one's is I +
        D: the root mean square of the eigenvalues of D. 0.1 says that variances along axes changed by some 10 %.

    Means move about as sums over rows do; lengths are without the length of noise, and their intervals those of
    ``squared_length``. Under 50 vectors on either side are a reason. A vector with NaN or infinity has no part.

    Sources: A. Gretton and others (2012), Journal of Machine Learning Research 13, 723-773; J. Zhao and D. Meng (2015),
    Neural Computation 27, 1345-1372 (MMD by Fourier features); P. C. Mahalanobis (1936), Proceedings of the National
    Institute of Sciences of India 2, 49-55.

    Raises ``GridError`` where the bases differ, ``ValueError`` for a level outside (0, 1).

    >>> from vedette.statistics.directions import summarise_directions, vector_basis
    >>> rows = np.random.default_rng(0).normal(size=(6000, 4))
    >>> basis = vector_basis(rows)
    >>> moved = summarise_directions(basis, rows[:3000] + [0.5, 0, 0, 0])
    >>> shifts = direction_shifts(moved, summarise_directions(basis, rows[3000:]))
    >>> one = shifts["mean_shift_sd"]
    >>> one.low < 0.5 < one.high
    True
    """
    check_level(level)
    current.check_same(reference)
    n, m = current.moments.n, reference.moments.n
    told = {
        "mmd": partial(_mmd, current, reference, level),
        "mmd_sd": partial(_mmd_sd, current, reference, level),
        "mean_shift_sd": partial(_mean_shift, current.places, reference.places, level),
        "covariance_change": partial(_covariance_change, current, reference, level),
    }
    for where, count in (("", n), (" in the reference", m)):
        if count < VALUES_MIN:
            none = Shift(np.nan, np.nan, np.nan, n, FEW.format(VALUES_MIN, where, count))
            return dict.fromkeys(told, none)
    return {name: one() for name, one in told.items()}


def _difference(current: FeatureMoments, reference: FeatureMoments) -> tuple[Floats, Floats]:
    """The difference of means and its variance."""
    variance = current.covariance / current.n + reference.covariance / reference.n
    return current.mean - reference.mean, variance


def _mmd(current: Directions, reference: Directions, level: float) -> Shift:
    found = squared_length(*_difference(current.fourier, reference.fourier), level)
    value, low, high = (float(np.sqrt(one)) for one in found)
    return Shift(value, low, high, current.moments.n)


def _mmd_sd(current: Directions, reference: Directions, level: float) -> Shift:
    basis, mean, m = reference.basis, reference.fourier.mean, reference.moments.n
    half = basis.frequencies.shape[1]
    size = (mean[:half] ** 2 + mean[half:] ** 2) * half  # |phi|^2 and the noise of a mean of m
    size = np.maximum((m * size - 1) / (m - 1), 0.0)
    step = basis.frequencies.T @ basis.axes[:, 0] * basis.spread[0]
    squares = np.maximum.accumulate(2 * (size * (1 - np.cos(np.outer(SHIFTS, step)))).mean(axis=1))
    found = _mmd(current, reference, level)
    value, low, high = np.interp(
        [one**2 for one in (found.value, found.low, found.high)], squares, SHIFTS
    ).tolist()
    return Shift(value, low, high, found.n)


def kept_axes(axes: int, rows: int) -> npt.NDArray[np.int64]:
    """The axes whose means are compared together, leading and random ones in turn, as many as the rows allow.

    >>> kept_axes(32, 60).tolist(), len(kept_axes(8, 10_000))
    ([0, 16, 1, 17, 2, 18], 8)
    """
    order = np.arange(axes).reshape(2, -1).T.ravel() if axes > 1 and axes % 2 == 0 else np.arange(axes)
    return order[: max(1, min(axes, rows // ROWS_AN_AXIS))]


def _mean_shift(current: FeatureMoments, reference: FeatureMoments, level: float) -> Shift:
    """With S the covariance of both sides and k axes, the inverse of S is (n + m - 2)/(n + m - k - 3) times too large."""
    kept = kept_axes(len(current.total), current.n + reference.n)
    both, k = current.n + reference.n, len(kept)
    within = ((current.n - 1) * current.covariance + (reference.n - 1) * reference.covariance) / (both - 2)
    white = _whitener(within[np.ix_(kept, kept)])
    if white is None:
        return Shift(np.nan, np.nan, np.nan, current.n, "all vectors are alike")
    linear = np.zeros((len(white), len(current.total)))
    linear[:, kept] = white * np.sqrt((both - k - 3) / (both - 2))
    value, low, high = squared_length(*_difference(current.mapped(linear), reference.mapped(linear)), level)
    return Shift(float(np.sqrt(value)), float(np.sqrt(low)), float(np.sqrt(high)), current.n)


def _whitener(covariance: Floats) -> Floats | None:
    """A matrix [J, K] that brings the covariance to the identity of its J dimensions; None where there are none."""
    size, vectors = np.linalg.eigh(covariance)
    held = size > 1e-9 * max(float(size[-1]), 1e-9)
    return (vectors[:, held] / np.sqrt(size[held])).T if held.any() else None


def _covariance_change(current: Directions, reference: Directions, level: float) -> Shift:
    """With S and T the covariances of reference and current, A = S^-1 T up to a rotation: |A - I|^2 over the dimensions.

    An error dS of the reference's covariance changes A, seen where S = I, by T^(1/2) dS T^(1/2): its variance counts as
    that of reference rows spread as the current ones are. Without that, intervals of variances that grew are too narrow, those
    of variances that shrank too wide. The inverse of S is (m - 1)/(m - k - 2) times too large on average (normal rows).
    The noise of a variance grows with it, so that what was seen by chance as too little looks too sure: the upper limit
    is that on the scale of log(1 + |D|), which lies higher.
    """
    s, m = reference.basis.shaped, reference.moments.n
    one, other = np.triu_indices(s)
    now, before = (side.products_about(side.places.mean) for side in (current, reference))
    full = np.zeros((s, s))
    full[one, other] = full[other, one] = before.mean
    white = _whitener(full)
    if white is None:
        return Shift(np.nan, np.nan, np.nan, current.moments.n, "all vectors of the reference are alike")
    k = len(white)
    white = white * np.sqrt((m - k - 2) / (m - 1))
    full[one, other] = full[other, one] = now.mean
    ratio = white @ full @ white.T  # A
    size, vectors = np.linalg.eigh(ratio)
    root = (vectors * np.sqrt(size.clip(0.0))) @ vectors.T
    up, down = np.triu_indices(k)
    weight = np.where(up == down, 1.0, np.sqrt(2.0))  # |D|^2 counts what is off the diagonal twice
    difference = (ratio - np.eye(k))[up, down] * weight
    variance = (
        now.mapped(_of_products(white, s) * weight[:, np.newaxis]).covariance / now.n
        + before.mapped(_of_products(root @ white, s) * weight[:, np.newaxis]).covariance / m
    )
    value, low, high = (float(np.sqrt(found)) for found in squared_length(difference, variance, level))
    high = (1 + value) * float(np.exp((high - value) / (1 + value))) - 1
    size_of_one = float(np.sqrt(k))
    return Shift(value / size_of_one, low / size_of_one, high / size_of_one, current.moments.n)


def _of_products(linear: Floats, axes: int) -> Floats:
    """What gives the products of pairs of ``linear @ y`` from those of pairs of the ``axes`` elements of y."""
    one, other = np.triu_indices(axes)
    up, down = np.triu_indices(len(linear))
    twice = np.where(one == other, 1.0, 2.0)  # each pair off the diagonal comes both ways
    both = linear[up][:, one] * linear[down][:, other] + linear[up][:, other] * linear[down][:, one]
    return np.asarray(both / 2 * twice)

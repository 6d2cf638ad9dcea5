"""Are the means of many features the same in two sets of rows: p-values for vectors and texts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.direction_shift import kept_axes
from vedette.statistics.directions import Directions
from vedette.statistics.feature_moments import FeatureMoments
from vedette.statistics.squared_length import chi_squares_tail
from vedette.strategy.two_samples import VALUES_MIN

__all__ = ["direction_parts", "hotelling", "length_test"]

Floats = npt.NDArray[np.float64]


def direction_parts(
    current: Directions, reference: Directions, inflated: float = 1.0
) -> dict[str, float | None]:
    """What each test of two sets of vectors says: ``mmd``, ``mean`` (Hotelling's), and ``covariance``.

    ``inflated`` rows are worth one. None where a side is worth fewer than 50 vectors.
    """
    current.check_same(reference)
    both = current.places + reference.places
    centred = [side.products_about(both.mean) for side in (current, reference)]
    kept = kept_axes(len(both.total), int(both.n / inflated))
    places = [
        FeatureMoments(s.n, s.total[kept], s.outer[np.ix_(kept, kept)])
        for s in (current.places, reference.places)
    ]
    return {
        "mmd": length_test(current.fourier, reference.fourier, inflated),
        "mean": hotelling(places[0], places[1], inflated),
        "covariance": length_test(*_scaled(centred), inflated),
    }


def _scaled(sides: list[FeatureMoments]) -> tuple[FeatureMoments, FeatureMoments]:
    """Each feature over its standard deviation in both sides together, so that all count alike."""
    sd = np.sqrt(np.diag((sides[0] + sides[1]).covariance).clip(0.0))
    linear = np.diag(np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 1e-9))
    return sides[0].mapped(linear), sides[1].mapped(linear)


def length_test(current: FeatureMoments, reference: FeatureMoments, inflated: float = 1.0) -> float | None:
    """The chance that means as far apart, by the length of their difference, come from one law.

    Without change the squared length is a sum of chi-squares weighted by the eigenvalues of (1/n + 1/m) S, S the
    covariance of both sides' rows together: over all ways to divide the rows its mean is then the right one, exactly.
    With the kernel's Fourier features as features that is the test of MMD. Of skewed features a small side may happen to
    hold none of the rare large ones, or some: the covariances of the sides on their own, S/n + S'/m, are tried too, and
    the greater chance is told, as in ``two_samples.means``. None under 50 rows on either side, or where all rows are alike.

    Source: A. Gretton, K. Fukumizu, Z. Harchaoui and B. Sriperumbudur (2009), NeurIPS 22, section 3 (the spectrum).

    >>> x = np.random.default_rng(0).normal(size=(2000, 3))
    >>> length_test(FeatureMoments.of(x[:1000] + 0.3), FeatureMoments.of(x[1000:])) < 1e-9
    True
    """
    n, m = current.n, reference.n
    if min(n, m) < VALUES_MIN * inflated:
        return None
    pooled = (current + reference).covariance * (1 / n + 1 / m)
    if np.trace(pooled) <= 0:
        return None
    gap = current.mean - reference.mean
    own = current.covariance / n + reference.covariance / m
    length = float(gap @ gap) / inflated
    return max(chi_squares_tail(length, np.linalg.eigvalsh(one).clip(0.0)) for one in (pooled, own))


def hotelling(current: FeatureMoments, reference: FeatureMoments, inflated: float = 1.0) -> float | None:
    """Hotelling's test of two means: whether any direction tells them apart.

    T^2 = n m/(n + m) d' S^-1 d, S the covariance within sides, d the difference of means; T^2 (N - k - 1)/((N - 2) k) is
    F(k, N - k - 1) for normal rows, and nearly for others. With the sides' own covariances, S/n + S'/m, it is tried too, and
    the greater chance told: see ``length_test``. None under 50 rows on either side, or without variance.

    Source: H. Hotelling (1931), Annals of Mathematical Statistics 2, 360-378.

    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> one, other = FeatureMoments.of(x[:100]), FeatureMoments.of(x[100:] + 0.3)
    >>> round(hotelling(one, other), 3)     # scipy.stats.ttest_ind(x[:100], x[100:] + 0.3)
    0.218
    """
    n, m = current.n, reference.n
    if min(n, m) < VALUES_MIN * inflated:
        return None
    within = ((n - 1) * current.covariance + (m - 1) * reference.covariance) / (n + m - 2)
    gap = current.mean - reference.mean
    pooled = _squared(within * (1 / n + 1 / m), gap)
    if pooled is None:
        return None
    told = []
    own = _squared(current.covariance / n + reference.covariance / m, gap) or pooled
    for (squared, k), rows in ((pooled, n + m), (own, n + m)):
        free = max(rows / inflated - k - 1, 1.0)
        told.append(float(special.fdtrc(k, free, squared / inflated * free / ((free + k - 1) * k))))
    return max(told)


def _squared(variance: Floats, gap: Floats) -> tuple[float, int] | None:
    """The squared length of ``gap`` in standard deviations, and in how many dimensions; None where nothing varies."""
    size, vectors = np.linalg.eigh(variance)
    held = size > 1e-9 * float(size[-1])
    if size[-1] <= 0:
        return None
    along = vectors[:, held].T @ gap
    return float((along**2 / size[held]).sum()), int(held.sum())

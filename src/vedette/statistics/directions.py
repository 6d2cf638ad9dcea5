"""Vectors by their directions: a mergeable summary that tells where embeddings lie, and figures of how far they moved.

A basis is frozen on pilot rows, like the grid of a column of numbers. Of each vector it keeps no element but so many
numbers whatever its length: places along axes, their products, and random Fourier features. Their sums, and the sums of
their products, are all that is kept of the rows: ``FeatureMoments``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from vedette.errors import GridError
from vedette.statistics.feature_moments import FeatureMoments

__all__ = ["Directions", "VectorBasis", "summarise_directions", "vector_basis"]

Floats = npt.NDArray[np.float64]

AXES = 32
"""Places along so many axes are kept: of vectors with no more elements, all that is to know of means and covariances."""

LEADING = 16  # axes of greatest variance where there are more elements than axes; the others are random ones beside them
SHAPED = 6  # of the leading axes the products are kept, for changes of covariance
FREQUENCIES = 64  # of random Fourier features: a cosine and a sine each
PILOT_MAX = 1024  # pilot rows that a basis is made of: more would make axes no better, and take memory
REACH = (
    10.0  # standard deviations: a place beyond counts as there, so that a few wild values leave sums usable
)
SEED = 20261128  # any: the same frequencies and axes for every column of one length
_CHUNK = 2**21  # elements of vectors that are float64 at once: 16 MB


@dataclass(frozen=True, slots=True, eq=False)
class VectorBasis:
    """By what vectors of ``length`` elements are told apart; frozen, and made once for all that is to be compared.

    ``centre`` and ``scale`` [length] are the elements' means and standard deviations on the pilot rows. ``axes`` [length,
    K] are orthonormal directions of the scaled vectors, the first of greatest variance, ``spread`` [K] their deviations.
    ``frequencies`` [length, M] are those of a Gaussian kernel exp(-|x - y|^2/(2 h^2)) of scaled vectors, h =
    ``bandwidth`` the median distance of two pilot rows (the median heuristic).
    """

    length: int
    centre: Floats
    scale: Floats
    axes: Floats
    spread: Floats
    frequencies: Floats
    bandwidth: float

    @property
    def shaped(self) -> int:
        """Of how many axes the products are kept."""
        return min(SHAPED, int(self.axes.shape[1]))

    @property
    def parts(self) -> tuple[slice, slice, slice]:
        """Where places along axes, their products, and Fourier features stand among the features."""
        k, s = self.axes.shape[1], self.shaped
        products = k + s * (s + 1) // 2
        return slice(0, k), slice(k, products), slice(products, products + 2 * self.frequencies.shape[1])

    @property
    def id(self) -> str:
        """A name that only a basis with the same numbers has."""
        digest = hashlib.blake2b(digest_size=8)
        for part in (self.centre, self.scale, self.axes, self.frequencies):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def features(self, vectors: Floats) -> Floats:
        """The features [N, F] of vectors [N, length] without NaN."""
        with np.errstate(over="ignore"):
            scaled = np.clip((vectors - self.centre) / self.scale, -1e6, 1e6)
        places = np.clip(scaled @ self.axes / self.spread, -REACH, REACH)
        one, other = np.triu_indices(self.shaped)
        phase = scaled @ self.frequencies
        size = np.sqrt(1.0 / self.frequencies.shape[1])
        return np.concatenate(
            [places, places[:, one] * places[:, other], np.cos(phase) * size, np.sin(phase) * size], axis=1
        )


def vector_basis(pilot: npt.ArrayLike) -> VectorBasis:
    """The basis of vectors like the ``pilot`` rows [N, length], of which those with NaN or infinity are left out.

    Without any usable row axes are random ones, and centre and scale those of standard normal elements. Elements that are
    constant in the pilot rows have the median of the other elements' scales, so that a change of theirs is seen.

    Sources: A. Rahimi and B. Recht (2007), NeurIPS 20 (random Fourier features); A. Gretton and others (2012), Journal of
    Machine Learning Research 13, 723-773, section 8 (the median heuristic).

    Raises ``ValueError`` where ``pilot`` is no matrix, or has no columns.

    >>> vector_basis(np.random.default_rng(0).normal(size=(500, 3))).axes.shape
    (3, 3)
    """
    rows = np.asarray(pilot, dtype=np.float64)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"pilot of shape {rows.shape}: must be [rows, elements]")
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) > PILOT_MAX:
        rows = rows[np.linspace(0, len(rows) - 1, PILOT_MAX).astype(np.int64)]
    length = rows.shape[1]
    largest = np.maximum(np.abs(rows).max(axis=0, initial=0.0), 1e-300)  # squares of great numbers overflow
    centre = (rows / largest).mean(axis=0) * largest if len(rows) else np.zeros(length)
    scale = (rows / largest).std(axis=0) * largest if len(rows) else np.ones(length)
    varied = scale > 1e-9 * np.maximum(largest, 1e-280)
    scale = np.where(varied, scale, np.median(scale[varied]) if varied.any() else 1.0)
    scaled = np.clip((rows - centre) / scale, -1e6, 1e6)
    random = np.random.default_rng(SEED)
    axes = _axes(scaled, random)
    spread = (scaled @ axes).std(axis=0) if len(rows) else np.ones(axes.shape[1])
    spread = np.where(spread > 1e-9, spread, 1.0)
    bandwidth = _median_distance(scaled) or float(np.sqrt(2 * length))
    frequencies = random.standard_normal((length, FREQUENCIES)) / bandwidth
    return VectorBasis(length, centre, scale, axes, spread, frequencies, bandwidth)


def _axes(scaled: Floats, random: np.random.Generator) -> Floats:
    """Orthonormal directions [length, K]: of greatest variance, and random ones beside them where there is room for few."""
    length = scaled.shape[1]
    kept = min(length, AXES)
    leading = np.zeros((length, 0))
    if len(scaled):
        many = length if length <= AXES else LEADING
        if len(scaled) >= length:
            leading = np.linalg.eigh(scaled.T @ scaled)[1][:, ::-1][:, :many]
        else:  # as many rows as elements would be too many: the same axes by the products of rows
            size, weight = np.linalg.eigh(scaled @ scaled.T)
            some = [place for place in np.argsort(size)[::-1][:many] if size[place] > 1e-9 * size[-1]]
            leading = scaled.T @ (weight[:, some] / np.sqrt(size[some]))
    filled = np.concatenate([leading, random.standard_normal((length, kept))], axis=1)[:, :kept]
    return np.linalg.qr(filled)[0]


def _median_distance(scaled: Floats) -> float:
    """The median distance of two rows."""
    if len(scaled) < 2:
        return 0.0
    squares = (scaled * scaled).sum(axis=1)
    apart = squares[:, np.newaxis] + squares - 2 * scaled @ scaled.T
    return float(np.sqrt(max(float(np.median(apart[np.triu_indices(len(scaled), 1)])), 0.0)))


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """What is kept of the vectors of a set of rows over a ``basis``; ``+`` gives that of both sets, in any order.

    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> basis = vector_basis(rows)
    >>> whole = summarise_directions(basis, rows)
    >>> parts = summarise_directions(basis, rows[60:]) + summarise_directions(basis, rows[:60])
    >>> parts.moments.n, bool(np.allclose(parts.moments.outer, whole.moments.outer))
    (100, True)
    """

    basis: VectorBasis
    moments: FeatureMoments

    def __add__(self, other: Directions) -> Directions:
        """Of both sets of rows; ``GridError`` where the bases differ."""
        if not isinstance(other, Directions):
            return NotImplemented
        self.check_same(other)
        return Directions(self.basis, self.moments + other.moments)

    def check_same(self, other: Directions) -> None:
        """Raise ``GridError`` where the bases differ."""
        if self.basis is not other.basis and self.basis.id != other.basis.id:
            raise GridError(
                f"vectors over basis {self.basis.id} and over basis {other.basis.id}: only those over one basis can be "
                "added or compared"
            )

    @property
    def places(self) -> FeatureMoments:
        """The places of vectors along the axes, in standard deviations of the pilot rows."""
        return self._part(0)

    @property
    def fourier(self) -> FeatureMoments:
        """The Fourier features of vectors: their products are the kernel's values."""
        return self._part(2)

    def _part(self, which: int) -> FeatureMoments:
        part = self.basis.parts[which]
        return FeatureMoments(self.moments.n, self.moments.total[part], self.moments.outer[part, part])

    def products_about(self, centre: Floats) -> FeatureMoments:
        """The products of places along the leading axes about ``centre`` [K], one for each pair."""
        s, k = self.basis.shaped, self.basis.axes.shape[1]
        one, other = np.triu_indices(s)
        count = len(one)
        linear = np.zeros((count, k + count))
        rows = np.arange(count)
        linear[rows, k + rows] = 1.0
        np.add.at(linear, (rows, one), -centre[other])
        np.add.at(linear, (rows, other), -centre[one])
        inner = self.moments.total[: k + count], self.moments.outer[: k + count, : k + count]
        moved = FeatureMoments(self.moments.n, *inner).mapped(linear)
        constant = centre[one] * centre[other]  # of (y - c)(z - c') = y z - c' y - c z + c c'
        outer = moved.outer + np.outer(moved.total, constant) + np.outer(constant, moved.total)
        n = self.moments.n
        return FeatureMoments(n, moved.total + n * constant, outer + n * np.outer(constant, constant))


def summarise_directions(basis: VectorBasis, vectors: npt.ArrayLike) -> Directions:
    """Count vectors [N, length]; those with NaN or infinity are left out.

    ``ValueError`` where they have another length than the basis.
    """
    rows = np.asarray(vectors)
    if rows.ndim != 2 or rows.shape[1] != basis.length:
        raise ValueError(f"vectors of shape {rows.shape}: must be [rows, {basis.length}]")
    total = FeatureMoments.empty(basis.parts[2].stop)
    step = max(1, _CHUNK // max(basis.length, basis.parts[2].stop))
    for start in range(0, len(rows), step):
        some = cast(Floats, rows[start : start + step].astype(np.float64))
        some = some[np.isfinite(some).all(axis=1)]
        total = total + FeatureMoments.of(basis.features(some))
    return Directions(basis, total)

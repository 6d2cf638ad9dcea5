"""The sums from which means of many features, and how sure they are, are read: what vectors and texts are kept as."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FeatureMoments"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMoments:
    """Of ``n`` rows with K features each: their sums ``total`` [K] and the sums of all products ``outer`` [K, K].

    Two add up to that of all rows, in any order, to rounding (features are of size one: 1e-15 of n).

    >>> one = FeatureMoments.of(np.array([[1.0, 2.0], [3.0, 0.0]]))
    >>> (one + one).n, (one + one).mean.tolist()
    (4, [2.0, 1.0])
    """

    n: int
    total: Floats
    outer: Floats

    def __post_init__(self) -> None:
        if self.outer.shape != (len(self.total), len(self.total)):
            raise ValueError(
                f"outer of shape {self.outer.shape}: must be {(len(self.total), len(self.total))}, as total has "
                f"{len(self.total)} features"
            )

    @classmethod
    def of(cls, features: Floats) -> FeatureMoments:
        """Of rows [N, K]."""
        return cls(len(features), features.sum(axis=0), features.T @ features)

    @classmethod
    def empty(cls, features: int) -> FeatureMoments:
        """Of no rows."""
        return cls(0, np.zeros(features), np.zeros((features, features)))

    def __add__(self, other: FeatureMoments) -> FeatureMoments:
        """Of both sets of rows; ``ValueError`` where they have not as many features."""
        if not isinstance(other, FeatureMoments):
            return NotImplemented
        if len(self.total) != len(other.total):
            raise ValueError(f"{len(self.total)} and {len(other.total)} features: must be as many")
        return FeatureMoments(self.n + other.n, self.total + other.total, self.outer + other.outer)

    @property
    def mean(self) -> Floats:
        """The means [K]; of no rows 0."""
        return self.total / max(self.n, 1)

    @property
    def covariance(self) -> Floats:
        """The covariances [K, K] of rows, over n - 1; of less than two rows 0."""
        if self.n < 2:
            return np.zeros_like(self.outer)
        return (self.outer - self.n * np.outer(self.mean, self.mean)) / (self.n - 1)

    def mapped(self, linear: Floats) -> FeatureMoments:
        """Of the features ``linear @ f``, for a matrix [J, K]."""
        return FeatureMoments(self.n, linear @ self.total, linear @ self.outer @ linear.T)

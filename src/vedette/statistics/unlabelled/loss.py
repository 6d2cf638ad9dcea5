"""Loss estimation: what a regression's errors are to be expected to be, from those of like rows of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.unlabelled.interval import limits
from vedette.statistics.unlabelled.tables import Measure
from vedette.statistics.unlabelled.trees import Binned, Tree, cut_of, grow

__all__ = ["LOSSES", "Loss", "LossLeaves", "LossTable", "loss_leaves", "mixed_losses"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LOSSES = ("mae", "rmse", "mse")

DOUBT_ROWS = 20.0
"""As many rows of a leaf are taken to be like those of the whole reference."""


@dataclass(frozen=True, slots=True, eq=False)
class LossLeaves:
    """Leaves of features and predictions, cut once and for all; the last is of rows unlike any of the reference."""

    bins: Binned
    tree: Tree

    def __len__(self) -> int:
        return len(self.tree.value) + 1

    def leaves(self, features: npt.ArrayLike, prediction: npt.ArrayLike) -> Integers:
        """The leaf int64 [N] of rows: ``features`` [N, D] and ``prediction`` [N]."""
        rows = _with_prediction(features, prediction)
        codes = self.bins.codes(rows)
        return np.where(self.bins.outside(rows), len(self.tree.value), self.tree.leaves(codes))


def _with_prediction(features: npt.ArrayLike, prediction: npt.ArrayLike) -> Floats:
    rows, told = np.asarray(features, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if rows.ndim != 2 or told.shape != (len(rows),):
        raise ValueError(f"features {rows.shape}, prediction {told.shape}: must be [N, D] and [N]")
    return np.column_stack([rows, told])


def loss_leaves(
    features: npt.ArrayLike, prediction: npt.ArrayLike, label: npt.ArrayLike, leaves: int = 24
) -> LossLeaves:
    """Leaves of a reference that tell large errors from small: a regression tree on |prediction - label|.

    The prediction is a feature like the others: errors often grow with what is predicted. Rows whose error is not finite
    are left out; each leaf holds a hundredth of the rest or more.
    """
    rows = _with_prediction(features, prediction)
    off = np.abs(rows[:, -1] - np.asarray(label, dtype=np.float64))
    known = np.isfinite(off)
    if not known.any():
        raise ValueError("label: no row has a finite error to cut leaves by")
    rows, off = rows[known], off[known]
    bins = cut_of(rows)
    gradient = off - off.mean()
    tree = grow(
        bins.codes(rows),
        gradient,
        np.ones(len(off)),
        leaves=leaves,
        rows_min=max(len(off) / 100, 1.0),
        ridge=DOUBT_ROWS,
    )
    return LossLeaves(bins, tree)


@dataclass(frozen=True, slots=True, eq=False)
class LossTable:
    """Errors of labelled rows, added up by leaf: ``rows``, and the sums of |error| and of its second and fourth power,
    float64 [leaf] each. Tables of the same leaves add up."""

    rows: Floats
    absolute: Floats
    squared: Floats
    fourth: Floats

    def __post_init__(self) -> None:
        if len({part.shape for part in (self.rows, self.absolute, self.squared, self.fourth)}) != 1:
            raise ValueError("rows and sums of errors: must be as many, one for each leaf")
        if not self.rows.sum() > 0:
            raise ValueError("rows: no labelled rows to learn from")

    @classmethod
    def of(cls, n_leaves: int, leaf: npt.ArrayLike, error: npt.ArrayLike) -> LossTable:
        """Errors float64 [N] added up by leaf int64 [N]; those that are not finite are left out."""
        off = np.abs(np.asarray(error, dtype=np.float64))
        known = np.isfinite(off)
        at, off = np.asarray(leaf, dtype=np.int64)[known], off[known]
        return cls(*(np.bincount(at, off**power, n_leaves).astype(np.float64) for power in (0, 1, 2, 4)))

    def __add__(self, other: LossTable) -> LossTable:
        return LossTable(
            self.rows + other.rows,
            self.absolute + other.absolute,
            self.squared + other.squared,
            self.fourth + other.fourth,
        )

    def pooled(self) -> LossTable:
        """All leaves as one: what is expected of any window, whatever it holds."""
        return LossTable(
            *(np.array([part.sum()]) for part in (self.rows, self.absolute, self.squared, self.fourth))
        )


class Loss:
    """The error that is to be expected of a window's rows, each by the mean error of the reference's rows of its leaf.

    mae = sum n m/sum n, with n the window's rows of a leaf and m the reference's mean |error| there, drawn by twenty rows
    towards that of all; mse is the like of squares, rmse its root. The variance of outcomes is sum n s^2/(sum n)^2, with s^2
    that of the loss in the leaf, of calibration sum (n/sum n)^2 s^2/(N + 20). ``pooled`` tables make the constant.
    A leaf without rows in the reference has the mean of all, and a variance to calibration like that of a single row.

    Source: NannyML's direct loss estimation (https://nannyml.readthedocs.io, "DLE"), with a tree for the boosted model,
    so that counts suffice.

    >>> table = LossTable.of(2, [0, 0, 1, 1], [1.0, -1.0, 3.0, -5.0])
    >>> measure = Loss(table.pooled()).estimate(np.array([[10]]), ["mae"])["mae"]
    >>> measure.value.tolist()
    [2.5]
    """

    name = "loss"
    needs_rows = False

    def __init__(self, reference: LossTable) -> None:
        self._means: dict[str, tuple[Floats, Floats, Floats]] = {}
        rows = reference.rows
        for metric, first, second in (
            ("mae", reference.absolute, reference.squared),
            ("mse", reference.squared, reference.fourth),
        ):
            whole, whole_square = first.sum() / rows.sum(), second.sum() / rows.sum()
            mean = (first + DOUBT_ROWS * whole) / (rows + DOUBT_ROWS)
            square = (second + DOUBT_ROWS * whole_square) / (rows + DOUBT_ROWS)
            spread = np.maximum(square - mean**2, 0.0)
            noise = np.where(rows > 0, spread / (rows + DOUBT_ROWS), spread)
            self._means[metric] = mean, spread, noise
        self._means["rmse"] = self._means["mse"]

    def estimate(self, counts: npt.ArrayLike, metrics: Sequence[str] = LOSSES) -> Mapping[str, Measure]:
        """The measures of ``mae``, ``rmse`` and ``mse`` of windows, from counts int64 [W, leaf]."""
        n = np.asarray(counts, dtype=np.float64)
        out = {}
        for metric in metrics:
            if metric not in LOSSES:
                raise ValueError(f"metric={metric!r}: must be one of {', '.join(LOSSES)}")
            mean, spread, noise = self._means[metric]
            if n.ndim != 2 or n.shape[1] != len(mean):
                raise ValueError(f"counts of shape {n.shape}: must be [windows, {len(mean)} leaves]")
            size = n.sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = (n * mean).sum(axis=1) / size
                outcome = (n * spread).sum(axis=1) / size**2
                calibration = (n**2 * noise).sum(axis=1) / size**2
                if metric == "rmse":
                    value = np.sqrt(value)
                    outcome, calibration = (part / (4 * value**2) for part in (outcome, calibration))
            out[metric] = Measure(value, outcome, calibration, np.zeros(len(n)), np.full(len(n), np.inf))
        return out


def mixed_losses(
    metric: str,
    plain: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    share: npt.ArrayLike,
    free: npt.ArrayLike,
    variance: npt.ArrayLike,
    *,
    reach: npt.ArrayLike,
    level: float = 0.9,
) -> tuple[Floats, Floats, Floats]:
    """A mean error with its limits where a ``share`` of the labels has come, float64 [W] each.

    ``plain`` with ``low`` and ``high`` is what those labels say, NaN where they are too few to say it; ``free``,
    ``variance`` and ``reach`` are the label-free figure (``Followed``). Rows without a label are taken for both, weighed by
    the inverse of their variances u (plain) and v (free, widened by its reach), so that with the share f

        f plain + (1 - f) (v plain + u free)/(u + v),   variance (1 - f) u v/(u + v) + f u,

    which passes from the label-free figure into that of the labels. Labels are taken to come whatever the row.

    >>> value, low, high = mixed_losses("mae", [3.0], [2.671], [3.329], [0.5], [2.0], [0.04], reach=[1.645])
    >>> value.round(3).tolist()     # both have a standard deviation of 0.2: (3 + (3 + 2)/2)/2
    [2.75]
    """
    said, part = np.asarray(plain, dtype=np.float64), np.asarray(share, dtype=np.float64)
    expected, spread = np.asarray(free, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    normal = float(special.ndtri((1 + level) / 2))
    own = ((np.asarray(high, dtype=np.float64) - np.asarray(low, dtype=np.float64)) / (2 * normal)) ** 2
    wide = spread * (np.asarray(reach, dtype=np.float64) / normal) ** 2
    good = np.isfinite(said) & np.isfinite(own)
    u = np.where(good, own, 1.0)
    weight = np.where(good, wide / np.maximum(u + wide, 1e-300), 0.0)
    f = np.where(good, part, 0.0)
    told = np.where(good, said, 0.0)
    value = f * told + (1 - f) * (weight * told + (1 - weight) * expected)
    left = np.where(good, weight * u, wide)
    return limits(metric, value, (1 - f) * left + f * u, np.full(len(value), normal))

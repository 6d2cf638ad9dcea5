"""What estimators read and answer: counts of windows and of a reference, and measures with the parts of their noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.unlabelled.metrics import pull_of

__all__ = [
    "ClassEstimator",
    "Measure",
    "Rows",
    "Table",
    "Windows",
    "bin_scores",
    "counted",
    "logit_line",
    "measured",
    "score_steps",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

STEPS = 8
"""Groups of neighbouring score bins in which leaves are compared: bins have too few rows of a leaf."""


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """A metric over W windows, and the variance of what it may be off by; all float64 [W].

    ``outcome``: what the labels come out as, were the chances right. ``calibration``: of the chances, which a finite
    reference tells; the same error in all windows. ``weights``: what weighting rows adds to that, by window.
    ``effective``: the reference rows that the chances rest on; infinite where that is no question. ``value`` is NaN
    where the window has no rows to take the metric of.
    """

    value: Floats
    outcome: Floats
    calibration: Floats
    weights: Floats
    effective: Floats

    def halfway(self, other: Measure) -> Measure:
        """The mean of both, whose variances are the means of theirs: on the safe side, whatever they have in common."""
        return Measure(
            (self.value + other.value) / 2,
            (self.outcome + other.outcome) / 2,
            (self.calibration + other.calibration) / 2,
            (self.weights + other.weights) / 2,
            self.effective,
        )

    def where(self, chosen: npt.ArrayLike, other: Measure) -> Measure:
        """These in the windows ``chosen`` bool [W], those of another one elsewhere."""
        return Measure(*(np.where(chosen, getattr(self, name), getattr(other, name)) for name in _PARTS))

    @classmethod
    def joined(cls, parts: Sequence[Measure]) -> Measure:
        """The windows of several, one after another."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in _PARTS))


_PARTS = ("value", "outcome", "calibration", "weights", "effective")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows as they are, for estimators that counts do not suffice: all [N], of one window or of the reference.

    ``features`` float64 [N, D], NaN where missing; ``bin`` int64 the score bin; ``prediction`` int64 0 or 1; ``label``
    int64 0 or 1, -1 where not known.
    """

    features: Floats
    bin: Integers
    prediction: Integers
    label: Integers

    def __post_init__(self) -> None:
        n = len(self.bin)
        if self.features.ndim != 2 or not (
            len(self.features) == len(self.prediction) == len(self.label) == n
        ):
            raise ValueError(
                f"features {self.features.shape}, bin [{n}], prediction [{len(self.prediction)}], "
                f"label [{len(self.label)}]: must be as many, features [N, D]"
            )

    def take(self, index: npt.ArrayLike) -> Rows:
        """Some of the rows, by number or mask."""
        at = np.asarray(index)
        return Rows(self.features[at], self.bin[at], self.prediction[at], self.label[at])


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Labelled rows of two classes, counted: ``counts`` int64 [leaf, score bin, prediction, label].

    ``scores`` float64 [bin]: a score for each bin, ascending, strictly between 0 and 1, NaN where rows have none (the
    last bin only). Tables of the same bins and leaves add up.
    """

    counts: Integers
    scores: Floats

    def __post_init__(self) -> None:
        if self.counts.ndim != 4 or self.counts.shape[1:] != (len(self.scores), 2, 2):
            raise ValueError(
                f"counts of shape {self.counts.shape}: must be [leaf, {len(self.scores)} score bins, 2, 2]"
            )
        if (self.counts < 0).any():
            raise ValueError(f"counts of {self.counts.min()}: must be 0 or more")
        if not self.counts.sum():
            raise ValueError("counts: no labelled rows to learn from")

    def __add__(self, other: Table) -> Table:
        if self.counts.shape != other.counts.shape or not np.array_equal(
            self.scores, other.scores, equal_nan=True
        ):
            raise ValueError("tables of different leaves or score bins do not add up")
        return Table(self.counts + other.counts, self.scores)

    def pooled(self) -> Table:
        """All leaves as one."""
        return Table(self.counts.sum(axis=0, keepdims=True), self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """W windows without labels: ``counts`` [W, leaf, score bin, prediction], whole numbers or expected ones, and the rows
    where they are at hand."""

    counts: Integers | Floats
    rows: Sequence[Rows] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        if self.counts.ndim != 4 or self.counts.shape[3] != 2:
            raise ValueError(
                f"counts of shape {self.counts.shape}: must be [window, leaf, score bin, 2 predictions]"
            )
        if len(self.rows) not in (0, len(self.counts)):
            raise ValueError(
                f"rows of {len(self.rows)} windows, counts of {len(self.counts)}: must be as many"
            )

    def __len__(self) -> int:
        return len(self.counts)

    def take(self, index: npt.ArrayLike) -> Windows:
        """Some of the windows, by number."""
        at = np.atleast_1d(np.asarray(index, dtype=np.int64))
        return Windows(self.counts[at], tuple(self.rows[i] for i in at) if self.rows else ())

    def pooled(self) -> Windows:
        """All leaves as one."""
        return Windows(self.counts.sum(axis=1, keepdims=True), self.rows)


class ClassEstimator(Protocol):
    """Estimates a classifier's quality in windows without labels from a reference with labels."""

    name: str
    needs_rows: bool

    def estimate(self, windows: Windows, metrics: Sequence[str]) -> Mapping[str, Measure]:
        """The measures of each metric, by its name."""


def measured(
    metric: str,
    n: Floats,
    chance: Floats,
    noise: Floats,
    scores: Floats,
    *,
    step: Integers | None = None,
    weights: Floats | None = None,
    effective: Floats | None = None,
) -> Measure:
    """The measure of windows whose rows in each cell have label 1 with a given chance.

    ``n`` [W, leaf, bin, prediction] rows, and ``chance`` that broadcasts against it. ``noise`` is the variance of the
    chance, independent from cell to cell; with ``step`` int64 [bin] it is [leaf, step, prediction], and the chances of
    neighbouring bins of a step are off together. ``weights`` is further variance of the same kind, ``effective`` [W]
    the rows of the reference that a window's chances rest on.
    """
    positive = n * chance
    table = np.stack([n - positive, positive], axis=-1)
    value, pull = pull_of(metric, table.sum(axis=1), scores)
    flip = (pull[..., 1] - pull[..., 0])[:, np.newaxis]
    reach = n * flip
    if step is not None:
        reach = np.add.reduceat(reach, np.flatnonzero(np.diff(step, prepend=-1)), axis=2)

    def of(variance: Floats) -> Floats:
        return np.asarray((reach**2 * variance).sum(axis=(1, 2, 3)))

    return Measure(
        value,
        np.asarray((n * chance * (1 - chance) * flip**2).sum(axis=(1, 2, 3))),
        of(noise),
        np.zeros(len(n)) if weights is None else of(weights),
        np.full(len(n), np.inf) if effective is None else effective,
    )


def bin_scores(edges: npt.ArrayLike, *, missing: bool = False) -> Floats:
    """A score for each of the bins that ``edges`` cut of [0, 1]: the middle between its edges.

    ``missing``: with a last bin for rows without a score.

    >>> bin_scores([0.2, 0.6]).tolist()
    [0.1, 0.4, 0.8]
    """
    inner = np.asarray(edges, dtype=np.float64)
    if inner.ndim != 1 or not ((inner[1:] > inner[:-1]).all() and (inner > 0).all() and (inner <= 1).all()):
        raise ValueError("edges: must ascend strictly within (0, 1]")
    whole = np.concatenate([[0.0], inner, [1.0]])
    middle = np.clip((whole[:-1] + whole[1:]) / 2, 1e-7, 1 - 1e-7)
    return np.append(middle, np.nan) if missing else middle


def counted(
    n_leaves: int,
    n_bins: int,
    leaf: npt.ArrayLike,
    bins: npt.ArrayLike,
    prediction: npt.ArrayLike,
    label: npt.ArrayLike | None = None,
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
) -> Integers:
    """Rows counted by [window, leaf, score bin, prediction], and label where given; rows without a label are left out.

    >>> counted(1, 2, [0, 0, 0], [0, 1, 1], [0, 1, 1], [0, 1, -1])[0, 0, 1, 1].tolist()
    [0, 1]
    """
    into = (
        np.zeros(len(np.asarray(bins)), dtype=np.int64)
        if window is None
        else np.asarray(window, dtype=np.int64)
    )
    axes = [(into, n_windows), (leaf, n_leaves), (bins, n_bins), (prediction, 2)]
    kept = np.ones(len(into), dtype=np.bool_)
    if label is not None:
        axes.append((label, 2))
        kept = np.asarray(label) >= 0
    cell = np.zeros(int(kept.sum()), dtype=np.int64)
    for codes, size in axes:
        code = np.asarray(codes, dtype=np.int64)[kept]
        if code.size and (code.min() < 0 or code.max() >= size):
            raise ValueError(f"codes from {code.min()} to {code.max()}: must lie in 0 to {size - 1}")
        cell = cell * size + code
    shape = [size for _, size in axes]
    return np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)


def score_steps(reference: Table) -> Integers:
    """The step int64 [bin] of each score bin: eight groups or fewer of about as many rows of the reference, one more for
    rows without a score.

    >>> score_steps(Table(np.full((1, 16, 2, 2), 9), bin_scores(np.arange(1, 16) / 16))).tolist()
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    """
    known = np.isfinite(reference.scores)
    held = np.where(known, reference.counts.sum(axis=(0, 2, 3)), 0.0)
    middle = (np.cumsum(held) - held / 2) / max(float(held.sum()), 1.0)
    step = np.clip(np.floor(middle * STEPS), 0, STEPS - 1).astype(np.int64)
    return np.unique(np.where(known, step, STEPS), return_inverse=True)[1].astype(np.int64)


def logit_line(scores: Floats, hits: Floats, n: Floats) -> Floats:
    """The chances [bin] of Platt's line: logit(chance) = a + b logit(score), by Newton's steps on counts [bin].

    A weak prior on the slope, of ten rows, keeps it finite where labels are all alike. Bins without a score have the
    share of all rows. Source: J. Platt (1999), Advances in Large Margin Classifiers, 61-74.
    """
    share = (hits.sum() + 0.5) / (n.sum() + 1)
    known = np.isfinite(scores) & (n > 0)
    x = special.logit(np.where(np.isfinite(scores), scores, 0.5))
    if not known.any():
        return np.full(len(scores), share)
    a, b = 0.0, 1.0
    for _ in range(30):
        chance = special.expit(a + b * x)
        weight = np.where(known, n * chance * (1 - chance), 0.0)
        off = np.where(known, hits - n * chance, 0.0)
        gradient = np.array([off.sum() - 0.1 * a, (off * x).sum() - 10 * (b - 1)])
        curvature = np.array(
            [[weight.sum() + 0.1, (weight * x).sum()], [(weight * x).sum(), (weight * x * x).sum() + 10]]
        )
        step = np.clip(np.linalg.solve(curvature, gradient), -2, 2)
        a, b = a + step[0], b + step[1]
        if np.abs(step).max() < 1e-9:
            break
    return np.asarray(np.where(np.isfinite(scores), special.expit(a + b * x), share))

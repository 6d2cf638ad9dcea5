"""Quality without labels of more than two classes: what the predicted classes say of the labels to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.unlabelled.blend import Blended, blend_tables
from vedette.statistics.unlabelled.confidence import PRIOR_ROWS
from vedette.statistics.unlabelled.metrics import Pull
from vedette.statistics.unlabelled.support import Support, support_of_cells
from vedette.statistics.unlabelled.tables import Measure

__all__ = ["SEVERAL", "SEVERAL_METRICS", "ClassTable", "Several", "blend_several", "pull_of_several"]

Floats = npt.NDArray[np.float64]

SEVERAL_METRICS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
"""The metrics of several classes that counts of predictions against labels give; all but the first are plain averages."""

SEVERAL = ("by_prediction", "halfway", "constant")
"""The estimators of several classes, the one to ask first of all first."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassTable:
    """Labelled rows of K classes: ``counts`` [K + 1, K + 1] by prediction and label, each with any other class last.

    Tables of the same classes add up.
    """

    counts: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        shape = self.counts.shape
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2:
            raise ValueError(f"counts of shape {shape}: must be [K + 1, K + 1], predictions and labels")
        if (self.counts < 0).any():
            raise ValueError(f"counts of {self.counts.min()}: must be 0 or more")
        if not self.counts.sum():
            raise ValueError("counts: no labelled rows to learn from")

    def __add__(self, other: ClassTable) -> ClassTable:
        if self.counts.shape != other.counts.shape:
            raise ValueError("tables of different classes do not add up")
        return ClassTable(self.counts + other.counts)

    @property
    def chances(self) -> Floats:
        """The chance of each label, given the prediction, float64 [K + 1, K + 1]; each row adds up to 1.

        The shares of the reference, drawn by ten rows towards what it says of all predictions together: right as often as
        those are, and if wrong of another class by how often that occurs.
        """
        held = self.counts.astype(np.float64)
        labels, right = held.sum(axis=0), np.trace(held[:-1, :-1]) / held.sum()
        prior = np.tile(labels, (len(held), 1))
        own = np.arange(len(held) - 1)
        prior[own, own] = 0.0
        others = prior.sum(axis=1, keepdims=True)
        prior = np.where(others > 0, prior / np.maximum(others, 1e-300), 0.0)
        prior[own] *= np.where(others[own] > 0, 1 - right, 0.0)
        prior[own, own] = np.where(others[own, 0] > 0, right, 1.0)
        return np.asarray((held + PRIOR_ROWS * prior) / (held.sum(axis=1, keepdims=True) + PRIOR_ROWS))


def pull_of_several(metric: str, table: npt.ArrayLike) -> Pull:
    """The value [...] of a metric of K classes and its derivative [..., K + 1, K + 1] by the count of each cell.

    ``table`` float64 [..., K + 1, K + 1] are (expected) counts by prediction and label, any other class last: in no average.
    ``precision``, ``recall`` and ``f1`` are averaged over the classes that occur as label or prediction, as ``f1_macro``
    is, ``balanced_accuracy`` is recall over those that occur as label; of a class without predictions precision is 0.
    Which classes occur is taken as it is, whatever a row more would change in that. Without rows the value is NaN.

    Raises ``ValueError`` for an unknown metric or a table of another shape.

    >>> table = np.array([[8.0, 2.0, 0.0], [2.0, 8.0, 0.0], [0.0, 0.0, 0.0]])
    >>> value, pull = pull_of_several("accuracy", table)
    >>> float(value), round(float(pull[0, 0]), 6)                        # (1 - 0.8)/20: one more that is right
    (0.8, 0.01)
    """
    counts = np.asarray(table, dtype=np.float64)
    if metric not in SEVERAL_METRICS:
        raise ValueError(f"metric={metric!r}: must be one of {', '.join(SEVERAL_METRICS)}")
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2] or counts.shape[-1] < 2:
        raise ValueError(f"table of shape {counts.shape}: must be [..., K + 1 predictions, K + 1 labels]")
    k = counts.shape[-1] - 1
    own = np.arange(k)
    right = counts[..., own, own]
    if metric == "accuracy":
        n = counts.sum(axis=(-2, -1))[..., np.newaxis, np.newaxis]
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(n > 0, right.sum(axis=-1)[..., np.newaxis, np.newaxis] / n, np.nan)
            hit = np.zeros(counts.shape[-2:])
            hit[own, own] = 1.0
            pull = np.where(n > 0, (hit - value) / n, np.nan)
        return value[..., 0, 0], pull
    predicted, labelled = counts.sum(axis=-1)[..., :-1], counts.sum(axis=-2)[..., :-1]
    of_label, of_prediction = metric != "precision", metric not in ("recall", "balanced_accuracy")
    rows = of_label * labelled + of_prediction * predicted
    gain = of_label + of_prediction
    occurs = labelled > 0 if metric == "balanced_accuracy" else labelled + predicted > 0
    classes = occurs.sum(axis=-1, keepdims=True)
    share = np.where(rows > 0, gain * right / np.maximum(rows, 1e-300), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(classes > 0, occurs / classes, np.nan)
    per_row = np.where(rows > 0, weight / np.maximum(rows, 1e-300), 0.0 * weight)
    pull = np.zeros(counts.shape)
    pull[..., :-1, :] -= (of_prediction * share * per_row)[..., :, np.newaxis]
    pull[..., :, :-1] -= (of_label * share * per_row)[..., np.newaxis, :]
    pull[..., own, own] += gain * per_row
    return (weight * share).sum(axis=-1), pull


class Several:
    """Three estimates of the quality of a classifier of several classes, from how many rows were predicted as each.

    ``by_prediction``: labels are to be expected among the rows of each predicted class as in the reference,
    T[j, k] = n_j chance(k | j), and the metric is read off T. Right where, given what is predicted, labels are as they
    were; a change that leaves the predicted classes alike, such as a model that is less sure, it does not see.
    ``constant``: the quality of the reference. ``halfway``: the mean of both.

    Variances are as in ``Confidence`` and ``Constant``, of multinomial labels: with d the derivative by a cell and v_j =
    sum_k chance d^2 - (sum_k chance d)^2, outcomes have sum_j n_j v_j and calibration sum_j n_j^2 v_j/(N_j + 10).

    Source: M. Saerens, P. Latinne and C. Decaestecker (2002), Neural Computation 14, 21-41 (the table of a reference
    carried over to new predictions); J. Kivimäki et al. (2024), arXiv 2407.08649 (the variances).

    >>> table = ClassTable(np.array([[900, 50, 50, 0], [100, 800, 100, 0], [0, 300, 700, 0], [0, 0, 0, 0]]))
    >>> found = Several(table).estimate(np.array([[100, 0, 100, 0]]), ["accuracy"])
    >>> {name: one["accuracy"].value.round(2).tolist() for name, one in found.items()}     # (0.9 + 0.7)/2
    {'by_prediction': [0.8], 'halfway': [0.8], 'constant': [0.8]}
    """

    def __init__(self, reference: ClassTable) -> None:
        self.reference, self.chances = reference, reference.chances

    def estimate(self, counts: npt.ArrayLike, metrics: Sequence[str]) -> dict[str, Mapping[str, Measure]]:
        """The measures of each estimator and metric, of windows with ``counts`` [W, K + 1] rows by predicted class."""
        n = np.asarray(counts, dtype=np.float64)
        if n.ndim != 2 or n.shape[1] != len(self.chances):
            raise ValueError(f"counts of shape {n.shape}: must be [windows, {len(self.chances)} predictions]")
        one = {metric: self._by_prediction(metric, n) for metric in metrics}
        constant = {metric: self._constant(metric, n) for metric in metrics}
        halfway = {metric: one[metric].halfway(constant[metric]) for metric in metrics}
        return dict(zip(SEVERAL, (one, halfway, constant), strict=True))

    def _by_prediction(self, metric: str, n: Floats) -> Measure:
        value, pull = pull_of_several(metric, n[:, :, np.newaxis] * self.chances)
        of_row = (self.chances * pull**2).sum(axis=2) - (self.chances * pull).sum(axis=2) ** 2
        held = self.reference.counts.sum(axis=1)
        return Measure(
            value,
            (n * of_row).sum(axis=1),
            (n**2 * of_row / (held + PRIOR_ROWS)).sum(axis=1),
            np.zeros(len(n)),
            np.full(len(n), np.inf),
        )

    def _constant(self, metric: str, n: Floats) -> Measure:
        size = n.sum(axis=1)
        held = float(self.reference.counts.sum())
        share = self.reference.counts / held
        value, pull = pull_of_several(metric, share)
        of_row = float((share * pull**2).sum() - (share * pull).sum() ** 2)
        return Measure(
            np.where(size > 0, float(value), np.nan),
            of_row / np.maximum(size, 1),
            np.full(len(n), of_row / held),
            np.zeros(len(n)),
            np.full(len(n), np.inf),
        )

    def support(self, counts: npt.ArrayLike) -> Support:
        """How far windows [W, K + 1] lie within the predictions that the reference has."""
        return support_of_cells(
            np.asarray(counts, dtype=np.float64), self.reference.counts.sum(axis=1).astype(np.float64)
        )


def blend_several(
    metric: str,
    counts: npt.ArrayLike,
    labelled: npt.ArrayLike,
    chances: npt.ArrayLike,
    free: npt.ArrayLike,
    variance: npt.ArrayLike,
    *,
    reach: npt.ArrayLike | None = None,
    level: float = 0.9,
) -> Blended:
    """What a metric of several classes will be once all labels of a window have come; see ``blend``.

    ``counts`` [W, K + 1] are all rows by prediction, ``labelled`` [W, K + 1, K + 1] by prediction and label those whose
    label has come, ``chances`` [K + 1, K + 1] those of labels.

    >>> chances = ClassTable(np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]]) * 100).chances
    >>> some = np.array([[[30.0, 10.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    >>> blend_several("accuracy", [[40.0, 0.0, 0.0]], some, chances, [0.8], [1e-3]).value.tolist()     # all of them
    [0.75]
    """
    n, told = np.asarray(counts, dtype=np.float64), np.asarray(labelled, dtype=np.float64)

    def pull(table: Floats) -> Pull:
        value, by_cell = pull_of_several(metric, table[:, 0])
        return value, by_cell[:, np.newaxis]

    return blend_tables(
        metric,
        pull,
        n[:, np.newaxis],
        told[:, np.newaxis],
        np.asarray(chances, dtype=np.float64)[np.newaxis],
        free,
        variance,
        reach=reach,
        level=level,
    )

"""The Matthews correlation coefficient."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.class_shares import table_variance
from vedette.statistics.confusion import confusion
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.summary import Summary

__all__ = ["Matthews"]

Floats = npt.NDArray[np.float64]

RARE_ROWS = 4.0  # over all cells: what came up in none of a few rows can be one in as many
CHANCE_ROWS = 2.0  # as many as the average that an Agresti-Coull interval adds to either side of a share


class Matthews:
    """The correlation between labels and predictions: 1 is always right, 0 no better than chance.

    (c s - sum t_k p_k)/sqrt((s^2 - sum p_k^2)(s^2 - sum t_k^2)), with s rows, c right ones, and t_k and p_k the labels
    and predictions of class k; of two classes (TP TN - FP FN)/sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)). As scikit-learn has
    it, where a label of another class than the model's never equals a prediction of one.

    The limits are those of the delta method on the table of counts, symmetric in artanh of the coefficient, and of the
    same with two rows more that are spread as if predictions did not depend on labels, and with four rows more that
    are spread evenly; on each side the furthest out. The second keeps a model that was right in all of a few rows from
    being certain, the third one that met no rare class from being certain that it would not know it. ``n`` counts rows
    with a label and a prediction. Where all labels, or all predictions, are of one class there is none, and that is the reason
    (scikit-learn says 0).

    Sources: B. W. Matthews (1975), Biochimica et Biophysica Acta 405, 442-451; J. Gorodkin (2004), Computational
    Biology and Chemistry 28, 367-374 (several classes).

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [1, 1, 1, 0], [1, 0, 1, 1], names)
    >>> STATISTICS["matthews"].figures(summary).value.round(4).tolist()     # by hand: (0 - 1)/sqrt(3 3 1 1)
    [-0.3333]
    """

    name = "matthews"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The coefficient by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        z = float(special.ndtri((1 + check_level(level)) / 2))
        table, reasons = confusion(current)
        n = table.sum(axis=(1, 2))
        counts = table.astype(np.float64)
        value, _, defined = _coefficient(counts)
        reasons.add(~defined, "labels or predictions of one class only")
        low, high = value, value
        labels, predictions = counts.sum(axis=2), counts.sum(axis=1)
        chance = (
            labels[:, :, np.newaxis]
            * predictions[:, np.newaxis]
            / np.maximum(n, 1)[:, np.newaxis, np.newaxis] ** 2
        )
        classes = counts.shape[1] - 1
        each = np.zeros(counts.shape[1:])
        each[:classes, :classes] = RARE_ROWS / max(classes, 1) ** 2
        for more in (0.0, CHANCE_ROWS * chance, each):
            middle, variance, _ = _coefficient(counts + more)
            inside = np.clip(middle, -1 + 1e-12, 1 - 1e-12)
            half = z * np.sqrt(variance) / (1 - inside**2)
            low = np.minimum(low, np.tanh(np.arctanh(inside) - half))
            high = np.maximum(high, np.tanh(np.arctanh(inside) + half))
        return Estimates.of(value, low, high, n, reasons)


def _coefficient(table: Floats) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """The coefficient, its variance by the delta method, and where it is defined."""
    n = np.maximum(table.sum(axis=(1, 2)), 1e-300)
    labels, predictions = table.sum(axis=2) / n[:, np.newaxis], table.sum(axis=1) / n[:, np.newaxis]
    right = np.diagonal(table, axis1=1, axis2=2)[:, :-1].sum(axis=1) / n
    mixed_labels, mixed_predictions = 1 - (labels**2).sum(axis=1), 1 - (predictions**2).sum(axis=1)
    defined = (mixed_labels > 1e-12) & (mixed_predictions > 1e-12)
    mixed_labels, mixed_predictions = np.where(defined, (mixed_labels, mixed_predictions), 1.0)
    scale = np.sqrt(mixed_labels * mixed_predictions)[:, np.newaxis]
    value = (right - (labels * predictions)[:, :-1].sum(axis=1)) / scale[:, 0]
    known = np.arange(labels.shape[1]) < labels.shape[1] - 1  # two other classes are never the same
    of_label = -predictions * known / scale + (value / mixed_labels)[:, np.newaxis] * labels
    of_prediction = -labels * known / scale + (value / mixed_predictions)[:, np.newaxis] * predictions
    of_both = np.broadcast_to(1 / scale, (len(n), labels.shape[1] - 1))
    variance = table_variance(
        table, of_label / n[:, np.newaxis], of_prediction / n[:, np.newaxis], of_both / n[:, np.newaxis]
    )
    return np.where(defined, value, 0.0), np.where(defined, variance, 0.0), defined

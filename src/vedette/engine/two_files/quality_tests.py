"""Whether the figures of a model have changed, each by a test that fits it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from vedette.statistics import Estimates, Summary
from vedette.strategy import two_samples

__all__ = ["p_value"]

ERRORS_MIN = 10.0
NORMAL = float(special.ndtri(0.975))
OF_SEGMENTS = ("accuracy", "roc_auc", "log_loss", "brier", "mae", "bias")
_SHARES = ("accuracy", "precision", "recall", "specificity")
_LOSSES = ("log_loss", "brier")
_ERRORS = ("mae", "bias", "rmse", "mape")
_DISTANCES = ("roc_auc", "average_precision", "r2")
_BINARY = ("specificity", "average_precision")  # of more classes an average, whose test was not found to hold


def p_value(
    metric: str, told: Sequence[Estimates], counted: Sequence[Summary], window: int, inflated: float
) -> float | None:
    """Whether a figure of a window changed; None where it is not judged, or has too few rows.

    Shares by Fisher's exact test, of two classes F1 too, which is a share carried over; mean errors and losses by
    Welch's; the rest by the distance of both values over the standard errors that their intervals stand for.
    """
    if any(one.reason[window] is not None for one in told):
        return None
    kind, binary = metric.partition("[")[0], len(counted[0].grid.classes) == 2
    if kind in _BINARY and counted[0].grid.classes and not binary:
        return None
    n = [int(one.n[window]) for one in told]
    if kind in (*_LOSSES, *_ERRORS) or kind.startswith("quantile_loss"):
        sides = [_mean(kind, one, window, inflated) for one in counted]
        sizes = sides if kind != "bias" else [_mean("mae", one, window, inflated) for one in counted]
        return two_samples.means(*sides) if _many(sizes) else None
    if min(n) < two_samples.VALUES_MIN * inflated:
        return None
    values = [float(one.value[window]) for one in told]
    if kind == "f1" and (binary or "[" in metric):
        values = [value / (2 - value) for value in values]
    elif kind not in _SHARES or (kind in ("precision", "recall") and not binary and "[" not in metric):
        return _apart(told, window, inflated) if metric in _DISTANCES else None
    hits = [round(value * rows) for value, rows in zip(values, n, strict=True)]
    return two_samples.share(hits[0], n[0], hits[1], n[1], inflated)


def _apart(told: Sequence[Estimates], window: int, inflated: float) -> float | None:
    error = [float(one.high[window] - one.low[window]) / (2 * NORMAL) for one in told]
    spread = np.sqrt((error[0] ** 2 + error[1] ** 2) * inflated)
    gap = abs(float(told[0].value[window] - told[1].value[window]))
    return float(2 * special.ndtr(-gap / spread)) if spread > 0 else None


def _mean(metric: str, side: Summary, window: int, inflated: float) -> tuple[float, float, int]:
    """Mean and variance of an error a row, and how many independent rows they are worth."""
    sums = dict(zip(side.grid.sums, side.sums[window].tolist(), strict=True))
    n = int(sums["scored"]) if metric in _LOSSES else int(side.used[window])
    if n < 2:
        return np.nan, np.nan, 0
    if metric in _LOSSES:
        first, second = sums[f"{metric}_1"], sums[f"{metric}_2"]
    elif metric == "mape":
        first, second = sums["relative_1"], sums["relative_2"]
    elif metric == "rmse":
        first, second = float(side.squares[window]), float(side.fourths[window])
    else:
        over, under = _weights(metric)
        first = over * sums["over_1"] + under * sums["under_1"]
        second = over**2 * sums["over_2"] + under**2 * sums["under_2"]
    mean = first / n
    return mean, max(second / n - mean**2, 0.0) * n / (n - 1), int(n / inflated)


def _many(sides: Sequence[tuple[float, float, int]]) -> bool:
    """True where the smaller side has errors enough for its mean to be nearly normal, by the rows of both.

    Were a few rows of one size to make up the whole mean, n mean^2/(mean^2 + variance) would be their number.
    """
    rows = sum(n for _, _, n in sides)
    if not rows:
        return False
    mean = sum(n * value for value, _, n in sides) / rows
    square = sum(n * (value**2 + variance) for value, variance, n in sides) / rows
    return min(n for _, _, n in sides) * mean**2 >= ERRORS_MIN * square


def _weights(metric: str) -> tuple[float, float]:
    """What an error above and one below count."""
    if metric in ("mae", "bias"):
        return 1.0, 1.0 if metric == "mae" else -1.0
    p = int(metric.removeprefix("quantile_loss_p")) / 100
    return 1 - p, p

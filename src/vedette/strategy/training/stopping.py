"""When to stop a training, and which checkpoint to keep, with the noise of the evaluations in mind."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vedette.capture.arguments import shown
from vedette.strategy.training.curves import estimate
from vedette.strategy.training.records import Floats

__all__ = ["Stop", "best", "larger_is_better", "should_stop"]

_LARGER = ("acc", "auc", "f1", "precision", "recall", "r2", "score", "iou", "map", "ndcg", "bleu", "matthews")
_SMALLER = ("loss", "error", "mae", "mse", "rmse", "mape", "perplexity", "brier", "nll", "wer", "cer", "fid")
_ENDS, _EXACT = (
    ("loss", "error", "entropy", "deviance"),
    ("l1", "l2"),
)  # as boosters have it: mlogloss, binary_error


@dataclass(frozen=True, slots=True)
class Stop:
    """Whether to stop, at which evaluation the figure was best, and by how much it got worse since, with its interval.

    ``worse`` is positive where the figure is worse; ``larger`` says whether larger values were taken to be better.
    """

    stop: bool
    best_at: int
    worse: float
    low: float
    high: float
    reason: str
    larger: bool = False


def larger_is_better(name: str) -> bool:
    """True where larger values of a figure of this name are better, False where smaller ones are.

    Raises ``ValueError`` where the name tells neither, or both.

    >>> larger_is_better("val/accuracy"), larger_is_better("val_loss"), larger_is_better("rmse")
    (True, False, False)
    >>> larger_is_better("val_mlogloss"), larger_is_better("val_l2"), larger_is_better("val_aucpr")
    (False, False, True)
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"name={name!r}: must name a figure, such as val_loss")
    words = name.lower().replace("/", "_").replace("-", "_").split("_")
    down = [word for word in words if word.startswith(_SMALLER) or word.endswith(_ENDS) or word in _EXACT]
    larger = any(word.startswith(_LARGER) for word in words if word not in down)  # mape is no mAP
    smaller = bool(down)
    if larger == smaller:
        raise ValueError(
            f"name={name!r}: does not tell whether larger or smaller is better: say larger=True or False"
        )
    return larger


def _losses(values: ArrayLike, name: str, larger: bool | None) -> Floats:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"values={shown(values)}: must be numbers, one for each evaluation") from None
    if found.ndim != 1:
        raise ValueError(f"values of shape {found.shape}: must be of one dimension")
    return -found if (larger_is_better(name) if larger is None else larger) else found


def best(values: ArrayLike, name: str, *, larger: bool | None = None) -> int | None:
    """Which evaluation, from 0, has the best figure: the earliest of those alike; None where all are NaN or inf.

    >>> best([0.9, float("nan"), 0.4, 0.5], "val_loss"), best([0.9, 0.4, 0.95], "val_f1")
    (2, 2)
    """
    losses = _losses(values, name, larger)
    if not np.any(np.isfinite(losses)):
        return None
    return int(np.argmin(np.where(np.isfinite(losses), losses, math.inf)))


def should_stop(
    values: ArrayLike,
    name: str,
    *,
    larger: bool | None = None,
    patience: int = 8,
    level: float = 0.05,
    useful: float = 0.0,
) -> Stop:
    """Whether a training should stop: surely worse than its best, or surely no better by ``useful`` for long.

    values: the figure of each evaluation; patience: evaluations in each of the two stretches compared, 4 or more. The mean of
    the last ``patience`` is compared with that of as many about the best before them. Stop where the lower limit of the change
    is above 0; or where three stretches went by and the upper limit of the gain is at most ``useful``: an improvement that is
    not worth its time (with 0, a level that stands still inside the noise never stops a training by itself). NaN is left out.

    The noise is that about a smooth curve from the best stretch on, clipped at three robust deviations; neighbours are taken to
    hang together as an AR(1) of their correlation, corrected for what smoothing takes of it, plus one standard error, .3 at
    least. After k further stretches the level is 1/(k^2 (k + 1)) of ``level``, for the looks and for the choice of the best.
    Asked after each of 60 evaluations that stand still, it stops 0 to 3 % of trainings whose noise has a correlation of
    neighbours up to .5, 2 to 9 % at .7, and 22 to 25 % at .9, where 60 evaluations are a walk that did get worse.

    >>> falling = 1 / np.arange(1, 40)
    >>> should_stop(falling, "val_loss").stop
    False
    >>> should_stop(np.concatenate([falling, np.linspace(0.03, 0.3, 40)]), "val_loss").stop
    True
    """
    if isinstance(patience, bool) or not isinstance(patience, int) or patience < 4:
        raise ValueError(f"patience={patience!r}: must be a whole number, 4 evaluations or more")
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1")
    if isinstance(useful, bool) or not isinstance(useful, int | float) or not 0 <= useful < math.inf:
        raise ValueError(f"useful={useful!r}: must be 0 or more, in the unit of {name}")
    larger = larger_is_better(name) if larger is None else larger
    losses = _losses(values, name, larger)
    kept = np.flatnonzero(np.isfinite(losses))
    nothing = (math.nan, math.nan, math.nan)
    if len(kept) < 2 * patience:
        at = int(kept[np.argmin(losses[kept])]) if len(kept) else 0
        return Stop(False, at, *nothing, f"{len(kept)} evaluations: {2 * patience} are needed", larger)
    seen = losses[kept]
    earlier, last = seen[:-patience], seen[-patience:]
    means = np.convolve(earlier, np.full(patience, 1 / patience), mode="valid")
    start = int(np.argmin(means))
    stretch = earlier[start : start + patience]
    k = len(seen) / patience - 1
    error, df = _noise_of_means(seen[max(min(start, len(seen) - 3 * patience), 0) :], patience)
    change = estimate(float(last.mean() - stretch.mean()), error, df, level / (k * k * (k + 1)))
    at = int(kept[int(np.argmin(seen))])
    figures = (change.value, change.low, change.high)
    if change.low > 0:
        return Stop(True, at, *figures, "the figure is surely worse than it was at its best", larger)
    if useful > 0 and len(seen) >= 3 * patience and -change.low <= useful:
        words = f"the figure surely gains no more than {useful:g} in {patience} evaluations"
        return Stop(True, at, *figures, words, larger)
    return Stop(
        False, at, *figures, "what it differs by lies within the noise, or it still gets better", larger
    )


def _noise_of_means(values: Floats, patience: int) -> tuple[float, float]:
    """The standard error of the difference of two means of ``patience`` values, and its degrees of freedom."""
    n = len(values)
    width = min(2 * patience + 1, n)
    rest = values - _smooth(values, width)
    away = np.abs(rest - np.median(rest))
    # the median is 0 where most values are alike, as shares of few rows are: then the mean says how far others lie
    scale = max(1.4826 * float(np.median(away)), 1.2533 * float(away.mean()))
    if scale <= 0:
        return 0.0, max((n - 2 * n / width) / 1.5, 3.0)
    rest = np.clip(rest, -3 * scale, 3 * scale)
    taken = 2 * n / width  # degrees of freedom of the curve
    power = float(rest @ rest)
    near = float(rest[1:] @ rest[:-1]) / power
    near += 1.5 * taken / n + (1 + 4 * max(near, 0.0)) / n
    near += math.sqrt(max(1 - near * near, 0.05) / n)
    near = min(max(near, 0.3), 0.95)
    steps = np.diff(np.unique(values))
    variance = power / max(n - taken, 2.0) / max(1 - 2 * near * taken / n, 0.3)
    variance = max(variance, float(np.median(steps)) ** 2 / 12 if len(steps) else 0.0)  # counts go by steps
    apart = np.arange(1, patience)
    inflation = 1 + 2 * float(np.sum((1 - apart / patience) * near**apart))
    return math.sqrt(2 * variance * inflation / patience), max((n - taken) / 1.5, 3.0)


def _smooth(values: Floats, width: int) -> Floats:
    """The mean of the ``width`` (odd) values about each, at both ends the line through the outermost ``width``."""
    n, half = len(values), width // 2
    found = np.empty(n)
    if n >= width:
        found[half : n - half] = np.convolve(values, np.full(width, 1 / width), mode="valid")[: n - 2 * half]
    for part, own in ((slice(0, width), slice(0, half)), (slice(n - width, n), slice(n - half, n))):
        y = values[part]
        at = np.arange(width) - (width - 1) / 2
        line = y.mean() + at * float(at @ y) / float(at @ at)
        found[own] = line[:half] if own.start == 0 else line[width - half :]
    return found

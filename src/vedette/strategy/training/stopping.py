"""When to stop a training, and which checkpoint to keep, with the noise of the evaluations in mind."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vedette.strategy.training.curves import difference
from vedette.strategy.training.records import Floats

__all__ = ["Stop", "best", "larger_is_better", "should_stop"]

_LARGER = ("acc", "auc", "f1", "precision", "recall", "r2", "score", "iou", "map", "ndcg", "bleu", "matthews")
_SMALLER = ("loss", "error", "mae", "mse", "rmse", "mape", "perplexity", "brier", "nll", "wer", "cer", "fid")


@dataclass(frozen=True, slots=True)
class Stop:
    """Whether to stop, at which evaluation the figure was best, and by how much it got worse since, with its interval.

    ``worse`` is positive where the figure is worse, whichever way is better.
    """

    stop: bool
    best_at: int
    worse: float
    low: float
    high: float
    reason: str


def larger_is_better(name: str) -> bool:
    """True where larger values of a figure of this name are better, False where smaller ones are.

    Raises ``ValueError`` where the name tells neither, or both.

    >>> larger_is_better("val/accuracy"), larger_is_better("val_loss"), larger_is_better("rmse")
    (True, False, False)
    """
    words = name.lower().replace("/", "_").replace("-", "_").split("_")
    down = [word for word in words if word.startswith(_SMALLER)]
    larger = any(word.startswith(_LARGER) for word in words if word not in down)  # mape is no mAP
    smaller = bool(down)
    if larger == smaller:
        raise ValueError(
            f"name={name!r}: does not tell whether larger or smaller is better: say larger=True or False"
        )
    return larger


def _losses(values: ArrayLike, name: str, larger: bool | None) -> Floats:
    found = np.asarray(values, dtype=np.float64)
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

    values: the figure of each evaluation; patience: evaluations in each of the two stretches compared, 4 or more.
    The last ``patience`` are compared with as many about the best before them (Welch, means of blocks, at ``level`` over
    the number of stretches so far). Stop where the lower limit of the change is above 0; or where three stretches went by and the
    upper limit of the gain from the one before is at most ``useful``: an improvement that is not worth its time (with 0, a
    level that stands still inside the noise never stops a training by itself). NaN is left out.

    >>> falling = 1 / np.arange(1, 40)
    >>> should_stop(falling, "val_loss").stop
    False
    >>> should_stop(np.concatenate([falling, np.linspace(0.03, 0.3, 40)]), "val_loss").stop
    True
    """
    if patience < 4:
        raise ValueError(f"patience={patience}: must be 4 evaluations or more")
    if not 0 < level < 1:
        raise ValueError(f"level={level}: must lie between 0 and 1")
    losses = _losses(values, name, larger)
    kept = np.flatnonzero(np.isfinite(losses))
    nothing = (math.nan, math.nan, math.nan)
    if len(kept) < 2 * patience:
        at = int(kept[np.argmin(losses[kept])]) if len(kept) else 0
        return Stop(False, at, *nothing, f"{len(kept)} evaluations: {2 * patience} are needed")
    seen = losses[kept]
    earlier, last = seen[:-patience], seen[-patience:]
    means = np.convolve(earlier, np.full(patience, 1 / patience), mode="valid")
    start = int(np.argmin(means))
    stretch = earlier[start : start + patience]
    change = difference(stretch, last, level / max(len(seen) // patience, 1))
    at = int(kept[int(np.argmin(seen))])
    figures = (change.value, change.low, change.high)
    if change.low > 0:
        return Stop(True, at, *figures, "the figure is surely worse than it was at its best")
    if useful > 0 and len(seen) >= 3 * patience and -change.low <= useful:
        return Stop(
            True, at, *figures, f"the figure surely gains no more than {useful:g} in {patience} evaluations"
        )
    return Stop(False, at, *figures, "what it differs by lies within the noise, or it still gets better")

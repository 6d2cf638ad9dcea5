"""When a change began: the set of windows in which it may have begun, with its level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.strategy.records import Bools, Floats

__all__ = ["Beginning", "began"]

_DRAWS = 199
_WINDOWS_MAX = 240  # of a longer series the last ones are looked at


@dataclass(frozen=True, slots=True)
class Beginning:
    """The windows in which a change may have begun, as numbers in the series that was given.

    ``best`` is the likeliest one, ``windows`` all that are not excluded at the level, in order; ``p_values`` float[T] is
    NaN for windows that could not be the first of a change. ``reason`` says why there is no set, and is None else.
    """

    best: int
    windows: tuple[int, ...]
    level: float
    p_values: Floats
    reason: str | None = None

    @property
    def first(self) -> int:
        """The earliest window of the set."""
        return self.windows[0]

    @property
    def last(self) -> int:
        """The latest window of the set."""
        return self.windows[-1]


def began(
    values: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, level: float = 0.95, seed: int = 0
) -> Beginning:
    """In which window the level of a series changed: the likeliest, and a confidence set at ``level``.

    ``values`` float[T] are a figure by window (its mean, a share), ``weights`` the rows of each window (default equal).
    For each window t that could be the first of the change, H_t says that the windows before t are alike and so are those
    from t on. The statistic is how much better the best split explains the series than the split at t,

    D_t = max_u G(u) - G(t),     G(u) = w w' / (w + w') (mean' - mean)^2 of the weighted means of either side,

    and its p-value the rank of D_t among those of series that H_t could have given: with the same mean on either side and
    the same sum of squares of the residuals, which lie anywhere on that sphere. Where the windows' noise is normal, with a
    variance of one over the weight up to a factor that need not be known, the p-value is exact, so the set
    { t: p_t > 1 - level } has the window in which the change began with the level at least. Means of many rows are near
    enough to normal; windows that depend on each other make the set too small. It is a statement about a series that
    did change; it does not test whether it did.

    Windows without a value (NaN) are left out. With more than 400 windows the last 240 are looked at. Of fewer than three
    windows there is no set, with the reason. Idea: A. Saha and A. Ramdas (2025), post-detection inference for
    sequential changepoint localization, arXiv 2502.06096; the conditional test is
    that of K. J. Worsley (1986), Biometrika 73, 91-104, section 4, by simulation.

    >>> found = began([0.1, -0.2, 0.0, 0.2, -0.1, 0.1, 2.1, 1.9, 2.2, 1.8])
    >>> found.best, found.windows
    (6, (6,))
    """
    x = np.asarray(values, dtype=np.float64)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    if x.ndim != 1 or w.shape != x.shape:
        raise ValueError(
            f"values of shape {x.shape}, weights of shape {w.shape}: must be one for each window"
        )
    if not 0 < level < 1:
        raise ValueError(f"level={level}: must lie between 0 and 1, such as 0.95")
    if bool((w < 0).any()):
        raise ValueError(f"weights: must be 0 or more, got {w.min():g}")
    p_values = np.full(len(x), np.nan)
    at = np.flatnonzero(np.isfinite(x) & (w > 0))[-_WINDOWS_MAX:]
    if len(at) < 3:
        return Beginning(-1, (), level, p_values, f"{len(at)} windows with a value: three are needed")
    x, w = x[at] - np.average(x[at], weights=w[at]), w[at]
    gain = _gain(x[None], w)[0]
    best = int(np.argmax(gain))
    excess = gain[best] - gain
    normal = np.random.default_rng(seed).standard_normal((_DRAWS, len(x)))
    for split in range(1, len(x)):
        if excess[split - 1] <= 0.0:
            p_values[at[split]] = 1.0
            continue
        gains = _gain(_alike(x, w, split, normal), w)
        drawn = gains.max(axis=1) - gains[:, split - 1]
        slack = 1e-9 * max(float(gain[best]), 1e-300)
        as_large = int((drawn >= excess[split - 1] - slack).sum())
        p_values[at[split]] = (1 + as_large) / (_DRAWS + 1)
    kept: Bools = p_values > 1 - level
    windows = tuple(int(one) for one in np.flatnonzero(kept))
    return Beginning(int(at[best + 1]), windows, level, p_values)


def _gain(series: Floats, weights: Floats) -> Floats:
    """[B, T - 1]: what each split of the series [B, T] explains, of the weighted sum of squares."""
    left = np.cumsum(weights)[:-1]
    whole = weights.sum()
    sums = np.cumsum(series * weights, axis=1)
    below = sums[:, :-1]
    difference = (sums[:, -1:] - below) / (whole - left) - below / left
    return np.asarray(left * (whole - left) / whole * difference**2)


def _alike(x: Floats, w: Floats, split: int, normal: Floats) -> Floats:
    """[draws, T]: series with the means and the residual sum of squares of this one, and normal noise."""
    series, squares = np.empty_like(normal), 0.0
    means = np.empty(len(x))
    for side in (slice(0, split), slice(split, None)):
        weight, root = w[side], np.sqrt(w[side])
        mean = np.average(x[side], weights=weight)
        means[side], squares = mean, squares + float((weight * (x[side] - mean) ** 2).sum())
        series[:, side] = normal[:, side] - (normal[:, side] @ root)[:, None] * root / weight.sum()
    length = np.sqrt((series**2).sum(axis=1, keepdims=True))
    return np.asarray(means + series * np.sqrt(squares) / np.maximum(length, 1e-300) / np.sqrt(w))

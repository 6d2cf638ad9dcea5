"""When will it be decided? How many looks a comparison needs, from what was seen so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.strategy.versions.normal import evidence_of

__all__ = ["Forecast", "forecast"]

Floats = npt.NDArray[np.float64]

_DRAWS = 400  # quantiles of the true difference that the forecast is an average over


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """``decided`` is the probability that it is decided by each future look, [looks]; ``median`` and ``late`` the first looks by
    which it is with a probability of a half and of nine tenths, None where that is not within them."""

    decided: Floats
    median: int | None
    late: int | None


def forecast(
    value: float,
    se: float,
    se_later: Floats,
    *,
    margin: float = 0.0,
    smallest: float,
    higher_is_better: bool = True,
    alpha: float = 0.025,
) -> Forecast:
    """When a comparison that stands at ``value`` with the standard error ``se`` will be decided, either way.

    The true difference is drawn from what is known of it: normal around ``value`` with ``se``, and before anything was seen
    around 0 with four times ``smallest``. Given it, estimates move as a Brownian motion at the times 1 / se^2 (``normal``).
    A look decides where the challenger is then shown to be worse, or not worse by the ``margin``. What crosses and comes back
    between looks is not counted, so it is rather sooner.

    Parameters
    ----------
    value, se
        Difference and standard error now; ``se=inf`` where nothing has been seen.
    se_later
        The standard error that is expected at each future look, [looks], falling: as 1 / sqrt(rows), of rows whose labels
        will have come by then.
    margin, smallest, higher_is_better, alpha
        As of ``compare``.

    Examples
    --------
    Rows of a standard deviation of 0.3, a thousand of each version a day, a challenger that is worse by 0.02:

    >>> days = np.arange(1, 31)
    >>> seen = forecast(-0.02, 0.3 * np.sqrt(2 / 2000), 0.3 * np.sqrt(2 / (2000 + 1000 * days)), smallest=0.02)
    >>> 1 <= seen.median + 1 <= 4
    True
    """
    later = np.asarray(se_later, dtype=np.float64)
    if (
        later.ndim != 1
        or not len(later)
        or np.any(~(later > 0))
        or np.any(np.diff(later) > 0)
        or later[0] > se
    ):
        raise ValueError("se_later: must be positive, at most se, and not grow from look to look")
    if not smallest > 0:
        raise ValueError(f"smallest={smallest}: must be positive, the smallest difference that matters")
    sign = 1.0 if higher_is_better else -1.0
    now = 1 / se**2 if np.isfinite(se) else 0.0
    start = sign * value * now if now else 0.0
    precision = now + 1 / (4 * smallest) ** 2  # little is known beforehand: four times what matters
    centre, spread = start / precision, precision**-0.5
    truths = centre + spread * special.ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS)
    info = 1 / np.square(later)
    ahead = info - now
    decided = np.zeros(len(later))
    needed = _needed(info, smallest, alpha) * np.sqrt(info)
    for truth in truths:
        mean, sd = start + truth * ahead, np.sqrt(np.maximum(ahead, 1e-300))
        up = special.ndtr((mean + margin * info - needed) / sd)
        down = special.ndtr((-mean - needed) / sd)
        decided += np.minimum(up + down, 1.0) / _DRAWS
    decided = np.maximum.accumulate(decided)

    def first(share: float) -> int | None:
        found = decided >= share
        return int(np.argmax(found)) if found.any() else None

    return Forecast(decided, first(0.5), first(0.9))


def _needed(info: Floats, smallest: float, alpha: float) -> Floats:
    """The z at which the evidence is enough, at each amount of information, by halving."""
    low, high = np.zeros(len(info)), np.full(len(info), 40.0)
    for _ in range(50):
        middle = (low + high) / 2
        enough = evidence_of(middle, info**-0.5, smallest) >= -np.log(alpha)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high

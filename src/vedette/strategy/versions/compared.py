"""One figure of two versions: how far they lie apart, and what may be claimed of it, at any time.

In come looks (``Rates``, ``PairedRates`` or ``Estimates``); out goes a ``Compared``: the difference with a confidence
sequence, and at which look the challenger was first shown to be better, not worse by the margin, or worse. A confidence
sequence holds at all looks together: stop whenever you like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vedette.strategy.versions.effects import smallest_of

__all__ = ["Compared", "Looks", "compare", "interval"]

Floats = npt.NDArray[np.float64]

_DOUBLINGS = 30  # by 4: whatever the unit
_STEPS = 40
_EXACT = 1e-6


class Looks(Protocol):
    """What two versions have shown, look by look."""

    @property
    def value(self) -> Floats:
        """Challenger less champion over all rows up to each look, [looks]."""

    @property
    def sd(self) -> float:
        """About the standard deviation of a row."""

    @property
    def limits(self) -> tuple[float, float]:
        """The least and largest difference there can be."""

    def log_evidence(self, beyond: float, *, above: bool, smallest: float) -> Floats:
        """Log of the evidence that the difference lies above ``beyond``, or below it, at each look, [looks]."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of two versions, after the last look.

    ``value`` is challenger less champion, ``low`` and ``high`` its confidence sequence. ``better_at``, ``not_worse_at`` and
    ``worse_at`` are the first looks (from 0) at which the challenger was shown to be better, worse by less than the margin, and
    worse; None where it was not.
    """

    value: float
    low: float
    high: float
    better_at: int | None
    not_worse_at: int | None
    worse_at: int | None


def compare(
    looks: Looks,
    *,
    higher_is_better: bool = True,
    margin: float = 0.0,
    smallest: float | None = None,
    alpha: float = 0.025,
) -> Compared:
    """What two versions have shown of one figure.

    Each claim is wrong with a probability of at most ``alpha``, whenever one looks and stops; the interval holds with
    1 - 2 ``alpha``.

    Parameters
    ----------
    looks
        What was seen, look by look, in the order in which it became known.
    higher_is_better
        False for errors, latency, cost.
    margin
        How much worse the challenger may be and still be let pass, in the figure's unit, 0 or more. With 0 it is not worse
        once it is shown to be better.
    smallest
        The smallest difference that matters. The nearer the truth is to it the sooner is it found; the margin if None, else a
        fifteenth of the standard deviation of a row.
    alpha
        The probability of a wrong claim of each kind, more than 0 and less than 0.5.

    Examples
    --------
    >>> from vedette.strategy.versions.rates import Rates
    >>> n = np.full(60, 250)
    >>> found = compare(Rates(np.full(60, 225), n, np.full(60, 219), n, first=0.9), margin=0.01)
    >>> round(found.value, 3), found.low < -0.024 < found.high < 0, found.better_at, found.worse_at is not None
    (-0.024, True, None, True)
    """
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"alpha={alpha}: must be more than 0 and less than 0.5")
    if not (np.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin={margin}: must be 0 or more, in the figure's unit")
    matters = smallest if smallest is not None else smallest_of(looks.sd, margin)
    sign = 1.0 if higher_is_better else -1.0

    def first(beyond: float, *, above: bool) -> int | None:
        found = looks.log_evidence(beyond, above=above, smallest=matters) >= -np.log(alpha)
        return int(np.argmax(found)) if found.any() else None

    better = first(0.0, above=higher_is_better)
    low, high = interval(looks, smallest=matters, alpha=alpha)
    return Compared(
        float(looks.value[-1]) if len(looks.value) else float("nan"),
        low,
        high,
        better,
        better if margin == 0 else first(-sign * margin, above=higher_is_better),
        first(0.0, above=not higher_is_better),
    )


def interval(looks: Looks, *, smallest: float, alpha: float = 0.025) -> tuple[float, float]:
    """The differences that cannot be ruled out after the last look, each side with ``alpha``.

    >>> from vedette.strategy.versions.normal import Estimates
    >>> looks = Estimates(np.array([0.1]), np.array([0.01]), np.array([10_000.0]))
    >>> [round(limit, 3) for limit in interval(looks, smallest=0.05)]
    [0.069, 0.131]
    """
    value = float(looks.value[-1]) if len(looks.value) else float("nan")
    if not np.isfinite(value):
        return looks.limits
    return (
        _limit(looks, value, above=True, smallest=smallest, alpha=alpha),
        _limit(looks, value, above=False, smallest=smallest, alpha=alpha),
    )


def _limit(looks: Looks, value: float, *, above: bool, smallest: float, alpha: float) -> float:
    """The difference nearest to the estimate that is ruled out, on one side."""
    sign = -1.0 if above else 1.0
    end = looks.limits[0 if above else 1]
    room = abs(end - value) * (1 - 1e-9)

    def missing(distance: float) -> float:
        found = looks.log_evidence(value + sign * distance, above=above, smallest=smallest)[-1]
        return float(-np.log(alpha) - found)

    inside, outside = (0.0, missing(0.0)), (smallest, missing(smallest))
    for _ in range(_DOUBLINGS):
        if outside[1] <= 0 or outside[0] >= room:
            break
        inside, outside = outside, (min(4 * outside[0], room), 0.0)
        outside = (outside[0], missing(outside[0]))
    if outside[1] > 0:
        return end
    return value + sign * _root(missing, inside, outside)


def _root(
    missing: Callable[[float], float], inside: tuple[float, float], outside: tuple[float, float]
) -> float:
    """Where nothing is missing any more, by false position with halved ends (Illinois); never too near."""
    kept = 0
    for _ in range(_STEPS):
        at = (inside[0] * outside[1] - outside[0] * inside[1]) / (outside[1] - inside[1])
        tried = (at, missing(at))
        if tried[1] > 0:
            inside, outside = tried, (outside[0], outside[1] / 2 if kept > 0 else outside[1])
            kept = 1
        else:
            outside, inside = tried, (inside[0], inside[1] / 2 if kept < 0 else inside[1])
            kept = -1
        if abs(outside[0] - inside[0]) <= _EXACT * abs(outside[0]) or -_EXACT < outside[1] <= 0:
            break
    return outside[0]

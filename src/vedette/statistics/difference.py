"""By how much two figures of different rows differ, from their own intervals alone."""

from __future__ import annotations

import math

__all__ = ["difference"]


def difference(
    one: float, one_low: float, one_high: float, other: float, other_low: float, other_high: float
) -> tuple[float, float, float]:
    """``one - other`` with an interval at the level that the two intervals have.

    The distances of limits from values are added as squares ("MOVER"): low = d - sqrt((one - one_low)^2 +
    (other_high - other)^2), high = d + sqrt((one_high - one)^2 + (other - other_low)^2). For two shares with Wilson's
    intervals that is Newcombe's hybrid score interval, his method 10. The figures must be independent: of different rows.

    Source: R. G. Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10; G. Y. Zou and A. Donner
    (2008), Statistics in Medicine 27, 1693-1702, equation 6.

    >>> from vedette.statistics.intervals import wilson
    >>> low, high = wilson([56, 48], [70, 80], 0.95)
    >>> ends = difference(56 / 70, low[0], high[0], 48 / 80, low[1], high[1])
    >>> [round(float(end), 4) for end in ends]  # example (a) of Newcombe
    [0.2, 0.0524, 0.3339]
    """
    between = one - other
    return (
        between,
        between - math.hypot(one - one_low, other_high - other),
        between + math.hypot(one_high - one, other - other_low),
    )

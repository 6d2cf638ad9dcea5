"""Categories with very many levels: what share of rows has levels that are new, and not just not seen yet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.comparison import VALUES_MIN
from vedette.statistics.direction_shift import Shift
from vedette.statistics.estimates import check_level
from vedette.statistics.intervals import share

__all__ = ["SEEN_MIN", "new_level_share"]

SEEN_MIN = 0.02
"""A reference that saw less than this of its own rows' levels before cannot tell a new level from a rare one."""

FEW = "fewer than {} values{}: {}"


def new_level_share(current: npt.ArrayLike, reference: npt.ArrayLike, level: float = 0.95) -> Shift:
    """The share of current rows with levels that the reference never has, however many rows of it are looked at.

    ``current`` and ``reference`` int [L] are the rows of each level on either side, levels in any order, as many of both.

    A level that m rows of the reference do not have need not be new: of identifiers that hardly ever come twice most are
    not there though nothing has changed. With U the share of current rows whose level the reference rows lack, and M the
    share that would be without change, U = (1 - e) M + e for a share e of new levels, so that e = (U - M)/(1 - M). M is
    Good's f1/m, f1 the levels with one row in the reference: the share of its own rows whose level the others lack. The
    estimate is not biased without change; the value is cut at 0.

    With f2 the levels of two rows, Esty's variance of f1/m about the share of levels truly missed by these m rows is
    (f1 (1 - f1/m) + 2 f2)/m^2. It and the interval of a share for U are added as squares (MOVER). The limits are those of e
    where the other levels keep their shares; where rare levels became more frequent it holds that too. Under 50 rows on
    either side, or a reference in which under 2 % of rows have a level that comes twice, are a reason.

    Sources: I. J. Good (1953), Biometrika 40, 237-264; W. W. Esty (1983), Annals of Statistics 11, 905-912; G. Y. Zou and A.
    Donner (2008), Statistics in Medicine 27, 1693-1702.

    Raises ``ValueError`` where the two differ in length, counts are below 0, or the level is outside (0, 1).

    >>> before = [2] * 400 + [1] * 200 + [0] * 300     # 1,000 rows, 200 of them with a level of their own: M = 0.2
    >>> now = [1] * 500 + [0] * 100 + [1] * 300         # 800 rows, the levels of 300 of them unseen
    >>> round(new_level_share(now, before).value, 5)     # by hand: (300/800 - 0.2)/(1 - 0.2)
    0.21875
    """
    check_level(level)
    ours, theirs = np.asarray(current, dtype=np.int64), np.asarray(reference, dtype=np.int64)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError(
            f"rows of levels of shape {ours.shape} and {theirs.shape}: must be one number for each level on both sides"
        )
    if min(ours.min(initial=0), theirs.min(initial=0)) < 0:
        raise ValueError(f"rows of a level {min(ours.min(), theirs.min())}: must be 0 or more")
    n, m = int(ours.sum()), int(theirs.sum())
    for where, count in (("", n), (" in the reference", m)):
        if count < VALUES_MIN:
            return Shift(np.nan, np.nan, np.nan, n, FEW.format(VALUES_MIN, where, count))
    once, twice = int(np.count_nonzero(theirs == 1)), int(np.count_nonzero(theirs == 2))
    missed = once / m
    if missed > 1 - SEEN_MIN:
        return Shift(
            np.nan, np.nan, np.nan, n, "hardly a value of the reference comes twice: any value is a new one"
        )
    unseen = int(ours[theirs == 0].sum())
    low, high = (float(limit) for limit in share(unseen, n, level))
    z = float(special.ndtri((1 + level) / 2))
    above = z * float(np.sqrt(once * (1 - missed) + 2 * twice)) / m
    below = above
    if not once:
        above = 1 - float(
            ((1 - level) / 2) ** (1 / m)
        )  # of a share that no row shows, which can only be higher
        below = 0.0
    gap, seen = unseen / n - missed, 1 - missed
    lower = gap - float(np.hypot(unseen / n - low, above))
    upper = gap + float(np.hypot(high - unseen / n, below))
    value = max(gap / seen, 0.0)
    return Shift(value, min(max(lower / seen, 0.0), value), max(min(upper / seen, 1.0), value), n)

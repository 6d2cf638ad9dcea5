"""FOCuS: the exact generalised likelihood ratio of a change, row by row, over every date and every size.

For rows of an exponential family the log-likelihood of a change after row tau is linear in (tau, S_tau), S the
cumulative sum, whatever the parameters before and after are. So the best date is always a corner of the convex hull of
the points (tau, S_tau), and no other date needs to be remembered: about 2 log n of them for n rows. A new row adds a
point at the right, which is a few comparisons.

Sources: Romano, Eckley, Fearnhead and Rigaill (2023), "Fast online changepoint detection via functional pruning CUSUM
statistics", JMLR 24 (arXiv 2110.08205); Ward, Romano, Eckley and Fearnhead (2024), "A
constant-per-iteration likelihood ratio test for online changepoint detection for exponential family models" (arXiv
2302.04743); Pishchagina et al. (2023), arXiv 2311.01174 (the hull).
"""

from __future__ import annotations

from math import inf, isfinite, isnan, log

__all__ = ["FAMILIES", "Focus"]

FAMILIES = ("normal", "poisson", "bernoulli")
_SIDES = ("both", "up", "down")


class Focus:
    """How likely it is that a series has changed, as against not: told a row at a time.

    ``family``: *normal* of a known ``sd`` (1 by default), *poisson* counts, *bernoulli* 0 and 1. ``known``: the mean before
    the change; without it, it is estimated for each date as well. ``side``: changes up, down, or both.

    ``update`` gives the log-likelihood ratio max over tau of [max log-likelihood with a change after row tau] - [that
    without]; ``since`` is the tau of it: the number of rows before the change. It takes memory and time for the corners
    of the hull, ``n_candidates``, which are O(log n) for rows without a change. NaN says nothing. Raises ``ValueError``
    for arguments or rows that the family does not have.

    >>> focus = Focus("normal", known=0.0)
    >>> [round(focus.update(x), 3) for x in (0.0, -1.0, 2.0, 2.0)]     # of (2, 2) alone: 2 x 2^2/2
    [0.0, 0.5, 2.0, 4.0]
    >>> focus.since
    2
    """

    def __init__(
        self, family: str = "normal", *, known: float | None = None, sd: float = 1.0, side: str = "both"
    ) -> None:
        if family not in FAMILIES:
            raise ValueError(f"family={family!r}: must be one of {', '.join(FAMILIES)}")
        if side not in _SIDES:
            raise ValueError(f"side={side!r}: must be both, up or down")
        if not (isfinite(sd) and sd > 0) or (sd != 1.0 and family != "normal"):
            raise ValueError(f"sd={sd}: must be above 0 and finite, of the normal family alone")
        if known is not None and not _possible(family, known):
            raise ValueError(f"known={known}: no mean of the {family} family")
        self.family, self.known, self.sd, self.side = family, known, sd, side
        self.n, self.sum = 0, 0.0
        self.statistic, self.since = 0.0, 0
        # corners (tau, S_tau); below the chord lie those of rises, above it those of falls
        self._hulls: list[tuple[float, list[tuple[int, float]]]] = []
        if side != "down":
            self._hulls.append((1.0, []))
        if side != "up":
            self._hulls.append((-1.0, []))

    @property
    def n_candidates(self) -> int:
        """How many dates are remembered."""
        return sum(len(corners) for _, corners in self._hulls)

    def update(self, value: float) -> float:
        """The log-likelihood ratio after a row more, in nats; 0 where nothing speaks for a change."""
        if isnan(value):
            return self.statistic
        if not _possible(self.family, value, row=True):
            raise ValueError(f"value={value}: no row of the {self.family} family")
        for sign, corners in self._hulls:
            _add(corners, self.n, self.sum, sign)
        self.n += 1
        self.sum += value / self.sd
        self.statistic, self.since = 0.0, self.n
        for sign, corners in self._hulls:
            for tau, before in corners:
                told = self._ratio(tau, before, sign)
                if told > self.statistic:
                    self.statistic, self.since = told, tau
        return self.statistic

    def _ratio(self, tau: int, before: float, sign: float) -> float:
        """Of a change after ``tau`` rows whose sum is ``before``; 0 where it goes the other way."""
        n_after = self.n - tau
        after = self.sum - before
        if self.known is None:
            if not tau or sign * (after / n_after - before / tau) <= 0.0:
                return 0.0
            usual = _best(self.family, before, tau) - _best(self.family, self.sum, self.n)
            return usual + _best(self.family, after, n_after)
        mean = self.known / self.sd
        if sign * (after / n_after - mean) <= 0.0:
            return 0.0
        return _best(self.family, after, n_after) - _at(self.family, after, n_after, mean)


def _add(corners: list[tuple[int, float]], n: int, total: float, sign: float) -> None:
    """Add the point (n, total) at the right of the lower hull (sign 1) or the upper one (-1)."""
    while len(corners) > 1:
        (a, at_a), (b, at_b) = corners[-2:]
        # the middle one stays a corner where the slope rises at it
        if sign * ((total - at_b) * (b - a) - (at_b - at_a) * (n - b)) > 0.0:
            break
        corners.pop()
    corners.append((n, total))


def _possible(family: str, value: float, *, row: bool = False) -> bool:
    """True for rows, or means, that the family has."""
    if family == "normal":
        return isfinite(value)
    if family == "poisson":
        return 0.0 <= value < inf if row else 0.0 < value < inf
    return value in (0.0, 1.0) if row else 0.0 < value < 1.0


def _xlogx(x: float, n: float) -> float:
    return x * log(x / n) if x > 0.0 else 0.0


def _best(family: str, total: float, n: int) -> float:
    """The largest log-likelihood of n rows with this sum, less what does not depend on the mean."""
    if family == "normal":
        return 0.5 * total * total / n
    if family == "poisson":
        return _xlogx(total, n) - total
    return _xlogx(total, n) + _xlogx(n - total, n)


def _at(family: str, total: float, n: int, mean: float) -> float:
    """The log-likelihood of n rows with this sum at a mean, less the same."""
    if family == "normal":
        return mean * total - 0.5 * n * mean * mean
    if family == "poisson":
        return total * log(mean) - n * mean
    return total * log(mean) + (n - total) * log(1.0 - mean)

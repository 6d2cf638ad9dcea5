"""What an estimate without labels is off by beyond chance, learned from windows whose labels have come.

The error of an estimate, realised - estimated, is taken for a level that wanders, and noise about it:

    error_t = level_t + noise_t,   noise_t ~ N(0, v_t + tau^2),   level_t = level_{t-1} + N(0, omega^2),

where v_t is the variance that chance alone gives (outcomes, weights), tau what windows differ by besides, omega how
fast what labels mean moves away from the reference. Neither is known: a bank of Kalman filters has one for each pair
on a grid, in units of the chance of a window, and what each foresaw of the record so far weighs them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Mismatch", "Outlook"]

Floats = npt.NDArray[np.float64]

TAU = np.array([0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
OMEGA = np.array([0.0, 1e-4, 1e-3, 1e-2, 0.05, 0.2])
"""Variances in units of that of chance in a window: from what cannot be seen to what hides all else."""

LIKELY = 0.6
"""Before any record each step up the grids is this much as likely as the one before: what was never looked at is not
taken for none."""

MEMORY = 0.99
"""What a window's evidence for a pair counts a window later: a hundred windows tell, so that it may change."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What the error of a window's estimate is expected to be, before its labels have come.

    ``level`` and ``variance`` float64 [K], the variance with what windows differ by, but without chance. ``levels`` and
    ``spreads`` float64 [K, pairs] are what each filter of the bank foresees, by which it is judged later. ``ahead`` is
    the number of windows since the last that was told.
    """

    level: Floats
    variance: Floats
    levels: Floats
    spreads: Floats
    ahead: int


class Mismatch:
    """The error of K estimates, followed from window to window.

    ``unit`` float64 [K] is the variance that chance gives the error of a usual window. ``calibration`` float64 [K] is
    the variance of the chances that the reference tells: an error of all windows alike, which is where levels start.
    Filters are judged by what they foresaw when the window was estimated, not by what they would say the moment before
    its labels: a level that wanders quickly is of no use to someone who hears of it four weeks later. Errors of windows
    foreseen from one past are alike, so that evidence ``ahead`` windows away counts as the square root of that less.
    And no level is taken to wander for longer than half of the record.

    Sources: R. E. Kalman (1960), Journal of Basic Engineering 82, 35-45; J. Durbin and S. J. Koopman (2012), Time
    Series Analysis by State Space Methods, 2.2 (local level); A. E. Raftery, M. Kárný and P. Ettler (2010),
    Technometrics 52, 52-66 (averaging of models with a memory).

    >>> one = Mismatch(np.array([1e-4]), np.array([1e-6]))
    >>> for _ in range(100):
    ...     one.update(np.array([0.03]), np.array([1e-4]), one.outlook())     # three standard errors off, each time
    >>> float(one.outlook().level[0].round(2))
    0.03
    """

    def __init__(self, unit: npt.ArrayLike, calibration: npt.ArrayLike) -> None:
        unit_, calibration_ = np.asarray(unit, dtype=np.float64), np.asarray(calibration, dtype=np.float64)
        if unit_.ndim != 1 or unit_.shape != calibration_.shape:
            raise ValueError(
                f"unit {unit_.shape}, calibration {calibration_.shape}: must be one for each estimate"
            )
        if not (unit_ > 0).all() or not (calibration_ >= 0).all():
            raise ValueError("unit must be above 0, calibration 0 or more")
        tau, omega = (grid.ravel() for grid in np.meshgrid(TAU, OMEGA, indexing="ij"))
        steps = np.add.outer(np.arange(len(TAU)), np.arange(len(OMEGA))).ravel()
        self._tau, self._omega = np.outer(unit_, tau), np.outer(unit_, omega)
        self._weight = np.tile(steps * np.log(LIKELY), (len(unit_), 1))
        self._start = calibration_
        self.n_told = 0
        self.restart()

    def restart(self) -> None:
        """Begin again with levels of 0, keeping what was learned of how errors vary: the reference ends here."""
        self._level = np.zeros_like(self._tau)
        self._spread = np.repeat(self._start[:, np.newaxis], self._tau.shape[1], axis=1)

    def widen(self, variance: npt.ArrayLike) -> None:
        """Add variances [K] to those of the levels: of a segment the reference does not tell what it is off by."""
        self._spread = self._spread + np.asarray(variance, dtype=np.float64)[:, np.newaxis]

    def outlook(self, ahead: int = 1) -> Outlook:
        """What is expected of the window that comes so many windows after the last that was told."""
        share = np.exp(self._weight - self._weight.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        level = (share * self._level).sum(axis=1)
        spreads = self._spread + min(ahead, max(self.n_told // 2, 1)) * self._omega + self._tau
        apart = (self._level - level[:, np.newaxis]) ** 2
        return Outlook(level, (share * (spreads + apart)).sum(axis=1), self._level, spreads, ahead)

    def update(self, error: npt.ArrayLike, chance: npt.ArrayLike, foreseen: Outlook) -> None:
        """Learn from a window whose labels have come, in order of windows.

        ``error`` float64 [K] is realised less estimated, NaN where there is none; ``chance`` the variance that chance
        gives it; ``foreseen`` the outlook from which it was estimated.
        """
        off, given = np.asarray(error, dtype=np.float64), np.asarray(chance, dtype=np.float64)
        told = (np.isfinite(off) & np.isfinite(given))[:, np.newaxis]
        off, given = np.where(told, off[:, np.newaxis], 0.0), np.where(told, given[:, np.newaxis], 1.0)
        variance = np.maximum(foreseen.spreads + given, 1e-300)
        evidence = -0.5 * (np.log(variance) + (off - foreseen.levels) ** 2 / variance)
        fresh = MEMORY * self._weight + evidence / np.sqrt(foreseen.ahead)
        self._weight = np.where(told, fresh - fresh.max(axis=1, keepdims=True), self._weight)
        self._spread = self._spread + self._omega
        gain = self._spread / np.maximum(self._spread + self._tau + given, 1e-300)
        self._level = np.where(told, self._level + gain * (off - self._level), self._level)
        self._spread = np.where(told, self._spread * (1 - gain), self._spread)
        self.n_told += bool(told.any())

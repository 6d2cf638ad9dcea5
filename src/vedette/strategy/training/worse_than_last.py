"""Worse than the last version: on the same test rows its losses are larger."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vedette.records import Status
from vedette.strategy.training.records import Finding, Floats, Training, unknown

__all__ = ["WorseThanLast"]

WORSE_WARN, WORSE_ALARM = 0.05, 0.2
"""Of the last version's mean loss: another seed of the same training is often some per cent off."""

SEED = 20_240_229  # same rows, same answer
_RESAMPLES, _GROUPS = 10_000, 200


@lru_cache(maxsize=1)
def _draws(n: int) -> Floats:
    """How often each of n groups is in each resample; the same in every call, and dear to draw."""
    random = np.random.default_rng(SEED)
    return random.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(np.float64)


class WorseThanLast:
    """The paired bootstrap of the mean difference of losses, row by row, with the basic interval.

    Rows are put into at most 200 groups at random, whose means have the variance of the mean of all rows and can be
    drawn 10,000 times at once. The p-value is (1 + draws of no such rise)/(1 + draws), so no less than 1e-4.
    Source: B. Efron and R. Tibshirani (1993), An Introduction to the Bootstrap, chapter 16.
    """

    name = "worse_than_last"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where the mean loss surely rose by a twentieth, ALARM where it surely rose by a fifth."""
        now, before = training.row_losses, training.last_row_losses
        if now is None:
            return unknown(
                self.name, "this training was not evaluated on a test or validation set (no row_losses)"
            )
        if before is None:
            return unknown(
                self.name,
                "no earlier training was evaluated on the same rows and labels (no last_row_losses)",
            )
        both = np.isfinite(now) & np.isfinite(before)
        if np.count_nonzero(both) < 30:
            return unknown(
                self.name, f"{np.count_nonzero(both)} rows with a loss in both trainings: 30 are needed"
            )
        rises = np.asarray(now, dtype=np.float64)[both] - np.asarray(before, dtype=np.float64)[both]
        counts = np.ones(len(both)) if training.row_counts is None else training.row_counts
        weights = np.asarray(counts, dtype=np.float64)[both]
        old = float(np.average(np.asarray(before)[both], weights=weights))
        value, bound = float(np.average(rises, weights=weights)), WORSE_WARN * abs(old)
        random = np.random.default_rng(SEED)
        n = min(len(rises), _GROUPS)
        order = random.permutation(len(rises))
        cuts = np.linspace(0, len(rises), n + 1).astype(np.int64)
        sums = np.add.reduceat((rises * weights)[order], cuts[:-1])
        sizes = np.add.reduceat(weights[order], cuts[:-1])
        drawn = _draws(n)
        means = (drawn @ sums) / (drawn @ sizes)
        low, high = 2 * value - np.quantile(means, [1 - level / 2, level / 2])
        p = (1 + np.count_nonzero(2 * value - means <= bound)) / (1 + _RESAMPLES)
        words = f"mean loss {old + value:.4g}, of the last version {old:.4g}, on {weights.sum():.0f} rows with the same labels"
        figures = (value, float(low), float(high), float(p))
        if low <= bound:
            return Finding(self.name, Status.OK, words, "", None, "", *figures)
        verdict = Status.ALARM if low > WORSE_ALARM * abs(old) else Status.WARN
        advice = "keep the last version, and look for the segment in which this one is worse"
        return Finding(self.name, verdict, words, advice, None, "", *figures)

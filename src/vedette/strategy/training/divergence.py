"""Divergence: the training loss has risen for good, or has left the finite numbers."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import progress, rise_of, running_median
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["LOST", "Divergence"]

LOST = 0.25
"""The share of the chance loss by which a level has to lie above the best one: noise and forgetting are less."""


class Divergence:
    """The level of ``loss`` over its last tenth less the lowest level of a tenth, against the chance loss.

    The lowest of ten was chosen, so the test is at level/10. A loss that ends as inf has diverged, of course.
    """

    name = "divergence"

    def judge(self, training: Training, level: float) -> Finding:
        """ALARM where the loss surely rose by a quarter of the chance loss or more, and stays there."""
        steps, raw = training.raw("loss")
        if len(raw) and np.isinf(raw[-1]):
            first = int(steps[np.isinf(raw)][0])
            advice = "lower the learning rate, or clip gradients"
            return Finding(self.name, Status.ALARM, f"loss is infinite from step {first}", advice, first)
        found = progress(training, level)
        if isinstance(found, str):
            return unknown(self.name, found)
        at = int(np.searchsorted(found.steps, found.best_at))
        width = max(len(found.values) // 10, 4)
        low, last = found.values[max(0, at - width + 1) : at + 1], found.values[-width:]
        smooth = running_median(found.values, width | 1)
        rise = rise_of(found.values, low, last, smooth, level / 10)
        bound = LOST * found.chance
        words = f"loss {found.end.value:.4g} at the end, {found.best:.4g} at its best (step {found.best_at})"
        figures = (rise.value, rise.low, rise.high, min(1.0, 10 * rise.above(bound)))
        steady = float(np.median(last)) > found.best + bound
        start = float(np.median(found.values[:3]))
        above = at < width and steady and float(np.median(last)) > start + bound
        if not (steady and rise.low > bound) and not above:
            return Finding(self.name, Status.OK, words, "", None, "", *figures)
        advice = "go back to the checkpoint before the rise, and lower the learning rate or clip gradients"
        return Finding(self.name, Status.ALARM, words, advice, found.best_at, "", *figures)

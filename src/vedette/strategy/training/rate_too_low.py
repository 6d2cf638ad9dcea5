"""A learning rate too low: the loss falls, steadily and slowly, and the training ends long before it has fallen."""

from __future__ import annotations

from vedette.records import Status
from vedette.strategy.training.curves import progress, slope
from vedette.strategy.training.rate_too_high import update_ratio
from vedette.strategy.training.records import Finding, Training, unknown
from vedette.strategy.training.underfitting import GAINED_LEAST

__all__ = ["RateTooLow"]

STEADY = 0.5
"""A curve that converges falls less in its second half than in its first; one that has hardly begun falls as much."""

TINY = 1e-4
"""A step that moves a layer by less than a ten-thousandth of its length: a tenth of the usual rule of 1e-3."""


class RateTooLow:
    """Little gained, with tiny steps, or with a loss that surely falls in its second half about as fast as in its first."""

    name = "rate_too_low"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where less than a fifth of the chance loss was gained for want of larger steps."""
        found = progress(training, level / 3, least=40)
        if isinstance(found, str):
            return unknown(self.name, found)
        if not training.finished:
            return unknown(self.name, "the training goes on")
        half = len(found.values) // 2
        first, second = slope(-found.values[:half], level / 3), slope(-found.values[half:], level / 3)
        ratio, _, high = update_ratio(training, level / 3)
        said = f"loss fell by {first.value:.3g} in its first half and by {second.value:.3g} in its second"
        if ratio == ratio:
            said += f"; a step moves a layer by {ratio:.2g} of its length"
        figures = (second.value, second.low, second.high, min(1.0, 3 * second.above(0.0)))
        poor = 1 - found.end.low / found.chance < GAINED_LEAST
        # large steps that do not get on want no larger ones
        steady = second.low > 0 and second.value > STEADY * first.value and not ratio > 100 * TINY
        if not poor or not (steady or high < TINY):
            return Finding(self.name, Status.OK, said, "", None, "", *figures)
        advice = "multiply the learning rate by ten, or train longer"
        return Finding(self.name, Status.WARN, said, advice, int(found.steps[0]), "", *figures)

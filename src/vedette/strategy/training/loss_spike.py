"""A loss spike: a few losses stand far above those around them, and the loss comes back."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import progress, running_median
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["LossSpike"]

OF_CHANCE, TIMES_SPREAD, TIMES_TAIL = 2.0, 10.0, 4.0
"""A spike is twice the chance loss above its surroundings, ten times their spread, and four times what one loss in twenty
stands above its own (6.6 standard deviations of normal ones): batches differ, and their losses have long tails."""

TRACE, ALONE = 0.5, 5.0
"""A lone large loss is the batch's, often the short one at the end of an epoch. A spike leaves a trace, a neighbour half as
large; or is five times the chance loss, which no batch of rows like the others is."""

_WIDTH = 15


class LossSpike:
    """The largest excess of ``loss`` over the median of the 15 losses about it, after the first tenth of the training.

    It is a rule, and not a test: of what large losses batches give nobody knows the law. The three bounds hold together.
    """

    name = "loss_spike"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where a loss stands out by all three bounds, not alone or by far, and the loss came back."""
        found = progress(training, level, least=40)
        if isinstance(found, str):
            return unknown(self.name, found)
        steps, values = training.curve("loss")
        excess = values - running_median(values, _WIDTH)
        excess[: len(values) // 10] = 0.0
        spread = 1.4826 * float(np.median(np.abs(excess)))
        tail = float(np.quantile(excess, 0.95))
        bound = max(OF_CHANCE * found.chance, TIMES_SPREAD * spread, TIMES_TAIL * tail)
        excess[-1:] = 0.0  # of the last one it is not known whether the loss came back
        at = int(np.argmax(excess))
        most = float(excess[at])
        words = f"the largest loss stands {most:.4g} above its surroundings (a spike: {bound:.4g}), at step {steps[at]}"
        trace = max(float(excess[at - 1]), float(excess[at + 1])) > TRACE * bound
        if most <= bound or not (trace or most > ALONE * found.chance):
            return Finding(self.name, Status.OK, words, value=most)
        number = int(np.count_nonzero(excess > bound))
        advice = "look at the batch of that step, clip gradients, and see whether the optimiser was restarted there"
        said = f"{words}; {number} such losses"
        return Finding(self.name, Status.WARN, said, advice, int(steps[at]), value=most)

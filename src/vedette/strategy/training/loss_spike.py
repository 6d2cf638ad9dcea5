"""A loss spike: a few losses stand far above those around them, and the loss comes back."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import progress, running_median
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["LossSpike"]

OF_CHANCE, TIMES_SPREAD, TIMES_TAIL = 0.5, 10.0, 3.0
"""A spike is half of the chance loss above its surroundings, ten times their spread, and three times what the
hundredth-largest loss of a training stands above its own: batches differ, and their losses have long tails."""

_WIDTH = 15


class LossSpike:
    """The largest excess of ``loss`` over the median of the 15 losses about it, after the first tenth of the training.

    It is a rule, and not a test: of what large losses batches give nobody knows the law. The three bounds hold together.
    """

    name = "loss_spike"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where a loss stands out by all three bounds and the loss came back."""
        found = progress(training, level, least=40)
        if isinstance(found, str):
            return unknown(self.name, found)
        steps, values = training.curve("loss")
        excess = values - running_median(values, _WIDTH)
        excess[: len(values) // 10] = 0.0
        spread = 1.4826 * float(np.median(np.abs(excess)))
        tail = float(np.quantile(excess, 0.98)) if len(values) >= 200 else 0.0
        bound = max(OF_CHANCE * found.chance, TIMES_SPREAD * spread, TIMES_TAIL * tail)
        at = int(np.argmax(excess))
        most = float(excess[at])
        words = f"the largest loss stands {most:.4g} above its surroundings (a spike: {bound:.4g}), at step {steps[at]}"
        if most <= bound or at >= len(values) - 2:
            return Finding(self.name, Status.OK, words, value=most)
        number = int(np.count_nonzero(excess > bound))
        advice = "look at the batch of that step, clip gradients, and see whether the optimiser was restarted there"
        said = f"{words}; {number} such losses"
        return Finding(self.name, Status.WARN, said, advice, int(steps[at]), value=most)

"""Overfitting: the validation loss has risen from its lowest level while the training loss went on falling."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import rise_of, running_median, thinned
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["Overfitting"]

LOST_WARN, LOST_ALARM = 0.1, 0.5
"""Shares of what the validation loss had gained that are lost again: a tenth is worth an earlier stop."""

OF_START = 0.5
"""What was gained counts as this share of the start at least: a loss that only rises has gained nothing to lose."""

_LEAST = 8  # evaluations: fewer have no level before and after


class Overfitting:
    """The rise of ``val_loss`` from its lowest stretch to its last one, against what it had gained before.

    With v0 the first validation loss (or the chance loss where that is known and greater), m the lowest level and e the
    last: lost = (e - m)/(v0 - m). The lowest of k stretches was chosen, so the test of ``e - m`` is at level/k. The noise
    is that of the whole curve about its running median (robust), and three neighbours count as one evaluation.
    """

    name = "overfitting"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where surely a tenth of what was gained is lost again, ALARM where half of it is."""
        steps, values = thinned(*training.curve("val_loss"), 200)
        if len(values) < _LEAST:
            return unknown(self.name, f"{len(values)} values of series val_loss: {_LEAST} are needed")
        width = max(len(values) // 6, 3)
        smooth = running_median(values, width | 1)
        at = int(np.argmin(smooth[: len(values) - width + 1]))
        low = values[max(0, at - width // 2) : at + width // 2 + 1]
        start = max(float(values[0]), training.chance_loss or 0.0)
        gained = start - float(low.mean())
        rise = rise_of(values, low, values[-width:], smooth, level / max(len(values) // width, 1))
        scale = max(gained, OF_START * start)
        p = rise.above(LOST_WARN * scale)
        words = f"val_loss {low.mean():.4g} around step {steps[at]}, {values[-width:].mean():.4g} at the end"
        found = (rise.value, rise.low, rise.high, min(1.0, p * (len(values) // width)))
        trained, losses = training.curve("loss")
        before, after = losses[trained <= steps[at]], losses[trained > steps[at]]
        falling = (
            len(before) == 0
            or len(after) == 0
            or float(np.mean(after[-max(len(after) // 4, 1) :]))
            < float(np.mean(before[-max(len(before) // 4, 1) :]))
        )
        if not falling or rise.low <= LOST_WARN * scale or at + width >= len(values):
            return Finding(self.name, Status.OK, words, "", None, "", *found)
        verdict = Status.ALARM if rise.low > LOST_ALARM * scale else Status.WARN
        lost = (
            f"{words}: {rise.value:.3g} of {max(gained, 0.0):.3g} gained is lost while the training loss fell"
        )
        advice = (
            f"take the checkpoint of about step {steps[at]}; more data, regularisation or an earlier stop"
        )
        return Finding(self.name, verdict, lost, advice, int(steps[at]), "", *found)

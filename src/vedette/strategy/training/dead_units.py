"""Dead or saturated units: a layer's units always give zero, or always their limit, and learn no more."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import mean
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["DeadUnits"]

DEAD_WARN, DEAD_ALARM = 0.5, 0.9
"""Half of a layer wasted is worth a look, nine tenths leave no layer; 10 to 40 % are usual with ReLU."""


class DeadUnits:
    """The mean of ``dead_share/<layer>`` and ``saturated_share/<layer>`` over the last quarter, the worst of all layers.

    Layers are tested at level/layers.
    """

    name = "dead_units"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where surely half of a layer's units are dead or saturated, ALARM where nine tenths are."""
        found = [
            (kind, layer, steps, values)
            for kind in ("dead", "saturated")
            for layer, (steps, values) in training.layers(f"{kind}_share").items()
            if len(values) >= 4
        ]
        if not found:
            return unknown(
                self.name, "no series dead_share/<layer> or saturated_share/<layer> of 4 values or more"
            )
        parts = [(mean(one[3][-max(len(one[3]) // 4, 4) :], level / len(found)), *one) for one in found]
        estimate, kind, layer, steps, values = max(parts, key=lambda one: one[0].value)
        words = f"{estimate.value:.0%} of the units of layer {layer} are {kind}"
        figures = (
            estimate.value,
            estimate.low,
            estimate.high,
            min(1.0, estimate.above(DEAD_WARN) * len(found)),
        )
        if estimate.low <= DEAD_WARN:
            return Finding(self.name, Status.OK, words, "", None, layer, *figures)
        verdict = Status.ALARM if estimate.low > DEAD_ALARM else Status.WARN
        since = int(steps[int(np.argmax(values > DEAD_WARN))])
        ways = "a leaky ReLU" if kind == "dead" else "normalised inputs or ReLU"
        advice = f"lower the learning rate, check biases and the scale of inputs and of initial weights, or use {ways}"
        return Finding(self.name, verdict, words, advice, since, layer, *figures)

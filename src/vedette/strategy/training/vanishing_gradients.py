"""Vanishing gradients: what reaches the first layers is a thousandth of what the last ones get."""

from __future__ import annotations

import math

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import mean
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["VanishingGradients", "gradient_ratio"]

RATIO = 1e-3
"""A layer that gets a thousandth of the last one's gradient learns nothing in the time in which that learns all."""

_LEAST = 8


def gradient_ratio(training: Training, layer: str, last: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Steps and logarithms of the gradient norm of a layer over that of another, at the steps that both have."""
    one, two = training.layers("grad_norm")[layer], training.layers("grad_norm")[last]
    steps, at, other = np.intersect1d(one[0], two[0], return_indices=True)
    top, under = one[1][at], two[1][other]
    fine = (under > 0) & (top >= 0)
    if np.count_nonzero(fine) < _LEAST:
        return None
    return steps[fine], np.log(np.maximum(top[fine], 1e-300)) - np.log(under[fine])


class VanishingGradients:
    """The mean logarithm of grad_norm/<layer> over that of the last layer, for each layer before it, over all steps.

    A network at its optimum has small gradients everywhere, which moves no ratio. Layers are tested at level/layers.
    Source: S. Hochreiter (1991); X. Glorot and Y. Bengio (2010), AISTATS, figure 7.
    """

    name = "vanishing_gradients"

    def judge(self, training: Training, level: float) -> Finding:
        """ALARM where a layer surely gets less than a thousandth of the last one's gradient."""
        names = list(training.layers("grad_norm"))
        if len(names) < 2:
            return unknown(self.name, f"{len(names)} series grad_norm/<layer>: two layers are needed")
        ratios = []
        for layer in names[:-1]:
            pair = gradient_ratio(training, layer, names[-1])
            if pair is not None:
                ratios.append((mean(pair[1], level / (len(names) - 1)), layer, int(pair[0][0])))
        if not ratios:
            return unknown(self.name, f"no layer has {_LEAST} gradient norms at steps of layer {names[-1]}")
        estimate, layer, since = min(ratios)
        value, low, high = (math.exp(float(np.clip(one, -700, 700))) for one in estimate[:3])
        words = f"layer {layer} gets {value:.2g} times the gradient of layer {names[-1]}"
        p = min(1.0, (1 - estimate.above(math.log(RATIO))) * len(ratios))
        if high >= RATIO:
            return Finding(self.name, Status.OK, words, "", None, layer, value, low, high, p)
        advice = "use ReLU, residual connections or normalisation, and He or Glorot initialisation"
        return Finding(self.name, Status.ALARM, words, advice, since, layer, value, low, high, p)

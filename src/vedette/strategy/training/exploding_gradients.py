"""Exploding gradients: they are infinite, or a thousand times what they were, or what other layers get."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["ExplodingGradients"]

TIMES = 1000.0
"""Against the layer's own first steps. The norms of healthy batches differ by tens, seldom by hundreds."""

LENGTHS = 100.0
"""Against the weights: a gradient of a hundred times their length moves them by all of it at a learning rate of .01."""

_FIRST, _SEVERAL = 20, 3


class ExplodingGradients:
    """The third-largest gradient norm of a layer against the median of its first 20, and against its weights' norm.

    It is a rule, with no level: three steps rather than one, so that a single odd batch does not tell. Where
    ``weight_norm/<layer>`` is there, the second bound is held against the median over all steps.
    """

    name = "exploding_gradients"

    def judge(self, training: Training, level: float) -> Finding:  # noqa: ARG002 - a rule has no level
        """ALARM where gradients are inf, a thousand times the first ones, or usually longer than 100 times the weights."""
        names = [one.removeprefix("grad_norm/") for one in training.series if one.startswith("grad_norm/")]
        if not names:
            return unknown(self.name, "no series grad_norm/<layer>")
        weights = training.layers("weight_norm")
        advice = (
            "clip gradients by norm, lower the learning rate, or initialise recurrent weights orthogonally"
        )
        worst = (0.0, "", 0, 0.0)
        for layer in names:
            steps, values = training.raw(f"grad_norm/{layer}")
            if np.any(np.isinf(values)):
                first = int(steps[np.isinf(values)][0])
                words = f"the gradient of layer {layer} is infinite from step {first}"
                return Finding(self.name, Status.ALARM, words, advice, first, layer)
            steps, values = steps[np.isfinite(values)], values[np.isfinite(values)]
            short = len(values) < _FIRST + _SEVERAL  # of a training that broke off the weights alone tell
            if not len(values) or (short and layer not in weights):
                continue
            base = float(np.median(values[:_FIRST]))
            later = float(values.max() if short else np.sort(values[_FIRST:])[-_SEVERAL])
            ratio = later / base / TIMES if base > 0 and not short else 0.0
            bound = base * TIMES
            if layer in weights:
                length = float(np.median(weights[layer][1]))
                usual = float(np.median(values)) / length / LENGTHS if length > 0 else 0.0
                if usual > ratio:
                    ratio, bound = usual, LENGTHS * length
                elif later < length / LENGTHS:  # a thousand times nothing is not much
                    ratio = min(ratio, 0.5)
            if ratio > worst[0]:
                above = np.flatnonzero(values > bound)
                worst = (ratio, layer, int(steps[above[0]]) if len(above) else int(steps[0]), later)
        if not worst[1]:
            return unknown(self.name, f"no layer has {_FIRST + _SEVERAL} finite gradient norms")
        ratio, layer, since, later = worst
        words = f"the gradient of layer {layer} reaches {later:.3g}, {ratio:.2g} times what is put up with"
        if ratio <= 1:
            return Finding(self.name, Status.OK, words, "", None, layer, ratio)
        return Finding(self.name, Status.ALARM, words, advice, since, layer, ratio)

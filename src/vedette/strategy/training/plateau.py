"""A plateau: the loss has stood still for a good part of the training, far from being solved."""

from __future__ import annotations

from vedette.records import Status
from vedette.strategy.training.curves import progress, slope
from vedette.strategy.training.records import Finding, Training, unknown
from vedette.strategy.training.underfitting import GAINED_LEAST

__all__ = ["Plateau"]

STILL = 0.02
"""A fall by less than a fiftieth of the chance loss over half of the training is standing still."""


class Plateau:
    """The slope of ``loss`` over the second half of its steps, where less than a fifth of the chance loss was gained.

    A loss that stands still after most was gained has converged, and is none of this.
    """

    name = "plateau"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where the loss surely fell by less than 2 % of the chance loss in the second half, and is still high."""
        found = progress(training, level / 2, least=40)
        if isinstance(found, str):
            return unknown(self.name, found)
        half = found.values[len(found.values) // 2 :]
        fall = slope(-half, level / 2)
        words = f"loss fell by {fall.value:.3g} (at most {fall.high:.3g}) over the second half, to {found.end.value:.4g}"
        still = STILL * found.chance
        high = found.end.above((1 - GAINED_LEAST) * found.chance)
        p = min(1.0, 2 * max(high, 1 - fall.above(still)))
        figures = (fall.value, fall.low, fall.high, p)
        if fall.high >= still or 1 - found.end.low / found.chance >= GAINED_LEAST:
            return Finding(self.name, Status.OK, words, "", None, "", *figures)
        advice = "try another learning rate (half and double), a warm-up, or another initialisation"
        since = int(found.steps[len(found.values) // 2])
        said = f"{words}, with {found.gained_words} of the chance loss gained"
        return Finding(self.name, Status.WARN, said, advice, since, "", *figures)

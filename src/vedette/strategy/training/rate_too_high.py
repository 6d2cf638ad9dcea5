"""A learning rate too high: steps are large beside the weights, and the loss shows it."""

from __future__ import annotations

import math

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import mean, progress
from vedette.strategy.training.divergence import Divergence
from vedette.strategy.training.records import Finding, Training, unknown
from vedette.strategy.training.underfitting import GAINED_LEAST

__all__ = ["RateTooHigh", "update_ratio"]

RATIO = 0.1
"""A step that moves a layer by a tenth of its length: 1e-3 is the usual rule, and 1e-2 is common at the start."""

LEAP = 2.0
"""A step that moves a layer by twice its length leaves nothing of what was there: one such step ends a training."""

SWING = 0.5
"""The standard deviation of losses from one to the next, in shares of the chance loss."""

_UP = 3.0  # times the chance loss: no model says less than the base rates for long but by steps too large


def update_ratio(training: Training, level: float) -> tuple[float, float, float]:
    """The median over layers of ``update_ratio``, in the mean of its first half in logarithms, with an interval; NaN: none."""
    parts = []
    for _, values in training.layers("update_ratio").values():
        positive = values[values > 0]
        if len(positive) >= 4:
            parts.append(mean(np.log(positive[: max(len(positive) // 2, 4)]), level))
    if not parts:
        return math.nan, math.nan, math.nan
    middle = sorted(parts)[len(parts) // 2]
    return math.exp(middle.value), math.exp(max(middle.low, -700)), math.exp(min(middle.high, 700))


def _leap(training: Training) -> float:
    """The largest ``update_ratio`` of any layer and step; 0 without any."""
    found = [float(one.max()) for _, one in training.layers("update_ratio").values()]
    return max(found, default=0.0)


class RateTooHigh:
    """Trouble of the loss together with steps that move layers by a tenth of their length or more, or one by twice that.

    Trouble is: it diverged or became NaN, it gained less than a fifth of the chance loss, it went above three times the
    chance loss, or it swings by half of it. Without ``update_ratio`` only the last two and divergence tell, as a WARN.
    """

    name = "rate_too_high"

    def judge(self, training: Training, level: float) -> Finding:
        """ALARM where steps are surely too large and the loss is in trouble; WARN where the loss alone tells."""
        ratio, low, high = update_ratio(training, level / 2)
        steps, raw = training.raw("loss")
        found = progress(training, level / 2)
        broken = bool(len(raw)) and not np.isfinite(raw[-1])
        if isinstance(found, str) and not (broken and (low > RATIO or _leap(training) > LEAP)):
            return unknown(self.name, found)
        said = [] if math.isnan(ratio) else [f"a step moves a layer by {ratio:.2g} of its length"]
        leap = _leap(training)
        if leap > LEAP:
            said.append(f"a step moved a layer by {leap:.2g} times its length")
        large = low > RATIO or leap > LEAP
        trouble, alone, since = ["loss is no longer finite"] if broken else [], False, None
        if not isinstance(found, str):
            trouble, alone, since = self._trouble(training, level, trouble)
        figures = (ratio, low, high)
        if trouble and (large or (alone and (math.isnan(ratio) or ratio > RATIO / 10))):
            verdict = Status.ALARM if large else Status.WARN
            advice = "divide the learning rate by ten, or warm it up"
            first = int(steps[0]) if since is None else since
            return Finding(self.name, verdict, "; ".join([*said, *trouble]), advice, first, "", *figures)
        return Finding(
            self.name, Status.OK, "; ".join(said or ["the loss is steady"]), "", None, "", *figures
        )

    def _trouble(
        self, training: Training, level: float, said: list[str]
    ) -> tuple[list[str], bool, int | None]:
        """What is wrong with the loss, whether that is enough by itself, and since when."""
        found = progress(training, level / 2)
        assert not isinstance(found, str)
        trouble, alone, since = list(said), False, None
        if Divergence().judge(training, level / 2).named:
            trouble, alone, since = [*trouble, "the loss diverged"], True, found.best_at
        if 1 - found.end.low / found.chance < GAINED_LEAST:
            trouble.append(f"{found.gained:.0%} of the chance loss was gained")
        high = found.values > _UP * max(found.chance, float(found.values[0]))
        if np.count_nonzero(high) >= 3:
            trouble, alone = [*trouble, f"the loss went above {_UP:g} times that of chance"], True
            since = int(found.steps[int(np.argmax(high))])
        later = found.values[len(found.values) // 4 :]
        swing = 1.4826 * float(np.median(np.abs(np.diff(later)))) / math.sqrt(2) if len(later) > 4 else 0.0
        if swing > SWING * found.chance:
            trouble, alone = [*trouble, f"the loss swings by {swing:.3g} from one to the next"], True
        return trouble, alone, since

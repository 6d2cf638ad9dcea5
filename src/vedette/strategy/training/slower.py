"""Slower than the last run: a step takes longer than it did."""

from __future__ import annotations

import math

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import difference
from vedette.strategy.training.records import Finding, Floats, Training, unknown

__all__ = ["Slower"]

SLOWER_WARN, SLOWER_ALARM = 1.2, 2.0
"""Times as long as before: machines differ by some per cent from one day to the next."""


def _unhindered(logs: Floats) -> Floats:
    """The lower quartiles of up to 48 stretches of a curve."""
    number = min(max(len(logs) // 8, 4), 48)
    return np.array([np.quantile(part, 0.25) for part in np.array_split(logs, number)])


class Slower:
    """The ratio of what steps take when nothing is in their way, in this run and in the last, after the first tenth of each.

    That is the geometric mean of the lower quartiles of stretches of ``step_s``: what else the machine does lengthens some
    steps, and a step that has become slower lengthens all.
    """

    name = "slower"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where steps surely last 1.2 times as long as in the last run, ALARM where twice as long."""
        if training.last is None:
            return unknown(self.name, "no last run is given")
        logs = []
        for name, one in (("this", training), ("the last", training.last)):
            _, values = one.curve("step_s")
            values = values[values > 0]
            if len(values) < 20:
                return unknown(
                    self.name, f"{len(values)} values of series step_s of {name} run: 20 are needed"
                )
            rest = np.log(values[len(values) // 10 :])
            logs.append(_unhindered(rest))
        change = difference(logs[1], logs[0], level)
        value, low, high = (math.exp(float(np.clip(one, -50, 50))) for one in change[:3])
        words = f"a step lasts {value:.2f} times as long as in the last run ({low:.2f} to {high:.2f})"
        figures = (value, low, high, change.above(math.log(SLOWER_WARN)))
        if low <= SLOWER_WARN:
            return Finding(self.name, Status.OK, words, "", None, "", *figures)
        verdict = Status.ALARM if low > SLOWER_ALARM else Status.WARN
        advice = (
            "compare the parts of a step (data, forward, backward, optimiser) and what else the machine does"
        )
        return Finding(self.name, verdict, words, advice, int(training.curve("step_s")[0][0]), "", *figures)

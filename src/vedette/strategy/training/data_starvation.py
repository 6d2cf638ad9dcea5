"""Data starvation: much of a step is waiting for the data."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import mean, thinned
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["DataStarvation"]

WAITS_WARN, WAITS_ALARM = 1 / 3, 2 / 3
"""Shares of a step spent waiting: a third makes a training last half as long again, two thirds three times as long."""

NOTICEABLE_S = (
    0.001  # seconds of waiting a step: less is the loop's own overhead, of steps that cost next to nothing
)


class DataStarvation:
    """The mean of data_s/step_s, after the first tenth of the training (workers start, caches fill)."""

    name = "data_starvation"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where surely a third of a step is waiting for data, ALARM where two thirds are."""
        data, step = training.curve("data_s"), training.curve("step_s")
        steps, at, other = np.intersect1d(data[0], step[0], return_indices=True)
        whole = step[1][other]
        fine = whole > 0
        if np.count_nonzero(fine) < 20:
            return unknown(self.name, f"{np.count_nonzero(fine)} steps with data_s and step_s: 20 are needed")
        steps, shares = thinned(steps[fine], np.clip(data[1][at][fine] / whole[fine], 0.0, 1.0))
        estimate = mean(shares[len(shares) // 10 :], level)
        waiting = float(np.median(data[1][at][fine]))
        words = f"{estimate.value:.0%} of a step is waiting for data ({waiting * 1000:.3g} ms)"
        figures = (estimate.value, estimate.low, estimate.high, estimate.above(WAITS_WARN))
        if estimate.low <= WAITS_WARN or waiting < NOTICEABLE_S:
            return Finding(self.name, Status.OK, words, "", None, "", *figures)
        verdict = Status.ALARM if estimate.low > WAITS_ALARM else Status.WARN
        since = int(steps[int(np.argmax(shares > WAITS_WARN))])
        advice = "use more loader workers, prefetch, or prepare the data once and keep it"
        return Finding(self.name, verdict, words, advice, since, "", *figures)

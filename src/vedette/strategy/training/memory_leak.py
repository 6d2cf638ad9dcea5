"""A memory leak: the memory of the process grows for as long as the training lasts."""

from __future__ import annotations

from vedette.records import Status
from vedette.strategy.training.curves import slope, thinned
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["MemoryLeak"]

GROWTH = 0.02
"""Of the memory at the start, over the last two thirds of the training: less will not fill a machine soon."""

LEVELS_OFF = 0.4
"""What the last third grew by, against two thirds: .5 in a leak, little where caches filled up."""


class MemoryLeak:
    """The slope of ``rss_bytes`` over the last two thirds, and over the last third, of the training.

    A process takes its memory at the start; a leak goes on. So both slopes have to be surely above 0, the first by 2 %
    of the memory, and the last third has to grow by its part.
    """

    name = "memory_leak"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where memory surely grows by 2 % and more and does not level off, ALARM where it grows by a half."""
        steps, values = thinned(*training.curve("rss_bytes"))
        if len(values) < 30:
            return unknown(self.name, f"{len(values)} values of series rss_bytes: 30 are needed")
        if values.min() <= 0:
            return unknown(self.name, f"rss_bytes={values.min():g}: a process takes more than 0 bytes")
        third = len(values) // 3
        rest = values[third:]
        whole, last = slope(rest, level), slope(values[2 * third :], level)
        base = float(rest[: max(third // 5, 1)].mean())
        words = f"memory grew by {whole.value / 2**20:.3g} MiB ({whole.value / base:.1%}) over the last two thirds"
        figures = (whole.value, whole.low, whole.high, whole.above(GROWTH * base))
        going_on = last.low > 0 and last.value > LEVELS_OFF * whole.value
        if whole.low <= GROWTH * base or not going_on:
            return Finding(self.name, Status.OK, words, "", None, "", *figures)
        verdict = Status.ALARM if whole.low > 0.5 * base else Status.WARN
        advice = "look for lists that grow by a step: losses kept with their graph (use .item()), caches, callbacks"
        return Finding(self.name, verdict, words, advice, int(steps[third]), "", *figures)

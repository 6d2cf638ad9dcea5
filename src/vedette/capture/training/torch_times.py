"""Where the time of a training step goes: data, forward, backward, optimizer.

Times are told by marks that hooks make. On a CPU a mark is a reading of the clock; on a CUDA device it is an event in its
stream, and how long lay between two events is read once the later one has passed, so that nothing waits.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

__all__ = ["STAGES", "StepTimes"]

STAGES = ("data_s", "forward_s", "backward_s", "sync_s", "optimizer_s")


class StepTimes:
    """The stages of one step, added up over its parts: gradient accumulation and closures have several of each.

    ``data_s`` is from the end of the step before (or of a backward pass, where gradients are accumulated) to the next forward
    pass; ``backward_s`` from the end of the forward pass to when the first parameter has its gradient, the loss function
    included; ``optimizer_s`` is the optimizer's step without the passes that its closure makes.

    With ``synchronises``, of a module whose gradients are averaged over ranks, ``sync_s`` is from when the last gradient of this
    rank is there to the optimizer's step: the waiting for the other ranks, and what the loop does with gradients. Where a trainer
    tells when the pass has ended for all (:meth:`pass_ends`) it is until then: the waiting alone.

    ``event`` makes a mark in the stream of a device; without it marks are readings of the clock.
    """

    def __init__(self, event: Any = None, *, synchronises: bool = False) -> None:
        self._event, self._synchronises = event, synchronises
        self._parts: list[tuple[str, Any, Any]] = []
        self._open: dict[str, Any] = {}
        self._in_optimizer = False
        self._before = 0
        self._open_before: set[str] = set()
        self.steps: list[float] = []
        self.samples = 0
        self._last: float | None = None
        self._away = 0.0

    def mark(self) -> Any:
        """This moment."""
        if self._event is None:
            return time.perf_counter()
        event = self._event(enable_timing=True)
        event.record()
        return event

    def begin(self) -> None:
        """The stages of the next step are measured from now on."""
        self._parts.clear()
        self._open.clear()
        self.samples, self._in_optimizer = 0, False
        self._open["data_s"] = self.mark()

    def forward_begins(self, samples: int) -> None:
        """A forward pass of so many samples begins."""
        now = self.mark()
        started = self._open.pop("data_s", None)
        if started is not None and not self._in_optimizer:
            self._parts.append(("data_s", started, now))
        self._open.pop("sync_s", None)  # gradients are accumulated: nobody waits yet
        self._open.pop("backward_s", None)  # a forward pass that was followed by none
        self._open["forward_s"] = now
        if not self._in_optimizer:  # a closure sees the same samples again
            self.samples += samples

    def forward_ends(self) -> None:
        """The forward pass has ended."""
        now = self.mark()
        if "forward_s" in self._open:
            self._parts.append(("forward_s", self._open.pop("forward_s"), now))
        self._open["backward_s"] = now

    def backward_ends(self) -> None:
        """The backward pass has ended."""
        now = self.mark()
        if "backward_s" in self._open:
            self._parts.append(("backward_s", self._open.pop("backward_s"), now))
        self._open["data_s"] = now
        if self._synchronises:
            self._open["sync_s"] = now

    def pass_ends(self) -> None:
        """A trainer's backward pass has ended, with the waiting for other ranks that is within it."""
        if "backward_s" in self._open:  # nobody told when the own gradients were there
            self.backward_ends()
            self._open.pop("sync_s", None)
            return
        now = self.mark()
        waited = self._open.pop("sync_s", None)
        if waited is not None:
            self._parts.append(("sync_s", waited, now))
            self._open["data_s"] = now

    def leave_data_out(self) -> None:
        """What goes on is no loading of data, such as a validation between two steps."""
        self._open.pop("data_s", None)

    def optimizer_begins(self) -> None:
        """The optimizer's step begins."""
        self._open.pop("data_s", None)  # what lies between the backward pass and this is the loop's own
        self._open["optimizer_s"] = now = self.mark()
        waited = self._open.pop("sync_s", None)
        if waited is not None:
            self._parts.append(("sync_s", waited, now))
        self._in_optimizer = True
        self._before, self._open_before = len(self._parts), set(self._open) - {"optimizer_s"}

    def optimizer_ends(self) -> None:
        """The optimizer's step has ended."""
        if "optimizer_s" in self._open:
            inner, begun = self._parts[self._before :], self._open.pop("optimizer_s")
            self._parts.append(("optimizer_s", begun, self.mark()))
            for stage, start, end in inner:
                # a forward pass that began before the step ends within it where the closure is all of the training
                self._parts.append(("-optimizer_s", begun if stage in self._open_before else start, end))
                self._open_before.discard(stage)
        self._in_optimizer = False

    def step_ends(self) -> float:
        """A whole step has ended, now; the time of our own work is taken off."""
        now = time.perf_counter()
        if self._last is not None:
            self.steps.append(now - self._last - self._away)
        self._last, self._away = now, 0.0
        return now

    def away(self, seconds: float) -> None:
        """So long was spent on something that is no part of the step, such as our own figures."""
        self._away += seconds

    def taken(self) -> StageMarks:
        """What was measured, to be read when the marks have passed; measuring starts anew."""
        found = StageMarks(self._parts, self.steps, self.samples)
        self._parts, self.steps, self.samples = [], [], 0
        self._open.clear()
        return found


class StageMarks:
    """The marks of one step and the durations of those since the last, ready to be read."""

    def __init__(self, parts: list[tuple[str, Any, Any]], steps: list[float], samples: int) -> None:
        self._parts, self._steps, self._samples = parts, steps, samples

    def ready(self) -> bool:
        """True where no mark is still to come."""
        return all(not hasattr(end, "query") or end.query() for _, _, end in self._parts)

    def read(self) -> dict[str, float]:
        """Seconds by stage, ``step_s`` (the median of the steps) and ``samples_per_s``, as far as they are known."""
        found: dict[str, float] = {}
        for stage, start, end in self._parts:
            seconds = end - start if isinstance(end, float) else start.elapsed_time(end) / 1000
            name, sign = (stage[1:], -1.0) if stage.startswith("-") else (stage, 1.0)
            found[name] = found.get(name, 0.0) + sign * seconds
        if self._steps:
            found["step_s"] = median(self._steps)
            if self._samples and found["step_s"] > 0:
                found["samples_per_s"] = self._samples / found["step_s"]
        return found

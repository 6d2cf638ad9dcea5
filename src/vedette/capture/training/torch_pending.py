"""Numbers that a device has still to compute: copied behind its work, read when they are there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["Pending"]

_WAITING_MAX = 64  # sets of numbers that are not there yet; of more the oldest are left out, and that is told


class Pending:
    """Sets of scalar tensors on their way to the host. On a CPU they are there at once.

    ``ask`` stacks the scalars of each device into one tensor and starts its copy to pinned memory; ``read`` hands over the
    sets that have arrived, in the order in which they were asked for. Neither waits for a device.
    """

    def __init__(self, torch: Any, left_out: Callable[[str], None]) -> None:
        self._torch, self._left_out = torch, left_out
        self._waiting: deque[tuple[list[tuple[list[int], Any, Any]], int, Callable[[list[float]], None]]] = (
            deque()
        )

    def ask(self, scalars: list[Any], then: Callable[[list[float]], None]) -> None:
        """Call ``then`` with the values of the scalars, once they are there."""
        if not scalars:
            then([])
            return
        groups: dict[tuple[Any, Any], list[int]] = {}
        for place, scalar in enumerate(scalars):
            groups.setdefault((scalar.device, scalar.dtype), []).append(place)
        parts = []
        for (device, _), places in groups.items():
            stacked = self._torch.stack([scalars[place] for place in places])
            stacked = stacked.float() if device.type == "mps" else stacked.double()
            parts.append((places, *self._copied(stacked)))
        self._waiting.append((parts, len(scalars), then))
        if len(self._waiting) > _WAITING_MAX:
            self._waiting.popleft()
            self._left_out("the device is too far behind")
        self.read()

    def _copied(self, stacked: Any) -> tuple[Any, Any]:
        if stacked.device.type != "cuda":
            return stacked, None
        pinned = self._torch.empty(stacked.shape, dtype=stacked.dtype, pin_memory=True)
        pinned.copy_(stacked, non_blocking=True)
        event = self._torch.cuda.Event()
        event.record(self._torch.cuda.current_stream(stacked.device))
        return pinned, event

    def read(self, *, wait: bool = False) -> None:
        """Hand over what has arrived; with ``wait``, at the end of a training, all of it."""
        while self._waiting:
            parts, n, then = self._waiting[0]
            for _, _, event in parts:
                if event is not None and wait:
                    event.synchronize()
                elif event is not None and not event.query():
                    return
            self._waiting.popleft()
            values = [0.0] * n
            for places, tensor, _ in parts:
                for place, value in zip(places, tensor.tolist(), strict=True):
                    values[place] = value
            then(values)

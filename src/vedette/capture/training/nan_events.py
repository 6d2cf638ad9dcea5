"""Numbers that are none: the first that was seen, told once, with where and when."""

from __future__ import annotations

import math
from collections.abc import Mapping

from vedette.capture.training.protocol import TrainingRun

__all__ = ["NanEvents"]


class NanEvents:
    """Tells of the first loss and of the first layer that are NaN or infinite, as events ``nan`` of a run.

    ``fine`` is the last step whose numbers were looked at and all finite, None before any was; ``prefix`` stands before
    the names of layers. ``broken`` is True once a loss, a gradient or a weight was none; an output alone may be meant so.

    >>> from types import SimpleNamespace
    >>> events = NanEvents(SimpleNamespace(event=lambda kind, **detail: print(detail)))
    >>> events.layers(7, {"fc1": (0.0, 0.0)}, {})
    >>> events.layers(8, {"fc1": (0.5, 0.0), "fc2": (0.25, 0.0)}, {})
    {'layer': 'fc2', 'where': 'gradient', 'share': 0.25, 'step': 8, 'last_finite_step': 7, 'certain': True}
    """

    def __init__(self, run: TrainingRun, prefix: str = "") -> None:
        self._run, self._prefix = run, prefix
        self.fine: int | None = None
        self.loss_told = self.layer_told = self.broken = False

    def layers(
        self, step: int, shares: Mapping[str, tuple[float, float]], outputs: Mapping[str, float]
    ) -> None:
        """The shares of a step's gradients and weights that are no numbers, by layer, and those of outputs.

        Layers come in the order of the forward pass. Where the step before was fine the layer told is the one in which it
        began (``certain``); later all others have caught it.
        """
        self.broken = self.broken or any(map(any, shares.values()))
        if self.layer_told:
            return
        found = (
            [("output", name, share) for name, share in outputs.items() if share]
            or [("weights", name, both[1]) for name, both in shares.items() if both[1]]
            # a gradient goes backward: the last layer that has a bad one is where it came from
            or [("gradient", name, both[0]) for name, both in reversed(list(shares.items())) if both[0]]
        )
        if not found:
            self.fine = step
            return
        self.layer_told = True
        where, layer, share = found[0]
        self._run.event(
            "nan",
            layer=f"{self._prefix}{layer}",
            where=where,
            share=share,
            step=step,
            last_finite_step=self.fine,
            certain=self.fine == step - 1,
        )

    def loss(self, step: int, value: object) -> bool:
        """A loss of a step; True where it is the first that is no number, and no layer was told before it."""
        if not isinstance(value, float) or math.isfinite(value):
            return False
        self.broken = True
        if self.loss_told or self.layer_told:
            return False
        self.loss_told = True
        self._run.event("nan", where="loss", value=str(value), step=step, last_finite_step=self.fine)
        return True

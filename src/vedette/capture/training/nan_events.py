"""Numbers that are none: the first that was seen, told once, with where and when."""

from __future__ import annotations

import math
from collections.abc import Mapping

from vedette.capture.training.protocol import TrainingRun

__all__ = ["NanEvents"]


class NanEvents:
    """Tells of the first loss and of the first layer that are NaN or infinite, as events ``nan`` of a run.

    ``last_finite_step`` is the last step before at which the same was looked at and finite: of a loss the last one that was
    told, of layers the last look at them, None where there was none. ``looked`` is True once layers were looked at; ``prefix``
    stands before their names. ``broken`` is True once a loss, a gradient or a weight was none; an output alone may be meant so.

    >>> from types import SimpleNamespace
    >>> events = NanEvents(SimpleNamespace(event=lambda kind, **detail: print(detail)))
    >>> events.layers(7, {"fc1": (0.0, 0.0)}, {})
    >>> events.layers(8, {"fc1": (0.5, 0.0), "fc2": (0.25, 0.0)}, {})
    {'layer': 'fc2', 'where': 'gradient', 'share': 0.25, 'step': 8, 'last_finite_step': 7, 'certain': True}
    """

    def __init__(self, run: TrainingRun, prefix: str = "") -> None:
        self._run, self._prefix = run, prefix
        self._fine: int | None = None  # the last look at layers that were all finite
        self._fine_loss: int | None = None  # the last two steps with a finite loss
        self._fine_before: int | None = None
        self.looked = False
        self.loss_told = self.layer_told = self.broken = False

    def layers(
        self, step: int, shares: Mapping[str, tuple[float, float]], outputs: Mapping[str, float]
    ) -> None:
        """The shares of a step's gradients and weights that are no numbers, by layer, and those of outputs.

        Layers come in the order of the forward pass. Where the step before was fine, or there is none, the layer told is the
        one in which it began (``certain``); later all others have caught it.
        """
        self.looked = True
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
            self._fine = step
            return
        self.layer_told = True
        where, layer, share = found[0]
        self._run.event(
            "nan",
            layer=f"{self._prefix}{layer}",
            where=where,
            share=share,
            step=step,
            last_finite_step=self._fine,
            certain=step == 1 or self._fine == step - 1,
        )

    def loss(self, step: int, value: object) -> bool:
        """A loss of a step; True where it is the first that is no number, and no layer was told before it."""
        if not isinstance(value, float):
            return False
        if math.isfinite(value):
            if step != self._fine_loss:
                self._fine_before, self._fine_loss = self._fine_loss, step
            return False
        self.broken = True
        if self.loss_told or self.layer_told:
            return False
        self.loss_told = True
        fine = (
            self._fine_before if self._fine_loss == step else self._fine_loss
        )  # another figure of this step was finite
        self._run.event("nan", where="loss", value=str(value), step=step, last_finite_step=fine)
        return True

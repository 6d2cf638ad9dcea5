"""NaN, and where it came from: the first step and the first layer that had one."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["NanSource"]


class NanSource:
    """The first step at which ``nan_share/<layer>`` is above 0 or ``loss`` is NaN; of that step, the first layer.

    Nothing is left to chance here, so there is no p-value. Where the loss is NaN before any layer is, it comes from the
    loss itself or from the data.
    """

    name = "nan_source"

    def judge(self, training: Training, level: float) -> Finding:  # noqa: ARG002 - a rule has no level
        """ALARM with the step and the layer where there was a NaN."""
        watched = [one for one in training.series if one.startswith("nan_share/")]
        steps, losses = training.raw("loss")
        if not len(losses) and not any(len(training.raw(one)[1]) for one in watched):
            return unknown(self.name, "no series loss and no series nan_share/<layer>")
        firsts = []
        for place, one in enumerate(watched):
            at, share = training.raw(one)
            bad = at[np.isnan(share) | (share > 0)]
            if len(bad):
                firsts.append((int(bad[0]), place, one.removeprefix("nan_share/")))
        bad = steps[np.isnan(losses)]
        loss_at = int(bad[0]) if len(bad) else None
        if not firsts and loss_at is None:
            return Finding(self.name, Status.OK, f"no NaN in {len(losses)} losses and {len(watched)} layers")
        if firsts and (loss_at is None or min(firsts)[0] <= loss_at):
            step, _, layer = min(firsts)
            words = f"NaN first in layer {layer} at step {step}"
            if loss_at is not None:
                words += f", in the loss at step {loss_at}"
            advice = f"look at what layer {layer} got and did at step {step}: logs, roots and divisions need a floor"
            return Finding(self.name, Status.ALARM, words, advice, step, layer)
        words = f"the loss is NaN at step {loss_at}" + (", before any layer is" if watched else "")
        advice = "look for log(0), 0/0 and overflow in the loss, and for NaN in the batch of that step"
        return Finding(self.name, Status.ALARM, words, advice, loss_at)

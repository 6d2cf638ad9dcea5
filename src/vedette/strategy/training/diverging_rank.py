"""A diverging rank: one rank of a distributed training has other weights, or learns from other data, than the rest."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import mean
from vedette.strategy.training.ranks import beyond_others, together
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["DivergingRank"]

APART = 1e-5
"""Of the norm of the weights. Copies that are kept alike are alike to the bit; sums of floats on another kind of device differ
by a millionth."""

HIGHER_WARN, HIGHER_ALARM = 0.1, 0.5
"""Of the chance loss, by which a rank's loss is above the others'."""

_STEPS, _FIRST, _LOOKS = 20, 20, 2


class DivergingRank:
    """Weights that differ, a loss that is no number on one rank first, and a loss that is surely higher, in this order.

    Where each rank holds a copy of the weights (``Training.replicated``), ``weight_norm`` of all must be the same at the same
    step; with two ranks nobody can say which of them departed. ``loss`` (or ``batch/loss``) is each rank's own,
    before anything is averaged: at the step where one is NaN or infinite and others are not, that rank is named;
    and the mean of a rank's loss less that of the others is held against the chance loss, after the first tenth.
    The first two are rules without a law of chance.
    """

    name = "diverging_rank"

    def judge(self, training: Training, level: float) -> Finding:
        """ALARM for other weights, a NaN on one rank, a loss higher by half of the chance loss; WARN for one by a tenth."""
        weights = training.ranks("weight_norm") if training.replicated else {}
        losses = training.ranks("loss") or training.ranks("batch/loss")
        if not weights and not losses:
            return unknown(self.name, "no series loss of more than one rank, nor weight_norm of copies")
        found = None
        if weights:
            found = self._weights(list(weights), *together(weights))
        if losses and (found is None or not found.named):
            steps, values = together(losses)
            broken = self._broken(list(losses), steps, values)
            judged = broken or self._higher(training, level, list(losses), steps, values)
            found = judged if judged.named or found is None or found.verdict is Status.UNKNOWN else found
        assert found is not None
        return found

    def _weights(self, ranks: list[int], steps: np.ndarray, values: np.ndarray) -> Finding:
        fine = np.all(np.isfinite(values), axis=0)
        steps, values = steps[fine], values[:, fine]
        if not len(steps):
            return unknown(self.name, "no step at which all ranks have a finite weight_norm")
        middle = np.median(values, axis=0)
        apart = np.abs(values - middle) / np.where(middle > 0, middle, 1.0)
        bad = np.flatnonzero(apart.max(axis=0) > APART)
        if len(bad) < min(_LOOKS, len(steps)):
            words = f"the weights of {len(ranks)} ranks have the same norm to {apart.max():.1g} at {len(steps)} steps"
            return Finding(self.name, Status.OK, words, value=float(apart.max()))
        first = bad[0]
        worst = int(np.argmax(apart[:, first]))
        who = f"rank {ranks[worst]}" if len(ranks) > 2 else f"rank {ranks[0]} or {ranks[1]}"
        words = (
            f"the weights of {who} have the norm {values[worst, first]:.6g} at step {steps[first]}, those of the others "
            f"{values[worst - 1, first]:.6g}"
        )
        advice = "copies of a model must stay alike: look for weights that one rank changes or loads, and for steps it leaves out"
        return Finding(
            self.name, Status.ALARM, words, advice, int(steps[first]), who, float(apart[worst, first])
        )

    def _broken(self, ranks: list[int], steps: np.ndarray, values: np.ndarray) -> Finding | None:
        """The rank whose loss is no number first; None where there is none, or all are at once."""
        bad = ~np.isfinite(values)
        at = np.flatnonzero(bad.any(axis=0))
        if not len(at) or bad[:, at[0]].all():
            return None
        step, which = int(steps[at[0]]), np.flatnonzero(bad[:, at[0]])
        rank = ranks[which[0]]
        others = f"{len(ranks) - len(which)} of {len(ranks)} ranks are finite"
        words = (
            f"the loss of rank {rank} is {values[which[0], at[0]]} at step {step}, where those of {others}"
        )
        advice = "look at the rows that this rank got at that step: its gradients went to all"
        return Finding(self.name, Status.ALARM, words, advice, step, f"rank {rank}")

    def _higher(
        self, training: Training, level: float, ranks: list[int], steps: np.ndarray, values: np.ndarray
    ) -> Finding:
        fine = np.all(np.isfinite(values), axis=0)
        steps, values = steps[fine], values[:, fine]
        if len(steps) < _STEPS:
            return unknown(
                self.name, f"{len(steps)} steps with finite losses of all ranks: {_STEPS} are needed"
            )
        chance = training.chance_loss or float(np.median(np.abs(values[:, :_FIRST])))
        rest = beyond_others(values)[:, len(steps) // 10 :] / (chance if chance > 0 else 1.0)
        worst = int(np.argmax(rest.mean(axis=1)))
        estimate = mean(rest[worst], level / len(ranks))
        words = (
            f"the loss of rank {ranks[worst]} is {estimate.value:.1%} of the chance loss above that of the other ranks "
            f"({estimate.low:.1%} to {estimate.high:.1%})"
        )
        figures = (estimate.value, estimate.low, estimate.high, estimate.above(HIGHER_WARN))
        if estimate.low <= HIGHER_WARN:
            return Finding(self.name, Status.OK, words, "", None, "", *figures)
        verdict = Status.ALARM if estimate.low > HIGHER_ALARM else Status.WARN
        since = int(steps[len(steps) // 10 :][int(np.argmax(rest[worst] > HIGHER_WARN))])
        advice = "look at the rows and labels that this rank gets: its part of the data is another than the others'"
        return Finding(self.name, verdict, words, advice, since, f"rank {ranks[worst]}", *figures)

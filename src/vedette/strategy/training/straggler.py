"""A straggler: one rank of a distributed training is slower than the others, and all wait for it at every step."""

from __future__ import annotations

import numpy as np

from vedette.records import Status
from vedette.strategy.training.curves import mean
from vedette.strategy.training.ranks import beyond_others, together
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["Straggler"]

WAITS_WARN, WAITS_ALARM = 0.1, 1 / 3
"""Shares of a step in which the others wait for one rank: a tenth is what one bought more machines for."""

NOTICEABLE_S = 0.001  # seconds a step: less is within what processes take turns in

_STEPS = 20


class Straggler:
    """A rank's own work less the mean of the others', over the length of a step, after the first tenth of the training.

    All ranks' steps are equally long, since who is done waits for the gradients of the others: so own work is what a rank does
    before it waits, ``data_s + forward_s + backward_s``. Where waiting is not told apart (no ``sync_s``), ``backward_s`` has it
    within, and own work is without.
    """

    name = "straggler"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where surely a tenth of a step is waiting for one rank, ALARM where a third is."""
        own = ("data_s", "forward_s", "backward_s") if training.ranks("sync_s") else ("data_s", "forward_s")
        parts = {name: training.ranks(name) for name in (*own, "step_s")}
        missing = [name for name, curves in parts.items() if not curves]
        if missing:
            return unknown(self.name, f"no series {missing[0]} of more than one rank")
        ranks = sorted(set.intersection(*(set(curves) for curves in parts.values())))
        if len(ranks) < 2:
            return unknown(self.name, f"no two ranks have {', '.join(parts)}")
        # one after the other, so that all parts of all ranks are of the same steps
        keys = [(name, rank) for name in parts for rank in ranks]
        steps, rows = together({at: parts[name][rank] for at, (name, rank) in enumerate(keys)})
        cube = rows.reshape(len(parts), len(ranks), len(steps))
        fine = np.all(np.isfinite(cube), axis=(0, 1)) & np.all(cube[-1] > 0, axis=0)
        if np.count_nonzero(fine) < _STEPS:
            return unknown(
                self.name,
                f"{np.count_nonzero(fine)} steps with {', '.join(parts)} of all ranks: {_STEPS} are needed",
            )
        first = np.count_nonzero(fine) // 10
        steps, cube = steps[fine][first:], cube[:, :, fine][:, :, first:]
        late = beyond_others(cube[:-1].sum(axis=0))
        shares = late / cube[-1].mean(axis=0)
        slowest = int(np.argmax(shares.mean(axis=1)))
        estimate = mean(shares[slowest], level / len(ranks))
        seconds = float(np.median(late[slowest]))
        words = (
            f"rank {ranks[slowest]} takes {seconds * 1000:.3g} ms a step longer than the others of {len(ranks)}: "
            f"{estimate.value:.0%} of a step ({estimate.low:.0%} to {estimate.high:.0%})"
        )
        figures = (estimate.value, estimate.low, estimate.high, estimate.above(WAITS_WARN))
        if estimate.low <= WAITS_WARN or seconds < NOTICEABLE_S:
            return Finding(self.name, Status.OK, words, "", None, "", *figures)
        parts_late = beyond_others(np.median(cube[:-1], axis=2).T)[slowest]
        most = own[int(np.argmax(parts_late))]
        verdict = Status.ALARM if estimate.low > WAITS_ALARM else Status.WARN
        advice = f"most of it is {most}: look at that rank's data, its machine, and what else runs there"
        since = int(steps[int(np.argmax(shares[slowest] > WAITS_WARN))])
        return Finding(self.name, verdict, words, advice, since, f"rank {ranks[slowest]}", *figures)

"""Which watches changed most: the evidence of each since it began to gather, in nats."""

from __future__ import annotations

import numpy as np

from vedette.strategy.records import State
from vedette.strategy.watches import Plan, Watch

__all__ = ["ranking"]


def ranking(plan: Plan, state: State) -> list[tuple[Watch, float, float]]:
    """The watches with any evidence of a change, most first, each with that evidence in nats, and when its alarm opened
    (the start of the window in seconds since 1970, NaN while it does not alarm).

    Of a watch it is the growth of the log of its best bet's e-process since its last low, max over rows and bets of
    W <- max(W, 0) + lam y - lam^2/2: the log of how many times likelier a lasting change is than none, maximised over
    when it began (Page's CUSUM). It adds up over windows and needs no other watch, so those of different columns
    compare. Of a watch that alarms it is the log of the evidence with which it told. 1 nat is a factor of 2.7.
    """
    if not len(state.first):
        return []
    best = np.maximum.reduceat(state.cusum.max(axis=1), state.first)
    nats = np.where(state.latched, state.log_evidence, best)
    order = np.argsort(-nats, kind="stable")
    return [(plan.watches[k], float(nats[k]), float(state.opened[k])) for k in order if nats[k] > 0.0]

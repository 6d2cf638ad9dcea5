"""Who leaves a race, and when it is decided.

A candidate leaves as soon as its false alarms are surely over the budget, or its delay is surely greater than the leader's: by
a confidence sequence, which holds at whatever round one looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vedette.strategy.advice.runners import Cell, Runner
from vedette.strategy.advice.survival import poisson_limits
from vedette.strategy.advice.track import Track
from vedette.strategy.records import Bools, Floats

__all__ = ["confidence_sequence", "decided", "losses_of", "visible_cells"]

_LEVEL = 0.05
_ALIKE = 0.02  # delays that differ by less are as good as each other
_SURELY = (
    0.998  # of the interval by which a candidate leaves for its false alarms; it is looked at each round
)


def confidence_sequence(x: Floats, level: float = 1.0 - _LEVEL, n_best: int = 200) -> tuple[float, float]:
    """Limits of the mean of x [n] that hold at every n at once, asymptotically::

        mean +- s sqrt(2 (n r^2 + 1)/(n^2 r^2) ln(sqrt(n r^2 + 1)/a))

    with s the standard deviation, a = 1 - level, and r such that they are narrowest at ``n_best``. Infinite with fewer
    than two numbers.

    >>> low, high = confidence_sequence(np.array([1.0, -1.0] * 100))
    >>> round(high, 3), round(low + high, 9)                 # 1.96/sqrt(200) = .139 at a fixed n
    (0.215, 0.0)

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas (2024), "Time-uniform central limit theory
    and asymptotic confidence sequences", Annals of Statistics 52, theorem 2.2 and its appendix on r.
    """
    n = len(x)
    if n < 2:
        return -math.inf, math.inf
    a = 1.0 - level
    r2 = (-2.0 * math.log(a) + math.log(-2.0 * math.log(a) + 1.0)) / n_best
    width = float(x.std(ddof=1)) * math.sqrt(
        2.0 * (n * r2 + 1.0) / (n * n * r2) * math.log(math.sqrt(n * r2 + 1.0) / a)
    )
    mean = float(x.mean())
    return mean - width, mean + width


def visible_cells(runners: Sequence[Runner], cells: Sequence[Cell]) -> Bools:
    """Which cells [C] count: half of the replays or more are seen by one of those in the race (of all, where none is left)."""
    racing = [one for one in runners if one.out is None] or list(runners)
    return np.array([max(one.share_seen(cell) for one in racing) >= 0.5 for cell in cells], dtype=np.bool_)


def losses_of(runner: Runner, visible: Bools) -> Floats:
    """The mean delay in windows of each replay [R], over the cells that count; 0 where none does."""
    whole = np.concatenate(runner.losses)
    return np.asarray(whole[:, visible].mean(axis=1)) if bool(visible.any()) else np.zeros(len(whole))


def decided(track: Track, runners: Sequence[Runner], cells: Sequence[Cell]) -> bool:
    """Let those go that cannot win; True where the rest is as good as its leader, which is within the budget."""
    history = track.history
    for one in runners:
        exposure = one.windows * history.months * history.share
        if one.out is None and poisson_limits(one.false_alarms, exposure, _SURELY)[0] > history.budget:
            one.out = "over the budget"
    racing = [one for one in runners if one.out is None]
    if not racing:
        return True
    visible = visible_cells(runners, cells)
    losses = {one.name: losses_of(one, visible) for one in racing}
    # what cannot be run is no measure of what can, nor what may yet turn out to be over the budget
    within = [
        one for one in racing if one.candidate.runs and _upper(track, one, _SURELY) <= track.limit_of(one)
    ]
    if not within:
        return False
    leader = min(within, key=lambda one: float(losses[one.name].mean()))
    best, alike = losses[leader.name], True
    level = 1.0 - _LEVEL / max(len(runners) - 1, 1)
    for one in racing:
        if one is leader:
            continue
        low, high = confidence_sequence(losses[one.name] - best, level)
        if low > _ALIKE * float(best.mean()):
            one.out = "slower"
        elif max(-low, high) > _ALIKE * float(best.mean()):
            alike = False
    return alike


def _upper(track: Track, runner: Runner, level: float) -> float:
    history = track.history
    return poisson_limits(runner.false_alarms, runner.windows * history.months * history.share, level)[1]

"""The recursions of the e-detector: bets on the scores, and the evidence of each watch in them.

Arrays of bets are worked on bet by bet, [M, S], and kept as [S, M]: their columns lie in one piece in memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vedette.strategy.budget import BETS
from vedette.strategy.records import Bools, Floats, Ints, Rows, State, put

__all__ = ["Bets", "advance", "beginning", "evidence", "leaders", "reset"]

_Y_MAX = 150.0
_CHUNK = 65536  # rows of which a few numbers each stay in the processor's cache


class Bets(NamedTuple):
    """The three arrays [S, M] of a state that belong to its bets."""

    bets: Floats
    cusum: Floats
    begun: Floats


def advance(state: State, rows: Rows, y: Floats, start: float) -> Bets:
    """The bets after the scores ``y`` of the judged ``rows``.

    E <- (E + 1) exp(lam y - lam^2/2), zero for the side that does not count; C <- max(C, 0) + lam y - lam^2/2, and its
    evidence began now where C was not positive. E stays finite: it is reset when it reaches the limit of its watch,
    and scores beyond 150, which multiply it by 1e212, count as 150.
    """
    y = np.clip(y, -_Y_MAX, _Y_MAX)
    before = [np.ascontiguousarray(array.T) for array in (state.bets, state.cusum, state.begun)]
    old = Bets(*(array if isinstance(rows, slice) else array[:, rows] for array in before))
    new = Bets(*(np.empty_like(array) for array in old))
    side = state.side[rows]
    for sign in (1, -1):
        counted = np.asarray(side != -sign, dtype=np.float64)
        for low in range(0, len(y), _CHUNK):
            for number, size in enumerate(BETS.tolist()):
                place = (number + (0 if sign > 0 else len(BETS)), slice(low, low + _CHUNK))
                _advance_one(old, new, place, sign * size, y, start)
                new.bets[place] *= counted[place[1]]
    return Bets(*(put(array.T, rows, one.T) for array, one in zip(before, new, strict=True)))


def _advance_one(old: Bets, new: Bets, place: tuple[int, slice], lam: float, y: Floats, start: float) -> None:
    gain = lam * y[place[1]]
    gain -= 0.5 * lam * lam
    # begun: now where C <= 0, else what it was; by bits, since choices that nothing foretells cost the processor more
    held, now = old.begun[place].view(np.int64), np.float64(start).view(np.int64)
    chosen = (old.cusum[place] <= 0.0).astype(np.int64)
    np.negative(chosen, out=chosen)
    chosen &= held ^ now
    np.bitwise_xor(held, chosen, out=new.begun[place].view(np.int64))
    cusum = np.maximum(old.cusum[place], 0.0, out=new.cusum[place])
    cusum += gain
    bets = np.add(old.bets[place], 1.0, out=new.bets[place])
    bets *= np.exp(gain, out=gain)


def evidence(state: State, bets: Floats) -> Floats:
    """log R [K]: of the mean of the bets that count, over the rows of a watch."""
    total, sides = bets.T.sum(axis=0), np.where(state.side == 0, 2 * len(BETS), len(BETS))
    if len(state.first) < len(state.key):
        total, sides = (np.add.reduceat(array, state.first) for array in (total, sides))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(total / sides))


def leaders(state: State, bets: Floats) -> Ints:
    """The row of each watch with the largest bet; the first of those that are alike."""
    if len(state.first) == len(state.key):
        return state.first
    top = bets.T.max(axis=0)
    leading = np.flatnonzero(top == np.maximum.reduceat(top, state.first)[state.group])
    group = state.group[leading]
    return np.asarray(leading[np.r_[True, group[1:] != group[:-1]]])


def reset(bets: Bets, rows: Bools) -> Bets:
    """No evidence in these rows."""
    if not bool(rows.any()):
        return bets
    return bets._replace(bets=np.where(rows, 0.0, bets.bets.T).T, cusum=np.where(rows, 0.0, bets.cusum.T).T)


def beginning(bets: Bets, rows: Ints) -> Floats:
    """Where the evidence of the largest bet of each of these rows began."""
    return np.asarray(bets.begun[rows, bets.bets[rows].argmax(axis=1)])

"""The states a series goes through, as a Markov chain: how strange a move is, and how long until it fails.

Numbers are binned by the reference: a state below its range, ``N_BINS`` between its quantiles, one above its range. Counts
of moves are sums, so those of shards, days and replicas add up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["N_BINS", "N_STATES", "count_moves", "cuts", "state_of", "strangeness", "time_to_failure"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N_BINS = 6
N_STATES = N_BINS + 2
_PRIOR = 0.5  # a move in each cell: Jeffreys' prior
_DRAWS = 2000


def cuts(x: Floats) -> Floats:
    """The cuts between states [9 - 2] from a reference: its least number, its inner sextiles, and its greatest.

    >>> cuts(np.arange(13.0))
    array([ 0.,  2.,  4.,  6.,  8., 10., 12.])
    """
    return np.quantile(x, np.linspace(0.0, 1.0, N_BINS + 1))


def state_of(x: Floats, at: Floats) -> Ints:
    """The states of numbers [K] by cuts [K, 7]: 0 below all, 7 above all; -1 for NaN.

    >>> state_of(np.array([-1.0, 0.0, 7.0, 99.0]), np.broadcast_to(np.arange(0.0, 14.0, 2.0), (4, 7)))
    array([0, 1, 4, 7])
    """
    with np.errstate(invalid="ignore"):
        state = (x[:, None] >= at[:, :-1]).sum(axis=1) + (x > at[:, -1])
    return np.where(np.isnan(x), -1, state)


def count_moves(states: Ints, n_states: int = N_STATES) -> Ints:
    """Moves from each state to each [S, S] of a sequence; -1 breaks it.

    >>> count_moves(np.array([0, 1, 1, -1, 0]), 2)
    array([[0, 1],
           [0, 1]])
    """
    from_, to = states[:-1], states[1:]
    seen = (from_ >= 0) & (to >= 0)
    out = np.zeros((n_states, n_states), dtype=np.int64)
    np.add.at(out, (from_[seen], to[seen]), 1)
    return out


def strangeness(moves: Ints, to: Ints, u: Floats) -> Floats:
    """P-values [K] of moves to states ``to`` [K], in view of past moves from the same states ``moves`` [K, S].

    (moves to rarer states + u x moves to states as rare)/all, with the new move counted in: uniform where moves from a state
    are exchangeable, as in a Markov chain, whatever its probabilities. ``u`` [K] in (0, 1) breaks ties.

    >>> strangeness(np.array([[98, 1, 0]]), np.array([2]), np.array([0.5]))      # as rare as state 1: 2 of 100, halved
    array([0.01])

    Source: conformal prediction, Vovk, Gammerman and Shafer (2005), "Algorithmic learning in a random world", chapter 2.
    """
    rows = np.arange(len(to))
    counts = moves.copy()
    counts[rows, to] += 1
    own = counts[rows, to][:, None]
    rarer = np.where(counts < own, counts, 0).sum(axis=1)
    alike = np.where(counts == own, counts, 0).sum(axis=1)
    return np.asarray((rarer + u * alike) / counts.sum(axis=1))


def time_to_failure(
    moves: Ints, from_: int, failed: tuple[int, ...], *, level: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """Steps expected until a chain of states is in a failed one, with an interval: (expected, low, high).

    ``moves`` [S, S] are counts; each row is Dirichlet-multinomial with half a move in each cell among states that were
    seen or failed. Of 2,000 draws of the chain, h = (I - Q)^-1 1 over the states that are not failed; the expected time is
    its median (its mean is infinite where failure was never seen), the interval the draws' middle. 0 in a failed state; NaN
    where no move was seen.

    Raises ``ValueError`` for states that are not there, none failed, or counts that are not square.

    >>> steps = time_to_failure(np.array([[9900, 100], [0, 0]]), 0, (1,))        # one in a hundred: 100 steps
    >>> [round(step) for step in steps]                                          # gamma's limits: 1/(.01 +- .002)
    [100, 82, 122]

    Source: Kemeny and Snell (1960), "Finite Markov chains", theorem 3.3.5; Gelman et al. (2013), "Bayesian data analysis",
    section 3.4, for the posterior.
    """
    size = len(moves)
    if moves.shape != (size, size) or size == 0:
        raise ValueError(f"moves of shape {moves.shape}: must be square, a count for each pair of states")
    if not failed or not all(0 <= state < size for state in (from_, *failed)):
        raise ValueError(
            f"from_={from_}, failed={failed}: must be states of 0 to {size - 1}, one failed or more"
        )
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level}: must lie between 0 and 1")
    if from_ in failed:
        return 0.0, 0.0, 0.0
    if not moves.any():
        return float("nan"), float("nan"), float("nan")
    seen = moves.sum(axis=0) + moves.sum(axis=1) > 0
    seen[list(failed)] = True
    seen[from_] = True
    alive = np.array([state for state in np.flatnonzero(seen) if state not in failed])
    kept = np.flatnonzero(seen)
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = random.standard_gamma(moves[np.ix_(alive, kept)] + _PRIOR, size=(_DRAWS, len(alive), len(kept)))
    drawn /= drawn.sum(axis=2, keepdims=True)
    inner = drawn[:, :, np.isin(kept, alive)]
    steps = np.linalg.solve(np.eye(len(alive)) - inner, np.ones((_DRAWS, len(alive), 1)))[:, :, 0]
    own = steps[:, int(np.searchsorted(alive, from_))]
    low, middle, high = np.quantile(own, [(1.0 - level) / 2.0, 0.5, (1.0 + level) / 2.0])
    return float(middle), float(low), float(high)

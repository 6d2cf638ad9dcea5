"""Regimes a series goes through, such as idle and busy: a hidden Markov model with normal numbers in each.

Fitted to the reference by Baum and Welch's algorithm, then filtered forward in the log domain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["N_REGIMES", "Regimes", "filtered", "fit", "log_likelihood"]

Floats = NDArray[np.float64]

N_REGIMES = 3
_ROUNDS = 15  # of the fit; it starts at the thirds of the reference
_SD_MIN = 0.05  # of the reference's spread
_STAY = 0.9


@dataclass(frozen=True, slots=True)
class Regimes:
    """The regimes of K series: ``mean`` and ``sd`` [K, S], ``moves`` [K, S, S] probabilities, and the log of the
    probability ``now`` [K, S] of each after what was seen.
    """

    mean: Floats
    sd: Floats
    moves: Floats
    now: Floats


def _log_density(own: Regimes, x: Floats) -> Floats:
    z = (x[:, None] - own.mean) / own.sd
    return np.asarray(-0.5 * z * z - np.log(own.sd) - 0.5 * np.log(2.0 * np.pi))


def filtered(own: Regimes, x: Floats) -> tuple[Floats, Floats, Floats]:
    """P(number > x) and P(number < x) before they were seen, and the log probabilities of the regimes after [K, S].

    ahead_j = logsum_i(now_i + ln moves_ij); after_j = ahead_j + ln N(x; mean_j, sd_j), less their logsum. NaN leaves
    what is ahead.

    Source: Rabiner (1989), "A tutorial on hidden Markov models", equations 19 and 20.
    """
    with np.errstate(divide="ignore"):
        ahead = np.logaddexp.reduce(own.now[:, :, None] + np.log(own.moves), axis=1)
    z = (x[:, None] - own.mean) / own.sd
    weight = np.exp(ahead)
    above = (weight * special.ndtr(-z)).sum(axis=1)
    below = (weight * special.ndtr(z)).sum(axis=1)
    after = ahead + np.maximum(np.where(np.isnan(z), 0.0, _log_density(own, x)), -700.0)
    after -= np.logaddexp.reduce(after, axis=1)[:, None]
    return above, below, after


def log_likelihood(own: Regimes, past: Floats) -> Floats:
    """The log likelihood [K] of numbers ``past`` [n, K] from here on."""
    total = np.zeros(len(own.mean))
    now = own.now
    for x in past:
        ahead = np.logaddexp.reduce(now[:, :, None] + np.log(own.moves), axis=1)
        after = ahead + np.where(np.isnan(x)[:, None], 0.0, _log_density(own, x))
        step = np.logaddexp.reduce(after, axis=1)
        total += np.where(np.isnan(x), 0.0, step - np.logaddexp.reduce(ahead, axis=1))
        now = after - step[:, None]
    return total


def fit(past: Floats, n_regimes: int = N_REGIMES) -> Regimes:
    """The regimes of a reference ``past`` [n, K], NaN where missing, by expectation and maximisation.

    Source: Baum et al. (1970); Rabiner (1989), equations 40, 52 to 54, with its scaled forward and backward passes.
    """
    _n, k = past.shape
    with np.errstate(all="ignore"):
        share = (np.arange(n_regimes) + 0.5) / n_regimes
        mean = np.stack([np.quantile(_seen(past[:, one]), share) for one in range(k)])
    sd = np.ones((k, n_regimes))
    moves = np.full((k, n_regimes, n_regimes), (1.0 - _STAY) / (n_regimes - 1))
    moves[:, np.arange(n_regimes), np.arange(n_regimes)] = _STAY
    first = np.full((k, n_regimes), -np.log(n_regimes))
    own = Regimes(mean, sd, moves, first)
    for _ in range(_ROUNDS):
        own = _round(own, past)
    return own


def _seen(x: Floats) -> Floats:
    seen = x[~np.isnan(x)]
    return seen if len(seen) else np.zeros(1)


def _round(own: Regimes, past: Floats) -> Regimes:
    n, k = past.shape
    s = own.mean.shape[1]
    alpha, density = np.empty((n, k, s)), np.empty((n, k, s))
    now = np.exp(own.now)
    for row in range(n):
        told = np.isnan(past[row])[:, None]
        log_density = np.where(told, 0.0, _log_density(own, past[row]))
        density[row] = np.exp(np.maximum(log_density - log_density.max(axis=1, keepdims=True), -500.0))
        now = (now if row == 0 else np.einsum("ki,kij->kj", now, own.moves)) * density[row]
        now /= now.sum(axis=1, keepdims=True)
        alpha[row] = now
    beta = np.ones((k, s))
    total, first, second = np.zeros((k, s)), np.zeros((k, s)), np.zeros((k, s))
    pairs = np.zeros((k, s, s))
    for row in range(n - 1, -1, -1):
        gamma = alpha[row] * beta
        gamma /= gamma.sum(axis=1, keepdims=True)
        seen = ~np.isnan(past[row])[:, None]
        x = np.nan_to_num(past[row])[:, None]
        total += gamma * seen
        first += gamma * x * seen
        second += gamma * x * x * seen
        if row:
            ahead = density[row] * beta
            joint = alpha[row - 1][:, :, None] * own.moves * ahead[:, None, :]
            pairs += joint / joint.sum(axis=(1, 2), keepdims=True)
            beta = np.einsum("kij,kj->ki", own.moves, ahead)
            beta /= beta.sum(axis=1, keepdims=True)
    enough = total > 1.0
    mean = np.where(enough, first / np.maximum(total, 1.0), own.mean)
    variance = np.where(enough, second / np.maximum(total, 1.0) - mean * mean, own.sd**2)
    moves = pairs + 0.1
    moves /= moves.sum(axis=2, keepdims=True)
    return Regimes(mean, np.sqrt(np.maximum(variance, _SD_MIN**2)), moves, own.now)

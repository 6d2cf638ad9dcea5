"""Two versions on different rows: do their rates (accuracy, errors, any share of rows) differ?

Exact at any number of rows and whatever the rates: nothing is taken for normal. For a block of rows, ``n_a`` of one version and
``n_b`` of the other, and an alternative (p_a, p_b),

    E = (p_a / q_a)^hits_a ((1 - p_a) / (1 - q_a))^misses_a (p_b / q_b)^hits_b ((1 - p_b) / (1 - q_b))^misses_b

where (q_a, q_b) is the point of the null hypothesis that is nearest to (p_a, p_b), by n_a and n_b times the relative
entropies. Its expectation is at most 1 under every point of the null hypothesis, so products over blocks are evidence that
may be looked at after every one of them (Turner, Ly and Gruenwald 2024, "Generic e-variables for exact sequential k-sample
tests", J. Stat. Planning and Inference 230; Turner and Gruenwald 2023, "Exact anytime-valid confidence intervals for
contingency tables", Stat. and Prob. Letters 198). The rates may change from block to block, as long as the null hypothesis
holds in each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.strategy.versions.effects import FAR_WEIGHT, POINTS, sizes

__all__ = ["Rates"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.number]

_HALVINGS = 24  # 6e-8; the evidence is stationary there, so that it is off by rows times the square of that
_NEAREST = (
    0.25  # no alternative has less than this share of the rate that both have together, nor of its complement
)


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Hits and rows of champion and challenger, look by look (not added up): arrays [..., looks].

    ``first`` is the rate to begin with, of before either was looked at (0.5 where nothing is known); it changes how soon
    something is found, not how often that is wrong.

    >>> hits = np.full(40, 180), np.full(40, 168)
    >>> looks = Rates(hits[0], np.full(40, 200), hits[1], np.full(40, 200), first=0.9)
    >>> round(float(looks.value[-1]), 2)
    -0.06
    >>> (looks.log_evidence(0.0, above=False, smallest=0.02)[[9, 19]] > np.log(40)).tolist()  # worse?
    [True, True]
    """

    champion_hits: Counts
    champion_n: Counts
    challenger_hits: Counts
    challenger_n: Counts
    first: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 < self.first < 1.0:
            raise ValueError(f"first={self.first}: must be a rate, more than 0 and less than 1")
        for name in ("champion", "challenger"):
            hits, n = (np.asarray(getattr(self, f"{name}_{part}")) for part in ("hits", "n"))
            if np.any(hits < 0) or np.any(hits > n):
                raise ValueError(f"{name}_hits: must lie between 0 and {name}_n in each look")

    @property
    def value(self) -> Floats:
        """Rate of the challenger less that of the champion up to each look; NaN where either has no rows.

        The mean of the differences in each block with the weights n_a n_b / (n_a + n_b) (Mantel and Haenszel's): where the
        shares of the traffic change while the rates move, rates of all rows together would differ for that alone.
        """
        champion, challenger = np.asarray(self.champion_n), np.asarray(self.challenger_n)
        blocks, ends = _blocks(champion, challenger)
        hits_a, n_a, hits_b, n_b = (
            _added(np.asarray(counts), blocks)
            for counts in (self.champion_hits, champion, self.challenger_hits, challenger)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = n_a * n_b / (n_a + n_b)
            apart = np.cumsum(weight * (hits_b / n_b - hits_a / n_a), axis=-1) / np.cumsum(weight, axis=-1)
        none = np.full((*apart.shape[:-1], 1), np.nan)
        return np.asarray(np.concatenate([none, apart], axis=-1)[..., ends], dtype=np.float64)

    @property
    def sd(self) -> float:
        """Standard deviation of a row by ``first``, which was known before: what is bet on does not depend on the outcome."""
        return float(np.sqrt(self.first * (1 - self.first)))

    @property
    def limits(self) -> tuple[float, float]:
        """What a difference of two rates may be."""
        return -1.0, 1.0

    def log_evidence(self, beyond: float, *, above: bool, smallest: float) -> Floats:
        """Logarithm of the evidence, at each look, that challenger less champion is more (``above``) or less than ``beyond``."""
        champion = np.asarray(self.champion_hits), np.asarray(self.champion_n)
        challenger = np.asarray(self.challenger_hits), np.asarray(self.challenger_n)
        high, low = (challenger, champion) if above else (champion, challenger)
        margin = beyond if above else -beyond
        blocks, ends = _blocks(high[1], low[1])
        parts = [_added(counts, blocks) for counts in (*high, *low)]
        found = _log_evidence(parts, margin, sizes(smallest), self.first)
        none = np.zeros((*found.shape[:-1], 1))
        return np.asarray(np.concatenate([none, found], axis=-1)[..., ends], dtype=np.float64)


def _blocks(n_high: Counts, n_low: Counts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each block begins and the last ends, and how many are whole after each look; one is whole once both have rows."""
    one, other = (np.all(n > 0, axis=tuple(range(n.ndim - 1))) for n in (n_high, n_low))
    starts, done, ends, has = [0], 0, [], [False, False]
    for look in range(len(one)):
        has = [has[0] or bool(one[look]), has[1] or bool(other[look])]
        if all(has):
            done, has = done + 1, [False, False]
            starts.append(look + 1)
        ends.append(done)
    return np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)


def _added(counts: Counts, edges: npt.NDArray[np.int64]) -> Floats:
    """Counts by block; those after the last whole block are left out."""
    total = np.concatenate([np.zeros((*counts.shape[:-1], 1)), np.cumsum(counts, axis=-1)], axis=-1)
    return np.asarray(np.diff(total[..., edges], axis=-1), dtype=np.float64)


def _log_evidence(parts: list[Floats], margin: float, effects: Floats, first: float) -> Floats:
    """After each block, that the rate of b is below that of a less the margin; of each the hits and the rows by block."""
    hits_a, n_a, hits_b, n_b = parts
    before = [np.cumsum(part, axis=-1) - part for part in parts]
    pooled = (before[0] + before[2] + first) / (before[1] + before[3] + 1.0)
    share = n_a / (n_a + n_b)
    apart = margin + effects.reshape(-1, *[1] * pooled.ndim)
    least, most = _NEAREST * pooled, 1 - _NEAREST * (1 - pooled)
    # the alternatives: effects of each size around what both have together, and last what each has shown so far
    p_a = np.concatenate(
        [np.clip(pooled + apart * (1 - share), least, most), [(before[0] + pooled) / (before[1] + 1.0)]]
    )
    p_b = np.concatenate(
        [np.clip(pooled - apart * share, least, most), [(before[2] + pooled) / (before[3] + 1.0)]]
    )
    q_a = _nearest(p_a, p_b, share, margin)
    q_b = q_a - margin
    with np.errstate(
        invalid="ignore", divide="ignore"
    ):  # where the alternative is no alternative nothing is bet
        gain = (
            special.xlogy(hits_a, p_a / q_a)
            + special.xlogy(n_a - hits_a, (1 - p_a) / (1 - q_a))
            + special.xlogy(hits_b, p_b / q_b)
            + special.xlogy(n_b - hits_b, (1 - p_b) / (1 - q_b))
        )
    logs = np.cumsum(np.where(p_b < p_a - margin - 1e-9, gain, 0.0), axis=-1)
    weights = np.append(np.full(POINTS, (1 - FAR_WEIGHT) / POINTS), FAR_WEIGHT)
    return np.asarray(special.logsumexp(logs, axis=0, b=weights.reshape(-1, *[1] * pooled.ndim)))


def _nearest(p_a: Floats, p_b: Floats, share: Floats, margin: float) -> Floats:
    """q_a of the nearest point with q_b = q_a - margin: where the derivative of the two relative entropies is 0, by halving."""
    if margin == 0.0:
        return np.asarray(share * p_a + (1 - share) * p_b)
    low = np.full(p_a.shape, max(0.0, margin))
    high = np.full(p_a.shape, min(1.0, 1.0 + margin))
    for _ in range(_HALVINGS):
        a = (low + high) / 2
        b = a - margin
        with np.errstate(invalid="ignore", divide="ignore"):  # at the ends it is infinite, of the right sign
            slope = share * (a - p_a) / (a * (1 - a)) + (1 - share) * (b - p_b) / (b * (1 - b))
        low, high = np.where(slope < 0, a, low), np.where(slope < 0, high, a)
    return np.asarray((low + high) / 2)

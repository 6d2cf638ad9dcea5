"""Membership inference: how well it can be told from a model's behaviour on a row whether the model was trained on it.

A *score* is any number that is higher for rows the model was trained on: the confidence in the true class, the negative loss, or
the likelihood ratio of an attack with shadow models (:func:`likelihood_ratio`). :func:`membership` holds the scores of rows that
were trained on against those of rows that were not and could have been. Where the model leaks nothing the area is 0.5, and at
a false positive rate of 1 % the true positive rate is 1 %.

Sources: S. Yeom et al. (2018), CSF (threshold on the loss); N. Carlini et al. (2022), IEEE S&P, Membership Inference Attacks From
First Principles (likelihood ratio, rates at low false positive rates); M. Jagielski, J. Ullman, A. Oprea (2020), NeurIPS
(lower bound on epsilon by Clopper and Pearson); T. Steinke, M. Nasr, M. Jagielski (2023), NeurIPS, Privacy Auditing with One (1)
Training Run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.intervals import clopper_pearson
from vedette.statistics.roc_auc import area_by_class

__all__ = ["Membership", "RateAt", "likelihood_ratio", "membership", "one_run_epsilon", "shadow_scores"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FALSE_POSITIVE_RATES = (0.01, 0.001)
ROWS_MIN = 20
"""With fewer rows on either side the audit says nothing that is worth a number."""

_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Shares of the rows that are guessed at either end; each is a test of its own, and is paid for as one."""


@dataclass(frozen=True, slots=True)
class RateAt:
    """The true positive rate at a false positive rate, with the interval of Clopper and Pearson.

    The threshold is the score that at most this share of one half of the non-members exceed; ``false_positive_rate`` is the
    share of their other half that does, ``n_members`` and ``n_others`` are what the two shares rest on. ``reason`` says why
    there is none.
    """

    at: float
    value: float | None
    low: float | None
    high: float | None
    false_positive_rate: float | None
    n_members: int
    n_others: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """What an audit found: the area with DeLong's interval, rates at low false positive rates, and what epsilon is at least.

    ``epsilon`` is a lower bound at ``level`` on the epsilon of any (epsilon, delta) differential privacy that the training has,
    where each row was a member by an independent coin; 0 where nothing was shown. It proves leakage, never the lack of it.
    """

    auc: float
    auc_low: float
    auc_high: float
    rates: tuple[RateAt, ...]
    epsilon: float
    delta: float
    n_members: int
    n_others: int
    level: float

    @property
    def leaks(self) -> bool:
        """True where members are told from others better than by chance, at the level."""
        return self.auc_low > 0.5 or self.epsilon > 0

    @property
    def meaning(self) -> str:
        """What was found, in words."""
        area = f"area {self.auc:.3f} [{self.auc_low:.3f}, {self.auc_high:.3f}], 0.5 by chance"
        if self.auc_high < 0.5:
            return (
                f"Members have the scores that others should have ({area}): scores count as higher for members, or the other way "
                "round. Turn them; nothing is shown until then."
            )
        if not self.leaks:
            return f"This attack does not tell members from others ({area}). A stronger one may: it is no proof of privacy."
        bound = f"; epsilon is {self.epsilon:.2f} at least" if self.epsilon > 0 else ""
        return f"The model tells which rows it was trained on ({area}){bound}."


def membership(
    members: npt.ArrayLike,
    others: npt.ArrayLike,
    *,
    delta: float = 0.0,
    level: float = 0.95,
    seed: int = 0,
) -> Membership:
    """Hold the scores of rows that were trained on against those of rows that were not.

    ``members`` [n] and ``others`` [m] are scores, higher where the model seems to know the row; infinite ones are scores, NaN are
    refused. ``delta`` is that of the guarantee of which epsilon is bounded. ``seed`` splits the others: one half sets thresholds,
    the other measures them.

    Raises ``ValueError`` for fewer than 20 rows on a side, NaN, or a ``delta`` or ``level`` outside [0, 1) and (0, 1).

    >>> random = np.random.default_rng(1)
    >>> found = membership(random.normal(2, 1, 2000), random.normal(0, 1, 2000))  # area by theory: Phi(2 / sqrt 2) = 0.9214
    >>> found.auc_low < 0.9214 < found.auc_high, found.leaks
    (True, True)
    """
    inside, outside = _scores(members, "members"), _scores(others, "others")
    if not 0 <= delta < 1:
        raise ValueError(f"delta={delta}: must lie in [0, 1)")
    if not 0 < level < 1:
        raise ValueError(f"level={level}: must lie between 0 and 1")
    values, place = np.unique(np.concatenate([inside, outside]), return_inverse=True)
    own = np.bincount(place[: len(inside)], minlength=len(values))
    rest = np.bincount(place[len(inside) :], minlength=len(values))
    auc, low, high, _, _ = area_by_class(own, rest, level)
    random = np.random.default_rng(seed)
    shuffled = random.permutation(outside)
    tuning, held = shuffled[::2], shuffled[1::2]
    rates = tuple(_rate(inside, tuning, held, at, level) for at in FALSE_POSITIVE_RATES)
    n = min(len(inside), len(outside))  # a coin for each row: as many on either side
    scores = np.concatenate([random.permutation(inside)[:n], random.permutation(outside)[:n]])
    epsilon = one_run_epsilon(scores, np.arange(2 * n) < n, delta=delta, level=level)
    return Membership(
        float(auc), float(low), float(high), rates, epsilon, delta, len(inside), len(outside), level
    )


def _scores(given: npt.ArrayLike, name: str) -> Floats:
    scores = np.asarray(given, dtype=np.float64)
    if scores.ndim != 1 or len(scores) < ROWS_MIN:
        raise ValueError(f"{name}: {scores.size} scores: must be {ROWS_MIN} or more, one for each row")
    if np.isnan(scores).any():
        raise ValueError(f"{name}: {int(np.isnan(scores).sum())} scores are NaN: must be numbers")
    return scores


def _rate(inside: Floats, tuning: Floats, held: Floats, at: float, level: float) -> RateAt:
    if len(tuning) * at < 1:
        reason = (
            f"{len(tuning):,} rows set the threshold: a false positive rate of {at:g} needs {round(1 / at):,}"
        )
        return RateAt(at, None, None, None, None, len(inside), len(held), reason)
    threshold = np.sort(tuning)[len(tuning) - 1 - int(len(tuning) * at)]
    hits = int((inside > threshold).sum())
    low, high = clopper_pearson(hits, len(inside), level)
    wrong = float((held > threshold).mean())
    return RateAt(at, hits / len(inside), float(low), float(high), wrong, len(inside), len(held))


def one_run_epsilon(
    scores: npt.ArrayLike, member: npt.ArrayLike, *, delta: float = 0.0, level: float = 0.95
) -> float:
    """The epsilon that a training has at least, from one run in which each of the rows was a member by an independent coin.

    The rows of the highest scores are guessed to be members, those of the lowest not to be, the rest is left out. Of r guesses
    no more are right under (epsilon, delta) differential privacy than Binomial(r, 1 / (1 + exp(-epsilon))), but for
    a part in delta (Steinke et al., theorem 5.2). Several numbers of guesses are tried, each at its share of 1 - ``level``.
    Ties at a threshold are guessed in the order of the rows of ``scores`` after a shuffle, so that the order given tells nothing.

    ``scores`` float[m], ``member`` bool[m]. Returns 0 where nothing is shown. Raises ``ValueError`` where they are not as long.

    >>> one_run_epsilon(np.arange(100.0), np.arange(100) >= 50) > 2.5   # all right: 0.05 / 6 = p ** 100, epsilon = logit p
    True
    """
    value, truth = np.asarray(scores, dtype=np.float64), np.asarray(member, dtype=np.bool_)
    if value.shape != truth.shape or value.ndim != 1:
        raise ValueError(
            f"scores of shape {value.shape}, member of {truth.shape}: must be one of each for each row"
        )
    shuffle = np.random.default_rng(len(value)).permutation(len(value))
    truth = truth[shuffle][np.argsort(value[shuffle], kind="stable")]
    m, best = len(truth), 0.0
    sizes = sorted({max(1, int(m * share)) for share in _SHARES if int(m * share) <= m // 2})
    for size in sizes:
        right = int((~truth[:size]).sum() + truth[m - size :].sum())
        best = max(best, _epsilon(m, 2 * size, right, delta, (1 - level) / len(sizes)))
    return best


def _epsilon(m: int, guesses: int, right: int, delta: float, p: float) -> float:
    """The largest epsilon that so many right guesses refute at p, by bisection."""
    low, high = 0.0, 64.0
    if _p_value(m, guesses, right, low, delta) >= p:
        return 0.0
    for _ in range(50):
        middle = (low + high) / 2
        if _p_value(m, guesses, right, middle, delta) < p:
            low = middle
        else:
            high = middle
    return low


def _p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    """The probability of v or more right guesses of r among m rows, at most (Steinke et al., algorithm of appendix D)."""
    q = float(special.expit(epsilon))
    tail = float(special.betainc(v, r - v + 1, q)) if v else 1.0
    if delta == 0 or v == 0:
        return min(tail, 1.0)
    counts = np.arange(v - 1, -1, -1, dtype=np.float64)  # v - i for i = 1 ... v
    log_pmf = (
        special.gammaln(r + 1) - special.gammaln(counts + 1) - special.gammaln(r - counts + 1)
        + special.xlogy(counts, q) + special.xlog1py(r - counts, -q)
    )  # fmt: skip
    alpha = float((np.cumsum(np.exp(log_pmf)) / np.arange(1, v + 1)).max())
    return min(1.0, tail + 2 * m * delta * alpha)


def shadow_scores(
    train: Callable[[npt.NDArray[np.int64]], npt.ArrayLike], n: int, n_models: int, *, seed: int
) -> tuple[Floats, Mask]:
    """Confidences of shadow models on all rows, and which of the rows each was trained on: each by a coin.

    ``train`` gets the numbers of the rows to train on, and returns the probability that the model gives the true class of each of
    the ``n`` rows. Returns float[n_models, n] and bool[n_models, n]; of each row half of the models have it, up to one.
    Raises ``ValueError`` for fewer than 4 models, or confidences of another length.
    """
    if n_models < 4:
        raise ValueError(f"n_models={n_models}: must be 4 or more: two that have a row and two that do not")
    random = np.random.default_rng(seed)
    included = np.zeros((n_models, n), dtype=np.bool_)
    half = n_models // 2
    for row in range(n):
        included[random.permutation(n_models)[:half], row] = True
    confidences = np.empty((n_models, n))
    for number in range(n_models):
        found = np.asarray(train(np.flatnonzero(included[number])), dtype=np.float64)
        if found.shape != (n,):
            raise ValueError(f"train: returned confidences of shape {found.shape}: must be ({n},)")
        confidences[number] = found
    return confidences, included


def likelihood_ratio(observed: npt.ArrayLike, confidences: npt.ArrayLike, included: npt.ArrayLike) -> Floats:
    """Scores of the likelihood ratio attack: how much more like a model that was trained on the row the observed one is.

    The logit of the confidence is taken as normal, about the mean of the shadow models with the row and of those without; both
    spreads are pooled over all rows, which few models need (Carlini et al., section VI). ``observed`` float[n] are confidences
    of the model that is audited, the others as :func:`shadow_scores` gives them. Returns log ratios, float[n].

    Raises ``ValueError`` for a row that no model has, or that all have.

    >>> shadow = np.array([[0.9, 0.6], [0.8, 0.5], [0.6, 0.9], [0.5, 0.8]])
    >>> scores = likelihood_ratio([0.9, 0.5], shadow, shadow > 0.7)
    >>> bool(scores[0] > 0 > scores[1])
    True
    """
    inside = np.asarray(included, dtype=np.bool_)
    logits, seen = (
        _logit(np.asarray(confidences, dtype=np.float64)),
        _logit(np.asarray(observed, dtype=np.float64)),
    )
    n_in, n_out = inside.sum(axis=0), (~inside).sum(axis=0)
    if (n_in == 0).any() or (n_out == 0).any():
        row = int(np.flatnonzero((n_in == 0) | (n_out == 0))[0])
        raise ValueError(
            f"row {row}: {n_in[row]} of {len(inside)} models have it: some must have it and some not"
        )
    mean_in = np.where(inside, logits, 0).sum(axis=0) / n_in
    mean_out = np.where(inside, 0, logits).sum(axis=0) / n_out
    spread_in = (
        np.sqrt(np.where(inside, (logits - mean_in) ** 2, 0).sum() / max(int((n_in - 1).sum()), 1)) + 1e-9
    )
    spread_out = (
        np.sqrt(np.where(inside, 0, (logits - mean_out) ** 2).sum() / max(int((n_out - 1).sum()), 1)) + 1e-9
    )
    as_in = -(((seen - mean_in) / spread_in) ** 2) / 2 - np.log(spread_in)
    as_out = -(((seen - mean_out) / spread_out) ** 2) / 2 - np.log(spread_out)
    return np.asarray(as_in - as_out)


def _logit(confidence: Floats) -> Floats:
    return np.asarray(special.logit(np.clip(confidence, 1e-12, 1 - 1e-12)))

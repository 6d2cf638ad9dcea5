"""Figures of rankings: how good the order is in which a model puts what it recommends, found, or retrieved.

Each query has candidates with a relevance (0: not relevant; more is better) in the order of their scores. ``rank_scores`` and
``rank_lists`` work out each query's figures and keep their powers alone, a ``RankingSummary``; adding two is the summary of
both, so that queries may come in any order and in shards. ``RankingSummary.figures`` gives means over queries with intervals.

Candidates of one query with the same score are tied: no order among them is better than another. The figures are then

* of ``ndcg``, ``precision``, ``recall``, ``hit_rate`` and ``mrr`` the mean over all orders of those tied, as scikit-learn has
  it for ``ndcg_score``;
* of ``map`` those of scikit-learn's ``average_precision_score``: all of a tie are found at once, at its last place; of a tie
  that goes across the k-th place the share that lies before it.

A query of which nothing is relevant, or that has no candidates, has no answer: it is left out and counted
(``empty_queries``), or is 0 in everything with ``empty="zero"``, as scikit-learn and torchmetrics have it.

>>> summary = rank_scores([[1, 0, 0], [0, 1, 0]] * 10, [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]] * 10, k=(1, 3))
>>> figures = summary.figures()
>>> figures["mrr@3"].value, figures["hit_rate@1"].value, figures["hit_rate@1"].n     # (1 + 1/2)/2
(0.75, 0.5, 20)
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.bounded_mean import Powers
from vedette.statistics.estimates import check_level
from vedette.statistics.intervals import share
from vedette.statistics.measured import Measured, unknown

__all__ = ["MEASURES", "RankingSummary", "list_values", "rank_lists", "rank_scores"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Gain = Literal["linear", "exponential"]
Empty = Literal["skip", "zero"]

MEASURES = ("ndcg", "map", "mrr", "hit_rate", "precision", "recall")
"""What is worked out of each query at each k."""

_GAIN_MOST = 60.0  # of a relevance with exponential gain: 2^60 is as large as sums of it are exact enough for


@dataclass(frozen=True, slots=True, eq=False)
class RankingSummary:
    """The powers of the figures of queries, each measure at each cut: ``names`` such as ``ndcg@10``; ``@all`` has none.

    ``empty`` is the number of queries without an answer, ``queries`` that of all. ``gain`` and ``zero`` say how they were
    worked out: summaries that were made differently do not add up.
    """

    names: tuple[str, ...]
    gain: Gain
    zero: bool
    queries: int
    empty: int
    powers: Powers

    def __add__(self, other: RankingSummary) -> RankingSummary:
        """The summary of both sets of queries; ``ValueError`` where they were made differently."""
        if not isinstance(other, RankingSummary):
            return NotImplemented
        made, others = (self.names, self.gain, self.zero), (other.names, other.gain, other.zero)
        if made != others:
            raise ValueError(
                f"summaries of {made} and {others}: must be made with the same k, gain and empty"
            )
        queries, empty = self.queries + other.queries, self.empty + other.empty
        return RankingSummary(*made, queries, empty, self.powers + other.powers)

    def figures(self, level: float = 0.95) -> dict[str, Measured]:
        """The mean over queries of each measure, with the interval of ``bounded_mean.mean_between``; ``n`` counts queries.

        ``empty_queries`` is the share of queries without an answer, of all. Fewer than 10 queries are a reason. The interval
        is of independent queries. ``ValueError`` for a level outside (0, 1).
        """
        check_level(level)
        return {name: self.figure(name, level) for name in (*self.names, "empty_queries")}

    def figure(self, name: str, level: float = 0.95) -> Measured:
        """One of these figures; ``ValueError`` for a name that is none, or a level outside (0, 1)."""
        check_level(level)
        if name == "empty_queries":
            if not self.queries:
                return unknown("no queries")
            low, high = share(self.empty, self.queries, level)
            return Measured.of(self.empty / self.queries, float(low), float(high), self.queries)
        if name not in self.names:
            raise ValueError(f"name={name!r}: must be one of {', '.join(self.names)}, empty_queries")
        found = self.powers.mean(self.names.index(name), level)
        return found if found.known else unknown(f"{found.reason} queries with an answer", found.n)


def rank_scores(
    relevance: Sequence[npt.ArrayLike] | npt.ArrayLike,
    scores: Sequence[npt.ArrayLike] | npt.ArrayLike,
    k: Iterable[int | None] | int | None = (1, 5, 10),
    *,
    gain: Gain = "linear",
    empty: Empty = "skip",
) -> RankingSummary:
    """The summary of queries whose candidates have scores: the higher, the further up.

    ``relevance`` and ``scores`` have for each query one number for each candidate: two matrices [Q, D], or lists of arrays of
    any length. ``k`` are the cuts, None for none. ``gain``: what a candidate adds to DCG, over log2(1 + its place):
    ``linear`` its relevance, as in scikit-learn's ``ndcg_score`` and torchmetrics' ``RetrievalNormalizedDCG``;
    ``exponential`` 2^relevance - 1. NDCG is DCG over that of the best order. The other measures ask only whether a candidate
    is relevant (above 0):

    * ``precision@k``: relevant ones among the first k, over k even where there are fewer candidates;
    * ``recall@k``: the same, over all that are relevant;
    * ``hit_rate@k``: 1 where one of the first k is relevant;
    * ``mrr@k``: one over the place of the first that is, 0 where it is not among the first k;
    * ``map@k``: precision at the place of each relevant one of the first k, added up, over the lesser of k and the number of
      relevant ones.

    Raises ``ValueError`` where lengths differ, a score is NaN, or a relevance is negative or not finite.

    Sources: K. Järvelin and J. Kekäläinen (2002), ACM Transactions on Information Systems 20, 422-446 (DCG); F. McSherry
    and M. Najork (2008), ECIR, 414-421 (ties); C. D. Manning, P. Raghavan and H. Schütze (2008), Introduction to Information
    Retrieval, chapter 8.
    """
    truth, score = _lists(relevance, "relevance"), _lists(scores, "scores")
    if [len(one) for one in truth] != [len(one) for one in score]:
        raise ValueError("relevance and scores: must have as many queries, and as many candidates in each")
    size = np.array([len(one) for one in truth], dtype=np.int64)
    flat = np.concatenate([np.zeros(0), *truth])
    order_by = np.concatenate([np.zeros(0), *score])
    if np.isnan(order_by).any():
        raise ValueError("scores: must not be NaN")
    _check_relevance(flat)
    query = np.repeat(np.arange(len(size)), size)
    order = np.lexsort((-order_by, query))
    ties = np.ones(len(flat), dtype=np.bool_)
    ties[1:] = (np.diff(query) != 0) | (order_by[order][1:] != order_by[order][:-1])
    _check_empty(empty)
    names, values, none = _values(flat[order], query, ties, size, (flat, query), _cuts(k), gain)
    return _summary(names, values, none, gain, empty)


def rank_lists(
    recommended: Sequence[Sequence[Hashable]],
    relevant: Sequence[Collection[Hashable]],
    k: Iterable[int | None] | int | None = (1, 5, 10),
    *,
    gain: Gain = "linear",
    empty: Empty = "skip",
) -> RankingSummary:
    """The summary of queries that were answered with a list, best first, as ``rank_scores`` has it.

    ``recommended`` has for each query the items in order, ``relevant`` those that would have been right, each of them counted
    whether it was recommended or not: a collection of items, or a mapping from item to relevance (0 or more). An item
    recommended twice is a ``ValueError``: the second cannot be right again.

    >>> figures = rank_lists([["a", "b", "c"]] * 20, [{"b", "z"}] * 20, k=3).figures()
    >>> figures["recall@3"].value, figures["mrr@3"].value
    (0.5, 0.5)
    >>> figures = rank_lists([["a", "b"]] * 20, [{"a": 1.0, "b": 3.0}] * 20, k=1).figures()
    >>> round(figures["ndcg@1"].value, 4)     # a gain of 1 where 3 was to be had
    0.3333
    """
    _check_empty(empty)
    names, values, none = list_values(recommended, relevant, k, gain=gain)
    return _summary(names, values, none, gain, empty)


def list_values(
    recommended: Sequence[Sequence[Hashable]],
    relevant: Sequence[Collection[Hashable]],
    k: Iterable[int | None] | int | None = (1, 5, 10),
    *,
    gain: Gain = "linear",
) -> tuple[tuple[str, ...], Floats, Booleans]:
    """What ``rank_lists`` adds up: the M names, each query's figures [Q, M], and which queries have no answer [Q].

    >>> names, values, none = list_values([["a", "b"], ["c"]], [{"b"}, set()], k=2)
    >>> float(values[0, names.index("mrr@2")]), none.tolist()
    (0.5, [False, True])
    """
    if len(recommended) != len(relevant):
        raise ValueError(
            f"{len(recommended)} recommended and {len(relevant)} relevant: must be as many queries"
        )
    flat, missed = [], []
    for place, (items, right) in enumerate(zip(recommended, relevant, strict=True)):
        if len(set(items)) < len(items):
            raise ValueError(f"recommended[{place}]: names an item twice")
        worth = dict(right) if isinstance(right, Mapping) else dict.fromkeys(right, 1.0)
        flat.append(np.array([worth.pop(item, 0.0) for item in items], dtype=np.float64))
        missed.append(np.array(list(worth.values()), dtype=np.float64))
    size = np.array([len(one) for one in flat], dtype=np.int64)
    gains, others = np.concatenate([np.zeros(0), *flat]), np.concatenate([np.zeros(0), *missed])
    _check_relevance(gains)
    _check_relevance(others)
    query = np.repeat(np.arange(len(size)), size)
    every = np.concatenate([gains, others])
    lacking = np.repeat(np.arange(len(size)), np.array([len(one) for one in missed], dtype=np.int64))
    alone = np.ones(len(gains), dtype=np.bool_)
    return _values(gains, query, alone, size, (every, np.concatenate([query, lacking])), _cuts(k), gain)


def _lists(values: Sequence[npt.ArrayLike] | npt.ArrayLike, name: str) -> list[Floats]:
    if isinstance(values, np.ndarray) and values.ndim != 2:
        raise ValueError(f"{name} of shape {values.shape}: must be [queries, candidates], or a list of rows")
    out = [np.asarray(one, dtype=np.float64) for one in values]  # type: ignore[union-attr]
    for place, one in enumerate(out):
        if one.ndim != 1:
            raise ValueError(f"{name}[{place}] of shape {one.shape}: must be one number for each candidate")
    return out


def _check_relevance(values: Floats) -> None:
    wrong = values[~(np.isfinite(values) & (values >= 0))]
    if len(wrong):
        raise ValueError(f"relevance {wrong[0]}: must be 0 or more, and finite")


def _cuts(k: Iterable[int | None] | int | None) -> tuple[int | None, ...]:
    cuts = (k,) if k is None or isinstance(k, int) else tuple(dict.fromkeys(k))
    for one in cuts:
        if one is not None and (isinstance(one, bool) or not isinstance(one, int | np.integer) or one < 1):
            raise ValueError(f"k={one!r}: must be 1 or more, or None for all candidates")
    if not cuts:
        raise ValueError("k=(): must be one cut or more")
    return cuts


@dataclass(frozen=True, slots=True, eq=False)
class _Ties:
    """Groups of candidates with one score, [T], in order: each has a query, so many before it, a size, hits, and gain.

    ``hits_before`` are the relevant ones of the query that lie before it. ``relevant`` [Q] are those of each query.
    """

    query: Integers
    before: Integers
    size: Integers
    hits: Integers
    hits_before: Integers
    gain: Floats
    relevant: Integers


def _summary(
    names: tuple[str, ...], values: Floats, none: Booleans, gain: Gain, empty: Empty
) -> RankingSummary:
    """The powers of the figures of queries, of those without an answer as ``empty`` has it."""
    values[none] = 0.0 if empty == "zero" else np.nan
    return RankingSummary(names, gain, empty == "zero", len(none), int(none.sum()), Powers.of(values))


def _check_empty(empty: Empty) -> None:
    if empty not in ("skip", "zero"):
        raise ValueError(f"empty={empty!r}: must be 'skip' or 'zero'")


def _values(
    relevance: Floats,
    query: Integers,
    first: npt.NDArray[np.bool_],
    size: Integers,
    every: tuple[Floats, Integers],
    cuts: tuple[int | None, ...],
    gain: Gain,
) -> tuple[tuple[str, ...], Floats, Booleans]:
    """The figures of queries, from candidates in order of query and place; ``first`` is where a tie begins, ``every`` all
    relevance."""
    if gain not in ("linear", "exponential"):
        raise ValueError(f"gain={gain!r}: must be 'linear' or 'exponential'")
    n_queries, starts = len(size), np.flatnonzero(first)
    relevant = np.bincount(every[1][every[0] > 0], minlength=n_queries)
    offset = np.cumsum(size) - size

    def sums(of: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        added: npt.NDArray[np.generic] = np.add.reduceat(of, starts) if len(starts) else of[:0]
        return added

    hits = np.asarray(sums((relevance > 0).astype(np.int64)), dtype=np.int64)
    of = query[starts]
    upto = np.cumsum(hits) - hits
    at_start = np.zeros(n_queries, dtype=np.int64)
    begins = np.ones(len(of), dtype=np.bool_)
    begins[1:] = of[1:] != of[:-1]
    at_start[of[begins]] = upto[begins]
    ties = _Ties(
        of,
        starts - offset[of],
        np.diff(np.append(starts, len(relevance))),
        hits,
        upto - at_start[of],
        np.asarray(sums(_gains(relevance, gain)), dtype=np.float64),
        relevant,
    )
    # the best order, in which no tie matters
    order = np.lexsort((-every[0], every[1]))
    ideal, ideal_query = _gains(every[0][order], gain), every[1][order]
    counts = np.bincount(ideal_query, minlength=n_queries)
    ideal_place = np.arange(len(ideal)) - np.repeat(np.cumsum(counts) - counts, counts)
    longest = int(max(size.max(initial=0), counts.max(initial=0)))
    out = []
    for cut in cuts:
        k = longest if cut is None else cut
        discount = np.where(np.arange(longest) < k, 1 / np.log2(np.arange(longest) + 2.0), 0.0)
        best = np.bincount(ideal_query, ideal * discount[ideal_place], n_queries).astype(np.float64)
        # without a cut precision is that of all candidates of the query
        of_k = size if cut is None else np.full(n_queries, cut)
        out += [one(ties, k, n_queries, discount, best, of_k) for one in _WORK.values()]
    values = np.stack(out, axis=1) if n_queries else np.zeros((0, len(out)))
    names = tuple(f"{name}@{'all' if cut is None else cut}" for cut in cuts for name in _WORK)
    return names, values, (relevant == 0) | (size == 0)


def _gains(relevance: Floats, gain: Gain) -> Floats:
    if gain == "linear":
        return relevance
    if relevance.max(initial=0.0) > _GAIN_MOST:
        raise ValueError(f"relevance {relevance.max()}: must be {_GAIN_MOST:g} or less with exponential gain")
    return np.asarray(np.exp2(relevance) - 1)


def _slots(ties: _Ties, k: int) -> Integers:
    """How many places of each tie are among the first k."""
    return np.clip(k - ties.before, 0, ties.size)


def _over(top: npt.NDArray[Any], bottom: npt.NDArray[Any]) -> Floats:
    found: Floats = np.divide(top, bottom, out=np.zeros(len(top)), where=bottom > 0)
    return found


def _ndcg(ties: _Ties, k: int, n: int, discount: Floats, best: Floats, of_k: Integers) -> Floats:  # noqa: ARG001
    upto = np.concatenate([[0.0], np.cumsum(discount)])
    each = ties.gain / ties.size * (upto[ties.before + ties.size] - upto[ties.before])
    return _over(np.bincount(ties.query, each, n), best)


def _map(ties: _Ties, k: int, n: int, discount: Floats, best: Floats, of_k: Integers) -> Floats:  # noqa: ARG001
    slots = _slots(ties, k)
    hits = ties.hits * slots / ties.size
    each = _over(hits * (ties.hits_before + hits), ties.before + slots)
    return _over(np.bincount(ties.query, each, n), np.minimum(ties.relevant, k))


def _mrr(ties: _Ties, k: int, n: int, discount: Floats, best: Floats, of_k: Integers) -> Floats:  # noqa: ARG001
    """One over the first relevant place, meant over the orders of the tie that holds it."""
    holds = (ties.hits > 0) & (ties.hits_before == 0)
    out = np.zeros(n)
    before, size, hits, query = (one[holds] for one in (ties.before, ties.size, ties.hits, ties.query))
    alone = size == 1
    out[query[alone]] = np.where(before[alone] < k, 1 / (before[alone] + 1.0), 0.0)
    for start, length, right, place in zip(
        *(one[~alone].tolist() for one in (before, size, hits, query)), strict=True
    ):
        # the first of `right` among `length` is the j-th with the chance C(length - j, right - 1)/C(length, right)
        j = np.arange(1, min(length - right + 1, k - start) + 1)
        log_chance = _log_choose(length - j, right - 1) - _log_choose(np.array([length]), right)
        out[place] = (np.exp(log_chance) / (start + j)).sum()
    return out


def _hit_rate(ties: _Ties, k: int, n: int, discount: Floats, best: Floats, of_k: Integers) -> Floats:  # noqa: ARG001
    """1 less the chance that none of the first k is relevant: of a tie C(size - hits, slots)/C(size, slots)."""
    slots = _slots(ties, k)
    none = ties.size - ties.hits
    missed = np.exp(_log_choose(none, slots) - _log_choose(ties.size, slots))
    missed = np.where(slots > none, 0.0, np.where((slots == 0) | (ties.hits == 0), 1.0, missed))
    out = np.ones(n)
    np.multiply.at(out, ties.query, missed)
    return 1.0 - out


def _precision(ties: _Ties, k: int, n: int, discount: Floats, best: Floats, of_k: Integers) -> Floats:  # noqa: ARG001
    return _over(np.bincount(ties.query, ties.hits * _slots(ties, k) / ties.size, n), of_k)


def _recall(ties: _Ties, k: int, n: int, discount: Floats, best: Floats, of_k: Integers) -> Floats:  # noqa: ARG001
    return _over(np.bincount(ties.query, ties.hits * _slots(ties, k) / ties.size, n), ties.relevant)


def _log_choose(n: npt.ArrayLike, k: npt.ArrayLike) -> Floats:
    top, some = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
    rest = np.maximum(top - some, 0.0)
    return np.asarray(special.gammaln(top + 1) - special.gammaln(some + 1) - special.gammaln(rest + 1))


_WORK = dict(zip(MEASURES, (_ndcg, _map, _mrr, _hit_rate, _precision, _recall), strict=True))

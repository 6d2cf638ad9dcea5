"""Figures of rankings read off summaries: those of ``statistics.recommendation``, with counts and powers by window."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.bounded_mean import Powers
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.grid import Grid
from vedette.statistics.recommendation import MEASURES, RankingSummary, list_values
from vedette.statistics.structured.losses import summary_of
from vedette.statistics.structured.reading import add_by_window, read, whole
from vedette.statistics.summary import Summary
from vedette.statistics.sums import RANKING_CUTS

__all__ = [
    "HITS_AMONG",
    "RankingFigure",
    "RankingFigures",
    "place_of_hit",
    "ranking_grid",
    "summarise_ranking",
]

Floats = npt.NDArray[np.float64]

HITS_AMONG = 10
"""The watch of a ranking is whether any of the first 10 items is relevant."""

_CUTS = tuple("all" if cut is None else str(cut) for cut in RANKING_CUTS)
_NAMES = tuple(f"{measure}@{cut}" for cut in _CUTS for measure in MEASURES)
_FAR = 1000.0
_NEVER = 1e9  # the place of the first relevant item where none was recommended
_EDGES = np.array([*(place + 0.5 for place in range(1, 11)), 20.5, 50.5, 100.5])


def ranking_grid(column: str = "ranking") -> Grid:
    """The one grid of rankings: queries by the place of the first relevant item, 1 to 10, up to 20, 50, 100, beyond.

    >>> ranking_grid().cells
    14
    """
    return Grid(column, "ranking", edges=_EDGES)


def place_of_hit(
    recommended: Sequence[Sequence[Hashable] | None], relevant: Sequence[Collection[Hashable]]
) -> Floats:
    """The place of the first relevant item of each query, 1e9 where there is none; NaN of a query without an answer.

    >>> place_of_hit([["a", "b"], ["c"], None], [["b"], ["a"], ["a"]]).tolist()
    [2.0, 1000000000.0, nan]
    """
    return _worked_out(recommended, relevant)[1]


def _worked_out(
    recommended: Sequence[Sequence[Hashable] | None], relevant: Sequence[Collection[Hashable]]
) -> tuple[Floats, Floats]:
    """The figures of each query [N, M], and the place of its first relevant item [N]; NaN where there is no answer."""
    given = [[] if one is None else one for one in recommended]
    names, values, none = list_values(given, relevant, RANKING_CUTS)
    first = values[:, names.index("mrr@all")]
    place = np.full(len(first), _NEVER)
    np.divide(1.0, first, out=place, where=first > 0)
    values[none], place[none] = np.nan, np.nan
    return values, np.where(first > 0, np.rint(place), place)


def summarise_ranking(
    grid: Grid,
    recommended: Sequence[Sequence[Hashable] | None],
    relevant: Sequence[Collection[Hashable]],
    window: npt.ArrayLike = 0,
    n_windows: int = 1,
    sign: npt.ArrayLike = 1,
) -> Summary:
    """The summaries of queries by window: ``recommended`` items in order (None: no prediction), ``relevant`` as a
    collection or a mapping to relevance; ``sign`` -1 takes a query away.

    A query without an answer is in ``nan``. Raises ``ValueError`` for another kind of grid.

    >>> found = summarise_ranking(ranking_grid(), [["a", "b"]] * 20, [["b"]] * 20)
    >>> RankingFigure("mrr@3").figures(found).value.tolist()
    [0.5]
    """
    if grid.kind != "ranking":
        raise ValueError(f"grid of kind {grid.kind!r}: must be 'ranking'")
    values, place = _worked_out(recommended, relevant)
    missing = np.array([one is None for one in recommended], dtype=np.bool_)
    place[missing] = np.nan
    counted = np.where(np.isnan(place)[:, np.newaxis], 0.0, values)
    powers = np.concatenate([counted, counted**2, counted**3], axis=1)
    of = np.broadcast_to(np.asarray(window, dtype=np.int64), (len(place),))
    sums = add_by_window(powers, of, n_windows, sign)
    place = np.minimum(place, _FAR)  # moments of what is far would hide all others
    return summary_of(grid, place, missing, sums, of, n_windows, sign)


def _summary_of(current: Summary, window: int) -> RankingSummary:
    """A window's sums as the summary of the library."""
    queries = int(whole(current.counts[window].sum()))
    empty = int(whole(current.nan[window]))
    n = np.full(len(_NAMES), queries, dtype=np.int64)
    powers = Powers(n, current.sums[window].reshape(3, -1))
    return RankingSummary(_NAMES, "linear", False, queries + empty, empty, powers)


@dataclass(frozen=True, slots=True)
class RankingFigure:
    """A figure of rankings, such as ``ndcg@10`` or ``empty_queries``; formulas and intervals are those of ``rank_lists``."""

    name: str
    kinds: tuple[str, ...] = ("ranking",)
    needs_reference: bool = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The figure by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        return read(current, lambda at: _summary_of(current, at).figure(self.name, level))


@dataclass(frozen=True, slots=True)
class RankingFigures:
    """A measure of rankings at each cut: ``ndcg`` has the parts 1, 3, 5, 10, 20, 50, 100 and all."""

    name: str
    kinds: tuple[str, ...] = ("ranking",)

    def figures(
        self, current: Summary, reference: Summary | None = None, level: float = 0.95
    ) -> dict[str, Estimates]:
        """The figures by window and cut."""
        return {cut: RankingFigure(f"{self.name}@{cut}").figures(current, reference, level) for cut in _CUTS}


FIGURES: dict[str, RankingFigure | RankingFigures] = {
    **{name: RankingFigure(name) for name in (*_NAMES, "empty_queries")},
    **{name: RankingFigures(name) for name in MEASURES},
}
USUAL = (*(f"{measure}@{HITS_AMONG}" for measure in MEASURES), "empty_queries")

"""Two versions on different rows, by the summaries: shares of rows, means, and any other figure.

Rows of the two are compared within a window of event time, and as their labels came: both versions have labels that are
as late there, so that neither is judged by the quick ones alone. Shares of rows are compared block by block, exactly
(``strategy.versions.rates``); of a mean the differences within windows are averaged; any other figure is taken over all
rows up to each moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from vedette.engine.comparing.looks import Seen, nothing
from vedette.engine.comparing.naming import MEAN_LATENCY, Named
from vedette.engine.query import Query
from vedette.engine.stored import levels_of, of_frame
from vedette.engine.view import View
from vedette.lake.tables import UTC
from vedette.statistics import Statistic
from vedette.statistics.confusion import is_binary
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.strategy.versions import Estimates, Rates
from vedette.strategy.versions.normal import WINDOWS_MIN

__all__ = ["Both", "seen_of"]

LOOKS_MAX = 200
"""Looks at which a figure that is no share is taken: all rows up to each are added up for it."""

BLOCKS_MAX = 5000
Z95 = 1.959963984540054
_SHARES = frozenset({"accuracy", "error_rate", "infinite_share", "missing_share", "unseen_share"})
_USUAL = {
    "error_rate": 0.01,
    "infinite_share": 0.01,
    "missing_share": 0.01,
    "unseen_share": 0.01,
    "accuracy": 0.8,
}
"""What is bet on where nothing was seen of the champion before: it changes how soon something is found, not how often wrongly."""

_OF_TWO_CLASSES = frozenset({"precision", "recall", "specificity"})


@dataclass(frozen=True, slots=True)
class Both:
    """The two versions, the champion first, and the windows of event time in which both had rows, by their starts."""

    versions: tuple[str, str]
    starts: tuple[datetime, ...]

    @property
    def first(self) -> datetime:
        """The start of the first."""
        return self.starts[0]

    @property
    def last(self) -> datetime:
        """The start of the last."""
        return self.starts[-1]

    def within(self) -> pl.Expr:
        """The windows, by the column ``start``."""
        return pl.col("start").is_in(pl.Series(self.starts, dtype=UTC).implode())

    def keep(self) -> pl.Expr:
        """The increments of the two, all rows, in these windows."""
        return (
            (pl.col("part") == "live")
            & (pl.col("segment") == "")
            & pl.col("version").is_in(self.versions)
            & self.within()
        )


def seen_of(seen: View, figure: Named, both: Both) -> Seen:
    """A figure of the two versions as the summaries of a view have it.

    ``ValueError`` where it is not a figure of this model, or of several columns.
    """
    column, grid, statistic = _column(seen, figure)
    rows = seen.summaries.filter(both.keep() & (pl.col("column") == column) & (pl.col("grid") == grid.id))
    for version in both.versions:
        if rows.filter(pl.col("version") == version).is_empty():
            lacking = "no labels have come" if column.startswith("_") else "no rows"
            return nothing(f"{lacking} of version {version}")
    rows = rows.with_columns((pl.col("version") == both.versions[1]).cast(pl.Int64).alias("_version"))
    before = seen.summaries.filter(
        (pl.col("part") == "live")
        & (pl.col("segment") == "")
        & (pl.col("column") == column)
        & (pl.col("grid") == grid.id)
        & (pl.col("version") == both.versions[0])
        & (pl.col("start") < both.first)
    )
    if figure.metric in ("mean", MEAN_LATENCY) and grid.kind in ("numeric", "latency"):
        return _means(rows, grid)
    assert statistic is not None
    if figure.metric in _SHARES or (figure.metric in _OF_TWO_CLASSES and is_binary(Summary.empty(grid))):
        return _shares(rows, grid, statistic, before)
    return _any(rows, grid, statistic)


def _column(seen: View, figure: Named) -> tuple[str, Grid, Statistic | None]:
    """The column that a figure is read off, and the statistic that reads it; None for the mean latency."""
    grids = seen.shape.all_grids
    if figure.metric == MEAN_LATENCY:
        if MEAN_LATENCY not in grids:
            raise ValueError(f"{figure.text}: no latency has come")
        return MEAN_LATENCY, grids[MEAN_LATENCY], None
    query = Query(metrics=(figure.metric,), features=None if figure.feature is None else (figure.feature,))
    read = {name: query.of_column(name, grid) for name, grid in sorted(grids.items())}
    found = [name for name, statistics in read.items() if statistics]
    if not found:
        of = "" if figure.feature is None else f" of {figure.feature!r}"
        raise ValueError(
            f"{figure.text}: this model has no such figure{of}: it is read off {' or '.join(query.kinds())}"
        )
    if len(found) > 1:
        raise ValueError(
            f"{figure.text}: is said of a column, such as {figure.metric}({found[0]}); it has {', '.join(found)}"
        )
    statistic = read[found[0]][figure.metric]
    if not isinstance(statistic, Statistic) or statistic.needs_reference:
        raise ValueError(
            f"{figure.text}: is no figure by which versions can be compared: it must be one number of rows"
        )
    return found[0], grids[found[0]], statistic


def _settled(rows: pl.DataFrame) -> pl.DataFrame:
    """The increments; those of a window that was corrected later as one, so that no count is below 0."""
    takes = pl.col("counts").list.min() < 0  # a row that was counted under a label that no longer holds
    rows = rows.with_columns(takes.alias("_takes"))
    if not rows["_takes"].any():
        return rows.drop("_takes")
    # of both versions alike, so that neither is compared with other rows than it came with
    corrected = pl.col("_takes").any().over("start")
    return rows.with_columns(
        pl.when(corrected).then(pl.col("known").max().over("start")).otherwise(pl.col("known")).alias("known")
    ).drop("_takes")


def _shares(rows: pl.DataFrame, grid: Grid, statistic: Statistic, before: pl.DataFrame) -> Seen:
    """Hits and rows, block by block: what became known at one time of the rows of one window."""
    rows = _settled(rows)
    blocks = rows.select("known", "start").unique().sort("known", "start")
    if blocks.height > BLOCKS_MAX:  # by days that are the same whoever looks, and whenever
        day = pl.col("known", "start").dt.truncate("1d")
        rows = rows.with_columns(day)
        blocks = rows.select("known", "start").unique().sort("known", "start")
    at = rows.join(blocks.with_row_index("_block"), on=["known", "start"], maintain_order="left")
    place = at["_block"].to_numpy().astype(np.int64) * 2 + at["_version"].to_numpy()
    summary, weighted = _grouped(at, grid, place, 2 * blocks.height)
    hits, n = _hits(statistic, summary, exact=not weighted)
    first = _USUAL.get(statistic.name, 0.5)
    if not before.is_empty():
        whole, _ = _grouped(before, grid, np.zeros(before.height, dtype=np.int64), 1)
        known, of = _hits(statistic, whole, exact=False)
        first = float((known[0] + 0.5) / (of[0] + 1.0))
    looks = Rates(hits[0::2], n[0::2], hits[1::2], n[1::2], first=first)
    total, right = [n[side::2].sum() for side in (0, 1)], [hits[side::2].sum() for side in (0, 1)]
    rates = [float(one / all_) if all_ else None for one, all_ in zip(right, total, strict=True)]
    if not all(total):
        return nothing(f"no rows that {statistic.name} is said of")
    return Seen(looks, rates[0], rates[1], (int(total[0]), int(total[1])), proved=not weighted)


def _hits(statistic: Statistic, summary: Summary, *, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    found = statistic.figures(summary)
    n = np.where(np.isfinite(found.value), found.n, 0).astype(np.float64)
    hits = np.nan_to_num(found.value) * n
    return (np.rint(hits) if exact else np.minimum(hits, n)), n


def _grouped(rows: pl.DataFrame, grid: Grid, place: np.ndarray, n: int) -> tuple[Summary, bool]:
    """The increments added up by place; of rows that were sampled as so many of equal weight as they are worth."""
    bare = rows.drop("hashes", strict=False)
    if (bare["weight"] == 1.0).all():
        return of_frame(bare, grid).grouped(place, n), False
    return levels_of(bare, grid, place, n).effective, True


def _means(rows: pl.DataFrame, grid: Grid) -> Seen:
    """The mean of a column: differences within windows, weighted by n_a n_b / (n_a + n_b), window after window.

    Rows of a window may hang together (a host, a neighbour), so that the standard error is the greater of that of independent
    rows and that of the windows' differences about the whole.
    """
    starts = np.unique(rows["start"].dt.timestamp("us").to_numpy())
    place = (
        np.searchsorted(starts, rows["start"].dt.timestamp("us").to_numpy()) * 2 + rows["_version"].to_numpy()
    )
    summary, _ = _grouped(rows, grid, place, 2 * len(starts))
    n, total, squares = (
        np.asarray(part, dtype=np.float64).reshape(-1, 2)
        for part in (summary.used, summary.total, summary.squares)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n
        within = np.maximum(squares - total * mean, 0.0)  # squares about the mean of the window
        weight = np.where((n > 0).all(axis=1), n[:, 0] * n[:, 1] / n.sum(axis=1), 0.0)
        apart = np.cumsum(np.where(weight > 0, weight * (mean[:, 1] - mean[:, 0]), 0.0))
        freedom = np.cumsum(np.where(n > 0, n - 1, 0.0), axis=0)
        variance = np.cumsum(np.nan_to_num(within), axis=0) / freedom
        spread = np.cumsum(np.where(weight[:, None] > 0, weight[:, None] ** 2 / n, 0.0), axis=0)
        value = apart / np.cumsum(weight)
        alone = (variance * spread).sum(axis=1) / np.cumsum(weight) ** 2
        # sum of (w (d - value))^2 over the windows, as they come
        between = np.where(weight > 0, mean[:, 1] - mean[:, 0], 0.0)
        square, cross = np.cumsum(weight**2 * between**2), np.cumsum(weight**2 * between)
        apart_by = np.maximum(square - 2 * value * cross + value**2 * np.cumsum(weight**2), 0.0)
        windows = np.cumsum(weight > 0)
        together = apart_by / np.cumsum(weight) ** 2 * windows / np.maximum(windows - 1, 1)
        se = np.sqrt(np.maximum(alone, together))
        counted = np.cumsum(n, axis=0)
        levels = np.cumsum(total, axis=0)[-1] / counted[-1] + grid.centre
    if not counted[-1].all():
        return nothing("no finite values")
    if windows[-1] < WINDOWS_MIN:
        return nothing(
            f"{windows[-1]} windows with rows of both versions: {WINDOWS_MIN} are needed for a mean"
        )
    looks = Estimates(value, se, np.where(windows >= WINDOWS_MIN, counted.min(axis=1), 0.0))
    return Seen(looks, float(levels[0]), float(levels[1]), (int(counted[-1, 0]), int(counted[-1, 1])))


def _any(rows: pl.DataFrame, grid: Grid, statistic: Statistic) -> Seen:
    """Any figure: over all rows up to each moment."""
    if not (rows["weight"] == 1.0).all():
        return nothing("rows were sampled: only shares and means are compared then")
    known = rows["known"].dt.timestamp("us").to_numpy()
    moments = np.unique(known)
    if len(moments) > LOOKS_MAX:
        moments = moments[np.linspace(0, len(moments) - 1, LOOKS_MAX).round().astype(np.int64)]
    sides = []
    for version in (0, 1):
        own = rows.filter(pl.col("_version") == version)
        place = np.searchsorted(moments, own["known"].dt.timestamp("us").to_numpy())
        added = of_frame(own.drop("hashes", strict=False), grid).grouped(place, len(moments)).accumulated()
        sides.append(statistic.figures(added))
    value = sides[1].value - sides[0].value
    se = np.hypot(*((one.high - one.low) / (2 * Z95) for one in sides))
    n = np.minimum(*(one.n for one in sides)).astype(np.float64)
    if not np.isfinite(value[-1]):
        lacking = next(one for one in sides if not np.isfinite(one.value[-1]))
        return nothing(str(lacking.reason[-1] or "no value"))
    return Seen(
        Estimates(value, se, n),
        float(sides[0].value[-1]),
        float(sides[1].value[-1]),
        (int(sides[0].n[-1]), int(sides[1].n[-1])),
    )

"""Detectors with the series of figures beside them, as a model is watched: detectors have 0.8 of the budget, series the rest.

The series are the figures of windows, each held against its own past by the methods of ``strategy.series``; they begin with
50 windows. All replays are judged side by side, as more series of one watch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from vedette.statistics import find_statistic
from vedette.statistics.summary import Summary
from vedette.strategy.advice.detectors import Detectors, OfStrategy
from vedette.strategy.advice.figures import n_of
from vedette.strategy.advice.history import Column, History
from vedette.strategy.advice.replays import Replays, Told
from vedette.strategy.detector import EDetector
from vedette.strategy.records import Floats, Ints
from vedette.strategy.series.shares import FIRST_SHARE, SERIES_MAX, SERIES_SHARE, SERIES_WINDOWS, order_of
from vedette.strategy.series.splicing import taken
from vedette.strategy.series.watch import SeriesWatch, WatchState
from vedette.strategy.watches import ROWS_MIN, column_and_segment

__all__ = ["WithSeries", "figures_of", "series_of"]

_SERIES = {
    "numeric": (("{}", "mean"),),
    "vector": (("{}", "mean"),),
    "latency": (("latency", "latency_p50_s"), ("latency_p95", "latency_p95_s")),
    "quality": (("accuracy", "accuracy"),),
    "error": (("error", "mae"),),
}
"""Series by the kind of column: names (``{}`` is the column's) and figures."""

_QUALITY = "_quality"
_JUDGED_MAX = 200  # the last windows of a history that are judged one by one; those before are learned from


@dataclass(frozen=True, slots=True)
class WithSeries:
    """A strategy with 0.8 of the budget, and beside it the series of figures with the rest."""

    name: str
    words: str
    make: Callable[[], EDetector]
    part: float = 1.0
    runs: bool = True

    @property
    def guarantee(self) -> str:
        """Calibrated: the series are."""
        return "calibrated"

    @property
    def _strategy(self) -> OfStrategy:
        return OfStrategy(self.name, self.words, self.make, self.part)

    def unfit(self, history: History) -> str | None:
        """The number of windows where these are too few, or that there are no series; else what the strategy says."""
        n = len(history.start)
        if n < SERIES_WINDOWS:
            return f"series need {SERIES_WINDOWS} windows of history; there are {n}"
        if not any(_known(history, column) for column in history.columns.values()):
            return f"no figure has the {SERIES_WINDOWS} windows of {ROWS_MIN} rows that a series needs"
        return self._strategy.unfit(history)

    def fit(self, history: History, calm: Mapping[str, Replays]) -> _Ready:
        """The detectors and the series after the history, whose windows are clean."""
        own = self._strategy.fit(history, calm, 1.0 - SERIES_SHARE)
        series = {source: _begun(history, column) for source, column in history.columns.items()}
        rows: tuple[str, ...] = ('rows = "independent"',) if own.make().guarantee == "proved" else ()
        rows += (f"detectors_share = {self.part * (1.0 - SERIES_SHARE):g}",) if self.part < 1.0 else ()
        return _Ready(
            own, {source: one for source, one in series.items() if one is not None}, (*rows, "series = true")
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """The series of a column: their figures, and what was learned of them."""

    metrics: tuple[str, ...]
    state: WatchState
    budget: float


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    detectors: Detectors
    series: Mapping[str, _Series]
    lines: tuple[str, ...]

    def opens(self, column: Column, replays: Replays) -> Told:
        """What the detectors tell, and after it what the series do."""
        told = self.detectors.opens(column, replays)
        own = self.series.get(column.source)
        if own is None:
            return told
        if "series" not in replays.figures:
            replays.figures["series"] = _run(own, column, replays)
        more: Told = replays.figures["series"]
        return Told(*(np.concatenate(both, axis=2) for both in zip(told, more, strict=True)))


def series_of(source: str, kind: str) -> tuple[tuple[str, str], ...]:
    """The series of a source of counts: of each its name and its figure; those of segments and categories have none.

    >>> series_of("amount", "numeric"), series_of("_quality", "quality")
    ((('amount', 'mean'),), (('accuracy', 'accuracy'),))
    """
    name, segment = column_and_segment(source)
    if segment or (kind == "quality" and name != _QUALITY):
        return ()
    return tuple((said.format(name), metric) for said, metric in _SERIES.get(kind, ()))


def figures_of(column: Column, counts: Ints, metric: str) -> Floats:
    """float64[...]: a figure of windows, of counts [..., cells + 1]; NaN with fewer than 50 rows."""
    if metric in ("mean", "mae"):
        values = column.values if metric == "mean" else np.abs(column.values)
        n = counts[..., :-1].sum(axis=-1)
        found = counts[..., :-1] @ values / np.maximum(n, 1)
    elif metric == "accuracy":
        coarse = column.coarse(counts)
        n = n_of(column, coarse)[..., 0]
        found = 1.0 - coarse[..., 0, 1] / np.maximum(n, 1)
    else:
        n = counts[..., :-1].sum(axis=-1)
        flat = counts.reshape(-1, counts.shape[-1])
        empty = Summary.empty(column.grid, len(flat), 0)
        ends = (
            column.reference.minimum[:1],
            column.reference.maximum[:1],
        )  # of the tails, which hold a replay's ends
        low, high = (np.repeat(one, len(flat)) for one in ends)
        summary = replace(
            empty,
            rows=flat.sum(axis=1),
            counts=flat[:, :-1],
            missing=flat[:, -1],
            minimum=low,
            maximum=high,
        )
        found = np.asarray(find_statistic(metric).figures(summary).value).reshape(counts.shape[:-1])
    return np.where(n >= ROWS_MIN, found, np.nan)


def _watched(history: History) -> tuple[str, ...]:
    """The names of all series of the model that are watched."""
    names = [name for source, grid in history.plan.grids.items() for name, _ in series_of(source, grid.kind)]
    return tuple(sorted(names, key=order_of)[:SERIES_MAX])


def _known(history: History, column: Column) -> tuple[tuple[str, Floats], ...]:
    """The figures [W] of a column that are watched as series, with 50 windows or more."""
    watched = _watched(history)
    found = [
        (metric, figures_of(column, column.counts, metric))
        for name, metric in series_of(column.source, column.grid.kind)
        if name in watched
    ]
    return tuple((metric, one) for metric, one in found if np.isfinite(one).sum() >= SERIES_WINDOWS)


def _begun(history: History, column: Column) -> _Series | None:
    """The series of a column after the history; None where it has none."""
    known = _known(history, column)
    if not known:
        return None
    values = np.column_stack([one for _, one in known])
    finite = np.isfinite(values).cumsum(axis=0)
    first = int(np.argmax((finite >= SERIES_WINDOWS).all(axis=1))) + 1
    first = max(first, len(values) - _JUDGED_MAX)
    budget = SERIES_SHARE * FIRST_SHARE * history.budget * len(known) / len(_watched(history))
    watch = SeriesWatch(_names(len(known)), budget_per_month=budget)
    state = watch.begin(values[:first], history.start[:first])
    for window in range(first, len(values)):
        state = watch.advance(state, values[window], history.start[window])[1]
    nothing = np.zeros_like(state.quiet)  # clean windows leave no alarm open
    state = replace(state, quiet=nothing, alarmed=nothing.astype(np.bool_))
    return _Series(tuple(metric for metric, _ in known), state, budget)


def _run(own: _Series, column: Column, replays: Replays) -> Told:
    """Where alarms of the series open and stand in replays, [R, T, series]; all replays side by side."""
    n_runs, n_windows = replays.counts.shape[:2]
    n = len(own.metrics)
    shape = (n_runs, n_windows, n)
    opens, stands = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    if not n_runs:
        return Told(opens, stands)
    values = np.stack([figures_of(column, replays.counts, metric) for metric in own.metrics], axis=2)
    watch = SeriesWatch(_names(n_runs * n), budget_per_month=own.budget * n_runs)  # the same for each run
    state = taken(own.state, np.tile(np.arange(n), n_runs))
    open_now = np.zeros(n_runs * n, dtype=np.bool_)
    for t in range(n_windows):
        value = values[:, t].reshape(-1)
        judged, state = watch.advance(state, value, float(replays.start[t]))
        alarm = np.array(judged.verdict) == "ALARM"
        opens[:, t] = (judged.fired & ~open_now).reshape(n_runs, n)
        # an open alarm stays so while the verdict says it, and over windows without a figure
        open_now = judged.fired | (open_now & (alarm | np.isnan(value)))
        stands[:, t] = open_now.reshape(n_runs, n)
    return Told(opens, stands)


def _names(n: int) -> list[str]:
    return [str(number) for number in range(n)]

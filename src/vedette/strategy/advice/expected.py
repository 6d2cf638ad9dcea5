"""Detectors with the series of figures beside them, as a model is watched: detectors have 0.8 of the budget, series the rest.

The series are the figures of windows, each held against its own past by the methods of ``strategy.series``; they begin with
50 windows. All replays are judged side by side, as more series of one watch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

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

__all__ = ["Series", "WithSeries", "figures_of", "judge_series", "series_of"]

_SERIES = {
    "numeric": (("{}", "mean"),),
    "vector": (("{}", "mean"),),
    "latency": (("latency", "latency_p50_s"), ("latency_p95", "latency_p95_s")),
    "quality": (("accuracy", "accuracy"),),
    "error": (("error", "mae"),),
}
"""Series by the kind of column: names (``{}`` is the column's) and figures."""

_QUALITY = "_quality"
_LEFT = 0.9  # share of replays still watched, from which on the others are dropped: to copy what is left costs too
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
        rows: tuple[str, ...] = ('rows = "independent"',) if own.make().guarantee == "proved" else ()
        rows += (f"detectors_share = {self.part * (1.0 - SERIES_SHARE):g}",) if self.part < 1.0 else ()
        return _Ready(own, _begun(history), (*rows, "series = true"))


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The series of a model: which figures each column has, by source, at which places of the ``state`` that was learned of
    them, and the false alarms a month that all of them may make.
    """

    metrics: Mapping[str, tuple[str, ...]]
    places: Mapping[str, Ints]
    state: WatchState
    budget: float


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    detectors: Detectors
    series: Series
    lines: tuple[str, ...]

    def opens(self, column: Column, replays: Replays) -> Told:
        """What the detectors tell, and after it what the series do."""
        told = self.detectors.opens(column, replays)
        if column.source not in self.series.places:
            return told
        if self.series not in replays.told:
            judge_series(self.series, {column.source: (column, replays)})
        more = replays.told[self.series]
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


@lru_cache(maxsize=1)
def _begun(history: History) -> Series:
    """The series after the history; those who race on the same have the same."""
    known = {source: _known(history, column) for source, column in history.columns.items()}
    known = {source: some for source, some in known.items() if some}
    values = np.column_stack([one for some in known.values() for _, one in some])
    finite = np.isfinite(values).cumsum(axis=0)
    first = int(np.argmax((finite >= SERIES_WINDOWS).all(axis=1))) + 1
    first = max(first, len(values) - _JUDGED_MAX)
    n = values.shape[1]
    budget = SERIES_SHARE * FIRST_SHARE * history.budget * n / len(_watched(history))
    watch = SeriesWatch(_names(n), budget_per_month=budget)
    state = watch.begin(values[:first], history.start[:first])
    for window in range(first, len(values)):
        state = watch.advance(state, values[window], history.start[window])[1]
    nothing = np.zeros_like(state.quiet)  # clean windows leave no alarm open
    state = replace(state, quiet=nothing, alarmed=nothing.astype(np.bool_))
    metrics = {source: tuple(metric for metric, _ in some) for source, some in known.items()}
    ends = np.cumsum([len(some) for some in metrics.values()])
    places = {
        source: np.arange(end - len(metrics[source]), end)
        for source, end in zip(metrics, ends.tolist(), strict=True)
    }
    return Series(metrics, places, state, budget)


def judge_series(
    series: Series,
    replays: Mapping[str, tuple[Column, Replays]],
    onset: Ints | None = None,
    horizon: int = 0,
) -> None:
    """Judge the series of replays side by side, those of all columns, and keep with these where alarms open and stand.

    With ``onset`` [R] they are struck, R of each fault, and watched for ``horizon`` windows from then on: what comes after the
    first alarm of a series does not count, and is not judged.
    """
    some = {
        source: both for source, both in replays.items() if source in series.places and len(both[1].counts)
    }
    values, places, begin = [], [], []
    for source, (column, one) in some.items():
        n_runs, n_windows = one.counts.shape[:2]
        found = np.stack(
            [figures_of(column, one.counts, metric) for metric in series.metrics[source]], axis=2
        )
        values.append(found.swapaxes(1, 2).reshape(-1, n_windows))
        places.append(np.tile(series.places[source], n_runs))
        number = np.full(n_runs, n_windows) if onset is None else np.tile(onset, n_runs // len(onset))
        begin.append(np.repeat(number, len(series.metrics[source])))
    for source, (_, one) in replays.items():
        if source in series.places and not len(one.counts):
            shape = (*one.counts.shape[:2], len(series.places[source]))
            one.told[series] = Told(np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_))
    if not some:
        return
    start = next(iter(some.values()))[1].start
    told = _run(series, np.concatenate(values), np.concatenate(places), np.concatenate(begin), horizon, start)
    low = 0
    for source, (_, one) in some.items():
        n_runs, n_windows = one.counts.shape[:2]
        n = len(series.places[source])
        own = (part[low : low + n_runs * n].reshape(n_runs, n, n_windows).swapaxes(1, 2) for part in told)
        one.told[series] = Told(*own)
        low += n_runs * n


def _run(series: Series, values: Floats, places: Ints, begin: Ints, horizon: int, start: Floats) -> Told:
    """Where alarms open and stand, [N, T], of series of the values [N, T] that go on from the ``places`` [N] of the state; one
    is left at its first alarm from the window ``begin`` [N] on, or ``horizon`` windows later.
    """
    opens, stands = np.zeros(values.shape, dtype=np.bool_), np.zeros(values.shape, dtype=np.bool_)
    state, at = taken(series.state, places), np.arange(len(values))
    share = series.budget / len(series.state.seen)
    watch = SeriesWatch(_names(len(at)), budget_per_month=share * len(at))  # the same for each series
    open_now, through = np.zeros(len(at), dtype=np.bool_), np.zeros(len(at), dtype=np.bool_)
    for t in range(values.shape[1]):
        value = values[at, t]
        judged, state = watch.advance(state, value, float(start[t]))
        alarm = np.array(judged.verdict) == "ALARM"
        told = judged.fired & ~open_now
        opens[at, t] = told
        # an open alarm stays so while the verdict says it, and over windows without a figure
        open_now = judged.fired | (open_now & (alarm | np.isnan(value)))
        stands[at, t] = open_now
        through[at] |= (t >= begin[at]) & (told | (t + 1 >= begin[at] + horizon))
        stays = ~through[at]
        if stays.sum() < _LEFT * len(at):
            if not stays.any():
                break
            kept = np.flatnonzero(stays)
            state, at, open_now = taken(state, kept), at[kept], open_now[kept]
            watch = SeriesWatch(_names(len(at)), budget_per_month=share * len(at))
    return Told(opens, stands)


def _names(n: int) -> list[str]:
    return [str(number) for number in range(n)]

"""The statistical method: each row is held against all rows before it, and what it says is an e-value.

Nothing of a season or a trend is known here; rows are taken to be alike until they are not. See ``ranked`` for means and
variances, ``counted`` for rates, categories and exceedances, ``urns`` for why the e-values are right.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vedette.strategy.series.baseline import has_season
from vedette.strategy.series.counted import (
    SHIFTS,
    CountedState,
    begin_counted,
    begin_exceedance,
    step_categories,
    step_rate,
)
from vedette.strategy.series.method import Told
from vedette.strategy.series.ranked import LOCATIONS, SPREADS, RankedState, begin_ranked, step_ranked
from vedette.strategy.series.splicing import splice
from vedette.strategy.series.whitening import LEVEL, LEVEL_DECLARED, Treatment

__all__ = ["KINDS", "RELEARN", "Statistical", "StatisticalState"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = ("mean", "rate", "variance", "category", "exceedance")
RELEARN = 100
"""Rows of a new reference, after ``relearn``."""
_SIDES = {"both": (1.0, -1.0), "up": (1.0,), "down": (-1.0,)}

Kept = RankedState | CountedState


@dataclass(frozen=True, slots=True)
class StatisticalState:
    """K series: what their kind remembers (``kept``), and what is gathered of new references.

    ``waiting`` [K]: rows still to come for it, 0 where the one there is holds. ``fresh`` [K, RELEARN]: those that came, NaN
    for the rest; without columns where no reference was ever given up. ``seasonal`` [K]: nothing is said of these.
    """

    kept: Kept
    waiting: Ints
    fresh: Floats
    seasonal: NDArray[np.bool_]


@dataclass
class Statistical:
    """Watches the level, the spread or the shares of series whose law nobody knows, from a reference on.

    ``kind``: *mean* watches the location of any numbers by their ranks (normal rows lose next to nothing by it, rows
    with heavy tails gain); *variance* their spread; *rate* rows that are 0 or 1, such as errors; *category* numbers of
    categories, 0, 1, 2, ...; *exceedance* how many lie beyond a ``limit``, or beyond a ``quantile`` of the reference.
    ``side``: a change up, down, or both; of categories both. ``known``: the rate, of kind rate or of an exceedance of
    a ``limit``, where a contract says it; then no reference is needed, and with one ``side`` a better rate than known
    is no change. ``seed``: of the order of equal rows.

    Where nothing changes, the mean of each e-value is at most 1 given all rows before, with the reference's own chance
    included; so the recursion R <- (R + 1) e on the mean over bets reaches A no more than once in A rows. That holds for
    rows that are independent and alike. The reference is tested for it (Ljung and Box at .05, at .01 where rows were
    declared independent); where it fails, means and variances have an autoregression taken out, and what still hangs
    together counts as fewer rows. ``words`` says what was done.

    ``guarantee`` is *proved* where ``independent`` rows were declared and the e-values are exact for every law: of means,
    variances, exceedances of a quantile, and known rates. Else it is *calibrated*: those of a rate, of categories and of a
    ``limit`` are exact on average over Jeffreys' prior, and checked by simulation at single rates of .0005 to .5.
    ``guarantees`` says of each series what the test left of it.

    No season is known here: of a series whose reference has one (Kruskal and Wallis' test of the hours of the day at .0033)
    nothing is said; the methods that know it are for it.

    A number that is missing or infinite says nothing. A series with fewer than 20 rows of reference says nothing ever:
    its log e-values are 0, the rest NaN. Raises ``ValueError`` for what it was not made for.

    >>> method = Statistical("mean")
    >>> past = np.random.default_rng(1).normal(10.0, 2.0, (500, 1))
    >>> state = method.begin(past, np.arange(500.0))
    >>> told, state = method.step(state, np.array([17.0]), 500.0)
    >>> bool(told.low[0] < told.expected[0] < told.high[0] < 17.0), bool(told.surprise[0] > 2.5)
    (True, True)
    >>> bool(told.log_e.max() > 1.0)                                     # for a bet on a rise
    True

    Source: Shin, Ramdas and Rinaldo (2024), "E-detectors: a nonparametric framework for sequential change detection",
    New England Journal of Statistics in Data Science (arXiv 2203.03532).
    """

    kind: str = "mean"
    side: str = "both"
    independent: bool = False
    quantile: float = 0.95
    limit: float | None = None
    known: float | None = None
    seed: int = 0
    name: str = field(default="statistical", init=False)
    guarantee: str = field(default="calibrated", init=False)

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r}: must be one of {', '.join(KINDS)}")
        if self.side not in _SIDES:
            raise ValueError(f"side={self.side!r}: must be both, up or down")
        if self.kind == "category" and self.side != "both":
            raise ValueError(f"side={self.side!r}: categories have no up and down, leave it out")
        if not 0.0 < self.quantile < 1.0:
            raise ValueError(f"quantile={self.quantile}: must lie between 0 and 1")
        if self.limit is not None and (self.kind != "exceedance" or not np.isfinite(self.limit)):
            raise ValueError(f"limit={self.limit}: a finite number, of kind exceedance alone")
        if self.known is not None:
            if not (self.kind == "rate" or self.limit is not None):
                raise ValueError(f"known={self.known}: of kind rate, or of exceedance with a limit, alone")
            if not 0.0 < self.known < 1.0:
                raise ValueError(f"known={self.known}: a rate between 0 and 1")
        exact = self.kind in ("mean", "variance") or (self.kind == "exceedance" and self.limit is None)
        if self.independent and (exact or self.known is not None):
            self.guarantee = "proved"

    def guarantees(self, state: StatisticalState) -> tuple[str, ...]:
        """What is promised of each series: ``guarantee`` where no test rejected that its rows are independent."""
        plain = (len(one.coefficients) == 0 and one.inflation == 1.0 for one in state.kept.treatments)
        return tuple(self.guarantee if one else "calibrated" for one in plain)

    def words(self, state: StatisticalState) -> tuple[str, ...]:
        """What was done about rows of each series that hang together, in words."""
        return tuple(
            "nothing is said of a series with a season" if muted else one.words
            for one, muted in zip(state.kept.treatments, state.seasonal.tolist(), strict=True)
        )

    @cached_property
    def bets(self) -> Floats:
        """[M]: the signed sizes of the bets of means, rates and exceedances, factors of a standard deviation of variances."""
        signs = np.array(_SIDES[self.side])[:, None]
        if self.kind == "variance":
            return np.asarray(SPREADS**signs).ravel()
        return np.asarray(signs * (LOCATIONS if self.kind == "mean" else SHIFTS)).ravel()

    def begin(self, past: Floats, times: Floats) -> StatisticalState:
        """The state after the reference ``past`` [n, K], NaN where missing, at ``times`` [n] or [n, K]."""
        past = np.asarray(past, dtype=np.float64)
        if past.ndim != 2 or past.shape[1] < 1:
            raise ValueError(f"past has shape {past.shape}: must be [rows, series]")
        if len(times) != len(past):
            raise ValueError(f"times has {len(times)} rows, past {len(past)}: must be as many")
        n_series = past.shape[1]
        seasonal = has_season(past, np.asarray(times, dtype=np.float64))
        waiting, fresh = np.zeros(n_series, dtype=np.int64), np.zeros((n_series, 0))
        return StatisticalState(self._begin(past), waiting, fresh, seasonal)

    def _begin(
        self, past: Floats, treatments: tuple[Treatment, ...] | None = None, n_cells: int | None = None
    ) -> Kept:
        level = LEVEL_DECLARED if self.independent else LEVEL
        if self.kind in ("mean", "variance"):
            spread = self.kind == "variance"
            return begin_ranked(past, spread=spread, seed=self.seed, level=level, treatments=treatments)
        if self.kind == "exceedance" and self.limit is None:
            return begin_exceedance(past, self.quantile, seed=self.seed, level=level, treatments=treatments)
        past = self._cells(past)
        if self.kind != "category":
            return begin_counted(past, 2, known=self.known, level=level, treatments=treatments)
        if n_cells is None:
            there = past[np.isfinite(past)]
            n_cells = max(int(there.max(initial=0.0)) + 2, 3)
        return begin_counted(np.minimum(past, n_cells - 1.0), n_cells, level=level, treatments=treatments)

    def step(
        self,
        state: StatisticalState,
        value: Floats,
        time: float | Floats,  # noqa: ARG002 (every method is told it)
    ) -> tuple[Told, StatisticalState]:
        """What a new number of each series [K] says, and the state after it; ``time`` is not looked at."""
        value = np.asarray(value, dtype=np.float64)
        if value.shape != state.waiting.shape:
            raise ValueError(
                f"value has shape {value.shape}: must be {state.waiting.shape}, one of each series"
            )
        told, kept = self._step(state.kept, value)
        if bool(state.seasonal.any()):
            told = _muted(told, state.seasonal)
        after = StatisticalState(kept, state.waiting, state.fresh, state.seasonal)
        return told, self._gather(after, value) if bool(state.waiting.any()) else after

    def _step(self, kept: Kept, value: Floats) -> tuple[Told, Kept]:
        if isinstance(kept, RankedState):
            return step_ranked(kept, value, self.bets, spread=self.kind == "variance")
        if self.kind == "exceedance" and self.limit is None:
            return step_rate(kept, value, self.bets)
        value = self._cells(value)
        return step_categories(kept, value) if self.kind == "category" else step_rate(kept, value, self.bets)

    def relearn(self, state: StatisticalState, rows: Ints) -> StatisticalState:
        """The state in which series ``rows`` take their next 100 numbers for a new reference, and say nothing until then.

        For a level that is known to be another: after a deployment, or an alarm that was seen to. What was found of how
        rows hang together stays. A rate that is known stays known.
        """
        if self.known is not None:
            return state
        rows = np.asarray(rows, dtype=np.int64)
        told, waiting = state.kept.told.copy(), state.waiting.copy()
        fresh = state.fresh.copy() if state.fresh.shape[1] else np.full((len(told), RELEARN), np.nan)
        told[rows], waiting[rows], fresh[rows] = False, RELEARN, np.nan
        return StatisticalState(replace(state.kept, told=told), waiting, fresh, state.seasonal)

    def _gather(self, state: StatisticalState, value: Floats) -> StatisticalState:
        """The state with ``value`` put to the new references of the series that wait for one."""
        came = np.flatnonzero((state.waiting > 0) & np.isfinite(value))
        fresh, waiting, kept = state.fresh.copy(), state.waiting.copy(), state.kept
        fresh[came, RELEARN - waiting[came]] = value[came]
        waiting[came] -= 1
        full = came[waiting[came] == 0]
        if len(full):
            treatments = tuple(kept.treatments[row] for row in full.tolist())
            n_cells = kept.weights.shape[1] if isinstance(kept, CountedState) else None
            kept = splice(kept, self._begin(fresh[full].T, treatments, n_cells), full)
        return StatisticalState(kept, waiting, fresh, state.seasonal)

    def _cells(self, values: Floats) -> Floats:
        """The numbers of cells of ``values``, NaN where missing."""
        there = np.isfinite(values)
        if self.limit is not None:
            return np.where(there, values > self.limit, np.nan)
        known = np.where(there, values, 0.0)
        wrong = (known < 0) | (known != np.floor(known)) | ((known > 1) if self.kind == "rate" else False)
        if bool(wrong.any()):
            right = "0 or 1" if self.kind == "rate" else "a whole number of 0 or more, of its category"
            raise ValueError(f"value={values[wrong].flat[0]:g}: must be {right}, or NaN")
        return np.where(there, values, np.nan)


def _muted(told: Told, muted: NDArray[np.bool_]) -> Told:
    """What was told, but of some series nothing."""
    rest = (np.where(muted, np.nan, getattr(told, name)) for name in ("expected", "low", "high", "surprise"))
    return Told(
        np.where(muted[:, None], -np.inf, told.log_e), *rest
    )  # evidence that never grows, not even by waiting

"""Whether rows hang together, days differ or a season repeats, and which guarantee stands in view of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from vedette.statistics.summary import Summary
from vedette.strategy.inflation import coarse_counts
from vedette.strategy.records import Floats, Ints, State
from vedette.strategy.season import OF_DAY, OF_WEEK, SEASON_LEVEL, seasons
from vedette.strategy.watches import ROWS_MIN, Plan

__all__ = [
    "Dependence",
    "Finding",
    "conclude",
    "dependence",
    "dispersion",
    "ljung_box",
    "of_reference",
]

LEVEL = 0.01
"""Of each test over all rows: Bonferroni's, since all that is asked is whether there is any dependence."""

_LAGS = 5  # batches of 100 rows: what 500 rows apart still hangs together; fewer where there are few batches
_MEANS_MIN = 8
_EXPECTED_MIN = 5.0  # rows of a mean beside the fullest cell: the chi-square law is wrong for fewer


@dataclass(frozen=True, slots=True)
class Finding:
    """One test over all rows of a plan.

    ``tested`` rows had enough to be tested, 0: none had. ``p_value`` is the least of theirs, corrected for their
    number (Bonferroni), NaN where none was tested; ``watch`` is whose it is, "" where none.
    """

    tested: int
    p_value: float
    watch: str

    @property
    def rejects(self) -> bool:
        """True where independence does not stand at .01."""
        return self.tested > 0 and self.p_value < LEVEL


@dataclass(frozen=True, slots=True)
class Dependence:
    """What was found of dependence, and what follows for the guarantee.

    ``serial``: Ljung-Box of the means of consecutive batches of the reference, which sees what lasts longer than a
    batch. ``batches``: how much these means differ, which sees what is shorter. ``windows``: how much the reference's
    windows of time differ. ``judged``: how much the windows judged so far did. ``season`` is "of a day", "of a week",
    "none", or "unknown" where fewer than two periods were judged. ``guarantee`` is proved or calibrated, and ``words``
    says all this, a line each, the last why.
    """

    serial: Finding
    batches: Finding
    windows: Finding
    judged: Finding
    season: str
    guarantee: str
    words: tuple[str, ...]


def ljung_box(means: Floats, n_lags: int) -> tuple[float, float]:
    """Q and its p-value: whether a series is correlated with itself up to ``n_lags`` steps back.

    Q = n (n + 2) sum r_k^2/(n - k), with r_k the autocorrelation at lag k, is chi-square on ``n_lags`` degrees of
    freedom for independent values. A constant series has Q = 0 and p = 1. Raises ``ValueError`` where there are not
    more values than lags, or no lag.

    >>> q, p = ljung_box(np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]), 1)      # r_1 = -5/6: Q = 6 x 8 x 25/36/5
    >>> round(q, 4), round(p, 4)
    (6.6667, 0.0098)

    Source: Ljung and Box (1978), "On a measure of lack of fit in time series models", equation 1.5.
    """
    n = len(means)
    if not 0 < n_lags < n:
        raise ValueError(f"n_lags={n_lags}: must lie in 1 to {n - 1}, less than the {n} values")
    centred = means - means.mean()
    power = float(centred @ centred)
    if not power > 0:
        return 0.0, 1.0
    lags = np.arange(1, n_lags + 1)
    r = np.array([centred[k:] @ centred[:-k] for k in lags]) / power
    q = float(n * (n + 2) * (r * r / (n - lags)).sum())
    return q, float(special.chdtrc(n_lags, q))


def dispersion(sums: Floats, n: Ints) -> tuple[float, float]:
    """H and its p-value on both sides: whether means of standardised scores differ as those of independent rows do.

    ``sums`` are those of the scores of ``n`` rows each, which over all rows have mean 0 and variance 1. H = (N - 1)/N
    sum s^2/n is Kruskal and Wallis' statistic where scores are ranks: chi-square on the number of means less 1. Too
    large: rows hang together or levels differ; too small: rows balance each other.

    >>> h, p = dispersion(np.array([6.0, -6.0]), np.array([50, 50]))       # 99/100 (36/50 + 36/50)
    >>> round(h, 4), round(p, 4)                                          # twice the upper tail of one degree
    (1.4256, 0.465)

    Source: Kruskal and Wallis (1952), "Use of ranks in one-criterion variance analysis", equation 1.1.
    """
    n_all = int(n.sum())
    h = (n_all - 1) / n_all * float((sums * sums / n).sum())
    free = len(n) - 1
    upper, lower = float(special.chdtrc(free, h)), float(special.chdtr(free, h))
    return h, min(1.0, 2.0 * min(upper, lower))


def dependence(
    plan: Plan,
    batches: Mapping[str, Summary],
    windows: Mapping[str, Summary] | None = None,
    state: State | None = None,
    *,
    independent: bool = False,
) -> Dependence:
    """What the reference, and what was judged so far, show of dependence between rows.

    ``batches`` and ``windows`` have the reference by consecutive rows and by windows of time, as for
    ``inflation.inflation``; ``state`` has what was judged. ``independent``: the user declared that rows are independent.
    Each test is made for each row of the plan that has 8 means or more, of 5 rows or more beside its fullest cell; a
    reference without order is one batch, and not tested.

    *Proved* is the guarantee of ``e_detector_rows`` alone, so it takes that declaration, a reference whose batches could
    be tested, and that no test speaks against it. Else it is *calibrated*.
    """
    return conclude(of_reference(plan, batches, windows), plan, state, independent=independent)


def of_reference(
    plan: Plan, batches: Mapping[str, Summary], windows: Mapping[str, Summary] | None = None
) -> tuple[Finding, Finding, Finding]:
    """The tests on the reference, which are made once: see ``dependence``."""
    return (
        _least(plan, _each(plan, batches, _serial_p)),
        _least(plan, _each(plan, batches, _dispersion_p)),
        _least(plan, _each(plan, windows or {}, _windows_p)),
    )


def conclude(
    reference: tuple[Finding, Finding, Finding],
    plan: Plan,
    state: State | None,
    *,
    independent: bool = False,
) -> Dependence:
    """What follows from the tests on the reference and from what was judged so far: see ``dependence``."""
    found = (*reference, _least(plan, _judged_p(plan, state)))
    season = _season(state)
    guarantee, why = _guarantee(independent, found, season)
    words = (
        _words(found[0], "batches of the reference in their order", "hang together"),
        _words(found[1], "batches of the reference", "differ otherwise than rows do"),
        _words(found[2], "windows of the reference", "differ otherwise than rows do"),
        _words(found[3], "windows judged so far", "differ more than rows do"),
        "season: unknown, fewer than two periods were judged" if season == "unknown" else f"season: {season}",
        f"{guarantee}: {why}",
    )
    return Dependence(*found, season, guarantee, words)


def _guarantee(independent: bool, found: tuple[Finding, ...], season: str) -> tuple[str, str]:
    if not independent:
        return "calibrated", "rows were not declared independent"
    if any(one.rejects for one in found):
        return "calibrated", "rows were declared independent, but the tests speak against it"
    if season.startswith("of"):
        return "calibrated", f"rows were declared independent, but a season {season} was found"
    if not found[0].tested:
        return (
            "calibrated",
            "rows were declared independent, but the reference has too few, or no order, to check it",
        )
    return "proved", "rows were declared independent, and no test speaks against it"


def _words(found: Finding, what: str, verb: str) -> str:
    if not found.tested:
        return f"{what}: not tested, fewer than {_MEANS_MIN} of enough rows"
    said = f"{verb}, {found.watch} most" if found.rejects else "as of independent rows"
    return f"{what}: {said} (least p {found.p_value:.2g}, corrected for {found.tested} tested)"


def _least(plan: Plan, p_values: Floats) -> Finding:
    """Bonferroni's least p-value over the rows that were tested; NaN marks those that were not."""
    tested = int((~np.isnan(p_values)).sum())
    if not tested:
        return Finding(0, float("nan"), "")
    row = int(np.nanargmin(p_values))
    watch = plan.watches[int(np.searchsorted(plan.first, row, side="right")) - 1].id
    return Finding(tested, min(1.0, float(p_values[row]) * tested), watch)


def _each(plan: Plan, summaries: Mapping[str, Summary], p_value: Callable[[Floats, Ints], float]) -> Floats:
    """The p-value of each row of the plan, NaN where it cannot be tested."""
    out = np.full(len(plan.key), np.nan)
    for column in set(plan.grids) & set(summaries):
        part = plan.rows_of(column)
        for row in range(part.start, part.stop):
            scores, coarse = coarse_counts(plan, row, summaries[column])
            coarse = coarse[:, coarse.sum(axis=0) > 0]
            whole = coarse.sum(axis=1)
            beside = whole.sum() - whole.max()
            if coarse.shape[1] >= _MEANS_MIN and beside >= _EXPECTED_MIN * coarse.shape[1]:
                n = coarse.sum(axis=0)
                unit = whole @ (scores * scores) / whole.sum() - (whole @ scores / whole.sum()) ** 2
                if unit <= 0:  # all rows lie in cells of one score: nothing varies
                    continue
                sums = (scores - whole @ scores / whole.sum()) @ coarse / np.sqrt(unit)
                out[row] = p_value(sums, n)
    return out


def _serial_p(sums: Floats, n: Ints) -> float:
    return ljung_box(sums / n, min(_LAGS, len(n) // 4))[1]


def _dispersion_p(sums: Floats, n: Ints) -> float:
    return dispersion(sums, n)[1]


def _windows_p(sums: Floats, n: Ints) -> float:
    large = n >= ROWS_MIN  # the first and the last may be cut
    if large.sum() < _MEANS_MIN:
        return float("nan")
    sums, n = sums[large], n[large]
    return dispersion(sums - n * sums.sum() / n.sum(), n)[1]


def _judged_p(plan: Plan, state: State | None) -> Floats:
    """P(chi-square on d degrees of freedom > Q): scores in sequence are independent, of variance 1, if rows are."""
    if state is None:
        return np.full(len(plan.key), np.nan)
    p = special.chdtrc(np.maximum(state.judged, 1), state.dispersion)
    return np.where(state.judged >= _MEANS_MIN, p, np.nan)


def _season(state: State | None) -> str:
    if state is None or not len(state.key):
        return "unknown"
    of_day, of_week = seasons(state, np.arange(len(state.key)))
    if bool((state.season == OF_WEEK).any() or (of_week < SEASON_LEVEL).any()):
        return "of a week"
    if bool((state.season == OF_DAY).any() or (of_day < SEASON_LEVEL).any()):
        return "of a day"
    return "none" if state.phase_windows.max() >= 2 * state.phases.shortest > 2 else "unknown"

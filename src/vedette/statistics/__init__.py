"""Statistics: rows come in, summaries and figures go out.

``summarise_numeric``, ``summarise_category`` and ``summarise_quality`` count the rows of many windows on a
frozen ``Grid``; the ``Summary`` is small, and adding two summaries is the summary of both. A ``Statistic``
reads figures off summaries: for each window a value, its interval and the number of rows it rests on, or the
reason why there is none. Nothing here knows of a store, a clock or a threshold.

To add a statistic, write a class with ``name``, ``kinds``, ``needs_reference`` and ``figures`` as
``Statistic`` says, in a file of its own, and put an instance into ``STATISTICS`` below; from another package,
name it in an entry point of the group ``vedette.statistics``. ``tests/test_every_statistic.py`` runs the
shared checks on each.

>>> import numpy as np
>>> grid = numeric_grid("age", np.arange(20.0, 80.0).repeat(5))
>>> ages, window = np.array([30.0, 40.0, np.nan, 50.0, 60.0]), np.array([0, 0, 0, 1, 1])
>>> figures = STATISTICS["missing_share"].figures(summarise_numeric(grid, ages, window=window, n_windows=2))
>>> figures.value.round(2).tolist(), figures.n.tolist()
([0.33, 0.0], [3, 2])
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from vedette.statistics.accuracy import Accuracy
from vedette.statistics.average_precision import AveragePrecision
from vedette.statistics.averages import Averaged
from vedette.statistics.balanced_accuracy import BalancedAccuracy
from vedette.statistics.bias import Bias
from vedette.statistics.breakdowns import AreaPerClass, ConfusionShares, SharePerClass, SupportPerClass
from vedette.statistics.brier import Brier
from vedette.statistics.calibration import ExpectedCalibrationError
from vedette.statistics.chi_square import ChiSquare
from vedette.statistics.concept_shift import ConceptShift
from vedette.statistics.counting import summarise_category, summarise_numeric
from vedette.statistics.counting_error import summarise_error
from vedette.statistics.counting_quality import summarise_quality
from vedette.statistics.direction_figures import DirectionShift
from vedette.statistics.direction_grid import summarise_vectors
from vedette.statistics.distinct import Distinct
from vedette.statistics.error_rate import ErrorRate
from vedette.statistics.estimates import Estimates
from vedette.statistics.f1 import F1
from vedette.statistics.grid import (
    Grid,
    category_grid,
    error_grid,
    latency_grid,
    merge_cells,
    numeric_grid,
    quality_grid,
    vector_grid,
)
from vedette.statistics.hellinger import Hellinger
from vedette.statistics.jensen_shannon import JensenShannon
from vedette.statistics.kolmogorov_smirnov import KolmogorovSmirnov
from vedette.statistics.log_loss import LogLoss
from vedette.statistics.mae import MeanAbsoluteError
from vedette.statistics.mape import MeanAbsolutePercentageError
from vedette.statistics.matthews import Matthews
from vedette.statistics.mean import Mean
from vedette.statistics.mse import MeanSquaredError
from vedette.statistics.precision import Precision
from vedette.statistics.psi import Psi
from vedette.statistics.quantile import Quantile
from vedette.statistics.quantile_loss import QuantileLoss
from vedette.statistics.r2 import R2
from vedette.statistics.recall import Recall
from vedette.statistics.rmse import RootMeanSquaredError
from vedette.statistics.roc_auc import RocAuc
from vedette.statistics.rows import Rows
from vedette.statistics.sd import Sd
from vedette.statistics.shares import InfiniteShare, MissingShare, UnseenShare
from vedette.statistics.specificity import Specificity
from vedette.statistics.summary import Summary
from vedette.statistics.throughput import Throughput
from vedette.statistics.total_variation import TotalVariation
from vedette.statistics.wasserstein import Wasserstein

__all__ = [
    "BREAKDOWNS",
    "STATISTICS",
    "SUMMARISERS",
    "Breakdown",
    "Estimates",
    "Grid",
    "Statistic",
    "Summary",
    "category_grid",
    "error_grid",
    "every_statistic",
    "find_statistic",
    "latency_grid",
    "merge_cells",
    "numeric_grid",
    "quality_grid",
    "summarise_category",
    "summarise_error",
    "summarise_numeric",
    "summarise_quality",
    "summarise_vectors",
    "vector_grid",
]


@runtime_checkable
class Statistic(Protocol):
    """A figure that can be read off summaries."""

    @property
    def name(self) -> str:
        """What it is called in ``Monitor.figures``; the unit last."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of grid (numeric, category, vector, quality, error, latency) whose summaries it reads."""

    @property
    def needs_reference(self) -> bool:
        """True where windows are compared with a reference."""

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """The figures of W windows: all computed at once, none depending on another window.

        Where there is nothing to say the answer is a reason, never a warning and never a bare NaN.
        """


@runtime_checkable
class Breakdown(Protocol):
    """Several figures of a kind that can be read off a summary, one for each of its parts, such as classes."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of grid whose summaries it reads."""

    def figures(
        self, current: Summary, reference: Summary | None = None, level: float = 0.95
    ) -> dict[str, Estimates]:
        """The figures of W windows by part; which parts there are depends on the grid alone."""


STATISTICS: dict[str, Statistic] = {
    statistic.name: statistic
    for statistic in (
        Rows(),
        Throughput(),
        ErrorRate(),
        MissingShare(),
        InfiniteShare(),
        UnseenShare(),
        Distinct(),
        Mean(),
        Sd(),
        Quantile("p01", 0.01),
        Quantile("p05", 0.05),
        Quantile("p25", 0.25),
        Quantile("p50", 0.50),
        Quantile("p75", 0.75),
        Quantile("p95", 0.95),
        Quantile("p99", 0.99),
        Psi(),
        Wasserstein("wasserstein"),
        Wasserstein("wasserstein_sd", in_reference_sd=True),
        JensenShannon(),
        Hellinger(),
        KolmogorovSmirnov(),
        ChiSquare(),
        TotalVariation(),
        DirectionShift("mmd_sd"),
        DirectionShift("mean_shift_sd"),
        DirectionShift("covariance_change"),
        Accuracy(),
        BalancedAccuracy(),
        Precision(),
        Recall(),
        Specificity(),
        F1(),
        Matthews(),
        Averaged("precision", "macro"),
        Averaged("precision", "micro"),
        Averaged("precision", "weighted"),
        Averaged("recall", "macro"),
        Averaged("recall", "micro"),
        Averaged("recall", "weighted"),
        Averaged("f1", "macro"),
        Averaged("f1", "micro"),
        Averaged("f1", "weighted"),
        RocAuc(),
        AveragePrecision(),
        LogLoss(),
        Brier(),
        ExpectedCalibrationError(),
        ConceptShift(),
        MeanAbsoluteError(),
        RootMeanSquaredError(),
        MeanSquaredError(),
        MeanAbsolutePercentageError(),
        R2(),
        Bias(),
        QuantileLoss("quantile_loss_p10", 0.1),
        QuantileLoss("quantile_loss_p50", 0.5),
        QuantileLoss("quantile_loss_p90", 0.9),
        Quantile("error_p05", 0.05, kinds=("error",)),
        Quantile("error_p50", 0.50, kinds=("error",)),
        Quantile("error_p95", 0.95, kinds=("error",)),
        Quantile("latency_p50_s", 0.50, kinds=("latency",)),
        Quantile("latency_p95_s", 0.95, kinds=("latency",)),
        Quantile("latency_p99_s", 0.99, kinds=("latency",)),
    )
}
"""The statistics that come with vedette, by name."""

BREAKDOWNS: dict[str, Breakdown] = {
    breakdown.name: breakdown
    for breakdown in (
        SharePerClass("precision"),
        SharePerClass("recall"),
        SharePerClass("f1"),
        SupportPerClass(),
        AreaPerClass(),
        ConfusionShares(),
    )
}
"""The breakdowns that come with vedette, by name."""

SUMMARISERS: dict[str, Callable[..., Summary]] = {
    "numeric": summarise_numeric,
    "latency": summarise_numeric,
    "vector": summarise_numeric,
    "category": summarise_category,
    "quality": summarise_quality,
    "error": summarise_error,
    "directions": summarise_vectors,
}
"""What makes the summary of a column, by the kind of its grid."""


@cache
def every_statistic() -> dict[str, Statistic]:
    """The statistics of vedette and those that installed packages bring, by name; looked up once.

    Raises ``ValueError`` where an entry point of the group ``vedette.statistics`` is no ``Statistic``, or its
    name is taken.
    """
    found = dict(STATISTICS)
    for entry in entry_points(group="vedette.statistics"):
        loaded = entry.load()
        statistic = loaded() if isinstance(loaded, type) else loaded
        if not isinstance(statistic, Statistic):
            raise ValueError(f"entry point {entry.name} = {entry.value}: must be a Statistic")
        if statistic.name in found:
            raise ValueError(
                f"entry point {entry.name} = {entry.value}: the name {statistic.name!r} is taken"
            )
        found[statistic.name] = statistic
    return found


def find_statistic(name: str) -> Statistic:
    """The statistic of that name; ``ValueError`` with the names there are where there is none.

    >>> find_statistic("psi").needs_reference
    True
    """
    if name in STATISTICS:  # no look-up of entry points for vedette's own
        return STATISTICS[name]
    try:
        return every_statistic()[name]
    except KeyError:
        raise ValueError(f"metric={name!r}: must be one of {', '.join(every_statistic())}") from None

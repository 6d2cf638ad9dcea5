"""What values a figure can have at all: a threshold beyond them is a slip."""

from __future__ import annotations

import math

from vedette.statistics.structured import TASK_FIGURES

__all__ = ["bounds_of"]

_SHARES = frozenset(
    (
        *("error_rate", "missing_share", "infinite_share", "unseen_share", "jensen_shannon", "hellinger"),
        *(
            "kolmogorov_smirnov",
            "chi_square",
            "total_variation",
            "accuracy",
            "balanced_accuracy",
            "precision",
        ),
        *("recall", "specificity", "f1", "roc_auc", "average_precision", "expected_calibration_error"),
        "concept_shift",
        *(
            f"{name}_{kind}"
            for name in ("precision", "recall", "f1")
            for kind in ("macro", "micro", "weighted")
        ),
    )
)
_ABOVE_0 = frozenset(
    (
        *(
            "rows",
            "throughput_per_s",
            "distinct",
            "sd",
            "psi",
            "wasserstein",
            "wasserstein_sd",
            "log_loss",
            "mae",
        ),
        *("rmse", "mse", "mape", "latency_p50_s", "latency_p95_s", "latency_p99_s"),
        *("quantile_loss_p10", "quantile_loss_p50", "quantile_loss_p90"),
    )
)


def bounds_of(metric: str) -> tuple[float, float]:
    """The least and the greatest value that a figure can have; infinite where there is no bound.

    >>> bounds_of("accuracy"), bounds_of("mean")
    ((0.0, 1.0), (-inf, inf))
    """
    if metric == "coverage_error":
        return 0.0, math.inf
    if metric in _SHARES or any(metric in own for own in TASK_FIGURES.values()):
        return 0.0, 1.0
    if metric in _ABOVE_0:
        return 0.0, math.inf
    if metric == "matthews":
        return -1.0, 1.0
    if metric == "brier":
        return 0.0, 2.0  # of more than two classes
    return (-math.inf, 1.0) if metric == "r2" else (-math.inf, math.inf)

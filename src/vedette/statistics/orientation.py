"""Of which figures less is better: what must be known before a version can be called better than another."""

from __future__ import annotations

__all__ = ["higher_is_better"]

_LOWER = frozenset(
    {
        "brier",
        "coverage_error",
        "disagreement",
        "empty_queries",
        "error_rate",
        "expected_calibration_error",
        "hamming_loss",
        "infinite_share",
        "latency_s",
        "log_loss",
        "mae",
        "mape",
        "missing_share",
        "mse",
        "rmse",
    }
)
_HIGHER = frozenset(
    {
        "accuracy",
        "average_precision",
        "balanced_accuracy",
        "label_ranking_average_precision",
        "matthews",
        "r2",
        "roc_auc",
        "specificity",
        "subset_accuracy",
    }
)
_LOWER_BEGIN = ("latency_", "quantile_loss_")
_HIGHER_BEGIN = ("f1", "hit_rate", "jaccard", "map", "mrr", "ndcg", "precision", "recall")


def higher_is_better(metric: str) -> bool | None:
    """Whether more of a figure is better; None where that depends on what it is of, as with the mean of a column.

    >>> [higher_is_better(name) for name in ("accuracy", "latency_p99_s", "ndcg@10", "mean")]
    [True, False, True, None]
    """
    if metric in _LOWER or metric.startswith(_LOWER_BEGIN):
        return False
    if metric in _HIGHER or metric.startswith(_HIGHER_BEGIN):
        return True
    return None

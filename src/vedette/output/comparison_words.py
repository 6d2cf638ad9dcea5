"""What a report of two files says in words, the same on the page and in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vedette.output.comparison import Column, Comparison, Figures, Side, Together
from vedette.output.numbers import number
from vedette.records import Status
from vedette.statistics.orientation import higher_is_better

__all__ = [
    "apart",
    "column_status",
    "compared_words",
    "figure_status",
    "got_worse",
    "is_main",
    "metric_words",
    "only_words",
    "silent_words",
    "summary",
    "together_words",
    "verdict_mark",
    "verdict_words",
    "without_value",
]

_METRICS = {
    "psi": "PSI",
    "kolmogorov_smirnov": "Kolmogorov-Smirnov",
    "chi_square": "chi-square",
    "jensen_shannon": "Jensen-Shannon",
    "hellinger": "Hellinger",
    "wasserstein": "Wasserstein",
    "wasserstein_sd": "Wasserstein, sd",
    "ngram_shift_sd": "n-grams, sd",
    "new_share": "new values",
    "mmd": "MMD",
    "mmd_sd": "MMD as a shift, sd",
    "mean_shift_sd": "mean shift, sd",
    "sd": "standard deviation",
    "p50": "median",
    "roc_auc": "ROC AUC",
    "matthews": "MCC",
    "brier": "Brier score",
    "expected_calibration_error": "calibration error",
    "mape": "MAPE",
    "f1": "F1",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
}


def metric_words(metric: str) -> str:
    """A metric's name for people.

    >>> metric_words("missing_share"), metric_words("psi"), metric_words("latency_p99_s")
    ('missing share', 'PSI', 'latency p99')
    """
    return _METRICS.get(metric) or metric.removesuffix("_s").replace("_", " ")


def without_value(figures: Iterable[Figures]) -> dict[str, list[str]]:
    """The names of figures that have no value, for all rows, by the reason; a reason of several can be told once."""
    out: dict[str, list[str]] = {}
    for one in figures:
        none = one.current.value is None and (one.reference is None or one.reference.value is None)
        if none and not one.segment and one.current.reason:
            out.setdefault(one.current.reason, []).append(one.metric)
    return {reason: metrics for reason, metrics in out.items() if len(metrics) > 1}


def silent_words(metrics: Sequence[str]) -> str:
    """The names of figures that share a reason, without those that are one class's or one way to average."""
    return ", ".join(map(metric_words, [one for one in metrics if is_main(one)] or metrics))


def is_main(metric: str) -> bool:
    """False for what is one class's, or one of several ways to average over classes: told after the others.

    >>> is_main("f1"), is_main("f1_micro"), is_main("f1[spam]")
    (True, False, False)
    """
    of_class = metric.endswith("]") and not metric.startswith("[")
    return not of_class and not metric.endswith(("_macro", "_micro", "_weighted"))


def apart(one: Column) -> bool:
    """True for identifiers and times, which are not meant to be compared."""
    return one.role in ("id", "time") or one.kind == "time"


def verdict_words(one: Column, *, compared: bool = True) -> str:
    """What was decided of a column, in one to five words; "" where nothing was compared and nothing is wrong."""
    if one.changed is None:
        return "not compared" if apart(one) else "cannot be judged" if compared else ""
    if not one.changed:
        return "no change told"
    return "changed, too small to matter" if one.matters is False else "changed"


def together_words(one: Together) -> str:
    """What was decided of all columns together."""
    if one.changed is None:
        return "cannot be judged"
    if not one.changed:
        return "no change told"
    return "changed, too small to matter" if one.matters is False else "changed"


def verdict_mark(one: Column) -> str:
    """The colour of what was decided of a column, as a name of the theme; "" where it is of no concern."""
    if one.changed is None:
        return "" if apart(one) else "UNKNOWN"
    return column_status(one).value if one.changed and one.matters is not False else ""


def column_status(one: Column) -> Status:
    """How grave it is that a column changed: ALARM where it cannot be used any more, else WARN."""
    lost = one.p_value is None and not one.words.startswith("is new")
    return Status.ALARM if lost or _nothing(one.current) else Status.WARN


def _nothing(side: Side | None) -> bool:
    """True where a column has rows, and no value that can be used."""
    return side is not None and 0 < side.rows == side.missing + side.nan + side.inf


def figure_status(one: Figures) -> Status:
    """How grave it is that a figure changed: ALARM where the model got worse, else OK."""
    if one.reference is None or one.current.value is None or one.reference.value is None:
        return Status.UNKNOWN
    worse = got_worse(one.metric, one.reference.value, one.current.value)
    return Status.ALARM if worse else Status.OK


def got_worse(metric: str, before: float, now: float) -> bool:
    """True where a figure says that predictions became worse; of a bias only its size counts.

    >>> got_worse("recall[a]", 1.0, 0.5), got_worse("bias", -1.0, 0.5), got_worse("quantile_loss_p10", 1.0, 2.0)
    (True, False, True)
    """
    if metric == "bias":
        return abs(now) > abs(before)
    return now > before if higher_is_better(metric) is False else now < before


def only_words(one: Column) -> str:
    """Which file alone has a column; "" where both have it, or neither is described."""
    if (one.current is None) == (one.reference is None):
        return ""
    return "only in the reference" if one.current is None else "only in the current file"


def compared_words(report: Comparison) -> str:
    """How many columns changed, under which error rate, by which procedure, over how many tests."""
    total = len(report.columns)
    columns = f"{total:,} column{'' if total == 1 else 's'}"
    if report.reference is None:
        return f"{columns}; there is no reference to compare with"
    changed = sum(one.changed is True for one in report.columns)
    small = sum(one.changed is True and one.matters is False for one in report.columns)
    unknown = sum(one.changed is None and not apart(one) for one in report.columns)
    aside = [
        *([f"{small:,} of them too little to matter"] if small else []),
        *([f"{unknown:,} cannot be judged"] if unknown else []),
    ]
    said = f"{changed:,} of {columns} changed" + (f" ({'; '.join(aside)})" if aside else "")
    tests = f"{report.hypotheses:,} hypothes{'is' if report.hypotheses == 1 else 'es'}"
    return f"{said}, under one error rate of {number(report.rate, '%')} by {report.method} over {tests}"


def summary(report: Comparison) -> str:
    """One sentence without the files' names: the rows, and what ``compared_words`` tells."""
    rows = f"{report.rows:,} rows"
    if report.reference_rows is not None:
        rows += f" against {report.reference_rows:,} of the reference"
    return f"{rows}: {compared_words(report)}."

"""Figures of models that give each row any number of labels.

``summarise_multilabel`` counts rows; a ``MultilabelSummary`` is small, and adding two is the summary of both, so that rows may
come in any order and in shards. ``multilabel_figures`` reads figures off it, each with its interval or a reason.

>>> truth, prediction = [[1, 0, 1], [0, 1, 0]] * 20, [[1, 0, 0], [0, 1, 0]] * 20
>>> figures = multilabel_figures(summarise_multilabel(truth, prediction))
>>> figures["subset_accuracy"].value, figures["precision_micro"].value, round(figures["recall_micro"].value, 4)
(0.5, 1.0, 0.6667)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.bounded_mean import VALUES_MIN, Powers
from vedette.statistics.class_shares import delta_limits
from vedette.statistics.clusters import CLUSTERS_MIN, Clustered, jaccard_to_f1
from vedette.statistics.estimates import check_level
from vedette.statistics.intervals import share
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown

__all__ = [
    "LABELS_CROSSED",
    "MULTILABEL",
    "SUPPORT_MIN",
    "MultilabelSummary",
    "multilabel_figure",
    "multilabel_figures",
    "row_values",
    "summarise_multilabel",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LABELS_CROSSED = 200
"""Up to so many labels it is counted how often two come together; with more, averages over labels take them as always."""

SUPPORT_MIN = 5
"""With fewer rows that have or were given a label, on average over labels, plain averages over labels have no interval."""

_BY_ROW = ("precision_samples", "recall_samples", "f1_samples", "jaccard_samples", "hamming_loss")
_BY_SCORE = ("label_ranking_average_precision", "coverage_error")
_SHARES = ("precision", "recall", "f1", "jaccard")

MULTILABEL = (
    "subset_accuracy",
    *_BY_ROW,
    *_BY_SCORE,
    *(f"{which}_micro" for which in _SHARES),
    *(f"{which}_{average}" for which in _SHARES for average in ("macro", "weighted")),
)
"""The names of the figures."""


@dataclass(frozen=True, slots=True, eq=False)
class MultilabelSummary:
    """The counts of some rows.

    ``labels`` are the L names, ``rows`` the number of rows, ``exact`` of those all of whose labels are right. ``counts`` (int64
    [3, L]) are rows by label: right, predicted, true. ``crossed`` (int64 [3 L, 3 L], or None with more than 200 labels) is how
    often two of these come together. ``clustered`` has, for right among predicted, among true, and among both together, the
    sums over rows. ``powers`` are those of each row's own figures, the last two of rows with scores.
    """

    labels: tuple[str, ...]
    rows: int
    exact: int
    counts: Integers
    crossed: Integers | None
    clustered: tuple[Clustered, Clustered, Clustered]
    powers: Powers

    def __add__(self, other: MultilabelSummary) -> MultilabelSummary:
        """The summary of both sets of rows; ``ValueError`` where the labels differ."""
        if not isinstance(other, MultilabelSummary):
            return NotImplemented
        if self.labels != other.labels:
            raise ValueError("summaries of different labels, or in another order: must be the same")
        crossed = None
        if self.crossed is not None and other.crossed is not None:
            crossed = self.crossed + other.crossed
        first, second, third = (one + two for one, two in zip(self.clustered, other.clustered, strict=True))
        return MultilabelSummary(
            self.labels,
            self.rows + other.rows,
            self.exact + other.exact,
            self.counts + other.counts,
            crossed,
            (first, second, third),
            self.powers + other.powers,
        )


def summarise_multilabel(
    truth: npt.ArrayLike,
    predictions: npt.ArrayLike,
    scores: npt.ArrayLike | None = None,
    labels: Sequence[str] | None = None,
) -> MultilabelSummary:
    """The summary of rows: which labels each has and which it was given, [N, L] of 0 and 1; ``scores`` [N, L] of any kind.

    ``labels`` are their names (default: their places). A row with a NaN score is in no figure of scores. Raises
    ``ValueError`` where shapes differ or there is another value than 0 and 1.
    """
    true, given = _signs(truth, "truth"), _signs(predictions, "predictions")
    if true.shape != given.shape:
        raise ValueError(f"truth of shape {true.shape} and predictions of {given.shape}: must be the same")
    n, n_labels = true.shape
    names = tuple(str(one) for one in (range(n_labels) if labels is None else labels))
    if len(names) != n_labels or len(set(names)) < n_labels:
        raise ValueError(f"labels={list(names)!r}: must be {n_labels} different names")
    right = true & given
    score = None
    if scores is not None:
        score = np.asarray(scores, dtype=np.float64)
        if score.shape != true.shape:
            raise ValueError(f"scores of shape {score.shape}: must be {true.shape}")
    values = row_values(true, given, score)
    both, own, others = (one.sum(axis=1) for one in (right, given, true))
    parts = np.concatenate([right, given, true], axis=1)
    crossed = None
    if n_labels <= LABELS_CROSSED:
        ones = parts.astype(np.float64)  # exact up to 2^53 rows, and a product of floats is fast
        crossed = np.rint(ones.T @ ones).astype(np.int64)
    return MultilabelSummary(
        names,
        n,
        int((true == given).all(axis=1).sum()),
        parts.sum(axis=0).reshape(3, n_labels),
        crossed,
        (Clustered.of(both, own), Clustered.of(both, others), Clustered.of(both, own + others - both)),
        Powers.of(values),
    )


def row_values(
    true: npt.NDArray[np.bool_], given: npt.NDArray[np.bool_], score: Floats | None = None
) -> Floats:
    """Each row's own figures [N, 7], from what is true and what was given of its labels, [N, L] each.

    Precision, recall, F1, the Jaccard index and the share of labels that are wrong; then, of rows with scores [N, L], label
    ranking average precision and coverage, else NaN.

    >>> row_values(np.array([[True, False]]), np.array([[True, True]])).round(3).tolist()[0][:5]
    [0.5, 1.0, 0.667, 0.5, 0.5]
    """
    values = np.full((len(true), len(_BY_ROW) + len(_BY_SCORE)), np.nan)
    both, own, others = (one.sum(axis=1) for one in (true & given, given, true))
    values[:, 0] = both / np.maximum(own, 1)
    values[:, 1] = both / np.maximum(others, 1)
    values[:, 2] = 2 * both / np.maximum(own + others, 1)
    values[:, 3] = both / np.maximum(own + others - both, 1)
    values[:, 4] = (true != given).mean(axis=1)
    if score is not None:
        values[:, 5], values[:, 6] = _by_score(true, score)
    return values


def _signs(values: npt.ArrayLike, name: str) -> npt.NDArray[np.bool_]:
    given = np.asarray(values)
    if given.ndim != 2 or given.shape[1] == 0:
        raise ValueError(f"{name} of shape {given.shape}: must be [rows, labels], with a label or more")
    wrong = given[~((given == 0) | (given == 1))]
    if wrong.size:
        raise ValueError(f"{name}: {wrong.flat[0]}: must be 0 or 1")
    return given.astype(np.bool_)


def _by_score(true: npt.NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats]:
    """Label ranking average precision and coverage of each row; NaN where a score is.

    The rank of a label is the number of labels with its score or a higher one.
    """
    n, n_labels = score.shape
    order = np.argsort(-score, axis=1, kind="stable")
    sorted_score = np.take_along_axis(score, order, axis=1)
    hits = np.take_along_axis(true, order, axis=1)
    # the last place of each tie, from the right
    ends = np.ones((n, n_labels), dtype=np.bool_)
    ends[:, :-1] = sorted_score[:, 1:] != sorted_score[:, :-1]
    place = np.where(ends, np.arange(1, n_labels + 1), n_labels + 1)
    rank = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    upto = np.take_along_axis(np.cumsum(hits, axis=1), np.minimum(rank, n_labels) - 1, axis=1)
    n_hits = hits.sum(axis=1)
    average = np.where(hits, upto / rank, 0.0).sum(axis=1) / np.maximum(n_hits, 1)
    average[(n_hits == 0) | (n_hits == n_labels)] = 1.0
    coverage = np.where(hits, rank, 0).max(axis=1).astype(np.float64)
    bad = np.isnan(score).any(axis=1)
    average[bad], coverage[bad] = np.nan, np.nan
    return average, coverage


def multilabel_figures(summary: MultilabelSummary, level: float = 0.95) -> dict[str, Measured]:
    """The figures, by name. Values are scikit-learn's with ``zero_division=0``, but for labels that do not occur.

    * ``subset_accuracy``: the share of rows all of whose labels are right; a share's interval.
    * ``hamming_loss``: the share of labels that are wrong, meant over rows.
    * ``precision``, ``recall``, ``f1`` and ``jaccard`` with ``_micro`` (over all labels of all rows at once), ``_macro`` (the
      plain average over the labels that occur as truth or prediction), ``_weighted`` (by the rows that have each label) and
      ``_samples`` (of each row, meant over rows; 0 of a row without any). The Jaccard index is TP/(TP + FP + FN).
    * ``label_ranking_average_precision`` and ``coverage_error``, of rows with scores: how many of the labels ranked as high as
      a true one or higher are true, and how far one has to go down to have all that are true (0 of a row without any).

    Means over rows have the interval of ``bounded_mean.mean_between``. Of ``_micro`` it is a share's with as many rows as give it
    the variance that it has over rows (``clusters.effective_rows``). Of ``_macro`` and ``_weighted`` it is, on each side the
    further out, that of the delta method on how often labels come together, and the labels' own intervals added up as if
    they were independent (MOVER). The upper limit is raised by what F1 and Jaccard come out too low on average, the lower one
    lowered by what ``_weighted`` comes out too high: labels with more true rows than usual have more right ones. With more
    than 200 labels they are added up as if all went together. All of these are conservative.

    ``n`` counts rows, of ``_micro`` the labels that it is a share of. Fewer than 10 rows, no label to take a share of, or fewer
    than 5 rows to a label for averages over labels, are a reason. Rows must be independent.

    Raises ``ValueError`` for a level outside (0, 1).

    Sources: G. Tsoumakas, I. Katakis and I. Vlahavas (2010), Data Mining and Knowledge Discovery Handbook, 667-685; G. Y. Zou
    and A. Donner (2008), Statistics in Medicine 27, 1693-1702.
    """
    return {name: multilabel_figure(summary, name, level) for name in MULTILABEL}


def multilabel_figure(summary: MultilabelSummary, name: str, level: float = 0.95) -> Measured:
    """One of these figures; ``ValueError`` for a name that is none, or a level outside (0, 1)."""
    check_level(level)
    if name not in MULTILABEL:
        raise ValueError(f"name={name!r}: must be one of {', '.join(MULTILABEL)}")
    if name == "subset_accuracy":
        return _exact(summary, level)
    if name in (*_BY_ROW, *_BY_SCORE):
        most = float(len(summary.labels)) if name == "coverage_error" else 1.0
        found = summary.powers.mean((*_BY_ROW, *_BY_SCORE).index(name), level, 0.0, most)
        what = "rows" if name in _BY_ROW else "rows with scores"
        return found if found.known else unknown(f"{found.reason} {what}", found.n)
    which, _, average = name.partition("_")
    if average != "micro":
        return _over_labels(summary, which, average, level) if summary.rows else unknown("no rows")
    predicted, true, either = summary.clustered
    if which == "precision":
        return predicted.share(level, "rows", "predicted labels")
    if which == "recall":
        return true.share(level, "rows", "true labels")
    jaccard = either.share(level, "rows", "true or predicted labels")
    return jaccard if which == "jaccard" else jaccard_to_f1(jaccard, predicted.rows + true.rows)


def _exact(summary: MultilabelSummary, level: float) -> Measured:
    n = summary.rows
    if n < VALUES_MIN:
        return unknown(f"fewer than {VALUES_MIN}: {n} rows", n)
    low, high = share(summary.exact, n, level)
    few = min(summary.exact, n - summary.exact) < VALUES_MIN
    return Measured.of(summary.exact / n, float(low), float(high), n, CONSERVATIVE if few else None)


def _over_labels(summary: MultilabelSummary, which: str, average: str, level: float) -> Measured:
    """A figure averaged over labels, plainly or by how many rows have each."""
    right, predicted, true = summary.counts.astype(np.float64)
    n = summary.rows
    seen = predicted + true > 0
    weight = (seen if average == "macro" else true).astype(np.float64)
    if not weight.any():
        return unknown("no label occurs" if average == "macro" else "no true labels", n)
    occurring = int(seen.sum())
    if n < CLUSTERS_MIN:
        return unknown(f"fewer than {CLUSTERS_MIN} rows: {n}", n)
    if (predicted + true).sum() < 2 * SUPPORT_MIN * occurring:
        return unknown(f"fewer than {SUPPORT_MIN} rows to a label that occurs", n)
    weight /= weight.sum()
    bottom = {
        "precision": predicted,
        "recall": true,
        "f1": predicted + true,
        "jaccard": predicted + true - right,
    }[which]
    gain = 2.0 if which == "f1" else 1.0
    there = bottom > 0
    size = np.maximum(bottom, 1.0)
    value = gain * right / size
    mean = float(weight @ value)
    low, high = share(right, np.where(which == "f1", np.maximum(predicted + true - right, 1.0), size), level)
    if which == "f1":
        low, high = 2 * low / (1 + low), 2 * high / (1 + high)
    below, above = weight * (value - low), weight * np.where(there, high - value, 1.0 - value)
    likely = (bottom * value + 1) / (bottom + 2)
    # the second-order term of the delta method on counts of rare rows, as class_shares has it for F1
    bias = weight * likely * (1 - likely) / size if which in ("f1", "jaccard") else np.zeros_like(weight)
    bias = np.where(there, bias, weight)  # of a label without rows the value is 0 by convention only
    if summary.crossed is None:
        lower, upper = mean - below.sum(), mean + above.sum()
    else:
        variance = _variance(summary, which, average, weight, value, mean)
        far, near = delta_limits(np.array([mean]), np.array([variance]), np.array([n], dtype=np.int64), level)
        lower = min(mean - float(np.sqrt((below**2).sum())), float(far[0]))
        upper = max(mean + float(np.sqrt((above**2).sum())), float(near[0]))
    upper += float(bias.sum())
    if average == "weighted":
        lower -= _with_weights(which, right, predicted, true)
    return Measured.of(mean, max(lower, 0.0), min(upper, 1.0), n, CONSERVATIVE)


def _with_weights(which: str, right: Floats, predicted: Floats, true: Floats) -> float:
    """By how much a weighted average comes out too high: a label with more true rows than usual has more right ones too.

    It is the covariance of weight and value, by the delta method, of labels that few rows have.
    """
    either = np.maximum(predicted + true - right, 1.0)
    pairs = {
        "precision": right / np.maximum(predicted, 1.0) * (1 - right / np.maximum(predicted, 1.0)),
        "recall": np.zeros_like(right),
        "f1": 2 * right * (predicted - right) / np.maximum(predicted + true, 1.0) ** 2,
        "jaccard": right / either * (1 - true / either),
    }
    return float(np.maximum(pairs[which], 0.0).sum() / max(true.sum(), 1.0))


def _variance(
    summary: MultilabelSummary, which: str, average: str, weight: Floats, value: Floats, mean: float
) -> float:
    """The variance of an average over labels by the delta method: a row's pull on it is a sum over what is counted of it."""
    assert summary.crossed is not None
    right, predicted, true = summary.counts.astype(np.float64)
    of = {"precision": (0, 1, 0), "recall": (0, 0, 1), "f1": (0, 1, 1), "jaccard": (-1, 1, 1)}[which]
    bottom = np.maximum(of[0] * right + of[1] * predicted + of[2] * true, 1.0)
    gain = 2.0 if which == "f1" else 1.0
    # of few rows the spread about their own value is too small
    each = weight / bottom * np.sqrt(bottom / np.maximum(bottom - 1, 1.0))
    pull = np.stack([each * (gain - of[0] * value), -of[1] * each * value, -of[2] * each * value])
    if average == "weighted":
        pull[2] += (value - mean) / max(true.sum(), 1.0)
    flat = pull.reshape(-1)
    total = float(flat @ np.stack([right, predicted, true]).reshape(-1))
    squares = float(flat @ summary.crossed.astype(np.float64) @ flat)
    n = summary.rows
    return max(squares - total**2 / n, 0.0) * n / max(n - 1, 1)

"""Figures of sets of labels read off summaries: those of ``statistics.multilabel``, with its counts by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.bounded_mean import Powers
from vedette.statistics.clusters import Clustered
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.grid import Grid
from vedette.statistics.multilabel import MULTILABEL, MultilabelSummary, multilabel_figure, row_values
from vedette.statistics.structured.losses import summary_of
from vedette.statistics.structured.reading import LOSS_EDGES, add_by_window, read, whole
from vedette.statistics.summary import Summary
from vedette.statistics.sums import CROSSED_MAX

__all__ = ["MultilabelFigure", "loss_of_labels", "multilabel_grid", "summarise_labels"]

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

_KINDS = 7  # figures of each row: multilabel.row_values


def multilabel_grid(classes: Sequence[str], column: str = "multilabel") -> Grid:
    """The grid of these labels: rows by what they lost, 1 less the row's F1; ``ValueError`` for none, or too many.

    >>> multilabel_grid(["a", "b"]).cells, multilabel_grid(["a", "b"]).classes
    (22, ('a', 'b'))
    """
    if not classes:
        raise ValueError("classes=(): must be the names of the labels")
    return Grid(column, "multilabel", edges=LOSS_EDGES, classes=tuple(classes))


def loss_of_labels(truth: Booleans, given: Booleans) -> Floats:
    """1 less the F1 of each row [N]; 0 where a row has no label and was given none."""
    either = truth.sum(axis=1) + given.sum(axis=1)
    right = 2.0 * (truth & given).sum(axis=1)
    f1: Floats = np.divide(right, either, out=np.ones(len(either)), where=either > 0)
    return 1.0 - f1


def summarise_labels(
    grid: Grid,
    truth: Booleans,
    given: Booleans,
    scores: Floats | None = None,
    missing: Booleans | None = None,
    window: npt.ArrayLike = 0,
    n_windows: int = 1,
    sign: npt.ArrayLike = 1,
) -> Summary:
    """The summaries of rows by window: which of the grid's labels each has and was given, [N, L] each.

    ``scores`` [N, L], NaN where there are none; ``missing`` [N] are rows without a prediction; ``sign`` -1 takes a row away.
    Raises ``ValueError`` for another kind of grid, or another number of labels.

    >>> a, b = np.array([[True, False]] * 20), np.array([[True, True]] * 20)
    >>> MultilabelFigure("precision_micro").figures(summarise_labels(multilabel_grid(["x", "y"]), a, b)).value.tolist()
    [0.5]
    """
    if grid.kind != "multilabel":
        raise ValueError(f"grid of kind {grid.kind!r}: must be 'multilabel'")
    n, n_labels = truth.shape
    if n_labels != len(grid.classes) or given.shape != truth.shape:
        raise ValueError(
            f"labels of shape {truth.shape} and {given.shape}: must be [rows, {len(grid.classes)}]"
        )
    out_of = np.zeros(n, dtype=np.bool_) if missing is None else missing
    of = np.broadcast_to(np.asarray(window, dtype=np.int64), (n,))
    signs = np.broadcast_to(np.asarray(sign, dtype=np.int64), (n,))
    kept = ~out_of
    right = truth & given
    parts = np.concatenate([right, given, truth], axis=1)[kept].astype(np.float64)
    both, own, others = (one[kept].sum(axis=1).astype(np.float64) for one in (right, given, truth))
    clustered = [
        np.stack([bottom > 0, both, bottom, both**2, both * bottom, bottom**2], axis=1)
        for bottom in (own, others, own + others - both)
    ]
    values = row_values(truth[kept], given[kept], None if scores is None else scores[kept])
    there = ~np.isnan(values)
    x = np.where(there, values, 0.0)
    exact = (truth == given).all(axis=1)[kept, np.newaxis]
    rows = np.concatenate([exact, parts, *clustered, there, x, x**2, x**3], axis=1)
    sums = add_by_window(rows, of[kept], n_windows, signs[kept])
    if n_labels <= CROSSED_MAX:
        sums = np.concatenate([sums, _pairs(parts, of[kept], n_windows, signs[kept])], axis=1)
    return summary_of(grid, loss_of_labels(truth, given), out_of, sums, of, n_windows, signs)


def _pairs(parts: Floats, window: Integers, n_windows: int, sign: Integers) -> Floats:
    """How often two parts come together, by window: the upper triangle, row by row."""
    upper = np.triu_indices(parts.shape[1])
    out = np.zeros((n_windows, len(upper[0])))
    for one in np.unique(window):
        own = window == one
        out[one] = (parts[own].T @ (parts[own] * sign[own, np.newaxis]))[upper]
    return out


def _summary_of(current: Summary, window: int, *, crossed: bool) -> MultilabelSummary:
    """A window's sums as the summary of the library."""
    labels = current.grid.classes
    n = len(labels)
    sums = current.sums[window]
    parts = np.split(sums, np.cumsum([1, 3 * n, 18, 4 * _KINDS]))
    first, second, third = (Clustered(*map(int, whole(one))) for one in parts[2].reshape(3, 6))
    powers = parts[3].reshape(4, _KINDS)
    together = None
    if crossed and len(parts[4]):
        together = np.zeros((3 * n, 3 * n), dtype=np.int64)
        upper = np.triu_indices(3 * n)
        together[upper] = whole(parts[4])
        together.T[upper] = together[upper]
    return MultilabelSummary(
        labels,
        int(whole(current.counts[window].sum())),
        int(whole(parts[0][0])),
        whole(parts[1]).reshape(3, n),
        together,
        (first, second, third),
        Powers(whole(powers[0]), powers[1:]),
    )


@dataclass(frozen=True, slots=True)
class MultilabelFigure:
    """A figure of rows with several labels, such as ``f1_micro``; formulas and intervals are those of ``multilabel_figures``.

    With more than 64 labels it is not kept how often two come together: averages over labels are then as conservative as
    those of ``multilabel_figures`` with more than 200.
    """

    name: str
    kinds: tuple[str, ...] = ("multilabel",)
    needs_reference: bool = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The figure by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        crossed = self.name.endswith(("_macro", "_weighted"))
        return read(
            current, lambda at: multilabel_figure(_summary_of(current, at, crossed=crossed), self.name, level)
        )


FIGURES = {name: MultilabelFigure(name) for name in MULTILABEL}
USUAL = tuple(FIGURES)

"""The mean error of a regression."""

from __future__ import annotations

import numpy as np

from vedette.statistics.error_means import errors_of, mean_loss
from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.moments import of_pilot
from vedette.statistics.summary import Summary

__all__ = ["Bias"]


class Bias:
    """By how much predictions are too high on average, in the unit of the label; below 0 they are too low.

    mean (prediction - label). Rows, reasons and the interval are those of ``mae``; its range is
    that of the errors of the rows that cut the grid.

    Sources: Student (1908), Biometrika 6, 1-25; P. Hall (1992), Journal of the Royal Statistical Society B 54,
    221-228.

    >>> from vedette.statistics import STATISTICS, error_grid, summarise_error
    >>> label, prediction = [3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]
    >>> found = summarise_error(error_grid(label, prediction), label, prediction)
    >>> STATISTICS["bias"].figures(found).value.tolist()     # by hand: (-0.5 + 0.5 + 0 + 1)/4
    [0.25]
    """

    name = "bias"
    kinds: tuple[str, ...] = ("error",)
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The mean error by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        edges, powers = current.grid.edges, (current.total, current.squares, current.cubes)
        return mean_loss(
            errors_of(current, 2), powers, (edges[0], edges[-1]), level, of_pilot(current.grid), -np.inf
        )

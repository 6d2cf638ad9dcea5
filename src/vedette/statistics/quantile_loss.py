"""The loss of predicted quantiles."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.statistics.error_means import errors_of, mean_loss, sum_of
from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.moments import of_pilot
from vedette.statistics.summary import Summary

__all__ = ["QuantileLoss"]


@dataclass(frozen=True, slots=True)
class QuantileLoss:
    """The pinball loss, least where the prediction is the ``p`` quantile of the label; in the unit of the label.

    mean of p (label - prediction) where the prediction is too low, of (1-p) (prediction - label) where it is too
    high: 0.1 of it for a p of 0.9. At p = 0.5 it is half of ``mae``. Rows, reasons and the interval are those of
    ``mae``; its range is that of the errors of the rows that cut the grid.

    Sources: R. Koenker and G. Bassett (1978), Econometrica 46, 33-50; P. Hall (1992), Journal of the Royal
    Statistical Society B 54, 221-228.

    >>> from vedette.statistics import STATISTICS, error_grid, summarise_error
    >>> label, prediction = [1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 4.0, 3.0]
    >>> found = summarise_error(error_grid(label, prediction), label, prediction)
    >>> STATISTICS["quantile_loss_p90"].figures(found).value.round(4).tolist()     # by hand: (0.9 + 0.1 + 0.9)/4
    [0.475]
    """

    name: str
    p: float
    kinds: tuple[str, ...] = ("error",)
    needs_reference: bool = False
    mean_of_rows: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.p < 1.0:
            raise ValueError(f"p={self.p}: must lie between 0 and 1")

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The loss by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        over, under = 1 - self.p, self.p
        first, second, third = (
            over**power * sum_of(current, f"over_{power}") + under**power * sum_of(current, f"under_{power}")
            for power in (1, 2, 3)
        )
        edges = current.grid.edges
        most = max(over * float(edges[-1]), -under * float(edges[0]), 0.0)
        return mean_loss(
            errors_of(current, 2), (first, second, third), (0.0, most), level, of_pilot(current.grid)
        )

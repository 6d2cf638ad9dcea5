"""Figures of boxes, rankings and sets of labels, read off the summaries of a model's windows.

Labelled rows are counted on grids of their own kinds (``detection``, ``ranking``, ``multilabel``): in cells by what each row
lost, which is what a watch judges, and in sums from which the figures of ``statistics.detection``, ``.recommendation`` and
``.multilabel`` come out as they do from all rows at once. Sums are added and taken away, so that late and corrected labels
are windows like any.

``TASK_FIGURES`` has what can be read off each kind, by name; ``USUAL`` the names that are read where none are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.statistics.structured import detection, multilabel, ranking
from vedette.statistics.structured.detection import (
    BoxShare,
    detection_grid,
    loss_of_boxes,
    summarise_boxes,
)
from vedette.statistics.structured.multilabel import loss_of_labels, multilabel_grid, summarise_labels
from vedette.statistics.structured.ranking import place_of_hit, ranking_grid, summarise_ranking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vedette.statistics import Breakdown, Statistic

__all__ = [
    "MAIN",
    "TASK_FIGURES",
    "USUAL",
    "BoxShare",
    "detection_grid",
    "loss_of_boxes",
    "loss_of_labels",
    "multilabel_grid",
    "place_of_hit",
    "ranking_grid",
    "summarise_boxes",
    "summarise_labels",
    "summarise_ranking",
]

TASK_FIGURES: Mapping[str, Mapping[str, Statistic | Breakdown]] = {
    "detection": detection.FIGURES,
    "ranking": ranking.FIGURES,
    "multilabel": multilabel.FIGURES,
}
"""The figures of each kind of grid, by name."""

MAIN: Mapping[str, str] = {
    "detection": "f1",
    "ranking": f"hit_rate@{ranking.HITS_AMONG}",
    "multilabel": "f1_micro",
}
"""The figure of each kind that tells best how good the model is."""

USUAL: Mapping[str, tuple[str, ...]] = {
    "detection": detection.USUAL,
    "ranking": ranking.USUAL,
    "multilabel": multilabel.USUAL,
}
"""The names of those that are read where none are named."""

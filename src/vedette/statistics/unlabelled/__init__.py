"""Performance without labels: what a model's quality is before the truth has come, and how sure that is.

In go counts of a reference with labels and of windows without (or rows, for estimators that need them); out come, by
window, a value with an interval, the name of the estimator that was asked, and its record. An estimator is a class in a
file of its own with one method, ``estimate``, that gives ``Measure``s; add it to ``panel.BY_COUNTS`` or ``BY_ROWS``.
``follow`` asks the one with the best record and adds what it has usually been off by. What labels *mean* may change
without a trace in scores and features: no estimate can know that, only its record can.
"""

from __future__ import annotations

from vedette.statistics.unlabelled.backtest import Followed, Rehearsal, follow
from vedette.statistics.unlabelled.blend import Blended, blend
from vedette.statistics.unlabelled.confidence import Confidence
from vedette.statistics.unlabelled.constant import Constant
from vedette.statistics.unlabelled.doubly_robust import DoublyRobust
from vedette.statistics.unlabelled.halfway import Halfway
from vedette.statistics.unlabelled.importance import Importance
from vedette.statistics.unlabelled.leaf_grid import (
    Cut,
    LeafFeature,
    Levels,
    cut_leaves,
    cut_of_grid,
    leaf_grid,
    over_bins,
    summarise_leaves,
)
from vedette.statistics.unlabelled.leaves import Leaves, Partition, partition
from vedette.statistics.unlabelled.loss import LOSSES, Loss, LossLeaves, LossTable, loss_leaves, mixed_losses
from vedette.statistics.unlabelled.metrics import METRICS, pull_of
from vedette.statistics.unlabelled.mismatch import Mismatch, Outlook
from vedette.statistics.unlabelled.others import SEGMENTS_MIN, Others, others_of
from vedette.statistics.unlabelled.panel import ESTIMATORS, Panel, realised, rehearse
from vedette.statistics.unlabelled.several import (
    SEVERAL,
    SEVERAL_METRICS,
    ClassTable,
    Several,
    blend_several,
    pull_of_several,
)
from vedette.statistics.unlabelled.support import Support, support_of, support_of_cells
from vedette.statistics.unlabelled.tables import (
    ClassEstimator,
    Measure,
    Rows,
    Table,
    Windows,
    bin_scores,
    counted,
)

__all__ = [
    "ESTIMATORS",
    "LOSSES",
    "METRICS",
    "SEGMENTS_MIN",
    "SEVERAL",
    "SEVERAL_METRICS",
    "Blended",
    "ClassEstimator",
    "ClassTable",
    "Confidence",
    "Constant",
    "Cut",
    "DoublyRobust",
    "Followed",
    "Halfway",
    "Importance",
    "LeafFeature",
    "Leaves",
    "Levels",
    "Loss",
    "LossLeaves",
    "LossTable",
    "Measure",
    "Mismatch",
    "Others",
    "Outlook",
    "Panel",
    "Partition",
    "Rehearsal",
    "Rows",
    "Several",
    "Support",
    "Table",
    "Windows",
    "bin_scores",
    "blend",
    "blend_several",
    "counted",
    "cut_leaves",
    "cut_of_grid",
    "follow",
    "leaf_grid",
    "loss_leaves",
    "mixed_losses",
    "others_of",
    "over_bins",
    "partition",
    "pull_of",
    "pull_of_several",
    "realised",
    "rehearse",
    "summarise_leaves",
    "support_of",
    "support_of_cells",
]

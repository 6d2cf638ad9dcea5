"""The estimators of a model together: fitted to one reference, asked of the same windows, rehearsed on the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vedette.statistics.unlabelled.backtest import Rehearsal
from vedette.statistics.unlabelled.confidence import Confidence
from vedette.statistics.unlabelled.constant import Constant
from vedette.statistics.unlabelled.doubly_robust import DoublyRobust
from vedette.statistics.unlabelled.halfway import Halfway
from vedette.statistics.unlabelled.importance import Importance, Weighting
from vedette.statistics.unlabelled.leaves import Leaves, Partition, partition
from vedette.statistics.unlabelled.metrics import pull_of
from vedette.statistics.unlabelled.tables import ClassEstimator, Measure, Rows, Table, Windows, counted

__all__ = ["BY_COUNTS", "BY_ROWS", "ESTIMATORS", "Panel", "realised", "rehearse"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BY_COUNTS: dict[str, type[Leaves | Halfway | Confidence | Constant]] = {
    "leaves": Leaves,
    "halfway": Halfway,
    "confidence": Confidence,
    "constant": Constant,
}
BY_ROWS: dict[str, type[Importance | DoublyRobust]] = {
    "importance": Importance,
    "doubly_robust": DoublyRobust,
}
ESTIMATORS = (*BY_COUNTS, *BY_ROWS)
"""The estimators of classifiers by name, the one that is asked before any record first."""

FOLDS = 5


class Panel:
    """Estimators of a classifier, fitted to one reference.

    ``of_table`` fits those that counts suffice to; ``of_rows`` cuts leaves first, and fits any.
    """

    def __init__(
        self, table: Table, estimators: Mapping[str, ClassEstimator], leaves: Partition | None = None
    ) -> None:
        self.table, self.estimators, self.partition = table, dict(estimators), leaves

    @classmethod
    def of_table(cls, table: Table, names: Sequence[str] = tuple(BY_COUNTS)) -> Panel:
        """The estimators of these names for counts of a reference; ``ValueError`` for those that need rows."""
        unknown = [name for name in names if name not in BY_COUNTS]
        if unknown:
            raise ValueError(f"names={unknown}: must be of {', '.join(BY_COUNTS)}, which counts suffice to")
        return cls(table, {name: BY_COUNTS[name](table) for name in names})

    @classmethod
    def of_rows(cls, reference: Rows, scores: Floats, names: Sequence[str] = ESTIMATORS) -> Panel:
        """The estimators of these names for rows of a reference, whose leaves are cut here."""
        unknown = [name for name in names if name not in ESTIMATORS]
        if unknown:
            raise ValueError(f"names={unknown}: must be of {', '.join(ESTIMATORS)}")
        leaves = partition(reference, scores)
        table = Table(
            counted(
                len(leaves),
                len(scores),
                leaves.leaves(reference.features),
                reference.bin,
                reference.prediction,
                reference.label,
            )[0],
            scores,
        )
        found: dict[str, ClassEstimator] = {}
        weighting = Weighting.of(reference) if set(names) & set(BY_ROWS) else None
        for name in names:
            found[name] = (
                BY_COUNTS[name](table) if name in BY_COUNTS else BY_ROWS[name](reference, scores, weighting)
            )
        return cls(table, found, leaves)

    def windows(self, rows: Rows, window: Integers, n_windows: int) -> Windows:
        """The counts of rows by window, int64 [N], with the rows where an estimator needs them."""
        if self.partition is None:
            raise ValueError("a panel of counts has no leaves to put rows into: make it with of_rows")
        leaf = self.partition.leaves(rows.features)
        counts = counted(
            len(self.partition),
            len(self.table.scores),
            leaf,
            rows.bin,
            rows.prediction,
            None,
            window,
            n_windows,
        )
        if not any(one.needs_rows for one in self.estimators.values()):
            return Windows(counts)
        order = np.argsort(window, kind="stable")
        cuts = np.searchsorted(window[order], np.arange(1, n_windows))
        return Windows(counts, [rows.take(part) for part in np.split(order, cuts)])

    def estimate(self, windows: Windows, metrics: Sequence[str]) -> dict[str, Mapping[str, Measure]]:
        """The measures of each estimator, by its name and metric."""
        return {name: one.estimate(windows, metrics) for name, one in self.estimators.items()}


def realised(labelled: npt.ArrayLike, scores: Floats, metrics: Sequence[str]) -> dict[str, Floats]:
    """What metrics came out as, float64 [W], of labelled counts [W, score bin, prediction, label]."""
    return {metric: pull_of(metric, labelled, scores)[0] for metric in metrics}


def rehearse(
    reference: Rows, scores: Floats, n_rows: int, metrics: Sequence[str], names: Sequence[str] = ESTIMATORS
) -> Rehearsal:
    """Windows of so many rows of the reference, in its order, each estimated by what the rest of it tells.

    The reference is cut into five stretches of time; the estimators are fitted to four of them, leaves and all, and asked
    of the windows of the fifth. ``ValueError`` where it has fewer than ten windows of rows.
    """
    n = len(reference.bin) // n_rows
    if n < 2 * FOLDS:
        raise ValueError(
            f"n_rows={n_rows}: the reference's {len(reference.bin)} rows must make {2 * FOLDS} windows"
        )
    rows = reference.take(np.arange(n * n_rows))
    window = np.arange(n * n_rows) // n_rows
    fold = window * FOLDS // n
    parts: list[tuple[dict[str, Mapping[str, Measure]], dict[str, Floats]]] = []
    for number in range(FOLDS):
        own = fold == number
        panel = Panel.of_rows(rows.take(~own), scores, names)
        some, at = rows.take(own), window[own] - window[own][0]
        n_own = int(at.max()) + 1
        labelled = counted(
            1, len(scores), np.zeros_like(some.bin), some.bin, some.prediction, some.label, at, n_own
        )[:, 0]
        measures = panel.estimate(panel.windows(some, at, n_own), metrics)
        parts.append((measures, realised(labelled, scores, metrics)))
    return Rehearsal(
        {
            name: {metric: Measure.joined([part[name][metric] for part, _ in parts]) for metric in metrics}
            for name in names
        },
        {metric: np.concatenate([truth[metric] for _, truth in parts]) for metric in metrics},
    )

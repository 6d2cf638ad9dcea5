"""Halfway between what the leaves say and the quality of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vedette.statistics.unlabelled.constant import Constant
from vedette.statistics.unlabelled.leaves import Leaves
from vedette.statistics.unlabelled.tables import Measure, Table, Windows

__all__ = ["Halfway"]


class Halfway:
    """The mean of the estimates by ``leaves`` and of the reference's quality.

    Where scores tell of a change, but exaggerate it (a window with few positive labels has a lower F1, though not as low
    as chances of the reference say), the mean of both is better than either: their errors are of opposite signs. Its
    variances are the means of theirs, which is on the safe side.

    Source: J. M. Bates and C. W. J. Granger (1969), Operational Research Quarterly 20, 451-468.
    """

    name = "halfway"
    needs_rows = False

    def __init__(self, reference: Table) -> None:
        self.ends = (Leaves(reference), Constant(reference))

    def estimate(self, windows: Windows, metrics: Sequence[str]) -> Mapping[str, Measure]:
        """The measures of each metric; see ``ClassEstimator``."""
        one, other = (end.estimate(windows, metrics) for end in self.ends)
        return {metric: one[metric].halfway(other[metric]) for metric in metrics}

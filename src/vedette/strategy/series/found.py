"""What was found in recorded series: alarms as they would have been told, and changes looking back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette.strategy.series.change_points import ChangePoints
from vedette.strategy.series.watch import Watched

__all__ = ["SeriesFound"]


@dataclass(frozen=True, slots=True)
class SeriesFound:
    """What was found: names of the series, times in seconds since 1970 of the rows, the numbers [n, K], what the
    methods said row by row, and by name when each changed, without its ``seasons``.

    ``timed`` is false where the file has no times: rows are taken to be an hour apart. ``outlook`` has by name the steps
    expected until a series is beyond a limit, and their 95 % interval. ``notes`` say what was done with rows and columns
    that are not as they should be.
    """

    names: tuple[str, ...]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    watched: Watched
    changes: Mapping[str, ChangePoints]
    seasons: Mapping[str, tuple[str, ...]]
    reference: int
    budget_per_month: float
    methods: tuple[str, ...]
    timed: bool
    outlook: Mapping[str, tuple[float, float, float]]
    notes: tuple[str, ...] = ()

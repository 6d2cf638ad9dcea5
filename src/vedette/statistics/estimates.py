"""What a statistic answers: values with intervals by window, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.grid import LABELLED_KINDS
from vedette.statistics.summary import Summary

__all__ = ["Estimates", "Reasons", "check_kind", "check_level", "reasons_of"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """The figures of one statistic over W windows.

    ``value``, ``low`` and ``high`` (float64 [W]) are finite with ``low <= value <= high``, or all NaN where
    ``reason`` (object [W], text or None) says why there is no figure. ``n`` (int64 [W]) is the number of rows
    that the value rests on.
    """

    value: Floats
    low: Floats
    high: Floats
    n: Integers
    reason: Objects

    @classmethod
    def of(
        cls, value: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, n: npt.ArrayLike, reasons: Reasons
    ) -> Estimates:
        """The estimates, NaN wherever there is a reason; rounding leaves no value outside its interval."""
        number = np.asarray(value, dtype=np.float64)
        lower, upper = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        good = np.isfinite(number) & np.isfinite(lower) & np.isfinite(upper)
        reasons.add(~good, "values too large to compute with")
        kept = ~reasons.given

        def only(numbers: Floats) -> Floats:
            return np.where(kept, numbers, np.nan)

        return cls(
            only(number),
            only(np.fmin(lower, number)),
            only(np.fmax(upper, number)),
            np.maximum(np.asarray(n, dtype=np.int64), 0),
            reasons.text,
        )

    def __len__(self) -> int:
        return len(self.value)


class Reasons:
    """Why windows have no figure; the first reason that is given to a window stands."""

    def __init__(self, n_windows: int) -> None:
        self.text: Objects = np.full(n_windows, None, dtype=np.object_)
        self.given: Booleans = np.zeros(n_windows, dtype=np.bool_)

    def add(self, where: npt.ArrayLike, text: str, number: Integers | None = None) -> None:
        """Give the reason to the windows of the mask; with ``number`` [W] it ends in ``: number``."""
        fresh = np.asarray(where, dtype=np.bool_) & ~self.given
        self.given |= fresh
        if number is None:
            self.text[fresh] = text
        else:
            told, place = np.unique(number[fresh], return_inverse=True)
            self.text[fresh] = np.array([f"{text}: {count}" for count in told], dtype=np.object_)[place]


def reasons_of(summary: Summary) -> Reasons:
    """The reasons for windows whose column holds nothing to compute with, whatever the statistic."""
    reasons = Reasons(len(summary))
    used = summary.used
    negative = (summary.rows < 0) | (summary.missing < 0) | (summary.counts < 0).any(axis=1)
    reasons.add(negative, "corrections without the rows that they correct")
    labelled = summary.grid.kind in LABELLED_KINDS
    reasons.add(summary.rows == 0, "no labels" if labelled else "no rows")
    reasons.add(summary.missing == summary.rows, "no labels" if labelled else "all values missing")
    reasons.add((used == 0) & (summary.missing + summary.nan == summary.rows), "all values missing or NaN")
    reasons.add(used == 0, "no finite values")
    return reasons


def check_level(level: float) -> float:
    """Return the level of confidence, or raise ``ValueError``."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level}: must lie between 0 and 1, such as 0.95")
    return float(level)


def check_kind(name: str, kinds: tuple[str, ...], summary: Summary) -> None:
    """Raise ``ValueError`` where a statistic was given a summary of a kind that it cannot read."""
    if summary.grid.kind not in kinds:
        raise ValueError(f"{name} of a {summary.grid.kind} summary: must be of kind {' or '.join(kinds)}")

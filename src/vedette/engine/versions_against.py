"""Whether a version of a model does worse than the one before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.figures import figures
from vedette.lake.tables import Lake
from vedette.output.comparison_words import got_worse
from vedette.records import Status
from vedette.statistics.gaps import Limited, difference_of

__all__ = ["Against", "Quality", "against"]

_QUALITY = ("accuracy", "mae")
"""By what two versions are compared: the first that both have."""


@dataclass(frozen=True, slots=True)
class Quality:
    """A figure over all rows of a version, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def limited(self) -> Limited:
        """As two figures are held against each other."""
        return np.asarray(self.value), np.asarray(self.low), np.asarray(self.high)


@dataclass(frozen=True, slots=True)
class Against:
    """A version beside the one before: by which figure, what each has, and the difference with its 95 % interval.

    WARN says that the version does worse by more than chance explains, OK that it does not, UNKNOWN why it cannot be told.
    It is one comparison at 95 %, outside the budget of false alarms, and of all rows of each, whichever those were.
    """

    verdict: Status
    words: str
    metric: str = ""
    own: Quality | None = None
    before: Quality | None = None
    between: tuple[float, float, float] | None = None


def against(lake: Lake, model: str, version: str, before: str) -> Against:
    """A version beside the one before it."""
    lacking = ""
    for metric in _QUALITY:
        own, other = (_quality(lake, model, metric, one) for one in (version, before))
        if not isinstance(own, Quality) or not isinstance(other, Quality):
            name = version if not isinstance(own, Quality) else before
            why = own if not isinstance(own, Quality) else other
            lacking = lacking or (f"{metric} of version {name}: {why}" if why else "")
            continue
        low, high = difference_of(own.limited, other.limited)
        between = own.value - other.value, float(low), float(high)
        clear = between[1] > 0 or between[2] < 0
        if clear and got_worse(metric, other.value, own.value):
            return Against(Status.WARN, "worse than the one before", metric, own, other, between)
        words = "better than the one before" if clear else "no difference told from the one before"
        return Against(Status.OK, words, metric, own, other, between)
    return Against(Status.UNKNOWN, lacking or "no labels came: nothing tells which does better")


def _quality(lake: Lake, model: str, metric: str, version: str) -> Quality | str | None:
    """A figure over all rows of a version; why it has no value, None where the model has no such figure."""
    try:
        found = figures(lake, model, metric, version=version, window_s=0)
    except ValueError:  # a figure of another task
        return None
    rows = found.filter(pl.col("part").is_null())
    if rows.is_empty():
        return None
    row = rows.row(0, named=True)
    if row["value"] is None or row["low"] is None or row["high"] is None:
        return str(row["reason"] or "no interval")
    return Quality(row["value"], row["low"], row["high"], row["n"])

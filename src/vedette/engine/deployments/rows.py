"""What the rows of a version tell of a deployment: its first prediction, and whether the first ones were slow."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import polars as pl
from scipy import special

from vedette.records import WarmUp

__all__ = ["FIRST", "LATER_MAX", "LATER_MIN", "first_prediction", "warm_up"]

FIRST = 20
"""Rows that count as the first ones: in these a model compiles, allocates and fills its caches."""
LATER_MIN = 30
"""Rows after them that it takes to know what is usual."""
LATER_MAX = 2000
"""And how many of them are read."""


def first_prediction(rows: pl.LazyFrame, since: datetime, until: datetime | None) -> datetime | None:
    """The time of the first row (``time``) from ``since`` to before ``until``; None where there is none."""
    found: datetime | None = _within(rows, since, until).select(pl.col("time").min()).collect().item()
    return found


def warm_up(rows: pl.LazyFrame, since: datetime, until: datetime | None) -> WarmUp | str:
    """How much slower the first predictions were than those that followed; or why that is not known.

    The latencies of the first ``FIRST`` rows and of the next ones, ``LATER_MAX`` at most, are compared as logarithms, whose
    mean a long tail does not rule: exp of the difference of the means, with Welch's 95 % interval. Rows of one moment hang
    together, which makes the interval narrower than the truth; it is a description, not a test of the budget.

    Source: B. L. Welch (1947), Biometrika 34, 28-35.
    """
    there = pl.col("latency_s").is_not_null() & (pl.col("latency_s") > 0)
    if "latency_s" not in rows.collect_schema().names():
        return "the rows have no latency"
    told = _within(rows, since, until).filter(there).select("time", "latency_s")
    frame = told.bottom_k(FIRST + LATER_MAX, by="time").sort("time", maintain_order=True).collect()
    values = np.log(frame["latency_s"].cast(pl.Float64).to_numpy())
    first, later = values[:FIRST], values[FIRST:]
    if len(later) < LATER_MIN:
        return f"{len(values)} rows with a latency so far: it takes {FIRST + LATER_MIN}"
    gap = float(first.mean() - later.mean())
    one, two = first.var(ddof=1) / len(first), later.var(ddof=1) / len(later)
    if one + two <= 0:
        half = 0.0
    else:
        free = (one + two) ** 2 / (one**2 / (len(first) - 1) + two**2 / (len(later) - 1))
        half = float(special.stdtrit(free, 0.975) * math.sqrt(one + two))
    ends = (math.exp(gap - half), math.exp(gap + half))
    return WarmUp(math.exp(gap), *ends, len(first), len(later), float(np.exp(values[0])))


def _within(rows: pl.LazyFrame, since: datetime, until: datetime | None) -> pl.LazyFrame:
    rows = rows.filter(pl.col("time") >= since)
    return rows if until is None else rows.filter(pl.col("time") < until)

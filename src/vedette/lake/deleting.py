"""Rows with a tombstone, taken out of the tables: rewritten, synced, and the old files deleted.

Each table says in a transaction of its own up to which tombstone it was cleared, so that one that came back from a backup is
cleared again. The ledger moves the rows from ``in_lake`` to ``forgotten`` first, once a tombstone; what a crash cuts off is
done again by the next round.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import polars as pl
from deltalake.exceptions import DeltaError

from vedette.errors import LakeError
from vedette.lake.events import settings_of
from vedette.lake.forgotten import Tombstones, forget_ids, tombstones
from vedette.lake.outcomes import ROW_BITS, STREAMS, identifier, of_rows
from vedette.lake.tables import UTC, Lake, ModelTables, Table

__all__ = ["anew", "apply_tombstones", "delete_rows", "purge"]

_PREDICATE_ROWS = 5_000
_TRIES = 5
T = TypeVar("T")


def anew(read: Callable[[], T]) -> T:
    """What ``read`` returns, asked again where a file of a table went while it was read, as a deletion makes them go.

    ``read`` opens its tables itself. Raises ``LakeError`` where files are missing each time.
    """
    for _ in range(_TRIES):
        try:
            return read()
        except FileNotFoundError as error:
            missing = error
    raise LakeError(
        f"a file of the lake is missing, or went during each of {_TRIES} readings: {missing}"
    ) from missing


def apply_tombstones(lake: Lake, model: str, now: datetime) -> dict[str, int]:
    """Delete what has a tombstone from the tables that are not cleared of it; returns the rows deleted, by stream.

    The caller holds the work lock, and takes the model's tables anew afterwards. Costs a look at a file where there is no
    tombstone.
    """
    deleted: dict[str, int] = {}
    for stream in STREAMS:
        stones = tombstones(lake, model)  # anew: predictions that go leave tombstones of their labels
        if not stones:
            continue
        tables = lake.model(model)
        mark, number = identifier(".forgotten", stream), stones.number(stream)
        table = tables[stream]
        if table.snapshot() is None or table.through(mark) >= number:
            continue
        n = _clear(lake, model, tables, stream, stones, mark, number, now)
        if n:
            deleted[stream] = n
    return deleted


def _clear(
    lake: Lake,
    model: str,
    tables: ModelTables,
    stream: str,
    stones: Tombstones,
    mark: str,
    number: int,
    now: datetime,
) -> int:
    table = tables[stream]
    condition = stones.condition(stream, table.scan())
    wanted = ["id", "time", "_producer", "_sequence"]
    rows = (
        table.scan().filter(condition).select(wanted).collect()
        if condition is not None
        else table.scan().head(0).select(wanted).collect()
    )
    if stream == "predictions":
        forget_ids(
            lake, model, rows, table.scan() if condition is None else table.scan().filter(~condition), now
        )
    _move(tables, stream, rows, mark, number, now)
    if rows.height:
        delete_rows(table, rows)
    purge(table)  # also where no rows are left to delete: what died after it deleted them has swept nothing
    table.write(table.scan().head(0).collect(), {mark: number})
    return rows.height


def _move(
    tables: ModelTables, stream: str, rows: pl.DataFrame, mark: str, number: int, now: datetime
) -> None:
    """Say in the ledger that rows which it has in the lake are forgotten; those it has not come to yet it will count so."""
    ledger = tables["ledger"]
    snapshot = ledger.snapshot()
    limits = {}
    for producer in rows["_producer"].unique().to_list():
        own = producer.removesuffix("/batch")
        batch = own != producer
        through = ledger.through(identifier(own, "batch" if batch else stream), snapshot)
        limits[producer] = ((through + 1) << ROW_BITS) - 1 if batch else through
    bounds = pl.col("_producer").replace_strict(limits, default=0, return_dtype=pl.Int64)
    told = rows.filter(pl.col("_sequence") <= bounds) if limits else rows
    window_us = round(settings_of(tables).window_s * 1e6)
    gone = of_rows(told, stream, "in_lake", window_us)
    moved = pl.concat(
        [
            gone.with_columns(-pl.col("n")),
            gone.with_columns(pl.lit("forgotten").alias("part"), pl.lit("a subject").alias("reason")),
        ]
    )
    frame = moved.select(
        pl.lit(now).cast(UTC).alias("time"),
        "producer",
        "stream",
        pl.col("start").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("window"),
        (pl.col("length") / 1e6).alias("window_s"),
        *("part", "reason", "n", "first", "last"),
    )
    if frame.height:
        ledger.write(frame, {mark: number})


def delete_rows(table: Table, rows: pl.DataFrame) -> None:
    """Delete rows by producer and sequence: a predicate stays in the table's log, and these tell of nobody."""
    found = table.snapshot()
    assert found is not None
    for (producer,), own in rows.group_by("_producer", maintain_order=True):
        numbers = own["_sequence"].to_list()
        for at in range(0, len(numbers), _PREDICATE_ROWS):
            listed = ", ".join(str(one) for one in numbers[at : at + _PREDICATE_ROWS])
            quoted = str(producer).replace("'", "''")
            try:
                found.delete(f"_producer = '{quoted}' AND _sequence IN ({listed})")
            except (DeltaError, OSError) as error:
                raise LakeError(f"table {table.path}: rows cannot be deleted: {error}") from error
            table.sync()


def purge(table: Table) -> None:
    """Delete the files that are no part of the table any more, at once: a reader of an older state reads again."""
    found = table.snapshot()
    if found is None:
        return
    try:
        found.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    except (DeltaError, OSError) as error:
        raise LakeError(f"table {table.path}: its old files cannot be deleted: {error}") from error
    known = {str(one).rpartition("/")[2] for one in found.file_uris()}
    for path in table.path.glob(
        "*.parquet"
    ):  # and those of a write that a crash cut off, of which no log tells
        if path.name not in known:
            path.unlink(missing_ok=True)

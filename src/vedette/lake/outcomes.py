"""What became of rows, counted: how many of a producer's stream and window are where, and why those that are nowhere.

One frame with a row for each (producer, stream, window, part, reason) has the same shape wherever the counts come from:
the table ``ledger``, the journals beyond it, or what the producers counted. ``part`` is where the rows are: ``in_lake``,
``in_journal``, ``waiting`` (there too, behind a slot that is not written yet), ``torn``, ``void`` (a slot that its writer
gave up), ``forgotten`` (deleted with all of its subject), or a part of the producers' counters: ``dropped``,
``sampled_out``, ``rejected``. Sums over it are the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.counters import PARTS as COUNTED
from vedette.capture.lost import Lost
from vedette.lake.producer import Producer, ProducerBatch
from vedette.lake.tables import ModelTables
from vedette.records import Counters

__all__ = [
    "COUNTED",
    "ROW_BITS",
    "SCHEMA",
    "STREAMS",
    "batch_lost",
    "by_window",
    "gathered",
    "identifier",
    "news",
    "of_lost",
    "of_rows",
    "stored",
]

STREAMS = ("predictions", "labels")
ROW_BITS = 32  # a row of a batch is numbered batch << 32 | row

SCHEMA: dict[str, pl.DataType] = {
    "producer": pl.String(),
    "stream": pl.String(),  # predictions or labels; of the rows of batches: batch/predictions, batch/labels
    "start": pl.Int64(),  # of the window, in microseconds
    "length": pl.Int64(),
    "part": pl.String(),
    "reason": pl.String(),
    "n": pl.Int64(),
    "first": pl.Int64(),  # of torn and void slots: the sequences between which they lie
    "last": pl.Int64(),
}

RANGES_MAX = 100
"""Ranges of lost sequences that are kept apart, of one reason and window; more become one, from the first to the last."""


def identifier(producer: str, stream: str) -> str:
    """The name under which a producer's watermark is kept in a table."""
    return f"{producer}/{stream}"


def by_window(times: pl.Series, window_s: float) -> dict[float | None, int]:
    """The number of rows by the start of their window in seconds since 1970; None for those without a time."""
    length = round(window_s * 1e6)
    starts = (times.dt.timestamp("us") // length * length).rename("start").value_counts(name="n")
    return {None if start is None else start / 1e6: n for start, n in starts.iter_rows()}


def gathered(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Several of these frames as one."""
    return pl.concat([pl.DataFrame(schema=SCHEMA), *frames])


def of_rows(rows: pl.DataFrame | pl.LazyFrame, stream: str, part: str, window_us: int) -> pl.DataFrame:
    """Rows (``_producer``, ``time``) by the window of their event time."""
    start = pl.col("time").dt.timestamp("us") // window_us * window_us
    counts = rows.lazy().group_by("_producer", start.alias("start")).agg(pl.len().alias("n"))
    batch = pl.col("_producer").str.ends_with("/batch")
    return counts.select(
        pl.col("_producer").str.strip_suffix("/batch").alias("producer"),
        pl.when(batch).then(pl.lit(f"batch/{stream}")).otherwise(pl.lit(stream)).alias("stream"),
        "start",
        pl.lit(window_us, pl.Int64).alias("length"),
        pl.lit(part).alias("part"),
        pl.lit("").alias("reason"),
        pl.col("n").cast(pl.Int64),
        pl.lit(None, pl.Int64).alias("first"),
        pl.lit(None, pl.Int64).alias("last"),
    ).collect()


def of_lost(producer: str, stream: str, lost: Sequence[Lost], window_us: int) -> pl.DataFrame:
    """Torn and void slots by the window that they are counted to."""
    if not lost:
        return pl.DataFrame(schema=SCHEMA)
    micros = np.round(np.array([one.time for one in lost]) * 1e6).astype(np.int64)
    frame = pl.DataFrame(
        {
            "producer": producer,
            "stream": stream,
            "start": micros // window_us * window_us,
            "length": window_us,
            "part": [one.part for one in lost],
            "reason": [one.reason for one in lost],
            "n": [one.n for one in lost],
            "first": [one.first for one in lost],
            "last": [one.last for one in lost],
        },
        schema=SCHEMA,
    )
    if frame.height <= RANGES_MAX:
        return frame
    keys = ["producer", "stream", "start", "length", "part", "reason"]
    many = pl.len().over(keys) > RANGES_MAX
    merged = frame.filter(many).group_by(keys, maintain_order=True)
    together = merged.agg(pl.col("n").sum(), pl.col("first").min(), pl.col("last").max())
    return pl.concat([frame.filter(~many), together.select(list(SCHEMA))])


def batch_lost(batch: ProducerBatch, n_read: int | None, error: str = "") -> list[Lost]:
    """The rows of a batch that are not in its file: all where it cannot be read (``n_read`` None), for the error.

    They are counted to the time at which the file was last changed.
    """
    begin = 0 if n_read is None else n_read
    if begin >= batch.n_rows:
        return []
    first = batch.number << ROW_BITS
    reason = (
        f"the batch cannot be read: {error}" if n_read is None else "the batch is shorter than its name says"
    )
    at = batch.path.stat().st_mtime
    return [Lost(first + begin, first + batch.n_rows - 1, "torn", reason, at)]


def stored(
    tables: ModelTables, streams: Sequence[str] = STREAMS, parts: Sequence[str] | None = None
) -> pl.DataFrame:
    """What the lake's ledger says of the streams, those of batches too, and of the parts (default all)."""
    names = [name for stream in streams for name in (stream, f"batch/{stream}")]
    keys = ["producer", "stream", "start", "length", "part", "reason", "first", "last"]
    wanted = pl.col("stream").is_in(names) & pl.col("window").is_not_null()
    if parts is not None:
        wanted &= pl.col("part").is_in(parts)
    rows = tables["ledger"].scan().filter(wanted)
    rows = rows.with_columns(
        pl.col("window").dt.timestamp("us").alias("start"),
        (pl.col("window_s") * 1e6).round().cast(pl.Int64).alias("length"),
    )
    return rows.group_by(keys).agg(pl.col("n").sum()).select(list(SCHEMA)).collect()


def news(folder: Producer, stream: str, before: pl.DataFrame) -> tuple[pl.DataFrame, Counters]:
    """What a producer has counted of a stream beyond what was stored before; and all that it has counted.

    Counts only grow. Windows that the producer has folded into one since are stored as they were; what they have grown by
    until then is what the one holds beyond them.
    """
    counters = folder.counters(stream)
    own = before.filter(
        (pl.col("producer") == folder.name) & (pl.col("stream") == stream) & pl.col("part").is_in(COUNTED)
    )
    known: dict[tuple[Any, ...], int] = {
        (part, reason, start, length): n
        for part, reason, start, length, n in own.select("part", "reason", "start", "length", "n").iter_rows()
    }
    apart = [one for one in counters.counted if (one.start_us, one.length_us) != (0, counters.before_us)]
    rows = []
    for one in apart:
        more = one.n - known.pop((one.part, one.reason, one.start_us, one.length_us), 0)
        rows.append((one.part, one.reason, one.start_us, one.length_us, more))
    for one in counters.counted:
        if (one.start_us, one.length_us) == (0, counters.before_us):
            folded = sum(
                n
                for (part, reason, start, _), n in known.items()
                if (part, reason) == (one.part, one.reason) and start < counters.before_us
            )
            rows.append((one.part, one.reason, 0, one.length_us, one.n - folded))
    found = pl.DataFrame(
        [(folder.name, stream, start, length, part, reason, n, None, None)
         for part, reason, start, length, n in rows if n > 0],
        schema=SCHEMA,
        orient="row",
    )  # fmt: skip
    return found, counters

"""The ledger: what became of every row that a producer saw, counted in the journals and in the tables themselves."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import polars as pl

from vedette.capture.journal import producers
from vedette.errors import LakeError
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Counters, Ledger, ProducerLedger

__all__ = ["ROW_BITS", "STREAMS", "identifier", "last_rows", "ledger"]

STREAMS = ("predictions", "labels")
ROW_BITS = 32  # a row of a batch is numbered batch << 32 | row
_TRIES = 20


def identifier(producer: str, stream: str) -> str:
    """The name under which a producer's watermark is kept in a table."""
    return f"{producer}/{stream}"


def last_rows(tables: ModelTables) -> dict[tuple[str, str], dict[str, Any]]:
    rows = (
        tables["ledger"]
        .scan()
        .sort("through")
        .unique(["producer", "stream"], keep="last", maintain_order=True)
        .collect()
    )
    return {(row["producer"], row["stream"]): row for row in rows.iter_rows(named=True)}


def ledger(lake: Lake, model: str, *, recount: bool = True) -> Ledger:
    """The ledger's equation by producer and stream.

    ``in_lake`` is counted in the tables themselves, not taken from what the ingester said it wrote, so that a row lost
    on the way shows; without ``recount`` it is taken from there, and no row is read. Rows that a round in progress has
    written already count as in the journal until it ends.
    """
    for _ in range(_TRIES):
        tables = lake.model(model)
        before = tables["ledger"].snapshot()
        found = _at_once(tables, lake, model, recount=recount)
        if not tables["ledger"].moved_on(before):
            return found
    raise LakeError(f"model {model!r}: the lake changed during each of {_TRIES} readings; ingest less often")


def _at_once(tables: ModelTables, lake: Lake, model: str, *, recount: bool) -> Ledger:
    """The ledger beside one snapshot of its table."""
    folders = {folder.name: folder for folder in producers(lake.journal, model)}
    last = last_rows(tables)
    through = {key: _int(row, "through") for key, row in last.items()}
    counted = {
        stream: _count(tables, stream, through) if recount else _said(last, stream) for stream in STREAMS
    }
    names = sorted(set(folders) | {producer for producer, _ in last})
    parts = []
    for name in names:
        folder = folders.get(name)
        for stream in STREAMS:
            entry = last.get((name, stream), {})
            batch = last.get((name, f"batch/{stream}"), {})
            done, done_batch = _int(entry, "through"), _int(batch, "through")
            pending, torn, void, highest = (
                0,
                _int(entry, "torn") + _int(batch, "torn"),
                _int(entry, "void"),
                done,
            )
            reasons: dict[str, int] = defaultdict(int, json.loads(str(entry.get("reasons", "{}"))))
            batch_seen = _int(batch, "seen")
            counters = Counters()
            if folder is not None:
                highest = max(done, folder.highest(stream))
                read = done
                for chunk in folder.read(stream, done):
                    pending += len(chunk.sequence)
                    torn += chunk.torn
                    read = chunk.next - 1
                    for reason, count in chunk.void.items():
                        void += count
                        reasons[reason] += count
                pending += max(0, highest - read)  # slots that a living producer is writing at this moment
                highest = max(highest, read)
                for one in folder.batches(done_batch):
                    if one.stream == stream:
                        pending += one.n_rows
                        batch_seen += one.n_rows
                counters = folder.counters(stream)
                for reason, count in counters.rejected.items():
                    reasons[reason] += count
            rejected = void + sum(counters.rejected.values())
            one_ledger = ProducerLedger(
                producer=name,
                stream=stream,
                seen=highest
                + batch_seen
                + counters.dropped
                + counters.sampled_out
                + sum(counters.rejected.values()),
                in_journal=pending,
                in_lake=counted[stream].get(name, 0),
                sampled_out=counters.sampled_out,
                dropped=counters.dropped,
                rejected=rejected,
                torn=torn,
                reasons=dict(reasons),
            )
            if one_ledger.seen or one_ledger.in_lake:
                parts.append(one_ledger)
    return Ledger(model, tuple(parts))


def _said(last: Mapping[tuple[str, str], Mapping[str, Any]], stream: str) -> dict[str, int]:
    """Rows by producer, those of its batches included, as the ingester said."""
    said: dict[str, int] = defaultdict(int)
    for (producer, kind), row in last.items():
        if kind in (stream, f"batch/{stream}"):
            said[producer] += _int(row, "in_lake")
    return said


def _int(entry: Mapping[str, object], key: str) -> int:
    value = entry.get(key, 0)
    assert isinstance(value, int)
    return value


def _count(tables: ModelTables, stream: str, through: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Rows in the table by producer, those of its batches included, up to what its ledger has decided."""
    if tables[stream].snapshot() is None:
        return {}
    limits = {}
    for (producer, kind), number in through.items():
        if kind == stream:
            limits[producer] = number
        elif kind == f"batch/{stream}":
            limits[f"{producer}/batch"] = ((number + 1) << ROW_BITS) - 1
    if not limits:
        return {}
    bounds = pl.col("_producer").replace_strict(limits, default=0, return_dtype=pl.Int64)
    rows = (
        tables[stream]
        .scan()
        .filter(pl.col("_sequence") <= bounds)
        .group_by(pl.col("_producer").str.strip_suffix("/batch").alias("producer"))
        .agg(pl.len().alias("n"))
        .collect()
    )
    return dict(zip(rows["producer"].to_list(), rows["n"].to_list(), strict=True))

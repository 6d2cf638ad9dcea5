"""The ledger: what became of every row that a producer saw, counted in the journals and in the tables themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from vedette.errors import LakeError
from vedette.lake.books import Books, books
from vedette.lake.gaps import not_as_stored, torn, undecided
from vedette.lake.outcomes import ROW_BITS, STREAMS, of_rows
from vedette.lake.sources import sources
from vedette.lake.tables import Lake, ModelTables
from vedette.lake.windows import Blocks, window_of
from vedette.records import Ledger, ProducerLedger

__all__ = ["ledger"]

_TRIES = 20
_PARTS = ("in_journal", "sampled_out", "dropped", "rejected", "torn", "forgotten")  # in_lake is counted
_SHOWN = {
    "void": "rejected",
    "waiting": "in_journal",
}  # what an outcome is in the equation, where it has another name


def ledger(lake: Lake, model: str) -> Ledger:
    """The ledger's equation by producer, stream and window, and every gap in words.

    ``in_lake`` is counted in the tables themselves, not taken from what the ingester said it wrote, so that a row lost
    on the way shows. Rows that a round in progress has written already count as in the journal until it ends.
    """
    for _ in range(_TRIES):
        tables = lake.model(model)
        # in this order: rows of a table that the ledger has not come to are in the journals, which are read after it
        before, *_ = (
            table.snapshot() for table in (tables["ledger"], *(tables.holding(name) for name in STREAMS))
        )
        found = books(tables, sources(lake, model))
        tables_hold = pl.concat([_count(tables, stream, found) for stream in STREAMS])
        if not tables["ledger"].moved_on(before):
            return _ledger(model, found, tables_hold)
    raise LakeError(f"model {model!r}: the lake changed during each of {_TRIES} readings; ingest less often")


def _count(tables: ModelTables, stream: str, found: Books) -> pl.DataFrame:
    """Rows in the table itself by producer and window; ``decided`` where its ledger has come to them."""
    limits = {name: number for (name, kind), number in found.through.items() if kind == stream}
    for (name, kind), number in found.through.items():
        if kind == "batch":
            limits[f"{name}/batch"] = ((number + 1) << ROW_BITS) - 1
    bounds = (
        pl.col("_producer").replace_strict(limits, default=0, return_dtype=pl.Int64) if limits else pl.lit(0)
    )
    decided = pl.col("_sequence") <= bounds
    scan = tables.holding(stream).scan()
    if "_sequence" not in scan.collect_schema():  # events before the first of a run
        scan = scan.clear().with_columns(_producer=pl.lit("", pl.String), _sequence=pl.lit(0, pl.Int64))
    rows = scan.filter(pl.col("_sequence").is_not_null()).select(
        "time", "_producer", decided.fill_null(False).alias("decided")
    )
    counts = [
        of_rows(rows.filter(pl.col("decided") == told), stream, "in_lake", found.window_us).with_columns(
            decided=pl.lit(told), stream=pl.lit(stream)
        )
        for told in (True, False)
    ]
    return pl.concat(counts)


def _ledger(model: str, found: Books, tables_hold: pl.DataFrame) -> Ledger:
    """The equations: ``seen`` by what was said of each row, ``in_lake`` by what is in the tables."""
    blocks = Blocks(found.outcomes, found.window_us)
    said = blocks.placed(found.outcomes).with_columns(pl.col("stream").str.strip_prefix("batch/"))
    there = blocks.placed(tables_hold)
    keys = ["producer", "stream", "begin", "end"]
    windows: dict[tuple[str, str, int], _Equation] = {}
    outcomes = said.group_by(*keys, "part", "reason").agg(pl.col("n").sum()).sort(*keys, "part", "reason")
    for producer, stream, begin, end, part, reason, n in outcomes.iter_rows():
        windows.setdefault((producer, stream, begin), _Equation(end)).add(_SHOWN.get(part, part), reason, n)
    decided = there.filter("decided").group_by(keys).agg(pl.col("n").sum()).sort(keys)
    for producer, stream, begin, end, n in decided.iter_rows():
        windows.setdefault((producer, stream, begin), _Equation(end)).stored = n
    records = [one.record(*key) for key, one in sorted(windows.items())]
    for (producer, stream), n in found.unexplained.items():
        records.append(_Equation(None, seen=n).record(producer, stream, None))
    totals: dict[tuple[str, str], _Equation] = {}
    for one in records:
        totals.setdefault((one.producer, one.stream), _Equation(None)).include(one)
    gaps = [
        *torn(said),
        *not_as_stored(
            {key: (one.end, one.parts.get("in_lake", 0) - one.stored) for key, one in windows.items()}
        ),
        *undecided(found, there),
    ]
    whole = tuple(one.record(*key, None) for key, one in sorted(totals.items()))
    return Ledger(
        model, whole, tuple(records), tuple(sorted(gaps, key=lambda gap: (gap.producer, gap.stream)))
    )


@dataclass(slots=True)
class _Equation:
    """One equation as it is summed up; ``parts`` are what was said, ``stored`` what the table holds of it."""

    end: int | None
    seen: int = 0
    stored: int = 0
    parts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, part: str, reason: str, n: int) -> None:
        """Take rows of which is known what became of them."""
        self.seen += n
        self.parts[part] = self.parts.get(part, 0) + n
        if reason:
            of_part = self.reasons.setdefault(part, {})
            of_part[reason] = of_part.get(reason, 0) + n

    def include(self, one: ProducerLedger) -> None:
        """Take the equation of a window into that of the whole."""
        self.seen += one.seen
        self.stored += one.in_lake
        for part in _PARTS:
            self.parts[part] = self.parts.get(part, 0) + getattr(one, part)
        for part, reasons in one.reasons.items():
            of_part = self.reasons.setdefault(part, {})
            for reason, n in reasons.items():
                of_part[reason] = of_part.get(reason, 0) + n

    def record(self, producer: str, stream: str, begin: int | None) -> ProducerLedger:
        """The equation of the window that begins there; of the whole where it is None."""
        return ProducerLedger(
            producer=producer,
            stream=stream,
            seen=self.seen,
            in_lake=self.stored,
            **{part: self.parts.get(part, 0) for part in _PARTS},
            reasons=self.reasons,
            window=None if begin is None or self.end is None else window_of(begin, self.end),
        )

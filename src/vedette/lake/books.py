"""The books of a model: the ledger of its lake, its journals beyond that, and its producers' counters, read at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.capture.lost import Lost
from vedette.errors import JournalError
from vedette.lake.arrivals import Arrivals
from vedette.lake.events import settings_from, settings_of
from vedette.lake.outcomes import (
    SCHEMA,
    STREAMS,
    batch_lost,
    gathered,
    identifier,
    news,
    of_lost,
    of_rows,
    stored,
)
from vedette.lake.producer import Producer, ProducerBatch
from vedette.lake.tables import ModelTables
from vedette.records import Settings

__all__ = ["Books", "books", "of_arrivals", "of_counters"]

_OF_SLOTS = ("in_lake", "torn", "void", "forgotten")


@dataclass(frozen=True, slots=True)
class Books:
    """What the lake's ledger, the journals beyond it and the producers' counters say at one moment.

    ``outcomes`` is a frame as ``outcomes.SCHEMA`` has it, for windows of ``window_us`` microseconds. ``through`` are the
    watermarks of the lake's ledger by producer and stream (or ``batch``), ``unexplained`` the sequences below them of
    which it does not say what they were, ``problems`` what cannot be read of a producer: of a stream, or (empty) of its
    counters.
    """

    outcomes: pl.DataFrame
    window_us: int
    through: Mapping[tuple[str, str], int]
    unexplained: Mapping[tuple[str, str], int]
    problems: Mapping[tuple[str, str], str]


def books(tables: ModelTables, folders: Sequence[Producer], streams: Sequence[str] = STREAMS) -> Books:
    """Read the books beside one snapshot of the ledger; no row of the lake is read."""
    before = stored(tables, streams)
    names = {*before["producer"].unique().to_list(), *(folder.name for folder in folders)}
    snapshot = tables["ledger"].snapshot()
    through = {
        (name, stream): tables["ledger"].through(identifier(name, stream), snapshot)
        for name in names
        for stream in (*streams, "batch")
    }
    journals = [_Journal(folder, streams, through) for folder in folders]
    settings = settings_of(tables)
    if tables["events"].snapshot() is None:  # nothing was ingested yet: what the journals say
        said = [one.settings for one in journals if one.settings is not None]
        settings = said[-1] if said else settings
    window_us = round(settings.window_s * 1e6)
    frames = [before, *(frame for one in journals for frame in one.outcomes(window_us))]
    counted, problems = of_counters(folders, streams, before)
    outcomes = gathered([*frames, *counted])
    known = set(outcomes["producer"].unique().to_list())  # others are being made at this moment
    problems = {key: problem for key, problem in problems.items() if key[0] in known}
    for folder in folders:
        for stream, (first, why) in folder.stopped.items():
            problems[folder.name, stream] = (
                f"its segments from sequence {first:,} on cannot be read now: {why}"
            )
    return Books(outcomes, window_us, through, _unexplained(before, through), problems)


def of_counters(
    folders: Sequence[Producer], streams: Sequence[str], before: pl.DataFrame
) -> tuple[list[pl.DataFrame], dict[tuple[str, str], str]]:
    """What producers have counted beyond what was stored before, and what cannot be read of that."""
    frames: list[pl.DataFrame] = []
    problems: dict[tuple[str, str], str] = {}
    for folder in folders:
        for stream in streams:
            counted, counters = news(folder, stream, before)
            frames.append(counted)
            if counters.problem:
                problems[folder.name, ""] = (
                    f"its counters cannot be read: {counters.problem}; what it dropped, sampled out or rejected is known "
                    "only as far as the lake's ledger has it"
                )
    return frames, problems


def _unexplained(before: pl.DataFrame, through: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    of_slots = (
        before.filter(pl.col("part").is_in(_OF_SLOTS)).group_by("producer", "stream").agg(pl.col("n").sum())
    )
    told = {(producer, stream): n for producer, stream, n in of_slots.iter_rows()}
    differ = {key: number - told.get(key, 0) for key, number in through.items() if key[1] != "batch"}
    return {key: n for key, n in differ.items() if n}


def of_arrivals(arrivals: Arrivals, streams: Sequence[str], window_us: int) -> list[pl.DataFrame]:
    """What arrivals are, in the journals as yet, and what waits or is missing behind them."""
    frames = [
        of_rows(rows, stream, "in_journal", window_us)
        for stream in streams
        if (rows := getattr(arrivals, stream)).height
    ]
    frames += [
        of_rows(rows, one, "forgotten", window_us)
        for one, rows in arrivals.forgotten.items()
        if one in streams
    ]
    for (producer, stream), entry in arrivals.decided.items():
        if stream.removeprefix("batch/") in streams:
            frames.append(of_lost(producer, stream, entry.lost, window_us))
    for folder in arrivals.folders:
        for stream in streams:
            last = None
            come = arrivals.decided.get((folder.name, stream))
            after = (
                come.through if come is not None else arrivals.after.get(identifier(folder.name, stream), 0)
            )
            if folder.waiting.get(stream):
                fresh: pl.DataFrame = getattr(arrivals, stream)
                own = fresh.filter(pl.col("_producer") == folder.name).sort("_sequence")["time"]
                last = own[-1].timestamp() if len(own) else None
            frames.append(of_lost(folder.name, stream, _behind(folder, stream, after, last), window_us))
    return frames


def _behind(folder: Producer, stream: str, after: int, last: float | None) -> list[Lost]:
    """What lies behind the last slot that was read.

    Slots that a living producer is writing at this moment, and rows behind one that it never finished, are waiting: they
    are in the journal, and in no figure yet. They are counted to the time of the row before them (``last``), or that of
    the segment. Segments that are missing at the end are torn.
    """
    found, waiting = [], folder.waiting.get(stream, 0)
    if waiting:
        at = last if last is not None else folder.newest(stream) or folder.path.stat().st_mtime
        found.append(Lost(after + 1, after + waiting, "waiting", "", at))
    missing = folder.missing_end(stream, after + waiting)
    return [*found, missing] if missing is not None else found


class _Journal:
    """What one producer's journal holds beyond the ledger of the lake: times of rows, and what was lost, by stream."""

    def __init__(
        self, folder: Producer, streams: Sequence[str], through: Mapping[tuple[str, str], int]
    ) -> None:
        self.folder = folder
        self.settings: Settings | None = None
        self.times: list[tuple[str, np.ndarray]] = []  # seconds
        self.lost: list[tuple[str, Lost]] = []
        for stream in streams:
            self._slots(stream, through[folder.name, stream])
        for batch in folder.batches(through[folder.name, "batch"]):
            if batch.stream in (*streams, "reference"):
                self._batch(batch)

    def _slots(self, stream: str, after: int) -> None:
        last = None
        for chunk in self.folder.read(stream, after):
            if stream == "predictions":
                self.settings = chunk.settings
            self.times.append((stream, chunk.time))
            self.lost += ((stream, one) for one in chunk.lost)
            after = chunk.next - 1
            last = float(chunk.time[-1]) if len(chunk.time) else last
        self.lost += ((stream, one) for one in _behind(self.folder, stream, after, last))

    def _batch(self, batch: ProducerBatch) -> None:
        kind = f"batch/{batch.stream}"
        try:
            rows = pl.read_ipc(batch.read(), columns=["time", "_settings"])
        except FileNotFoundError:
            return  # freed meanwhile: the ledger has moved on, and is read again
        except (OSError, JournalError, pl.exceptions.PolarsError) as error:
            self.lost += ((kind, one) for one in batch_lost(batch, None, str(error)))
            return
        if batch.stream != "labels":
            self.settings = settings_from(rows["_settings"][0])
        if batch.stream in STREAMS:
            self.times.append((kind, rows["time"].dt.timestamp("us").to_numpy() / 1e6))
            self.lost += ((kind, one) for one in batch_lost(batch, rows.height))

    def outcomes(self, window_us: int) -> list[pl.DataFrame]:
        """The rows and the lost slots by window."""
        frames = []
        for stream, times in self.times:
            start = np.round(times * 1e6).astype(np.int64) // window_us * window_us
            starts, n = np.unique(start, return_counts=True)
            rows = {"start": starts, "n": n.astype(np.int64)}
            constant = {
                "producer": self.folder.name,
                "stream": stream,
                "length": window_us,
                "part": "in_journal",
            }
            frames.append(
                pl.DataFrame(rows | constant | {"reason": "", "first": None, "last": None}, schema_overrides=SCHEMA)
                .select(list(SCHEMA))
            )  # fmt: skip
        for stream in dict.fromkeys(stream for stream, _ in self.lost):
            own = [one for kind, one in self.lost if kind == stream]
            frames.append(of_lost(self.folder.name, stream, own, window_us))
        return frames

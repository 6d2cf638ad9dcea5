"""One producer of those that a server received from, with the face of a producer's journal; and what may be deleted."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from vedette.capture.journal import Chunk
from vedette.capture.lost import Lost
from vedette.errors import JournalError
from vedette.lake.outcomes import COUNTED, identifier
from vedette.lake.producer import passing
from vedette.lake.received.chunks import of_arrow, of_json, of_nothing
from vedette.lake.received.conflicts import Conflicts
from vedette.lake.received.index import Entry, Index, LogFile, index_of
from vedette.lake.received.records import Received
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Counted, Counters

__all__ = ["ReceivedBatch", "ReceivedFolder", "folders", "tidy"]

log = logging.getLogger("vedette")

LACKING = "the server's log lacks it"
_DAMAGED: set[Path] = set()  # logs of which this process said that they are kept
_GATHERED_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """A batch as it was sent; ``stream`` is predictions, labels or reference."""

    number: int
    stream: str
    n_rows: int
    path: Path
    entry: Entry

    def read(self) -> bytes:
        """The Arrow file. Raises ``JournalError`` where it is damaged, or never came."""
        if self.entry.received.kind == "lost_batch":
            lost = self.entry.received.about.get("lost") or [{}]
            raise JournalError(str(lost[0].get("reason", "damaged where it was recorded")))
        return self.entry.body()


class ReceivedFolder:
    """What one producer has sent, with the face of :class:`~vedette.capture.journal.ProducerFolder`."""

    alive = False

    def __init__(
        self,
        index: Index,
        tables: ModelTables,
        model: str,
        name: str,
        conflicts: Mapping[tuple[str, str], tuple[Counted, ...]] | None = None,
    ) -> None:
        self.index, self.model, self.name = index, model, name
        self.path = index.folder
        self.problems: list[str] = []
        self.waiting: dict[str, int] = {}
        self.stopped: dict[str, tuple[int, str]] = {}
        self._tables, self._conflicts = tables, conflicts or {}

    @property
    def crowded(self) -> bool:
        """True where the lake's ledger is to have its counters before the log that holds them can go."""
        return any(one.file.ended for one in self.index.of((self.model, self.name, "counters")))

    def read(self, stream: str, after: int) -> Iterator[Chunk]:
        """Yield the rows whose sequence is above ``after``, in order. What was sent twice is there once.

        Ends before what the machine cannot read now (a disk, memory, open files): that is for the next reading.
        """
        try:
            yield from self._read(stream, after)
        except FileNotFoundError:
            return  # freed meanwhile: the reader sees that the lake has moved on, and reads again
        except (OSError, MemoryError) as error:
            log.error(
                "%s of %s cannot be read now, and are left for the next round: %r", stream, self.name, error
            )
            self.problems.append(f"{stream}: cannot be read now: {error!r}")

    def _read(self, stream: str, after: int) -> Iterator[Chunk]:
        for entries in self._groups((self.model, self.name, stream), after):
            chunks: Iterable[Chunk]
            try:
                chunks = [self._chunk(entries, after)]
            except Exception:  # noqa: BLE001 - whatever it is, it is told of the one that cannot be read
                chunks = self._one_by_one(entries, after)
            yield from chunks
            after = entries[-1].received.end - 1

    def _chunk(self, entries: Sequence[Entry], after: int) -> Chunk:
        lacking, kind = _lacking(entries[0], after), entries[0].received.kind
        if kind == "json":
            return of_json(entries, after, self._kinds(entries[0].received.stream), lacking)
        return (of_nothing if kind == "word" else of_arrow)(entries[0], after, lacking)

    def _one_by_one(self, entries: Sequence[Entry], after: int) -> Iterator[Chunk]:
        """What can be read of requests of which one cannot."""
        for entry in entries:
            try:
                yield self._chunk([entry], after)
            except Exception as error:  # it was checked when it came: that must not stop what comes after
                if passing(error):
                    raise
                yield self._unreadable(entry, after, error)
            after = entry.received.end - 1

    def _groups(self, key: tuple[str, str, str], after: int) -> Iterator[list[Entry]]:
        """What is read together: requests of JSON that follow one another, each other one alone; none is known already."""
        gathered: list[Entry] = []
        for entry in self._settled(key, after, lambda one: one.first - 1):
            if entry.received.end - 1 <= after:
                continue
            after = entry.received.end - 1
            n_rows = after - gathered[0].received.first if gathered else 0
            if gathered and not (n_rows < _GATHERED_ROWS and _follows(gathered[-1].received, entry.received)):
                yield gathered
                gathered = []
            gathered.append(entry)
        if gathered:
            yield gathered

    def _settled(
        self, key: tuple[str, str, str], after: int, before: Callable[[Received], int]
    ) -> list[Entry]:
        """The records of a key, in order; ``before`` is the number that one comes behind.

        Logs are looked at one after another: of two requests that two servers took in turn the later can be seen and the
        earlier not. What was there before a second look is seen whole by it; what that look alone found waits for the next.
        """
        entries = self.index.of(key)
        if _gap(entries, after, before):
            last = entries[-1].received.end
            self.index.refresh()
            entries = [one for one in self.index.of(key) if one.received.first < last]
        return entries

    def _kinds(self, stream: str) -> dict[str, bool]:
        """The lake's columns of numbers: True for integers."""
        schema = self._tables[stream].columns()
        return {name: kind.is_integer() for name, kind in schema.items() if kind.is_numeric()}

    def _unreadable(self, entry: Entry, after: int, error: Exception) -> Chunk:
        """Rows whose bytes are damaged are torn: they were promised to whoever sent them, which is said aloud."""
        why = str(error) if isinstance(error, JournalError) else f"cannot be read: {type(error).__name__}"
        log.error("%s: rows of %s are lost: %s", entry.file.path, self.name, error)
        self.problems.append(f"{entry.file.path.name}: {why}")
        one = entry.received
        lost = Lost(max(after + 1, one.first), one.end - 1, "torn", why, entry.place.received_us / 1e6)
        nothing = replace(entry, received=replace(one, about={}))
        return of_nothing(nothing, after, [*_lacking(entry, after), lost])

    def batches(self, after: int) -> list[Any]:
        """The batches whose number is above ``after``, in order."""
        found: dict[int, ReceivedBatch] = {}
        key = (self.model, self.name, "batch")
        for entry in self._settled(key, after, lambda one: int(one.about.get("after", 0))):
            one = entry.received
            number = one.end - 1
            if number > after:
                found[number] = ReceivedBatch(
                    number, one.stream, int(one.about["n_rows"]), entry.file.path, entry
                )
        return [found[number] for number in sorted(found)]

    def counters(self, stream: str) -> Counters:
        """What the producer said that it counted besides its rows, its last word; and what was refused of it."""
        refused = self._conflicts.get((self.name, stream), ())
        newest = self.index.newest((self.model, self.name, "counters"))
        if newest is None:
            return Counters(refused)
        try:
            told = json.loads(newest.body())["streams"].get(stream, {})
        except (JournalError, OSError) as error:
            return Counters(refused, problem=str(error))
        counted = tuple(
            Counted(one["part"], one["reason"], one["start_us"], one["length_us"], one["n"])
            for one in told.get("counted", ())
        )
        return Counters((*counted, *refused), int(told.get("before_us", 0)))

    def missing_end(self, _stream: str, _after: int) -> Lost | None:
        """None: what has not been sent is in the journal of whoever sends it."""
        return None

    def highest(self, stream: str) -> int:
        """The highest sequence of a stream that was received; 0 where there is none."""
        return max(
            (one.received.end - 1 for one in self.index.of((self.model, self.name, stream))), default=0
        )

    def newest(self, stream: str) -> float | None:
        """The time at which the last of a stream was received, None where there is none."""
        times = [one.place.received_us / 1e6 for one in self.index.of((self.model, self.name, stream))]
        return max(times, default=None)

    def free(self, _stream: str, _upto: int) -> int:
        """Nothing: a log is deleted once all in it is in the lake, with :func:`tidy`."""
        return 0

    def free_batches(self, _upto: int) -> int:
        """Nothing, as :meth:`free`."""
        return 0


def _gap(entries: Sequence[Entry], after: int, before: Callable[[Received], int]) -> bool:
    """True where a record comes behind one that is not there."""
    for entry in entries:
        if before(entry.received) > after:
            return True
        after = max(after, entry.received.end - 1)
    return False


def _follows(before: Received, one: Received) -> bool:
    """True where JSON rows can be gathered behind others."""
    alike = all(one.about.get(name) == before.about.get(name) for name in ("version", "settings"))
    return one.kind == before.kind == "json" and one.first == before.end and alike


def _lacking(entry: Entry, after: int) -> list[Lost]:
    """The sequences before an entry that were acknowledged, and are in no log."""
    first = entry.received.first
    if first <= after + 1:
        return []
    return [Lost(after + 1, first - 1, "torn", LACKING, entry.place.received_us / 1e6)]


def folders(lake: Lake, model: str) -> list[ReceivedFolder]:
    """The producers of which a server holds something that is not deleted yet, or has refused something, by name."""
    index = index_of(lake)
    conflicts = Conflicts(lake).counted(model)
    names = sorted({*index.producers(model), *(producer for producer, _ in conflicts)})
    tables = lake.model(model) if names else None
    return [ReceivedFolder(index, tables, model, name, conflicts) for name in names if tables is not None]


def tidy(lake: Lake) -> int:
    """Delete the logs that nobody appends to any more and of which all is in the lake; returns how many.

    One that is damaged is kept, and that is said once: of whom its bytes were nobody can tell, so that no ledger can. The caller
    holds the lake's work lock.
    """
    index = index_of(lake)
    opened: dict[str, tuple[ModelTables, Any]] = {}
    deleted = 0
    for file in [one for one in index.files.values() if one.ended]:
        if file.damaged:
            if file.path not in _DAMAGED:
                _DAMAGED.add(file.path)
                log.error(
                    "%s: has bytes that are no record: it is kept, move it away once it was looked at",
                    file.path,
                )
        elif all(_kept(index, file, lake, opened, key) for key in file.ends):
            file.path.unlink(missing_ok=True)
            deleted += 1
    if deleted:
        index.refresh()
    return deleted


def _kept(
    index: Index,
    file: LogFile,
    lake: Lake,
    opened: dict[str, tuple[ModelTables, Any]],
    key: tuple[str, str, str],
) -> bool:
    """True where the lake's ledger has come to the end of what a log has of a producer."""
    model, producer, stream = key
    if model not in opened:
        tables = lake.model(model)
        opened[model] = (tables, tables["ledger"].snapshot())
    tables, snapshot = opened[model]
    if stream == "counters":
        newest = index.newest(key)  # its last word is what counts
        if newest is None or newest.file is not file:
            return True
        return snapshot is not None and _told(tables, producer, newest.received.end)
    return bool(tables["ledger"].through(identifier(producer, stream), snapshot) >= file.ends[key] - 1)


def _told(tables: ModelTables, producer: str, counted: int) -> bool:
    """True where the ledger has as many rows as a producer said that it counted."""
    of_producer = (pl.col("producer") == producer) & pl.col("part").is_in(COUNTED)
    rows = tables["ledger"].scan().filter(of_producer).select(pl.col("n").sum()).collect()
    return int(rows.item() or 0) >= counted - 1

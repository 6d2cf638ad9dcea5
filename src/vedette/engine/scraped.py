"""What Prometheus is told of the models of a lake, read again only where a table has moved on.

A scrape must end in seconds, whatever there is to read: ``Scraped.reading`` looks for commits by the name of the next
file of each table's log, reads what changed, verdicts first, and stops when its time is over. The models it did not come to
are told as they were last read, and counted; whoever watches a lake reads beside the scrapes (``refresh``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from vedette.engine import alerts as alerts_module
from vedette.engine.false_alarms import measured
from vedette.engine.figures import figures
from vedette.engine.glance import alerts_of
from vedette.engine.health import health, turns
from vedette.engine.runs import runs_of
from vedette.engine.stability.facts import FACTS_S, objectives
from vedette.engine.state import GRACE, NEVER, kept_row
from vedette.lake import ingest
from vedette.lake.books import books
from vedette.lake.events import settings_of
from vedette.lake.sources import sources
from vedette.lake.tables import Lake, ModelTables
from vedette.output.prometheus.facts import FigureFact, ModelFacts, Reading
from vedette.records import AlertState, is_runs, owner_of

__all__ = ["Scraped", "facts_of", "newest_window"]

log = logging.getLogger("vedette")

TABLES = ("summaries", "ledger", "state", "alerts", "deliveries", "grids", "events")
"""The tables that what is told is read from."""
VERDICTS = ("state", "alerts")
"""Those of them that change where a verdict does: what people wait for."""
PATIENCE_S = 4.0
"""Prometheus gives up a scrape after ten seconds where nothing else is said; half of that is for what is not reading."""
STALE = timedelta(hours=1)
"""What has not changed is read again after so long all the same: a commit may be gone from the log by then."""
_ONE_KEY = ("metric", "feature", "part", "segment", "value", "low", "high", "n", "completeness", "labelled")


@dataclass(slots=True)
class _Entry:
    """A model as it was read: the versions of its tables before that, and when time alone changes it."""

    versions: dict[tuple[str, str], int]  # by model or its runs, and table
    facts: ModelFacts | None  # None: it could not be read
    read: datetime
    until: datetime


class Scraped:
    """The models of a lake, or some of them, as Prometheus is told of them; for several threads.

    ``segments`` tells whether the figures of the segments that are watched are read too: that goes through the rows of
    one window. ``patience_s`` is for how long one reading may go on; None: until all is read. A server of many models
    calls ``refresh`` in the thread that watches its lake, so that scrapes find what there is.
    """

    def __init__(
        self,
        lake: Lake,
        models: Collection[str] | None = None,
        *,
        segments: bool = True,
        patience_s: float | None = PATIENCE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lake, self._models, self._clock = lake, models, clock
        self._segments, self._patience_s = segments, patience_s
        self._entries: dict[str, _Entry] = {}
        self._told: set[str] = set()  # to have moved on, and not looked at since
        self._guard = threading.Lock()  # of the entries, held for a moment
        self._turn = threading.Lock()  # of who reads the lake, held for long
        self._number = self._failures = 0

    def reading(self) -> Reading:
        """The models as they are, as far as there is time to read them; what another thread reads now is not waited for."""
        self.refresh(self._patience_s, wait=False)
        names = self._names()
        due = set(self._due(names))
        with self._guard:
            known = [(name, entry) for name in names if (entry := self._entries.get(name)) is not None]
            return Reading(
                models=[entry.facts for _, entry in known if entry.facts is not None],
                behind=[name for name, entry in known if name in due and entry.facts is not None],
                unread=[name for name in names if name not in self._entries],
                failed=[name for name, entry in known if entry.facts is None],
                failures=self._failures,
                number=self._number,
            )

    def refresh(
        self, patience_s: float | None, *, wait: bool = True, moved: Collection[str] | None = None
    ) -> bool:
        """Read what has moved on: verdicts that may have changed first, then what was read longest ago.

        Where somebody else looks through the tables, ``moved`` are the models that moved on since the last call; else all
        are looked at. Returns True where all that is known to be due was read.
        """
        if not self._turn.acquire(blocking=wait):
            return False
        try:
            names = self._names()
            with self._guard:
                for gone in set(self._entries) - set(names):
                    del self._entries[gone]
                    self._number += 1
            self._told.update(moved or ())
            due = self._due(names, None if moved is None else self._told)
            self._told = set(due)
            started = time.monotonic()
            for done, name in enumerate(due):
                if patience_s is not None and done and time.monotonic() - started > patience_s:
                    return False
                entry = self._read(name, ingest.now_of(self._clock()))
                with self._guard:
                    self._entries[name] = entry
                    self._number += 1
            return True
        finally:
            self._turn.release()

    def _names(self) -> list[str]:
        if self._models is not None:
            return sorted(self._models)
        return sorted({owner_of(name) if is_runs(name) else name for name in self._lake.models()})

    def _due(self, names: Iterable[str], looked: Collection[str] | None = None) -> list[str]:
        """The models that have moved on, those first that are most urgent; of ``looked`` and those whose time has come."""
        now = ingest.now_of(self._clock())
        with self._guard:
            entries = dict(self._entries)
        never = datetime.min.replace(tzinfo=UTC)
        found: list[tuple[bool, datetime, str]] = []
        for name in names:
            entry = entries.get(name)
            if entry is None or now >= entry.until:
                found.append((True, never if entry is None else entry.read, name))
                continue
            if looked is not None and name not in looked and owner_of(name) not in looked:
                continue
            of = {each: self._lake.model(each) for each in _with_runs(name)}
            moved = {
                table for (each, table), version in entry.versions.items() if of[each][table].beyond(version)
            }
            if moved:
                found.append((not moved & {*VERDICTS}, entry.read, name))
        return [name for _, _, name in sorted(found)]

    def _read(self, name: str, now: datetime) -> _Entry:
        of = {each: self._lake.model(each) for each in _with_runs(name)}
        try:
            # before anything is read: what is committed meanwhile is beyond them
            snapshots = {(each, table): of[each][table].snapshot() for each in of for table in TABLES}
            versions = {key: -1 if one is None else one.version() for key, one in snapshots.items()}
            facts, until = facts_of(self._lake, name, now, segments=self._segments)
        # whatever is wrong with one model (a file cut short makes Polars panic), the others are told, and it is counted
        except (Exception, pl.exceptions.PanicException):
            log.exception("model %s: cannot be told to Prometheus", name)
            self._failures += 1
            return _Entry({}, None, now, now)  # tried again at the next scrape
        return _Entry(versions, facts, now, min(until, now + STALE))


def _with_runs(model: str) -> tuple[str, ...]:
    """A model and what its training runs are recorded as, which is told as part of it."""
    return (model,) if is_runs(model) else (model, runs_of(model))


def _streams(name: str, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Outcomes by stream; what runs record goes through the same two streams, and is points and events of runs."""
    named = outcomes.with_columns(pl.col("stream").str.strip_prefix("batch/"))
    of_runs = {"predictions": "points", "labels": "run_events"}
    return named.with_columns(pl.col("stream").replace(of_runs)) if is_runs(name) else named


def facts_of(lake: Lake, model: str, now: datetime, *, segments: bool = True) -> tuple[ModelFacts, datetime]:
    """What is told of a model, and until when that holds where nothing new comes. Raises ``LakeError``."""
    tables = lake.model(model)
    found = health(lake, model, now)
    kept = kept_row(tables, series=False)
    every = alerts_module.alerts(tables, now)
    states = Counter(one.state for one in (every if is_runs(model) else alerts_of(lake, model, now)))
    window, following = (None, None) if is_runs(model) else newest_window(tables, now)
    frame = None if window is None else _figures(lake, model, tables, window, segments)
    told, unknown = ((), {}) if frame is None else _told(frame)
    every_book = {one: books(lake.model(one), sources(lake, one)) for one in _with_runs(model)}
    rows = pl.concat([_streams(name, one.outcomes) for name, one in every_book.items()])
    sums = rows.group_by("stream", "part").agg(pl.col("n").sum()).sort("stream", "part")
    ingested = tables["ledger"].scan().select(pl.col("time").max()).collect().item()
    facts = ModelFacts(
        model=model,
        version=found.version,
        verdict=found.verdict,
        verdicts=found.verdicts,
        alerts={state.value: states[state] for state in AlertState},
        window=window,
        figures=told,
        unknown=unknown,
        rows={(stream, part): int(n) for stream, part, n in sums.iter_rows()},
        unexplained=sum(abs(n) for one in every_book.values() for n in one.unexplained.values()),
        false_alarms=measured(tables, every),
        ingested=ingested,
        judged=None if kept is None or kept.known == NEVER else kept.known,
        slos=() if is_runs(model) else tuple(objectives(tables, now)),
    )
    silences = [one.until for one in every if one.until is not None]
    silent = None if kept is None else turns(tables, kept, now)
    turning = now + timedelta(seconds=FACTS_S) if facts.slos else None
    ends = [one for one in (following, silent, turning, *silences) if one is not None and one > now]
    return facts, min(ends, default=now + STALE)


def newest_window(
    tables: ModelTables, now: datetime
) -> tuple[tuple[datetime, datetime] | None, datetime | None]:
    """The newest window with rows that had ended by a moment, and when the next one that has rows ends."""
    length = timedelta(seconds=settings_of(tables).window_s)
    live = (pl.col("part") == "live") & (pl.col("column") == "prediction") & (pl.col("segment") == "")
    starts = (
        tables["summaries"].scan().filter(live).select("start").unique().collect()["start"].sort().to_list()
    )
    ended = [start for start in starts if start + length + GRACE <= now]
    window = (ended[-1], ended[-1] + length) if ended else None
    following = starts[len(ended)] + length + GRACE if len(ended) < len(starts) else None
    return window, following


def _figures(
    lake: Lake, model: str, tables: ModelTables, window: tuple[datetime, datetime], segments: bool
) -> pl.DataFrame:
    """The figures of one window, of the whole and by the columns that are watched as segments."""
    since, until = window
    frames = [figures(lake, model, since=since, until=until)]
    if segments:
        frames += [
            figures(lake, model, by=column, since=since, until=until)
            for column in settings_of(tables).segments or ()
        ]
    return pl.concat(frames)


def _told(frame: pl.DataFrame) -> tuple[tuple[FigureFact, ...], dict[str, int]]:
    """The figures that have a value, and how many have none, by reason."""
    known = frame.filter(pl.col("value").is_not_null() & pl.col("value").is_finite())
    named = known.with_columns(pl.col("feature", "part", "segment").fill_null(""))
    lost = frame.filter(pl.col("value").is_null() | ~pl.col("value").is_finite())
    reasons = lost.group_by(pl.col("reason").fill_null("no value")).len().sort("reason")
    return tuple(FigureFact(*row) for row in named.select(_ONE_KEY).iter_rows()), dict(reasons.iter_rows())

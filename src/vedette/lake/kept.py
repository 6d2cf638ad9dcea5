"""How many of the predictions that were seen are kept, by window: what the completeness of a figure is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.errors import LakeError
from vedette.lake.arrivals import Arrivals
from vedette.lake.books import books, of_arrivals, of_counters
from vedette.lake.outcomes import gathered, stored
from vedette.lake.sources import sources
from vedette.lake.tables import Lake, ModelTables
from vedette.lake.windows import Blocks

__all__ = ["Kept", "kept"]

_TRIES = 20
_STREAMS = ("predictions",)


@dataclass(frozen=True, slots=True)
class Kept:
    """Predictions by window, or block of windows: begin and end (microseconds, ascending), those seen and those kept."""

    begin: np.ndarray
    end: np.ndarray
    seen: np.ndarray
    kept: np.ndarray

    @classmethod
    def of(cls, outcomes: pl.DataFrame, window_us: int) -> Kept:
        """What outcomes come to; rows that wait behind a slot that is not written yet are seen, and in no figure."""
        placed = Blocks(outcomes, window_us).placed(outcomes)
        n, held = pl.col("n"), pl.col("part").is_in(["in_lake", "in_journal"])
        by = placed.group_by("begin", "end").agg(n.sum().alias("seen"), n.filter(held).sum().alias("kept"))
        return cls(*(by.sort("begin")[name].to_numpy() for name in ("begin", "end", "seen", "kept")))

    def share(self, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The share that is kept between moments, of all windows that lie there or reach into it; NaN of none."""
        first, last = np.searchsorted(self.end, begin, side="right"), np.searchsorted(self.begin, end)
        seen, held = (np.concatenate([[0], np.cumsum(one)]) for one in (self.seen, self.kept))
        n, of = held[last] - held[first], seen[last] - seen[first]
        share = np.full(len(n), np.nan)
        np.divide(n, of, out=share, where=of > 0)
        return share


def kept(lake: Lake, model: str, tables: ModelTables, fresh: Arrivals, window_us: int) -> Kept:
    """How many of the predictions seen are kept, by window, from the ledger and the journals alone.

    ``fresh`` is what the journals hold beyond the lake, as read beside ``tables``; they are read again only where the
    ledger stands elsewhere, in the middle of a round or after one that was cut off.
    """
    if all(tables["ledger"].through(key) == number for key, number in fresh.after.items()):
        before = stored(tables, _STREAMS)
        counted, _ = of_counters(fresh.folders, _STREAMS, before)
        return Kept.of(gathered([before, *of_arrivals(fresh, _STREAMS, window_us), *counted]), window_us)
    for _ in range(_TRIES):
        tables = lake.model(model)
        snapshot = tables["ledger"].snapshot()
        found = books(tables, sources(lake, model), _STREAMS)
        if not tables["ledger"].moved_on(snapshot):
            return Kept.of(found.outcomes, found.window_us)
    raise LakeError(f"model {model!r}: the lake changed during each of {_TRIES} readings; ingest less often")

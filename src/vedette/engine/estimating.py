"""Figures of windows whose labels have not all come: estimated from their predictions and scores, from counts alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.estimated_counts import Known, TwoClasses
from vedette.engine.estimated_losses import Losses
from vedette.engine.estimated_several import SeveralClasses
from vedette.engine.query import Span
from vedette.engine.segments import Segments
from vedette.engine.summarise import ERROR, QUALITY
from vedette.engine.view import View
from vedette.statistics.unlabelled import (
    SEGMENTS_MIN,
    Followed,
    Others,
    Rehearsal,
    follow,
    mixed_losses,
    others_of,
)

__all__ = ["ESTIMATED", "Said", "by_segment", "estimated"]

ESTIMATED = tuple(dict.fromkeys((*TwoClasses.metrics, *SeveralClasses.metrics, *Losses.metrics)))
"""The metrics that are estimated where labels are missing."""

UNCOUNTED = "no labels, and its scores were counted before there was a reference to estimate by"
"""The reason of windows that were there before a reference said what scores mean."""

NO_RECORD = f"and no labels of {SEGMENTS_MIN} segments have come to say how far off an estimate of one is"
"""The reason of windows of segments where neither the segment nor enough others have a record."""

LEVEL = 0.95  # as the statistics'

OWN_WINDOWS = 10
"""Windows whose labels have come from which on a segment has a record of its own."""

ROWS_MIN = 20
"""Rows of a segment's window that an estimate needs: of fewer the chances' normal limits are no limits."""


def estimated(seen: View, span: Span, frame: pl.DataFrame, segments: Segments | None = None) -> pl.DataFrame:
    """The frame of figures, rows of windows whose labels are not all there replaced by estimates.

    A window without labels has a row of the kind ``estimated``, one with some ``blended``; the rest stay as they are. Each
    is told as the windows before it had taught by now, those that have 0.9 of their labels or more. ``note`` says which
    estimator it is and how it has done. Windows whose labels differ by when they come have bounds, and keep them: no blend
    is right there. With ``segments`` the frame is of those: each has the record of its own windows where ten or more have
    told, else that of all segments.
    """
    kind = _kind_of(seen)
    wanted = [name for name in kind.metrics if name in set(frame["metric"].to_list())]
    if not wanted or frame.is_empty():
        return frame
    by: Losses | TwoClasses | SeveralClasses | str = kind.of(seen)
    if isinstance(by, str):
        return _with_reason(frame, wanted, f"no labels, {by}")
    rehearsal = by.rehearsal(seen, wanted)
    rows = _Rows(frame, wanted, by)
    if segments is None:
        known = by.known(seen, span, np.unique(rows.start), wanted)
        said: Iterator[Said] = iter([Said("", known, _followed(known, wanted, rehearsal), "windows")])
    else:
        said = by_segment(list(by.by_segment(seen, segments, wanted)), wanted, rehearsal)
    for one in said:
        for metric in wanted:
            rows.tell(metric, one)
    return rows.into(frame)


def _kind_of(seen: View) -> type[Losses | TwoClasses | SeveralClasses]:
    grids = seen.shape.all_grids
    if ERROR in grids:
        return Losses
    return SeveralClasses if QUALITY in grids and len(grids[QUALITY].classes) > 2 else TwoClasses


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of the windows of a segment, by metric, and whose windows the record is of.

    ``found`` has None where nothing can be said; ``rows_min`` are the rows that a window needs.
    """

    segment: str
    known: Known
    found: Mapping[str, Followed | None]
    whose: str
    rows_min: int = 0

    def reasons(self, metric: str) -> np.ndarray:
        """Why windows have no estimate, object [W]; None where they have one."""
        one = self.found[metric]
        said = [NO_RECORD] * len(self.known.start) if one is None else one.reason
        out = np.array([None if why is None else f"no labels, {why}" for why in said], dtype=np.object_)
        out[self.known.rows < self.rows_min] = f"no labels, no estimate of fewer than {self.rows_min} rows"
        out[~self.known.counted] = UNCOUNTED
        return out


def _with_reason(told: pl.DataFrame, metrics: list[str], reason: str) -> pl.DataFrame:
    """The rows without labels of these metrics with a reason that says why they are not estimated."""
    unlabelled = (
        pl.col("metric").is_in(metrics) & pl.col("value").is_null() & (pl.col("reason") == "no labels")
    )
    return told.with_columns(pl.when(unlabelled).then(pl.lit(reason)).otherwise("reason").alias("reason"))


def _followed(
    known: Known,
    metrics: Sequence[str],
    rehearsal: Rehearsal | None,
    apart: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Followed]:
    """Each window as the windows before it taught to tell it, as long ahead as the newest is of the last that was told."""
    told = known.told
    after = len(told) - 1 - int(np.flatnonzero(told)[-1]) if told.any() else 0
    delay = max(after, 1) if told.any() else None
    truth = {metric: known.truth[metric] for metric in metrics}
    return follow(
        known.measures,
        truth,
        delay=delay,
        rehearsal=rehearsal,
        support=known.support,
        apart=apart,
        level=LEVEL,
    )


def by_segment(
    parts: Sequence[tuple[str, Known]], metrics: Sequence[str], rehearsal: Rehearsal | None
) -> Iterator[Said]:
    """What is said of the windows of each segment: by its own record where it has one, else by that of all.

    The record of its own begins with what segments differ by, where that is known: the first labels of a segment say more
    of it than a hundred windows of all rows.
    """
    if not parts:
        return
    lent = {metric: _lent(parts, metric) for metric in metrics}
    apart = {
        name: {metric: lent[metric][name].variance if lent[metric] else 0.0 for metric in metrics}
        for name in parts[0][1].measures
    }
    for name, known in parts:
        if known.told.sum() >= OWN_WINDOWS:
            found: dict[str, Followed | None] = {**_followed(known, metrics, rehearsal, apart)}
            yield Said(name, known, found, "windows of this segment", ROWS_MIN)
            continue
        found, segments = dict.fromkeys(metrics), 0
        for metric, records in lent.items():
            if records:
                asked = min(records, key=lambda one: records[one].off)
                measure, segments = known.measures[asked][metric], records[asked].segments
                found[metric] = records[asked].tell(metric, asked, measure, known.support)
        yield Said(name, known, found, f"windows of {segments} segments", ROWS_MIN)


def _lent(parts: Sequence[tuple[str, Known]], metric: str) -> dict[str, Others]:
    """What the windows of all segments say of one, by estimator; nothing where labels of too few segments have come."""
    segment = np.repeat(np.arange(len(parts)), [len(known.start) for _, known in parts])
    truth = np.concatenate([known.truth[metric] for _, known in parts])
    enough = np.concatenate([known.rows >= ROWS_MIN for _, known in parts])
    found = {}
    names = list(parts[0][1].measures)
    for name in names:
        each = [known.measures[name][metric] for _, known in parts]
        error = truth - np.concatenate([one.value for one in each])
        chance = np.concatenate([one.outcome + one.weights for one in each])
        good = enough & np.isfinite(error) & np.isfinite(chance)
        others = others_of(error[good], chance[good], segment[good], LEVEL)
        if others is not None:
            found[name] = others
    return found if len(found) == len(names) else {}


class _Rows:
    """The columns of a frame of figures that estimates change, as arrays."""

    def __init__(
        self, frame: pl.DataFrame, metrics: Sequence[str], by: Losses | TwoClasses | SeveralClasses
    ) -> None:
        self.by = by
        self.start = frame["start"].dt.timestamp("us").to_numpy()
        self.labelled = frame["labelled"].fill_null(0.0).to_numpy()
        self.numbers = {name: frame[name].to_numpy().copy() for name in ("value", "low", "high")}
        self.n = frame["n"].to_numpy().copy()
        self.texts = {name: frame[name].to_numpy().astype(object) for name in ("kind", "reason", "note")}
        wanted = frame["metric"].is_in(metrics) & (frame["labelled"].fill_null(0.0) < 1.0)
        open_rows = frame.with_row_index("_row").filter(wanted & frame["note"].is_null())
        self.rows = {
            (str(key[0]), str(key[1])): some["_row"].to_numpy()
            for key, some in open_rows.group_by("segment", "metric")
        }

    def tell(self, metric: str, said: Said) -> None:
        """Put what is said of a metric into the rows of its segment."""
        rows, one, known = self.rows.get((said.segment, metric)), said.found[metric], said.known
        if rows is None:
            return
        at = np.searchsorted(known.start, self.start[rows])
        reasons = said.reasons(metric)[at]
        refused = reasons != None  # noqa: E711  (by element)
        silent = refused & (self.labelled[rows] == 0)
        self.texts["reason"][rows[silent]] = reasons[silent]
        rows, at = rows[~refused], at[~refused]
        if one is None or not len(rows):
            return
        some = self.labelled[rows] > 0
        mixed = self._mixed(metric, rows[some], at[some], one, known)
        self.put(rows, one.value[at], one.low[at], one.high[at], "estimated")
        self.put(rows[some], *mixed, "blended")
        self.n[rows] = np.rint(known.rows[at])
        self.texts["reason"][rows] = None
        self.texts["note"][rows] = [one.words(int(place), said.whose) for place in at]

    def _mixed(
        self, metric: str, rows: np.ndarray, at: np.ndarray, one: Followed, known: Known
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values and limits of windows some of whose labels have come."""
        if isinstance(self.by, Losses):
            value, low, high = (self.numbers[name][rows] for name in ("value", "low", "high"))
            free = one.value[at], one.variance[at]
            share = self.labelled[rows]
            return mixed_losses(metric, value, low, high, share, *free, reach=one.reach[at], level=LEVEL)
        mixed = self.by.blended(metric, known, at, one, LEVEL)
        return mixed.value, mixed.low, mixed.high

    def put(self, rows: np.ndarray, value: np.ndarray, low: np.ndarray, high: np.ndarray, kind: str) -> None:
        """Put values with their limits into rows by number."""
        for name, part in zip(("value", "low", "high"), (value, low, high), strict=True):
            self.numbers[name][rows] = part
        self.texts["kind"][rows] = kind

    def into(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with these columns."""
        parts = {**self.numbers, "n": self.n, **{name: one.tolist() for name, one in self.texts.items()}}
        found = [pl.Series(name, part, dtype=frame.schema[name]) for name, part in parts.items()]
        return frame.with_columns(one.fill_nan(None) if one.dtype.is_float() else one for one in found)

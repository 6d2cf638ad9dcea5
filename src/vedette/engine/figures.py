"""Figures of a model: summaries of its windows, fresh rows included, read off by the statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import polars as pl

from vedette import config
from vedette.engine.direction_columns import feature_of
from vedette.engine.estimating import estimated
from vedette.engine.image_figures import image_figures
from vedette.engine.late_labels import bounded, dependence_of
from vedette.engine.late_strata import WEIGHTED, dependence_within, weighted
from vedette.engine.query import Query, Span, moment, names_of
from vedette.engine.reference import TRAINING
from vedette.engine.segments import Segments
from vedette.engine.summarise import LABELLED, OF_TASK, QUALITY, SCORES
from vedette.engine.suppressing import AVERAGED, PER_CLASS, suppressed
from vedette.engine.view import Cells, View, Windows, reference_of, view
from vedette.errors import DataError
from vedette.lake.deleting import anew
from vedette.lake.kept import kept as read_kept
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.lake.tables import Lake
from vedette.statistics import Breakdown, Estimates, Statistic
from vedette.statistics.grid import Grid
from vedette.statistics.label_delay import Dependence
from vedette.statistics.sampled import sampled_figures
from vedette.statistics.structured import TASK_FIGURES
from vedette.statistics.structured.detection import IMAGE_METRICS, IOU, SCORE, BoxShare
from vedette.statistics.summary import Summary

__all__ = ["FIGURE_SCHEMA", "OLDER", "figures"]

FIGURE_SCHEMA: dict[str, pl.DataType] = {
    "metric": pl.String(),
    "segment": pl.String(),
    "start": UTC_TYPE,
    "end": UTC_TYPE,
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "completeness": pl.Float64(),
    "labelled": pl.Float64(),
    "kind": pl.String(),
    "reason": pl.String(),
    "feature": pl.String(),
    "part": pl.String(),
    "sampled": pl.String(),
    "as_of": UTC_TYPE,
    "note": pl.String(),
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOR_EVER = 2**62

OLDER = "counted on an older grid"
"""The reason of windows whose labels came before a reference replaced the grid: counts of two grids do not add up."""


class _Source(Protocol):
    """Where the summaries come from: the table of summaries, or rows by segment."""

    @property
    def names(self) -> Sequence[str]:
        """The segments."""

    def blocks(self, column: str, grid: Grid, *, hashes: bool) -> Iterator[Cells]:
        """The summaries of a column on a grid, some windows and segments at a time."""


def figures(
    lake: Lake,
    model: str,
    metric: str | Sequence[str] | None = None,
    *,
    feature: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    version: str | None = None,
    window_s: float | None = None,
    since: Any = None,
    until: Any = None,
    as_of: Any = None,
    estimate: bool = False,
    iou: float | None = None,
    score: float | None = None,
    against: str = "reference",
    k: int | None = None,
) -> pl.DataFrame:
    """Figures by window, one row each; see ``Monitor.figures``. ``window_s`` is 0 for one window over all.

    Those of fewer than ``k`` rows are hidden, with what would tell of them; None: as ``vedette.toml`` says, 0: none.
    """
    k = config.read().k_of(model) if k is None else k
    if against not in ("reference", TRAINING):
        raise ValueError(f"against={against!r}: must be reference or {TRAINING}")
    if isinstance(as_of, list | tuple):
        if not as_of:
            raise ValueError(f"as_of={as_of!r}: must be a moment, or a list of moments")
        asked: dict[str, Any] = {"feature": feature, "by": by, "version": version, "window_s": window_s}
        asked |= {
            "since": since,
            "until": until,
            "estimate": estimate,
            "iou": iou,
            "score": score,
            "against": against,
        }
        return pl.concat([figures(lake, model, metric, **asked, as_of=one, k=k) for one in as_of])
    query = Query(
        names_of(metric, "metric"),
        names_of(feature, "feature"),
        version,
        window_s,
        moment(since, "since"),
        moment(until, "until"),
        moment(as_of, "as_of"),
        estimate,
        IOU if iou is None else iou,
        SCORE if score is None else score,
        against,
    )
    columns_by = names_of(by, "by")
    if columns_by is not None and not isinstance(by, str) and len(columns_by) < len(by or ()):
        raise ValueError(f"by={by!r}: names a column twice")
    told = [name for name in query.metrics or () if name in IMAGE_METRICS]
    if told or (iou, score) != (None, None):
        task = _task(lake, model, query, {"iou": iou, "score": score})
        odd = [name for name in told if task != "detection" and name not in TASK_FIGURES.get(task or "", {})]
        if odd:
            raise ValueError(
                f"metric={odd[0]!r}: is of boxes, and the task of this model is {task or 'not said'}"
            )
        if task == "detection" and told:
            asked_score = (
                0.0 if score is None else score
            )  # numbers and sizes are of all boxes where nobody says
            of_boxes = replace(query, metrics=tuple(told), score=asked_score)
            images = anew(lambda: _of_images(lake, model, of_boxes, columns_by))
            rest = tuple(name for name in query.metrics or () if name not in told)
            if not rest:
                return suppressed(images, k)
            others = anew(lambda: _of_summaries(lake, model, replace(query, metrics=rest), columns_by))
            return suppressed(pl.concat([others, images]), k)
    beside: tuple[str, ...] = ()  # of averages, whether a class is small is known by the classes alone
    if k and AVERAGED & set(query.metrics or ()):
        beside = tuple(name for name in PER_CLASS if name not in (query.metrics or ()))
    wider = replace(query, metrics=(*query.metrics, *beside)) if query.metrics and beside else query
    found = suppressed(anew(lambda: _of_summaries(lake, model, wider, columns_by)), k)
    return found.filter(~pl.col("metric").is_in(beside)) if beside else found


def _task(lake: Lake, model: str, query: Query, of_boxes: Mapping[str, float | None]) -> str | None:
    """The task that was said of the model; ``ValueError`` where what is asked for is not for it."""
    task = view(lake, model, Query(metrics=("rows",))).shape.settings.task
    for name, value in of_boxes.items():
        if value is not None and task != "detection":
            raise ValueError(
                f"{name}={value!r}: is of boxes, and the task of this model is {task or 'not said'}"
            )
    BoxShare("recall", query.iou, query.score)  # which says what both can be
    return task


def _of_images(lake: Lake, model: str, query: Query, by: tuple[str, ...] | None) -> pl.DataFrame:
    """Figures of boxes that are read off the labelled rows themselves."""
    seen = view(lake, model, replace(query, metrics=("recall",)))
    own, column = seen.shape.window_us, OF_TASK["detection"]
    span = query.span(own)
    if query.features is not None:
        raise ValueError(
            f"feature={list(query.features)!r}: figures of boxes are of the model: leave feature= out"
        )
    if seen.extent is None or column not in seen.shape.all_grids:
        return pl.DataFrame(schema=FIGURE_SCHEMA)
    found = _Found(query, seen, span.window_us or seen.extent[1] + own - seen.extent[0], span)
    source = Segments(seen, by or (), span, {column: seen.shape.all_grids[column]})
    found.add_images(source, query.metrics or (), query.score)
    return found.frame(source.names, _completeness(lake, model, seen, span))


def _of_summaries(lake: Lake, model: str, query: Query, columns_by: tuple[str, ...] | None) -> pl.DataFrame:
    """Figures that are read off summaries; by segment off those that are counted from rows."""
    estimate = query.estimate
    hashes = query.hashes  # an unknown name is told before anything is read
    # what estimates were off by is learned from all windows there are
    wide = replace(query, since=None) if estimate and query.window_s != 0 else query
    seen = view(lake, model, wide)
    own = seen.shape.window_us
    span, grids, task = wide.span(own), seen.shape.all_grids, seen.shape.settings.task
    if estimate and task in OF_TASK:
        raise ValueError(
            f"estimate=True: figures of task {task!r} are not estimated without labels; leave it out"
        )
    _check_features(query, seen)
    kinds = {column: grid for column, grid in sorted(grids.items()) if query.of_column(column, grid)}
    learned = seen.summaries["part"] == TRAINING
    if kinds and query.reference and query.against == TRAINING and not learned.any():
        raise DataError(
            "against='training': the reference in force came without training rows: reference(..., training=...)"
        )
    if seen.extent is None:
        return pl.DataFrame(schema=FIGURE_SCHEMA)
    length_us = span.window_us or seen.extent[1] + own - seen.extent[0]
    if not kinds:
        _check_kinds(query, grids)
    beside = [
        one for one in (SCORES, "prediction") if estimate and one in grids
    ]  # what estimates are read off
    counted = {**kinds, **{one: grids[one] for one in beside}}
    segments = None if columns_by is None else Segments(seen, columns_by, span, counted)
    source = segments or Windows(seen, span)
    found = _Found(query, seen, length_us, span)
    for column, grid in kinds.items():
        found.add(column, grid, source.blocks(column, grid, hashes=hashes))
    frame = found.frame(source.names, _completeness(lake, model, seen, span))
    if not estimate:
        return frame
    since = query.span(own).since
    frame = estimated(seen, span, frame, segments)
    return frame if since is None else frame.filter(pl.col("start") >= since)


def _check_features(query: Query, seen: View) -> None:
    known = seen.shape.all_grids
    if query.features is None or not known:
        return
    may_be = {*known, *seen.fresh.predictions.columns, *seen.tables["predictions"].columns()}
    for feature in query.features:
        if feature not in may_be:
            names = ", ".join(column for column in sorted(known) if not column.startswith("_"))
            raise ValueError(f"feature={feature!r}: the model has {names}")


def _check_kinds(query: Query, grids: Mapping[str, Grid]) -> None:
    """Raise ``ValueError`` saying what the metrics asked for are read off, where no column asked for is of that kind."""
    if query.metrics is None:
        return
    said = " or ".join(query.kinds())
    names = query.metrics[0] if len(query.metrics) == 1 else list(query.metrics)
    told = f"metric={names!r}: is read off columns of the kind {said}, and"
    if query.features is None:
        raise ValueError(f"{told} this model has none yet")
    if not set(query.features) <= set(grids):
        return  # without a value so far: of no kind yet
    kinds = ", ".join(f"{name!r} is of the kind {grids[name].kind}" for name in query.features)
    others = sorted({feature_of(one) for one in replace(query, features=None).columns(grids) - LABELLED})
    of_model = LABELLED & replace(query, features=None).columns(grids)
    right = "leave feature= out" if of_model else f"the model has {', '.join(others) or 'none'} for it"
    raise ValueError(f"{told} {kinds}: {right}")


class _Found:
    """Gathers figures as arrays, and makes one frame of them."""

    def __init__(self, query: Query, seen: View, length_us: int, span: Span) -> None:
        self.query, self.seen, self.length_us, self.span = query, seen, length_us, span
        self.keys: list[tuple[str, str | None, str | None]] = []  # metric, feature, part
        self.places: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # segment, start, labelled
        self.said: list[np.ndarray] = []  # of intervals of sampled rows
        self.notes: list[np.ndarray] = []
        self.weighted: list[np.ndarray] = []  # which are weighted to all rows by score and prediction
        self.estimates: list[Estimates] = []

    def add(self, column: str, grid: Grid, blocks: Iterable[Cells]) -> None:
        """Read the figures of one column off its summaries."""
        statistics = self.query.of_column(column, grid)
        reference = reference_of(self.seen, column, self.query.against) if self.query.reference else None
        if reference is not None and reference.grid != grid:
            reference = None
        feature = None if column in LABELLED else feature_of(column)
        for cells in blocks:
            place = cells.segment, cells.start, _labelled(cells)
            for name, statistic in statistics.items():
                figures, said = _figures(statistic, cells, reference, self.length_us / 1e6)
                notes = np.full(len(cells.start), None, dtype=np.object_)
                mended = np.zeros(len(cells.start), dtype=np.bool_)
                if column in LABELLED and isinstance(figures, Estimates) and (place[2] < 1).any():
                    figures, notes = bounded(statistic, figures, cells, place[2], self._late)
                    if self._late.depends and column == QUALITY and cells.predicted is not None:
                        figures, notes, mended = weighted(
                            name, figures, notes, cells, self.seen, self.span, self._within
                        )
                for part, found in _parts(figures):
                    self.keys.append((name, feature, part))
                    self.places.append(place)
                    self.said.append(said)
                    self.notes.append(notes)
                    self.weighted.append(mended)
                    self.estimates.append(_with_older(found, cells))

    def add_images(self, source: Segments, metrics: Sequence[str], score: float) -> None:
        """Read figures of boxes off the labelled rows of each segment and window."""
        segment, at = np.divmod(source.cells, len(source.starts))
        with_label = source.labelled["_sign"].to_numpy() if source.labelled.height else np.zeros(0)
        labelled = np.bincount(source.index_of_labelled, with_label, minlength=len(source.cells))
        for metric, part, estimates, notes in image_figures(source, metrics, score):
            self.keys.append((metric, None, part))
            self.places.append((segment, source.starts[at], labelled / source.predictions))
            self.said.append(np.full(len(segment), None, dtype=np.object_))
            self.notes.append(notes)
            self.weighted.append(np.zeros(len(segment), dtype=np.bool_))
            self.estimates.append(estimates)

    @cached_property
    def _late(self) -> Dependence:
        return dependence_of(self.seen)

    @cached_property
    def _within(self) -> Dependence:
        return dependence_within(self.seen)

    def frame(
        self, segments: Sequence[str], completeness: Callable[[np.ndarray, int], np.ndarray]
    ) -> pl.DataFrame:
        """All figures, by segment, column, metric and window."""
        if not self.keys:
            return pl.DataFrame(schema=FIGURE_SCHEMA)
        segment, start, labelled = (np.concatenate(parts) for parts in zip(*self.places, strict=True))
        key = np.repeat(np.arange(len(self.keys)), [len(one) for one in self.estimates])
        metric, feature, part = zip(*self.keys, strict=True)

        def all_of(name: str) -> np.ndarray:
            return np.concatenate([getattr(one, name) for one in self.estimates])

        starts = pl.Series(start).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        whole = pl.DataFrame(
            {
                "metric": pl.Series(metric, dtype=pl.String).gather(key),
                "segment": pl.Series(segments, dtype=pl.String).gather(segment),
                "start": starts,
                "end": starts.dt.offset_by(f"{self.length_us}us"),
                **{name: all_of(name) for name in ("value", "low", "high", "n")},
                "completeness": completeness(start, self.length_us),
                "labelled": labelled,
                "kind": pl.Series(np.where(np.concatenate(self.weighted), WEIGHTED, "measured")),
                "reason": pl.Series(all_of("reason").tolist(), dtype=pl.String),
                "feature": pl.Series(feature, dtype=pl.String).gather(key),
                "part": pl.Series(part, dtype=pl.String).gather(key),
                "sampled": pl.Series(np.concatenate(self.said).tolist(), dtype=pl.String),
                "as_of": pl.repeat(self.span.as_of, len(key), eager=True, dtype=UTC_TYPE),
                "note": pl.Series(np.concatenate(self.notes).tolist(), dtype=pl.String),
            }
        ).with_columns(pl.col("value", "low", "high", "labelled", "completeness").fill_nan(None))
        whole = whole if len(segments) == 1 else whole[np.argsort(segment, kind="stable")]
        return whole.select([pl.col(name).cast(kind) for name, kind in FIGURE_SCHEMA.items()])


def _figures(
    statistic: Statistic | Breakdown, cells: Cells, reference: Summary | None, length_s: float
) -> tuple[Estimates | Mapping[str, Estimates], np.ndarray]:
    """The figures of a statistic, and what is said of the intervals of sampled rows."""
    if cells.levels is not None:
        return sampled_figures(statistic, cells.levels.with_length(length_s), reference)
    found = statistic.figures(replace(cells.summary, window_s=length_s), reference)
    return found, np.full(len(cells.start), None, dtype=np.object_)


def _parts(found: Estimates | Mapping[str, Estimates]) -> Iterable[tuple[str | None, Estimates]]:
    """The estimates of a statistic; of a breakdown, those of each part."""
    return [(None, found)] if isinstance(found, Estimates) else found.items()


def _labelled(cells: Cells) -> np.ndarray:
    """The share of the predictions of each window whose label is known; NaN where that is no question."""
    share = np.full(len(cells.start), np.nan)
    if cells.predictions is not None:
        rows = cells.summary.rows if cells.levels is None else cells.levels.stands_for
        rows = rows if cells.older is None else rows + cells.older
        np.divide(rows, cells.predictions, out=share, where=cells.predictions > 0)
    return share


def _with_older(found: Estimates, cells: Cells) -> Estimates:
    """The estimates, of windows all of whose labelled rows were counted on a grid since replaced with that reason."""
    if cells.older is None:
        return found
    reason = found.reason.copy()
    reason[(cells.summary.rows == 0) & (cells.older > 0) & np.isnan(found.value)] = OLDER
    return replace(found, reason=reason)


def _completeness(lake: Lake, model: str, seen: View, span: Span) -> Callable[[np.ndarray, int], np.ndarray]:
    """What gives, for starts of windows, the share of the predictions seen that the figures of each rest on.

    That is kept / (kept + dropped + rejected + sampled out + torn), from the ledger alone. Which version or segment a row
    had that was lost is not known: theirs is the share of the window as a whole. NaN where no row was ever counted.
    """
    kept = read_kept(lake, model, seen.tables, seen.fresh, seen.shape.window_us)
    least, most = (_micros(when, limit) for when, limit in ((span.since, 0), (span.until, _FOR_EVER)))
    most = min(most, _micros(span.as_of, _FOR_EVER))

    def share(starts: np.ndarray, length_us: int) -> np.ndarray:
        ends = np.minimum(starts + length_us, most)
        return (
            kept.share(starts, ends)
            if span.window_us
            else kept.share(np.full_like(starts, least), np.full_like(starts, most))
        )

    return share


def _micros(when: datetime | None, otherwise: int) -> int:
    return otherwise if when is None else (when - _EPOCH) // timedelta(microseconds=1)

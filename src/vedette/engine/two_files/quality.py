"""How good the predictions of two files are: the figures of a classifier or of a regression, by segment too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from scipy import special

from vedette.engine.segment_names import SEGMENTS_MAX, shown
from vedette.engine.two_files.described import estimate
from vedette.engine.two_files.numbers import few_whole
from vedette.engine.two_files.source import SLICE_ROWS, STRETCH_ROWS, Source, as_floats, kind_of, names_of
from vedette.errors import SchemaError
from vedette.lake.classes import classes_of, in_order
from vedette.lake.files import TableFile
from vedette.output.comparison import Confusion, Figures
from vedette.statistics import (
    BREAKDOWNS,
    STATISTICS,
    Estimates,
    Grid,
    Summary,
    error_grid,
    quality_grid,
    summarise_error,
    summarise_quality,
)
from vedette.statistics.grid import CLASSES_MAX
from vedette.strategy import two_samples

__all__ = ["Quality", "compare_quality"]

CLASSES_TOLD = 20  # of more classes the figures of each are left out; the averages are there
_BY_CLASS = ("precision_per_class", "recall_per_class", "f1_per_class", "roc_auc_per_class")
JUDGED = ("accuracy", "roc_auc", "log_loss", "mae", "bias")
NORMAL = float(special.ndtri(0.975))
_LEFT_OUT = ("rows", "throughput_per_s", "error_rate")


@dataclass(frozen=True, slots=True)
class Quality:
    """The figures, and what else is worth knowing about labels and predictions."""

    figures: tuple[Figures, ...] = ()
    confusion: Confusion | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class _Labels:
    """What the labels and predictions of both files are: numbers, or classes by name."""

    grid: Grid
    classes: tuple[str, ...]
    by: tuple[str, ...]
    segments: tuple[str, ...]


def compare_quality(current: TableFile, reference: TableFile | None, by: Sequence[str] = ()) -> Quality:
    """Compare the figures of all rows and of the segments of the columns ``by``.

    Raises ``SchemaError`` where a file has no such column, ``ValueError`` where there are too many segments.
    """
    tables = [current] if reference is None else [current, reference]
    for table in tables:
        for name in by:
            if name not in table.schema:
                raise SchemaError(f"by={name!r}: {table.path} has no such column; it has {_names(table)}")
    if not _labelled(current):
        return Quality(notes=_why_not(current))
    alone: tuple[str, ...] = ()
    if not all(_labelled(table) for table in tables):
        tables, alone = (
            tables[:1],
            ("The reference has no labels: whether predictions got worse cannot be told.",),
        )
    labels, notes, warnings = _labels(tables, tuple(by))
    notes = (*alone, *notes)
    if labels is None:
        return Quality(notes=notes, warnings=warnings)
    counted = [_count(table, labels) for table in tables]
    confusion = _confusion(counted[0].take([0]), labels) if labels.classes else None
    inflated = max(_inflation(table, labels) for table in tables)
    return Quality(tuple(_figures(counted, labels, inflated)), confusion, notes, warnings)


def _names(table: TableFile) -> str:
    return ", ".join(list(table.schema)[:20])


def _predicted(table: TableFile) -> bool:
    return any(
        name in ("prediction", "probability") or name.startswith("probability_") for name in table.schema
    )


def _labelled(table: TableFile) -> bool:
    return _predicted(table) and "label" in table.schema


def _why_not(table: TableFile) -> tuple[str, ...]:
    if "label" not in table.schema and _predicted(table):
        return ("No column 'label': how right the predictions are cannot be told.",)
    return ()


def _labels(
    tables: Sequence[TableFile], by: tuple[str, ...]
) -> tuple[_Labels | None, tuple[str, ...], tuple[str, ...]]:
    """What is to be counted, or None; notes and warnings."""
    segments = _segments(tables, by)
    numeric = all(
        kind_of(table.schema[name]) in ("numeric", "empty")
        for table in tables
        for name in ("label", "prediction")
        if name in table.schema
    )
    scored = any("probability" in table.schema for table in tables)
    both = [Source(t, name) for t in tables for name in ("label", "prediction") if name in t.schema]
    if numeric and not scored and not few_whole(both):
        pilot = _sample(tables, ("label", "prediction"))
        grid = error_grid(_numbers(pilot, "label"), _numbers(pilot, "prediction"))
        return _Labels(grid, (), by, segments), (), ()
    named = [_classes(table) for table in tables]
    truth = set().union(*(one for one, _ in named))
    told = set().union(*(one for _, one in named))
    if not truth | told:
        return None, ("Neither labels nor predictions hold a class: how right they are cannot be told.",), ()
    classes = classes_of(truth | told)
    if not 2 <= len(classes) <= CLASSES_MAX:
        say = f"Labels and predictions name {len(classes):,} classes: 2 to {CLASSES_MAX} can be told apart."
        return None, (say,), ()
    warnings = [
        f"labels and predictions name different classes in {table.path}: labels {', '.join(in_order(labelled)[:6])}; "
        f"predictions {', '.join(in_order(predicted)[:6])}"
        for table, (labelled, predicted) in zip(tables, named, strict=True)
        if labelled - predicted and predicted - labelled
    ]
    grid = quality_grid(
        classes, _scores(_sample(tables, [f"probability_{name}" for name in classes]), classes)
    )
    return _Labels(grid, classes, by, segments), (), tuple(warnings)


def _classes(table: TableFile) -> tuple[set[str], set[str]]:
    """The classes that labels name, and those that predictions and probabilities do."""
    found: list[set[str]] = []
    for name in ("label", "prediction"):
        seen: set[str] = set()
        if name in table.schema:
            for column in Source(table, name).slices():
                seen |= set(names_of(column.drop_nulls().unique()).drop_nulls().to_list())
                if len(seen) > 10 * CLASSES_MAX:
                    break
        found.append(seen)
    if "prediction" not in table.schema:  # a feature can have such a name, of rain and the like
        found[1] |= {
            name.removeprefix("probability_") for name in table.schema if name.startswith("probability_")
        }
    return found[0], found[1]


def _sample(tables: Sequence[TableFile], wanted: Sequence[str]) -> pl.DataFrame:
    """Rows from all over the files to cut cells on, numbers as floats: ``wanted`` columns and ``probability``."""
    frames = []
    for table in tables:
        names = [n for n in table.schema if n in wanted or n == "probability"]
        names = [n for n in names if kind_of(table.schema[n]) in ("numeric", "boolean", "empty")]
        if names:
            frames.append(pl.DataFrame([as_floats(Source(table, one).scattered()) for one in names]))
    return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()


def _segments(tables: Sequence[TableFile], by: tuple[str, ...]) -> tuple[str, ...]:
    """The names of all segments, numbers by size, rows without a value last."""
    if not by:
        return ()
    found: dict[tuple[str | None, ...], None] = {}
    for table in tables:
        for start in range(0, max(table.rows, 1), SLICE_ROWS):
            rows = table.read(by, start, start + SLICE_ROWS).unique()
            if rows.height > 100 * SEGMENTS_MAX:
                raise ValueError(_too_many(by, rows.height))
            found |= dict.fromkeys(pl.DataFrame([names_of(rows[name]) for name in by]).rows())
    if len(found) > SEGMENTS_MAX:
        raise ValueError(_too_many(by, len(found)))
    order = [
        in_order({name for one in found if (name := one[place]) is not None}) for place in range(len(by))
    ]
    places = [{**dict(zip(names, range(len(names)), strict=True)), None: len(names)} for names in order]
    ordered = sorted(found, key=lambda one: [at[name] for at, name in zip(places, one, strict=True)])
    return tuple(
        ", ".join(f"{name}={shown(own)}" for name, own in zip(by, one, strict=True)) for one in ordered
    )


def _too_many(by: Sequence[str], count: int) -> str:
    names = ", ".join(by)
    return f"by={names!r}: has {count:,} values or more; at most {SEGMENTS_MAX:,} segments are shown (is it an identifier?)"


def _segment(rows: pl.DataFrame, by: Sequence[str]) -> pl.Series:
    """The name of each row's segment."""
    told = [pl.lit(f"{name}=") + _told(names_of(rows[name])) for name in by]
    return pl.select(pl.concat_str(told, separator=", ").alias("segment")).to_series()


def _told(names: pl.Series) -> pl.Series:
    levels = names.unique().drop_nulls()
    as_shown = pl.Series([shown(one) for one in levels.to_list()], dtype=pl.String)
    return names.replace_strict(levels, as_shown, default=shown(None), return_dtype=pl.String)


def _slices(table: TableFile, by: Sequence[str]) -> Iterator[pl.DataFrame]:
    wanted = [n for n in table.schema if n in ("label", "prediction") or n.startswith("probability")]
    for start in range(0, max(table.rows, 1), SLICE_ROWS):
        yield table.read(list(dict.fromkeys([*wanted, *by])), start, start + SLICE_ROWS)


def _count(table: TableFile, labels: _Labels) -> Summary:
    """All rows in window 0, and the segments in the windows after it."""
    segments = len(labels.segments)
    total = Summary.empty(labels.grid, 1 + segments)
    for rows in _slices(table, labels.by):
        window, n_windows = None, 1
        if segments:
            codes = _codes(_segment(rows, labels.by), labels.segments)
            window, n_windows = codes.astype(np.int64), segments
        part = _summarise(rows, labels, window, n_windows)
        total = total + (Summary.stack([part.merged(), part]) if segments else part)
    return total


def _summarise(rows: pl.DataFrame, labels: _Labels, window: np.ndarray | None, n_windows: int) -> Summary:
    if not labels.classes:
        told = _numbers(rows, "label"), _numbers(rows, "prediction")
        return summarise_error(labels.grid, *told, window, n_windows)
    return summarise_quality(
        labels.grid,
        _codes(_column(rows, "label"), labels.classes),
        _codes(_column(rows, "prediction"), labels.classes),
        labels.classes,
        _scores(rows, labels.classes),
        window,
        n_windows,
    )


def _numbers(rows: pl.DataFrame, name: str) -> np.ndarray:
    if name not in rows.columns:
        return np.full(rows.height, np.nan)
    return as_floats(rows[name]).fill_null(float("nan")).to_numpy()


def _column(rows: pl.DataFrame, name: str) -> pl.Series:
    return names_of(rows[name]) if name in rows.columns else pl.Series([None] * rows.height, dtype=pl.String)


def _codes(names: pl.Series, known: Sequence[str]) -> np.ndarray:
    places = pl.Series(np.arange(len(known), dtype=np.int32))
    known_names = pl.Series(list(known), dtype=pl.String)
    return (
        names.replace_strict(known_names, places, default=-1, return_dtype=pl.Int32).fill_null(-1).to_numpy()
    )


def _scores(rows: pl.DataFrame, classes: Sequence[str]) -> np.ndarray | None:
    """The probability of the second of two classes, those of all of more; None where there are none."""
    if len(classes) == 2:
        for name in ("probability", f"probability_{classes[1]}"):
            if name in rows.columns:
                return _numbers(rows, name)
        first = f"probability_{classes[0]}"
        return 1 - _numbers(rows, first) if first in rows.columns else None
    names = [f"probability_{name}" for name in classes]
    if not set(names) & set(rows.columns):
        return None
    return np.stack([_numbers(rows, name) for name in names], axis=1)


def _figures(counted: Sequence[Summary], labels: _Labels, inflated: float) -> Iterator[Figures]:
    kind = labels.grid.kind
    found: dict[str, list[Estimates]] = {
        name: [one.figures(summary) for summary in counted]
        for name, one in STATISTICS.items()
        if kind in one.kinds and not one.needs_reference and name not in _LEFT_OUT
    }
    if 2 < len(labels.classes) <= CLASSES_TOLD:
        for name, breakdown in BREAKDOWNS.items():
            parts = [breakdown.figures(summary) for summary in counted] if name in _BY_CLASS else []
            if parts:
                metric = name.removesuffix("_per_class")
                found |= {f"{metric}[{part}]": [one[part] for one in parts] for part in parts[0]}
    for window, segment in enumerate(("", *labels.segments)):
        rows = int(counted[0].rows[window])
        labelled = 1 - int(counted[0].missing[window]) / rows if rows else None
        for name, sides in found.items():
            if segment and name.endswith("]"):
                continue  # a thousand segments of twenty classes nobody reads
            reference = estimate(sides[1], window) if len(sides) > 1 else None
            p = None
            if name in JUDGED and len(counted) > 1:
                p = _p_value(name, [one.take([window]) for one in counted], inflated)
            yield Figures(name, segment, estimate(sides[0], window), reference, labelled, None, p)


def _p_value(name: str, sides: Sequence[Summary], inflated: float) -> float | None:
    """Whether predictions got better or worse.

    The share of right predictions by Fisher's exact test; mean errors by Welch's; the rest by the distance of both values
    over the standard errors that their intervals stand for.
    """
    if name in ("mae", "bias", "log_loss"):
        return two_samples.means(*(_mean(name, side, inflated) for side in sides))
    if name == "roc_auc":
        areas = [STATISTICS[name].figures(side) for side in sides]
        if any(one.reason[0] is not None for one in areas):
            return None
        error = [float(one.high[0] - one.low[0]) / (2 * NORMAL) for one in areas]
        spread = np.sqrt((error[0] ** 2 + error[1] ** 2) * inflated)
        gap = abs(float(areas[0].value[0] - areas[1].value[0]))
        return float(2 * special.ndtr(-gap / spread)) if spread > 0 else None
    told = [STATISTICS["accuracy"].figures(side) for side in sides]
    if any(one.reason[0] is not None or one.n[0] < two_samples.VALUES_MIN * inflated for one in told):
        return None
    right = [round(float(one.value[0]) * int(one.n[0])) for one in told]
    return two_samples.share(right[0], int(told[0].n[0]), right[1], int(told[1].n[0]), inflated)


def _mean(name: str, side: Summary, inflated: float) -> tuple[float, float, int]:
    """Mean and variance of an error a row, and how many independent rows they are worth."""
    sums = dict(zip(side.grid.sums, side.sums[0].tolist(), strict=True))
    n = int(sums["scored"]) if name == "log_loss" else int(side.used[0])
    if n < 2:
        return np.nan, np.nan, 0
    if name == "log_loss":
        mean, square = sums["log_loss_1"] / n, sums["log_loss_2"] / n
    else:
        sign = 1 if name == "mae" else -1
        mean, square = (sums["over_1"] + sign * sums["under_1"]) / n, (sums["over_2"] + sums["under_2"]) / n
    return mean, max(square - mean**2, 0.0) * n / (n - 1), int(n / inflated)


def _inflation(table: TableFile, labels: _Labels) -> float:
    """How many of the first rows are worth one where it comes to errors."""
    rows = next(_slices(table, ())).head(STRETCH_ROWS)
    if "prediction" not in rows.columns:
        return 1.0
    if labels.classes:
        label, prediction = (_codes(_column(rows, name), labels.classes) for name in ("label", "prediction"))
        wrong = (label != prediction)[(label >= 0) & (prediction >= 0)].astype(np.float64)
        return two_samples.inflation(wrong)
    error = np.abs(_numbers(rows, "prediction") - _numbers(rows, "label"))
    return two_samples.inflation(error[np.isfinite(error)])


def _confusion(summary: Summary, labels: _Labels) -> Confusion:
    table = summary.cube[0].sum(axis=0)[: len(labels.classes), : len(labels.classes)]
    return Confusion(labels.classes, tuple(tuple(int(n) for n in row) for row in table))

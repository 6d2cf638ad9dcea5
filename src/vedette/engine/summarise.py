"""From rows to summaries: what new rows add to which window, on which grid."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.columns import category_texts, codes, first_type, numbers, scores
from vedette.engine.direction_columns import along, derived, direction_grid_for
from vedette.engine.leaf_columns import LEAVES, in_force, summarise_leaf_rows
from vedette.engine.outputs import is_structured, spread, summarise_outcomes
from vedette.engine.segment_names import shown
from vedette.engine.stored import Increment
from vedette.engine.vectors import norms, usual_length
from vedette.lake.classes import classes_of, few_whole
from vedette.lake.events import latest_reference, segments_of, settings_of
from vedette.lake.frames import physical_of
from vedette.lake.rows import base_of, label_text, variants
from vedette.lake.tables import ModelTables
from vedette.records import RESERVED, Settings
from vedette.statistics import (
    sampled,
    summarise_category,
    summarise_error,
    summarise_numeric,
    summarise_quality,
    summarise_vectors,
)
from vedette.statistics.counting_scores import summarise_scores
from vedette.statistics.grid import (
    DIRECTIONS,
    Grid,
    category_grid,
    error_grid,
    latency_grid,
    numeric_grid,
    quality_grid,
    vector_grid,
)
from vedette.statistics.hashes import KEPT
from vedette.statistics.sampled import Levels
from vedette.statistics.structured import detection_grid, multilabel_grid, ranking_grid
from vedette.statistics.summary import Summary

__all__ = [
    "ERROR",
    "LABELLED",
    "OF_TASK",
    "PILOT_ROWS",
    "QUALITY",
    "SCORES",
    "SEGMENTS_WATCHED",
    "Shape",
    "by_segment",
    "grid_for",
    "increments",
    "row_weights",
    "summarise_levels",
    "window_starts",
]

QUALITY = "_quality"
"""The column of the label x prediction x score counts of a classification; no feature starts with an underscore."""

ERROR = "_error"
"""The column of the errors of a regression."""

OF_TASK = {"detection": "_detection", "ranking": "_ranking", "multilabel": "_multilabel"}
"""The columns of labelled rows of tasks whose predictions are more than one value, by task."""

SCORES = "_scores"
"""The column of the score x prediction counts of all rows, labelled or not, of two classes: where a reference with labels
and probabilities says what they mean."""

PILOT_ROWS = 1000
"""Rows at most that grids are cut on; of a reference, never more than a fifth (they are not counted there)."""

SEGMENTS_WATCHED = 100
"""Segments of a model that are watched; each has as many watches as the whole."""

LABELLED = frozenset({QUALITY, ERROR, *OF_TASK.values()})
"""The columns that are counted on rows whose label is known."""

_MONITORED = ("prediction", "latency_s")


@dataclass(frozen=True, slots=True)
class Shape:
    """What is needed to turn a model's rows into summaries: its settings and the grids in force, by column.

    ``expected`` are the features of the reference: rows that come without one of them count as missing it; ``segments``
    are those that are counted.
    """

    settings: Settings
    grids: Mapping[str, Grid]
    expected: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @classmethod
    def of(cls, tables: ModelTables) -> Shape:
        """The shape as the lake has it."""
        rows = (
            tables["grids"]
            .scan()
            .sort("created", maintain_order=True)
            .select("column", "definition")
            .collect()
        )
        said = latest_reference(tables)
        expected = tuple(said[1]["features"]) if said is not None else ()
        settings = settings_of(tables)
        grids = {row[0]: Grid.from_json(row[1]) for row in rows.iter_rows()}
        return cls(
            settings,
            in_force(grids, None if said is None else said[0]),
            expected,
            segments_of(tables) if settings.segments else (),
        )

    @property
    def all_grids(self) -> dict[str, Grid]:
        """The grids in force, and one for the labels that may yet come where there is none."""
        told = self.grids.get("prediction")
        if told is None or LABELLED & set(self.grids):
            return dict(self.grids)
        if is_structured(self.settings):
            column = OF_TASK[self.settings.task or ""]
            made = _grid_of_task(column, self.settings)
            return dict(self.grids) if made is None else {column: made, **self.grids}
        if told.kind == "numeric":
            return {ERROR: error_grid([], [], ERROR), **self.grids}
        return {QUALITY: quality_grid(self.settings.classes or ("0", "1"), None, QUALITY), **self.grids}

    @property
    def window_us(self) -> int:
        """The length of a window in microseconds."""
        return round(self.settings.window_s * 1e6)


def columns_of(frame: pl.DataFrame) -> list[str]:
    """The monitored fields of a frame of rows: features, prediction, probabilities, latency; each by its own name."""
    names: dict[str, None] = {}
    for column in frame.columns:
        name = base_of(column)
        monitored = name in _MONITORED or name.startswith("probability")
        if monitored or (name not in RESERVED and not name.startswith("_")):
            names[name] = None
    return list(names)


def is_number(frame: pl.DataFrame, column: str, settings: Settings) -> bool:
    """True where the column is summarised as numbers: by its first type, predictions by the task."""
    if column == "prediction" and not is_structured(settings):
        return task_of(frame, settings) == "regression"
    kind = first_type(frame, column)
    return kind is not None and physical_of(kind).numeric


def task_of(frame: pl.DataFrame, settings: Settings) -> str:
    """The task said, or told from the predictions: fractional numbers without a probability are a regression."""
    if settings.task is not None:
        return settings.task
    kind = first_type(frame, "prediction")
    if kind is None or not kind.is_float():
        return "classification"
    if settings.classes or any(name.startswith("probability") for name in frame.columns):
        return "classification"
    values, present = numbers(frame, "prediction")
    values = values[present & np.isfinite(values)]
    return "classification" if len(values) and few_whole(values) else "regression"


def is_vector(frame: pl.DataFrame, column: str) -> bool:
    """True where the column is summarised as vectors: by its first type."""
    return isinstance(first_type(frame, column), pl.List)


def vectors(frame: pl.DataFrame, column: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Norms (float64) and presence of a column of vectors over its types; other types and lengths count as missing."""
    values, present = np.zeros(frame.height), np.zeros(frame.height, dtype=bool)
    for name in variants(frame.columns, column):
        if isinstance(frame.schema[name], pl.List):
            own, there = norms(frame[name], length)
            values, present = np.where(there, own, values), present | there
    return values, present


def infer_classes(frame: pl.DataFrame, settings: Settings) -> tuple[str, ...]:
    """The classes said, or those that predictions, labels and probabilities show, sorted as numbers where they are.

    Of ``0`` or ``1`` alone the other is taken to exist.
    """
    if settings.classes:
        return settings.classes
    seen: set[str] = {
        name.removeprefix("probability_") for name in frame.columns if name.startswith("probability_")
    }
    for base in ("prediction", "label"):
        seen |= set(label_text(frame, base).drop_nulls().unique().to_list())
    return classes_of(seen)


def labelled_column(frame: pl.DataFrame, settings: Settings) -> str:
    """The column in which labelled rows are counted, by the task."""
    if is_structured(settings):
        return OF_TASK[settings.task or ""]
    return ERROR if task_of(frame, settings) == "regression" else QUALITY


def out_of_bounds(column: str, values: np.ndarray) -> np.ndarray:
    """Which values cannot be: probabilities outside 0 to 1, latencies below 0; of other columns none."""
    if column.startswith("probability"):
        return (values < 0) | (values > 1)
    return values < 0 if column == "latency_s" else np.zeros(len(values), dtype=bool)


def grid_for(
    column: str, pilot: pl.DataFrame, settings: Settings, whole: pl.DataFrame | None = None
) -> Grid | None:
    """A grid for a column, cut on pilot rows; None where there is nothing to cut it on yet.

    ``whole`` are the rows that tell further levels of a category (``known``, as against ``unseen``).
    """
    if column in OF_TASK.values():
        return _grid_of_task(column, settings)
    if column == ERROR:
        label, prediction = outcomes(pilot)
        return error_grid(label, prediction, ERROR) if np.isfinite(prediction - label).any() else None
    if column == QUALITY:
        classes = infer_classes(whole if whole is not None else pilot, settings)
        if len(classes) < 2:
            return None
        score = scores(pilot, classes)
        return quality_grid(classes, score, QUALITY)
    if column == "latency_s":
        return latency_grid(column)
    if column.startswith(DIRECTIONS):
        return direction_grid_for(column, pilot)
    if not variants(pilot.columns, column):
        return None
    if is_vector(pilot, column):
        length = usual_length(pilot[variants(pilot.columns, column)[0]])
        values, present = vectors(pilot, column, length)
        return vector_grid(column, values[present & np.isfinite(values)], length) if present.any() else None
    if is_number(pilot, column, settings):
        values, present = numbers(pilot, column)
        values = values[present & np.isfinite(values)]
        return numeric_grid(column, values) if len(values) else None
    texts = category_texts(pilot, column).drop_nulls()
    if texts.is_empty():
        return None
    counts = (
        texts.rename("level").value_counts(sort=True, name="n").sort(["n", "level"], descending=[True, False])
    )
    known = category_texts(whole, column).drop_nulls().unique().sort().to_list() if whole is not None else []
    return category_grid(
        column, dict(zip(counts["level"].to_list(), counts["n"].to_list(), strict=True)), known
    )


def _grid_of_task(column: str, settings: Settings) -> Grid | None:
    """The grid of labelled rows whose predictions are more than one value: it needs no pilot, but sets of labels their names."""
    if column == OF_TASK["ranking"]:
        return ranking_grid(column)
    if column == OF_TASK["detection"]:
        return detection_grid(column)
    return multilabel_grid(settings.classes, column) if settings.classes else None


def _pairs(start: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct (start, known) pairs, ascending, and the pair of each row."""
    starts, at = np.unique(start, return_inverse=True)
    if start is known:
        return starts, starts, at
    knowns, then = np.unique(known, return_inverse=True)
    pairs, index = np.unique(at * len(knowns) + then, return_inverse=True)
    first, second = np.divmod(pairs, len(knowns))
    return starts[first], knowns[second], index


def row_weights(frame: pl.DataFrame) -> np.ndarray | None:
    """The rows that each row stands for; None where each was sure to be kept."""
    if "inclusion" not in frame.columns:
        return None
    weight = sampled.weights_of(frame["inclusion"].cast(pl.Float64).fill_null(1.0).to_numpy())
    return weight if (weight != 1.0).any() else None


def summarise_levels(
    frame: pl.DataFrame, column: str, grid: Grid, windows: np.ndarray, n_windows: int, kept: int = KEPT
) -> Levels:
    """As ``summarise_column``, apart for rows that stand for different numbers of rows."""
    weight = row_weights(frame)
    levels, place = np.unique(np.ones(frame.height) if weight is None else weight, return_inverse=True)
    pairs, at = np.unique(windows * len(levels) + place, return_inverse=True)
    parts = summarise_column(frame, column, grid, at, len(pairs), kept)
    return Levels(parts, pairs // len(levels), levels[pairs % len(levels)], n_windows)


def _triples(
    start: np.ndarray, known: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    """Distinct (start, known, weight), the weight None where all are 1, and the place of each row among them."""
    starts, knowns, index = _pairs(start, known)
    if weight is None:
        return starts, knowns, None, index
    levels, place = np.unique(weight, return_inverse=True)
    triples, index = np.unique(index * len(levels) + place, return_inverse=True)
    pair, level = np.divmod(triples, len(levels))
    return starts[pair], knowns[pair], levels[level], index


def window_starts(times: pl.Series, window_us: int) -> np.ndarray:
    """The start of the window of each time, in microseconds since 1970 UTC (windows are aligned to it)."""
    micros = times.dt.timestamp("us").to_numpy()
    return (micros // window_us) * window_us


def summarise_column(
    frame: pl.DataFrame, column: str, grid: Grid, windows: np.ndarray, n_windows: int, kept: int = KEPT
) -> Summary:
    """The summaries of one column of rows over windows (the window of each row by number), so many hashes kept."""
    if grid.kind in ("numeric", "latency"):
        values, present = numbers(frame, column)
        present = present & ~out_of_bounds(column, values)
        return summarise_numeric(grid, values, present, windows, n_windows, kept=kept)
    if grid.kind == "vector":
        values, present = vectors(frame, column, grid.length)
        return summarise_numeric(grid, values, present, windows, n_windows, kept=kept)
    if grid.kind == "directions":
        return summarise_vectors(grid, *along(frame, column, grid), windows, n_windows)
    if grid.kind == "category":
        code, names = codes(category_texts(frame, column))
        return summarise_category(grid, code, names, windows, n_windows, kept=kept)
    if grid.kind == "scored":
        code, names = codes(label_text(frame, "prediction"))
        return summarise_scores(grid, code, names, scores(frame, grid.classes), windows, n_windows)
    sign = frame["_sign"].to_numpy() if "_sign" in frame.columns else 1
    if grid.kind == "error":
        return summarise_error(grid, *outcomes(frame), windows, n_windows, sign)
    if grid.column in OF_TASK.values():
        names = [f"probability_{name}" for name in grid.classes]
        pairs = [numbers(frame, name) for name in names if name in frame.columns]
        every = [np.where(present, values, np.nan) for values, present in pairs]
        given = np.stack(every, axis=1) if len(every) == len(names) and every else None
        return summarise_outcomes(frame, grid, given, windows, n_windows, sign)
    label, prediction = label_text(frame, "label"), label_text(frame, "prediction")
    names = pl.concat([label, prediction.rename("label")]).drop_nulls().unique(maintain_order=True).to_list()
    return summarise_quality(
        grid,
        codes(label, names)[0],
        codes(prediction, names)[0],
        names,
        scores(frame, grid.classes),
        windows,
        n_windows,
        sign,
    )


def outcomes(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions as numbers, NaN where there is none."""
    pairs = (numbers(frame, name) for name in ("label", "prediction"))
    label, prediction = (np.where(present, values, np.nan) for values, present in pairs)
    return label, prediction


def increments(
    shape: Shape,
    predictions: pl.DataFrame,
    matched: pl.DataFrame,
    only: Collection[str] | None = None,
    *,
    segments: bool = False,
) -> tuple[list[Increment], dict[str, Grid]]:
    """What new rows and newly labelled rows add, and the grids that had to be made for it.

    A column that has no grid yet (no reference, or a column that appeared) gets one cut on these rows. With ``only``
    the columns that have a grid and are not in it are left out. ``segments``: of each of ``shape.segments`` too.
    """
    predictions = spread(predictions, shape.settings)
    grids = dict(shape.grids)
    made: dict[str, Grid] = {}
    found: list[Increment] = []

    def grid(column: str, rows: pl.DataFrame) -> Grid | None:
        if column not in grids:
            new = grid_for(column, rows.head(PILOT_ROWS), shape.settings, rows)
            if new is None:
                return None
            grids[column] = made[column] = new
        return grids[column]

    def parts(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
        yield "", rows
        if segments:
            yield from by_segment(rows, shape.settings.segments, shape.segments)

    for version, whole in versions_of(predictions, shape.expected):
        counted = [one for one in (SCORES, LEAVES) if one in shape.grids]
        columns = dict.fromkeys([*columns_of(whole), *shape.expected, *counted])
        columns |= dict.fromkeys(derived(columns, grids))
        for segment, rows in parts(whole):
            start = window_starts(rows["time"], shape.window_us)
            starts, known, weight, index = _triples(start, start, row_weights(rows))
            for column in columns:
                if only is not None and column in shape.grids and column not in only:
                    continue
                one = grid(column, rows)
                whole_only = column in (SCORES, LEAVES) or column.startswith(DIRECTIONS)
                if one is None or (segment and (whole_only or column == segment.partition("=")[0])):
                    continue
                if column == LEAVES:
                    summary = summarise_leaf_rows(rows, one, shape.grids, index, len(starts))
                else:
                    summary = summarise_column(rows, column, one, index, len(starts))
                found.append(Increment(version, column, starts, known, summary, segment, weight))
    for version, whole in versions_of(matched):
        told = grids.get("prediction")
        numeric = (
            told.kind == "numeric" if told is not None else is_number(whole, "prediction", shape.settings)
        )
        column = ERROR if numeric else QUALITY
        if is_structured(shape.settings):
            column = OF_TASK[shape.settings.task or ""]
        for segment, rows in parts(whole):
            one = grid(column, rows)
            if one is not None:
                starts, known, weight, index = _triples(
                    window_starts(rows["time"], shape.window_us),
                    window_starts(rows["_known"], shape.window_us),
                    row_weights(rows),
                )
                summary = summarise_column(rows, column, one, index, len(starts))
                found.append(Increment(version, column, starts, known, summary, segment, weight))
    return found, made


def by_segment(
    rows: pl.DataFrame, columns: Sequence[str], only: Collection[str] | None = None
) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of each value of each column, by the name of the segment (``region=north``), most rows first.

    ``only`` are the segments that are asked for, default all. A column that does not come, or is of vectors, gives none.
    """
    for column in columns:
        if all(isinstance(rows.schema[name], pl.List) for name in variants(rows.columns, column)):
            continue
        texts = category_texts(rows, column)
        counts = texts.rename("level").value_counts(sort=True, name="n")
        levels = counts.sort(["n", "level"], descending=[True, False])["level"].to_list()
        for level in levels:
            name = f"{column}={shown(level)}"
            if only is None or name in only:
                own = texts.is_null() if level is None else texts == level
                yield name, rows.filter(own.fill_null(False))


def versions_of(frame: pl.DataFrame, expected: Sequence[str] = ()) -> Iterable[tuple[str, pl.DataFrame]]:
    """The rows of each version, with the columns that it has and those expected of it."""
    if frame.is_empty():
        return
    several = frame["version"].n_unique() > 1
    for (version,), rows in frame.group_by(["version"], maintain_order=True):
        if several:  # columns that only other versions have are not this version's
            kept = {*RESERVED, *expected}
            rows = rows.select(
                [c for c in rows.get_columns() if c.null_count() < rows.height or c.name in kept]
            )
        yield str(version), rows

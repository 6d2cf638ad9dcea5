"""From rows to summaries, and from the table of summaries back.

A row of the table ``summaries`` is an increment: what one arrival added to one event window, known from one window
on. The sum of the increments of a window known by a moment is the window's summary as it was known then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from vedette.lake.events import latest_reference, settings_of
from vedette.lake.frames import class_names, physical_of
from vedette.lake.rows import base_of, label_text, variants
from vedette.lake.tables import SCHEMAS, UTC, ModelTables
from vedette.records import RESERVED, Settings
from vedette.statistics.counting import summarise_category, summarise_numeric, summarise_quality
from vedette.statistics.grid import Grid, category_grid, latency_grid, numeric_grid, quality_grid
from vedette.statistics.hashes import FREE, KEPT, no_hashes
from vedette.statistics.summary import Summary

__all__ = [
    "PILOT_ROWS",
    "QUALITY",
    "Increment",
    "Shape",
    "grid_for",
    "increments",
    "schema_events",
    "to_frame",
    "window_starts",
]

QUALITY = "_quality"
"""The column of the label x prediction x score counts; features cannot start with an underscore."""

PILOT_ROWS = 1000
"""Rows at most that grids are cut on; of a reference, never more than a fifth (they are not counted there)."""

_MONITORED = ("prediction", "latency_s")


@dataclass(frozen=True, slots=True)
class Increment:
    """Summaries of one column of one version over pairs of (event window, knowledge window)."""

    version: str
    column: str
    start: np.ndarray  # int64, microseconds
    known: np.ndarray
    summary: Summary


@dataclass(frozen=True, slots=True)
class Shape:
    """What is needed to turn a model's rows into summaries: its settings and the grids in force, by column.

    ``expected`` are the features of the reference: rows that come without one of them count as missing it.
    """

    settings: Settings
    grids: Mapping[str, Grid]
    expected: tuple[str, ...] = ()

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
        return cls(
            settings_of(tables), {row[0]: Grid.from_json(row[1]) for row in rows.iter_rows()}, expected
        )

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


def first_type(frame: pl.DataFrame, column: str) -> pl.DataType | None:
    """The type of a field's first column in a frame; None where it has none."""
    names = variants(frame.columns, column)
    return frame.schema[names[0]] if names else None


def is_number(frame: pl.DataFrame, column: str, settings: Settings) -> bool:
    """True where the column is summarised as numbers: by its first type, predictions by the task."""
    if column == "prediction":
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
    few = len(values) and bool((values == np.round(values)).all()) and len(np.unique(values)) <= 20
    return "classification" if few else "regression"


def numbers(frame: pl.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Values (float64) and presence of a numeric column over its numeric types; other types count as missing."""
    names = [name for name in variants(frame.columns, column) if frame.schema[name].is_numeric()]
    if not names:
        return np.zeros(frame.height), np.zeros(frame.height, dtype=bool)
    series = pl.select(
        pl.coalesce([frame[name].cast(pl.Float64) for name in names]).alias(column)
    ).to_series()
    present = series.is_not_null().to_numpy()
    return series.fill_null(0.0).to_numpy().astype(np.float64, copy=False), present


def codes(texts: pl.Series, names: Sequence[str] | None = None) -> tuple[np.ndarray, list[str]]:
    """Codes (-1 for null) of texts into a list of their distinct values."""
    levels = list(names) if names is not None else texts.drop_nulls().unique(maintain_order=True).to_list()
    if not levels:
        return np.full(len(texts), -1, dtype=np.int32), []
    physical = texts.replace_strict(
        levels, np.arange(len(levels), dtype=np.int32), default=-1, return_dtype=pl.Int32
    )
    return physical.to_numpy(), levels


def category_texts(frame: pl.DataFrame, column: str) -> pl.Series:
    """The levels of a categorical column over all its types, as text; bytes are not looked into."""
    names = [name for name in variants(frame.columns, column) if frame.schema[name] != pl.Binary]
    texts = [
        frame[name].cast(pl.String)
        if isinstance(frame.schema[name], pl.Datetime)
        else class_names(frame[name])
        for name in names
    ]
    if not texts:
        return pl.Series(column, [None] * frame.height, dtype=pl.String)
    return pl.select(pl.coalesce([text.rename(column) for text in texts]).alias(column)).to_series()


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
    if seen <= {"0", "1"}:
        return ("0", "1")
    try:
        return tuple(sorted(seen, key=float))
    except ValueError:
        return tuple(sorted(seen))


def scores(frame: pl.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """The score of the positive class of a binary model, NaN where there is none."""
    if len(classes) == 2:
        for name in ("probability", f"probability_{classes[1]}"):
            if name in frame.columns:
                values, present = numbers(frame, name)
                return np.where(present, values, np.nan)
    return np.full(frame.height, np.nan)


def grid_for(
    column: str, pilot: pl.DataFrame, settings: Settings, whole: pl.DataFrame | None = None
) -> Grid | None:
    """A grid for a column, cut on pilot rows; None where there is nothing to cut it on yet.

    ``whole`` are the rows that tell further levels of a category (``known``, as against ``unseen``).
    """
    if column == QUALITY:
        if task_of(pilot, settings) != "classification":
            return None
        classes = infer_classes(whole if whole is not None else pilot, settings)
        if len(classes) < 2:
            return None
        score = scores(pilot, classes)
        return quality_grid(classes, score, QUALITY)
    if column == "latency_s":
        return latency_grid(column)
    if not variants(pilot.columns, column):
        return None
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


def _pairs(start: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct (start, known) pairs, ascending, and the pair of each row."""
    if start is known or np.array_equal(start, known):
        unique, index = np.unique(start, return_inverse=True)
        return unique, unique, index.astype(np.int64)
    both, index = np.unique(np.stack([start, known], axis=1), axis=0, return_inverse=True)
    return both[:, 0], both[:, 1], index.reshape(-1).astype(np.int64)


def window_starts(times: pl.Series, window_us: int) -> np.ndarray:
    """The start of the window of each time, in microseconds since 1970 UTC (windows are aligned to it)."""
    micros = times.dt.timestamp("us").to_numpy()
    return (micros // window_us) * window_us


def summarise_column(
    frame: pl.DataFrame, column: str, grid: Grid, windows: np.ndarray, n_windows: int
) -> Summary:
    """The summaries of one column of rows over windows (the window of each row by number)."""
    if grid.kind in ("numeric", "latency"):
        values, present = numbers(frame, column)
        return summarise_numeric(grid, values, present, windows, n_windows)
    if grid.kind == "category":
        code, names = codes(category_texts(frame, column))
        return summarise_category(grid, code, names, windows, n_windows)
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
        frame["_sign"].to_numpy() if "_sign" in frame.columns else 1,
    )


def increments(
    shape: Shape, predictions: pl.DataFrame, matched: pl.DataFrame
) -> tuple[list[Increment], dict[str, Grid]]:
    """What new rows and newly labelled rows add, and the grids that had to be made for it.

    A column that has no grid yet (no reference, or a column that appeared) gets one cut on these rows.
    """
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

    for version, rows in _versions(predictions, shape.expected):
        start = window_starts(rows["time"], shape.window_us)
        starts, known, index = _pairs(start, start)
        for column in dict.fromkeys([*columns_of(rows), *shape.expected]):
            one = grid(column, rows)
            if one is not None:
                found.append(
                    Increment(
                        version,
                        column,
                        starts,
                        known,
                        summarise_column(rows, column, one, index, len(starts)),
                    )
                )
    for version, rows in _versions(matched):
        one = grid(QUALITY, rows)
        if one is not None:
            starts, known, index = _pairs(
                window_starts(rows["time"], shape.window_us), window_starts(rows["_known"], shape.window_us)
            )
            found.append(
                Increment(
                    version, QUALITY, starts, known, summarise_column(rows, QUALITY, one, index, len(starts))
                )
            )
    return found, made


def _versions(frame: pl.DataFrame, expected: Sequence[str] = ()) -> Iterable[tuple[str, pl.DataFrame]]:
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


def schema_events(shape: Shape, predictions: pl.DataFrame) -> list[dict[str, str]]:
    """How the columns that came differ from those of the reference: appeared, vanished, or of another kind."""
    if not shape.expected:
        return []
    events = []
    for version, rows in _versions(predictions, shape.expected):
        come = {
            name for name in columns_of(rows) if name not in RESERVED and not name.startswith("probability")
        }
        for name in sorted(come - set(shape.expected)):
            events.append({"kind": "column_appeared", "name": name, "version": version, "detail": "{}"})
        for name in shape.expected:
            names = variants(rows.columns, name)
            if not names:
                events.append({"kind": "column_vanished", "name": name, "version": version, "detail": "{}"})
            elif name in shape.grids:
                numeric = shape.grids[name].kind == "numeric"
                kinds = [
                    physical_of(rows.schema[one]) for one in names if rows[one].null_count() < rows.height
                ]
                if kinds and numeric and not any(kind.numeric for kind in kinds):
                    detail = json.dumps({"type": kinds[0].value})
                    events.append(
                        {"kind": "type_changed", "name": name, "version": version, "detail": detail}
                    )
    return events


def to_frame(found: Iterable[Increment], part: str, arrival: int) -> pl.DataFrame:
    """Increments as rows of the table ``summaries``."""
    frames = []
    for one in found:
        summary = one.summary
        frames.append(
            pl.DataFrame(
                {
                    "version": [one.version] * len(one.start),
                    "part": [part] * len(one.start),
                    "column": [one.column] * len(one.start),
                    "grid": [summary.grid.id] * len(one.start),
                    "start": pl.Series(one.start).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                    "known": pl.Series(one.known).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                    "arrival": [arrival] * len(one.start),
                    "rows": summary.rows,
                    "missing": summary.missing,
                    "nan": summary.nan,
                    "inf": summary.inf,
                    "total": summary.total,
                    "squares": summary.squares,
                    "cubes": summary.cubes,
                    "fourths": summary.fourths,
                    "minimum": summary.minimum,
                    "maximum": summary.maximum,
                    "counts": pl.Series(
                        summary.counts.astype(np.int64), dtype=pl.Array(pl.Int64, summary.grid.cells)
                    ).arr.to_list(),
                    "sums": pl.Series(summary.sums.tolist(), dtype=pl.List(pl.Float64)),
                    "hashes": pl.Series([_bytes(one) for one in summary.hashes], dtype=pl.Binary),
                }
            )
        )
    return pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMAS["summaries"])


def _bytes(hashes: np.ndarray) -> bytes:
    """The hashes that are there, eight bytes each, the least significant first."""
    content: bytes = hashes[hashes != FREE].astype("<u8").tobytes()
    return content


def of_frame(frame: pl.DataFrame, grid: Grid) -> Summary:
    """The rows of the table ``summaries`` that were counted on a grid, as one summary with a window a row.

    Without the column ``hashes`` there are none: it is most of the table, and few figures need it.
    """
    counts = frame["counts"].explode().to_numpy().reshape(frame.height, grid.cells)
    sums = frame["sums"].explode().to_numpy() if grid.sums else np.empty(0)
    hashes = no_hashes(frame.height, KEPT if "hashes" in frame.columns else 0)
    if "hashes" in frame.columns:
        for row, content in enumerate(frame["hashes"].to_list()):
            held = np.frombuffer(content, dtype="<u8")
            hashes[row, : len(held)] = held
    return Summary(
        grid=grid,
        rows=frame["rows"].to_numpy(),
        missing=frame["missing"].to_numpy(),
        nan=frame["nan"].to_numpy(),
        inf=frame["inf"].to_numpy(),
        total=frame["total"].to_numpy(),
        squares=frame["squares"].to_numpy(),
        cubes=frame["cubes"].to_numpy(),
        fourths=frame["fourths"].to_numpy(),
        minimum=frame["minimum"].to_numpy(),
        maximum=frame["maximum"].to_numpy(),
        counts=counts,
        sums=sums.reshape(frame.height, len(grid.sums)),
        hashes=hashes,
    )


def utc(micros: int) -> datetime:
    """Microseconds since 1970 as a UTC datetime."""
    return pl.Series([micros]).cast(UTC).to_list()[0]  # type: ignore[no-any-return]

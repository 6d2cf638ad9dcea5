"""What a user has (pandas, Polars, Arrow, a dict of arrays, a file) as one kind of frame.

Types follow the closed table of ``records.Physical``; what is outside it is refused with the column's name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from vedette.capture.structured import OWN_COLUMNS
from vedette.errors import DataError, SchemaError
from vedette.lake.files import open_frame, open_table
from vedette.lake.foreign import check_names, of_mapping, of_pandas
from vedette.lake.structured import with_json
from vedette.lake.types import UTC
from vedette.lake.vectors import closed_vectors, lengths, spread_classes, unfit_vectors
from vedette.records import RESERVED, STRUCTURED, Field, Physical, Role, check_feature_names, is_storable

__all__ = [
    "OF_TRAINING",
    "POLARS",
    "Rows",
    "check_mapping",
    "drawn_rows",
    "fields_of",
    "frame_of",
    "label_rows",
    "prediction_rows",
    "training_rows",
]

log = logging.getLogger("vedette")

_REFUSED = "_refused"  # why a row's prediction or label cannot be taken, while rows are looked at
_YEAR_10000_US = 253_402_300_799_000_000
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)"  # other orders of day and month can only be guessed

OF_TRAINING = "_training"
"""Of a reference that came with rows that the model was trained on: True for these."""

POLARS: dict[Physical, pl.DataType] = {
    Physical.FLOAT64: pl.Float64(),
    Physical.INT64: pl.Int64(),
    Physical.UINT64: pl.Decimal(20, 0),  # Delta has no unsigned integers
    Physical.BOOL: pl.Boolean(),
    Physical.TEXT: pl.String(),
    Physical.BYTES: pl.Binary(),
    Physical.TIMESTAMP: UTC,
    Physical.VECTOR32: pl.List(pl.Float32()),  # Delta has no lists of one length
    Physical.VECTOR64: pl.List(pl.Float64()),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in vedette's own columns, and the event times of those that could not be taken, by reason (null: unknown)."""

    frame: pl.DataFrame
    lost: Mapping[str, pl.Series]

    @property
    def rejected(self) -> dict[str, int]:
        """The number of rows that could not be taken, by reason."""
        return {reason: len(times) for reason, times in self.lost.items()}


def frame_of(data: Any, text_columns: Sequence[str] = ()) -> pl.DataFrame:
    """A Polars frame of anything that holds a table.

    Takes Polars, pandas, Arrow (anything with the Arrow C stream protocol), a mapping from names to arrays, or the
    path of a Parquet, CSV, Arrow or Delta file; of a CSV the ``text_columns`` are read as text.
    Raises ``DataError`` for a file that is not there, is empty or cannot be read, and ``SchemaError`` for two columns
    of one name.
    """
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, str | Path):
        table = open_table(data, text_columns=text_columns)
        return table.read(list(table.schema))
    if isinstance(data, Mapping):
        return of_mapping(data)
    columns = getattr(data, "columns", None)
    if columns is not None and hasattr(data, "to_numpy") and hasattr(data, "iloc"):
        return of_pandas(data)
    if hasattr(data, "__arrow_c_stream__"):
        check_names(getattr(data, "column_names", None) or ())
        schema = getattr(data, "schema", None)
        for field in schema if isinstance(schema, Iterable) else ():
            if "decimal256" in str(getattr(field, "type", "")):
                raise SchemaError(
                    f"column {field.name!r} has the type {field.type}: cast it to decimal128 or float64"
                )
        try:
            return pl.DataFrame(data)
        except pl.exceptions.SchemaError:
            pass  # one column without its table
    raise ValueError(
        f"data of type {type(data).__name__}: must be a pandas, Polars or Arrow table, a mapping from names to arrays, or a path"
    )


def _closed(column: pl.Series) -> pl.Series:
    """The column in a type of the closed table, no value changed; ``SchemaError`` where there is none for it."""
    kind = column.dtype
    if kind in (pl.Float64, pl.Int64, pl.UInt64, pl.Boolean, pl.String, pl.Binary):
        return column
    if kind.is_float() or isinstance(kind, pl.Decimal):
        return column.cast(pl.Float64)
    if kind.is_integer():
        try:
            return column.cast(pl.Int64)
        except pl.exceptions.InvalidOperationError as error:
            raise DataError(f"column {column.name!r} holds integers of more than 64 bits") from error
    if kind in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    if kind == pl.Date or isinstance(kind, pl.Datetime):
        return _utc(column)
    if kind == pl.Null:
        return column.cast(pl.Float64)  # nothing is known of its type; a later value decides
    if isinstance(kind, pl.List | pl.Array):
        return closed_vectors(column)
    raise SchemaError(
        f"column {column.name!r} has the type {kind}: must be numbers, booleans, text, bytes or times "
        "(drop it, or give what is to be watched of it)"
    )


def _ids(column: pl.Series) -> pl.Series:
    """Ids as text: whole numbers are spelled as such, also where a null has made floats of them."""
    kind = column.dtype
    if (
        kind == pl.String
        or kind.is_integer()
        or kind == pl.Null
        or isinstance(kind, pl.Categorical | pl.Enum)
    ):
        return column.cast(pl.String)
    if kind.is_float():
        given = column.fill_nan(None)
        whole = given.drop_nulls()
        if bool((whole == whole.round(0)).all()) and bool((whole.abs() <= 2**53).all()):
            return given.cast(pl.Int64).cast(pl.String)
    raise SchemaError(f"column 'id' has the type {kind}: ids must be text, whole numbers or UUIDs")


def _utc(column: pl.Series) -> pl.Series:
    """Times in UTC; those without a zone are taken as UTC, and said so."""
    kind = column.dtype
    if kind == pl.String:
        odd = column.drop_nulls().filter(~column.drop_nulls().str.contains(_ISO))
        if len(odd):
            raise DataError(
                f"column {column.name!r} holds {odd[0]!r}: times must be ISO 8601, such as 2026-11-22T09:00:00Z"
            )
        try:
            return _utc(column.str.to_datetime(time_unit="us"))
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"column {column.name!r} does not hold times: {str(error).splitlines()[0]}"
            ) from error
    if kind == pl.Date:
        kind, column = pl.Datetime("us"), column.cast(pl.Datetime("us"))
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is None:
            log.warning("column %r has times without a zone: taken as UTC", column.name)
            return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        return column.dt.convert_time_zone("UTC").cast(UTC)
    if kind.is_numeric():
        return (
            (column.cast(pl.Float64) * 1e6)
            .round()
            .cast(pl.Int64, strict=False)
            .cast(pl.Datetime("us"))
            .dt.replace_time_zone("UTC")
        )
    raise DataError(
        f"column {column.name!r} has the type {kind}: times must be datetimes, ISO text or seconds since 1970"
    )


def physical_of(kind: pl.DataType) -> Physical:
    """The stored type of a closed Polars type."""
    for physical, polars in POLARS.items():
        if kind == polars:
            return physical
    if kind == pl.UInt64:
        return Physical.UINT64
    raise SchemaError(f"type {kind} is not in the closed table")


def fields_of(frame: pl.DataFrame) -> list[Field]:
    """The fields of a frame that ``prediction_rows`` or ``label_rows`` made."""
    fields = []
    for name, kind in frame.schema.items():
        if name in ("id", "time", "received", "version") or name.startswith("_"):
            continue
        physical = physical_of(kind)
        if name == "prediction":
            fields.append(Field(Role.PREDICTION, "", physical))
        elif name == "probability":
            fields.append(Field(Role.PROBABILITY, "", physical))
        elif name.startswith("probability_"):
            fields.append(Field(Role.PROBABILITY, name.removeprefix("probability_"), physical))
        elif name == "latency_s":
            fields.append(Field(Role.LATENCY, "", physical))
        elif name == "error":
            fields.append(Field(Role.ERROR, "", physical))
        elif name == "inclusion":
            fields.append(Field(Role.INCLUSION, "", physical))
        elif name == "label":
            fields.append(Field(Role.LABEL, "", physical))
        elif physical in (Physical.VECTOR32, Physical.VECTOR64):
            fields += [Field(Role.FEATURE, name, physical, n) for n in lengths(frame[name])]
        else:
            fields.append(Field(Role.FEATURE, name, physical))
    return fields


_NAMED = (
    *("id", "time", "prediction", "probability", "probability_<class>", "label"),
    *("latency_s", "error", "inclusion"),
)


def check_mapping(columns: Mapping[str, str]) -> None:
    """``ValueError`` where a mapping of names has a name that is not vedette's, or two names for one column."""
    ours = sorted(name for name in columns if name not in _NAMED and not name.startswith("probability_"))
    if ours:
        raise ValueError(
            f"columns: {ours[0]!r} is none of vedette's names: must be one of {', '.join(_NAMED)}"
        )
    if len(set(columns.values())) < len(columns):
        raise ValueError(f"columns={dict(columns)!r}: one column can have one name only")


def _renamed(frame: pl.DataFrame, columns: Mapping[str, str] | None) -> pl.DataFrame:
    if not columns:
        return frame
    check_mapping(columns)
    table = open_frame(frame, "the data").renamed(columns)
    return table.read(list(table.schema))


def prediction_rows(
    data: Any,
    *,
    now_s: float,
    future_s: float,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    task: str | None = None,
) -> Rows:
    """Predictions as rows: ``id`` text, ``time`` UTC (default now), ``received``, and a column for each field.

    ``columns`` maps vedette's names to the frame's own; a column ``probability`` of lists has one number for each of
    ``classes``. Of a ``task`` with more than one value a row, predictions and labels become texts (``capture.structured``). Rows
    whose time lies in the future are rejected, counted, and so are those with vectors that cannot be
    kept. A frame with none of the columns of a row is an error, not an empty row.
    """
    data, refused = _as_texts(data, columns, task, classes)
    frame = _renamed(frame_of(data, [(columns or {}).get("id", "id")]), columns)
    frame = spread_classes(frame, classes)
    for name in ("version", "received"):
        if name in frame.columns:
            raise SchemaError(
                f"column {name!r}: vedette keeps a column of this name itself; rename or drop it"
            )
    features = [
        name for name in frame.columns if name not in RESERVED and not name.startswith("probability_")
    ]
    check_feature_names(features)
    for name in OWN_COLUMNS.get(task or "", ()):
        if name in features:
            raise SchemaError(
                f"column {name!r}: is read off the predictions of task {task!r}; rename or drop it"
            )
    for name in frame.columns:
        if not is_storable(name):
            raise SchemaError(f"column {name[:80]!r}: must have no NUL in its name")
    return _rows(frame, now_s, future_s, refused=refused)


def training_rows(rows: pl.DataFrame, reference: pl.DataFrame) -> pl.DataFrame:
    """Rows that a model was trained on with the features of a reference, in the types that they have there.

    Raises ``DataError`` where there are none, and ``SchemaError`` for a feature that only one of both has, or of another kind.
    """
    own = [name for name in rows.columns if name not in RESERVED and not name.startswith("probability_")]
    known = [
        name for name in reference.columns if name not in RESERVED and not name.startswith("probability_")
    ]
    odd = sorted(set(own) ^ set(known))
    if odd:
        where = "training" if odd[0] in own else "the reference"
        raise SchemaError(
            f"training: column {odd[0]!r} is in {where} alone: must have the features of the reference"
        )
    if rows.is_empty():
        raise DataError("training: has no rows that can be used: must have rows, or be left out")
    for name in known:
        one, other = rows.schema[name], reference.schema[name]
        alike = one == other or (one.is_numeric() and other.is_numeric()) or pl.Null in (one, other)
        if not alike:
            raise SchemaError(
                f"training: column {name!r} is of type {one}, in the reference of {other}: must be alike"
            )
    beside = [name for name in ("id", "time", "received") if name in rows.columns]
    return rows.select(*beside, *known).with_columns(
        pl.col(name).cast(reference.schema[name], strict=False) for name in known
    )


def _as_texts(
    data: Any, columns: Mapping[str, str] | None, task: str | None, classes: Sequence[str]
) -> tuple[Any, Sequence[str | None]]:
    """The data, of a task with more than one value a row with texts for them; and why rows are refused, () where none is."""
    if task not in STRUCTURED:
        return data, ()
    if not isinstance(data, Mapping) and not hasattr(data, "iloc"):
        data = frame_of(data, [(columns or {}).get("id", "id")])
    return with_json(data, columns, task, classes)


def drawn_rows(
    frame: pl.DataFrame, draw: Callable[[Iterable[Mapping[str, Any]], Iterable[float]], list[int]]
) -> pl.DataFrame:
    """The rows of ``prediction_rows`` that a sampler keeps, with the probability that each had.

    ``draw`` is given the rows as mappings and their times in seconds, and says how many rows each stands for, 0: none.
    """
    times = (frame["time"].dt.timestamp("us") / 1e6).to_list()
    stands_for = pl.Series(draw(frame.iter_rows(named=True), times), dtype=pl.Float64)
    if (stands_for == 1).all():
        return frame
    chance = 1.0 / stands_for
    if "inclusion" in frame.columns:
        chance = chance * frame["inclusion"].fill_null(1.0)
    return frame.with_columns(chance.alias("inclusion")).filter(stands_for > 0)


def label_rows(
    data: Any,
    *,
    now_s: float,
    future_s: float,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    task: str | None = None,
) -> Rows:
    """Labels as rows: ``id`` and ``label`` must be there, ``time`` is when the label came to be known.

    ``task`` and ``classes`` are as in ``prediction_rows``.
    """
    data, refused = _as_texts(data, columns, task, classes)
    frame = _renamed(frame_of(data, [(columns or {}).get("id", "id")]), columns)
    for name in ("id", "label"):
        if name not in frame.columns:
            raise SchemaError(
                f"labels need the columns 'id' and 'label'; the data has {', '.join(map(repr, frame.columns[:20]))}"
            )
    frame = frame.select([name for name in ("id", "time", "label") if name in frame.columns])
    return _rows(frame, now_s, future_s, required=("id", "label"), refused=refused)


def _rows(
    frame: pl.DataFrame,
    now_s: float,
    future_s: float,
    required: tuple[str, ...] = (),
    refused: Sequence[str | None] = (),
) -> Rows:
    now = pl.lit(round(now_s * 1e6), pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    columns = []
    for column in frame.get_columns():
        if column.name == "id":
            columns.append(_ids(column))
        elif column.name == "label" and column.dtype.is_float():
            columns.append(_closed(column).fill_nan(None))  # NaN is how floats say that there is no label
        elif column.name == "time":
            columns.append(_utc(column))
        elif column.name in ("latency_s", "inclusion") or column.name.startswith("probability"):
            closed = _closed(column)
            if not closed.dtype.is_numeric():
                raise SchemaError(f"column {column.name!r} has the type {column.dtype}: must be numbers")
            columns.append(closed.cast(pl.Float64))
        else:
            if column.dtype == pl.Null and column.name not in RESERVED:
                continue  # nothing but nulls tells no type; a feature of the reference counts as missing all the same
            closed = _closed(column)
            if column.name == "error" and closed.dtype not in (pl.String, pl.Null):
                raise SchemaError(
                    f"column 'error' has the type {column.dtype}: must be text that names what went wrong"
                )
            if column.name in ("prediction", "label") and isinstance(closed.dtype, pl.List):
                raise SchemaError(
                    f"column {column.name!r} has the type {column.dtype}: must be a class or a number"
                )
            columns.append(closed)
    if "id" not in frame.columns:  # it also keeps the number of rows where nothing else is left
        columns.append(pl.Series("id", [None] * frame.height, dtype=pl.String))
    closed_frame = pl.DataFrame(columns)
    if "time" not in closed_frame.columns:
        closed_frame = closed_frame.with_columns(now.alias("time"))
    vectors = [column for column in columns if isinstance(column.dtype, pl.List)]
    lost: dict[str, pl.Series] = {}
    reasons = pl.Series(_REFUSED, refused or [None] * closed_frame.height, dtype=pl.String)
    closed_frame = closed_frame.with_columns(reasons)
    for reason, bad in (
        ("time in the future", pl.col("time") > now + pl.duration(microseconds=round(future_s * 1e6))),
        (
            "time outside the years 1970 to 9999",
            ~pl.col("time").dt.timestamp("us").is_between(0, _YEAR_10000_US),
        ),
        ("time missing", pl.col("time").is_null()),
        *(
            (reason, pl.col(_REFUSED) == reason)
            for reason in reasons.drop_nulls().unique(maintain_order=True)
        ),
        *((f"{name} missing", pl.col(name).is_null()) for name in required),
        *(
            (f"{name}: must be above 0 and at most 1", ~((pl.col(name) > 0) & (pl.col(name) <= 1)))
            for name in closed_frame.columns
            if name == "inclusion"
        ),
        *(one for column in vectors for one in unfit_vectors(column)),
    ):
        mask = closed_frame.select(bad.fill_null(False).alias("bad"))["bad"]
        if mask.any():
            times = closed_frame["time"].filter(mask)
            # a time that cannot be is none
            lost[reason] = times.clear(len(times)) if reason.startswith("time") else times
            closed_frame = closed_frame.filter(~mask)
    closed_frame = closed_frame.drop(_REFUSED).drop(
        column.name for column in vectors if not closed_frame[column.name].count()
    )
    return Rows(closed_frame.with_columns(now.alias("received")), lost)

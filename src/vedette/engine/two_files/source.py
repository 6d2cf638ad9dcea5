"""A column of one file, read a slice at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from vedette.lake.classes import class_names
from vedette.lake.files import TableFile, is_index
from vedette.lake.vectors import is_vector
from vedette.strategy.two_samples import inflation

__all__ = [
    "SLICE_ROWS",
    "STRETCH_ROWS",
    "Gaps",
    "Source",
    "family_of",
    "floats",
    "kind_of",
    "names_of",
    "role_of",
    "rows_at_once",
    "unfit",
    "value_bytes",
]

SLICE_ROWS = 2_000_000
"""Rows of a column that are in memory at once, fewer where values are long:"""

SLICE_BYTES = 96_000_000
VALUE_BYTES = 16  # of a number, with what counting it takes; of a text its length comes to it

PILOT_ROWS = 4096
"""Rows of a file, from all over it, on which cells are cut. Both files cut them: then nothing that is asked of the
counts depends on which file is called the reference."""

STRETCH_ROWS = 4000
_ROLES = frozenset({"id", "time", "prediction", "probability", "label"})
REFERENCE_MIN = 1000


@dataclass(frozen=True, slots=True)
class Source:
    """A column of a table; ``held`` has it where it was read already, with its neighbours.

    ``value_bytes`` is what a value takes in memory, as ``value_bytes`` tells.
    """

    table: TableFile
    name: str
    held: pl.DataFrame | None = None
    value_bytes: int = VALUE_BYTES
    drawn: dict[str, pl.Series] = field(default_factory=dict, compare=False, repr=False)
    """The rows of ``scattered``, once they were read: of a long column that takes a pass over the file."""

    @property
    def rows(self) -> int:
        """The rows of the file."""
        return self.table.rows

    @property
    def dtype(self) -> pl.DataType:
        """The type of the column."""
        return self.table.schema[self.name]

    def slices(self) -> Iterator[pl.Series]:
        """The column, at most 2,000,000 rows and 96 MB at a time."""
        if self.held is not None:
            yield self.held[self.name]
            return
        rows = rows_at_once(self.value_bytes)
        for start in range(0, max(self.rows, 1), rows):
            yield self.table.read([self.name], start, start + rows)[self.name]

    def stretch(self) -> pl.Series:
        """The first rows as they follow each other, nulls included; they tell how far rows depend on each other."""
        if self.held is not None:
            return self.held[self.name].head(STRETCH_ROWS)
        return self.table.read([self.name], 0, STRETCH_ROWS)[self.name]

    def pilot(self) -> pl.Series:
        """Values from all over the column, nulls left out."""
        return self.scattered().drop_nulls()

    def scattered(self) -> pl.Series:
        """4,096 rows from all over the column: the same rows of each column of a table, however it is sliced."""
        if self.name not in self.drawn:
            places, start, parts = _spread(self.rows, PILOT_ROWS), 0, []
            for column in Source.slices(self):
                first, end = np.searchsorted(places, (start, start + len(column)))
                parts.append(column.gather(pl.Series(places[first:end] - start)))
                start += len(column)
            self.drawn[self.name] = pl.concat(parts)
        return self.drawn[self.name]


def rows_at_once(value_bytes: int) -> int:
    """The rows that may be in memory at once where each takes so many bytes.

    >>> rows_at_once(16), rows_at_once(960)
    (2000000, 100000)
    """
    return max(1, min(SLICE_ROWS, SLICE_BYTES // value_bytes))


def value_bytes(table: TableFile) -> dict[str, int]:
    """What a value of each column takes in memory, texts and vectors by their length in rows from three places."""
    texts = [
        name
        for name, dtype in table.schema.items()
        if dtype in (pl.String, pl.Binary) or kind_of(dtype) == "vector"
    ]
    out = dict.fromkeys(table.schema, VALUE_BYTES)
    part, longest = 256, dict.fromkeys(texts, 0.0)
    for start in sorted({0, table.rows // 2, max(table.rows - part, 0)}):
        for first in range(
            0, len(texts), 32
        ):  # a file's pages are read whole, however few of their rows are asked for
            rows = table.read(texts[first : first + 32], start, start + part)
            for name in rows.columns:
                longest[name] = max(longest[name], rows[name].estimated_size() / max(rows.height, 1))
    return out | {name: VALUE_BYTES + int(size) for name, size in longest.items()}


def _spread(n: int, places: int) -> np.ndarray:
    """A place in each of so many equal stretches of n rows, not in step with anything periodic; of fewer rows all."""
    if n <= places:
        return np.arange(n)
    within = np.random.default_rng(n).random(places)
    return np.minimum(((np.arange(places) + within) * (n / places)).astype(np.int64), n - 1)


def role_of(name: str) -> str:
    """What a column is to the model, by its name.

    >>> role_of("probability_late"), role_of("probabilityx"), role_of("latency_s")
    ('probability', 'feature', 'latency')
    """
    if is_index(name):
        return "id"
    if name == "latency_s":
        return "latency"
    if name.startswith("probability_"):
        return "probability"
    return name if name in _ROLES else "feature"


def kind_of(dtype: pl.DataType) -> str:
    """The kind of a column by its type: numeric, boolean, text, time, vector, empty (nothing but nulls) or other.

    >>> kind_of(pl.Int8()), kind_of(pl.Categorical()), kind_of(pl.List(pl.Float64())), kind_of(pl.List(pl.String()))
    ('numeric', 'text', 'vector', 'other')
    """
    if dtype.is_numeric() or dtype == pl.Duration:
        return "numeric"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.Null:
        return "empty"
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Binary):
        return "text"
    if is_vector(dtype):
        return "vector"
    return "time" if dtype.is_temporal() else "other"


def family_of(dtype: pl.DataType) -> str:
    """What values of a type can be compared with: columns of two families have two types.

    >>> family_of(pl.Int8()) == family_of(pl.Float64()), family_of(pl.Float64()) == family_of(pl.Duration("us"))
    (True, False)
    """
    if dtype in (pl.Duration, pl.Binary, pl.Time) or kind_of(dtype) == "other":
        return str(dtype.base_type())
    return kind_of(dtype)


def unfit(role: str, dtype: pl.DataType) -> bool:
    """True where a column cannot be what its name says: probabilities that are texts, labels that are lists.

    >>> unfit("probability", pl.String()), unfit("label", pl.String()), unfit("feature", pl.String())
    (True, False, False)
    """
    kind = kind_of(dtype)
    if role in ("probability", "latency"):
        return kind not in ("numeric", "boolean", "empty")
    return role in ("label", "prediction") and (kind in ("time", "other", "vector") or dtype == pl.Binary)


@dataclass(frozen=True, slots=True)
class Gaps:
    """How missing values come: so many rows are worth one, and in how many stretches they come in each file."""

    inflated: float = 1.0
    stretches: tuple[int, ...] = ()


def gaps(sources: Sequence[Source]) -> Gaps:
    """How many rows are worth one where it comes to missing values: these often come in stretches.

    A few stretches say little of how long they are, so whichever file shows more decides. Stretches are counted in the
    first rows, and taken to be as frequent in the others.
    """

    def pattern(source: Source) -> np.ndarray:
        column = source.stretch()
        missing = column.is_null()
        if column.dtype.is_float():
            missing |= column.is_nan().fill_null(False)
        return missing.to_numpy().astype(np.float64)

    patterns = [pattern(source) for source in sources]
    begun = [int((np.diff(one, prepend=0.0) > 0).sum()) for one in patterns]
    return Gaps(
        max(inflation(one) for one in patterns),
        tuple(
            round(count * max(source.rows / max(len(one), 1), 1.0))
            for count, source, one in zip(begun, sources, patterns, strict=True)
        ),
    )


def dependence(stretches: Sequence[np.ndarray]) -> float:
    """How many rows are worth one, by the reference's, the last: what changed in the current file is not dependence.

    A reference of under 1,000 values says little: then whichever file shows more decides.
    """
    told = stretches[-1:] if len(stretches[-1]) >= REFERENCE_MIN else stretches
    return max(inflation(one) for one in told)


def floats(column: pl.Series) -> np.ndarray:
    """The values that are not null, as floats; durations in seconds."""
    return as_floats(column.drop_nulls()).to_numpy()


def as_floats(column: pl.Series) -> pl.Series:
    """The column as floats; durations in seconds."""
    if column.dtype == pl.Duration:
        return column.dt.total_nanoseconds().cast(pl.Float64) / 1e9
    return column.cast(pl.Float64)


def names_of(column: pl.Series) -> pl.Series:
    """The names of levels: classes by their one spelling, bytes in hexadecimal."""
    if column.dtype == pl.Binary:
        return column.bin.encode("hex")
    if column.dtype == pl.Null:
        return column.cast(pl.String)
    return column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else class_names(column)

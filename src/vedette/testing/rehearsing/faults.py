"""Faults of a deployment that can be planted into recorded rows: what a new version may get wrong on its way.

Where inputs change, so would the answers: the recorded answer to the recorded input that is nearest to the changed one stands
for what the model would have said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from vedette.lake.rows import base_of
from vedette.records import RESERVED

__all__ = ["FAULTS", "GROWTH", "LEAKING", "Fault", "Recorded"]

Floats = npt.NDArray[np.float64]

NEIGHBOURS_MAX = 4000
"""Recorded rows that answers are looked up in."""

SLOWER = 2.0
LEAKING = "leaking"
"""The fault of a process that grows by ``GROWTH`` of itself in a window; no row shows it."""

GROWTH = 0.01
FACTOR = 2.54
"""Of the column that comes in another unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Recorded rows, whose answers stand for the model's, and the columns that are its inputs."""

    rows: pl.DataFrame
    columns: tuple[str, ...]

    @classmethod
    def of(cls, rows: pl.DataFrame, rng: np.random.Generator) -> Recorded:
        """So many of the rows, drawn by chance."""
        columns = tuple(
            name
            for name in rows.columns
            if base_of(name) not in RESERVED and not name.startswith(("_", "probability")) and name != "known"
        )
        if rows.height > NEIGHBOURS_MAX:
            rows = rows[np.sort(rng.choice(rows.height, NEIGHBOURS_MAX, replace=False))]
        return cls(rows, columns)

    @property
    def numbers(self) -> list[str]:
        """The inputs that are numbers."""
        return [name for name in self.columns if self.rows.schema[name].is_numeric()]

    def answers(self, changed: pl.DataFrame) -> pl.DataFrame:
        """The rows with the answers that the model would give to their inputs, by the nearest recorded ones."""
        known, asked = self._places(self.rows), self._places(changed)
        nearest = np.empty(len(asked), dtype=np.int64)
        square = (known**2).sum(axis=1)
        for begin in range(0, len(asked), 1024):
            some = asked[begin : begin + 1024]
            nearest[begin : begin + 1024] = (square - 2 * some @ known.T).argmin(axis=1)
        outputs = [
            name
            for name in changed.columns
            if base_of(name) in ("prediction",) or name.startswith("probability")
        ]
        return changed.with_columns([self.rows[name].gather(nearest).alias(name) for name in outputs])

    def _places(self, rows: pl.DataFrame) -> Floats:
        """Inputs as numbers [rows, places]: numbers by their recorded spread, levels of texts as places of their own."""
        parts = []
        for name in self.columns:
            if name in self.numbers:
                spread = float(self.rows[name].std() or 0.0) or 1.0  # type: ignore[arg-type]
                centre = float(self.rows[name].mean() or 0.0)  # type: ignore[arg-type]
                values = (
                    rows[name].cast(pl.Float64) if name in rows.columns else pl.Series([centre] * rows.height)
                )
                parts.append(
                    ((values.fill_null(centre).fill_nan(centre).to_numpy() - centre) / spread)[:, None]
                )
                continue
            texts = (
                rows[name].cast(pl.String)
                if name in rows.columns
                else pl.Series([None] * rows.height, dtype=pl.String)
            )
            levels = (
                self.rows[name]
                .cast(pl.String)
                .drop_nulls()
                .value_counts(sort=True, name="n")[name]
                .head(20)
                .to_list()
            )
            parts.append(
                np.stack([(texts == level).fill_null(value=False).to_numpy() for level in levels], axis=1)
            )
        return np.concatenate(parts, axis=1).astype(np.float64) if parts else np.zeros((rows.height, 1))


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: what it does to rows, what may be said that it looks like, and of which rows it can be had."""

    name: str
    looks_like: Sequence[str]
    plant: Callable[[pl.DataFrame, Recorded], pl.DataFrame]
    possible: Callable[[Recorded], bool]


def _telling(recorded: Recorded) -> str:
    """The number whose values go most with the answers: to lose it is felt."""
    answer = recorded.rows["prediction"].cast(pl.String)
    best, found = -1.0, recorded.numbers[0]
    for name in recorded.numbers:
        values = recorded.rows.select(pl.col(name).cast(pl.Float64), answer.alias("_answer"))
        means = values.group_by("_answer").agg(pl.col(name).mean())[name].drop_nulls().to_numpy()
        spread = float(np.nanstd(values[name].to_numpy()))
        apart = float(np.ptp(means)) / spread if spread > 0 and len(means) > 1 else 0.0
        if apart > best:
            best, found = apart, name
    return found


def _schema(rows: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:
    name = _telling(recorded)
    return recorded.answers(rows.drop(name))


def _preprocessing(rows: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:
    name = _telling(recorded)
    return recorded.answers(rows.with_columns((pl.col(name) * FACTOR).cast(pl.Float64)))


def _slow(rows: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:  # noqa: ARG001
    return rows.with_columns(pl.col("latency_s") * SLOWER)


def _swapped(rows: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:
    """The two commonest answers are exchanged."""
    counts = recorded.rows["prediction"].value_counts(sort=True, name="n")["prediction"]
    one, other = counts[0], counts[1]
    exchanged = pl.when(pl.col("prediction") == one).then(other).when(pl.col("prediction") == other).then(one)
    found = rows.with_columns(
        exchanged.otherwise(pl.col("prediction")).cast(rows.schema["prediction"]).alias("prediction")
    )
    if "probability" in found.columns and recorded.rows["prediction"].n_unique() == 2:
        found = found.with_columns((1 - pl.col("probability")).alias("probability"))
    return found


def _as_it_was(rows: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:  # noqa: ARG001
    """Of a process that leaks the rows are as ever: its readings tell."""
    return rows


def _always(recorded: Recorded) -> bool:  # noqa: ARG001
    return True


def _has_numbers(recorded: Recorded) -> bool:
    return bool(recorded.numbers)


def _has_latency(recorded: Recorded) -> bool:
    return (
        "latency_s" in recorded.rows.columns
        and recorded.rows["latency_s"].null_count() < recorded.rows.height
    )


def _has_classes(recorded: Recorded) -> bool:
    kind = recorded.rows.schema["prediction"]
    return not kind.is_float() and 2 <= recorded.rows["prediction"].n_unique() <= 32


FAULTS: dict[str, Fault] = {
    one.name: one
    for one in (
        Fault("schema", ("schema",), _schema, _has_numbers),
        Fault("preprocessing", ("scaled", "shifted", "changed"), _preprocessing, _has_numbers),
        Fault("slow", ("slow",), _slow, _has_latency),
        Fault(LEAKING, (LEAKING,), _as_it_was, _always),
        Fault("swapped classes", ("swapped classes",), _swapped, _has_classes),
    )
}
"""Faults that can be planted, by name."""

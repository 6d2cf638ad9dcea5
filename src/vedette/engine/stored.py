"""The table of summaries: summaries as its rows, and its rows as summaries.

A row is an increment: what one arrival added to one event window, known from one window on. The sum of the increments
of a window known by a moment is the window's summary as it was known then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from vedette.errors import LakeError
from vedette.lake.tables import SCHEMAS, UTC
from vedette.statistics.grid import Grid
from vedette.statistics.hashes import FREE, KEPT, no_hashes
from vedette.statistics.sampled import Levels
from vedette.statistics.summary import Summary
from vedette.statistics.unlabelled import bin_scores

__all__ = ["Increment", "labels_by_score", "levels_of", "of_frame", "score_middles", "to_frame", "utc"]


@dataclass(frozen=True, slots=True)
class Increment:
    """Summaries of one column of one version, all of it or a segment, over triples of (event window, knowledge window,
    weight of the rows)."""

    version: str
    column: str
    start: np.ndarray  # int64, microseconds
    known: np.ndarray
    summary: Summary
    segment: str = ""
    weight: np.ndarray | None = None  # float64; the rows that each of its rows stands for, None: itself alone


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
                    "segment": [one.segment] * len(one.start),
                    "grid": [summary.grid.id] * len(one.start),
                    "start": pl.Series(one.start).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                    "known": pl.Series(one.known).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                    "arrival": [arrival] * len(one.start),
                    "weight": np.ones(len(one.start)) if one.weight is None else one.weight,
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
                    "sums": pl.Series(
                        summary.sums, dtype=pl.Array(pl.Float64, len(summary.grid.sums))
                    ).arr.to_list(),
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
    counts = _matrix(frame, "counts", grid, grid.cells)
    sums = _matrix(frame, "sums", grid, len(grid.sums))
    hashes = no_hashes(frame.height, KEPT if "hashes" in frame.columns else 0)
    if "hashes" in frame.columns:
        held = frame["hashes"].bin.size().to_numpy() // 8
        hashes[np.arange(KEPT) < held[:, np.newaxis]] = np.frombuffer(b"".join(frame["hashes"]), dtype="<u8")
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
        sums=sums,
        hashes=hashes,
    )


def levels_of(frame: pl.DataFrame, grid: Grid, window: np.ndarray, n_windows: int) -> Levels:
    """The same by window (the number of that of each row) and weight."""
    if (frame["weight"] == 1.0).all():
        whole = of_frame(frame, grid).grouped(window, n_windows)
        return Levels(whole, np.arange(n_windows), np.ones(n_windows), n_windows)
    weight, place = np.unique(frame["weight"].to_numpy(), return_inverse=True)
    pairs, group = np.unique(window * len(weight) + place, return_inverse=True)
    summary = of_frame(frame, grid).grouped(group, len(pairs))
    return Levels(summary, pairs // len(weight), weight[pairs % len(weight)], n_windows)


def _matrix(frame: pl.DataFrame, name: str, grid: Grid, width: int) -> np.ndarray:
    """A column of lists, of so many numbers each, as a matrix."""
    lists = frame[name]
    long = lists.list.len()
    if not bool((long == width).all()):
        raise LakeError(
            f"table summaries: the column {name!r} of {grid.column!r} holds {long.max()!r} numbers a row where this "
            f"version of vedette counts {width}: the lake is of another version; read it with that one, or give this "
            "one a lake of its own (lake=...)"
        )
    return lists.explode().to_numpy().reshape(frame.height, width) if width else np.empty((frame.height, 0))


def labels_by_score(summary: Summary) -> np.ndarray:
    """Counts [W, score bin, prediction, label] of the two classes; corrections may leave none below 0."""
    return np.maximum(summary.cube[:, :, :2, :2], 0).swapaxes(2, 3)


def score_middles(grid: Grid) -> np.ndarray:
    """The score float64 [B] that stands for each score bin of a quality grid of two classes, NaN for the last, without one."""
    scores = bin_scores(grid.score_edges, missing=True)
    if grid.discrete:  # every score but the least has a bin of its own, which begins with it
        scores[1:-1] = np.clip(grid.score_edges, 1e-7, 1 - 1e-7)
    return scores


def utc(micros: int) -> datetime:
    """Microseconds since 1970 as a UTC datetime."""
    return pl.Series([micros]).cast(UTC).to_list()[0]  # type: ignore[no-any-return]

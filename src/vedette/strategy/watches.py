"""What is watched: from the reference's summaries to watches, their rows, and the counts of a step."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vedette.errors import GridError
from vedette.statistics.grid import DIRECTION_CELLS, DIRECTIONS, Grid, merge_cells
from vedette.statistics.structured.ranking import HITS_AMONG
from vedette.statistics.summary import Summary
from vedette.strategy.records import Ints, Measure, Step

__all__ = [
    "BINS",
    "ROWS_MIN",
    "Plan",
    "Watch",
    "column_and_segment",
    "plan",
    "source_of",
    "with_missing",
]

BINS = 32
"""Coarse cells at most. Mid-ranks on 32 cells lose a thousandth of the variance of those on single values."""

ROWS_MIN = 50
"""Fewer rows are neither judged nor a reference."""

MIX_LEVELS = 8
"""Levels of a category that are watched one by one; the rest is one share."""

_OF = "\x1f"  # between a column and its segment: in no name that a person writes

_WINDOWS_AT_ONCE = 32  # a thousand rows of 32 cells: 8 MB


@dataclass(frozen=True, slots=True)
class Watch:
    """One watched thing, a monitor of the false-alarm budget.

    ``kind`` is location, spread, missing, mix, unseen, accuracy, bias, errors, quality, hits, slow, late, direction or
    shape. ``rows`` names its sub-monitor rows: levels of a mix, axes, the limit of ``slow``, the delay of ``late``, else
    the kind.
    """

    id: str
    column: str
    kind: str
    side: int
    rows: tuple[str, ...]
    segment: str = ""

    @property
    def source(self) -> str:
        """What it is counted on: its column, in its segment."""
        return source_of(self.column, self.segment)


def source_of(column: str, segment: str = "") -> str:
    """The key of a column's summary in a segment; of all rows it is the column itself."""
    return f"{column}{_OF}{segment}" if segment else column


def column_and_segment(source: str) -> tuple[str, str]:
    """What ``source_of`` put together.

    >>> column_and_segment(source_of("age", "region=north"))
    ('age', 'region=north')
    """
    column, _, segment = source.partition(_OF)
    return column, segment


class _Row(NamedTuple):
    name: str
    measure: Measure
    cells: Ints  # coarse cell of each fine cell, then of a missing value; -1: not counted


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Which watches a model has, and how the counts of a summary become their rows.

    Summaries and grids go by ``Watch.source``: the column, or the column in a segment. ``unwatched`` says of what
    cannot be watched (its name and segment) why. Rows are numbered through all watches; those of a
    watch, and the watches of a column, lie beside each other.
    """

    model: str
    watches: tuple[Watch, ...]
    unwatched: Mapping[tuple[str, str], str]
    grids: Mapping[str, Grid]
    key: NDArray[np.uint64]
    measure: NDArray[np.int8]
    side: NDArray[np.int8]
    watch_key: NDArray[np.uint64]
    first: Ints
    cells: tuple[Ints, ...]
    _source: Ints
    _target: Ints
    _rows: Mapping[str, slice]
    late: frozenset[str] = frozenset()

    def counts(self, summaries: Mapping[str, Summary]) -> Ints:
        """int64[S, 32]: the coarse counts of all rows; columns without a summary count as zero.

        Several windows of a summary are added. Raises ``GridError`` for a summary on another grid than
        the plan's.
        """
        fine = {column: with_missing(one).sum(axis=0)[None] for column, one in self._own(summaries)}
        counts: Ints = self._coarse(fine, 1)[0]
        return counts

    def step(self, summaries: Mapping[str, Summary], window: int, start: float) -> Step:
        """The step of a window of arrivals: ``window`` is its number, ``start`` its start in seconds
        since 1970.
        """
        return Step(self.counts(summaries), self.key, int(window), float(start))

    def steps(
        self, summaries: Mapping[str, Summary], windows: Sequence[int], starts: Sequence[float]
    ) -> Iterator[Step]:
        """The steps of many windows: every summary has as many windows as there are ``windows``.

        The same as ``step`` on each, a few windows at a time.
        """
        own = dict(self._own(summaries))
        for at in range(0, len(windows), _WINDOWS_AT_ONCE):
            part = range(at, min(at + _WINDOWS_AT_ONCE, len(windows)))
            fine = {column: with_missing(one.take(part)) for column, one in own.items()}
            for number, counts in zip(part, self._coarse(fine, len(part)), strict=True):
                yield Step(counts, self.key, int(windows[number]), float(starts[number]))

    def _own(self, summaries: Mapping[str, Summary]) -> Iterator[tuple[str, Summary]]:
        for column, summary in summaries.items():
            grid = self.grids.get(column)
            if grid is None:
                continue
            if summary.grid != grid:
                raise GridError(
                    f"column {column_and_segment(column)[0]!r} came on grid {summary.grid.id}: "
                    f"the watches count on grid {grid.id}"
                )
            yield column, summary

    def _coarse(self, fine: Mapping[str, Ints], n_windows: int) -> Ints:
        """int64[W, S, 32] of the fine counts [W, cells + 1] by column."""
        coarse = np.zeros((n_windows, len(self.key) * BINS), dtype=np.int64)
        if len(self._source):
            nothing = {column: grid.cells + 1 for column, grid in self.grids.items() if column not in fine}
            all_fine = np.concatenate(
                [
                    fine[c] if c in fine else np.zeros((n_windows, nothing[c]), dtype=np.int64)
                    for c in self.grids
                ],
                axis=1,
            )
            order = np.argsort(self._target, kind="stable")
            target = self._target[order]
            heads = np.flatnonzero(np.r_[True, target[1:] != target[:-1]])
            coarse[:, target[heads]] = np.add.reduceat(all_fine[:, self._source[order]], heads, axis=1)
        return coarse.reshape(n_windows, len(self.key), BINS)

    def rows_of(self, source: str) -> slice:
        """The rows of a column, in a segment."""
        return self._rows.get(source, slice(0, 0))


def plan(reference: Mapping[str, Summary], model: str, late: Collection[str] = ()) -> Plan:
    """The watches that a reference allows: one summary for each column (``source_of`` a column in a segment), over its
    rows other than the pilot's.

    numeric        ``<column>.location``, ``.spread``, ``.missing`` (null, NaN and infinite together; only a rise)
    category       ``<column>.mix`` (the 8 first levels and the rest), ``.missing``, ``.unseen`` (not among
                   the pilot's levels: frozen by rows that are not counted, so old and new rows are alike)
    quality        ``accuracy`` (only a fall counts)
    error          ``error.location`` (predictions too high or too low), ``error.spread`` (only larger errors count)
    directions     ``<column>.direction`` (vectors, or texts by their n-grams, moved along an axis), ``<column>.shape`` (they
                   spread more or less along one)
    labels         ``labels.late`` (predictions without a label after a delay; only a rise counts)
    detection      ``f1`` (of images, at an overlap and a score of 0.5; only a fall counts), so too
    multilabel     ``f1`` (of rows)
    ranking        ``hit_rate`` (queries with a relevant item among the first 10; only a fall counts)
    latency        ``latency.location``, ``latency.slow`` (over the reference's p95); only a rise counts

    Of sources that are ``late`` the grid was cut on the rows that are counted, those of a few windows: none is
    unseen among them, and their p95 is that of the slowest of these windows, so neither is a limit to be held
    against. A watch needs 50 rows of reference; what has fewer is in ``unwatched`` with the reason.
    """
    watches: list[Watch] = []
    rows: list[tuple[Watch, _Row]] = []
    unwatched: dict[tuple[str, str], str] = {}
    for source, summary in reference.items():
        merged, (column, segment) = summary.merged(), column_and_segment(source)
        for found, made in _watches(column, merged, _prefix(source, reference)):
            if found.kind in ("unseen", "slow") and source in late:
                continue
            watch = replace(found, segment=segment)
            n = int(with_missing(merged)[0][made[0].cells >= 0].sum())
            if n >= ROWS_MIN:
                watches.append(watch)
                rows.extend((watch, row) for row in made)
            else:
                reason = f"fewer than {ROWS_MIN} rows in the reference: {n}"
                unwatched[watch.id, segment] = reason
    grids = {column: summary.grid for column, summary in reference.items()}
    return replace(_assemble(model, watches, rows, unwatched, grids), late=frozenset(late))


def _assemble(
    model: str,
    watches: list[Watch],
    rows: list[tuple[Watch, _Row]],
    unwatched: Mapping[tuple[str, str], str],
    grids: Mapping[str, Grid],
) -> Plan:
    offsets = dict(zip(grids, np.cumsum([0, *(grid.cells + 1 for grid in grids.values())]), strict=False))
    source, target = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for number, (watch, row) in enumerate(rows):
        kept = np.flatnonzero(row.cells >= 0)
        source.append(kept + offsets[watch.source])
        target.append(row.cells[kept] + number * BINS)
    # the cells are part of the name: a row that counts differently is another row
    keys = [
        _digest(
            model,
            source_of(watch.id, watch.segment),
            grids[watch.source].id,
            row.name,
            row.cells.tobytes().hex(),
        )
        for watch, row in rows
    ]
    sizes = np.array([len(watch.rows) for watch in watches], dtype=np.int64)
    first = np.cumsum(sizes) - sizes
    watch_keys = [
        _digest(source_of(watch.id, watch.segment), *(str(key) for key in keys[at : at + n]))
        for watch, at, n in zip(watches, first, sizes, strict=True)
    ]
    return Plan(
        model=model,
        watches=tuple(watches),
        unwatched=unwatched,
        grids=dict(grids),
        key=np.array(keys, dtype=np.uint64),
        measure=np.array([row.measure for _, row in rows], dtype=np.int8),
        side=np.array([watch.side for watch, _ in rows], dtype=np.int8),
        watch_key=np.array(watch_keys, dtype=np.uint64),
        first=first,
        cells=tuple(row.cells for _, row in rows),
        _source=np.concatenate(source),
        _target=np.concatenate(target),
        _rows=_rows_by_source(rows),
    )


def _rows_by_source(rows: Sequence[tuple[Watch, _Row]]) -> dict[str, slice]:
    """The rows of each source: they lie beside each other."""
    found: dict[str, slice] = {}
    for number, (watch, _) in enumerate(rows):
        first = found.get(watch.source, slice(number, number)).start
        found[watch.source] = slice(first, number + 1)
    return found


def _digest(*parts: str) -> int:
    return int.from_bytes(hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest(), "little")


def with_missing(summary: Summary) -> Ints:
    """int64[W, cells + 1]: the counts, and last what has no finite value."""
    return np.concatenate([summary.counts, (summary.missing + summary.nan + summary.inf)[:, None]], axis=1)


def _prefix(source: str, reference: Mapping[str, Summary]) -> str:
    """What the names of a column's watches begin with; a feature may be called latency or error."""
    column, _ = column_and_segment(source)
    said = {"latency": "latency", "error": "error"}.get(reference[source].grid.kind, column)
    return column if said in reference else said


def _watches(column: str, summary: Summary, prefix: str) -> Iterator[tuple[Watch, list[_Row]]]:
    grid, counts = summary.grid, summary.counts[0]
    match grid.kind:
        case "numeric" | "vector":
            groups = np.append(merge_cells(counts, BINS), -1)
            yield _single(f"{column}.location", column, "location", 0, Measure.LOCATION, groups)
            yield _single(f"{column}.spread", column, "spread", 0, Measure.SPREAD, groups)
            yield _single(f"{column}.missing", column, "missing", 1, Measure.SHARE, _missing(grid))
        case "category":
            yield _mix(column, grid)
            unseen = np.append((np.arange(grid.cells) >= len(grid.levels)).astype(np.int64), -1)
            yield _single(f"{column}.unseen", column, "unseen", 1, Measure.SHARE, unseen)
            yield _single(f"{column}.missing", column, "missing", 1, Measure.SHARE, _missing(grid))
        case "arrival":
            watch = Watch("labels.late", column, "late", 1, (f"{grid.length} windows",))
            yield watch, [_Row(watch.rows[0], Measure.SHARE, _missing(grid))]
        case "directions":
            name = column.removeprefix(DIRECTIONS)
            axes = grid.levels
            for kind, measure in (("direction", Measure.LOCATION), ("shape", Measure.SPREAD)):
                made = [_Row(axis, measure, _along(grid, number)) for number, axis in enumerate(axes)]
                yield Watch(f"{name}.{kind}", column, kind, 0, axes), made
        case "quality":
            yield _single("accuracy", column, "accuracy", 1, Measure.SHARE, _wrong(grid))
        case "error":
            groups = np.append(merge_cells(counts, BINS), -1)
            yield _single(f"{prefix}.location", column, "bias", 0, Measure.LOCATION, groups)
            yield _single(f"{prefix}.spread", column, "errors", 1, Measure.SPREAD, groups)
        case "detection" | "multilabel":
            groups = np.append(np.arange(grid.cells), -1)  # by what a row lost: 22 cells
            yield _single("f1", column, "quality", 1, Measure.LOCATION, groups)
        case "ranking":
            missed = np.append(np.arange(grid.cells) >= HITS_AMONG, -1)
            yield _single("hit_rate", column, "hits", 1, Measure.SHARE, missed)
        case "latency":
            groups = np.append(merge_cells(counts, BINS), -1)
            yield _single(f"{prefix}.location", column, "location", 1, Measure.LOCATION, groups)
            cumulated = np.cumsum(counts)
            edge = min(int(np.searchsorted(cumulated, 0.95 * cumulated[-1])), grid.cells - 2)
            slow = np.append((np.arange(grid.cells) > edge).astype(np.int64), -1)
            watch = Watch(f"{prefix}.slow", column, "slow", 1, (f"{grid.edges[edge]:.3g} s",))
            yield watch, [_Row(watch.rows[0], Measure.SHARE, slow)]


def _single(
    name: str, column: str, kind: str, side: int, measure: Measure, cells: Ints
) -> tuple[Watch, list[_Row]]:
    return Watch(name, column, kind, side, (kind,)), [_Row(kind, measure, cells.astype(np.int64))]


def _along(grid: Grid, axis: int) -> Ints:
    """The cells of one axis of a grid of directions, which counts each row once along each."""
    cells = np.full(grid.cells + 1, -1, dtype=np.int64)
    cells[axis * DIRECTION_CELLS : (axis + 1) * DIRECTION_CELLS] = np.arange(DIRECTION_CELLS)
    return cells


def _missing(grid: Grid) -> Ints:
    return np.append(np.zeros(grid.cells, dtype=np.int64), 1)


def _mix(column: str, grid: Grid) -> tuple[Watch, list[_Row]]:
    """A share for each of the first levels, and one for all others, named ``""``."""
    cell = np.arange(grid.cells)
    levels = grid.levels[:MIX_LEVELS]
    marks = [cell == number for number in range(len(levels))] + [cell >= len(levels)]
    rows = [
        _Row(name, Measure.SHARE, np.append(mark.astype(np.int64), -1))
        for name, mark in zip((*levels, ""), marks, strict=True)
    ]
    return Watch(f"{column}.mix", column, "mix", 0, tuple(row.name for row in rows)), rows


def _wrong(grid: Grid) -> Ints:
    """1 where the prediction is not the label, -1 where there is no prediction; two unnamed classes count
    as unequal, as in the figure ``accuracy``. Cells that count a row once more are left out.
    """
    _, labels, predictions = grid.shape
    label, prediction = np.arange(labels)[:, None], np.arange(predictions)[None, :]
    right = (label == prediction) & (label < labels - 1)
    cells = np.where(prediction == predictions - 1, -1, np.where(right, 0, 1))
    once = np.tile(cells.ravel(), grid.row_cells // cells.size)
    return np.append(once, np.full(grid.cells - grid.row_cells + 1, -1)).astype(np.int64)

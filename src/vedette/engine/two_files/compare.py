"""The report itself: every column in its turn, then one judgement over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from vedette.engine.two_files import words
from vedette.engine.two_files.described import Compared
from vedette.engine.two_files.domain import Drawn, compare_together, draw
from vedette.engine.two_files.findings import fell_silent, findings_of
from vedette.engine.two_files.levels import compare_levels
from vedette.engine.two_files.notes import notes_of
from vedette.engine.two_files.numbers import NUMBERED, compare_numbers, few_whole
from vedette.engine.two_files.other import compare_other
from vedette.engine.two_files.quality import Quality, Task, compare_quality
from vedette.engine.two_files.source import (
    Source,
    family_of,
    kind_of,
    role_of,
    rows_at_once,
    unfit,
    value_bytes,
)
from vedette.engine.two_files.vectors import compare_vectors
from vedette.errors import DataError, SchemaError
from vedette.lake.files import TableFile, open_frame, open_table
from vedette.lake.frames import check_mapping, frame_of
from vedette.output.comparison import Column, Comparison, Together
from vedette.output.numbers import percent
from vedette.records import Status
from vedette.strategy import discoveries
from vedette.strategy.two_samples import together

__all__ = ["compare"]

BATCH_BYTES = 48_000_000
"""Columns are read so many bytes at a time: with few rows each column's own reading would cost more than its values."""

NO_REFERENCE = "no reference"

_UNJUDGED = {"id": "an identifier: not compared", "time": "times move on: not compared"}
"""Columns by their role of whose values nothing is said; whether they are missing is judged all the same."""

_Draft = tuple[Column, Compared | None]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class _Pair:
    """The tables that are compared."""

    current: TableFile
    reference: TableFile | None

    def tables(self) -> list[TableFile]:
        return [self.current] if self.reference is None else [self.current, self.reference]


def compare(
    current: Any,
    reference: Any = None,
    *,
    now: datetime,
    columns: Mapping[str, str] | None = None,
    by: Sequence[str] = (),
    separator: str | None = None,
    task: Task | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare a file (or a frame in memory) with a reference, or describe it alone.

    Parquet, CSV, Arrow and Delta; kinds by the types of the columns, and the columns ``id``, ``time``,
    ``prediction``, ``probability`` (or ``probability_<class>``), ``label`` and ``latency_s`` by their names, which
    ``columns`` maps to the files' own. ``by`` are the columns whose values (or pairs of values) are segments.

    Raises ``DataError`` where a file cannot be read, ``SchemaError`` where columns cannot be told apart or are not
    there, ``ValueError`` for an impossible argument.
    """
    check_mapping(columns or {})
    if len(by) > 2 or len(set(by)) < len(by):
        raise ValueError(f"by={','.join(by)!r}: must be one column, or two different ones")
    pair = _Pair(
        _opened(current, "current", columns, separator),
        None if reference is None else _opened(reference, "reference", columns, separator),
    )
    drafts, drawn = _columns(pair, progress)
    if progress is not None:
        progress(len(drafts), len(drafts), "figures of the model")
    together = (
        None if pair.reference is None else compare_together(drawn, [one.rows for one in pair.tables()])
    )
    named = [_named_rows(table, by) for table in pair.tables()]
    quality = compare_quality(named[0], named[1] if len(named) > 1 else None, by, task)
    return _judged(pair, drafts, quality, together, now)


def _opened(data: Any, name: str, columns: Mapping[str, str] | None, separator: str | None) -> TableFile:
    if isinstance(data, str | Path):
        table = open_table(data, separator=separator, exported=True)
    else:
        table = open_frame(frame_of(data), f"the {name} rows")
    if not table.schema:
        raise DataError(f"{table.path}: has no columns")
    return table.renamed(columns or {})


def _named_rows(table: TableFile, by: Sequence[str]) -> TableFile:
    """The table without the columns that cannot be what their names say; ``SchemaError`` for one that is asked for."""
    for name in by:
        if name in table.schema and kind_of(table.schema[name]) in ("other", "vector"):
            raise SchemaError(
                f"by={name!r}: has the type {table.schema[name]} in {table.path}: must be text, numbers or times"
            )
    odd = {name for name, dtype in table.schema.items() if unfit(role_of(name), dtype)}
    return replace(table, schema={name: one for name, one in table.schema.items() if name not in odd})


def _columns(pair: _Pair, progress: Progress | None) -> tuple[list[_Draft], list[Drawn]]:
    """What was found of each column, and the rows of those that are compared together."""
    names = list(dict.fromkeys(name for table in reversed(pair.tables()) for name in table.schema))
    sizes = [value_bytes(table) for table in pair.tables()]
    drafts: list[_Draft] = []
    drawn: list[Drawn] = []
    for held in _batches(pair, names, sizes):
        for name in held.names:
            if progress is not None:
                progress(len(drafts), len(names), name)
            sources = held.sources(pair, name, sizes)
            drafts.append(_column(name, sources))
            rows = draw(*drafts[-1], sources)
            if rows is not None:
                drawn.append(rows)
    return drafts, drawn


@dataclass(frozen=True, slots=True)
class _Held:
    """Neighbouring columns, and for each table those of them that were read together."""

    names: Sequence[str]
    frames: Sequence[pl.DataFrame]

    def sources(self, pair: _Pair, name: str, sizes: Sequence[Mapping[str, int]]) -> list[Source | None]:
        return [
            Source(table, name, frame if name in frame.columns else None, size[name])
            if name in table.schema
            else None
            for table, frame, size in zip(pair.tables(), self.frames, sizes, strict=True)
        ]


def _batches(pair: _Pair, names: Sequence[str], sizes: Sequence[Mapping[str, int]]) -> Iterator[_Held]:
    """Columns of both tables in the order of their names: as many at once as are small."""
    tables = pair.tables()

    def read(some: Sequence[str]) -> _Held:
        return _Held(
            some,
            [
                table.read([name for name in some if _small(table, name, size)])
                for table, size in zip(tables, sizes, strict=True)
            ],
        )

    batch: list[str] = []
    held = [0, 0]
    for name in names:
        more = [table.rows * size.get(name, 0) for table, size in zip(tables, sizes, strict=True)]
        if batch and max(a + b for a, b in zip(held, more, strict=False)) > BATCH_BYTES:
            yield read(batch)
            batch, held = [], [0, 0]
        batch.append(name)
        held = [a + b for a, b in zip(held, more, strict=False)]
    if batch:
        yield read(batch)


def _small(table: TableFile, name: str, sizes: Mapping[str, int]) -> bool:
    """True for a column that is read whole: of longer ones a part at a time, of lists and structs only the nulls."""
    if name not in table.schema or kind_of(table.schema[name]) == "other":
        return False
    return table.rows <= rows_at_once(sizes[name])


def _column(name: str, both: Sequence[Source | None]) -> tuple[Column, Compared | None]:
    role = role_of(name)
    sources = [one for one in both if one is not None]
    kind = _kind(role, sources)
    if kind is None:
        return _retyped(name, role, sources), None
    found = _compared(name, role, kind, sources)
    if role in _UNJUDGED:
        parts = {part: p for part, p in found.parts.items() if part == "missing"}
        found = replace(found, parts=parts, reason=_UNJUDGED[role])
    if len(sources) < len(both):
        return _alone(name, role, found, here=both[0] is not None), None
    if found.fact:
        return _fact(_draft(name, role, found), found.fact), None
    return _draft(name, role, found), found


def _kind(role: str, sources: Sequence[Source]) -> str | None:
    """The kind as which a column is compared, None where the types of the files cannot be."""
    typed = [one for one in sources if one.dtype != pl.Null]
    kinds = {kind_of(one.dtype) for one in typed}
    if role == "id" and kinds and kinds <= {"numeric", "text"}:
        return "text"  # names, however they are spelled; as floats, great ones would be equal
    families = {family_of(one.dtype) for one in typed}
    if role in ("prediction", "label") and families <= {"numeric", "boolean", "text"}:
        numbers = [one for one in typed if kind_of(one.dtype) == "numeric"]
        if numbers and few_whole(numbers):
            return "text"  # classes whose names are numbers
    if len(families) > 1:
        return None
    return kinds.pop() if kinds else "empty"


def _compared(name: str, role: str, kind: str, sources: Sequence[Source]) -> Compared:
    if kind in ("time", "other", "empty"):
        return compare_other(kind, sources)
    if kind == "vector":
        return compare_vectors(name, role, sources)
    return compare_numbers(name, role, sources) if kind == "numeric" else compare_levels(name, kind, sources)


def _draft(name: str, role: str, found: Compared) -> Column:
    """The column before it is judged together with the others."""
    return Column(
        name=name,
        kind=found.kind,
        role=role,
        changed=None,
        matters=None,
        reason=found.reason,
        words="",
        p_value=together(found.parts.values()),
        current=found.sides[0],
        reference=found.sides[1] if len(found.sides) > 1 else None,
        distances=found.distances,
        picture=found.picture,
        score=0.0 if role in _UNJUDGED else _score(found),
    )


def _score(found: Compared) -> float:
    """How much a column differs, 0 to 1: the Jensen-Shannon distance, or a greater MMD or difference of missing values."""
    apart = found.distances.get("jensen_shannon") or found.distances.get("unseen_share")
    value = apart.value if apart is not None and apart.value is not None else 0.0
    directed = found.distances.get("mmd")
    if directed is not None and directed.value is not None:
        value = max(value, min(directed.value, 1.0))
    if len(found.sides) == 2:
        shares = [
            (side.missing + side.nan + side.inf) / side.rows if side.rows else 0.0 for side in found.sides
        ]
        value = max(value, abs(shares[0] - shares[1]))
    return value


def _alone(name: str, role: str, found: Compared, *, here: bool) -> Column:
    """A column that one file does not have: a fact, not a matter of chance."""
    column = replace(_draft(name, role, found), p_value=None)
    if role == "id" and name != "id":
        which = "current file" if here else "reference"
        column = replace(
            column, reason=f"pandas' index, which only the {which} was written with: not compared"
        )
        return column if here else replace(column, current=None, reference=column.current, picture=None)
    if here:
        return replace(
            column, changed=True, matters=True, words="is new: the reference does not have it", score=2.0
        )
    picture = column.picture
    if picture is not None:
        none = tuple(0.0 for _ in picture.current)
        below, above, *_ = picture.beyond
        count, rest, _ = picture.others
        picture = replace(
            picture,
            current=none,
            reference=picture.current,
            beyond=(0.0, 0.0, below, above),
            others=(count, 0.0, rest),
        )
    return replace(
        column,
        changed=True,
        matters=True,
        words="has vanished: the current file does not have it",
        current=None,
        reference=column.current,
        picture=picture,
        score=2.0,
    )


def _retyped(name: str, role: str, sources: Sequence[Source]) -> Column:
    now, before = (_compared(name, role, kind_of(one.dtype), [one]) for one in sources)
    mixed = {family_of(one.dtype) for one in sources} == {"numeric", "text"}
    types = [_typed(one, mixed) for one in sources]
    said = f"has another type: {types[1]} in the reference, {types[0]} in the current file"
    return _fact(replace(_draft(name, role, now), reference=before.sides[0]), said)


def _fact(column: Column, said: str) -> Column:
    """The column with a change that is no matter of chance."""
    return replace(column, changed=True, matters=True, reason=None, words=said, picture=None, score=2.0)


def _typed(source: Source, mixed: bool) -> str:
    """The type of a column, with a value that it holds; of texts against numbers one that is no number."""
    if kind_of(source.dtype) in ("other", "vector"):
        return str(source.dtype)
    pilot, many = source.pilot(), ""
    if mixed and kind_of(source.dtype) == "text" and source.dtype != pl.Binary:
        odd = pilot.filter(pilot.cast(pl.String).cast(pl.Float64, strict=False).is_null())
        if len(odd):
            many = f", {percent(len(odd) / len(pilot))} no numbers"
            pilot = odd
    if not len(pilot):
        return str(source.dtype)
    value = pilot[0] if isinstance(pilot[0], str | bytes | float | int) else str(pilot[0])
    return f"{source.dtype} (such as {repr(value)[:40]}{many})"


def _judged(
    pair: _Pair, drafts: Sequence[_Draft], quality: Quality, whole: Together | None, now: datetime
) -> Comparison:
    """One error rate over the columns and the figures of the model; what is a fact needs none."""
    tested = [column.p_value for column, _ in drafts] + [one.p_value for one in quality.figures]
    tested.append(None if whole is None else whole.p_value)
    named = discoveries.named(tested)
    columns = [
        _named(column, found, one) for (column, found), one in zip(drafts, named[: len(drafts)], strict=True)
    ]
    figures = [
        replace(one, changed=yes) for one, yes in zip(quality.figures, named[len(drafts) : -1], strict=True)
    ]
    columns.sort(
        key=lambda one: (-bool(one.changed and one.matters), -bool(one.changed), -one.score, one.name)
    )
    report = Comparison(
        current=pair.current.path,
        reference=None if pair.reference is None else pair.reference.path,
        rows=pair.current.rows,
        reference_rows=None if pair.reference is None else pair.reference.rows,
        made=now,
        verdict=Status.UNKNOWN,
        rate=discoveries.RATE,
        method=discoveries.METHOD,
        hypotheses=sum(p is not None for p in tested),
        columns=tuple(columns),
        figures=tuple(figures),
        findings=(),
        confusion=quality.confusion,
        notes=(*quality.notes, *notes_of(pair.tables(), drafts)),
        together=None if whole is None else words.told_together(whole, named[-1]),
    )
    report = replace(report, findings=findings_of(report, quality.warnings))
    return replace(report, verdict=_verdict(report))


def _named(column: Column, found: Compared | None, named: bool | None) -> Column:
    if found is None:
        return column
    if not named:
        blind = named is None or found.reason is not None  # not compared is not the same as not changed
        reason = column.reason or (
            NO_REFERENCE if len(found.sides) < 2 and column.reference is None else None
        )
        return replace(
            column,
            changed=None if blind else False,
            words="",
            reason=reason if blind else None,
            score=0.0
            if column.kind == "text"
            else column.score,  # names of their own in each file are no change
        )
    matters = words.matters(found)
    said = words.said(found) or "differs in more than one small way"
    return replace(
        column, changed=True, matters=matters, words=said if matters else f"too small to matter: {said}"
    )


def _verdict(report: Comparison) -> Status:
    """As grave as the gravest finding that is known; UNKNOWN where nothing, or not everything, could be compared."""
    found = {one.status for one in report.findings}
    if report.reference is None:
        return Status.UNKNOWN
    if Status.ALARM in found:
        return Status.ALARM
    if not report.rows or not report.reference_rows or all(one.changed is None for one in report.columns):
        return Status.UNKNOWN
    if Status.WARN in found:
        return Status.WARN
    silent = any(map(_unjudged, report.columns)) or any(map(fell_silent, report.figures))
    return Status.UNKNOWN if silent else Status.OK


def _unjudged(column: Column) -> bool:
    """True where values could not be judged that were meant to be; of identifiers, times and lists none are."""
    meant = column.role not in _UNJUDGED and column.kind not in ("time", "other")
    return column.changed is None and meant and column.reason != NUMBERED

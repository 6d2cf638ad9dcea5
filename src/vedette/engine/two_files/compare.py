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
from vedette.engine.two_files.findings import findings_of
from vedette.engine.two_files.levels import compare_levels
from vedette.engine.two_files.numbers import compare_numbers, few_whole
from vedette.engine.two_files.other import compare_other
from vedette.engine.two_files.quality import Quality, compare_quality
from vedette.engine.two_files.source import SLICE_ROWS, Source, kind_of
from vedette.errors import DataError
from vedette.lake.files import TableFile, open_frame, open_table
from vedette.lake.frames import frame_of
from vedette.output.comparison import Column, Comparison, Figures
from vedette.records import Status
from vedette.strategy import discoveries
from vedette.strategy.two_samples import together

__all__ = ["compare"]

BATCH_BYTES = 48_000_000
"""Columns are read so many bytes at a time: with few rows each column's own reading would cost more than its values."""

ALIKE_MIN = 0.1  # six standard errors of 4,000 independent rows: reports of those have no such word

_ROLES = {"id", "time", "prediction", "probability", "label"}
_UNJUDGED = {"id": "an identifier: not compared", "time": "times move on: not compared"}

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
    progress: Progress | None = None,
) -> Comparison:
    """Compare a file (or a frame in memory) with a reference, or describe it alone.

    Parquet, CSV, Arrow and Delta; kinds by the types of the columns, and the columns ``id``, ``time``,
    ``prediction``, ``probability`` (or ``probability_<class>``), ``label`` and ``latency_s`` by their names, which
    ``columns`` maps to the files' own. ``by`` are the columns whose values (or pairs of values) are segments.

    Raises ``DataError`` where a file cannot be read, ``SchemaError`` where columns cannot be told apart or are not
    there, ``ValueError`` for an impossible argument.
    """
    pair = _Pair(
        _opened(current, "current", columns, separator),
        None if reference is None else _opened(reference, "reference", columns, separator),
    )
    drafts = _columns(pair, progress)
    quality = compare_quality(pair.current, pair.reference, by)
    return _judged(pair, drafts, quality, now)


def _opened(data: Any, name: str, columns: Mapping[str, str] | None, separator: str | None) -> TableFile:
    if isinstance(data, str | Path):
        table = open_table(data, separator=separator)
    else:
        table = open_frame(frame_of(data), f"the {name} rows")
    if not table.schema:
        raise DataError(f"{table.path}: has no columns")
    return table.renamed(columns or {})


def _columns(pair: _Pair, progress: Progress | None) -> list[tuple[Column, Compared | None]]:
    names = list(dict.fromkeys(name for table in reversed(pair.tables()) for name in table.schema))
    drafts = []
    held: dict[str, pl.DataFrame] = {}
    waiting = _batches(pair, names)
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), name)
        if all(name not in frame.columns for frame in held.values()):
            held = next(waiting)
        drafts.append(_column(pair, name, held))
    return drafts


def _batches(pair: _Pair, names: Sequence[str]) -> Iterator[dict[str, pl.DataFrame]]:
    """Columns of both tables, by the path of the table, in the order of their names: as many at once as are small."""
    rows = max(table.rows for table in pair.tables())
    at_once = max(1, BATCH_BYTES // (16 * max(rows, 1)))
    for start in range(0, len(names), at_once):
        part = names[start : start + at_once]
        yield {
            f"{place}": table.read([name for name in part if name in table.schema])
            if rows <= SLICE_ROWS
            else pl.DataFrame(schema=dict.fromkeys(part, pl.Null()))
            for place, table in enumerate(pair.tables())
        }


def _role(name: str) -> str:
    if name == "latency_s":
        return "latency"
    if name.startswith("probability_"):
        return "probability"
    return name if name in _ROLES else "feature"


def _column(pair: _Pair, name: str, held: Mapping[str, pl.DataFrame]) -> tuple[Column, Compared | None]:
    role = _role(name)
    tables = [table for table in pair.tables() if name in table.schema]
    sources = [
        Source(table, name, held[str(place)] if table.rows <= SLICE_ROWS else None)
        for place, table in enumerate(pair.tables())
        if name in table.schema
    ]
    kinds = [kind_of(table.schema[name]) for table in tables]
    if len(set(kinds)) > 1 and "empty" not in kinds:
        return _retyped(name, role, tables), None
    kind = next((one for one in kinds if one != "empty"), "empty")
    if role in ("prediction", "label") and kind == "numeric" and few_whole(sources):
        kind = "text"  # classes whose names are numbers
    if "empty" in kinds or kind in ("time", "other", "empty"):
        found = compare_other(kind, sources)
    elif kind == "numeric":
        found = compare_numbers(name, role, sources)
    else:
        found = compare_levels(name, kind, sources)
    if pair.reference is not None and len(tables) == 1:
        return _alone(pair, name, role, found), None
    return _draft(name, role, found), found


def _draft(name: str, role: str, found: Compared) -> Column:
    """The column before it is judged together with the others."""
    return Column(
        name=name,
        kind=found.kind,
        role=role,
        changed=None,
        matters=None,
        reason=_UNJUDGED.get(role) or found.reason,
        words=words.said(found),
        p_value=None if role in _UNJUDGED else together(found.parts.values()),
        current=found.sides[0],
        reference=found.sides[1] if len(found.sides) > 1 else None,
        distances=found.distances,
        picture=found.picture,
        score=_score(found),
    )


def _score(found: Compared) -> float:
    """How much a column differs, 0 to 1: the Jensen-Shannon distance, or a greater difference of missing values."""
    apart = found.distances.get("jensen_shannon") or found.distances.get("unseen_share")
    value = apart.value if apart is not None and apart.value is not None else 0.0
    if len(found.sides) == 2:
        shares = [
            (side.missing + side.nan + side.inf) / side.rows if side.rows else 0.0 for side in found.sides
        ]
        value = max(value, abs(shares[0] - shares[1]))
    return value


def _alone(pair: _Pair, name: str, role: str, found: Compared) -> Column:
    """A column that one file does not have: a fact, not a matter of chance."""
    here = name in pair.current.schema
    column = _draft(name, role, found)
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


def _retyped(name: str, role: str, tables: Sequence[TableFile]) -> Column:
    now, before = (str(table.schema[name]) for table in tables)
    kind = kind_of(tables[0].schema[name])
    said = f"has another type: {before} in the reference, {now} in the current file"
    return Column(
        name,
        {"text": "category"}.get(kind, kind),
        role,
        True,
        True,
        None,
        said,
        None,
        None,
        None,
        {},
        None,
        2.0,
    )


def _judged(
    pair: _Pair, drafts: Sequence[tuple[Column, Compared | None]], quality: Quality, now: datetime
) -> Comparison:
    """One error rate over the columns and the figures of the model; what is a fact needs none."""
    tested = [column.p_value for column, _ in drafts] + [one.p_value for one in quality.figures]
    named = discoveries.named(tested)
    columns = [
        _named(column, found, one) for (column, found), one in zip(drafts, named[: len(drafts)], strict=True)
    ]
    figures = [
        replace(one, changed=yes) for one, yes in zip(quality.figures, named[len(drafts) :], strict=True)
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
        notes=(*quality.notes, *_alike(drafts)),
    )
    found = findings_of(report, quality.warnings)
    return replace(report, findings=found, verdict=_verdict(report, figures))


def _alike(drafts: Sequence[tuple[Column, Compared | None]]) -> tuple[str, ...]:
    """A word about columns whose neighbouring rows are alike: the tests take rows as independent."""
    judged = [
        (one.neighbours, column.name)
        for column, one in drafts
        if one and one.neighbours > ALIKE_MIN and column.p_value is not None
    ]
    if not judged:
        return ()
    judged.sort(reverse=True)
    names = ", ".join(f"{name} ({value:.2f})" for value, name in judged[:5])
    more = f" and {len(judged) - 5:,} more" if len(judged) > 5 else ""
    return (
        f"Rows that follow each other are alike in {names}{more} (rank correlation). The tests take rows as independent: "
        "where a file is a series in time or comes in groups, these columns can be named too easily.",
    )


def _named(column: Column, found: Compared | None, named: bool | None) -> Column:
    if found is None:
        return column
    if not named:
        return replace(column, changed=named, words="", reason=column.reason if named is None else None)
    matters = words.matters(found)
    said = column.words or "differs in more than one small way"
    return replace(
        column, changed=True, matters=matters, words=said if matters else f"too small to matter: {said}"
    )


def _verdict(report: Comparison, figures: Sequence[Figures]) -> Status:
    """ALARM for a column that is gone, of another type or all missing, or worse predictions; WARN for any change."""
    if report.reference is None or not report.rows or not report.reference_rows:
        return Status.UNKNOWN
    if all(one.changed is None for one in report.columns):
        return Status.UNKNOWN
    worse = [one for one in figures if one.changed and _worse(one)]
    broken = [one for one in report.columns if one.changed and _broken(one)]
    if worse or broken:
        return Status.ALARM
    return Status.WARN if any(one.changed and one.matters for one in report.columns) else Status.OK


def _worse(one: Figures) -> bool:
    if one.reference is None or one.current.value is None or one.reference.value is None:
        return False
    gain = one.current.value - one.reference.value
    return gain < 0 if one.metric == "accuracy" else gain > 0


def _broken(one: Column) -> bool:
    if one.p_value is None:
        return not one.words.startswith("is new")
    return (
        one.current is not None
        and one.current.rows > 0
        and one.current.missing + one.current.nan == one.current.rows
    )

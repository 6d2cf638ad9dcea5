"""All columns of some windows of a model against those of others: how well a classifier tells which a row is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vedette.engine.columns import category_texts, numbers
from vedette.engine.domain_rows import DRAWN_ROWS, Side, side_of
from vedette.engine.query import Query, moment
from vedette.engine.summarise import columns_of, is_number, is_vector
from vedette.engine.two_files.domain import COLUMNS_MIN, Drawn, compare_together
from vedette.engine.two_files.levels import level_score
from vedette.engine.two_files.source import dependence
from vedette.engine.vectors import usual_length
from vedette.engine.view import View, view
from vedette.lake.rows import variants
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.lake.tables import Lake
from vedette.output.comparison import Estimate, Together
from vedette.records import Settings
from vedette.statistics.directions import vector_basis

__all__ = ["DOMAIN_SCHEMA", "domain"]

DOMAIN_SCHEMA: dict[str, pl.DataType] = {
    "metric": pl.String(),
    "feature": pl.String(),
    "start": UTC_TYPE,
    "end": UTC_TYPE,
    "against_start": UTC_TYPE,
    "against_end": UTC_TYPE,
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "against_n": pl.Int64(),
    "p_value": pl.Float64(),
    "note": pl.String(),
    "reason": pl.String(),
}

SPAN = timedelta(days=7)  # whole weeks: hours and weekdays are the same on both sides
LOOKED_AT = 3  # leading axes along which vectors that follow each other are looked at
NAMED = 8  # columns that a note names

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Spans:
    """The two spans that are compared, half-open."""

    since: datetime
    until: datetime
    begin: datetime
    end: datetime


def domain(
    lake: Lake, model: str, *, since: Any = None, until: Any = None, against: Any = None
) -> pl.DataFrame:
    """How well rows of two spans can be told apart by all columns together; see ``Monitor.domain``."""
    asked = moment(since, "since"), moment(until, "until")
    other = _pair(against)
    seen = view(lake, model, Query(("rows",)))
    if seen.extent is None:
        return pl.DataFrame(schema=DOMAIN_SCHEMA)
    spans = _spans(seen, asked, other)
    columns = [one for one in columns_of(_no_rows(seen)) if one != "latency_s"]
    sides = (
        side_of(seen, columns, spans.since, spans.until),
        side_of(seen, columns, spans.begin, spans.end),
    )
    empty = [where for where, side in zip((spans.since, spans.begin), sides, strict=True) if not side.n]
    if empty:
        return _frame(spans, None, f"no rows from {empty[0]:%Y-%m-%dT%H:%M} on", None)
    drawn, absent = [], []
    for column in columns:
        one = _drawn(column, sides, seen.shape.settings)
        if one is None:
            absent.append(column)
        else:
            drawn.append(one)
    note = f"left out, of a side without values of it to compare: {_listed(absent)}" if absent else None
    if len(drawn) < COLUMNS_MIN:
        return _frame(
            spans, None, f"columns with values on both sides: {len(drawn)}, and it takes {COLUMNS_MIN}", note
        )
    # compare_together takes rows for drawn from 4,096 places
    found = compare_together(drawn, [round(side.apart * DRAWN_ROWS) for side in sides])
    return _frame(spans, found, None, note)


def _pair(against: Any) -> tuple[datetime, datetime] | None:
    """Two moments, as a pair or as text with a slash between them."""
    if against is None:
        return None
    parts: Sequence[Any] = against.split("/") if isinstance(against, str) else against
    if not isinstance(parts, list | tuple) or len(parts) != 2 or any(one in (None, "") for one in parts):
        raise ValueError(
            f"against={against!r}: must be two moments, such as 2026-05-01/2026-05-08: from, and before"
        )
    begin, end = (moment(one, "against") for one in parts)
    assert begin is not None
    assert end is not None
    if begin >= end:
        raise ValueError(f"against={against!r}: must begin before it ends")
    return begin, end


def _spans(
    seen: View, asked: tuple[datetime | None, datetime | None], other: tuple[datetime, datetime] | None
) -> _Spans:
    """The spans asked for; by default the last week against the first, of under two weeks the later half against the first."""
    assert seen.extent is not None
    own = timedelta(microseconds=seen.shape.window_us)
    first, last = (_EPOCH + timedelta(microseconds=one) for one in seen.extent)
    since, until = asked
    until = last + own if until is None else until
    if since is None:
        length = min(SPAN, (until - first) // 2 // own * own) if other is None else SPAN
        since = until - length
        if other is not None and other[0] < until:
            since = max(since, other[1])
        if not length or since >= until:
            raise ValueError(
                f"since={since.isoformat()}: the rows begin at {first.isoformat()}, and there is nothing to compare them with "
                "before: give since= and against="
            )
    if since >= until:
        raise ValueError(f"since={since.isoformat()}: must be before until={until.isoformat()}")
    if other is None:
        other = first, min(first + (until - since), since)
        if other[0] >= other[1]:
            raise ValueError(
                f"since={since.isoformat()}: the first rows are of {first.isoformat()}, none are before it: give against="
            )
    begin, end = other
    if begin < until and since < end:
        raise ValueError(
            f"against={begin.isoformat()}/{end.isoformat()}: must not overlap with {since.isoformat()}/{until.isoformat()}"
        )
    return _Spans(since, until, begin, end)


def _no_rows(seen: View) -> pl.DataFrame:
    """The columns of the lake and those of fresh rows, without a row."""
    return pl.DataFrame(schema={**seen.fresh.predictions.schema, **seen.tables["predictions"].columns()})


def _drawn(column: str, sides: Sequence[Side], settings: Settings) -> Drawn | None:
    """The rows of a column as a classifier takes them; None where a side has no value of it."""
    both = pl.concat([one.drawn for one in sides], how="diagonal_relaxed")
    if is_vector(both, column):
        found = _vectors(column, sides)
    elif is_number(both, column, settings):
        found = "numeric", *_of_numbers([_values(frame, column) for frame in _frames(sides)])
    else:
        found = _levels([category_texts(frame, column) for frame in _frames(sides)])
    if found is None:
        return None
    kind, drawn, inflated = found
    there = [(one >= 0).any() if kind == "category" else np.isfinite(one).any() for one in drawn]
    return Drawn(column, kind, drawn[0], drawn[1], inflated) if all(there) else None


def _frames(sides: Sequence[Side]) -> list[pl.DataFrame]:
    """The drawn rows of both sides, then the consecutive ones of both."""
    return [side.drawn for side in sides] + [side.stretch for side in sides]


def _values(frame: pl.DataFrame, column: str) -> np.ndarray:
    values, present = numbers(frame, column)
    return np.where(present, values, np.nan)


def _of_numbers(found: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Numbers, and how many rows that follow each other are worth one: by ranks, so that no wild value hides the rest."""
    ranks = [np.unique(one[~np.isnan(one)], return_inverse=True)[1] for one in found[2:]]
    return list(found[:2]), dependence([one.astype(np.float64) for one in ranks])


def _levels(texts: Sequence[pl.Series]) -> tuple[str, list[np.ndarray], float] | None:
    """Levels as numbers; of texts that hardly come twice their length."""
    both = pl.concat(list(texts[:2])).drop_nulls()
    if both.is_empty():
        return None
    counts = both.rename("level").value_counts(name="n").sort(["n", "level"], descending=[True, False])
    if counts.height > len(both) / 2 and counts.height > NAMED:
        sizes = [one.str.len_bytes().cast(pl.Float64).fill_null(np.nan).to_numpy() for one in texts]
        return "text", *_of_numbers(sizes)
    order = counts["level"].to_list()
    code = np.arange(len(order))
    drawn = [
        one.replace_strict(order, code, default=-1, return_dtype=pl.Int64).to_numpy() for one in texts[:2]
    ]
    inflated = dependence([level_score(order, one.drop_nulls()) for one in texts[2:]])
    return "category", drawn, inflated


def _vectors(column: str, sides: Sequence[Side]) -> tuple[str, list[np.ndarray], float] | None:
    """Vectors of the length that most of the reference have, NaN where there is none of it."""
    names = variants(sides[1].drawn.columns, column)
    if not names or not isinstance(sides[1].drawn.schema[names[0]], pl.List):
        return None
    length = usual_length(sides[1].drawn[names[0]])
    if not length:
        return None
    found = [_matrix(frame, column, length) for frame in _frames(sides)]
    basis = vector_basis(np.concatenate(found[:2]))
    looked = min(LOOKED_AT, basis.axes.shape[1])
    places = [basis.features(one[np.isfinite(one).all(axis=1)])[:, :looked] for one in found[2:]]
    inflated = max(dependence([one[:, axis] for one in places]) for axis in range(looked))
    return "vector", found[:2], inflated


def _matrix(frame: pl.DataFrame, column: str, length: int) -> np.ndarray:
    out = np.full((frame.height, length), np.nan, dtype=np.float32)
    for name in variants(frame.columns, column):
        if isinstance(frame.schema[name], pl.List):
            there = (frame[name].list.len() == length).fill_null(False)
            flat = frame[name].filter(there).explode().cast(pl.Float64, strict=False).to_numpy()
            with np.errstate(over="ignore"):
                out[there.to_numpy()] = flat.reshape(-1, length)
    return out


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _frame(spans: _Spans, found: Together | None, reason: str | None, note: str | None) -> pl.DataFrame:
    told = (
        Together(Estimate(None, None, None, 0), 0, 0, None, None, None, reason, "", {})
        if found is None
        else found
    )
    fixed = {
        "start": spans.since,
        "end": spans.until,
        "against_start": spans.begin,
        "against_end": spans.end,
        "against_n": told.reference_rows,
    }
    rows = []
    for metric, feature, one in [
        ("domain_auc", None, told.auc),
        *(("domain_share", name, one) for name, one in told.shares.items()),
    ]:
        whole = metric == "domain_auc"
        rows.append(
            {
                **fixed,
                "metric": metric,
                "feature": feature,
                **{name: getattr(one, name) for name in ("value", "low", "high", "n")},
                "p_value": told.p_value if whole else None,
                "note": note if whole else None,
                "reason": (told.reason or one.reason) if whole else one.reason,
            }
        )
    return pl.DataFrame(rows, schema=DOMAIN_SCHEMA)

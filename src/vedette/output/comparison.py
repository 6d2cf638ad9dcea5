"""What a report of two files says, as records, and as the JSON document that scripts read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vedette.records import Status

__all__ = [
    "Column",
    "Comparison",
    "Confusion",
    "Estimate",
    "Figures",
    "Finding",
    "Picture",
    "Side",
    "Together",
    "to_json",
]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with its 95 % interval and the rows it rests on; ``value`` is None where ``reason`` says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """What one file holds in a column. ``rows`` = missing + nan + inf + finite values.

    ``figures`` are by metric: ``missing_share``, ``mean``, ``sd``, ``p50``, ``distinct`` ...
    """

    rows: int
    missing: int
    nan: int
    inf: int
    minimum: float | None
    maximum: float | None
    figures: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Picture:
    """The distributions of both files side by side, on common bins.

    Of numbers: ``edges`` (one more than bins, ascending) and no ``labels``; of categories: ``labels``, one for each
    bin, most frequent first, and no ``edges``. ``current`` and ``reference`` are shares of all rows of the file, by
    bin; without a reference the latter is empty. ``beyond`` are the shares of rows outside the edges (current below,
    current above, reference below, reference above): the picture leaves out the utmost tails.
    """

    edges: tuple[float, ...]
    labels: tuple[str, ...]
    current: tuple[float, ...]
    reference: tuple[float, ...]
    beyond: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    others: tuple[int, float, float] = (0, 0.0, 0.0)
    """Further categories: how many, and their shares of the current rows and of the reference's."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of both files.

    ``kind`` is numeric, category, boolean, text (more values than can be told apart: an identifier, a free text), time,
    vector (lists of one length, by their norms and directions), empty (nothing but nulls) or other (further lists and the
    like); ``role`` is feature, prediction, probability, label,
    latency, id or time. ``changed`` is True where the column
    is named under the report's one error rate, False where it is not, None where it cannot be judged or was not
    compared (``reason`` says why). ``matters`` is False where a change is known to be too small to matter, None where
    nothing changed. ``words`` say what changed and how much, in the column's own unit; they are empty where there is
    nothing to say. ``current`` or ``reference`` is None where a file does not have the column.
    """

    name: str
    kind: str
    role: str
    changed: bool | None
    matters: bool | None
    reason: str | None
    words: str
    p_value: float | None
    current: Side | None
    reference: Side | None
    distances: Mapping[str, Estimate]
    picture: Picture | None
    score: float = 0.0
    """By what columns are sorted: the greater, the more it changed."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One figure of the model, of both files: accuracy, log loss, latency and the like.

    ``segment`` is empty for all rows, else like ``region=west``. ``changed`` is as in ``Column``.
    """

    metric: str
    segment: str
    current: Estimate
    reference: Estimate | None
    labelled: float | None
    changed: bool | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each label (first index) was predicted as each class (second index)."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Together:
    """All columns together: how well a classifier tells which file a row is from.

    ``auc`` is the chance that a row of the current file has the higher of two scores, 0.5 where nothing differs; it rests
    on ``auc.n`` current rows and ``reference_rows``, and on so many ``columns``. ``changed``, ``matters``, ``reason`` and
    ``words`` are as in ``Column``. ``shares`` are the parts that columns have in what tells the files apart, the largest
    first.
    """

    auc: Estimate
    reference_rows: int
    columns: int
    p_value: float | None
    changed: bool | None
    matters: bool | None
    reason: str | None
    words: str
    shares: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing: how grave it is, about which column or figure (or ""), and what, in words."""

    status: Status
    about: str
    words: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A report: one file, or one against another. ``columns`` and ``findings`` come most important first.

    ``made`` is UTC. ``method`` names the procedure of the one error rate ``rate`` over ``hypotheses`` tests.
    """

    current: str
    reference: str | None
    rows: int
    reference_rows: int | None
    made: datetime
    verdict: Status
    rate: float
    method: str
    hypotheses: int
    columns: tuple[Column, ...]
    figures: tuple[Figures, ...]
    findings: tuple[Finding, ...]
    confusion: Confusion | None = None
    notes: tuple[str, ...] = field(default=())
    together: Together | None = None
    """None without a reference, or with fewer than two columns that a classifier can be given."""


def to_json(report: Comparison) -> str:
    """The report as one JSON document (the pictures are left out); no NaN or infinity is in it.

    ``completeness`` is the share of the rows of the file (of a figure of the model: of the file or segment) that a
    figure could rest on: those with a value, or with a label.
    """
    document = {
        "verdict": report.verdict.value,
        "current": {"path": report.current, "rows": report.rows},
        "reference": None
        if report.reference is None
        else {"path": report.reference, "rows": report.reference_rows},
        "made": f"{report.made:%Y-%m-%dT%H:%M:%SZ}",
        "error_rate": {"rate": report.rate, "method": report.method, "hypotheses": report.hypotheses},
        "columns": {one.name: _column(one) for one in report.columns},
        "all_columns": _together(report.together),
        "figures": [_figures(one) for one in report.figures],
        "confusion": None
        if report.confusion is None
        else {
            "classes": list(report.confusion.classes),
            "counts": [list(row) for row in report.confusion.counts],
        },
        "findings": [
            {"verdict": one.status.value, "about": one.about, "words": one.words} for one in report.findings
        ],
        "notes": list(report.notes),
    }
    return json.dumps(document, allow_nan=False, ensure_ascii=True)


def _estimate(one: Estimate | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"value": one.value, "low": one.low, "high": one.high, "n": one.n, "reason": one.reason}


def _side(one: Side | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "rows": one.rows,
        "missing": one.missing,
        "nan": one.nan,
        "inf": one.inf,
        "minimum": one.minimum,
        "maximum": one.maximum,
        "figures": {
            name: (_estimate(value) or {}) | {"completeness": value.n / one.rows if one.rows else None}
            for name, value in one.figures.items()
        },
    }


def _column(one: Column) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "role": one.role,
        "changed": one.changed,
        "matters": one.matters,
        "reason": one.reason,
        "words": one.words,
        "p_value": one.p_value,
        "distances": {name: _estimate(value) for name, value in one.distances.items()},
        "current": _side(one.current),
        "reference": _side(one.reference),
    }


def _together(one: Together | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "auc": _estimate(one.auc),
        "reference_rows": one.reference_rows,
        "columns": one.columns,
        "changed": one.changed,
        "matters": one.matters,
        "reason": one.reason,
        "words": one.words,
        "p_value": one.p_value,
        "shares": {name: _estimate(share) for name, share in one.shares.items()},
    }


def _figures(one: Figures) -> dict[str, Any]:
    return {
        "metric": one.metric,
        "segment": one.segment,
        **(_estimate(one.current) or {}),
        "completeness": 1.0 if one.labelled is None else one.labelled,
        "labelled": one.labelled,
        "reference": _estimate(one.reference),
        "changed": one.changed,
        "p_value": one.p_value,
    }

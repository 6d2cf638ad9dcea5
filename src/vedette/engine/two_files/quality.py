"""How good the predictions of two files are: the figures of a classifier or of a regression, by segment too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from vedette.engine.two_files.described import estimate
from vedette.engine.two_files.numbers import few_whole
from vedette.engine.two_files.quality_dependence import inflations
from vedette.engine.two_files.quality_rows import (
    Labels,
    codes_of,
    column_of,
    numbers_of,
    scores,
    segment_of,
    segments_of,
    slices,
)
from vedette.engine.two_files.quality_tests import OF_SEGMENTS, p_value
from vedette.engine.two_files.source import Source, as_floats, kind_of, names_of
from vedette.errors import SchemaError
from vedette.lake.classes import classes_of
from vedette.lake.files import TableFile
from vedette.output.comparison import Confusion, Figures
from vedette.records import in_order
from vedette.statistics import (
    BREAKDOWNS,
    STATISTICS,
    Estimates,
    Summary,
    error_grid,
    quality_grid,
    summarise_error,
    summarise_quality,
)
from vedette.statistics.grid import CLASSES_MAX

__all__ = ["Quality", "Task", "compare_quality"]

CLASSES_TOLD = 20  # of more classes the figures of each are left out; the averages are there
LABELS_MIN = 50  # of fewer the classes that they name say little
STRAY_SHARE = 0.01  # of the labels: a class that comes up less often, and that no prediction names, is a slip
MANY = 10  # whole numbers that are more than this could be counts
_BY_CLASS = ("precision_per_class", "recall_per_class", "f1_per_class", "roc_auc_per_class")
_LEFT_OUT = ("rows", "throughput_per_s", "error_rate", "mse")  # of no meaning for a file, and rmse over again


@dataclass(frozen=True, slots=True)
class Quality:
    """The figures, and what else is worth knowing about labels and predictions."""

    figures: tuple[Figures, ...] = ()
    confusion: Confusion | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Task:
    """What the caller says of the model; empty where it is to be told from the rows.

    ``kind`` is classification or regression; of two ``classes`` the second is the positive one.
    """

    kind: str = ""
    classes: tuple[str, ...] = ()


def compare_quality(
    current: TableFile, reference: TableFile | None, by: Sequence[str] = (), task: Task | None = None
) -> Quality:
    """Compare the figures of all rows and of the segments of the columns ``by``.

    Raises ``SchemaError`` where a file has no such column, ``ValueError`` where there are too many segments.
    """
    tables = [current] if reference is None else [current, reference]
    for table in tables:
        for name in by:
            if name not in table.schema:
                raise SchemaError(f"by={name!r}: {table.path} has no such column; it has {_names(table)}")
    if not _labelled(current):
        return Quality(notes=_why_not(current, by))
    alone: tuple[str, ...] = ()
    if not all(_labelled(table) for table in tables):
        tables, alone = (
            tables[:1],
            ("The reference has no labels: whether predictions got worse cannot be told.",),
        )
    task = task if task is not None else Task()
    tables, unlike = (tables, ()) if task.kind == "regression" else _without_fractions(tables)
    labels, notes, warnings = _labels(tables, tuple(by), task)
    notes = (*alone, *unlike, *notes)
    if labels is None:
        return Quality(notes=notes, warnings=warnings)
    counted = [_count(table, labels) for table in tables]
    confusion = _confusion(counted[0].take([0]), labels) if labels.classes else None
    inflated = inflations(tables, labels)
    notes = (*notes, *_outside(counted[0], labels, tables[0]), *_dependent(inflated))
    return Quality(tuple(_figures(counted, labels, inflated)), confusion, notes, warnings)


def _dependent(inflated: Mapping[str, float]) -> tuple[str, ...]:
    """A word about figures whose rows depend on those before them."""
    found = sorted(((value, name) for name, value in inflated.items() if value > 1), reverse=True)
    if not found:
        return ()
    names = ", ".join(f"{name} ({value:.1f})" for value, name in found[:5])
    return (f"The model's errors are like those before them: so many rows were taken as one for {names}.",)


def _outside(summary: Summary, labels: Labels, table: TableFile) -> tuple[str, ...]:
    """A word about rows whose probabilities cannot be."""
    if not labels.classes:
        return ()
    kept = int(dict(zip(summary.grid.sums, summary.sums[0], strict=True))["scored"])
    if kept == int(summary.used[0]):  # all that have a label: the file need not be read again
        return ()
    count = 0
    for rows in slices(table, ()):
        found = scores(rows, labels.classes)
        if found is None:
            return ()
        out = (found < 0) | (found > 1)
        count += int(np.count_nonzero(out if out.ndim == 1 else out.any(axis=1)))
    if not count:
        return ()
    return (
        f"The scores of {count:,} rows lie outside 0 to 1: ROC AUC, log loss and the other figures of probabilities "
        f"rest on the {kept:,} rows that are left.",
    )


def _names(table: TableFile) -> str:
    return ", ".join(list(table.schema)[:20])


def _predicted(table: TableFile) -> bool:
    return any(
        name in ("prediction", "probability") or name.startswith("probability_") for name in table.schema
    )


def _labelled(table: TableFile) -> bool:
    return _predicted(table) and "label" in table.schema


def _why_not(table: TableFile, by: Sequence[str]) -> tuple[str, ...]:
    if "label" not in table.schema and _predicted(table):
        said = "No column 'label': how right the predictions are cannot be told."
    elif by:
        said = (
            "No column 'label'."
            if "label" not in table.schema
            else "No column 'prediction' or 'probability'."
        )
    else:
        return ()
    return (
        (f"{said} The segments of {', '.join(by)} are those of the model's figures: none are told.",)
        if by
        else (said,)
    )


def _without_fractions(tables: Sequence[TableFile]) -> tuple[list[TableFile], tuple[str, ...]]:
    """The tables without predictions that are no classes beside labels that are, where there are probabilities."""

    def of(name: str) -> list[Source]:
        return [Source(table, name) for table in tables if name in table.schema]

    told = of("prediction")
    fractions = told and all(kind_of(one.dtype) == "numeric" for one in told) and not few_whole(told)
    if not fractions or (_numeric(tables, "label") and not few_whole(of("label"))):
        return list(tables), ()
    labelled = classes_of(set().union(*(set(_classes(table)[0]) for table in tables)))
    wanted = {"probability"} if len(labelled) == 2 else set()
    scored = all(
        wanted & set(table.schema) or {f"probability_{name}" for name in labelled} <= set(table.schema)
        for table in tables
    )
    if not scored:
        return list(tables), ()
    note = "`prediction` holds fractions and labels are classes: it is left out, the figures are those of `probability`."
    return [
        replace(table, schema={name: kind for name, kind in table.schema.items() if name != "prediction"})
        for table in tables
    ], (note,)


def _numeric(tables: Sequence[TableFile], name: str) -> bool:
    return all(kind_of(t.schema[name]) in ("numeric", "empty") for t in tables if name in t.schema)


def _regression(tables: Sequence[TableFile]) -> tuple[list[TableFile], bool, tuple[str, ...]]:
    """The tables as they are to be read, whether predictions are numbers, and what is to be said of it."""

    def few(name: str) -> bool:
        return few_whole(
            [Source(t, name) for t in tables if name in t.schema] or [Source(tables[0], "label")]
        )

    scored = any("probability" in table.schema for table in tables)
    told = all("prediction" in table.schema for table in tables)
    if not (_numeric(tables, "label") and _numeric(tables, "prediction")) or (
        few("label") and few("prediction")
    ):
        return list(tables), False, ()
    if scored and told and not few("label") and not few("prediction"):
        note = "Labels and predictions are fractions: taken as a regression; `probability` is not used."
        return list(tables), True, (note,)
    if scored:
        return list(tables), False, ()
    if few("label") and _holds_0_and_1(tables):
        note = (
            "`prediction` holds fractions and labels are 0 and 1: taken as a regression; "
            "a score goes into `probability`."
        )
        return list(tables), True, (note,)
    return list(tables), True, ()


def _holds_0_and_1(tables: Sequence[TableFile]) -> bool:
    return all(set(as_floats(Source(t, "label").pilot()).unique().to_list()) <= {0.0, 1.0} for t in tables)


def _labels(
    tables: Sequence[TableFile], by: tuple[str, ...], task: Task
) -> tuple[Labels | None, tuple[str, ...], tuple[str, ...]]:
    """What is to be counted, or None; notes and warnings."""
    segments = segments_of(tables, by)
    numbers = _numeric(tables, "label") and _numeric(tables, "prediction")
    if task.kind == "regression" and not numbers:
        return None, ("Labels and predictions are no numbers: there are no figures of a regression.",), ()
    tables, numeric, notes = _regression(tables) if not task.kind else (tables, task.kind == "regression", ())
    if numeric:
        pilot = _sample(tables, ("label", "prediction"))
        grid = error_grid(numbers_of(pilot, "label"), numbers_of(pilot, "prediction"))
        return Labels(grid, (), by, segments), notes, ()
    named = [_classes(table) for table in tables]
    truth = sum((one for one, _ in named), Counter[str]())
    told = set().union(*(one for _, one in named))
    if not truth and not told:
        return None, ("Neither labels nor predictions hold a class: how right they are cannot be told.",), ()
    classes = task.classes or classes_of(_meant(truth, told))
    stray = {name: n for name, n in truth.items() if name not in classes}
    if not 2 <= len(classes) <= CLASSES_MAX:
        say = f"Labels and predictions name {len(classes):,} classes: 2 to {CLASSES_MAX} can be told apart."
        return None, (say,), ()
    warnings = [
        f"labels and predictions name different classes in {table.path}: labels {', '.join(in_order(labelled)[:6])}; "
        f"predictions {', '.join(in_order(predicted)[:6])}"
        for table, (labelled, predicted) in zip(tables, named, strict=True)
        if set(labelled) - predicted and predicted - set(labelled) and labelled.total() >= LABELS_MIN
    ]
    if stray:
        rows = sum(stray.values())
        warnings.append(
            f"{rows:,} label{'s name' if rows > 1 else ' names'} {', '.join(map(repr, in_order(stray)[:5]))}, which is none "
            f"of the classes {', '.join(classes[:6])}: counted as wrong, and left out of the figures of probabilities"
        )
    notes = (*_positive(tables, classes, task), *_many(classes, numbers, task))
    grid = quality_grid(
        classes, scores(_sample(tables, [f"probability_{name}" for name in classes]), classes)
    )
    others = tuple(in_order((set(truth) | told) - set(classes)))
    return Labels(grid, classes, by, segments, others), notes, tuple(warnings)


def _meant(truth: Counter[str], told: set[str]) -> set[str]:
    """The classes of the model: what predictions or probabilities name, and labels that are no slip of a pen."""
    rare = {name for name, n in truth.items() if name not in told and n < STRAY_SHARE * truth.total()}
    meant = (set(truth) - rare) | told
    return meant if told and len(meant) > 1 else set(truth) | told


def _positive(tables: Sequence[TableFile], classes: Sequence[str], task: Task) -> tuple[str, ...]:
    """A word about which of two named classes is the positive one, and about probabilities of two of more."""
    plain = any("probability" in table.schema for table in tables)
    if len(classes) > 2 and plain and not any(n.startswith("probability_") for n in tables[0].schema):
        return (
            f"`probability` is that of one of two classes; there are {len(classes)}: it is not used. Give probability_<class>.",
        )
    if len(classes) != 2 or task.classes or set(classes) == {"0", "1"}:
        return ()
    return (
        f"{classes[1]!r} is taken as the positive class, the one of precision, recall and `probability`; "
        f"if it is {classes[0]!r}, say so: classes {classes[1]},{classes[0]}.",
    )


def _many(classes: Sequence[str], numbers: bool, task: Task) -> tuple[str, ...]:
    """A word about whole numbers that were taken as the names of classes."""
    if not numbers or len(classes) < MANY or task.kind or task.classes:
        return ()
    return (
        f"Labels and predictions are taken as {len(classes)} classes; if they are numbers, say so: task regression.",
    )


def _classes(table: TableFile) -> tuple[Counter[str], set[str]]:
    """The classes that labels name and how often, and those that predictions and probabilities name."""
    found: list[Counter[str]] = []
    for name in ("label", "prediction"):
        seen: Counter[str] = Counter()
        if name in table.schema:
            for column in Source(table, name).slices():
                counts = column.drop_nulls().value_counts(name="_n")
                names = names_of(counts.to_series(0)).to_list()
                for one, n in zip(names, counts.to_series(1).to_list(), strict=True):
                    if one is not None:
                        seen[one] += n
                if len(seen) > 10 * CLASSES_MAX:
                    break
        found.append(seen)
    told = set(found[1])
    if "prediction" not in table.schema:  # a feature can have such a name, of rain and the like
        told |= {
            name.removeprefix("probability_") for name in table.schema if name.startswith("probability_")
        }
    return found[0], told


def _sample(tables: Sequence[TableFile], wanted: Sequence[str]) -> pl.DataFrame:
    """Rows from all over the files to cut cells on, numbers as floats: ``wanted`` columns and ``probability``."""
    frames = []
    for table in tables:
        names = [n for n in table.schema if n in wanted or n == "probability"]
        names = [n for n in names if kind_of(table.schema[n]) in ("numeric", "boolean", "empty")]
        if names:
            frames.append(pl.DataFrame([as_floats(Source(table, one).scattered()) for one in names]))
    return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()


def _count(table: TableFile, labels: Labels) -> Summary:
    """All rows in window 0, and the segments in the windows after it."""
    segments = len(labels.segments)
    total = Summary.empty(labels.grid, 1 + segments)
    for rows in slices(table, labels.by):
        window, n_windows = None, 1
        if segments:
            codes = codes_of(segment_of(rows, labels.by), labels.segments)
            window, n_windows = codes.astype(np.int64), segments
        known = [name for name in rows.columns if name in table.schema]  # segments may be of what is left out
        part = _summarise(rows.select(known), labels, window, n_windows)
        total = total + (Summary.stack([part.merged(), part]) if segments else part)
    return total


def _summarise(rows: pl.DataFrame, labels: Labels, window: np.ndarray | None, n_windows: int) -> Summary:
    if not labels.classes:
        told = numbers_of(rows, "label"), numbers_of(rows, "prediction")
        return summarise_error(labels.grid, *told, window, n_windows)
    names = (*labels.classes, *labels.stray)
    return summarise_quality(
        labels.grid,
        codes_of(column_of(rows, "label"), names),
        codes_of(column_of(rows, "prediction"), names),
        names,
        scores(rows, labels.classes),
        window,
        n_windows,
    )


def _figures(counted: Sequence[Summary], labels: Labels, inflated: Mapping[str, float]) -> Iterator[Figures]:
    kind = labels.grid.kind
    found: dict[str, list[Estimates]] = {
        name: [one.figures(summary) for summary in counted]
        for name, one in STATISTICS.items()
        if kind in one.kinds and not one.needs_reference and name not in _LEFT_OUT
    }
    if 2 < len(labels.classes) <= CLASSES_TOLD:
        for name, breakdown in BREAKDOWNS.items():
            parts = [breakdown.figures(summary) for summary in counted] if name in _BY_CLASS else []
            if parts:
                metric = name.removesuffix("_per_class")
                found |= {f"{metric}[{part}]": [one[part] for one in parts] for part in parts[0]}
    for window, segment in enumerate(("", *labels.segments)):
        rows = int(counted[0].rows[window])
        labelled = 1 - int(counted[0].missing[window]) / rows if rows else None
        for name, sides in found.items():
            if segment and name.endswith("]"):
                continue  # a thousand segments of twenty classes nobody reads
            reference = estimate(sides[1], window) if len(sides) > 1 else None
            p = None
            if len(counted) > 1 and (not segment or name in OF_SEGMENTS):
                p = p_value(name, sides, counted, window, inflated.get(name, 1.0))
            yield Figures(name, segment, estimate(sides[0], window), reference, labelled, None, p)


def _confusion(summary: Summary, labels: Labels) -> Confusion:
    table = summary.cube[0].sum(axis=0)[: len(labels.classes), : len(labels.classes)]
    return Confusion(labels.classes, tuple(tuple(int(n) for n in row) for row in table))

"""The command ``vedette report``, and its face in Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vedette.config import settings
from vedette.engine.two_files.compare import compare
from vedette.engine.two_files.quality import Task
from vedette.errors import DataError
from vedette.output.comparison import Comparison
from vedette.output.comparison_page import page

__all__ = ["report", "write_page"]


def report(
    current: Any,
    reference: Any = None,
    *,
    columns: Mapping[str, str] | None = None,
    by: str | Sequence[str] = (),
    separator: str | None = None,
    task: str | None = None,
    classes: Sequence[str] = (),
    html: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """What is true of two sets of rows: which columns changed, how much, how sure that is; how good predictions are.

    Parameters
    ----------
    current, reference:
        Each the path of a Parquet, CSV, Arrow or Delta table, or a pandas, Polars or Arrow table, or a mapping from
        names to arrays. Without a reference the current rows are described.
    columns:
        Maps vedette's names (``id``, ``time``, ``prediction``, ``probability``, ``probability_<class>``, ``label``,
        ``latency_s``) to the data's own.
    by:
        A column, or a pair of columns, whose values are segments: the model's figures are told for each.
    separator:
        Of a CSV file; a comma by default.
    task, classes:
        ``classification`` or ``regression``, and the names of the classes, the second of two the positive one; told
        from labels and predictions where they are not given.
    html:
        Where to write the page, one file that opens offline.
    progress:
        Called before each column with the number done, the number of all, and its name; and once when all are done,
        before the model's figures.

    Returns
    -------
    Comparison
        ``verdict``, ``columns``, ``figures``, ``findings``; ``output.comparison.to_json`` makes JSON of it. A column is
        ``changed`` where it is named under a false discovery rate of 5 % (Benjamini and Yekutieli) over all columns
        and figures; rows that are like those before them are judged as fewer.

    Raises
    ------
    DataError, SchemaError
        Where a file cannot be read, or columns cannot be told apart or are not there.
    ValueError
        For an impossible argument.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> before, now = {"age": rng.normal(40, 9, 2000)}, {"age": rng.normal(44, 9, 2000)}
    >>> found = report(now, before)
    >>> found.verdict.value, found.columns[0].changed, round(found.columns[0].distances["wasserstein"].value)
    ('WARN', True, 4)
    """
    for name, path in (("current", current), ("reference", reference), ("html", html)):
        if isinstance(path, str) and not path.strip():
            raise ValueError(f"{name}={path!r}: must be the path of a file")
    if html is not None:
        _check_target(Path(html), [one for one in (current, reference) if isinstance(one, str | Path)])
    segments = _segments(by)
    found = compare(
        current,
        reference,
        now=datetime.fromtimestamp(time.time(), UTC),
        columns=columns,
        by=segments,
        separator=separator,
        task=_task(task, classes),
        progress=progress,
    )
    if html is not None:
        write_page(found, Path(html))
    return found


def _task(task: str | None, classes: Sequence[str]) -> Task:
    """What the caller says of the model, checked as for a monitor."""
    given = {"task": task, "classes": list(classes) or None}
    if isinstance(classes, str):
        given["classes"] = [name.strip() for name in classes.split(",")]
    told = settings(given)
    if told.classes and task == "regression":
        raise ValueError(f"classes={list(told.classes)!r}: a regression has none")
    return Task(told.task or "", told.classes or ())


def _segments(by: str | Sequence[str]) -> tuple[str, ...]:
    """The columns of ``by``; in one text they stand between commas."""
    names = by.split(",") if isinstance(by, str) else by
    if isinstance(names, Sequence) and all(isinstance(name, str) for name in names):
        stripped = tuple(name.strip() for name in names) if isinstance(by, str) else tuple(names)
        if all(stripped):
            return stripped
    raise ValueError(f"by={by!r}: must be the name of a column, or two with a comma between")


def _check_target(target: Path, inputs: Sequence[str | Path]) -> None:
    """Raise before anything is counted where the page cannot go to its place, or would take that of the data."""
    if any(
        target.absolute() == Path(one).absolute() or (target.exists() and target.samefile(one))
        for one in inputs
        if Path(one).exists()
    ):
        raise ValueError(f"html={str(target)!r}: is one of the files that are compared")
    if target.is_dir():
        raise DataError(f"report {target}: cannot be written: is a folder")
    if not target.parent.is_dir():
        raise DataError(f"report {target}: cannot be written: there is no folder {target.parent}")


def write_page(found: Comparison, path: Path) -> Path:
    """Write the page of a report; ``DataError`` where the file cannot be written."""
    try:
        path.write_text(page(found), "utf-8")
    except OSError as error:
        raise DataError(f"report {path}: cannot be written: {error.strerror}") from error
    return path.absolute()

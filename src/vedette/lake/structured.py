"""Predictions and labels that are one line of JSON in the lake, read as values; and what users have, written as such lines.

The form is that of ``capture.structured``. A text that is none of it (a process that did not know the task wrote it) is read
as no value: the row counts as missing, and its text stays in the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.rejected import Rejected
from vedette.capture.structured import label_json, prediction_json

__all__ = ["boxes_of", "documents", "items_of", "with_json"]


def documents(texts: pl.Series, check: Callable[[Any], str | None]) -> list[Any]:
    """The documents of a column of texts; None for null, for what is no JSON, and for what ``check`` refuses.

    A process that did not know the task may have written any text: what it says is looked at as ``log`` would have.
    """
    if texts.dtype != pl.String:
        return [None] * len(texts)
    return [None if text is None else _document(text, check) for text in texts.to_list()]


def _document(text: str, check: Callable[[Any], str | None]) -> Any:
    try:
        document = json.loads(text)
        check(document)
    except (ValueError, Rejected):
        return None
    return document


def boxes_of(texts: pl.Series, *, found: bool) -> list[dict[str, Any] | None]:
    """Boxes of images as ``statistics.detection`` has them, left, top, width, height; None where there is no value.

    >>> boxes_of(pl.Series(['{"boxes":[[1,2,3,4]],"classes":["a"],"scores":[0.5]}', "a"]), found=True)
    [{'boxes': [[1, 2, 3, 4]], 'labels': ['a'], 'scores': [0.5]}, None]
    """
    write = prediction_json if found else label_json

    def one(document: Any) -> dict[str, Any] | None:
        if not isinstance(document, dict):
            return None
        return {"labels" if name == "classes" else name: part for name, part in document.items()}

    return [one(document) for document in documents(texts, partial(write, "detection"))]


def items_of(texts: pl.Series, *, found: bool) -> list[list[str] | dict[str, float] | None]:
    """Lists of items or of labels; labels of rankings may be relevances by item; None where there is no value.

    >>> items_of(pl.Series(['["a","b"]', '{"a":3}', "a"]), found=False)
    [['a', 'b'], {'a': 3}, None]
    """
    every = documents(texts, partial(prediction_json if found else label_json, "ranking"))
    if found:
        return [document if isinstance(document, list) else None for document in every]
    return [document if isinstance(document, list | dict) else None for document in every]


def with_json(
    data: Any, columns: Mapping[str, str] | None, task: str, classes: Sequence[str]
) -> tuple[Any, list[str | None]]:
    """A table of a user with predictions and labels as texts, and for each row why one of them cannot be taken, or None.

    ``data`` is a mapping from names to values, a pandas or a Polars frame; ``columns`` maps vedette's names to its own.
    Predictions and labels come as Python objects, as lists of texts or of structs, or as texts that hold such JSON.
    """
    own = {name: (columns or {}).get(name, name) for name in ("prediction", "label")}
    writers: dict[str, Callable[..., str | None]] = {"prediction": prediction_json, "label": label_json}
    refused: dict[int, str] = {}
    n = 0
    for name, column in own.items():
        values = _values(data, column)
        if values is None:
            continue
        texts: list[str | None] = []
        for place, value in enumerate(values):
            try:
                texts.append(writers[name](task, _read(value), classes))
            except Rejected as reason:
                texts.append(None)
                refused.setdefault(place, str(reason))
        data, n = _with_column(data, column, texts), max(n, len(texts))
    return data, [refused.get(place) for place in range(n)]


def _read(value: Any) -> Any:
    """What a table holds for a value: JSON in a text as what it says, NaN and pandas' NA as nothing, a Polars list as a list."""
    if (isinstance(value, float) and np.isnan(value)) or type(value).__name__ == "NAType":
        return None
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value.to_list() if isinstance(value, pl.Series) else value


def _values(data: Any, column: str) -> list[Any] | None:
    if isinstance(data, Mapping):
        given = data.get(column)
        # what is no column is left to be refused as any such is
        return None if given is None or isinstance(given, str | bytes | Mapping) else list(given)
    if column not in data.columns:
        return None
    return list(data[column].to_list() if isinstance(data, pl.DataFrame) else data[column].tolist())


def _with_column(data: Any, column: str, texts: Sequence[str | None]) -> Any:
    if isinstance(data, Mapping):
        return {**data, column: pl.Series(column, texts, dtype=pl.String)}
    if isinstance(data, pl.DataFrame):
        return data.with_columns(pl.Series(column, texts, dtype=pl.String))
    return data.assign(**{column: list(texts)})

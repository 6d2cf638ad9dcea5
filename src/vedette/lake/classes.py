"""The classes that labels, predictions and probabilities name: one spelling each, one order, and whether they can be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from vedette.errors import SchemaError
from vedette.records import class_name, in_order

__all__ = ["check_classes", "class_names", "classes_of", "few_whole", "scores_of"]

Floats = npt.NDArray[np.float64]

FEW = 50
"""Of more whole numbers than this nobody made classes; they count or measure something."""


def class_names(column: pl.Series) -> pl.Series:
    """The names of classes, one spelling each (``records.class_name``): 1, 1.0, True and "1" are the class ``1``."""
    if column.dtype == pl.String:
        return column
    if column.dtype.is_float():
        column = column.fill_nan(None)  # NaN is no class
    distinct = column.unique().drop_nulls()
    names = [class_name(value) for value in distinct.to_list()]
    mapped = column.replace_strict(
        distinct, pl.Series(names, dtype=pl.String), default=None, return_dtype=pl.String
    )
    return mapped.rename(column.name)


def classes_of(names: Collection[str]) -> tuple[str, ...]:
    """The classes of a model whose rows name these; of ``0`` or ``1`` alone the other is taken to exist.

    >>> classes_of({"1"}), classes_of({"spam", "ham"})
    (('0', '1'), ('ham', 'spam'))
    """
    return ("0", "1") if set(names) <= {"0", "1"} else tuple(in_order(names))


def few_whole(values: Floats) -> bool:
    """True where numbers can be the names of classes: whole, and at most 50 of them; NaN and infinities aside.

    >>> few_whole(np.array([0.0, 1.0, np.nan])), few_whole(np.array([0.5, 1.0]))
    (True, False)
    """
    values = values[np.isfinite(values)]
    return bool((values == np.round(values)).all()) and len(np.unique(values)) <= FEW


def scores_of(
    columns: Collection[str], classes: Sequence[str], read: Callable[[str], Floats]
) -> Floats | None:
    """The probability [N] of the second of two classes, those of all [N, K] of more; None where no column has any.

    Of two classes the column ``probability_<second>`` comes first, then ``probability``, then what
    ``probability_<first>`` leaves of 1. ``read`` gives the numbers of a column, NaN where there is none or no column.

    >>> scores_of(["probability_no"], ("no", "yes"), lambda name: np.array([0.25]))
    array([0.75])
    """
    names = [f"probability_{name}" for name in classes]
    if len(classes) != 2:
        known = bool(set(names) & set(columns))
        return np.stack([read(name) for name in names], axis=1) if known else None
    for name in (names[1], "probability"):
        if name in columns:
            return read(name)
    return 1 - read(names[0]) if names[0] in columns else None


def check_classes(frame: pl.DataFrame, classes: Sequence[str]) -> None:
    """Raise ``SchemaError`` where labels cannot be of the classes that are predicted.

    Of named ``classes`` each label must be one. Else two classes of labels, and two of predictions, must not each have
    one that the other lacks: labels of 1 and 2 say nothing of predictions of 0 and 1.
    """
    if not {"label", "prediction"} <= set(frame.columns):
        return
    kinds = [frame.schema["label"], frame.schema["prediction"]]
    if not classes and any(kind.is_float() for kind in kinds):
        return
    label, prediction = (
        set(class_names(frame[name].drop_nulls().unique()).drop_nulls().to_list())
        for name in ("label", "prediction")
    )
    told = set(classes) or (
        prediction | {n.removeprefix("probability_") for n in frame.columns if n[:12] == "probability_"}
    )
    odd = sorted(label - told)
    if odd and (classes or (len(label) <= 2 and len(told) <= 2 and told - label)):
        names = ", ".join(sorted(told))
        raise SchemaError(
            f"label {odd[0]!r} is none of the classes {names}: give labels by the names that predictions have, or all names "
            "as Monitor(..., classes=[...])"
        )

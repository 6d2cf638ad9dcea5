"""What a model answered: a prediction and a probability for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vedette.capture.frameworks.inputs import plain, to_array
from vedette.capture.rejected import Rejected, type_name

__all__ = ["Outputs", "outputs_of", "predictions", "probabilities"]

Outputs = list[tuple[Any, Any]]
"""For each row ``(prediction, probability)``, either of them None where it was not given."""

_ROUNDING = 1e-3


def outputs_of(value: Any, n_rows: int) -> Outputs:
    """Read what any function returned for ``n_rows`` rows.

    A mapping may have ``prediction`` and ``probability``; a list, array or table column has an element a row; a matrix has
    the scores of the classes, of which the largest is the prediction, and which are probabilities where they add up to one.
    Raises :class:`Rejected` for what is none of these.
    """
    if isinstance(value, Mapping):
        if "prediction" in value:
            return _of_mapping(value, n_rows)
        raise Rejected("watch: a mapping without 'prediction': give output=")
    if n_rows == 1 and (value is None or isinstance(value, str | bytes | int | float)):
        return [(value, None)]
    if hasattr(value, "to_list") and not hasattr(value, "columns"):  # a column of Polars or pandas
        value = value.to_list()
    if isinstance(value, list | tuple) and len(value) == n_rows:
        if all(isinstance(one, Mapping) and "prediction" in one for one in value):
            return [(one["prediction"], one.get("probability")) for one in value]
        if all(one is None or isinstance(one, str | bytes | bool) for one in value):
            return [(one, None) for one in value]
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    array = to_array(value) if not hasattr(value, "shape") or getattr(value, "shape", None) != () else None
    if array is None and n_rows == 1 and hasattr(value, "item"):
        return [(plain(value), None)]
    if array is None or array.dtype.kind not in "biufSU" + "O":
        raise Rejected(f"watch: no prediction in type {type_name(type(value))}: give output=")
    if array.ndim == 1 and n_rows == 1 and len(array) > 1:
        array = array.reshape(1, -1)
    if len(array) != n_rows:
        raise Rejected("watch: another number of outputs than of rows: give output=")
    return scores(array) if array.ndim == 2 and array.shape[1] > 1 else predictions(array, n_rows)


def scores(array: Any) -> Outputs:
    """The largest score's place is the prediction; scores that add up to one are probabilities of the places."""
    if array.dtype.kind not in "fiu":
        raise Rejected("watch: a matrix that has no numbers: give output=")
    summed = abs(array.sum(axis=1) - 1.0) <= _ROUNDING
    if array.dtype.kind == "f" and bool((summed & (array.min(axis=1) >= 0)).all()):
        return probabilities(array, range(array.shape[1]), len(array))
    return [(one, None) for one in array.argmax(axis=1).tolist()]


def predictions(value: Any, n_rows: int) -> Outputs:
    """Predictions alone, one a row."""
    array = to_array(value.to_numpy() if hasattr(value, "to_numpy") else value)
    if array is None:
        raise Rejected(f"watch: no predictions in type {type_name(type(value))}: give output=")
    if array.ndim > 1 and array.size == len(array):
        array = array.reshape(-1)
    if len(array) != n_rows:
        raise Rejected("watch: another number of predictions than of rows: give output=")
    if array.ndim != 1:
        raise Rejected("watch: several predictions a row: give output=")
    return [(one, None) for one in array.tolist()]


def probabilities(value: Any, classes: Sequence[Any], n_rows: int) -> Outputs:
    """Probabilities of the classes, one row of them for each; the likeliest class is the prediction.

    Of two classes the second's is kept, which is the positive one; a single column is that of the positive class.
    """
    array = to_array(value.to_numpy() if hasattr(value, "to_numpy") else value)
    if array is None or array.dtype.kind not in "fiu" or len(array) != n_rows:
        raise Rejected("watch: no probabilities, a row of them for each row: give output=")
    if array.ndim == 1 or array.shape[1] == 1:
        names = list(classes) or [0, 1]
        return [(names[-1] if one >= 0.5 else names[0], one) for one in array.reshape(-1).tolist()]
    names = [plain(one) for one in classes] or list(range(array.shape[1]))
    if array.ndim != 2 or len(names) != array.shape[1]:
        raise Rejected("watch: another number of probabilities than of classes: give output=")
    found: Outputs = []
    for row, best in zip(array.tolist(), array.argmax(axis=1).tolist(), strict=True):
        found.append((names[best], row[1] if len(names) == 2 else dict(zip(names, row, strict=True))))
    return found


def _of_mapping(value: Mapping[Any, Any], n_rows: int) -> Outputs:
    if n_rows == 1:
        return [(plain(value["prediction"]), plain(value.get("probability")))]
    found = predictions(value["prediction"], n_rows)
    chances = value.get("probability")
    if chances is None:
        return found
    column = predictions(chances, n_rows)
    return [(one, chance) for (one, _), (chance, _) in zip(found, column, strict=True)]

"""Predictions and labels that are more than one value, as text: boxes, lists of items, sets of labels.

The journal and the lake keep each as one line of JSON, so that a row stays a row of single values and every reader of
the table can open it:

* ``detection``: ``{"boxes": [[left, top, width, height], ...], "classes": [...], "scores": [...]}``; a label has no scores, and
  ``iscrowd``, ``ignore`` and ``area`` where they were given;
* ``ranking``: ``["item3", "item1"]``, best first; a label ``["item1"]``, sorted, or ``{"item1": 3}`` with relevances;
* ``multilabel``: ``["a", "b"]`` in the order of the model's classes, prediction and label alike.

Whole numbers are written without a fraction, so that one value has one text. What cannot be is refused with a reason, as all
of a row is; nothing of it is mended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from vedette.capture.rejected import Rejected, type_name
from vedette.records import STRUCTURED, class_name, is_storable

__all__ = ["OWN_COLUMNS", "label_json", "prediction_json"]

OWN_COLUMNS: dict[str, tuple[str, ...]] = {
    "detection": ("prediction_score", "prediction_area"),
    "ranking": (),
    "multilabel": ("prediction_labels",),
}
"""Columns that are read off the predictions of a task, and watched as features are: no feature can have their names."""

_FORMATS = ("xywh", "xyxy", "cxcywh")
_FOUND = frozenset({"boxes", "classes", "labels", "scores", "format"})
_THERE = frozenset({"boxes", "classes", "labels", "iscrowd", "ignore", "area", "format"})
_ONE_FOUND = frozenset({"box", "class", "score"})
_ONE_THERE = frozenset({"box", "class", "iscrowd", "ignore", "area"})
_MANY = {"box": "boxes", "class": "classes", "score": "scores"}
_EXACT = 2**53
_LARGEST = 1e9  # of pixels and relevances: sums of their squares and cubes stay far from what floats hold
_PLAIN = frozenset({float, int, str, list, dict})  # most values are: no need to look further


def prediction_json(task: str, value: Any, classes: Sequence[str] = ()) -> str | None:
    """The text of a prediction of one of ``records.STRUCTURED``; None for None.

    ``classes`` are the model's, () where they are not known; those of boxes and labels must be among them. Raises
    :class:`Rejected` with what is wrong.

    >>> prediction_json("detection", [{"box": [1, 2, 30.5, 40], "class": "car", "score": 0.9}])
    '{"boxes":[[1,2,30.5,40]],"classes":["car"],"scores":[0.9]}'
    >>> prediction_json("multilabel", {"b", "a"}, ("a", "b", "c"))
    '["a","b"]'
    """
    return None if value is None else _written("prediction", task, value, classes, found=True)


def label_json(task: str, value: Any, classes: Sequence[str] = ()) -> str | None:
    """The text of a label, as ``prediction_json`` has it.

    >>> label_json("ranking", {"shoe": 3.0, "hat": 0.5}), label_json("ranking", "shoe")
    ('{"hat":0.5,"shoe":3}', '["shoe"]')
    """
    return None if value is None else _written("label", task, value, classes, found=False)


def _written(what: str, task: str, value: Any, classes: Sequence[str], *, found: bool) -> str:
    if task not in STRUCTURED:
        raise ValueError(f"task={task!r}: must be one of {', '.join(STRUCTURED)}")
    try:
        document = _DOCUMENTS[task](value, classes, found)
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except Rejected as reason:
        raise Rejected(f"{what}: {reason}") from None
    except Exception as error:  # noqa: BLE001 - the caller's object raised: its row is refused
        raise Rejected(f"{what}: reading it raised {type_name(type(error))}") from None


def _boxes(value: Any, classes: Sequence[str], found: bool) -> dict[str, Any]:
    """Boxes as columns; they come as columns too (a mapping), or one by one (a list of mappings)."""
    columns = _columns(value, found) if isinstance(value, Mapping) else _one_by_one(value, found)
    kind = columns.pop("format", "xywh")
    if kind not in _FORMATS:
        raise Rejected(f"format must be one of {', '.join(_FORMATS)}")
    if "labels" in columns:
        columns["classes"] = columns.pop("labels")
    for name in ("boxes", "classes", *(("scores",) if found else ())):
        if name not in columns:
            raise Rejected(f"has no {name}")
    columns = {name: _items(column, name) for name, column in columns.items()}
    boxes = [_box(one, kind) for one in columns["boxes"]]
    for name, column in columns.items():
        if len(column) != len(boxes):
            raise Rejected(f"must have as many {name} as boxes")
    out: dict[str, Any] = {
        "boxes": boxes,
        "classes": [_known(_name(one, "class"), classes) for one in columns["classes"]],
    }
    if found:
        out["scores"] = [_score(one) for one in columns["scores"]]
    for name in ("iscrowd", "ignore"):
        if name in columns:
            flags = [_flag(one, name) for one in columns[name]]
            out |= {name: flags} if any(flags) else {}
    if "area" in columns:
        out["area"] = [_between(one, "area", _LARGEST**2) for one in columns["area"]]
    return out


def _columns(value: Mapping[Any, Any], found: bool) -> dict[str, Any]:
    allowed = _FOUND if found else _THERE
    if not all(isinstance(name, str) and name in allowed for name in value):
        raise Rejected(f"must have no keys but {', '.join(sorted(allowed - {'labels'}))}")
    if "classes" in value and "labels" in value:
        raise Rejected("has both classes and labels: they are the same")
    return {name: one for name, one in value.items() if one is not None}


def _one_by_one(value: Any, found: bool) -> dict[str, Any]:
    needed, allowed = (_ONE_FOUND, _ONE_FOUND) if found else (_ONE_FOUND - {"score"}, _ONE_THERE)
    every = _items(value, "boxes")
    for one in every:
        if not isinstance(one, Mapping):
            raise Rejected(
                f"type {type_name(type(one))} among boxes: must be mappings with {_listed(needed)}"
            )
        if not all(isinstance(name, str) and name in allowed for name in one):
            raise Rejected(f"a box must have no keys but {_listed(allowed)}")
    every = [{name: part for name, part in one.items() if part is not None} for one in every]
    for one in every:
        for name in sorted(needed):
            if name not in one:
                raise Rejected(f"a box has no {name}")
    given = {name for one in every for name in one} | set(needed)
    default = {"iscrowd": 0, "ignore": 0}
    if "area" in given and not all("area" in one for one in every):
        raise Rejected("all boxes must have an area, or none")
    return {
        _MANY.get(name, name): [one[name] if name in one else default[name] for one in every]
        for name in given
    }


def _listed(names: AbstractSet[str]) -> str:
    return ", ".join(sorted(names))


def _box(value: Any, kind: str) -> list[int | float]:
    corners = [_number(one, "box") for one in _items(value, "box")]
    if len(corners) != 4:
        raise Rejected("a box must have 4 numbers")
    first, second = corners[:2], corners[2:]
    if kind == "xyxy":
        second = [end - start for start, end in zip(first, second, strict=True)]
    elif kind == "cxcywh":
        first = [centre - size / 2 for centre, size in zip(first, second, strict=True)]
    if not all(math.isfinite(one) for one in (*first, *second)):
        raise Rejected("box with NaN or infinity")
    if min(second) < 0:
        raise Rejected("box with a negative width or height")
    if max(map(abs, (*first, *second))) > _LARGEST:
        raise Rejected("box beyond 1e9")
    return [_short(one) for one in (*first, *second)]


def _score(value: Any) -> int | float:
    number = _number(value, "score")
    if not 0.0 <= number <= 1.0:
        raise Rejected("score is NaN" if math.isnan(number) else "score outside 0 to 1")
    return _short(number)


def _between(value: Any, what: str, most: float) -> int | float:
    number = _number(value, what)
    if not 0 <= number <= most:
        raise Rejected(f"{what} must lie between 0 and {most:g}")
    return _short(number)


def _flag(value: Any, what: str) -> int:
    plain = _plain(value)
    if plain not in (0, 1):
        raise Rejected(f"{what} must be 0 or 1")
    return int(plain)


def _ranking(value: Any, classes: Sequence[str], found: bool) -> list[str] | dict[str, int | float]:  # noqa: ARG001 - as all
    if found:
        items = [_name(one, "item") for one in _items(value, "items")]
        if len(set(items)) < len(items):
            raise Rejected("names an item twice")
        return items
    if isinstance(value, Mapping):
        worth: dict[str, int | float] = {}
        for one, relevance in value.items():
            name = _name(one, "item")
            if name in worth:
                raise Rejected("names an item twice")
            worth[name] = _between(relevance, "relevance", _LARGEST)
        return dict(sorted(worth.items()))
    plain = _plain(value)
    single = isinstance(plain, str | int) and not isinstance(plain, bool)
    return sorted({_name(one, "item") for one in ([plain] if single else _items(value, "items"))})


def _labels(value: Any, classes: Sequence[str], found: bool) -> list[str]:  # noqa: ARG001 - as all
    if not classes:
        raise Rejected("the names of the labels are not known: Monitor(..., classes=[...])")
    every = _items(value, "labels")
    if hasattr(value, "dtype") and all(isinstance(one, bool | int | float) for one in every):
        # an array, as models give it: 0 or 1 for each of the classes
        if len(every) != len(classes) or not all(one in (0, 1) for one in every):
            raise Rejected(f"an array must have {len(classes)} numbers, 0 or 1 for each of the classes")
        return [name for name, one in zip(classes, every, strict=True) if one]
    names = {_known(_name(one, "label"), classes) for one in every}
    if len(names) < len(every):
        raise Rejected("names a label twice")
    return [name for name in classes if name in names]


def _items(value: Any, what: str) -> list[Any]:
    """A list, tuple, set or array as a list of plain values."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, AbstractSet):
        return list(value)
    if hasattr(value, "tolist"):
        plain = value.tolist()
        if isinstance(plain, list):
            return plain
    raise Rejected(f"type {type_name(type(value))}: must be a list of {what}")


def _plain(value: Any) -> Any:
    """A scalar of numpy or of a tensor as Python has it, an array as a list; anything else as it is."""
    if type(value) in _PLAIN:
        return value
    return value.tolist() if hasattr(value, "tolist") else value


def _number(value: Any, what: str) -> float:
    if type(value) is float:
        return value
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise Rejected(f"{what}: type {type_name(type(plain))}: must be a number")
    return float(plain)


def _name(value: Any, what: str) -> str:
    """The one name of a class, label or item: text, or a whole number as text."""
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, str | int):
        raise Rejected(f"{what}: type {type_name(type(plain))}: must be text or a whole number")
    name = class_name(plain)
    if not name or not is_storable(name):
        raise Rejected(f"{what}: must be text without NUL or half of a surrogate pair, and not empty")
    return name


def _known(name: str, classes: Sequence[str]) -> str:
    if classes and name not in classes:
        raise Rejected(f"{name[:40]!r} is none of the classes")
    return name


def _short(number: float) -> int | float:
    """A whole number without its fraction."""
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


_DOCUMENTS = {"detection": _boxes, "ranking": _ranking, "multilabel": _labels}

"""One row on the general way: the caller's objects as resolved values, and where those go in a layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from vedette.capture.format import FIELDS_MAX, Layout, null_bit
from vedette.capture.media import spread
from vedette.capture.rejected import Rejected
from vedette.capture.values import convert, resolve, score
from vedette.capture.vectors import LENGTHS_MAX, length_of, numbers_of
from vedette.records import Field, Physical, Role, check_feature_names, class_name, is_storable

__all__ = ["Cell", "Placed", "label_cells", "place", "prediction_cells", "snapshot"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a row, resolved. ``physical`` is None for a null."""

    role: Role
    name: str
    physical: Physical | None
    value: Any

    @property
    def length(self) -> int:
        """The number of elements of a vector, 0 for a single value."""
        return length_of(self.physical, self.value)


@dataclass(frozen=True, slots=True)
class Placed:
    """A row in a layout: a value for each field, the flags, and which fields hold a text that is yet to be written."""

    values: list[Any]
    flags: int
    texts: list[int]


def snapshot(features: Any) -> dict[str, Any]:
    """Return the caller's mapping as a plain dict of our own. Raises :class:`Rejected` where it is not one, or is so large
    that to look at each of its names would hold the caller up."""
    if type(features) is dict:
        if len(features) > FIELDS_MAX:
            raise Rejected(f"more than {FIELDS_MAX} fields")
        return features.copy()
    if not hasattr(type(features), "keys") or not hasattr(type(features), "__getitem__"):
        raise Rejected(f"features: type {type(features).__name__}, must be a mapping")
    try:
        # bounded, since a mapping can be written that never ends
        return {name: features[name] for name in islice(features.keys(), FIELDS_MAX + 1)}
    except Exception as error:  # noqa: BLE001 - it is the caller's code
        raise Rejected(f"features: reading the mapping raised {type(error).__name__}") from None


def prediction_cells(
    layout: Layout,
    classes: Sequence[str],
    features: dict[Any, Any],
    prediction: Any,
    probability: Any,
    latency_s: Any,
    error: Any = None,
    inclusion: Any = None,
) -> list[Cell]:
    """Return the cells of a prediction, features first; ``classes`` are those of the model in their order, () unknown.

    Raises :class:`Rejected` with the field's name and the reason, ``SchemaError`` where names cannot be told apart.
    """
    known = set(layout.names)
    plain = {
        (str.__str__(name) if isinstance(name, str) else name): value for name, value in features.items()
    }
    given = list(spread(plain))
    if any(name not in known for name, _, _ in given):
        check_feature_names((*layout.names, *(name for name, _, _ in given if name not in known)))
    cells = [
        _cell(Role.FEATURE, name, name, value) if resolved is None else Cell(Role.FEATURE, name, *resolved)
        for name, resolved, value in given
    ]
    cells.append(_cell(Role.PREDICTION, "", "prediction", _single(prediction)))
    cells += _probability_cells(_single(probability), classes)
    cells.append(_score_cell(Role.LATENCY, "", "latency_s", latency_s))
    cells.append(_error_cell(error))
    cells.append(_inclusion_cell(inclusion))
    return cells


def _error_cell(error: Any) -> Cell:
    """What went wrong, by its type: messages may hold anybody's data, and are without number."""
    kind = error if isinstance(error, type) else type(error)
    if issubclass(kind, BaseException):
        error = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
    cell = _cell(Role.ERROR, "", "error", error)
    if cell.physical is not None and cell.physical is not Physical.TEXT:
        raise Rejected(f"error: type {kind.__name__}: must be an exception, or text that names it")
    return cell


def _inclusion_cell(inclusion: Any) -> Cell:
    """The probability with which a sampler kept the row; none for a row that was sure to be kept."""
    cell = _score_cell(Role.INCLUSION, "", "inclusion", inclusion)
    if cell.value is not None and not 0.0 < cell.value <= 1.0:
        raise Rejected("inclusion: must be above 0 and at most 1")
    return cell


def label_cells(label: Any) -> list[Cell]:
    """Return the one cell of a label."""
    return [_cell(Role.LABEL, "", "label", _single(label))]


def _single(value: Any) -> Any:
    """The one element of an array that has one, as ``predict`` of one row gives it; anything else as it is."""
    kind = type(value)
    if kind.__name__ == "ndarray" and kind.__module__ == "numpy" and value.size == 1:
        return value.reshape(-1)[0]
    return value


def _probability_cells(probability: Any, classes: Sequence[str]) -> Iterable[Cell]:
    """One number, one for each class by name, or one for each in the order of the model's classes."""
    if isinstance(probability, Mapping):
        return _class_cells(snapshot(probability))
    resolved = _cell(Role.FEATURE, "", "probability", probability)
    if not resolved.length:
        return [_score_cell(Role.PROBABILITY, "", "probability", probability)]
    assert resolved.physical is not None
    if not classes:
        raise Rejected("probability: a list needs the classes in their order: Monitor(..., classes=[...])")
    if resolved.length != len(classes):
        raise Rejected(f"probability: must have {len(classes)} numbers, one for each of the classes")
    numbers = numbers_of(resolved.physical, resolved.value)
    return [
        Cell(Role.PROBABILITY, name, Physical.FLOAT64, number)
        for name, number in zip(classes, numbers, strict=True)
    ]


def _class_cells(probability: dict[Any, Any]) -> Iterable[Cell]:
    seen: dict[str, Any] = {}
    for one, value in probability.items():
        name = class_name(one)
        if not name:
            raise Rejected("probability: a class has an empty name")
        if not is_storable(name):
            raise Rejected("probability: the name of a class has a NUL or half of a surrogate pair")
        if name in seen:
            raise Rejected(f"probability: {seen[name]!r} and {one!r} are the same class")
        seen[name] = one
        yield _score_cell(Role.PROBABILITY, name, f"probability of {name}", value)


def _cell(role: Role, name: str, shown: str, value: Any) -> Cell:
    try:
        return Cell(role, name, *resolve(value, vectors=role is Role.FEATURE))
    except Rejected as reason:
        raise Rejected(f"{shown}: {reason}") from None


def _score_cell(role: Role, name: str, shown: str, value: Any) -> Cell:
    try:
        number = score(value)
    except Rejected as reason:
        raise Rejected(f"{shown}: {reason}") from None
    return Cell(role, name, None if number is None else Physical.FLOAT64, number)


def place(layout: Layout, declared: frozenset[Field], cells: Iterable[Cell]) -> Placed | list[Field]:
    """Return the row as the layout holds it, or the fields that the layout lacks for it."""
    placed = Placed([layout.nothing(index) for index in range(len(layout.fields))], layout.nulls, [])
    flags = layout.nulls
    given = set()
    lacking: list[Field] = []
    for cell in cells:
        given.add((cell.role, cell.name))
        if cell.physical is None:
            continue
        index, value = _fit(layout, declared, cell)
        if index < 0:
            _check_lengths(layout, cell)
            lacking.append(Field(cell.role, cell.name, cell.physical, cell.length))
            continue
        placed.values[index] = value
        flags &= ~(1 << null_bit(index))
        if cell.physical in (Physical.TEXT, Physical.BYTES):
            placed.texts.append(index)
    if lacking:
        return lacking
    for (role, name), indexes in layout.columns.items():
        if role is Role.FEATURE and (role, name) not in given:
            for index in indexes:
                flags |= 2 << null_bit(index)
    return Placed(placed.values, flags, placed.texts)


def _fit(layout: Layout, declared: frozenset[Field], cell: Cell) -> tuple[int, Any]:
    """The field of a value: the one of its own type, else one that holds it without loss, else (-1, None)."""
    assert cell.physical is not None
    length = cell.length
    indexes = [
        index
        for index in layout.columns.get((cell.role, cell.name), ())
        if layout.fields[index].length == length
    ]
    for index in indexes:
        if layout.fields[index].physical is cell.physical:
            return index, cell.value
    for index in indexes:
        field = layout.fields[index]
        value = convert(cell.value, cell.physical, field.physical, declared=field in declared)
        if value is not None:
            return index, value
    return -1, None


def _check_lengths(layout: Layout, cell: Cell) -> None:
    """Refuse a vector of one length too many for its column."""
    indexes = layout.columns.get((cell.role, cell.name), ())
    lengths = {layout.fields[index].length for index in indexes} - {0}
    if cell.length and cell.length not in lengths and len(lengths) >= LENGTHS_MAX:
        raise Rejected(f"{cell.name}: vector of another length: a column has at most {LENGTHS_MAX}")

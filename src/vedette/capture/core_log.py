"""The usual row's short way through the core: a layout as the core reads it. ``compiled.py`` is the same in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vedette.capture.core import core
from vedette.capture.format import FLAG_FIELDS_BIT, Layout, null_bit
from vedette.records import FUTURE_S, Physical, Role

__all__ = ["CoreLog"]

_KINDS = {
    Physical.FLOAT64: 0,
    Physical.INT64: 1,
    Physical.UINT64: 2,
    Physical.BOOL: 3,
    Physical.TEXT: 4,
    Physical.BYTES: 5,
    Physical.TIMESTAMP: 6,
    Physical.VECTOR32: 7,
    Physical.VECTOR64: 8,
}
_NOTHING = 9
_SCALARS = (Role.PREDICTION, Role.PROBABILITY, Role.LATENCY, Role.ERROR, Role.INCLUSION)

_Column = tuple[Any, int, bool, int, int, int]


class CoreLog:
    """``log``, which stays the same object while its segment changes; ``clock`` is None for the system's own."""

    def __init__(self, clock: Callable[[], float] | None, way: Any) -> None:
        entry = ("predictions", "dropped", "out of stack or memory", 1)
        self._core = core.Log(
            clock,
            way.general,
            way.key,
            way.fit_float,
            way.fit_integer,
            way.spilt,
            entry,
            way.uncounted,
            FUTURE_S,
        )
        self._classes: Callable[[], Sequence[str]] = way.classes
        self.log: Callable[..., None] = self._core.log

    def used(self) -> None:
        """As the log in Python has it; a layout costs the core nothing."""

    def install(self, segment: Any, keys: Mapping[str, str], classes: Mapping[str, Any]) -> None:
        """Let ``log`` write into a segment; with None, or one that is not mapped, it takes the general way."""
        if segment is None or not isinstance(segment.slots, core.Slots):
            self._core.install(None, None, None, None)
            return
        plan = plan_of(segment.layout, keys, classes, self._classes())
        self._core.install(plan, segment.slots, segment.known, segment.refer)


def plan_of(
    layout: Layout, keys: Mapping[str, str], classes: Mapping[str, Any], order: Sequence[str] = ()
) -> Any:
    """Return a layout as the core reads it.

    ``keys`` are the caller's own strings by their text, ``classes`` the keys of its probabilities by the class's name:
    a key is looked up by the very object that it is. ``order`` are the classes of the model, in which a list has them.
    """
    flags = 0
    for indexes in layout.columns.values():
        for index in indexes[
            :-1
        ]:  # the older types of a column are null in a row of the newest, the likeliest
            flags |= 1 << null_bit(index)
    features = [_column(layout, keys.get(name, name), (Role.FEATURE, name)) for name in layout.names]
    names = [name for role, name in layout.columns if role is Role.PROBABILITY and name]
    in_order = bool(names) and sorted(names) == sorted(order)
    by_class = [
        _column(layout, classes.get(name, name), (Role.PROBABILITY, name))
        for name in (order if in_order else names)
    ]
    scalars = [_column(layout, None, (role, "")) for role in _SCALARS]
    id_at = layout.id_at if layout.ids else 0
    return core.Plan(
        features, by_class, scalars, layout.words(flags), layout.slot_bytes, layout.check_at, id_at, in_order
    )


def _column(layout: Layout, key: Any, column: tuple[Role, str]) -> _Column:
    """``(key, kind, alone, at, length, null bit)``; where the column has no field only None is taken for it."""
    indexes = layout.columns.get(column)
    if not indexes:
        return key, _NOTHING, True, 0, 0, FLAG_FIELDS_BIT
    index = indexes[-1]
    field = layout.fields[index]
    return (
        key,
        _KINDS[field.physical],
        len(indexes) == 1,
        layout.offsets[index],
        field.length,
        null_bit(index),
    )

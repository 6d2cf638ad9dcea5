"""The usual row's short way: a ``log`` written for one layout, as ``dataclasses`` writes an ``__init__``.

A loop over the fields would cost more than all the rest of a call, so the source of the function names each of
them. It takes a row only if every value is of its field's type (or None, or a number that fits without loss);
whatever else it meets, it hands to the recorder's general way, having changed nothing. No text of the user's is in
the source but the features' names, as literals of plain strings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from types import CodeType, FunctionType
from typing import Any

from vedette.capture.format import FLAG_FIELDS_BIT, FLAG_ID_NULL, ID_BYTES_MAX, Layout, null_bit
from vedette.records import FUTURE_S, Physical, Role

__all__ = ["COMPILED_FIELDS_MAX", "CompiledLog"]

COMPILED_FIELDS_MAX = 512
"""Above this a function takes too long to compile (about 20 ms) to be worth it; such rows go the general way."""

NO_STATE: tuple[int, tuple[()], None, None, None] = (0, (), None, None, None)
"""The state of a ``log`` without a segment; no layout has the number 0."""

_OPEN = '''
def make(state, clock, way):
    def log(features, prediction=None, *, probability=None, id=None, latency_s=None, time=None):
        """Record one prediction."""
        try:
            layout, slots, segment, store, get = state
            if layout != {number} or features.__class__ is not dict or len(features) != {n_names}:
                raise KeyError
            now = clock()
            if time is None:
                event = now
            elif type(time) is float and 0.0 <= time <= now + {future_s}:
                event = time
            else:
                raise KeyError
            if id is None:
                key = b""
                w0 = {start_null}
            else:
                w0 = {start}
                key = id.encode() if type(id) is str else way.key(id)
                if len(key) > {id_max}:  # -1 where the layout has no room for ids
                    raise KeyError
{reads}
        except Exception:
            slots = ()
        try:
            for n, offset, buffer in slots:
                try:
                    store(buffer, offset, n, event, now, {values}, key, n)
                    if not segment.broken:
                        return
                    break
                except BaseException as problem:
                    if way.void(problem, segment, buffer, offset, n):
                        return
                    break
        except MemoryError:
            segment.spoilt = True
        try:
            way.general(features, prediction, probability, id, latency_s, time)
        except Exception:
            # out of stack or memory: a C call that needs neither a frame nor much room
            way.spilt(("predictions", "dropped", "out of stack or memory", 1))
    return log
'''

_USUAL = {
    Physical.FLOAT64: "{v}.__class__ is float",
    Physical.INT64: "{v}.__class__ is int and {low} <= {v} <= {high}",
    Physical.UINT64: "{v}.__class__ is int and 0 <= {v} <= {top}",
    Physical.BOOL: "{v}.__class__ is bool",
    Physical.TEXT: "{v}.__class__ is str",
    Physical.BYTES: "{v}.__class__ is bytes",
    Physical.TIMESTAMP: "False",
    Physical.VECTOR32: "False",
    Physical.VECTOR64: "False",
}
_REFER = {
    Physical.TEXT: "{v} = segment.known.get({v}) or segment.refer({v})",
    Physical.BYTES: "{v} = segment.refer({v})",
}
_READ = {
    Physical.FLOAT64: "if type({v}) is not float:",
    Physical.INT64: "if type({v}) is not int or not {low} <= {v} <= {high}:",
    Physical.UINT64: "if type({v}) is not int or not 0 <= {v} <= {top}:",
    Physical.BOOL: "if type({v}) is not bool:",
    Physical.TEXT: "if type({v}) is str:\n    {v} = segment.known.get({v}) or segment.refer({v})\nelse:",
    Physical.BYTES: "if type({v}) is bytes:\n    {v} = segment.refer({v})\nelse:",
    Physical.TIMESTAMP: "if True:",
    Physical.VECTOR32: "if True:",
    Physical.VECTOR64: "if True:",
}
_RANGES = {"low": -(2**63), "high": 2**63 - 1, "top": 2**64 - 1}
_ARGUMENTS = {Role.PREDICTION: "prediction", Role.PROBABILITY: "probability", Role.LATENCY: "latency_s"}


def getter(layout: Layout, keys: Mapping[str, str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Return what takes the features out of a row, in the order of the layout's names; ``KeyError`` where one is missing.

    ``keys`` are the caller's own strings by their text: looking a key up by the very object that it is spares the
    comparison of the characters.
    """
    names = [keys.get(name, name) for name in layout.names]
    if len(names) > 1:
        return itemgetter(*names)
    return lambda features: tuple(features[name] for name in names)


def source(layout: Layout) -> str:
    """Return the source of ``log`` for a layout; its number is checked, so that no other layout's state is used.

    All types are first compared in one expression, which costs about 5 ns a field; only a row that has another type
    somewhere (a null, a number that fits) is looked at field by field.
    """
    usual: list[str] = []  # conditions of the row that needs no look
    refer: list[str] = []  # what turns its texts into references
    lines: list[str] = []  # the look at each field
    values = ["0"] * len(layout.fields)
    words = layout.words(0)
    arguments = {role: name for role, name in _ARGUMENTS.items() if (role, "") not in layout.columns}
    variables = {name: f"u{place}" for place, name in enumerate(layout.names)}
    nothing = [*arguments.values(), *(variables[name] for name in layout.names if not _typed(layout, name))]
    lines += [f"if {name} is not None:\n    raise KeyError" for name in nothing]
    usual += [f"{name} is None" for name in nothing]
    for (role, name), variants in layout.columns.items():
        *others, index = variants  # the newest type is the likeliest
        for other in others if role is not Role.PROBABILITY or not name else variants:
            _set(words, other)
        if role is Role.PROBABILITY and name:
            continue  # one field a class: only the general way fills it
        variable = variables[name] if role is Role.FEATURE else _ARGUMENTS[role]
        physical = layout.fields[index].physical
        usual.append(_USUAL[physical].format(v=variable, **_RANGES))
        if physical in _REFER:
            refer.append(_REFER[physical].format(v=variable))
        lines.append(_read(variable, physical, index, alone=not others))
        values[index] = variable
    take = f"{', '.join(variables.values())}, = get(features)" if variables else "pass"
    starts = [f"w{word} = {bits}" for word, bits in enumerate(words) if word]
    reads = [take, *starts, f"if {' and '.join(usual) or 'True'}:", *_indented(refer or ["pass"])]
    reads += ["else:", *_indented(lines or ["pass"])]
    return _OPEN.format(
        number=layout.number,
        n_names=len(layout.names),
        future_s=FUTURE_S,
        reads="\n".join(" " * 12 + line for line in reads),
        start=words[0],
        start_null=words[0] | FLAG_ID_NULL,
        id_max=ID_BYTES_MAX if layout.ids else -1,
        values=", ".join([*(f"w{word}" for word in range(len(words))), *values]),
    )


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for block in lines for line in block.splitlines()]


def _typed(layout: Layout, name: str) -> bool:
    return (Role.FEATURE, name) in layout.columns


def _set(words: list[int], index: int) -> None:
    word, bit = divmod(null_bit(index), 64)
    words[word] |= 1 << bit


def _read(variable: str, physical: Physical, index: int, *, alone: bool) -> str:
    """The lines that check one value, and turn a null or an uncommon number into what is stored."""
    word, bit = divmod(null_bit(index), 64)
    fit = {Physical.FLOAT64: "way.fit_float", Physical.INT64: "way.fit_integer"}.get(physical)
    # with a second type in the layout, which of the two a number belongs to is for the general way to say
    otherwise = f"{variable} = {fit}({variable})" if fit and alone else "raise KeyError"
    return (
        _READ[physical].format(v=variable, **_RANGES)
        + f"\n    if {variable} is None:\n        {variable} = 0; w{word} |= {1 << bit}"
        + f"\n    else:\n        {otherwise}"
    )


class CompiledLog:
    """``log``, which stays the same object while its code and its segment change."""

    def __init__(self, clock: Any, way: Any) -> None:
        self.log = _make(Layout(()), clock, way)
        self._layout: Layout | None = None

    def install(self, segment: Any, keys: Mapping[str, str], classes: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Let ``log`` write into a segment; with None it takes the general way.

        A thread that is in the old code with the old state finishes with both; one that is between entering the
        function and reading the state sees that the layout's number is not its own, and goes the general way.
        ``keys`` are the caller's own strings by their text.
        """
        cell = _state_cell(self.log)
        if segment is None:
            cell.cell_contents = NO_STATE
            return
        layout = segment.layout
        if self._layout is not layout:
            code, self._layout = _compile(layout), None
            cell.cell_contents = NO_STATE
            self.log.__code__ = code
        cell.cell_contents = (layout.number, segment.slots, segment, segment.store, getter(layout, keys))
        self._layout = layout


def _compile(layout: Layout) -> CodeType:
    """The code of ``log`` for a layout; code that takes every row the general way where that is very wide."""
    return _make(layout if len(layout.fields) <= COMPILED_FIELDS_MAX else Layout(()), None, None).__code__


def _make(layout: Layout, clock: Any, way: Any) -> FunctionType:
    space: dict[str, Any] = {}
    exec(compile(source(layout), f"<vedette log {layout.number}>", "exec"), space)  # noqa: S102 - see the module
    function: FunctionType = space["make"](NO_STATE, clock, way)
    function.__qualname__ = "Monitor.log"
    return function


def _state_cell(function: FunctionType) -> Any:
    assert function.__closure__ is not None
    return function.__closure__[function.__code__.co_freevars.index("state")]


assert FLAG_FIELDS_BIT % 2 == 0  # so that the two bits of a field lie in one word

"""The usual row's short way: a ``log`` written for one layout, as ``dataclasses`` writes an ``__init__``.

A loop over the fields would cost more than all the rest of a call, so the source of the function names each of
them. It takes a row only if every value is of its field's type (or None, or a number that fits without loss);
whatever else it meets, it hands to the recorder's general way, having changed nothing. No text of the user's is in
the source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from sys import byteorder
from types import CodeType, FunctionType
from typing import Any

from vedette.capture.format import FLAG_FIELDS_BIT, FLAG_ID_NULL, ID_BYTES_MAX, Layout, null_bit
from vedette.capture.values import TEXT_BYTES_MAX
from vedette.records import FUTURE_S, Physical, Role

__all__ = ["COMPILED_FIELDS_MAX", "CompiledLog"]

COMPILED_FIELDS_MAX = 512
"""Above this a function takes too long to compile (about 20 ms) to be worth it; such rows go the general way."""

_SETTLED_ROWS = 3
_NO_STATE = (0, (), None, None, None, None)  # without a segment; no layout has the number 0

_OPEN = '''
def log(features, prediction=None, *, probability=None, id=None, latency_s=None, time=None, error=None,
        inclusion=None):
    """Record one prediction."""
{starts}
    try:
        layout, slots, segment, store, get, guard = state
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
            if id.__class__ is str and len(id) <= {text_max}:
                key = id.encode()
            elif id.__class__ is int and {low} <= id <= {top}:
                key = b"%d" % id
            else:
                key = way.key(id)
            if len(key) > {id_max}:  # -1 where the layout has no room for ids
                raise KeyError
{reads}
    except Exception:
        slots = ()
    # no call and no jump back lies between taking a slot and the try: no signal is handled in there
    try:
        for n, offset, buffer in slots:
            try:
                store(buffer, offset, n, event, now, {values}, key, n)
                if not guard.broken:  # a store to the texts that does not reach them raises in refer
                    return
                break
            except BaseException as problem:
                if way.void(problem, segment, buffer, offset, n):
                    return
                break
    except MemoryError:
        segment.spoilt = True
    try:
{restores}
        way.general(features, prediction, probability, id, latency_s, time, error, inclusion)
    except Exception:
        # out of stack or memory: a C call that needs neither a frame nor much room; or no call, and no room at all
        try:
            way.spilt(("predictions", "dropped", "out of stack or memory", 1))
        except Exception:
{uncounted}
'''

# one more, without a number above 256, which would have to be made
_UNCOUNTED = """number = way.uncounted
if number[{0}] < 255:
    number[{0}] += 1
elif number[{1}] < 255:
    number[{0}] = 0
    number[{1}] += 1
else:
    number[{0}] = number[{1}] = 0
    number[{2}] += number[{2}] < 255
""".format(*((0, 1, 2) if byteorder == "little" else (7, 6, 5)))

# x.__class__ and not type(x), which would be a call and cost 2 ns more. An object that lies about its class fails in
# the store, and its row is counted as void.
_OTHER = {
    Physical.FLOAT64: "{v}.__class__ is not float",
    Physical.INT64: "{v}.__class__ is not int or not {low} <= {v} <= {high}",
    Physical.UINT64: "{v}.__class__ is not int or not 0 <= {v} <= {top}",
    Physical.BOOL: "{v}.__class__ is not bool",
    Physical.TEXT: "{v}.__class__ is not str or len({v}) > {text_max}",  # a giant is not hashed
    Physical.BYTES: "{v}.__class__ is not bytes or len({v}) > {text_max}",
    Physical.TIMESTAMP: "True",
    Physical.VECTOR32: "True",
    Physical.VECTOR64: "True",
}
_REFER = {
    Physical.TEXT: "segment.known.get({v}) or segment.refer({v})",
    Physical.BYTES: "segment.refer({v})",
}
_INCLUSION = """if inclusion is not None and not (inclusion.__class__ is float and 0.0 < inclusion <= 1.0):
    raise KeyError"""
_NOTHING = {Physical.FLOAT64: "0.0", Physical.VECTOR32: 'b""', Physical.VECTOR64: 'b""'}  # else 0
_FIT = {Physical.FLOAT64: "way.fit_float", Physical.INT64: "way.fit_integer"}
_RANGES = {"low": -(2**63), "high": 2**63 - 1, "top": 2**64 - 1, "text_max": TEXT_BYTES_MAX}
_ARGUMENTS = {
    Role.PREDICTION: "prediction",
    Role.PROBABILITY: "probability",
    Role.LATENCY: "latency_s",
    Role.ERROR: "error",
    Role.INCLUSION: "inclusion",
}


class CompiledLog:
    """``log``, which stays the same object while its code and its segment change.

    ``way`` has what is called where a row is not usual: ``general``, ``fit_float``, ``fit_integer``, ``key``, ``void``,
    ``spilt`` and ``uncounted``.
    """

    def __init__(self, clock: Callable[[], float], way: Any) -> None:
        self.log = _define(Layout(()), {"state": _NO_STATE, "clock": clock, "way": way})
        self._layout: Layout | None = None
        self._next: tuple[Any, Mapping[str, str], Mapping[str, Any]] | None = None
        self._n_rows = 0

    def used(self) -> None:
        """A row has gone the general way. A layout that stays for a few rows has a function made for it, which takes tens of
        milliseconds: not one for each of many columns that come one after another."""
        waiting = self._next
        if waiting is not None:
            self._n_rows += 1
            if self._n_rows >= _SETTLED_ROWS:
                self._next = None
                self._install(*waiting)

    def install(self, segment: Any, keys: Mapping[str, str], classes: Mapping[str, Any]) -> None:
        """Let ``log`` write into a segment; with None it takes the general way.

        A thread that is in the old code with the old state finishes with both; one that is between entering the
        function and reading the state sees that the layout's number is not its own, and goes the general way.
        ``keys`` are the caller's own strings by their text, ``classes`` the keys of its probabilities by the class's
        name: looking a key up by the very object that it is spares the comparison of the characters.
        """
        self._next = None
        if segment is not None and segment.layout is self._layout:
            self._install(segment, keys, classes)
            return
        self.log.__globals__["state"] = _NO_STATE
        if segment is not None:
            self._next, self._n_rows = (segment, keys, classes), 0

    def _install(self, segment: Any, keys: Mapping[str, str], classes: Mapping[str, Any]) -> None:
        names = self.log.__globals__
        layout = segment.layout
        if self._layout is not layout:
            code, self._layout = _compile(layout), None
            names["state"] = _NO_STATE
            self.log.__code__ = code
        get = _getters(layout, keys, classes)
        guard = segment.file.guard or _Sound
        names["state"] = (layout.number, segment.slots, segment, segment.store, get, guard)
        self._layout = layout


class _Sound:
    """In the place of a guard where a file is not mapped: a store that does not reach it raises."""

    broken = False


def _compile(layout: Layout) -> CodeType:
    """The code of ``log`` for a layout; code that takes every row the general way where that is very wide."""
    return _define(layout if len(layout.fields) <= COMPILED_FIELDS_MAX else Layout(()), {}).__code__


def _getters(layout: Layout, keys: Mapping[str, str], classes: Mapping[str, Any]) -> Any:
    """Return what takes the features out of a row; where there are classes, also what takes them out of a mapping.

    Both in the order of the layout, with ``KeyError`` where one is missing.
    """
    get = _getter([keys.get(name, name) for name in layout.names])
    names = _classes(layout)
    return (get, _getter([classes.get(name, name) for name in names])) if names else get


def _getter(keys: Sequence[Any]) -> Callable[[dict[Any, Any]], tuple[Any, ...]]:
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda row: tuple(row[key] for key in keys)


def _classes(layout: Layout) -> list[str]:
    """The classes that have a probability each."""
    return [name for role, name in layout.columns if role is Role.PROBABILITY and name]


def source(layout: Layout) -> str:
    """Return the source of ``log`` for a layout; its number is checked, so that no other layout's state is used.

    A field whose value has the usual type costs a comparison, about 6 ns; what else it may be is looked at only then.
    """
    variables = _variables(layout)
    features = [variables[Role.FEATURE, name] for name in layout.names]
    lines = _choose(layout, variables)
    lines += [f"{', '.join(features)}, = get(features)"] if features else []
    lines += [
        f"if {v} is not None:\n    raise KeyError"
        for key, v in variables.items()
        if key not in layout.columns
    ]
    values = ['b""' if field.length else "0" for field in layout.fields]
    words = layout.words(0)
    restores = []
    for key, variants in layout.columns.items():
        *others, index = variants  # the newest type is the likeliest
        for other in others:
            word, bit = _null(other)
            words[word] |= bit
        variable, physical = variables[key], layout.fields[index].physical
        values[index] = f"t{index}" if physical in _REFER else variable
        if variable == "inclusion":
            lines.append(_INCLUSION)
        lines.append(_read(variable, values[index], physical, index, alone=not others))
        if variable in _ARGUMENTS.values():
            restores.append(_restore(variable, index))
    return _OPEN.format(
        number=layout.number,
        n_names=len(layout.names),
        future_s=FUTURE_S,
        starts=_indented(4, [f"w{word} = {bits}" for word, bits in enumerate(words)]),
        reads=_indented(8, lines),
        restores=_indented(8, restores),
        uncounted=_indented(12, [_UNCOUNTED]),
        start_null=words[0] | FLAG_ID_NULL,
        id_max=ID_BYTES_MAX if layout.ids else -1,
        values=", ".join([*(f"w{word}" for word in range(len(words))), *values]),
        **_RANGES,
    )


def _variables(layout: Layout) -> dict[tuple[Role, str], str]:
    """The variable of each value that a row may give, those without a field included."""
    classes = _classes(layout)
    number = "number" if classes else "probability"  # the argument may be a mapping then
    return {
        **{(Role.FEATURE, name): f"u{place}" for place, name in enumerate(layout.names)},
        **{(Role.PROBABILITY, name): f"p{place}" for place, name in enumerate(classes)},
        **{(role, ""): name for role, name in _ARGUMENTS.items()},
        (Role.PROBABILITY, ""): number,
    }


def _indented(n_spaces: int, blocks: Iterable[str]) -> str:
    return "\n".join(" " * n_spaces + line for block in blocks for line in block.splitlines())


def _choose(layout: Layout, variables: Mapping[tuple[Role, str], str]) -> list[str]:
    """The lines that take a row's probability apart where there are classes: one number, or one for each class."""
    chosen = [variables[Role.PROBABILITY, name] for name in _classes(layout)]
    if not chosen:
        return []
    return [
        "get, pick = get",
        "if probability.__class__ is not dict:",
        f"    number = probability; {' = '.join(chosen)} = None",
        f"elif len(probability) != {len(chosen)}:",
        "    raise KeyError",
        "else:",
        f"    number = None; {', '.join(chosen)}, = pick(probability)",
    ]


def _null(index: int) -> tuple[int, int]:
    """The word of flags, and in it the bit, that says that a field is null."""
    word, place = divmod(null_bit(index), 64)
    return word, 1 << place


def _read(variable: str, stored: str, physical: Physical, index: int, *, alone: bool) -> str:
    """The lines that check one value, and turn a text, a null or an uncommon number into what is stored."""
    word, bit = _null(index)
    # with a second type in the layout, which of the two a number belongs to is for the general way to say
    fit = f"{stored} = {_FIT[physical]}({variable})" if physical in _FIT and alone else "raise KeyError"
    lines = [
        f"if {_OTHER[physical].format(v=variable, **_RANGES)}:",
        f"    if {variable} is None:",
        f"        {stored} = {_NOTHING.get(physical, '0')}; w{word} |= {bit}",
        "    else:",
        f"        {fit}",
    ]
    if physical in _REFER:
        lines += ["else:", f"    {stored} = {_REFER[physical].format(v=variable)}"]
    return "\n".join(lines)


def _restore(argument: str, index: int) -> str:
    """The line that makes None of the zero that stands for it: no slot could be had, and the general way comes next."""
    word, bit = _null(index)
    return f"if w{word} & {bit}: {argument} = None"


def _define(layout: Layout, names: dict[str, Any]) -> FunctionType:
    """Run the source with these global names, and return the function."""
    exec(compile(source(layout), f"<vedette log {layout.number}>", "exec"), names)  # noqa: S102 - see the module
    function: FunctionType = names["log"]
    function.__qualname__ = "Monitor.log"
    return function


assert FLAG_FIELDS_BIT % 2 == 0  # so that the two bits of a field lie in one word

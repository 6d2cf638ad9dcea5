"""Hostile objects, and calls of ``log`` and ``label`` that are made of them.

Run within a process that logs: what is returned is how many rows were shown to the recorder.
"""

from __future__ import annotations

import itertools
import time
from collections import UserDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.capture import Recorder

ERRORS = (
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
    RecursionError,
    MemoryError,
    StopIteration,
    OSError,
    KeyError,
)
METHODS = (
    "__float__", "__int__", "__index__", "__bool__", "__str__", "__repr__", "__hash__", "__eq__", "__len__",
    "__iter__", "__getitem__", "__array__", "__getattribute__", "__pos__", "__neg__", "__lt__", "__add__", "keys", "items",
    "encode", "__class__", "tzinfo", "utcoffset", "dtype", "item",
)  # fmt: skip


def hostile(base: type, broken: dict[str, type[BaseException]], arguments: tuple[Any, ...]) -> Any:
    """An object of a subclass of ``base``, the methods of which raise what is said."""

    def method(error: type[BaseException]) -> Callable[..., Any]:
        def raises(*_: Any, **__: Any) -> Any:
            raise error("hostile")

        return raises

    space = {
        name: property(method(error)) if name in ("__class__", "tzinfo", "dtype") else method(error)
        for name, error in broken.items()
    }
    return type("Hostile", (base,), space)(*arguments)


bases = st.sampled_from(
    [
        (object, ()),
        (int, (3,)),
        (float, (2.5,)),
        (str, ("x",)),
        (bytes, (b"x",)),
        (dict, ({"a": 1},)),
        (list, ([1],)),
    ]
)
objects = st.builds(
    lambda base, broken: hostile(base[0], broken, base[1]),
    bases,
    st.dictionaries(st.sampled_from(METHODS), st.sampled_from(ERRORS), min_size=1, max_size=4),
)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=50),
    st.binary(max_size=50),
    st.complex_numbers(),
)
values = st.one_of(plain, objects, st.lists(plain, max_size=2))
names = st.one_of(
    st.sampled_from("abc"), st.text(max_size=3), plain, objects.filter(lambda one: _hashable(one))
)


def _hashable(one: Any) -> bool:
    try:
        return bool({one: 1})
    except ERRORS:
        return False


@st.composite
def mappings(draw: st.DrawFn) -> Any:
    """A mapping with hostile values and names, or something hostile in its place."""
    found: dict[Any, Any] = {}
    for _ in range(draw(st.integers(0, 3))):
        try:
            found[draw(names)] = draw(values)
        except ERRORS:  # a name that cannot stand beside another one
            continue
    return found


def any_calls(recorder: Recorder, n: int = 120) -> int:
    """Call ``log`` in ``n`` hostile ways and ``label`` in as many; return the number of the former."""
    calls = 0

    @settings(
        max_examples=n,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        features=st.one_of(mappings(), mappings(), values),
        rest=st.tuples(*[values] * 5),
        probabilities=mappings(),
    )
    def call(features: Any, rest: tuple[Any, ...], probabilities: Any) -> None:
        nonlocal calls
        prediction, probability, key, latency_s, moment = rest
        recorder.log(features, prediction, probability=probability, id=key, latency_s=latency_s, time=moment)
        recorder.log({"a": 1.0}, prediction, probability=probabilities)
        recorder.log({"a": 1.0}, id=key)
        recorder.log(features)
        recorder.label(key, prediction, time=moment)
        calls += 4

    call()
    return calls


class Endless(UserDict[str, float]):
    """A mapping whose names never end."""

    def keys(self) -> Any:
        return (f"f{n}" for n in itertools.count())

    def __getitem__(self, name: str) -> float:
        return 1.0


class Deep(UserDict[str, float]):
    """A mapping that calls itself for ever."""

    def keys(self) -> Any:
        return self.keys()

    def __getitem__(self, name: str) -> float:
        return self[name]


def _rows() -> Iterator[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    nested: Any = 1.0
    for _ in range(100_000):
        nested = [nested]
    yield {"a": cycle}
    yield {"a": nested}
    yield {"a": itertools.count()}
    yield {"a": "x" * 2**28}
    yield {"a": b"x" * 2**28}
    yield {"x" * 2**24: 1.0}
    yield {"a": 10**100_000}
    yield {"a": np.zeros(10**6)}
    yield {"a": np.zeros(3, dtype=object)}
    yield {f"f{n}": 1.0 for n in range(100_000)}
    yield dict.fromkeys(range(1000), 1.0)
    yield Endless()
    yield Deep({"a": 1.0})
    yield itertools.count()
    yield "abc"
    yield {"a": {"b": 1.0}}
    yield {"\ud800": 1.0}
    yield {"a": "\ud800"}
    yield {"a": Endless}


def parade(recorder: Recorder) -> tuple[int, float]:
    """Log each of the zoo, an honest row after it; return the number of rows, and the seconds of the slowest call."""
    calls, slowest = 0, 0.0
    for row in _rows():
        start = time.perf_counter()
        recorder.log(row)
        slowest = max(slowest, time.perf_counter() - start)
        recorder.log({"a": 1.0})
        calls += 2
    return calls, slowest

"""The yardstick and the rows that ``capture.py`` and ``capture_peers.py`` measure; standard library alone.

The yardstick is one line in a loop, the plainest way to put a prediction of ten numbers into memory, with
``S = struct.Struct("<qd10dddd")`` and ``get`` an ``operator.itemgetter`` of the ten features::

    S.pack_into(buf, 0, i, time.time(), *get(features), 1.0, 0.93, 0.004)

It packs into the same bytes each time and has no id, so that everything it touches is in the cache.
"""

from __future__ import annotations

import operator
import struct
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["CASES", "FEATURES", "Case", "log_ids", "log_rows", "yardstick"]

FEATURES: dict[str, Any] = {f"feature_{index}": 1.1 * index for index in range(10)}
_MIXED: dict[str, Any] = {
    **{f"number_{index}": 1.1 * index for index in range(4)},
    **{f"count_{index}": 1000 * index for index in range(3)},
    "carrier": "AA",
    "origin": "JFK",
    "delayed": True,
}
_CARRIERS = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL")


@dataclass(frozen=True)
class Case:
    """Predictions of one kind. ``rows`` and ``ids`` make so many; where ``ids`` is None the rows have none.

    ``rest_s`` is the pause between two blocks of them.
    """

    says: str
    rows: Callable[[int], Sequence[dict[str, Any]]]
    ids: Callable[[int], Sequence[Any]] | None = None
    prediction: Any = 1.0
    probability: Any = 0.93
    rest_s: float = 0.015


def _same(row: dict[str, Any]) -> Callable[[int], Sequence[dict[str, Any]]]:
    return lambda n: [row] * n


def _texts(n: int) -> list[str]:
    return [f"order-{10_000 + index}" for index in range(n)]


def _numbers(n: int) -> list[int]:
    return list(range(10_000, 10_000 + n))


def _uuids(n: int) -> list[uuid.UUID]:
    return [uuid.UUID(int=0x1234_5678 * index) for index in range(n)]


def _carriers(n: int) -> list[dict[str, Any]]:
    eight = [{**FEATURES, "feature_0": carrier, "feature_1": carrier} for carrier in _CARRIERS]
    return [eight[index % 8] for index in range(n)]


_drawn = iter(range(2**60))


def _sentences(n: int) -> list[dict[str, Any]]:
    return [{**FEATURES, "feature_0": f"never seen before: {next(_drawn)}"} for _ in range(n)]


def _nulls(n: int) -> list[dict[str, Any]]:
    holed = [{**FEATURES, f"feature_{index}": None} for index in range(10)]
    return [holed[index % 10] for index in range(n)]


CASES = {
    "with_id": Case("ten floats, prediction, probability, latency, text id", _same(FEATURES), _texts),
    "flat_out": Case("the same as fast as they can be made", _same(FEATURES), _texts, rest_s=0.0),
    "numeric": Case("the same without an id", _same(FEATURES)),
    "integer_id": Case("the same with an integer id", _same(FEATURES), _numbers),
    "uuid_id": Case("the same with a UUID", _same(FEATURES), _uuids),
    "mixed": Case("4 floats, 3 integers, 2 texts, a boolean, text id", _same(_MIXED), _texts, prediction=1),
    "texts_few": Case("8 floats, 2 texts of 8 values", _carriers),
    "texts_many": Case("9 floats, a text that is new in each row", _sentences),
    "classes": Case(
        "ten floats, text id, probabilities of 3 classes",
        _same(FEATURES),
        _texts,
        prediction="late",
        probability={"early": 0.02, "late": 0.93, "never": 0.05},
    ),
    "nulls": Case("ten floats of which one is None", _nulls),
}


def yardstick(n: int, clock: Callable[[], float]) -> float:
    """Seconds for ``n`` rows, the plainest way."""
    packer = struct.Struct("<qd10dddd")
    buffer, get = bytearray(packer.size), operator.itemgetter(*FEATURES)
    features = FEATURES
    start = clock()
    for i in range(n):
        packer.pack_into(buffer, 0, i, time.time(), *get(features), 1.0, 0.93, 0.004)
    return clock() - start


def log_ids(log: Callable[..., None], case: Case, n: int, clock: Callable[[], float]) -> float:
    """Seconds for ``n`` calls of ``log`` with the case's first row, each with an id of its own."""
    assert case.ids is not None
    features, names = case.rows(1)[0], case.ids(n)
    prediction, probability = case.prediction, case.probability
    start = clock()
    for name in names:
        log(features, prediction, probability=probability, id=name, latency_s=0.004)
    return clock() - start


def log_rows(log: Callable[..., None], case: Case, n: int, clock: Callable[[], float]) -> float:
    """Seconds for ``n`` calls of ``log`` with the case's rows, without ids."""
    rows, prediction, probability = case.rows(n), case.prediction, case.probability
    start = clock()
    for features in rows:
        log(features, prediction, probability=probability, latency_s=0.004)
    return clock() - start

"""What was made of a model's tables, kept until one of them moves on: by bytes of an answer, or by anything else."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Kept", "Moved"]

Moved = tuple[Hashable, ...]
"""What differs when a table of a model was written to, or its journals were."""

T = TypeVar("T")


class Kept(Generic[T]):
    """Things by what was asked, each made again once its model has moved on. Safe over threads.

    ``size_of`` tells what one counts for (default: 1), ``most`` how much may be kept; those go first that were not asked
    for the longest.

    >>> kept = Kept(most=2)
    >>> kept.get("a", (1,), lambda: "made"), kept.get("a", (1,), lambda: "again"), kept.get("a", (2,), lambda: "anew")
    ('made', 'made', 'anew')
    """

    def __init__(self, most: int, size_of: Callable[[T], int] = lambda _: 1) -> None:
        self._most, self._size_of, self._size = most, size_of, 0
        self._kept: OrderedDict[Hashable, tuple[Moved, T]] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, moved: Moved, make: Callable[[], T]) -> T:
        """What is kept for a key, or what ``make`` makes; made at most once, whoever asks meanwhile."""
        found = self._found(key, moved)
        if found is not None:
            return found[1]
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                found = self._found(key, moved)
                return found[1] if found is not None else self._keep(key, moved, make())
        finally:
            with self._lock:
                self._making.pop(key, None)

    def _found(self, key: Hashable, moved: Moved) -> tuple[Moved, T] | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None or found[0] != moved:
                return None
            self._kept.move_to_end(key)
            return found

    def _keep(self, key: Hashable, moved: Moved, made: T) -> T:
        with self._lock:
            before = self._kept.pop(key, None)
            self._size += self._size_of(made) - (0 if before is None else self._size_of(before[1]))
            self._kept[key] = moved, made
            while self._size > self._most and len(self._kept) > 1:
                _, (_, gone) = self._kept.popitem(last=False)
                self._size -= self._size_of(gone)
        return made

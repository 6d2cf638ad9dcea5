"""The types of ``src/core``, which says what each is."""

from collections.abc import Callable, Iterator
from typing import Any

REVISION: int

def crc32c(data: Any, value: int = 0, /) -> int: ...
def fill_checks(buffer: Any, at: int, slot_bytes: int, check_at: int, first: int, n: int, /) -> int: ...
def read_checks(buffer: Any, at: int, slot_bytes: int, check_at: int, first: int, n: int, /) -> bytes: ...
def populate(buffer: Any, start: int, length: int, /) -> int: ...

class Guard:
    def __init__(self, buffer: Any) -> None: ...
    @property
    def broken(self) -> bool: ...
    def release(self) -> None: ...

class Map:
    descriptor: int
    def __init__(self, fresh: Any, path: Any, size: int, head: bytes, fault_in: bool) -> None: ...
    def close_descriptor(self) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Slots:
    next: int
    def __init__(
        self, buffer: Any, guard: Guard, at: int, slot_bytes: int, first: int, limit: int
    ) -> None: ...
    def __iter__(self) -> Iterator[tuple[int, int, Any]]: ...
    def __next__(self) -> tuple[int, int, Any]: ...
    def stop(self) -> int: ...
    def release(self) -> None: ...

class Plan:
    def __init__(
        self,
        features: list[Any],
        classes: list[Any],
        scalars: list[Any],
        flags: list[int],
        slot_bytes: int,
        check_at: int,
        id_at: int,
    ) -> None: ...

class Log:
    log: Callable[..., None]
    def __init__(
        self,
        clock: Callable[[], float] | None,
        general: Callable[..., None],
        key: Callable[[Any], bytes],
        fit_float: Callable[[Any], float],
        fit_integer: Callable[[Any], int],
        spilt: list[Any],
        entry: tuple[Any, ...],
        future_s: float,
    ) -> None: ...
    def install(self, plan: Plan | None, slots: Slots | None, known: Any, refer: Any, /) -> None: ...

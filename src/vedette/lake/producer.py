"""What a producer's rows are read from, wherever they lie: a journal of this machine, or what a server received."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from vedette.capture.journal import Chunk
from vedette.capture.lost import Lost
from vedette.records import Counters

__all__ = ["Producer", "ProducerBatch", "passing"]


def passing(error: BaseException) -> bool:
    """True where an error tells of the machine (a disk, memory, open files), False where it tells of the bytes.

    What it kept from being read may well be read in the next round: nothing is decided of it. An ``OSError`` without a number
    is what a decoder says of bytes.

    >>> passing(OSError(5, "Input/output error")), passing(OSError("Invalid flatbuffers message")), passing(MemoryError())
    (True, False, True)
    """
    if isinstance(error, OSError):
        return error.errno is not None or isinstance(error, FileNotFoundError)
    return isinstance(error, MemoryError)


class ProducerBatch(Protocol):
    """Rows that were recorded together, as an Arrow file."""

    @property
    def number(self) -> int: ...
    @property
    def stream(self) -> str: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def path(self) -> Path: ...
    def read(self) -> bytes: ...


class Producer(Protocol):
    """The face of :class:`~vedette.capture.journal.ProducerFolder`, which says what each of these means."""

    path: Path
    name: str
    problems: list[str]
    waiting: dict[str, int]
    stopped: dict[str, tuple[int, str]]

    @property
    def alive(self) -> bool: ...
    @property
    def crowded(self) -> bool: ...
    def read(self, stream: str, after: int) -> Iterator[Chunk]: ...
    def missing_end(self, stream: str, after: int) -> Lost | None: ...
    def batches(self, after: int) -> Sequence[ProducerBatch]: ...
    def counters(self, stream: str) -> Counters: ...
    def highest(self, stream: str) -> int: ...
    def newest(self, stream: str) -> float | None: ...
    def free(self, stream: str, upto: int) -> int: ...
    def free_batches(self, upto: int) -> int: ...

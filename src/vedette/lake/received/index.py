"""Which records the logs of a lake's servers hold, by whom they are of: read once each, however often it is asked."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vedette.lake.locks import held
from vedette.lake.received.records import (
    HEAD_BYTES,
    SALT_BYTES,
    Place,
    Received,
    is_torn,
    read_body,
    scan,
)
from vedette.lake.tables import Lake

__all__ = ["Entry", "Index", "LogFile", "index_of", "logs_folder"]

Key = tuple[str, str, str]


def logs_folder(lake: Lake) -> Path:
    """The folder in which each server process has one of its own."""
    return lake.path / ".received"


@dataclass(slots=True)
class LogFile:
    """One log file, and how far it was read; ``ends`` has the highest end of each key in it.

    ``damaged``: it has ended, and bytes of it are no record, and not one that was cut off at the end either.
    """

    path: Path
    read: int = 0
    ended: bool = False
    damaged: bool = False
    ends: dict[Key, int] = field(default_factory=dict)

    @contextmanager
    def data(self) -> Iterator[tuple[memoryview, mmap.mmap | None]]:
        """Its bytes, mapped. Raises ``FileNotFoundError`` where it was deleted since."""
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                yield memoryview(b""), None
                return
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
            view = memoryview(mapped)
            try:
                yield view, mapped
            finally:
                view.release()
                mapped.close()


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, and where it lies."""

    file: LogFile
    received: Received
    place: Place

    def body(self) -> bytes:
        """The body. Raises ``JournalError`` where it is damaged, ``FileNotFoundError`` where its log was deleted."""
        with self.file.data() as (data, _):
            return read_body(data, self.place)


class Index:
    """The records of all logs of a lake by key, in the order of what they are of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[Path, LogFile] = {}
        self.entries: dict[Key, list[Entry]] = {}
        self._lock = threading.RLock()

    def refresh(self) -> None:
        """Read what was appended since, and forget what was deleted."""
        with self._lock:
            present = dict(self._present())
            gone = [path for path in self.files if path not in present]
            if gone:
                for path in gone:
                    del self.files[path]
                for key, entries in list(self.entries.items()):
                    kept = [one for one in entries if one.file.path in self.files]
                    if kept:
                        self.entries[key] = kept
                    else:
                        del self.entries[key]
            for path, ended in present.items():
                file = self.files.setdefault(path, LogFile(path))
                if not file.ended:
                    self._read(file, ended=ended)

    def of(self, key: Key) -> list[Entry]:
        """The records of a key by their first number, the longer first where two begin alike."""
        with self._lock:
            return sorted(self.entries.get(key, ()), key=lambda one: (one.received.first, -one.received.end))

    def newest(self, key: Key) -> Entry | None:
        """The last record of a key, in the order of the logs; None where there is none."""
        with self._lock:
            found = self.entries.get(key)
            return found[-1] if found else None

    def producers(self, model: str) -> list[str]:
        """The names of the producers of which there is something for a model."""
        with self._lock:
            return sorted({key[1] for key in self.entries if key[0] == model})

    def models(self) -> list[str]:
        """The names of the models of which there is something."""
        with self._lock:
            return sorted({key[0] for key in self.entries})

    def _present(self) -> Iterator[tuple[Path, bool]]:
        """Each log file, and whether nobody appends to it any more."""
        try:
            servers = sorted(entry.path for entry in os.scandir(self.folder) if entry.is_dir())
        except FileNotFoundError:
            return
        for server in servers:
            # in this order: a file that is made after the look at the names is not among them, whoever has the lock by then
            names = sorted(name for name in os.listdir(server) if name.endswith(".log"))  # noqa: PTH208 - names
            alive = held(Path(server) / "lock")
            for name in names:
                yield Path(server) / name, not (alive and name == names[-1])

    def _read(self, file: LogFile, *, ended: bool) -> None:
        try:
            with file.data() as (data, mapped):
                if mapped is not None and (len(data) > file.read or ended):
                    for received, place in scan(data, mapped, file.read, ended=ended):
                        file.damaged |= place.meta_at - HEAD_BYTES > max(file.read, SALT_BYTES)
                        self._take(Entry(file, received, place))
                        file.read = place.body_at + place.body_bytes
                    file.damaged |= ended and not is_torn(data, max(file.read, SALT_BYTES))
        except FileNotFoundError:
            return
        file.ended = ended

    def _take(self, one: Entry) -> None:
        key = one.received.key
        self.entries.setdefault(key, []).append(one)
        one.file.ends[key] = max(one.file.ends.get(key, 0), one.received.end)


_INDEXES: dict[Path, Index] = {}
_GUARD = threading.Lock()


def index_of(lake: Lake) -> Index:
    """The index of a lake's logs as they are now; one a process."""
    folder = logs_folder(lake)
    with _GUARD:
        index = _INDEXES.setdefault(folder, Index(folder))
    index.refresh()
    return index

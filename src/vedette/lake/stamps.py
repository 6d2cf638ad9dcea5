"""What tells without opening a table that it was written to: the time at which the folder of its log last changed."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterable
from pathlib import Path

from vedette.lake.sources import sources
from vedette.lake.tables import Lake, Table

__all__ = ["Stamp", "glances_path", "stamp_of", "stamp_of_file", "stamp_of_table"]

Stamp = tuple[Hashable, ...]
"""What differs when a table of a model was written to, or its journals were."""

_UNSETTLED_NS = 50_000_000  # a folder written to within the tick of its clock may be again without a trace


def glances_path(lake: Lake) -> Path:
    """The file in which a server keeps what it showed of the models, with what they looked like: a cache, and no more."""
    return lake.path / ".server" / "glances.db"


def stamp_of(lake: Lake, names: Iterable[str], tables: tuple[str, ...] | None = None) -> Stamp:
    """What changes with every commit to tables of the models named (default: to any of theirs, and to what waits beside them).

    It costs a ``stat`` a table: a commit makes a file in the folder of a Delta log, and so changes the folder's time. A
    folder that changed within the last tick of the clock is not trusted: its stamp is never the same twice.
    """
    found: list[Hashable] = []
    soon = time.time_ns() - _UNSETTLED_NS
    for name in names:
        root = lake.path / name
        if tables is not None:
            logs = [f"{root}/{table}/_delta_log" for table in tables]
        else:
            logs = [f"{entry.path}/_delta_log" for entry in os.scandir(root)] if root.is_dir() else []
        found += [one for log in sorted(logs) for one in _stamp(log, soon)]
        if tables is None:
            streams = ("predictions", "labels")
            found += [
                (name, folder.name, *(folder.highest(stream) for stream in streams), len(folder.batches(0)))
                for folder in sources(lake, name)
            ]
    return tuple(found)


def stamp_of_table(table: Table) -> Stamp:
    """What changes with every commit to one table."""
    return _stamp(f"{table.path}/_delta_log", time.time_ns() - _UNSETTLED_NS)


def stamp_of_file(path: Path) -> Stamp:
    """What changes when a file is written anew, or another takes its place; the same for all that are not there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    unsettled = found.st_mtime_ns > time.time_ns() - _UNSETTLED_NS
    return ((str(path), found.st_mtime_ns, found.st_size, found.st_ino, time.time_ns() if unsettled else 0),)


def _stamp(log: str, soon: int) -> Stamp:
    """What changes when the log of a table does; nothing where there is none."""
    try:
        moved = os.stat(log).st_mtime_ns  # noqa: PTH116  # of thousands
    except FileNotFoundError:
        return ()
    return ((log, moved, time.time_ns() if moved > soon else 0),)

"""Files of lines that are only added to, each on disk before it counts: tombstones, claims on a budget.

A line that a crash cut off was never answered for: it is not read, and the next one is written over it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from vedette.capture.folder import sync_folder

__all__ = ["append", "whole"]


def whole(path: Path) -> list[bytes]:
    r"""The whole lines of a file, without their ends; none where there is no file.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "x").write_bytes(b"one\ntwo\ncut o")
    >>> append(folder / "x", [b"three"])
    >>> whole(folder / "x"), whole(folder / "y")
    ([b'one', b'two', b'three'], [])
    """
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def append(path: Path, lines: Iterable[bytes]) -> None:
    """Add lines, which have no line breaks in them; they and the file are on disk when this returns.

    Nobody else may add to the file meanwhile. A file that is made can be read by its owner alone.
    """
    data = b"".join(line + b"\n" for line in lines)
    at = sum(len(line) + 1 for line in whole(path))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, at)
        os.lseek(descriptor, at, os.SEEK_SET)
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)

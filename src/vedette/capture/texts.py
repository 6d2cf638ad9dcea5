"""The texts beside a segment: a dictionary of those it has, and the file in which each lies once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from vedette.capture.files import PreparedFile
from vedette.capture.format import FRAME, TEXT_HEADER_BYTES, text_frame, text_header
from vedette.capture.values import TEXT_BYTES_MAX

__all__ = ["TextFull", "TextWriter"]

_TEXTS_KNOWN_MAX = 65_536
"""So many texts of one segment are known again; further ones are written each time they come."""

_KNOWN_BYTES_MAX = 2**24
"""And so many bytes of them: boxes and prompts of kilobytes seldom come again, and would fill the process's memory."""


class TextFull(Exception):  # noqa: N818 - a state, not an error
    """The text file has no more room: the segment is to be sealed."""


class TextWriter:
    """The text file of a segment. Every value is on it, whole, before a slot refers to it."""

    def __init__(self, path: Path, first: int, size: int, *, mapped: bool, made: Any = None) -> None:
        self.known: dict[str, int] = {}
        self._known_bytes: dict[
            bytes, int
        ] = {}  # apart: comparing str with bytes is a warning under python -b
        self.file = PreparedFile(path, size, text_header(first), mapped=mapped, made=made)
        self._end = TEXT_HEADER_BYTES
        self._remembered = 0
        self._synced = 0
        self._lock = threading.RLock()

    def fault_in(self) -> None:
        """Fault in all that is yet to be written to."""
        self.file.populate(self._end, self.file.size - self._end)

    @property
    def n_bytes(self) -> int:
        """The bytes that are in use."""
        return self._end

    def refer(self, value: str | bytes) -> int:
        """Return the offset of a value, writing it first if it is not there yet.

        Raises :class:`TextFull` where there is no room in the file, ``OSError`` where there is none on the disk,
        ``ValueError`` once the file is closed, and for a value of over 65,536 bytes.
        """
        known: dict[Any, int] = self.known if isinstance(value, str) else self._known_bytes
        # looked at before it is hashed and encoded, which take as long as it is; characters bound the bytes from below
        if len(value) > TEXT_BYTES_MAX:
            raise ValueError(f"a text of {len(value)} characters: must have {TEXT_BYTES_MAX} bytes at most")
        offset = known.get(value)
        if offset is None:
            frame = text_frame(value)
            if len(frame) > FRAME.size + TEXT_BYTES_MAX:
                raise ValueError(
                    f"a text of {len(frame) - FRAME.size} bytes: must have {TEXT_BYTES_MAX} at most"
                )
            offset = self._reserve(len(frame))
            self.file.target[offset : offset + len(frame)] = frame
            if self.file.broken:
                raise TextFull
            if len(known) < _TEXTS_KNOWN_MAX and self._remembered < _KNOWN_BYTES_MAX:
                known[value] = offset
                self._remembered += len(frame)
        return offset

    def _reserve(self, n_bytes: int) -> int:
        with self._lock:
            if self._end + n_bytes > self.file.size:
                raise TextFull
            # no call between these two lines: a signal handler that logs cannot come in between
            offset = self._end
            self._end = offset + n_bytes
            return offset

    def sync(self) -> None:
        """Put what was added since the last time on disk. Raises ``OSError``."""
        start, end = self._synced, self._end
        if end > start:
            self._synced = end
            self.file.sync(start, end)

    def cut(self) -> None:
        """Give back the room that is not used; the whole file where nothing is."""
        if self._end == TEXT_HEADER_BYTES:
            self.file.path.unlink(missing_ok=True)
        else:
            self.file.cut(self._end)

"""The texts of a segment, read where they lie: the frames of ``docs/journal.md``, by the standard library alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vedette.capture.crc32c import crc32c
from vedette.capture.format import FRAME, TEXT_HEADER_BYTES, text_header
from vedette.capture.values import TEXT_BYTES_MAX

__all__ = ["BYTES", "TEXT", "Texts"]

TEXT, BYTES = 1, 2  # kinds of frames

_USUAL_BYTES = 256  # read in one go, which most texts fit into
_KNOWN_MAX = 65_536
_KNOWN_BYTES_MAX = 16 * 2**20


class Texts:
    """The text file beside a segment. Each value is read once, as long as there is room to remember it."""

    def __init__(self, path: Path, first: int) -> None:
        self.path, self._first = path, first
        self._descriptor: int | None = None
        self._known: dict[int, dict[int, bytes | None]] = {TEXT: {}, BYTES: {}}
        self._known_bytes = 0

    def resolve(self, offsets: Sequence[int], kind: int) -> list[bytes | None]:
        """The values at the offsets; None where there is none that is whole, and for the offset 0, which a null has."""
        if self._known_bytes > _KNOWN_BYTES_MAX or sum(map(len, self._known.values())) > _KNOWN_MAX:
            self._known = {TEXT: {}, BYTES: {}}
            self._known_bytes = 0
        known = self._known[kind]
        for offset in set(offsets).difference(known):
            known[offset] = value = self._read(kind, offset)
            self._known_bytes += len(value or b"")
        return list(map(known.__getitem__, offsets))

    def _read(self, kind: int, offset: int) -> bytes | None:
        """The value of a frame, None where there is none of this kind that is whole."""
        descriptor = self._open()
        if descriptor is None or not TEXT_HEADER_BYTES <= offset < 2**62:
            return None
        data = os.pread(descriptor, _USUAL_BYTES, offset)
        if len(data) < FRAME.size:
            return None
        length, checksum, found = FRAME.unpack_from(data)
        if length > TEXT_BYTES_MAX or found != kind:
            return None
        payload = data[FRAME.size : FRAME.size + length]
        if len(payload) < length:
            payload = os.pread(descriptor, length, offset + FRAME.size)
        if len(payload) < length or crc32c(payload) != checksum:
            return None
        if kind == TEXT:
            try:
                payload.decode()
            except UnicodeDecodeError:
                return None
        return payload

    def _open(self) -> int | None:
        if self._descriptor is None:
            try:
                descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return None
            if os.pread(descriptor, TEXT_HEADER_BYTES, 0) != text_header(self._first):
                os.close(descriptor)
                return None
            self._descriptor = descriptor
        return self._descriptor

    def close(self) -> None:
        """Let the file go."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    __del__ = close

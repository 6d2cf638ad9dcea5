"""The texts beside a segment, as its reader finds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette.capture.columns import Mask
from vedette.capture.crc32c import crc32c
from vedette.capture.format import FRAME, TEXT_HEADER_BYTES, text_header
from vedette.capture.values import TEXT_BYTES_MAX
from vedette.records import Physical

__all__ = ["TEXT_KINDS", "TextReader"]

TEXT_KINDS = {Physical.TEXT: 1, Physical.BYTES: 2}
"""The types that lie among the texts, and their kinds in a frame."""


class TextReader:
    """The text file beside a segment, read when the first text is asked for; each offset is decoded once."""

    def __init__(self, path: Path, first: int) -> None:
        self._path, self._first = path, first
        self._data: bytes | None = None
        self._known: dict[tuple[int, int], str | bytes | None] = {}

    def resolve(
        self, offsets: NDArray[np.uint64], wanted: Mask, kind: int
    ) -> tuple[NDArray[np.object_], Mask]:
        """Return the values at the offsets, None where not wanted, and a mask that is False where one is damaged."""
        values: NDArray[np.object_] = np.full(len(offsets), None, dtype=object)
        intact = np.ones(len(offsets), dtype=bool)
        if wanted.any():
            unique, inverse = np.unique(offsets[wanted], return_inverse=True)
            found = np.empty(len(unique), dtype=object)
            found[:] = [self._value(offset, kind) for offset in unique.tolist()]
            values[wanted] = found[inverse]
            intact[wanted] = np.array([value is not None for value in found], dtype=bool)[inverse]
        return values, intact

    def _value(self, offset: int, kind: int) -> str | bytes | None:
        key = (offset, kind)
        if key not in self._known:
            self._known[key] = self._decode(offset, kind)
        return self._known[key]

    def _decode(self, offset: int, kind: int) -> str | bytes | None:
        if self._data is None:
            try:
                data = self._path.read_bytes()
            except FileNotFoundError:
                data = b""
            self._data = data if data.startswith(text_header(self._first)) else b""
        if not TEXT_HEADER_BYTES <= offset <= len(self._data) - FRAME.size:
            return None
        length, checksum, found = FRAME.unpack_from(self._data, offset)
        start = offset + FRAME.size
        payload = self._data[start : start + length] if length <= TEXT_BYTES_MAX else b""
        if len(payload) != length or crc32c(payload) != checksum or found != kind:
            return None
        if kind == TEXT_KINDS[Physical.BYTES]:
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError:
            return None

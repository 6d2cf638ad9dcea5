"""TensorBoard's event files: records one after the other, each with its length and two checksums.

A record is the length (8 bytes, little-endian), the masked CRC-32C of the length, the data, and the masked CRC-32C of the data,
as TensorFlow's ``record_writer.h`` has it; the mask is a rotation by 15 bits and the addition of 0xa282ead8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from vedette.capture.crc32c import crc32c

__all__ = ["RecordFile", "masked"]

_HEAD, _FOOT = struct.Struct("<QI"), struct.Struct("<I")
_LENGTH = struct.Struct("<Q")


def masked(data: bytes) -> int:
    """The masked CRC-32C.

    >>> hex(masked(b"123456789"))
    '0xc78ab0e5'
    """
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


class RecordFile:
    """The records of one file, up to its end or to where it breaks; ``broken`` says then where and how."""

    def __init__(self, path: Path) -> None:
        self.path, self.broken = path, ""

    def __iter__(self) -> Iterator[bytes]:
        at = 0
        with self.path.open("rb") as file:
            while head := file.read(_HEAD.size):
                if len(head) < _HEAD.size:
                    return self._break(at, "cut off within the length of a record")
                n, check = _HEAD.unpack(head)
                if masked(_LENGTH.pack(n)) != check:
                    return self._break(at, "the length of a record has another checksum")
                rest = file.read(n + _FOOT.size)
                if len(rest) < n + _FOOT.size:
                    return self._break(at, "cut off within a record")
                data = rest[:n]
                if masked(data) != _FOOT.unpack(rest[n:])[0]:
                    return self._break(at, "a record has another checksum")
                yield data
                at = file.tell()
        return None

    def stop(self, why: str) -> None:
        """Say that what was read last is no event."""
        self.broken = f"{self.path}: {why}; what is before it was read"

    def _break(self, at: int, why: str) -> None:
        self.stop(f"broken at byte {at:,}: {why}")

"""The bytes of a log of received requests: records one behind the other, each with its checksums.

A file begins with 16 random bytes, which go into the check of each of its heads: no record that somebody has put into a body
passes for one of the file's own. A record is a head of 32 bytes, its metadata as JSON, and the body as it came. Everything is
little-endian::

    0   4  "VRC1"
    4   4  CRC-32 of the file's first 16 bytes, bytes 8 to 32 and the metadata
    8   4  bytes of the metadata
    12  4  CRC-32 of the body
    16  8  bytes of the body
    24  8  microseconds since 1970-01-01 UTC at which it was received

A file is appended to by one process, and never again once that has ended: what is torn at its end was never answered for.
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vedette.errors import JournalError

__all__ = [
    "HEAD_BYTES",
    "META_BYTES_MAX",
    "SALT_BYTES",
    "Place",
    "Received",
    "encode",
    "is_torn",
    "read_body",
    "scan",
]

MAGIC = b"VRC1"
_HEAD = struct.Struct("<4sIIIQq")
HEAD_BYTES = _HEAD.size
SALT_BYTES = 16
META_BYTES_MAX = 2**24
BODY_BYTES_MAX = 2**33


@dataclass(frozen=True, slots=True)
class Received:
    """What is known of a request that was taken.

    ``kind`` is ``rows`` (an Arrow stream), ``json`` (rows as JSON), ``word`` (of sequences without rows), ``batch`` (an Arrow
    file), ``lost_batch`` or ``counters``. It is of the sequences from ``first`` to before ``end``, or of the batches from
    ``first`` to ``end - 1``. ``about`` is what came with it, as far as reading the body needs it.
    """

    kind: str
    model: str
    producer: str
    stream: str
    first: int
    end: int
    digest: str
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """Of whom it is, and of which row of numbers: model, producer, and stream or ``batch`` or ``counters``."""
        if self.kind in ("batch", "lost_batch"):
            return (self.model, self.producer, "batch")
        return (self.model, self.producer, "counters" if self.kind == "counters" else self.stream)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record's parts lie in its file."""

    meta_at: int
    meta_bytes: int
    body_at: int
    body_bytes: int
    body_check: int
    received_us: int


def encode(one: Received, body_bytes: int, body_check: int, received_us: int, salt: bytes) -> bytes:
    """The head and the metadata of a record; the body is written behind it. Raises ``ValueError`` for metadata too large."""
    meta = json.dumps(
        [one.kind, one.model, one.producer, one.stream, one.first, one.end, one.digest, dict(one.about)],
        separators=(",", ":"), ensure_ascii=False,
    ).encode()  # fmt: skip
    if len(meta) > META_BYTES_MAX:
        raise ValueError(f"{len(meta):,} bytes of metadata: must be at most {META_BYTES_MAX:,}")
    rest = _HEAD.pack(MAGIC, 0, len(meta), body_check, body_bytes, received_us)[8:]
    check = zlib.crc32(meta, zlib.crc32(rest, zlib.crc32(salt)))
    return MAGIC + check.to_bytes(4, "little") + rest + meta


def _at(data: memoryview, at: int) -> tuple[Received, Place] | None:
    """The record at a place, None where there is none that is whole."""
    if len(data) - at < HEAD_BYTES or data[at : at + 4] != MAGIC:
        return None
    _, check, meta_bytes, body_check, body_bytes, received_us = _HEAD.unpack_from(data, at)
    body_at = at + HEAD_BYTES + meta_bytes
    if meta_bytes > META_BYTES_MAX or body_bytes > BODY_BYTES_MAX or body_at + body_bytes > len(data):
        return None
    meta = data[at + HEAD_BYTES : body_at]
    salted = zlib.crc32(data[at + 8 : at + HEAD_BYTES], zlib.crc32(data[:SALT_BYTES]))
    if zlib.crc32(meta, salted) != check:
        return None
    place = Place(at + HEAD_BYTES, meta_bytes, body_at, body_bytes, body_check, received_us)
    try:
        received = Received(*json.loads(bytes(meta)))
    except (TypeError, ValueError):
        return None  # what another version wrote
    return received, place


def scan(data: memoryview, mapped: mmap.mmap, start: int, *, ended: bool) -> Iterator[tuple[Received, Place]]:
    """The records of a file from a place on, in order; no body is looked at. ``mapped`` are the same bytes.

    Where one is damaged in a file that nobody writes to any more (``ended``), the next whole one is looked for.
    """
    at = max(start, SALT_BYTES)
    while at < len(data):
        found = _at(data, at)
        if found is not None:
            yield found
            at = found[1].body_at + found[1].body_bytes
            continue
        further = mapped.find(MAGIC, at + 1) if ended else -1
        if further < 0:
            return
        at = further


def is_torn(data: memoryview, at: int) -> bool:
    """Whether what a file ends with, from a place on, is a record that was cut off as it was written, or nothing.

    That was never answered for. Else it is damage: what stood there may have been. Damage to the lengths in the head of the last
    record looks like a record that was cut off, and passes for one.
    """
    left = data[at:]
    if not any(left[:HEAD_BYTES]):
        return not bytes(left).strip(b"\0")  # a file system may leave zeros
    if len(left) < HEAD_BYTES:
        return bytes(left[:4]) == MAGIC[: min(len(left), 4)]
    _, _, meta_bytes, _, body_bytes, _ = _HEAD.unpack_from(left)
    whole = HEAD_BYTES + meta_bytes + body_bytes <= len(left)
    return (
        bytes(left[:4]) == MAGIC
        and meta_bytes <= META_BYTES_MAX
        and body_bytes <= BODY_BYTES_MAX
        and not whole
    )


def read_body(data: memoryview, place: Place) -> bytes:
    """The body of a record. Raises ``JournalError`` where its bytes are not those that came."""
    body = bytes(data[place.body_at : place.body_at + place.body_bytes])
    if len(body) != place.body_bytes or zlib.crc32(body) != place.body_check:
        raise JournalError("the checksum of what was received does not match: the log is damaged")
    return body

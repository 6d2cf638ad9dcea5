"""Arrow streams a few batches at a time: what a stream says first, and some of its rows, are a stream of their own.

A stream is messages one after another: four bytes of 0xFF, the length of a header, the header (a flatbuffer that says
what comes and how long it is), and a body. The first message is the schema; then come dictionaries, which may be replaced
or added to later, and batches of rows.

Source: Apache Arrow, Columnar Format 1.5, "IPC Streaming Format"; ``Message.fbs`` for the numbers of fields.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vedette.errors import DataError

__all__ = ["STREAM_START", "parts"]

STREAM_START = b"\xff\xff\xff\xff"  # the file format begins otherwise
_END = STREAM_START + bytes(4)
_SCHEMA, _DICTIONARY, _ROWS = 1, 2, 3  # of the union MessageHeader


def parts(file: Path, size_bytes: int) -> Iterator[bytes]:
    """The stream in a file as streams of about ``size_bytes`` of rows each, at least one.

    Raises ``DataError`` where the file ends within a message, or is no stream.
    """
    schema, named, rows = b"", dict[int, list[bytes]](), list[bytes]()
    held, given = 0, False
    with file.open("rb") as opened:
        for header, message in _messages(opened, file):
            kind = _number(header, 1, "B")
            if kind == _SCHEMA:
                schema = message
            elif kind == _DICTIONARY:
                own, added = _number(header, 0, "q", within=2), _number(header, 2, "B", within=2)
                if rows:  # the rows so far were written with what the dictionary held before
                    yield _joined(schema, named, rows)
                    rows, held, given = [], 0, True
                named[own] = [*named.get(own, []), message] if added else [message]
            elif kind == _ROWS:
                rows.append(message)
                held += len(message)
                if held >= size_bytes:
                    yield _joined(schema, named, rows)
                    rows, held, given = [], 0, True
    if not schema:
        raise DataError(f"{file}: cannot be read as arrow: the stream has no schema")
    if rows or not given:
        yield _joined(schema, named, rows)


def _joined(schema: bytes, named: dict[int, list[bytes]], rows: list[bytes]) -> bytes:
    return b"".join([schema, *(one for many in named.values() for one in many), *rows, _END])


def _messages(opened: BinaryIO, file: Path) -> Iterator[tuple[bytes, bytes]]:
    """The header of each message, and the whole message."""
    while True:
        start = opened.read(8)
        if not start or start == _END:
            return
        if len(start) < 8 or start[:4] != STREAM_START:
            raise DataError(
                f"{file}: cannot be read as arrow: truncated, or no stream from byte {opened.tell()} on"
            )
        header = opened.read(struct.unpack("<i", start[4:])[0])
        try:
            length = _number(header, 3, "q")
        except struct.error as error:
            raise DataError(f"{file}: cannot be read as arrow: truncated at byte {opened.tell()}") from error
        body = opened.read(length)
        if len(body) < length:
            raise DataError(
                f"{file}: cannot be read as arrow: truncated, {length - len(body):,} bytes are missing"
            )
        yield header, start + header + body


def _number(header: bytes, field: int, form: str, within: int | None = None) -> int:
    """A number of the message's table, or of the table that its field ``within`` points to; 0 where it is left out."""
    table = int(struct.unpack_from("<I", header)[0])
    if within is not None:
        place = _place(header, table, within)
        table = place + int(struct.unpack_from("<I", header, place)[0])
    place = _place(header, table, field)
    return int(struct.unpack_from(f"<{form}", header, place)[0]) if place else 0


def _place(header: bytes, table: int, field: int) -> int:
    """Where a field of a flatbuffer's table lies; 0 where it is left out."""
    slots = table - int(struct.unpack_from("<i", header, table)[0])
    known = int(struct.unpack_from("<H", header, slots)[0])
    entry = 4 + 2 * field
    offset = int(struct.unpack_from("<H", header, slots + entry)[0]) if entry < known else 0
    return table + offset if offset else 0

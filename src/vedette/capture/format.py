"""The bytes of a journal, as the writer writes and the reader reads them; ``docs/journal.md`` says it in words.

Everything is little endian. A segment is a header, kept twice, and slots of one size; a slot is a row. Texts lie in
a file beside the segment and slots refer to them by their byte offset. Every checksum is a CRC-32C.
"""

from __future__ import annotations

import itertools
import json
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vedette.capture.crc32c import crc32c
from vedette.errors import JournalError
from vedette.records import Field, Physical, Role, Settings

__all__ = [
    "FIELDS_MAX",
    "FLAG_FIELDS_BIT",
    "FLAG_ID_NULL",
    "FLAG_ID_TEXT",
    "FLAG_VOID",
    "FRAME",
    "ID_BYTES_MAX",
    "OPENED_AT",
    "PAGE",
    "ROW_BYTES_MAX",
    "SEAL_AT",
    "STREAMS",
    "TEXT_HEADER_BYTES",
    "VOID_REASONS",
    "Header",
    "Layout",
    "null_bit",
    "opened_bytes",
    "seal_bytes",
    "text_frame",
    "text_header",
]

MAGIC = b"VEDETTE1"
TEXT_MAGIC = b"VEDETTET"
FORMAT = 2
PAGE = 4096
FIELDS_MAX = 4096
"""More fields than this are somebody's identifiers used as feature names."""

ROW_BYTES_MAX = 2**20
"""A wider slot is refused: a segment has at least 16, and files are made in full before their first row."""

STREAMS = ("predictions", "labels")  # their numbers in the header are 1 and 2

FLAG_ID_NULL, FLAG_ID_TEXT, FLAG_VOID = 1, 2, 4
FLAG_FIELDS_BIT = 4  # bit 3 is spare; then two bits a field, so that a field's bits never straddle two words
ID_BYTES_MAX = 39  # and a byte for the length
VOID_REASONS = {1: "interrupted while it was written", 2: "could not be written"}

_HEAD = struct.Struct("<8sIII4xQQdIII4x")
_CRC_AT = 56
OPENED_AT, SEAL_AT = 64, 72
_SEAL = struct.Struct("<QQQQ")
_JSON_AT = 128
# Every item of a slot is a multiple of 8 bytes, so that native alignment pads nothing; a native double is packed some
# 3 ns faster than one in a stated byte order.
_ORDER = "@" if sys.byteorder == "little" else "<"
_CODES = {Physical.FLOAT64: "d", Physical.INT64: "q", Physical.TIMESTAMP: "q"}

FRAME = struct.Struct("<IIB")
TEXT_HEADER_BYTES = 16
_KINDS = {str: 1, bytes: 2}
_ONES = 2**64 - 1

_numbers = itertools.count(1)


class Layout:
    """Where the fields of a row lie in a slot. Layouts never change; a wider one takes their place.

    ``ids`` is true where a slot has room for an id: that begins with the first row that has one. ``names`` are the
    features known so far: those with a field, and those only ever given as None, whose type is
    still unknown. ``number`` is the layout's own in this process.
    """

    def __init__(self, fields: Sequence[Field], names: Sequence[str] = (), *, ids: bool = False) -> None:
        self.number = next(_numbers)
        self.fields = tuple(fields)
        self.ids = ids
        self.columns: dict[tuple[Role, str], list[int]] = {}
        for index, field in enumerate(self.fields):
            self.columns.setdefault((field.role, field.name), []).append(index)
        typed = (field.name for field in self.fields if field.role is Role.FEATURE)
        self.names = tuple(dict.fromkeys((*typed, *names)))
        self.flag_words = (FLAG_FIELDS_BIT + 2 * len(self.fields) + 63) // 64
        widths = [field_bytes(field) for field in self.fields]
        first = 24 + 8 * self.flag_words
        *self.offsets, self.id_at = itertools.accumulate(widths, initial=first)
        codes = "".join(
            f"{width}s" if field.length else _CODES.get(field.physical, "Q")
            for field, width in zip(self.fields, widths, strict=True)
        )
        self.body = struct.Struct(
            f"{_ORDER}Qdd{self.flag_words}Q{codes}{'40p' if ids else '0s'}"
        )  # what is checked
        self.check_at = self.body.size
        self.slot = struct.Struct(self.body.format + "8xQ")
        self.slot_bytes = self.slot.size
        self.nulls = sum(1 << null_bit(index) for index in range(len(self.fields)))

    def words(self, flags: int) -> list[int]:
        """Split the flags into the words that a slot holds."""
        return [flags >> (64 * word) & (2**64 - 1) for word in range(self.flag_words)]

    def wider(self, fields: Sequence[Field], names: Sequence[str], *, ids: bool = False) -> Layout:
        """Return the layout with more fields and names, and with room for an id if ``ids``."""
        return Layout((*self.fields, *fields), (*self.names, *names), ids=self.ids or ids)

    def nothing(self, index: int) -> Any:
        """What a null field holds: zeros."""
        return bytes(field_bytes(self.fields[index])) if self.fields[index].length else 0


def field_bytes(field: Field) -> int:
    """The bytes of a field in a slot: eight, or a whole number of eights for a vector."""
    size = field.length * (4 if field.physical is Physical.VECTOR32 else 8)
    return -(-size // 8) * 8 if field.length else 8


def null_bit(index: int) -> int:
    """The bit that says that a field is null; the next one says that the caller did not give it at all."""
    return FLAG_FIELDS_BIT + 2 * index


@dataclass(frozen=True, slots=True)
class Header:
    """What the head of a segment says.

    ``opened`` is false for one that was made ahead of its use and may never have any; such a file means nothing.
    ``end`` is the first sequence not handed out, None while unsealed; ``checked`` the number of slots, from the first,
    whose check words are there, so that one which is missing is damage.
    """

    stream: str
    first: int
    capacity: int
    slot_bytes: int
    header_bytes: int
    created: float
    model: str
    version: str
    pid: int
    host: str
    fields: tuple[Field, ...]
    settings: Settings
    ids: bool = True
    opened: bool = True
    end: int | None = None
    checked: int = 0

    @property
    def layout(self) -> Layout:
        """How the slots are laid out."""
        return Layout(self.fields, ids=self.ids)

    def encode(self) -> bytes:
        """Return the whole header, both copies, padded to its size."""
        layout = self.layout
        document = {
            "model": self.model,
            "version": self.version,
            "pid": self.pid,
            "host": self.host,
            "ids": self.ids,
            "fields": [
                [field.role, field.name, field.physical, offset, field.length]
                for field, offset in zip(self.fields, layout.offsets, strict=True)
            ],
            "settings": self.settings.document(),
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        half = -(-(_JSON_AT + len(text)) // PAGE) * PAGE

        def head(crc: int) -> bytes:
            return _HEAD.pack(
                MAGIC, FORMAT, 2 * half, layout.slot_bytes, self.capacity, self.first, self.created,
                STREAMS.index(self.stream) + 1, len(text), crc,
            )  # fmt: skip

        seal = b"" if self.end is None else seal_bytes(self.end, self.checked)
        state = opened_bytes(self.opened) + seal
        copy = head(crc32c(text, crc32c(head(0)))) + state.ljust(_JSON_AT - OPENED_AT, b"\0") + text
        return copy.ljust(half, b"\0") * 2

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Return the header at the start of a file, from its second copy where the first is damaged.

        ``data`` is the start of the file, at least as long as the header. Raises ``JournalError`` saying what is
        wrong with it.
        """
        problem = "the file is shorter than a header"
        for at in range(0, len(data) - _JSON_AT + 1, PAGE):
            if at and not data.startswith(MAGIC, at):
                continue
            try:
                return cls._copy(data, at)
            except JournalError as error:
                problem = problem if at else str(error)
        raise JournalError(problem)

    @classmethod
    def _copy(cls, data: bytes, at: int) -> Header:
        magic, form, size, slot, capacity, first, created, stream, length, crc = _HEAD.unpack_from(data, at)
        if magic != MAGIC:
            raise JournalError(f"starts with {magic!r}: not a segment of a journal")
        if form != FORMAT:
            raise JournalError(f"format {form}: this version of vedette reads format {FORMAT}")
        text = data[at + _JSON_AT : at + _JSON_AT + length]
        head = data[at : at + _CRC_AT] + bytes(_HEAD.size - _CRC_AT)
        if len(text) < length or crc32c(text, crc32c(head)) != crc or at not in (0, size // 2):
            raise JournalError("the header's checksum does not match: the header is damaged")
        try:
            numbers = (size, slot, capacity, first, stream)
            return cls._of(json.loads(text), data[at:], numbers, created)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise JournalError(
                f"the header says what this version of vedette does not know: {error!r}"
            ) from error

    @classmethod
    def _of(cls, document: Any, data: bytes, numbers: tuple[int, ...], created: float) -> Header:
        size, slot, capacity, first, stream = numbers
        (opened,) = struct.unpack_from("<Q", data, OPENED_AT)
        end, not_end, checked, not_checked = _SEAL.unpack_from(data, SEAL_AT)
        sealed = end ^ not_end == _ONES and first <= end <= first + capacity
        known = checked ^ not_checked == _ONES and checked <= capacity
        return cls(
            stream=STREAMS[stream - 1],
            first=first,
            capacity=capacity,
            slot_bytes=slot,
            header_bytes=size,
            created=created,
            model=document["model"],
            version=document["version"],
            pid=document["pid"],
            host=document["host"],
            ids=document["ids"],
            fields=tuple(Field(Role(r), name, Physical(p), n) for r, name, p, _, n in document["fields"]),
            settings=Settings.of_document(document["settings"]),
            opened=opened.bit_count() > 32,  # whatever bits were flipped
            end=end if sealed else None,
            checked=checked if known else 0,
        )


def opened_bytes(opened: bool) -> bytes:
    """The mark that rows are written into a segment: ones, else zeros."""
    return (_ONES if opened else 0).to_bytes(8, "little")


def seal_bytes(end: int, checked: int = 0) -> bytes:
    """The mark that a segment takes no more rows: the first sequence not handed out, and its complement.

    Beside it, in the same way, the number of slots whose check words are there.
    """
    return _SEAL.pack(end, end ^ _ONES, checked, checked ^ _ONES)


def text_header(first: int) -> bytes:
    """The first bytes of the text file of the segment that starts at ``first``."""
    return TEXT_MAGIC + first.to_bytes(8, "little")


def text_frame(value: str | bytes) -> bytes:
    """A text or bytes value as it lies in the text file."""
    payload = value.encode() if isinstance(value, str) else value
    return FRAME.pack(len(payload), crc32c(payload), _KINDS[type(value)]) + payload

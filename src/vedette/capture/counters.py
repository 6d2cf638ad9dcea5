"""What a producer counted besides its rows, in a small mapped file that outlives the process.

Layout: ``docs/journal.md``. Each number is a word: one aligned store of eight bytes, which holds 48 bits of value and
16 bits of check, so that a kill leaves the old number or the new one and a flipped bit shows. Rows are counted by
window, stream, part (dropped, sampled out, rejected) and reason, and nowhere else: totals are sums.
"""

from __future__ import annotations

import mmap
import os
import struct
from binascii import crc_hqx
from collections.abc import Mapping
from pathlib import Path

from vedette.capture.format import STREAMS
from vedette.capture.guard import Guard, can_guard, guard
from vedette.errors import JournalError

__all__ = ["COUNTERS_BYTES", "OTHER", "PARTS", "REASON_MAX", "CounterFile", "Key", "boot_id", "shorten"]

COUNTERS_FORMAT = 2
COUNTERS_BYTES = 147_456
_MAGIC = b"VEDETTEC"
_HEAD = struct.Struct("<8sII40s")
_CLEAN_AT, _BATCH_AT = 56, 64
BOUND_AT = {"predictions": 72, "labels": 80}
OWNED_AT = {"predictions": 120, "labels": 128}
BEFORE_AT, FOLDS_AT, SOURCE_AT, SUM_AT = 88, 96, 104, 112
SINGLE_WORDS = range(_CLEAN_AT, 129, 8)
EARLIER_AT, REASONS_AT, WINDOWS_AT = 4096, 16_384, 81_920
REASON_BYTES, WINDOW_BYTES = 256, 32
EARLIER_MAX = (REASONS_AT - EARLIER_AT) // 8
REASON_MAX = 255
WINDOW_MAX = (COUNTERS_BYTES - WINDOWS_AT) // WINDOW_BYTES
_TEXT_BYTES_MAX = 246
_VALUE_MAX = 2**48 - 1
_PLACES = {"bound": BOUND_AT, "owned": OWNED_AT}
PARTS = ("dropped", "sampled_out", "rejected")  # their numbers in an entry are 0, 1, 2
_KEY = struct.Struct("<QQBBH4x")
OTHER = "other reasons"
"""Takes the rows once the file has no room for another reason."""

Key = tuple[str, str, str, int, int]
"""What rows are counted by: stream, part, reason (or ``""``), start and length of the window in microseconds."""


def boot_id() -> str:
    """The name of this run of the machine, or ``""`` where the system has none to give."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:40]
    except OSError:
        return ""


class CounterFile:
    """The mapped file ``counters`` of one producer folder.

    ``bound`` is, for each stream, an upper bound (exclusive) of the sequences handed out; the next process starts
    there if the last segment is gone, so that a sequence is never used twice. ``owned`` is the first sequence that the
    process may write which owns the folder now: slots below it were taken by processes that are dead.

    Raises ``JournalError`` where the file is not one of these, or anything in it is damaged: such a folder is not
    written to any more.
    """

    _descriptor = -1  # until there is one, also where its making is interrupted

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._path = path
        self._guard: Guard | None = None
        if create:
            _write_new(path)
        # kept: the map's own flush holds the interpreter's lock meanwhile
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            check_size(path, os.fstat(self._descriptor).st_size)
            self._map = mmap.mmap(self._descriptor, COUNTERS_BYTES)
            self._read()
        except BaseException:
            self._close_descriptor()
            raise

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self._close_descriptor()

    def _read(self) -> None:
        data = self._map[:]
        self.boot = check_head(self._path, data)
        for at in (*SINGLE_WORDS, *nonzero(data, EARLIER_AT, EARLIER_MAX, 8)):
            self._load(at)
        names = {}
        for index in range(REASON_MAX):
            text = load_reason(data, index)
            if text is None:
                break
            names[index + 1] = text
        self._reasons = {text: number for number, text in reversed(names.items())}
        self._places: dict[Key, int] = {}
        self._keys: list[Key | None] = [None] * WINDOW_MAX
        self._counts, self._seeds = [0] * WINDOW_MAX, [0] * WINDOW_MAX
        for at in nonzero(data, WINDOWS_AT, WINDOW_MAX, WINDOW_BYTES):
            key, n = load_entry(data, at, names)
            place = (at - WINDOWS_AT) // WINDOW_BYTES
            self._take(place, key, data[at + 8 : at + WINDOW_BYTES])
            self._counts[place] = n
        self._free = [place for place in reversed(range(WINDOW_MAX)) if self._keys[place] is None]

    def _take(self, place: int, key: Key, raw: bytes) -> None:
        at = WINDOWS_AT + place * WINDOW_BYTES
        self._seeds[place] = seed(at, raw)
        self._keys[place] = key
        self._places[key] = place

    def get(self, stream: str, part: str) -> int:
        """Return ``bound`` or ``owned`` of a stream. Raises ``JournalError`` where it is damaged."""
        return self._load(_PLACES[part][stream])

    def put(self, stream: str, part: str, value: int) -> None:
        """Store ``bound`` or ``owned`` of a stream."""
        self._store(_PLACES[part][stream], value)

    @property
    def batch(self) -> int:
        """The highest batch number given out."""
        return self._load(_BATCH_AT)

    @batch.setter
    def batch(self, value: int) -> None:
        self._store(_BATCH_AT, value)

    @property
    def adoptable(self) -> bool:
        """True where the numbers in here can be trusted: closed in order, or written since the machine started."""
        return bool(self._load(_CLEAN_AT)) or (self.boot != "" and self.boot == boot_id())

    def opened(self) -> None:
        """Note that a process owns the folder from here on, and guard it from a SIGBUS: the file can be cut off.

        What the last owner left half done is finished.
        """
        if self._guard is None and can_guard():
            self._guard = guard(self._map)
        if self._map[FOLDS_AT] & 1:
            self._finish_fold()
        self._store(_CLEAN_AT, 0)
        self._map[16:56] = boot_id().encode("ascii", "replace").ljust(40, b"\0")

    def closed(self) -> None:
        """Note that everything is on disk and the folder may be adopted after a restart of the machine."""
        self.sync()
        self._store(_CLEAN_AT, 1)
        self.sync()

    def sync(self) -> None:
        """Put the counters on disk. Raises ``OSError``."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Unmap the file."""
        if self._guard is not None:
            self._guard.release()
        self._map.close()
        self._close_descriptor()

    def count(self, key: Key, n: int) -> tuple[int, int]:
        """Return the step that counts ``n`` more rows under a key: what :meth:`store` takes.

        Nothing is counted before that, and to store the step again changes nothing: an interrupted caller repeats it.
        """
        if self._map[FOLDS_AT] & 1:  # an interruption came in the middle of one
            self._finish_fold()
        place = self._places.get(key)
        if place is None:
            stream, part, reason, start, length = key
            key = (stream, part, self._known(reason), start, length)
            place = self._places.get(key)
        if place is None:
            if not self._free and not self._is_earlier(start):
                self._make_room()
            if self._is_earlier(start):
                at = self._earlier_at(key)
                return at, self._load(at) + n
            place, raw = self._free.pop(), self._pack(key)
            at = WINDOWS_AT + place * WINDOW_BYTES
            self._map[at + 8 : at + WINDOW_BYTES] = raw  # first: an entry is there once its count is not zero
            self._take(place, key, raw)
        return WINDOWS_AT + place * WINDOW_BYTES, self._counts[place] + n

    def store(self, at: int, value: int) -> None:
        """Take a step that :meth:`count` returned."""
        if at >= WINDOWS_AT:
            place = (at - WINDOWS_AT) // WINDOW_BYTES
            self._store(at, value, self._seeds[place])
            self._counts[place] = value
        else:
            self._store(at, value)

    def _known(self, reason: str) -> str:
        """The reason as it stands in the file, written there if it is new; another one where there is no room."""
        if not reason or reason in self._reasons:
            return reason
        text = shorten(reason)
        if text not in self._reasons:
            if len(self._reasons) >= REASON_MAX - 1 and text != OTHER:
                return self._known(OTHER)
            number = len(self._reasons)
            at, raw = REASONS_AT + number * REASON_BYTES, text.encode()
            self._map[at + 8 : at + 8 + len(raw)] = raw  # first: a reason is there once its word is not zero
            self._store(at, _reason_value(raw))
            self._reasons[text] = number + 1
        return text

    def _pack(self, key: Key) -> bytes:
        stream, part, reason, start, length = key
        number = self._reasons[reason] if reason else 0
        return _KEY.pack(start, length, STREAMS.index(stream) + 1, PARTS.index(part), number)

    def _earlier_at(self, key: Key) -> int:
        return earlier_at(key[0], key[1], self._reasons[key[2]] if key[2] else 0)

    def _is_earlier(self, start: int) -> bool:
        return start < self._load(BEFORE_AT) * 1000

    def _make_room(self) -> None:
        """Let the window that ends first be counted together with all before it."""
        end = min(start + length for _, _, _, start, length in self._places)
        self._store(BEFORE_AT, max(self._load(BEFORE_AT), -(-end // 1000)))
        before = self._load(BEFORE_AT) * 1000
        for key in [key for key in self._places if key[3] < before]:
            place, at = self._places[key], self._earlier_at(key)
            # What is to be stored is written down before it is: while the number of folds is odd, a reader, and
            # whoever opens the file next, take it from there. So a kill in between loses and doubles none.
            self._store(SOURCE_AT, place)
            self._store(SUM_AT, self._load(at) + self._counts[place])
            self._store(FOLDS_AT, self._load(FOLDS_AT) + 1)
            self._finish_fold()

    def _finish_fold(self) -> None:
        """Move the rows of one entry to those of earlier windows, as was written down."""
        place = self._load(SOURCE_AT)
        key = self._keys[place]
        if key is not None:  # else the entry is empty already
            self._store(self._earlier_at(key), self._load(SUM_AT))
            self._store(WINDOWS_AT + place * WINDOW_BYTES, 0)
            self._counts[place] = 0
        self._store(FOLDS_AT, self._load(FOLDS_AT) + 1)
        if key is not None:
            self._keys[place] = None
            self._places.pop(key, None)
            self._free.append(place)

    def _load(self, at: int) -> int:
        try:
            return load_word(self._map, at)
        except JournalError as error:
            raise JournalError(f"{self._path}: {error}") from None

    def _store(self, at: int, value: int, over: int | None = None) -> None:
        """Store a number, in one store (pack_into would write zeros first); ``over`` is the seed of its check."""
        raw = value.to_bytes(6, "little") if value <= _VALUE_MAX else b"\xff" * 6
        check = crc_hqx(raw, seed(at) if over is None else over) if value else 0
        self._map[at : at + 8] = raw + check.to_bytes(2, "little")


def seed(at: int, key: bytes = b"") -> int:
    """What the check of the word at ``at`` starts from: it is over its place and the key that it counts, too."""
    return crc_hqx(at.to_bytes(4, "little") + key, 0xFFFF)


def load_word(data: bytes | mmap.mmap, at: int, key: bytes = b"") -> int:
    """The number at ``at``: 48 bits of value and 16 of check; all zeros are 0. Raises ``JournalError`` where it is damaged."""
    raw = data[at : at + 8]
    if raw == bytes(8):
        return 0
    if crc_hqx(raw[:6], seed(at, key)) != int.from_bytes(raw[6:], "little"):
        raise JournalError(f"the number at byte {at} is damaged")
    return int.from_bytes(raw[:6], "little")


def load_reason(data: bytes, index: int) -> str | None:
    """The text of a reason, None behind the last. Raises ``JournalError`` where it is damaged."""
    at = REASONS_AT + index * REASON_BYTES
    value = load_word(data, at)
    if value == 0:
        return None
    raw = data[at + 8 : at + 8 + value % 256]
    if _reason_value(raw) != value:
        raise JournalError(f"the reason at byte {at} is damaged")
    return raw.decode("utf-8", "replace")


def _reason_value(raw: bytes) -> int:
    return crc_hqx(raw, 0xFFFF) << 8 | len(raw)


def earlier_at(stream: str, part: str, reason: int) -> int:
    """Where the rows of earlier windows are counted, by the number of their reason."""
    return EARLIER_AT + 8 * ((STREAMS.index(stream) * len(PARTS) + PARTS.index(part)) * 256 + reason)


def load_entry(data: bytes, at: int, names: Mapping[int, str]) -> tuple[Key, int]:
    """What the entry at ``at`` counts (``names``: the reasons by number), and how many. Raises ``JournalError``."""
    n = load_word(data, at, data[at + 8 : at + WINDOW_BYTES])
    start, length, stream, part, reason = _KEY.unpack_from(data, at + 8)
    if not (1 <= stream <= len(STREAMS) and part < len(PARTS) and (reason == 0 or reason in names)):
        raise JournalError(f"the entry at byte {at} is damaged")
    return (STREAMS[stream - 1], PARTS[part], names[reason] if reason else "", start, length), n


def nonzero(data: bytes, at: int, n: int, step: int) -> list[int]:
    """Where words that are not zero lie, of ``n`` that are ``step`` bytes apart."""
    words = memoryview(data)[at : at + n * step].cast("Q")[:: step // 8].tolist()
    return [at + step * index for index, one in enumerate(words) if one]


def check_size(path: Path, n_bytes: int) -> None:
    """Raise ``JournalError`` where a file has not the size of counters."""
    if n_bytes != COUNTERS_BYTES:
        raise JournalError(f"{path}: has {n_bytes} bytes: counters have {COUNTERS_BYTES}")


def check_head(path: Path, data: bytes) -> str:
    """Return the boot id of counters. Raises ``JournalError`` where it is no such file."""
    magic, form, size, boot = _HEAD.unpack_from(data.ljust(_HEAD.size, b"\0"))
    if (magic, form, size) != (_MAGIC, COUNTERS_FORMAT, COUNTERS_BYTES):
        raise JournalError(f"{path}: not the counters of a journal, of format {COUNTERS_FORMAT}")
    return str(boot.rstrip(b"\0").decode("ascii", "replace"))


def _write_new(path: Path) -> None:
    """Make the file with its blocks allocated (a store to a hole on a full disk kills), complete or not at all."""
    fresh = path.with_name(path.name + ".tmp")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        head = _HEAD.pack(_MAGIC, COUNTERS_FORMAT, COUNTERS_BYTES, boot_id().encode("ascii", "replace"))
        content = memoryview(head.ljust(COUNTERS_BYTES, b"\0"))
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)
    fresh.rename(path)


def shorten(reason: str) -> str:
    """The reason in the bytes that there are for one."""
    return reason.encode("utf-8", "replace")[:_TEXT_BYTES_MAX].decode("utf-8", "ignore")

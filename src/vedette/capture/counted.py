"""The reader's side of a producer's counters: what was dropped, sampled out and rejected, by window and reason."""

from __future__ import annotations

import os
import time
from pathlib import Path

from vedette.capture.counters import (
    BEFORE_AT,
    BOUND_AT,
    EARLIER_AT,
    EARLIER_MAX,
    FOLDS_AT,
    OWNED_AT,
    PARTS,
    REASON_MAX,
    SINGLE_WORDS,
    SOURCE_AT,
    SUM_AT,
    WINDOW_BYTES,
    WINDOW_MAX,
    WINDOWS_AT,
    check_head,
    check_size,
    earlier_at,
    load_entry,
    load_reason,
    load_word,
    nonzero,
)
from vedette.capture.format import STREAMS
from vedette.errors import JournalError
from vedette.records import Counted, Counters

__all__ = ["crowded", "read_bounds", "read_counters"]

_TRIES, _TRIES_OF_DAMAGE = 20, 3
_UNREADABLE = "a reason that is damaged"


def read_counters(path: Path, stream: str) -> Counters:
    """Return what the producer that owns this file counted for a stream. Raises ``JournalError``, ``OSError``.

    A number that is damaged is left out, and ``problem`` says how many are. The file may be written to meanwhile: where a
    window was folded during the reading, or something looks damaged, it is read again.
    """
    for tried in range(1, _TRIES + 1):
        data, folds = _at_once(path)
        check_size(path, len(data))
        check_head(path, data)
        found = _parse(data, stream)
        at_rest = folds == data[FOLDS_AT : FOLDS_AT + 8]
        if tried == _TRIES or (at_rest and (not found.problem or tried >= _TRIES_OF_DAMAGE)):
            break
        time.sleep(0.0005)
    return found


def read_bounds(path: Path, stream: str) -> tuple[int, int]:
    """Return the first sequence that the folder's owner may write, and what is above every sequence handed out.

    Raises ``JournalError``, ``OSError``.
    """
    with path.open("rb") as file:
        data = file.read(EARLIER_AT)
    check_head(path, data)
    return load_word(data, OWNED_AT[stream]), load_word(data, BOUND_AT[stream])


def crowded(path: Path) -> bool:
    """True where half of the room for counts of windows is in use. Raises ``JournalError``, ``OSError``."""
    data = path.read_bytes()
    check_size(path, len(data))
    return len(nonzero(data, WINDOWS_AT, WINDOW_MAX, WINDOW_BYTES)) > WINDOW_MAX // 2


def _at_once(path: Path) -> tuple[bytes, bytes]:
    """The file, and its number of folds after it was read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read()
        return data, os.pread(descriptor, 8, FOLDS_AT)
    finally:
        os.close(descriptor)


def _parse(data: bytes, stream: str) -> Counters:
    """What the bytes of a file say of a stream."""
    damaged = 0

    def number(at: int) -> int:
        nonlocal damaged
        try:
            return load_word(data, at)
        except JournalError:
            damaged += 1
            return 0

    for at in SINGLE_WORDS:
        number(at)
    names: dict[int, str] = {}
    for index in range(REASON_MAX):
        try:
            text = load_reason(data, index)
        except JournalError:
            damaged += 1
            text = _UNREADABLE
        if text is None:
            break
        names[index + 1] = text
    folding = number(FOLDS_AT) % 2 == 1
    source = WINDOWS_AT + number(SOURCE_AT) * WINDOW_BYTES if folding else -1
    sums: dict[int, int] = {}
    found: list[Counted] = []
    for at in nonzero(data, WINDOWS_AT, WINDOW_MAX, WINDOW_BYTES):
        try:
            (owner, part, reason, start, length), n = load_entry(data, at, names)
        except JournalError:
            damaged += 1
            continue
        if at == source:  # a fold that is not finished yet: it is as if it were
            sums[earlier_at(owner, part, next((i for i, name in names.items() if name == reason), 0))] = (
                number(SUM_AT)
            )
        elif owner == stream:
            found.append(Counted(part, reason, start, length, n))
    before_us = number(BEFORE_AT) * 1000
    for at in nonzero(data, EARLIER_AT, EARLIER_MAX, 8):
        if at not in sums:
            sums[at] = number(at)
    for at, n in sorted(sums.items()):
        group, reason_number = divmod((at - EARLIER_AT) // 8, 256)
        owner_number, part_number = divmod(group, len(PARTS))
        if STREAMS[owner_number] == stream and n:
            reason = names.get(reason_number, _UNREADABLE) if reason_number else ""
            found.append(Counted(PARTS[part_number], reason, 0, before_us, n))
    return Counters(tuple(found), before_us, f"{damaged} damaged numbers" if damaged else "")

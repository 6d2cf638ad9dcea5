"""The check words of many slots at once: filled in once rows are written, and compared when they are read.

A slot's check word is the CRC-32C of all its bytes before it, beside the complement (``crc32c.check_word``). The core
writes it with the row. Without the core it would cost more than the row, so that it is zero at first, and the keeper
fills it in soon after (``keeper.py``); here the rows are taken column by column, a byte of each at a time, which makes
the look-up in the CRC's table one ``bytes.translate`` for all of them.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Callable

from vedette.capture.core import core
from vedette.capture.crc32c import check_word, table

__all__ = ["NONE", "RIGHT", "WRONG", "fill_checks", "read_checks"]

NONE, RIGHT, WRONG = 0, 1, 2

_Buffer = bytes | bytearray | memoryview
_PIECE_BYTES = 65_536  # half a millisecond of work, after which others have their turn
_TABLES = [bytes(value >> shift & 0xFF for value in table) for shift in (0, 8, 16, 24)]


def _checksums(rows: bytes, slot_bytes: int, n_bytes: int) -> list[int]:
    """The CRC-32C of the first ``n_bytes`` of each row."""
    n = len(rows) // slot_bytes
    of, to = int.from_bytes, int.to_bytes
    first, second, third, fourth = _TABLES
    ones = (1 << 8 * n) - 1
    s0 = s1 = s2 = s3 = ones  # the four bytes of the state, each of all rows
    for at in range(n_bytes):
        index = to(s0 ^ of(rows[at::slot_bytes], "little"), n, "little")
        s0 = s1 ^ of(index.translate(first), "little")
        s1 = s2 ^ of(index.translate(second), "little")
        s2 = s3 ^ of(index.translate(third), "little")
        s3 = of(index.translate(fourth), "little")
    planes = bytearray(4 * n)
    for place, state in enumerate((s0, s1, s2, s3)):
        planes[place::4] = to(state ^ ones, n, "little")
    return memoryview(planes).cast("I").tolist()


def _words(rows: bytes, slot_bytes: int, at: int) -> list[int]:
    """The word at ``at`` of each row."""
    return memoryview(rows).cast("Q")[at // 8 :: slot_bytes // 8].tolist()


def _python_fill(
    buffer: memoryview, at: int, slot_bytes: int, check_at: int, first: int, n: int
) -> int:  # one signature with the core
    filled = 0
    step = max(1, _PIECE_BYTES // slot_bytes)
    for start in range(0, n, step):
        count = min(step, n - start)
        begin = at + start * slot_bytes
        rows = bytes(buffer[begin : begin + count * slot_bytes])
        leads, trails = _words(rows, slot_bytes, 0), _words(rows, slot_bytes, slot_bytes - 8)
        checks = _words(rows, slot_bytes, check_at)
        expected = range(first + start, first + start + count)
        lacking = [
            index
            for index, one in enumerate(expected)
            if not checks[index] and leads[index] == one and trails[index] == one
        ]
        if not lacking:
            continue
        sums = _checksums(rows, slot_bytes, check_at)
        for index in lacking:
            place = begin + index * slot_bytes + check_at
            buffer[place : place + 8] = check_word(sums[index]).to_bytes(8, "little")
        filled += len(lacking)
        time.sleep(0)
    return filled


def _python_read(data: _Buffer, at: int, slot_bytes: int, check_at: int, first: int, n: int) -> bytes:  # noqa: ARG001
    found = array("B")
    step = max(1, _PIECE_BYTES // slot_bytes)
    for start in range(0, n, step):
        begin = at + start * slot_bytes
        rows = bytes(data[begin : begin + min(step, n - start) * slot_bytes])
        checks = _words(rows, slot_bytes, check_at)
        if not any(checks):
            found.extend([NONE] * len(checks))
            continue
        sums = _checksums(rows, slot_bytes, check_at)
        found.extend(
            (RIGHT if check == check_word(crc) else WRONG) if check else NONE
            for check, crc in zip(checks, sums, strict=True)
        )
    return found.tobytes()


fill_checks: Callable[..., int] = _python_fill if core is None else core.fill_checks
"""``fill_checks(buffer, at, slot_bytes, check_at, first, n)``: give the whole ones of the ``n`` slots from ``at``, whose
first has the sequence ``first``, the check words that they lack; return how many did."""

read_checks: Callable[..., bytes] = _python_read if core is None else core.read_checks
"""``read_checks(data, at, slot_bytes, check_at, first, n)``: a byte for each of ``n`` slots: ``NONE`` where it has no
check word, ``RIGHT`` or ``WRONG``."""

assert sys.byteorder == "little"  # the words are read as the machine has them

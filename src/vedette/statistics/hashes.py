"""Which values a column held, in little room: the smallest hashes of its distinct values.

The ``kept`` smallest of the distinct hashes of a set of rows do not depend on the order of the rows, and those of
two sets together are the smallest of both ("bottom-k", "k minimum values"). How dense they lie tells how many
distinct values there were: ``statistics.distinct``.

Source: Z. Bar-Yossef, T. S. Jayram, R. Kumar, D. Sivakumar and L. Trevisan (2002), RANDOM 2002, 1-10, algorithm 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["FREE", "KEPT", "by_window", "hashes_of_names", "hashes_of_numbers", "no_hashes", "smallest"]

Hashes = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

KEPT = 256
"""Hashes of a window that are kept: 2 kB at most, for a count of distinct values that is right to 6 %."""

FREE = np.uint64(2**64 - 1)
"""What fills the room of hashes that are not there; no value has it."""

_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)
_CROWD = 4  # before the exact selection, so many times the rows that will be kept are let through
_RUN = 32  # rows of a window from which on sorting each window costs less than sorting all together


def no_hashes(n_windows: int, kept: int = KEPT) -> Hashes:
    """The hashes of no rows."""
    return np.full((n_windows, kept), FREE, dtype=np.uint64)


def hashes_of_numbers(values: npt.NDArray[np.float64]) -> Hashes:
    """A hash for each float; equal floats have equal ones, on any machine (-0.0 is 0.0).

    The bits of the float through the mixer of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA, 453-472).

    >>> bool(hashes_of_numbers(np.array([0.0]))[0] == hashes_of_numbers(np.array([-0.0]))[0])
    True
    """
    z = (values + 0.0).view(np.uint64)
    z += _STEP
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=False):
        z ^= z >> shift
        z *= factor
    z ^= z >> _SHIFTS[2]
    return np.minimum(z, FREE - np.uint64(1), out=z)


def hashes_of_names(names: Iterable[str]) -> Hashes:
    """A hash for each text, the same on any machine (BLAKE2b)."""
    digests = (
        hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names
    )
    return np.minimum(np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64), FREE - np.uint64(1))


def smallest(hashes: Hashes, window: Integers, n_windows: int, kept: int = KEPT) -> Hashes:
    """The ``kept`` smallest distinct hashes of each window, ascending, [n_windows, kept]; ``FREE`` where there are fewer.

    ``hashes`` [N] with the ``window`` of each, from 0 to ``n_windows - 1``.

    >>> smallest(np.array([7, 3, 7, 5], dtype=np.uint64), np.zeros(4, dtype=np.int64), 1, 2).tolist()
    [[3, 5]]
    """
    out = no_hashes(n_windows, kept)
    if not kept:
        return out
    # Of rows with different values, about _CROWD * kept lie below this limit; a window of which fewer distinct
    # hashes did is done again with all of its rows.
    rows = np.bincount(window, minlength=n_windows)
    many = rows > _CROWD * kept
    if not many.any():
        _select(out, hashes, window)
        return out
    share = np.minimum(_CROWD * kept / np.maximum(rows, 1), 1.0)
    limit = np.where(many, share * 2.0**63 * 1.999999, 2.0**64 - 4096).astype(np.uint64)
    near = hashes <= (limit[window] if n_windows > 1 else limit[0])
    _select(out, hashes[near], window[near])
    again = (out[:, -1] == FREE) & many
    if again.any():
        rest = again[window]
        _select(out, hashes[rest], window[rest])
    return out


def by_window(window: Integers, n_windows: int) -> Integers:
    """The order that brings rows window by window; those of a window stay as they come."""
    # of numbers this short a stable sort is one by digits
    key = window.astype(np.uint16) if n_windows <= 2**16 else window
    return np.argsort(key, kind="stable")


def _select(out: Hashes, hashes: Hashes, window: Integers) -> None:
    """Put the smallest distinct hashes of each window that has any into its row."""
    if not len(hashes):
        return
    if not (window[1:] >= window[:-1]).all():
        order = by_window(window, len(out))
        hashes, window = hashes[order], window[order]
    rows = np.bincount(window, minlength=len(out))
    some = np.flatnonzero(rows)
    end = np.cumsum(rows)[some]
    if len(hashes) >= _RUN * len(some):
        hashes = hashes.copy()
        for start, stop in zip((end - rows[some]).tolist(), end.tolist(), strict=True):
            hashes[start:stop].sort()
    else:
        order = np.argsort(hashes)
        order = order[by_window(window[order], len(out))]
        hashes = hashes[order]  # the windows are in order as they are
    fresh = np.ones(len(hashes), dtype=np.bool_)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (window[1:] != window[:-1])
    if not fresh.all():
        hashes, window = hashes[fresh], window[fresh]
        rows = np.bincount(window, minlength=len(out))
    place = np.arange(len(hashes)) - (np.cumsum(rows) - rows)[window]
    held = place < out.shape[1]
    out[window[held], place[held]] = hashes[held]

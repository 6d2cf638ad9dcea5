"""The records of this room: what a step brings, what is kept between steps, and what a judgement gives.

S counts sub-monitor rows, B coarse cells, K watches, M bets, H phases of a week (``Phases``). The rows of a watch
lie beside each other.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vedette.errors import DataError

__all__ = ["MONTH_S", "Evidence", "Measure", "Phases", "State", "Step", "Tie", "is_nothing", "nothing", "put"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int64] | slice  # numbers of rows, or all of them

MONTH_S = 30 * 86400.0
"""A month of the budget, in seconds."""

_DAY_S = 86400.0
_MAGIC = b"VDSTATE2"  # the last character is the version of the format


def put(whole: NDArray[Any], rows: Rows, part: NDArray[Any] | int) -> NDArray[Any]:
    """The array with some rows replaced; ``whole`` stays as it is, and where the rows are all of it, ``part`` is it."""
    if isinstance(rows, slice) and isinstance(part, np.ndarray):
        return part
    out = whole.copy(order="K")  # bets lie the other way in memory
    out[rows] = part
    return out


def nothing(shape: tuple[int, ...]) -> Ints:
    """Counts of zero that take no memory; not to be written to."""
    return np.broadcast_to(np.int64(0), shape)


def is_nothing(counts: Ints) -> bool:
    """True where all counts are zero."""
    return not (any(counts.strides) and bool(counts.any()))


class Measure(IntEnum):
    """What a sub-monitor row measures of its cells."""

    LOCATION = 0  # mid-ranks
    SPREAD = 1  # squared distances of the mid-ranks from the middle
    SHARE = 2  # the share of cell 1 of two


class Tie(IntEnum):
    """What a row has in common with the row before it."""

    NONE = 0
    CELLS = 1  # a column's spread counts what its location does
    POOL = 2  # and has the same pool


class Phases(NamedTuple):
    """How many phases a day and a week have with windows of some length; one where there is no such season.

    >>> Phases.of(30.0), Phases.of(720.0), Phases.of(120.0), Phases.of(30 * 86400.0)
    (Phases(day=1, week=7), Phases(day=24, week=168), Phases(day=4, week=28), Phases(day=24, week=168))
    """

    day: int
    week: int

    @classmethod
    def of(cls, windows_per_month: float) -> Phases:
        """Windows of a day have the 7 phases of a week; shorter ones, which must divide a day, those of a day too,
        of an hour at least. Windows of other lengths have one phase.
        """
        window_s = MONTH_S / windows_per_month
        by_day = _DAY_S / window_s
        if by_day < 1.0 - 1e-9 or abs(by_day - round(by_day)) > 1e-6 * by_day:
            return cls(1, 1)
        day = min(round(by_day), 24)
        return cls(day, 7 * day)

    @property
    def shortest(self) -> int:
        """Windows of the shortest season: tests are made when it is whole."""
        return self.day if self.day > 1 else self.week

    def number(self, start: float) -> int:
        """The phase of the week of a window that starts so many seconds after 1970 UTC."""
        return int(np.floor(start / _DAY_S * self.day + 1e-6)) % self.week


@dataclass(frozen=True, slots=True)
class Step:
    """What arrived since the last step, as coarse counts of every sub-monitor row.

    ``counts`` is int64[S, B], zero-padded; an arrival is handed in once, whether or not it is enough to
    be judged. ``window`` numbers the windows of arrival and must grow from step to step for a watch to be
    judged again, so that no more judgements are made than there are windows; ``start`` is the window's
    start in seconds since 1970 UTC. ``key`` names the rows and has to be the state's.
    """

    counts: Ints
    key: NDArray[np.uint64]
    window: int
    start: float


@dataclass(frozen=True, slots=True)
class State:
    """All that a strategy remembers, in arrays only, so that it can be one binary value in one row of a
    table.

    Letters in brackets are those of the formulas in ``EDetector``.
    """

    # rows
    key: NDArray[np.uint64]  # [S] name of the row, also the seed of its randomised ranks
    measure: NDArray[np.int8]  # [S] Measure
    side: NDArray[np.int8]  # [S] +1 or -1: only that direction is bad; 0: both
    tied: NDArray[np.int8]  # [S] Tie: such rows come with the counts of the row before in every step
    pool: Ints  # [S, B] the reference and all that was judged (P)
    reference: Ints  # [S, B] the reference alone
    aside: Ints  # [S, B] what was judged during an open alarm: it leaves the pool when the alarm closes
    carry: Ints  # [S, B] what arrived and was too little to be judged
    bets: Floats  # [S, M] the recursion of each bet (E), 0 for none
    cusum: Floats  # [S, M] the same bet's CUSUM, which tells when its evidence began
    begun: Floats  # [S, M] start of the window where it began
    dispersion: Floats  # [S] sum of capped squared scores (Q)
    about: Floats  # [S] sum of capped squares of the scores about their mean before (C)
    centre: Floats  # [S] mean of these scores
    judged: Ints  # [S] steps behind that sum (d)
    heights: Floats  # [S] sum of these steps' heights (h), the rows that their scores weigh
    inflation: Floats  # [S] variance inflation of the reference (v0)
    ring_n: Ints  # [S, 8] rows of the last judged windows, newest first
    ring_sum: Floats  # [S, 8] sums of their scores in sd of the reference
    ring_start: Floats  # [S, 8] their starts
    season: NDArray[np.int8]  # [S] 0: none was found, 1: of a day, 2: of a week
    phase_n: NDArray[np.float32]  # [S, H] rows of the judged windows in each phase of a week
    phase_sum: NDArray[np.float32]  # [S, H] sums of their scores in sd of the reference
    phase_squares: Floats  # [S] sum over windows of their rows times the square of their mean score
    phase_windows: Ints  # [S] windows behind these sums
    # watches
    watch_key: NDArray[np.uint64]  # [K] name of the watch
    first: Ints  # [K] its first row
    weight: Floats  # [K] its share of the budget; the sum never exceeds 1
    latched: Bools  # [K] ALARM until recovery or acceptance
    since: Floats  # [K] start of the window where the alarm's evidence, else the OK, began; nan: never
    opened: Floats  # [K] start of the window that told, nan while not latched
    tolerance: Floats  # [K] what counts as recovered, in sd of the reference, nan while not latched
    log_evidence: Floats  # [K] log of the evidence at the last step, or, while latched, of the step that told
    winner: Ints  # [K] the row with most evidence at that step
    last: Ints  # [K] number of the last judged window, -1 for none
    gap: Ints  # [K] windows between the last two judged
    waiting: Ints  # [K] rows carried over
    alarms: Ints  # [K] alarms told so far
    # the whole
    common: Floats  # [30] ring of the common dispersion of past steps (G), nan where none
    season_common: Floats  # [30] the same of rows with a season
    joined: Ints  # [1] how many times watches joined later
    windows_per_month: Floats  # [1] T
    budget: Floats  # [1] false alarms a month over all watches (B)

    @property
    def group(self) -> Ints:
        """The watch of each row."""
        if len(self.first) == len(self.key):
            return np.arange(len(self.key))
        return np.repeat(np.arange(len(self.first)), np.diff(np.append(self.first, len(self.key))))

    @property
    def log_needed(self) -> Floats:
        """log of the evidence that makes an alarm, A = T / (B weight), for each watch."""
        return np.log(self.windows_per_month / (self.budget * self.weight))

    @property
    def phases(self) -> Phases:
        """The phases of a day and of a week."""
        week = self.phase_n.shape[1]
        return Phases(max(week // 7, 1), week)

    def to_bytes(self) -> bytes:
        """The state as bytes: magic with version, length of the heading, heading in JSON, arrays (zlib)."""
        arrays = {field.name: np.ascontiguousarray(getattr(self, field.name)) for field in fields(self)}
        little = {
            name: array.astype(array.dtype.newbyteorder("<"), copy=False) for name, array in arrays.items()
        }
        heading = json.dumps(
            [[name, array.dtype.str, array.shape] for name, array in little.items()]
        ).encode()
        body = zlib.compress(b"".join(array.tobytes() for array in little.values()), 1)
        return _MAGIC + struct.pack("<I", len(heading)) + heading + body

    @classmethod
    def from_bytes(cls, data: bytes) -> State:
        """The very state that ``to_bytes`` wrote; ``DataError`` where it is damaged or of another version."""
        if data[: len(_MAGIC)] != _MAGIC:
            raise DataError(f"state begins with {data[: len(_MAGIC)]!r}: must begin with {_MAGIC!r}")
        at = len(_MAGIC) + 4
        try:
            (size,) = struct.unpack("<I", data[at - 4 : at])
            heading = json.loads(data[at : at + size])
            body = zlib.decompress(data[at + size :])
            arrays, offset = {}, 0
            for name, dtype, shape in heading:
                count = int(np.prod(shape, dtype=np.int64))
                little = np.frombuffer(body, dtype=dtype, count=count, offset=offset).reshape(shape)
                arrays[name] = little.astype(little.dtype.newbyteorder("="))
                offset += little.nbytes
            return cls(**arrays)
        except (struct.error, zlib.error, ValueError, TypeError) as error:
            raise DataError(f"state of {len(data)} bytes cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one step showed, by watch (arrays of length K).

    ``judged``: enough had arrived; else ``reason`` says why not. ``n``: rows behind the judgement, or
    waiting for one. ``log_evidence`` is log R and ``log_needed`` log A. ``alarm``: the watch opened an
    alarm in this step; ``recovered``: it closed one. Both are rare, so records are made for them alone.
    """

    judged: Bools
    reason: NDArray[np.object_]
    n: Ints
    log_evidence: Floats
    log_needed: Floats
    alarm: Bools
    recovered: Bools

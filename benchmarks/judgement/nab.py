"""How the watch of series does on the Numenta Anomaly Benchmark, with one setting and a threshold that the budget sets.

The folder is a checkout of the benchmark's data: ``data/*/*.csv`` and ``labels/combined_windows.json``. The first 15 % of
each series, at most 750 rows, are the reference; what follows is judged by all methods of ``METHODS`` under one budget a
series. Nothing is chosen by the labels: the halves, by a hash of the file's name, are there to show whether the score of
what the design was looked at with (a) differs from that of what it was not (b).

    python benchmarks/judgement/nab.py FOLDER
    python benchmarks/judgement/nab.py FOLDER --half a

The score: a detection in a window of the labels counts by its place in it, s(-1) = 1 at its first row to s(0) = 0 at its
last, the earliest of a window alone; each other detection costs its weight times s(distance to the window before it, in
widths of that window), the full weight without one; a missed window costs its weight; s(y) = 2/(1 + exp(5 y)) - 1.
100 (score - never)/(perfect - never), with "never" the score of a detector that never fires.

Source: Lavin and Ahmad (2015), "Evaluating real-time anomaly detection algorithms: the Numenta anomaly benchmark", section
III and its equations 2 to 4; the widths and the order of rows as in the benchmark's own scorer (version 1.1).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PROBATION_SHARE, PROBATION_ROWS = 0.15, 750


@dataclass(frozen=True)
class Profile:
    """What a detection in a window, one outside, and a missed window are worth."""

    found: float
    false: float
    missed: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP_rate": Profile(1.0, 0.22, 1.0),
    "reward_low_FN_rate": Profile(1.0, 0.11, 2.0),
}


@dataclass(frozen=True)
class Series:
    """A file: its name, seconds since 1970 and values of its rows, and its windows as pairs of rows, both inside."""

    name: str
    times: Floats
    values: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows that are not scored."""
        return probation(len(self.values))

    @property
    def half(self) -> str:
        """The half of the series it belongs to."""
        return "ab"[hashlib.sha256(self.name.encode()).digest()[0] % 2]


def probation(n_rows: int) -> int:
    """Rows at the start of a series that are not scored: 15 %, at most 750."""
    return min(int(PROBATION_SHARE * n_rows), PROBATION_ROWS)


def place(y: float) -> float:
    """The worth of a place: 1 well before 0, 0 at 0, -1 well behind it."""
    return -1.0 if y > 3.0 else 2.0 / (1.0 + float(np.exp(5.0 * y))) - 1.0


def score(
    fired: Bools, windows: tuple[tuple[int, int], ...], n_probation: int, profile: Profile
) -> tuple[float, int, int]:
    """The score of one series, the windows found and the detections outside.

    ``fired`` [n] marks the rows at which the detector fired; ``windows`` are first and last rows, in order.

    >>> score(np.array([False, True, False, False]), ((1, 2),), 0, PROFILES["standard"])
    (1.0, 1, 0)
    >>> score(np.array([True, False, False, False]), ((1, 2),), 0, PROFILES["standard"])
    (-1.11, 0, 1)
    """
    best = {window: -profile.missed for window in windows}
    cost, outside = 0.0, 0
    for row in np.flatnonzero(fired).tolist():
        if row < n_probation:
            continue
        inside = [window for window in windows if window[0] <= row <= window[1]]
        if inside:
            first, last = inside[0]
            worth = place(-(last - row + 1) / (last - first + 1)) / place(-1.0)
            best[inside[0]] = max(best[inside[0]], profile.found * worth)
            continue
        outside += 1
        before = [window for window in windows if window[1] < row]
        if before:
            first, last = before[-1]
            cost += profile.false * place((row - last) / (last - first))
        else:
            cost -= profile.false
    found = sum(worth > -profile.missed for worth in best.values())
    return sum(best.values()) + cost, found, outside


def normalised(scores: float, n_windows: int, profile: Profile) -> float:
    """0 for a detector that never fires, 100 for one that fires at the first row of each window alone."""
    never, perfect = -profile.missed * n_windows, profile.found * n_windows
    return 100.0 * (scores - never) / (perfect - never)


def read(folder: Path) -> list[Series]:
    """The series of the benchmark, in the order of their names."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text("utf-8"))
    return [_series(folder / "data" / name, name, labels[name]) for name in sorted(labels)]


def _series(path: Path, name: str, labels: list[list[str]]) -> Series:
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines()[1:] if line]
    times = np.array([_seconds(row[0]) for row in rows])
    windows = tuple((_row(times, first), _row(times, last)) for first, last in labels)
    return Series(name, times, np.array([float(row[1]) for row in rows]), windows)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def _row(times: Floats, label: str) -> int:
    found = np.flatnonzero(times == _seconds(label))
    if not len(found):
        raise ValueError(f"{label}: no row of the series has this time")
    return int(found[0])

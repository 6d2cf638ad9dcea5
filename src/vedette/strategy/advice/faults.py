"""Faults put into replays, on their counts: no rows are needed.

A fault moves mass between the cells of windows from its beginning on, and knows when that is. Counts stay whole numbers
and none is lost: of expected counts the sums up to each cell are rounded by one uniform number a window.

To add a fault: write a function of ``Target``, and enter it in ``FAULTS`` with the kinds of columns it can strike and the
sizes at which it is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vedette.strategy.advice.history import Column, History
from vedette.strategy.records import Floats, Ints

__all__ = ["FAULTS", "Fault", "Target", "faults_of", "inject", "moved"]

NUMBERS = frozenset({"numeric", "error", "latency", "vector"})
FEATURES = frozenset({"numeric", "category", "vector"})
LABELLED = frozenset({"quality", "error"})

_RAMP_WINDOWS = 10
_POINT = 1e-12
_TAIL_CELLS = 3.0  # a tail without a known end is taken for as many times the width of the cell beside it


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Where a fault strikes: ``counts`` [R, T, cells + 1] of a column's replays, ``after`` [R, T] windows since it began
    (negative before), ``phase`` [T], of ``period`` phases, and its ``size``.
    """

    column: Column
    counts: Ints
    after: Ints
    phase: Ints
    period: int
    size: float

    @property
    def on(self) -> Floats:
        """float64[R, T]: 1 from the beginning on."""
        return (self.after >= 0).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: what it is in words (``{}`` is the size), which kinds of columns it strikes, the sizes tried, and the
    function that gives the expected counts [R, T, cells + 1] of a target. ``unit`` says what the sizes are: sd of the
    column, a share of the rows, a factor, windows.
    """

    name: str
    words: str
    unit: str
    kinds: frozenset[str]
    sizes: tuple[float, ...]
    expected: Callable[[Target], Floats]


def inject(
    history: History,
    column: Column,
    fault: Fault,
    size: float,
    counts: Ints,
    onset: Ints,
    random: np.random.Generator,
) -> Ints:
    """The replays of a column with a fault from window ``onset`` [R] on; what comes before stays as it is.

    Raises ``ValueError`` where the fault cannot strike the column.
    """
    if column.grid.kind not in fault.kinds:
        raise ValueError(
            f"fault {fault.name!r}: strikes columns of the kind {', '.join(sorted(fault.kinds))}; "
            f"{column.source!r} is of the kind {column.grid.kind}"
        )
    t = np.arange(counts.shape[1])
    begin = history.start[-1] + history.window_s * (1 + t)
    target = Target(column, counts, t[None, :] - onset[:, None], history.phase(begin), history.period, size)
    u = random.random(counts.shape[:2])
    found = _whole(fault.expected(target), u)
    return np.where((target.after >= 0)[:, :, None], found, counts)


def _whole(expected: Floats, u: Floats) -> Ints:
    """Whole counts of these expectations, with the same sum in each window, which must be whole."""
    upto = np.floor(np.cumsum(expected, axis=-1) + u[..., None] + 1e-9)
    upto[..., -1] = np.rint(expected.sum(axis=-1))  # no rounding in the sum
    upto = np.minimum(upto, upto[..., -1:])
    return np.diff(upto, axis=-1, prepend=0.0).astype(np.int64)


def moved(column: Column, scale: float, shift: float) -> Floats:
    """float64[cells, cells]: where the mass of each cell goes when values x become ``scale x + shift``.

    Mass is taken to lie evenly in its cell; that of a tail up to the reference's least or greatest value.
    """
    edges = column.grid.edges
    n = len(edges) + 1
    ends = np.empty(n + 1)
    ends[1:-1] = edges
    widths = np.diff(edges) if n > 2 else np.ones(1)
    low, high = float(column.reference.minimum[0]), float(column.reference.maximum[0])
    ends[0] = low if low < edges[0] else edges[0] - _TAIL_CELLS * widths[0]
    ends[-1] = high if high > edges[-1] else edges[-1] + _TAIL_CELLS * widths[-1]
    a, b = scale * ends[:-1] + shift, scale * ends[1:] + shift
    a, b = np.minimum(a, b), np.maximum(a, b)
    cuts = np.concatenate([[-np.inf], edges, [np.inf]])
    flat = b - a <= _POINT * (ends[-1] - ends[0])  # the cell of a single value is a point
    width = np.where(flat, 1.0, b - a)
    overlap = np.minimum(b[:, None], cuts[None, 1:]) - np.maximum(a[:, None], cuts[None, :-1])
    matrix = np.clip(overlap / width[:, None], 0.0, 1.0)
    matrix[flat] = 0.0
    matrix[flat, np.searchsorted(edges, a[flat], side="right")] = 1.0
    return np.asarray(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1e-300))


def deviation(column: Column) -> float:
    """The standard deviation of the column's values, from its cells."""
    counts = column.counts[:, :-1].sum(axis=0).astype(np.float64)
    n = max(float(counts.sum()), 1.0)
    mean = float(counts @ column.values) / n
    return float(np.sqrt(max(float(counts @ np.square(column.values - mean)) / n, 0.0)))


def _middle(column: Column) -> float:
    """The median of the column's values, from its cells."""
    upto = np.cumsum(column.counts[:, :-1].sum(axis=0))
    return float(column.values[int(np.searchsorted(upto, 0.5 * upto[-1]))])


def _mixed(target: Target, other: Floats, weight: Floats | None = None) -> Floats:
    """The counts, of which a share (default all from the beginning on) became ``other``."""
    share = (target.on if weight is None else weight)[:, :, None]
    return np.asarray((1.0 - share) * target.counts + share * other)


def _values_moved(target: Target, scale: float, shift: float) -> Floats:
    found = target.counts.astype(np.float64)
    found[:, :, :-1] = found[:, :, :-1] @ moved(target.column, scale, shift)
    return found


def _step(target: Target) -> Floats:
    return _mixed(target, _values_moved(target, 1.0, target.size * deviation(target.column)))


def _ramp(target: Target) -> Floats:
    found, sd = target.counts.astype(np.float64), deviation(target.column)
    for done in range(1, _RAMP_WINDOWS + 1):
        own = target.after >= done - 1 if done == _RAMP_WINDOWS else target.after == done - 1
        shift = target.size * sd * done / _RAMP_WINDOWS
        found[own, :-1] = target.counts[own, :-1] @ moved(target.column, 1.0, shift)
    return found


def _spike(target: Target) -> Floats:
    whole = _values_moved(target, 1.0, target.size * deviation(target.column))
    return _mixed(target, whole, (target.after == 0).astype(np.float64))


def _variance(target: Target) -> Floats:
    factor, middle = 1.0 + target.size, _middle(target.column)
    return _mixed(target, _values_moved(target, factor, middle * (1.0 - factor)))


def _unit(target: Target) -> Floats:
    return _mixed(target, _values_moved(target, target.size, 0.0))


def _missing(target: Target) -> Floats:
    gone = target.counts.astype(np.float64)
    gone[:, :, -1] = gone.sum(axis=2)
    gone[:, :, :-1] = 0.0
    return _mixed(target, gone, target.size * target.on)


def _stuck(target: Target) -> Floats:
    """Every present row holds one value: the one in the fullest cell of the past."""
    cell = int(np.argmax(target.column.counts[:, : target.column.grid.cells].sum(axis=0)))
    held = target.counts.astype(np.float64)
    n = held[:, :, :-1].sum(axis=2)
    held[:, :, :-1] = 0.0
    held[:, :, cell] = n
    return _mixed(target, held, target.size * target.on)


def _swapped(target: Target) -> Floats:
    """A share of the rows of the two first levels change places."""
    other = target.counts.astype(np.float64)
    other[:, :, [0, 1]] = other[:, :, [1, 0]]
    return _mixed(target, other, target.size * target.on)


def _flip(target: Target) -> Floats:
    """A share of the labels become the next class."""
    return _relabelled(target, target.size * target.on, wrong_too=True)


def _accuracy(target: Target) -> Floats:
    """So many points of accuracy are lost: rows that were right become wrong."""
    grid = target.column.grid
    cube = target.counts[:, :, : grid.row_cells].reshape(*target.counts.shape[:2], *grid.shape)
    n_labels = grid.shape[1] - 1
    right = sum(cube[:, :, :, one, one].sum(axis=2) for one in range(n_labels))
    n = cube.sum(axis=(2, 3, 4))
    share = np.minimum(target.size * n / np.maximum(right, 1), 1.0) * target.on
    return _relabelled(target, share, wrong_too=False)


def _relabelled(target: Target, share: Floats, *, wrong_too: bool) -> Floats:
    """The counts, where a share [R, T] of the rows (of those that are right, else) has the next class for a label."""
    grid = target.column.grid
    found = target.counts.astype(np.float64)
    cube = found[:, :, : grid.row_cells].reshape(*found.shape[:2], *grid.shape).copy()
    n_labels = grid.shape[1] - 1
    part = cube[:, :, :, :n_labels, :].copy()
    if not wrong_too:
        for label in range(n_labels):
            others = np.arange(part.shape[4]) != label
            part[:, :, :, label, others] = 0.0
    taken = part * share[:, :, None, None, None]
    cube[:, :, :, :n_labels, :] += np.roll(taken, 1, axis=3) - taken
    found[:, :, : grid.row_cells] = cube.reshape(*found.shape[:2], grid.row_cells)
    return found


def _lost_season(target: Target) -> Floats:
    """Every phase has the mean of all: the wave is gone."""
    counts = target.counts.astype(np.float64)
    past = target.column.counts.astype(np.float64)
    shares = past.sum(axis=0) / max(past.sum(), 1.0)
    flat = counts.sum(axis=2, keepdims=True) * shares
    return _mixed(target, flat)


def _delay(target: Target) -> Floats:
    """Labels come so many windows later: none at first, then those of earlier windows."""
    late = round(target.size)
    found = target.counts.astype(np.float64)
    earlier = np.zeros_like(found)
    earlier[:, late:] = found[:, :-late]
    own = target.after >= 0
    found[own] = np.where((target.after[own] < late)[:, None], 0.0, earlier[own])
    return found


FAULTS: dict[str, Fault] = {
    one.name: one
    for one in (
        Fault("accuracy", "a drop of {} in accuracy", "share", frozenset({"quality"}), (0.01, 0.02, 0.05, 0.1), _accuracy),
        Fault("label_flip", "{} of the labels flip", "share", frozenset({"quality"}), (0.02, 0.1), _flip),
        Fault("step", "values move by {}", "sd", NUMBERS, (0.05, 0.1, 0.25, 0.5, 1.0), _step),
        Fault("ramp", "values move by {} within 10 windows", "sd", NUMBERS, (0.1, 0.25, 0.5, 1.0), _ramp),
        Fault("spike", "values move by {} for one window", "sd", NUMBERS, (0.25, 0.5, 1.0), _spike),
        Fault("variance", "values spread by {} more", "share", NUMBERS, (0.1, 0.25, 0.5, 1.0), _variance),
        Fault("missing", "{} of the values go missing", "share", FEATURES, (0.01, 0.05, 0.2), _missing),
        Fault("unit", "values are multiplied by {}", "factor", frozenset({"numeric"}), (1000.0, 1.609344), _unit),
        Fault("swapped", "{} of two categories change places", "share", frozenset({"category"}), (0.1, 0.5, 1.0), _swapped),
        Fault("stuck", "{} of the rows are stuck at one value", "share", FEATURES, (0.1, 1.0), _stuck),
        Fault("lost_season", "the season is gone", "", NUMBERS | {"category"}, (1.0,), _lost_season),
        Fault("delay", "labels come {} windows later", "windows", LABELLED, (2.0,), _delay),
    )
}  # fmt: skip
"""The faults by name, with the sizes at which each is tried."""


def faults_of(history: History, column: Column) -> tuple[tuple[Fault, float], ...]:
    """The faults and sizes that can strike a column; a season can be lost only where there is one."""
    found = []
    for fault in FAULTS.values():
        if column.grid.kind not in fault.kinds or (fault.name == "lost_season" and history.period == 1):
            continue
        if fault.name == "swapped" and len(column.grid.levels) < 2:
            continue
        if column.grid.kind in NUMBERS and (not len(column.grid.edges) or not deviation(column) > 0):
            continue
        found += [(fault, size) for size in fault.sizes]
    return tuple(found)

"""Grids: the frozen cells on which values are counted, so that counts from anywhere can be added.

A grid is cut once, on pilot rows that are not counted themselves, and never changes. Its ``id`` is a digest
of its content; summaries over grids with different ids refuse to be added.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt

__all__ = [
    "CLASSES_MAX",
    "KINDS",
    "KNOWN_MAX",
    "LEVELS_MAX",
    "Grid",
    "category_grid",
    "latency_grid",
    "merge_cells",
    "numeric_grid",
    "quality_grid",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

KINDS = ("numeric", "category", "quality", "latency")

NUMERIC_CELLS = 128  # fine enough for Wasserstein and p99, a kilobyte a window
TAIL_SHARES = np.array([1 / 256, 1 / 512, 1 / 1024])  # without them p99 and long tails have the widest cells
LEVELS_MAX = 128  # levels with a cell of their own
KNOWN_MAX = 4096  # further levels that are known, but share a cell: 4096 names are about 64 kB in a grid
CLASSES_MAX = 128  # label x prediction counts grow with the square: 128 classes are 130 kB a window
SCORE_CELLS = 128  # what DeLong's interval needs from 10,000 positives on
SCORE_PILOT_MIN = 200  # fewer pilot scores give quantiles too rough to cut 128 cells

SUMS: dict[str, tuple[str, ...]] = {}
"""What summaries of a kind add up besides counts and moments."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The cells on which one column is counted; two grids are equal where their ids are.

    ``edges`` (float64, strictly ascending, finite) are those of a numeric or latency column: cell ``i`` holds
    ``edges[i-1] <= x < edges[i]``, the first and last cell hold what lies below and above all edges. Where
    ``discrete`` is true, each value of the pilot has a cell that holds nothing else. Moments are taken about
    ``centre``. A category has a cell for each of ``levels``, one for the further ``known`` levels, and one
    for levels never seen before. A quality grid counts score bin x label x prediction: score bins are cut at
    ``score_edges``, the last is for a missing or invalid score; labels are ``classes`` and one for any other;
    predictions are ``classes``, one for any other, and one for none.

    ``id`` is 16 hexadecimal digits (BLAKE2b over the content), ``cells`` the number of cells.

    Raises ``ValueError`` where the parts do not make a grid.

    >>> grid = numeric_grid("age", np.array([20.0, 30.0, 30.0, 20.0]))
    >>> Grid.from_json(grid.to_json()) == grid, grid.cells, grid.discrete
    (True, 5, True)
    """

    column: str
    kind: str
    edges: Floats = field(default_factory=lambda: np.empty(0))
    discrete: bool = False
    centre: float = 0.0
    levels: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    score_edges: Floats = field(default_factory=lambda: np.empty(0))
    id: str = field(init=False)
    cells: int = field(init=False)

    def __post_init__(self) -> None:
        edges, score_edges = (
            _frozen_edges("edges", self.edges),
            _frozen_edges("score_edges", self.score_edges),
        )
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r}: must be one of {', '.join(KINDS)}")
        if not np.isfinite(self.centre):
            raise ValueError(f"centre={self.centre}: must be finite")
        for name, values, most in (
            ("levels", self.levels, LEVELS_MAX),
            ("known", self.known, KNOWN_MAX),
            ("classes", self.classes, CLASSES_MAX),
        ):
            if len(values) > most:
                raise ValueError(f"{name}: {len(values)} names, at most {most} are kept apart")
            if len(set(values)) != len(values):
                raise ValueError(f"{name}: names must differ from each other")
        if len({*self.levels, *self.known}) != len(self.levels) + len(self.known):
            raise ValueError("levels and known must not share a name")
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "score_edges", score_edges)
        object.__setattr__(self, "id", hashlib.blake2b(self.to_json().encode(), digest_size=8).hexdigest())
        object.__setattr__(self, "cells", self._count_cells())

    def _count_cells(self) -> int:
        match self.kind:
            case "category":
                return len(self.levels) + 2
            case "quality":
                scores, labels, predictions = self.shape
                return scores * labels * predictions
            case _:
                return len(self.edges) + 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Score bins, labels and predictions of a quality grid, in the order in which cells are laid out."""
        scores = len(self.score_edges) + 2 if len(self.score_edges) else 1
        return scores, len(self.classes) + 1, len(self.classes) + 2

    @property
    def sums(self) -> tuple[str, ...]:
        """The names of ``Summary.sums``, by the kind of the grid."""
        return SUMS.get(self.kind, ())

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """The lower and the upper bound of each numeric cell; equal where a cell holds a single value."""
        lower = np.concatenate([[-np.inf], self.edges])
        upper = np.concatenate([self.edges, [np.inf]])
        single = np.isfinite(lower) & (upper == _next(lower))
        return lower, np.where(single, lower, upper)

    def to_json(self) -> str:
        """The content as one line of canonical JSON; floats are written so that they come back to the bit."""
        content: dict[str, Any] = {
            "column": self.column,
            "kind": self.kind,
            "edges": self.edges.tolist(),
            "discrete": self.discrete,
            "centre": self.centre,
            "levels": list(self.levels),
            "known": list(self.known),
            "classes": list(self.classes),
            "score_edges": self.score_edges.tolist(),
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Grid:
        """The grid that ``to_json`` wrote; ``ValueError`` where the text is not one."""
        try:
            content = cast(dict[str, Any], json.loads(text))
            return cls(
                column=content["column"],
                kind=content["kind"],
                edges=np.array(content["edges"], dtype=np.float64),
                discrete=content["discrete"],
                centre=content["centre"],
                levels=tuple(content["levels"]),
                known=tuple(content["known"]),
                classes=tuple(content["classes"]),
                score_edges=np.array(content["score_edges"], dtype=np.float64),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the JSON of a grid: {text[:80]!r}") from error

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Grid) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)


def _frozen_edges(name: str, edges: npt.ArrayLike) -> Floats:
    frozen = np.array(edges, dtype=np.float64)
    if frozen.ndim != 1 or not np.isfinite(frozen).all() or not (frozen[1:] > frozen[:-1]).all():
        raise ValueError(f"{name}: must be finite and strictly ascending")
    frozen += 0.0  # -0.0 and 0.0 are one edge and must give one id
    frozen.flags.writeable = False
    return frozen


def numeric_grid(column: str, pilot: npt.ArrayLike) -> Grid:
    """The grid of a numeric column: about as many pilot rows in each cell, frequent values alone.

    A pilot of at most 128 distinct values, each seen twice on average or more, makes a discrete grid: every
    value its own cell, with cells for what lies between, below and above. Otherwise edges are the 127 inner
    quantiles of the pilot, three more towards either end, and its least and greatest value; a value that
    fills a 64th of the pilot is cut out into its own cell. NaN and infinities in the pilot are left out. An
    empty pilot gives edges at both signs of 64 powers between 1e-6 and 1e12, coarse but never useless.

    >>> numeric_grid("flag", [0, 1, 1, 0, 1]).cells     # below 0, 0, between, 1, above 1
    5
    >>> numeric_grid("x", np.linspace(0, 1, 2000)).cells
    136
    """
    values = np.asarray(pilot, dtype=np.float64).ravel()
    values = np.sort(values[np.isfinite(values)])
    n = len(values)
    if n == 0:
        magnitude = _rounded(10.0**exponent for exponent in np.linspace(-6, 12, 64).tolist())
        return Grid(column, "numeric", edges=np.concatenate([-magnitude[::-1], [0.0], magnitude]))
    distinct, times = np.unique(values, return_counts=True)
    discrete = len(distinct) <= NUMERIC_CELLS and 2 * len(distinct) <= n
    if discrete:
        edges = np.concatenate([distinct, _next(distinct)])
    else:
        n_cells = min(NUMERIC_CELLS, n)
        shares = np.concatenate([np.arange(1, n_cells) / n_cells, TAIL_SHARES, 1 - TAIL_SHARES])
        ranks = np.clip(np.ceil(shares * n).astype(np.int64) - 1, 0, n - 1)
        atoms = distinct[(times > 1) & (times * 64 >= n)]
        edges = np.concatenate([values[[0]], values[ranks], _next(values[[-1]]), atoms, _next(atoms)])
    edges = np.unique(edges[np.isfinite(edges)])
    return Grid(column, "numeric", edges=edges, discrete=discrete, centre=float(values[(n - 1) // 2]) + 0.0)


def _next(values: Floats) -> Floats:
    """The next float above each value; infinity where the value is the greatest float."""
    with np.errstate(over="ignore"):
        return cast(Floats, np.nextafter(values, np.inf))


def latency_grid(column: str = "latency_s") -> Grid:
    """The one grid of latencies in seconds: 255 edges in equal ratios from 1e-6 to 1e3, 256 cells.

    A cell is 8.5 % wide, so a percentile read off it is known to that or better, whatever the model.

    >>> grid = latency_grid()
    >>> grid.cells, round(float(grid.edges[1] / grid.edges[0]), 3)
    (256, 1.085)
    """
    edges = _rounded(10.0**exponent for exponent in np.linspace(-6, 3, 255).tolist())
    return Grid(column, "latency", edges=edges)


def _rounded(values: Iterable[float]) -> Floats:
    """To 12 significant digits: powers differ in the last bit between machines, and ids would with them."""
    return np.array([float(f"{value:.12g}") for value in values])


def category_grid(column: str, pilot: Mapping[str, int], known: Iterable[str] = ()) -> Grid:
    """The grid of a category: the 128 most frequent levels of the pilot, the known, the unseen.

    ``pilot`` maps levels to their counts in the pilot, ``known`` names all levels of the reference. Levels
    are sorted by frequency, then by name. Of further known levels the first 4,096 by name are kept; one
    beyond them counts as unseen, in the reference too.

    >>> grid = category_grid("country", {"de": 5, "fr": 9}, known=["fr", "it"])
    >>> grid.levels, grid.known, grid.cells
    (('fr', 'de'), ('it',), 4)
    """
    ordered = sorted(pilot, key=lambda level: (-pilot[level], level))
    levels = tuple(ordered[:LEVELS_MAX])
    further = sorted({*ordered[LEVELS_MAX:], *known} - {*levels})
    return Grid(column, "category", levels=levels, known=tuple(further[:KNOWN_MAX]))


def quality_grid(classes: Sequence[str], pilot: npt.ArrayLike | None = None, column: str = "quality") -> Grid:
    """The grid of labels against predictions, and for two classes against scores too.

    ``classes`` are the names of the classes; of two the second is positive. ``pilot`` are scores in [0, 1] of
    the positive class: 200 or more valid ones cut 128 bins at their quantiles, fewer leave 128 bins in equal
    steps of the logit from -7 to 7. With other than two classes there are no scores.

    >>> quality_grid(("no", "yes")).shape, quality_grid(("a", "b", "c")).shape
    ((129, 3, 4), (1, 4, 5))
    """
    if len(classes) != 2:
        return Grid(column, "quality", classes=tuple(classes))
    scores = np.asarray([] if pilot is None else pilot, dtype=np.float64).ravel()
    scores = np.sort(scores[(scores >= 0) & (scores <= 1)])
    n = len(scores)
    distinct = np.unique(scores)
    if n >= SCORE_PILOT_MIN and len(distinct) > SCORE_CELLS:
        ranks = np.ceil(np.arange(1, SCORE_CELLS) * n / SCORE_CELLS).astype(np.int64) - 1
        edges = np.unique(scores[ranks])
    elif n >= SCORE_PILOT_MIN and len(distinct) > 1:
        edges = distinct[1:]
    else:
        logits = np.linspace(-7, 7, SCORE_CELLS - 1).tolist()
        edges = _rounded(1 / (1 + np.exp(-logit)) for logit in logits)
    return Grid(column, "quality", classes=tuple(classes), score_edges=edges)


def merge_cells(counts: npt.ArrayLike, groups: int) -> Integers:
    """Join neighbouring cells into groups of about equal counts; returns the group of each cell.

    Cell ``i`` goes to the group in which the middle of its share of the cumulated counts falls, so a cell
    that is fuller than a group stands alone. There are ``groups`` groups or fewer, numbered from 0 without
    gaps.

    >>> merge_cells([0, 5, 5, 40, 25, 25, 0], 4).tolist()
    [0, 0, 0, 1, 2, 3, 3]
    """
    held = np.maximum(np.asarray(counts, dtype=np.float64), 0.0)
    if groups < 1:
        raise ValueError(f"groups={groups}: must be 1 or more")
    total = held.sum()
    if total == 0:
        return np.zeros(len(held), dtype=np.int64)
    middle = (np.cumsum(held) - held / 2) / total
    group = np.clip(np.floor(middle * groups), 0, groups - 1).astype(np.int64)
    return np.unique(group, return_inverse=True)[1].astype(np.int64)

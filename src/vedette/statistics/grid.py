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
from scipy import special

from vedette.statistics.sums import SUMS, direction_sums, multilabel_sums

__all__ = [
    "CLASSES_MAX",
    "DIRECTIONS",
    "DIRECTION_CELLS",
    "KINDS",
    "KNOWN_MAX",
    "LABELLED_KINDS",
    "LEVELS_MAX",
    "Grid",
    "arrival_grid",
    "category_grid",
    "error_grid",
    "latency_grid",
    "merge_cells",
    "numeric_grid",
    "quality_grid",
    "vector_grid",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DIRECTIONS = "_directions."
"""What the column begins with in which a feature's vectors are counted by their directions; no feature starts so."""

DIRECTION_CELLS = 18
"""Cells along each axis of a grid of directions."""

KINDS = (
    *("numeric", "category", "quality", "scored", "error", "latency", "vector", "arrival", "directions"),
    *("leaves", "detection", "ranking", "multilabel"),
)

LABELLED_KINDS = ("quality", "error", "detection", "ranking", "multilabel")
"""The kinds of grid on which rows are counted whose label is known."""

NUMERIC_CELLS = 128  # fine enough for Wasserstein and p99, a kilobyte a window
TAIL_SHARES = np.array([1 / 256, 1 / 512, 1 / 1024])  # without them p99 and long tails have the widest cells
ENDS = np.array(
    [1, 2, 4]
)  # ranks from either end: else one wild value makes a cell of which nothing is known
LEVELS_MAX = 128  # levels with a cell of their own
KNOWN_MAX = 4096  # further levels that are known, but share a cell: 4096 names are about 64 kB in a grid
CLASSES_MAX = 128  # label x prediction counts grow with the square: 128 classes are 130 kB a window
SCORE_CELLS = 128  # what DeLong's interval needs from 10,000 positives on
ONE_VS_REST_CLASSES = range(3, 33)  # 32 bins, the least that DeLong's interval stands, for each of 32 classes
ONE_VS_REST_CELLS = 1024  # score bins of all classes; two counts each are 16 kB a window
SCORE_QUANTILES, SCORE_TOP, SCORE_BEYOND, SCORE_LOGITS = (
    40,
    30,
    8,
    38,
)  # of two classes, with those far out 126 edges
ATOM_OF, ATOMS_MAX = 32, 16  # a score of a 32nd of the pilot or more has a bin of its own
SCORE_FAR = (7.8, 8.8, 10.0, 12.0, 15.0)  # logits: scores of a model that is much too sure
SCORE_PILOT_MIN = 200  # fewer pilot scores give quantiles too rough to cut 128 cells


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The cells on which one column is counted; two grids are equal where their ids are.

    ``edges`` (float64, strictly ascending, finite) are those of a numeric or latency column: cell ``i`` holds
    ``edges[i-1] <= x < edges[i]``, the first and last cell hold what lies below and above all edges. Where
    ``discrete`` is true, each value of the pilot has a cell that holds nothing else. Moments are taken about
    ``centre``. A category has a cell for each of ``levels``, one for the further ``known`` levels, and one
    for levels never seen before. A quality grid counts score bin x label x prediction: score bins are cut at
    ``score_edges``, the last is for a missing or invalid score; labels are ``classes`` and one for any other;
    predictions are ``classes``, one for any other, and one for none. With 3 to 32 classes the ``score_edges`` cut
    bins of the probability of each class against the others; their cells, class x score bin x (another class, this
    one), come after those of label x prediction, and count each row once for each class. An error grid has the
    ``edges`` of a numeric column of errors, prediction - label; moments of the label are taken about ``label_centre``.
    A scored grid counts score bin x prediction, as a quality grid has them, of rows whatever their label.
    A vector grid has those of a numeric column of Euclidean norms, of vectors of ``length`` elements (0: not known). An
    arrival grid has one cell, of predictions whose label had come ``length`` windows later; the others are missing.
    A grid of directions has 18 cells along each of its axes, named in ``levels``, of vectors of ``length`` elements; ``basis``
    says where they lie (``direction_grid``).
    A grid of leaves counts leaf x step of scores x prediction, of rows whatever their label: ``length`` leaves, which ``basis``
    tells apart (``unlabelled.leaf_grid``), and steps cut at ``score_edges``, the last for a missing or invalid score.
    Grids of detection, ranking and multilabel have the ``edges`` of what each labelled row lost: ``statistics.structured``.

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
    label_centre: float = 0.0
    length: int = 0
    basis: str = ""
    id: str = field(init=False)
    cells: int = field(init=False)

    def __post_init__(self) -> None:
        edges, score_edges = (
            _frozen_edges("edges", self.edges),
            _frozen_edges("score_edges", self.score_edges),
        )
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r}: must be one of {', '.join(KINDS)}")
        for name, centre in (("centre", self.centre), ("label_centre", self.label_centre)):
            if not np.isfinite(centre):
                raise ValueError(f"{name}={centre}: must be finite")
        for name, values, most in (
            ("levels", self.levels, LEVELS_MAX),
            ("known", self.known, KNOWN_MAX),
            ("classes", self.classes, KNOWN_MAX if self.kind == "multilabel" else CLASSES_MAX),
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
                classes, bins, sides = self.one_vs_rest
                return self.row_cells + classes * bins * sides
            case "scored":
                return self.shape[0] * self.shape[2]
            case "leaves":
                return self.length * self.shape[0] * self.shape[2]
            case "directions":
                return len(self.levels) * DIRECTION_CELLS
            case _:
                return len(self.edges) + 1

    @property
    def row_cells(self) -> int:
        """The number of cells, the first of all, in which each row is counted once."""
        if self.kind == "directions":
            return DIRECTION_CELLS
        if self.kind != "quality":
            return self.cells
        scores, labels, predictions = self.shape
        return scores * labels * predictions

    @property
    def shape(self) -> tuple[int, int, int]:
        """Score bins, labels and predictions of a quality grid, in the order in which cells are laid out; a scored grid
        has the first and the last of them, a grid of leaves too, of each leaf."""
        counted = len(self.classes) == 2 and (len(self.score_edges) > 0 or self.kind == "leaves")
        scores = len(self.score_edges) + 2 if counted else 1
        return scores, len(self.classes) + 1, len(self.classes) + 2

    @property
    def single_scores(self) -> npt.NDArray[np.bool_]:
        """Which score bins of a quality grid hold one value, so that rows in them are tied."""
        if self.discrete:
            return np.ones(len(self.score_edges) + 1, dtype=np.bool_)
        lower = np.concatenate([[0.0], self.score_edges])
        upper = np.concatenate([self.score_edges, [np.nextafter(1.0, 2.0)]])
        return np.asarray(np.nextafter(lower, 2.0) >= upper)

    @property
    def one_vs_rest(self) -> tuple[int, int, int]:
        """Classes, score bins and sides of the cells that come last; no classes where there are no such cells."""
        counted = len(self.classes) in ONE_VS_REST_CLASSES and len(self.score_edges)
        return (len(self.classes), len(self.score_edges) + 1, 2) if counted else (0, 0, 2)

    @property
    def sums(self) -> tuple[str, ...]:
        """The names of ``Summary.sums``, by the kind of the grid."""
        if self.kind == "directions":
            return direction_sums(len(self.levels))
        if self.kind == "multilabel":
            return multilabel_sums(len(self.classes))
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
        if self.kind == "error":  # not in the others, whose ids are older than it
            content["label_centre"] = self.label_centre
        if self.kind in ("vector", "arrival", "directions", "leaves"):
            content["length"] = self.length
        if self.kind in ("directions", "leaves"):
            content["basis"] = self.basis
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
                label_centre=content.get("label_centre", 0.0),
                length=content.get("length", 0),
                basis=content.get("basis", ""),
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


def arrival_grid(column: str, delay_windows: int) -> Grid:
    """The grid of predictions by whether their label had come so many windows later; ``ValueError`` for fewer than 0.

    >>> arrival_grid("labels", 3).cells
    1
    """
    if delay_windows < 0:
        raise ValueError(f"delay_windows={delay_windows}: must be 0 or more")
    return Grid(column, "arrival", length=int(delay_windows))


def numeric_grid(column: str, pilot: npt.ArrayLike) -> Grid:
    """The grid of a numeric column: about as many pilot rows in each cell, frequent values alone.

    A pilot of at most 128 distinct values, each seen twice on average or more, makes a discrete grid: every
    value its own cell, with cells for what lies between, below and above. Otherwise edges are the 127 inner
    quantiles of the pilot, three more towards either end, its least and greatest value, and the second, third and
    fifth from either end; a value that fills a 64th of the pilot is cut out into its own cell. NaN and infinities in
    the pilot are left out. An empty pilot gives edges at both signs of 64 powers between 1e-6 and 1e12, coarse but never useless.

    >>> numeric_grid("flag", [0, 1, 1, 0, 1]).cells     # below 0, 0, between, 1, above 1
    5
    >>> numeric_grid("x", np.linspace(0, 1, 2000)).cells
    140
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
        ranks = np.concatenate([ranks, np.minimum(ENDS, n - 1), np.maximum(n - 1 - ENDS, 0)])
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


def error_grid(label: npt.ArrayLike, prediction: npt.ArrayLike, column: str = "error") -> Grid:
    """The grid of a regression's errors, prediction - label: cells as of a numeric column, moments about 0.

    ``label`` and ``prediction`` are float64 [N] of pilot rows; those without a finite error are left out. Moments of
    the label are taken about the middle one of the pilot, so that labels far from 0 lose nothing to rounding.

    >>> grid = error_grid([1.0, 2.0, 4.0, 4.0], [2.0, 3.0, 4.0, 4.0])
    >>> grid.edges[[0, 2]].tolist(), grid.centre, grid.label_centre
    ([0.0, 1.0], 0.0, 2.0)
    """
    labels, predictions = np.asarray(label, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ValueError(
            f"labels of shape {labels.shape}, predictions of shape {predictions.shape}: must be one-dimensional "
            "and as many"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        error = predictions - labels
    told = np.sort(labels[np.isfinite(error)])
    middle = float(told[(len(told) - 1) // 2]) + 0.0 if len(told) else 0.0
    cells = numeric_grid(column, error)
    return Grid(column, "error", edges=cells.edges, discrete=cells.discrete, label_centre=middle)


def vector_grid(column: str, pilot: npt.ArrayLike, length: int) -> Grid:
    """The grid of a column of vectors of so many elements: cells as of a numeric column of their norms.

    >>> vector_grid("embedding", [1.0, 1.0, 2.0, 2.0], 384).edges[[0, 2]].tolist()
    [1.0, 2.0]
    """
    cells = numeric_grid(column, pilot)
    return Grid(
        column, "vector", edges=cells.edges, discrete=cells.discrete, centre=cells.centre, length=length
    )


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
    """The grid of labels against predictions, and against scores.

    ``classes`` are the names of the classes; of two the second is positive. ``pilot`` are scores in [0, 1]: of two
    classes those of the positive class [N], of more those of all classes in their order [N, K]. 200 or more valid ones
    cut 128 bins: 40 edges at their quantiles, 30 at ranks from the greatest on that grow by equal ratios and 8 above it
    (where rare positives are: a change of precision goes with the logarithm of the rank), 38 in equal steps of the logit
    from -7 to 7 and 10 beyond, to 15 (logits have no edges where all scores are alike, quantiles none where the next
    windows' may be); a score of a 32nd of the pilot or more has a bin of its own besides. Where they have at most 128
    values each has a bin, and the grid is ``discrete``. Fewer valid scores
    leave 128 steps of the logit from -20 to 20.
    With 3 to 32 classes there are 128 to 32 bins, the same for all, and no more than 1,024 in all: half are cut where
    the rows of a class are to be expected, a quarter at quantiles of scores that are not the greatest of their row, the
    rest at logits; with one class, or more than 32, there are none.

    >>> quality_grid(("no", "yes")).shape, quality_grid(("a", "b", "c")).shape
    ((129, 3, 4), (1, 4, 5))
    >>> quality_grid(("a", "b", "c")).one_vs_rest
    (3, 128, 2)
    """
    names = tuple(classes)
    scores = np.asarray([] if pilot is None else pilot, dtype=np.float64)
    if len(names) == 2:
        edges, discrete = _score_edges(scores.ravel())
        return Grid(column, "quality", classes=names, score_edges=edges, discrete=discrete)
    if len(names) not in ONE_VS_REST_CLASSES:
        return Grid(column, "quality", classes=names)
    valid = scores.reshape(-1, len(names)) if scores.ndim == 2 else np.empty((0, len(names)))
    valid = valid[((valid >= 0) & (valid <= 1)).all(axis=1)]
    return Grid(column, "quality", classes=names, score_edges=_one_vs_rest_edges(valid, len(names)))


def _one_vs_rest_edges(scores: Floats, classes: int) -> Floats:
    """The edges of the scores [N, K] of several classes."""
    bins = min(SCORE_CELLS, 2 ** int(np.log2(ONE_VS_REST_CELLS // classes)))
    if len(scores) < SCORE_PILOT_MIN:
        return _wide_logit_edges(bins - 1)
    ordered, others = np.sort(scores, axis=None), np.sort(np.sort(scores, axis=1)[:, :-1], axis=None)
    half, quarter = (np.arange(1, bins // part) * part / bins for part in (2, 4))
    expected = np.cumsum(ordered)  # each score is as many rows of its class as it says
    own = ordered[np.searchsorted(expected, half * expected[-1])]
    rest = others[np.ceil(quarter * len(others)).astype(np.int64) - 1]
    edges = np.unique(np.concatenate([own, rest, _at_logits(_logits(bins // 4 + 1))]))
    return edges[edges > 0]


def _score_edges(scores: Floats) -> tuple[Floats, bool]:
    """The edges of the scores of two classes, and whether each score has a bin of its own."""
    scores = np.sort(scores[(scores >= 0) & (scores <= 1)])
    n = len(scores)
    distinct = np.unique(scores)
    if n >= SCORE_PILOT_MIN and len(distinct) > SCORE_CELLS:
        ranks = np.ceil(np.arange(1, SCORE_QUANTILES + 1) * n / (SCORE_QUANTILES + 1)).astype(np.int64) - 1
        from_top = np.rint(np.geomspace(1, n / 2, SCORE_TOP)).astype(np.int64)
        logits = _at_logits([*_logits(SCORE_LOGITS), *SCORE_FAR, *(-far for far in SCORE_FAR)])
        times = np.unique(scores, return_counts=True)[1]
        atoms = distinct[times * ATOM_OF >= n][:ATOMS_MAX]  # saturated scores, 0 and 1 above all, are ties
        edges = [scores[ranks], scores[n - from_top], _beyond(scores), logits, atoms, _next(atoms)]
        cut = np.unique(np.concatenate(edges))
        return cut[(cut > 0) & (cut <= 1)], False
    if n >= SCORE_PILOT_MIN and len(distinct) > 1:
        return distinct[1:], True
    return _wide_logit_edges(SCORE_CELLS - 1), False


def _beyond(scores: Floats) -> Floats:
    """Edges above the greatest of a pilot's scores, in steps that its highest twentieth takes six of."""
    high = special.logit(np.clip(scores[[-1, int(len(scores) * 0.95)]], 1e-12, 1 - 1e-12))
    return _at_logits(high[0] + (high[0] - high[1]) * np.arange(1, SCORE_BEYOND + 1) / 6)


def _wide_logit_edges(count: int) -> Floats:
    """Without a pilot: to logits of -20 and 20, in the middle as narrow as equal steps from -7 to 7 would be."""
    return _at_logits(20 * np.sinh(np.linspace(-2.766, 2.766, count)) / np.sinh(2.766))


def _logits(count: int) -> Floats:
    return np.linspace(-7, 7, count)


def _at_logits(logits: Iterable[float]) -> Floats:
    return _rounded(1 / (1 + np.exp(-logit)) for logit in logits)


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

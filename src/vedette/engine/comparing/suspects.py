"""Why a challenger does worse: what is another with it than with the champion, in the same windows.

Where chance alone decides which version gets a request, both get the same inputs. What the challenger records otherwise was made
on its way: a column that no longer comes, values in another unit, a preprocessing that was forgotten. Only what is surely
different, and by a share of rows that matters, is named, the likeliest cause first.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from vedette.engine.comparing.counted import Both
from vedette.engine.explained_rows import is_feature
from vedette.engine.stability.behaviour import memory
from vedette.engine.stored import of_frame
from vedette.engine.summarise import QUALITY
from vedette.engine.view import View
from vedette.lake.tables import Lake
from vedette.records import Status
from vedette.records.comparing import Difference, Suspect
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.strategy.versions import Rates

__all__ = ["LEAKING", "OF_INPUTS", "leaking", "suspects_of"]

Floats = npt.NDArray[np.float64]

BINS = 10
ALPHA = 0.01
"""How often anything is named where both versions record the same, over all columns together."""

MATTERS = 0.03
"""The share of rows that must lie elsewhere."""

OF_INPUTS = frozenset({"schema", "missing", "scaled", "shifted", "changed"})
"""Kinds that say that the inputs are not the same."""

LEAKING = "leaking"

_MISSING_ALL = 0.95
_SAME = 0.05  # of a factor: what is nearer to 1 is no change of unit
_ORDER = ("schema", "missing", "scaled", "shifted", "changed", "swapped classes", LEAKING, "slow", "errors")


def suspects_of(seen: View, both: Both, found: tuple[Difference, ...]) -> tuple[Suspect, ...]:
    """What is surely another with the challenger; ``seen`` has the summaries of all columns."""
    named = [*_schema(seen, both)]
    gone = {one.column for one in named}
    columns = {
        name: grid
        for name, grid in sorted(seen.shape.grids.items())
        if is_feature(name, grid) and name not in gone
    }
    for name, grid in columns.items():
        one_sided = _one_sided(seen, both, name, grid)
        if one_sided is not None:
            named.append(one_sided)
            continue
        counted = _Counted.of(seen, both, name, grid)
        if counted is not None:
            named += counted.named(2 * (BINS + 1) * max(len(columns), 1))
    named += _swapped(seen, both)
    for one in found:
        if one.claim == "worse" and one.figure.startswith("latency"):
            named.append(Suspect("slow", None, f"{one.figure} is {_apart(one)}"))
        elif one.claim == "worse" and one.figure == "error_rate":
            named.append(Suspect("errors", None, f"error_rate is {_apart(one)}"))
    return tuple(sorted(named, key=lambda one: _ORDER.index(one.kind)))


def leaking(lake: Lake, model: str, both: Both, until: datetime) -> list[Suspect]:
    """That the process of the challenger grows and goes on growing, and that of the champion does not; of those that tell."""
    grown = []
    for version in both.versions:
        found = memory(lake, model, both.first, until, version)
        grown.append([one for one in found if one.name == "memory_growth_bytes_per_day"])
    bad = [one for one in grown[1] if one.verdict in (Status.WARN, Status.ALARM)]
    if not bad or any(one.verdict in (Status.WARN, Status.ALARM) for one in grown[0]):
        return []
    most = max(bad, key=lambda one: one.value or 0.0)
    return [Suspect(LEAKING, None, f"memory grows by {(most.value or 0.0) / 1e6:,.0f} MB a day ({most.of})")]


def _apart(one: Difference) -> str:
    return f"{one.challenger:.4g} in place of {one.champion:.4g}"


def _schema(seen: View, both: Both) -> list[Suspect]:
    """Columns that came, went or changed their type with the challenger, as the events of the lake have it."""
    words = {
        "column_vanished": "column {!r} does not come",
        "column_appeared": "column {!r} is new",
        "type_changed": "column {!r} has another type",
    }
    events = (
        seen.tables["events"]
        .scan()
        .filter(pl.col("kind").is_in(list(words)) & (pl.col("version") == both.versions[1]))
        .sort("time", maintain_order=True)
        .collect()
    )
    last = {row["name"]: row["kind"] for row in events.iter_rows(named=True)}
    other = (
        seen.tables["events"]
        .scan()
        .filter(pl.col("kind").is_in(list(words)) & (pl.col("version") == both.versions[0]))
        .collect()
    )
    known = set(zip(other["name"], other["kind"], strict=True))
    return [
        Suspect("schema", name, words[kind].format(name))
        for name, kind in last.items()
        if (name, kind) not in known
    ]


def _one_sided(seen: View, both: Both, name: str, grid: Grid) -> Suspect | None:
    """That only one of the two has a column."""
    rows = seen.summaries.filter(both.keep() & (pl.col("column") == name) & (pl.col("grid") == grid.id))
    there = [bool((rows["version"] == version).any()) for version in both.versions]
    if there == [True, False]:
        return Suspect("schema", name, f"column {name!r} does not come")
    return Suspect("schema", name, f"column {name!r} is new") if there == [False, True] else None


class _Counted:
    """A column of both versions by window: rows, missing ones, and rows by a few bins."""

    def __init__(self, name: str, grid: Grid, by: Summary) -> None:
        self.name, self.grid = name, grid
        self.by = by  # windows by version: the champion of window w is 2 w, the challenger 2 w + 1

    @classmethod
    def of(cls, seen: View, both: Both, name: str, grid: Grid) -> _Counted | None:
        rows = seen.summaries.filter(both.keep() & (pl.col("column") == name) & (pl.col("grid") == grid.id))
        if rows["version"].n_unique() < 2 or not (rows["weight"] == 1.0).all():
            return None
        starts, place = np.unique(rows["start"].dt.timestamp("us").to_numpy(), return_inverse=True)
        at = place * 2 + (rows["version"] == both.versions[1]).to_numpy()
        return cls(name, grid, of_frame(rows.drop("hashes", strict=False), grid).grouped(at, 2 * len(starts)))

    def named(self, asked: int) -> list[Suspect]:
        """What is surely another, ``asked`` questions being asked in all."""
        rows = self.by.rows
        missing = self.by.missing + self.by.nan
        share = [missing[side::2].sum() / max(rows[side::2].sum(), 1) for side in (0, 1)]
        if abs(share[1] - share[0]) >= MATTERS and self._differs(missing[None], rows, asked).any():
            kind = "schema" if share[1] >= _MISSING_ALL > share[0] else "missing"
            return [
                Suspect(
                    kind,
                    self.name,
                    f"{self.name} is missing in {share[1]:.1%} of rows, {share[0]:.1%} before",
                )
            ]
        bins = self._bins()
        n = bins.sum(axis=0)
        shares = np.array([bins[:, side::2].sum(axis=1) / max(n[side::2].sum(), 1) for side in (0, 1)])
        if (
            np.abs(shares[1] - shares[0]).max(initial=0.0) < MATTERS
            or not self._differs(bins, n, asked).any()
        ):
            return []
        return [self._how(shares)]

    def _differs(self, hits: np.ndarray, n: np.ndarray, asked: int) -> npt.NDArray[np.bool_]:
        """Which of some shares of rows, [shares, 2 windows], are surely others with the challenger."""
        every = np.broadcast_to(n, hits.shape)
        looks = Rates(hits[:, 0::2], every[:, 0::2], hits[:, 1::2], every[:, 1::2], first=0.1)
        found = [looks.log_evidence(0.0, above=above, smallest=MATTERS)[..., -1] for above in (True, False)]
        return np.asarray(np.maximum(*found) >= np.log(asked / ALPHA))

    def _bins(self) -> np.ndarray:
        """Rows by bin, [bins, 2 windows]: levels as they are, cells of numbers together where few rows lie."""
        counts = self.by.counts[:, : self.grid.row_cells].T
        if self.grid.kind == "category":
            order = np.argsort(-counts.sum(axis=1), kind="stable")
            kept, rest = order[:BINS], order[BINS:]
            return np.concatenate([counts[kept], counts[rest].sum(axis=0, keepdims=True)])
        whole = np.cumsum(counts.sum(axis=1))
        place = np.minimum(
            ((whole - counts.sum(axis=1) / 2) / max(whole[-1], 1) * BINS).astype(np.int64), BINS - 1
        )
        out = np.zeros((BINS, counts.shape[1]), dtype=np.int64)
        np.add.at(out, place, counts)
        return out

    def _how(self, shares: np.ndarray) -> Suspect:
        """In which way a column is another one, in words."""
        if self.grid.kind == "category":
            apart = shares[1] - shares[0]
            most = int(np.abs(apart).argmax())
            order = np.argsort(-self.by.counts[:, : self.grid.row_cells].sum(axis=0), kind="stable")
            cell = int(order[most]) if most < min(BINS, len(order)) else -1
            level = self.grid.levels[cell] if 0 <= cell < len(self.grid.levels) else "other levels"
            words = f"{self.name}={level} in {shares[1][most]:.1%} of rows, {shares[0][most]:.1%} before"
            return Suspect("changed", self.name, words)
        (mean, sd, _), (mean_other, sd_other, n_other) = (self._moments(side) for side in (0, 1))
        factor = sd_other / sd if sd > 0 else np.nan
        off = 4 * sd_other / np.sqrt(max(n_other, 1)) + _SAME * abs(mean_other)
        if np.isfinite(factor) and abs(np.log(factor)) > _SAME and abs(mean_other - factor * mean) <= off:
            if abs(mean) > sd / 2:  # means are surer than spreads
                factor = mean_other / mean
            return Suspect("scaled", self.name, f"{self.name} is about {factor:.3g} times what it was")
        if np.isfinite(factor) and abs(np.log(factor)) <= _SAME:
            return Suspect("shifted", self.name, f"{self.name} is {mean_other - mean:+.4g} on average")
        words = (
            f"{self.name} has mean {mean_other:.4g} and spread {sd_other:.4g}, {mean:.4g} and {sd:.4g} before"
        )
        return Suspect("changed", self.name, words)

    def _moments(self, side: int) -> tuple[float, float, int]:
        n = int(self.by.used[side::2].sum())
        total, squares = float(self.by.total[side::2].sum()), float(self.by.squares[side::2].sum())
        mean = total / max(n, 1)
        return mean + self.grid.centre, float(np.sqrt(max(squares / max(n, 1) - mean**2, 0.0))), n


def _swapped(seen: View, both: Both) -> list[Suspect]:
    """Two classes that the challenger takes for each other: its table of label and prediction is the champion's with two columns
    exchanged."""
    grid = seen.shape.all_grids.get(QUALITY)
    if grid is None:
        return []
    rows = seen.summaries.filter(both.keep() & (pl.col("column") == QUALITY) & (pl.col("grid") == grid.id))
    if rows["version"].n_unique() < 2:
        return []
    at = (rows["version"] == both.versions[1]).cast(pl.Int64).to_numpy()
    summary = of_frame(rows.drop("hashes", strict=False), grid).grouped(at, 2)
    size = len(grid.classes)
    tables = np.maximum(summary.cube.sum(axis=1)[:, :size, :size], 0).astype(np.float64)
    seen_labels = tables.sum(axis=2)
    if (seen_labels < 10).any():
        return []
    one, other = (table / table.sum(axis=1, keepdims=True) for table in tables)
    best: tuple[float, int, int] | None = None
    for i in range(size):
        for j in range(i + 1, size):
            order = list(range(size))
            order[i], order[j] = j, i
            apart = float(np.abs(other[:, order] - one).sum())
            if best is None or apart < best[0]:
                best = apart, i, j
    before = float(np.abs(other - one).sum())
    noise = 2.0 * float(np.sqrt(1.0 / seen_labels).sum())
    if best is None or before < 0.4 or best[0] > max(0.25 * before, noise) or best[0] > 0.5 * before:
        return []
    names = f"{grid.classes[best[1]]!r} and {grid.classes[best[2]]!r}"
    return [Suspect("swapped classes", None, f"classes {names} are exchanged")]

"""Two columns that changed places: the rows of each fit the other's reference and not their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vedette.statistics.summary import Summary
from vedette.strategy.causes import distance

__all__ = ["swapped", "swapped_levels"]

_ROWS_MIN = 50
_CLEARER = 0.1  # by so much the own reference must fit worse than the other's, on a scale of 0 to 1
_SLACK = 0.03


def swapped(reference: Mapping[str, Summary], current: Mapping[str, Summary]) -> tuple[tuple[str, str], ...]:
    """The pairs of numeric columns that changed places, by name; each column is in one pair at most.

    Summaries by column, of several windows together. Kolmogorov's distance of the current rows of each of the two from
    the other's reference is at most 0.03 + 1.6 sqrt(1/n + 1/m), and their distance from their own is larger by 0.1 at
    least. Columns whose references are alike cannot be told apart, and are not named. Columns with fewer than 50 rows
    on a side are left out, as are those of other kinds (see ``swapped_levels``).

    >>> from vedette.statistics import numeric_grid, summarise_numeric
    >>> age, height = np.linspace(18, 90, 500), np.linspace(150, 200, 500)
    >>> grids = {"age": numeric_grid("age", age[::2]), "height": numeric_grid("height", height[::2])}
    >>> before = {"age": summarise_numeric(grids["age"], age), "height": summarise_numeric(grids["height"], height)}
    >>> now = {"age": summarise_numeric(grids["age"], height), "height": summarise_numeric(grids["height"], age)}
    >>> swapped(before, now), swapped(before, before)
    ((('age', 'height'),), ())
    """
    old, new = {}, {}
    for name in [name for name in reference if name in current]:
        before, now = reference[name].merged(), current[name].merged()
        if before.grid.kind != "numeric" or now.grid != before.grid:
            continue
        if min(int(before.used[0]), int(now.used[0])) >= _ROWS_MIN:
            old[name], new[name] = before, now
    own = {name: distance(old[name], new[name], 1.0, 0.0) for name in old}
    moved = [name for name in own if own[name] > _CLEARER]

    def misfit(one: str, other: str) -> float:
        """The distance of the rows of one from the reference of the other; infinite where that does not fit."""
        noise = float(np.sqrt(1.0 / old[other].used[0] + 1.0 / new[one].used[0]))
        found = distance(old[other], new[one], 1.0, 0.0)
        return found if found <= _SLACK + 1.6 * noise and own[one] >= found + _CLEARER else np.inf

    pairs = [
        (max(misfit(one, other), misfit(other, one)), one, other)
        for at, one in enumerate(moved)
        for other in moved[at + 1 :]
    ]
    return _best(pairs)


def swapped_levels(
    reference: Mapping[str, Mapping[str, int]], current: Mapping[str, Mapping[str, int]]
) -> tuple[tuple[str, str], ...]:
    """The same of columns of categories, each as rows by level: by the total variation distance.

    Of independent rows its mean is about sum_l sqrt(p_l (1 - p_l) (1/n + 1/m) / (2 pi)); what fits lies within twice
    that and 0.03.

    >>> before = {"from": {"EWR": 500, "JFK": 400, "LGA": 100}, "to": {"ATL": 300, "ORD": 700}}
    >>> swapped_levels(before, {"from": before["to"], "to": before["from"]})
    (('from', 'to'),)
    """
    names = [
        name
        for name in reference
        if name in current and min(sum(reference[name].values()), sum(current[name].values())) >= _ROWS_MIN
    ]
    own = {name: _variation(reference[name], current[name])[0] for name in names}
    moved = [name for name in names if own[name] > _CLEARER]

    def misfit(one: str, other: str) -> float:
        found, noise = _variation(reference[other], current[one])
        return found if found <= _SLACK + 2.0 * noise and own[one] >= found + _CLEARER else np.inf

    return _best(
        [
            (max(misfit(one, other), misfit(other, one)), one, other)
            for at, one in enumerate(moved)
            for other in moved[at + 1 :]
        ]
    )


def _variation(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[float, float]:
    """The total variation distance, and about what it would be by chance."""
    levels = list(dict.fromkeys([*before, *now]))
    counts = np.array([[side.get(level, 0) for level in levels] for side in (before, now)], dtype=np.float64)
    n, m = counts.sum(axis=1)
    p, q = counts[0] / n, counts[1] / m
    pooled = counts.sum(axis=0) / (n + m)
    noise = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m) / (2 * np.pi)).sum()
    return float(np.abs(p - q).sum() / 2), float(noise)


def _best(pairs: list[tuple[float, str, str]]) -> tuple[tuple[str, str], ...]:
    """The pairs that fit, the best first, none of a column that is taken."""
    found: list[tuple[str, str]] = []
    taken: set[str] = set()
    for misfit, one, other in sorted(pairs):
        if np.isfinite(misfit) and not taken & {one, other}:
            found.append((one, other))
            taken |= {one, other}
    return tuple(found)

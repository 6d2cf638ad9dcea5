"""Tolerances in the data's own unit, and what they are in standard deviations of a watch's score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vedette.statistics.summary import Summary
from vedette.strategy.causes import distribution
from vedette.strategy.latch import effects
from vedette.strategy.records import Bools, Floats, Measure, State
from vedette.strategy.scores import reference_scores, reference_share
from vedette.strategy.watches import Plan, Watch

__all__ = ["check_tolerance", "minor", "said_of", "tolerances"]

_MOVED = ("location", "bias")  # kinds whose score follows a shift of the values


def check_tolerance(said: Mapping[str, object]) -> dict[str, float]:
    """The tolerances by watch or column, or ``ValueError`` for one that is no number above 0."""
    for name, value in said.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ValueError(
                f"tolerance of {name}: {value!r}: must be a number above 0, in the data's own unit"
            )
    return {name: float(value) for name, value in said.items()}  # type: ignore[arg-type]


def said_of(watch: Watch, said: Mapping[str, float]) -> float | None:
    """The tolerance of a watch, in the unit of the data: by its name, else by its column where that is a location.

    >>> watch = Watch("age.location", "age", "location", 0, ("location",))
    >>> said_of(watch, {"age": 2.0}), said_of(watch, {"age.location": 1.0, "age": 2.0}), said_of(watch, {"x": 1.0})
    (2.0, 1.0, None)
    """
    if watch.id in said:
        return said[watch.id]
    by_column = watch.id.rpartition(".")[0] if watch.kind in (*_MOVED, "mix") else ""
    return said.get(by_column) if by_column else None


def tolerances(plan: Plan, reference: Mapping[str, Summary], said: Mapping[str, float]) -> Floats:
    """float64[K]: the tolerance of each watch in standard deviations of its score, NaN where none was said.

    Of a share, said as a share, it is divided by sqrt(p (1 - p)), with p that of the reference (of a mix the least over
    its levels). Of a location, said in the unit of the column, it is by how much the mean score of the reference would
    move if all its values moved by so much, the lesser of up and down. Spreads have none: their score has no unit.
    """
    out = np.full(len(plan.watches), np.nan)
    counts = plan.counts(reference)
    for k, watch in enumerate(plan.watches):
        value = said_of(watch, said)
        if value is None:
            continue
        rows = range(int(plan.first[k]), int(plan.first[k]) + len(watch.rows))
        if plan.measure[rows[0]] == Measure.SHARE:
            share = reference_share(counts[list(rows)])
            out[k] = float((value / np.sqrt(share * (1.0 - share))).min())
        elif watch.kind in _MOVED or (watch.kind == "location"):
            out[k] = _shifted(plan, rows[0], reference[watch.source].merged(), value, counts[rows[0]])
    return out


def _shifted(plan: Plan, row: int, summary: Summary, by: float, counts: np.ndarray) -> float:
    """By how much the mean score moves where all values move, the lesser of up and down."""
    scores = reference_scores(counts[None, :], plan.measure[row : row + 1])[0]
    cells = plan.cells[row][: summary.grid.cells]
    moved = []
    for sign in (-1.0, 1.0):
        at_edges = distribution(summary, summary.grid.edges - sign * by)
        mass = np.diff(np.concatenate([[0.0], at_edges, [1.0]]))
        moved.append(abs(float(scores[cells] @ mass)))
    return min(moved)


def minor(state: State, limits: Floats) -> Bools:
    """Which open alarms are of a change within its tolerance ``limits`` [K] (NaN: none was said), as it was estimated
    over the windows since its evidence began.
    """
    held = state.latched & ~np.isnan(limits)
    if not bool(held.any()):
        return held
    found = effects(state, np.ones(len(state.key)), state.since[state.group])
    largest = np.maximum.reduceat(np.nan_to_num(np.abs(found.value)), state.first)
    return held & (largest <= limits)

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

__all__ = ["minor", "said_of", "tolerances", "unknown_of"]

_MOVED = ("location", "bias")  # kinds whose score follows a shift of the values
_UNITLESS = ("spread", "errors", "direction", "shape")


def said_of(watch: Watch, said: Mapping[str, float]) -> float | None:
    """The tolerance of a watch, in the unit of the data: by its name, else by its column where that is a location.

    >>> watch = Watch("age.location", "age", "location", 0, ("location",))
    >>> said_of(watch, {"age": 2.0}), said_of(watch, {"age.location": 1.0, "age": 2.0}), said_of(watch, {"x": 1.0})
    (2.0, 1.0, None)
    """
    if watch.id in said:
        return said[watch.id]
    return said.get(_column_of(watch)) if watch.kind in (*_MOVED, "mix") else None


def _column_of(watch: Watch) -> str:
    """What a watch is of, as its name says it; of the model's own (accuracy) its name."""
    return watch.id.rpartition(".")[0] or watch.id


def unknown_of(plan: Plan, said: Mapping[str, float]) -> dict[str, str]:
    """Of tolerances that no watch has, why: by the name under which each was said."""
    used = {watch.id for watch in plan.watches if watch.id in said and watch.kind not in _UNITLESS}
    used |= {_column_of(watch) for watch in plan.watches if watch.kind in (*_MOVED, "mix")}
    out = {}
    for name in said:
        if any(watch.id == name and watch.kind in _UNITLESS for watch in plan.watches):
            out[name] = f"tolerance {name!r}: the score of a spread has no unit: say one of its location"
        elif name not in used:
            names = ", ".join(sorted({_column_of(watch) for watch in plan.watches} - {""})) or "none"
            out[name] = f"tolerance {name!r}: no column or watch of that name has one; there are {names}"
    return out


def tolerances(
    plan: Plan, reference: Mapping[str, Summary], said: Mapping[str, float], state: State
) -> Floats:
    """float64[S]: the tolerance of each row in standard deviations of its score, NaN where none was said.

    Of a share, said as a share, it is divided by sqrt(p (1 - p)), with p that of the state's reference; of a mix for each
    level. Of a location, said in the unit of the column, it is by how much the mean score would move if all values of
    the reference moved by so much, the lesser of up and down. Spreads have none: their score has no unit. A state
    without watches gives an empty array.
    """
    out = np.full(len(plan.key), np.nan)
    for k, watch in enumerate(plan.watches):
        value = said_of(watch, said)
        if value is None or watch.kind in _UNITLESS:
            continue
        rows = np.arange(int(plan.first[k]), int(plan.first[k]) + len(watch.rows))
        if plan.measure[rows[0]] == Measure.SHARE:
            share = reference_share(state.reference[rows])
            out[rows] = value / np.sqrt(share * (1.0 - share))
        else:
            out[rows] = _shifted(plan, int(rows[0]), reference[watch.source].merged(), value, state)
    return out


def _shifted(plan: Plan, row: int, summary: Summary, by: float, state: State) -> float:
    """By how much the mean score moves where all values move, the lesser of up and down."""
    scores = reference_scores(state.reference[row : row + 1], plan.measure[row : row + 1])[0]
    cells = plan.cells[row][: summary.grid.cells]

    def mean(shift: float) -> float:
        at_edges = distribution(summary, summary.grid.edges - shift)
        return float(scores[cells] @ np.diff(np.concatenate([[0.0], at_edges, [1.0]])))

    return min(abs(mean(sign * by) - mean(0.0)) for sign in (-1.0, 1.0))


def minor(state: State, limits: Floats) -> Bools:
    """Which open alarms are of a change within its tolerance ``limits`` [S] (NaN: none was said), as it was estimated
    over the windows since its evidence began; of a watch of several rows, where each of its rows is.
    """
    held = state.latched.copy()
    if not bool(held.any()) or not bool((~np.isnan(limits)).any()):
        return np.zeros_like(held)
    found = effects(state, np.ones(len(state.key)), state.since[state.group])
    with np.errstate(invalid="ignore"):
        inside = np.abs(np.nan_to_num(found.value)) <= limits
    return held & np.logical_and.reduceat(inside, state.first)

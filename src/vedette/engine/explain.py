"""Why a watch fired: where, of what the change is made, since when, which fault, and what else happened."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.coincident import coincident
from vedette.engine.direction_columns import feature_of
from vedette.engine.explained_rows import Around, around, outcome_words
from vedette.engine.judge import reference_plan
from vedette.engine.outputs import own_columns
from vedette.engine.query import Query
from vedette.engine.stability.facts import is_fact
from vedette.engine.state import NEVER, Kept, kept_row
from vedette.engine.stored import levels_of, utc
from vedette.engine.summarise import LABELLED
from vedette.engine.view import View, view
from vedette.lake.events import schema_words
from vedette.lake.tables import Lake
from vedette.output.explanation import Began, Explanation
from vedette.records import RESERVED, AlertState, Status
from vedette.statistics.cells import Cells, cells_of
from vedette.statistics.decomposition import Decomposition, decompose
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.strategy.change_time import began
from vedette.strategy.concept import concept
from vedette.strategy.renamed import renamed
from vedette.strategy.scores import reference_scores
from vedette.strategy.segment_search import Levels, Search, search
from vedette.strategy.swapped import swapped, swapped_levels

__all__ = ["explain"]

ROWS_MAX = 100_000
"""Rows on either side of a change that are read, those nearest to it."""

LEAST_NATS = 2.0
_REFERENCE_WINDOWS = 8.0  # a reference is worth no more windows than it says of their dispersion
_CELLS_MAX = 400  # of a split
_WINDOWS_BEFORE = 3  # in which a fault of another column is told to be older
_LABELLED_KINDS = ("accuracy", "bias", "errors", "quality", "hits")


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """The detectors as the last round left them."""

    plan: strategy.Plan
    state: strategy.State
    reference: Mapping[str, Summary]
    kept: Kept


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """What is explained, and what is needed for it."""

    watch: strategy.Watch
    verdict: Mapping[str, Any]
    level: str  # of a mix: which
    plan: strategy.Plan
    state: strategy.State
    reference: Mapping[str, Summary]
    kept: Kept
    row: int


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """A watch by window of event time: the score of its leading row, and the rows."""

    starts: Sequence[datetime]
    values: np.ndarray
    n: np.ndarray


def explain(lake: Lake, model: str, watch: str | None = None) -> Explanation | None:
    """Why a watch fired, as the last round left it; None where nothing is asked for by name and nothing alarms.

    ``watch`` is the name of a watch, ``x.location`` or ``x.location [region=north]``, or the id of an alert; default is
    the alarm with the most evidence, and the others are named. What has words of its own (a rule, a series, columns that
    no longer come) is told in these, with what else happened then. Rows of before and after the likeliest beginning are
    compared, 100,000 on either side at most; the reference is kept as counts alone, so that where a change was there from
    the first window on, there are no rows of before, and that is said. Raises ``ValueError`` for a watch that there is not.
    """
    seen = view(lake, model, Query(metrics=("rows",)))
    named = None if watch is None else _named(seen, watch)
    if named is not None and is_fact(named[0]):
        return _in_own_words(seen, model, named, _fact(seen, named[0]), ())
    kept = kept_row(seen.tables, series=False)
    if kept is None:
        if watch is None:
            return None
        raise ValueError(f"watch={watch!r}: nothing of {model} was judged yet")
    verdicts = {(row["watch"], row["segment"]): row for row in json.loads(kept.verdicts)}
    alarms = [key for key, row in verdicts.items() if row["verdict"] == Status.ALARM]
    if watch is None and not alarms:
        return None
    judged = _judging(seen, kept)
    names = (
        {} if judged is None else {(one.id, one.segment): at for at, one in enumerate(judged.plan.watches)}
    )
    key = _strongest(judged, names, alarms) if watch is None else _named(seen, watch)
    if key not in verdicts:
        known = ", ".join(_shown(one) for one in verdicts) or "none"
        raise ValueError(f"watch={watch!r}: is no watch of {model} that was judged; it has {known}")
    others = tuple(_shown(one) for one in alarms if one != key) if watch is None else ()
    if judged is None or key not in names:
        return _in_own_words(seen, model, key, verdicts[key], others)
    target = _target(judged, names[key], verdicts[key])
    window = timedelta(microseconds=seen.shape.window_us)
    series, found = _began(seen, target)
    notes: list[str] = []
    if found is None:
        notes.append("when it began cannot be told: too few windows were judged")
    near = _around(seen, target, series, found, window, notes) if found is not None else None
    looked = None
    split: tuple[str, ...] = ()
    parts = meaning = None
    if near is not None:
        looked = search(near.columns, near.outcome, near.is_after)
        split, parts = _split(near, looked)
        if parts is not None and target.watch.kind in _LABELLED_KINDS:
            meaning = concept(*_sides(near, split))
            if meaning.reason is not None:
                notes.append(f"covariate and concept cannot be told apart: {meaning.reason}")
        notes += [f"in no segment: {', '.join(near.left_out)}"] if near.left_out else []
        notes += (
            ["a sampler left rows out: means and parts are those of the rows that were kept"]
            if near.sampled
            else []
        )
    faults = _faults(seen, target, found, near)
    events = () if found is None else coincident(seen.tables, found.first, found.last + window, window)
    verdict = target.verdict
    return Explanation(
        model=model,
        watch=target.watch.id,
        segment=target.watch.segment,
        verdict=str(verdict["verdict"]),
        evidence=str(verdict["evidence"] or verdict["reason"] or ""),
        what=outcome_words(target.watch, target.level),
        began=found,
        search=looked,
        split=split,
        decomposition=parts,
        concept=meaning,
        features=_features(target, found, own_columns(seen.shape.settings)),
        faults=faults,
        events=events,
        notes=tuple(notes),
        others=others,
    )


def _in_own_words(
    seen: View, model: str, key: tuple[str, str], verdict: Mapping[str, Any], others: tuple[str, ...]
) -> Explanation:
    """A verdict that is no detector's: its words, since when, and what happened about then."""
    window = timedelta(microseconds=seen.shape.window_us)
    since = None if verdict["since"] is None else datetime.fromisoformat(verdict["since"])
    return Explanation(
        model=model,
        watch=key[0],
        segment=key[1],
        verdict=str(verdict["verdict"]),
        evidence=str(verdict["evidence"] or verdict["reason"] or ""),
        what="",
        began=None,
        search=None,
        split=(),
        decomposition=None,
        concept=None,
        features=(),
        faults=(),
        events=() if since is None else coincident(seen.tables, since, since + window, window),
        notes=("it is told in its own words, and rows are not searched for it",),
        others=others,
    )


def _fact(seen: View, watch: str) -> Mapping[str, Any]:
    """What was told last of a budget that burns or a process that crashes; ``ValueError`` where nothing was."""
    told = seen.tables["alerts"].scan().filter(pl.col("watch") == watch).sort("step").tail(1).collect()
    if told.is_empty():
        raise ValueError(f"watch={watch!r}: nothing was told of it; what it is now says vedette stability")
    (row,) = told.iter_rows(named=True)
    over = row["state"] == AlertState.RESOLVED
    return {
        "verdict": Status.OK if over else Status.ALARM,
        "evidence": row["evidence"],
        "since": row["opened"].isoformat(),
    }


def _shown(key: tuple[str, str]) -> str:
    return f"{key[0]} [{key[1]}]" if key[1] else key[0]


def _strongest(
    judged: _Judged | None, names: Mapping[tuple[str, str], int], alarms: Sequence[tuple[str, str]]
) -> tuple[str, str]:
    """The alarm with the most evidence; one that can be taken apart before one that has its own words."""
    apart = [key for key in alarms if key in names]
    if judged is None or not apart:
        return alarms[0]
    return max(apart, key=lambda one: float(judged.state.log_evidence[names[one]]))


def _judging(seen: View, kept: Kept) -> _Judged | None:
    """What the detectors stand on; None before they have judged."""
    planned = reference_plan(seen.tables, seen.shape)
    if planned is None or not kept.block:
        return None
    plan, reference, _ = planned
    state = strategy.State.from_bytes(kept.block)
    state = (
        state
        if np.array_equal(plan.key, state.key)
        else strategy.extend(state, plan, reference, np.ones(len(plan.key)))
    )
    return _Judged(plan, state, reference, kept)


def _target(judged: _Judged, number: int, verdict: Mapping[str, Any]) -> _Target:
    plan, state = judged.plan, judged.state
    row = int(state.winner[number])
    own = plan.watches[number]
    level = own.rows[row - int(state.first[number])]
    return _Target(own, verdict, level, plan, state, judged.reference, judged.kept, row)


def _named(seen: View, watch: str) -> tuple[str, str]:
    """Watch and segment as they are written: ``x.location [region=north]``, or the id of an alert."""
    alerts = (
        seen.tables["alerts"].scan().filter(pl.col("alert") == watch).select("watch", "segment").collect()
    )
    if alerts.height:
        return str(alerts["watch"][0]), str(alerts["segment"][0])
    name, bracket, segment = watch.partition(" [")
    return name, segment.removesuffix("]") if bracket else ""


def _judged(seen: View, target: _Target, columns: Sequence[str], segment: str) -> pl.DataFrame:
    """The increments of columns that were judged against the reference in force."""
    return (
        seen.tables["summaries"]
        .scan()
        .filter(
            (pl.col("part") == "live")
            & pl.col("column").is_in(list(columns))
            & (pl.col("segment") == segment)
            & (pl.col("arrival") > target.kept.origin)
            & (pl.col("known") <= target.kept.known)
        )
        .drop("hashes")
        .collect()
    )


def _began(seen: View, target: _Target) -> tuple[_Series, Began | None]:
    """The watch by window, and the windows in which its change may have begun; the reference stands before the first."""
    watch, grid = target.watch, target.plan.grids[target.watch.source]
    rows = _judged(seen, target, [watch.column], watch.segment).filter(pl.col("grid") == grid.id)
    if rows.is_empty():
        return _Series([], np.zeros(0), np.zeros(0)), None
    starts, at = np.unique(rows["start"].dt.timestamp("us").to_numpy(), return_inverse=True)
    by_window = levels_of(rows, grid, at, len(starts)).effective
    steps = target.plan.steps({watch.source: by_window}, range(len(starts)), [0.0] * len(starts))
    counts = np.stack([step.counts[target.row] for step in steps])
    of_reference = target.plan.counts({watch.source: target.reference[watch.source]})[target.row]
    row = slice(target.row, target.row + 1)
    score = reference_scores(target.state.reference[row], target.state.measure[row])[0]
    n = counts.sum(axis=1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(n > 0, counts @ score / n, np.nan)
        before = float(of_reference @ score / of_reference.sum())
    weight = np.minimum(n, 4.0 * np.median(n))
    of_old = min(float(of_reference.sum()), _REFERENCE_WINDOWS * float(np.median(n)))
    series = _Series([utc(int(one)) for one in starts], values, n)
    found = began(np.append(before, values), np.append(of_old, weight))
    if found.reason is not None or found.best < 1:
        return series, None
    best, first, last = (series.starts[number - 1] for number in (found.best, found.first, found.last))
    return series, Began(best, first, last, len(found.windows), found.level)


def _around(
    seen: View, target: _Target, series: _Series, found: Began, window: timedelta, notes: list[str]
) -> Around | None:
    """The rows before the set of beginnings (or at least before the likeliest), and from the likeliest one on."""
    starts = list(series.starts)
    after = [at for at, start in enumerate(starts) if start >= found.best]
    before = [at for at, start in enumerate(starts) if start < found.first]
    before = before or [at for at, start in enumerate(starts) if start < found.best]
    if not before:
        notes.append(
            "segments cannot be compared: the change was there from the first window on, and the reference is kept as "
            "counts, not as rows"
        )
        return None
    before = before[_last(series.n[before]) :]
    after = after[: len(after) - _last(series.n[after][::-1])]
    spans = tuple((starts[part[0]], starts[part[-1]] + window) for part in (before, after))
    changed = [
        watch.column for watch, _, _ in strategy.ranking(target.plan, target.state) if not watch.segment
    ]
    near = around(
        seen, target.watch, target.level, target.reference, (spans[0], spans[1]), list(dict.fromkeys(changed))
    )
    usable = np.isfinite(near.outcome)
    for side, words in ((~near.is_after, "before"), (near.is_after, "after")):
        if not (usable & side).any():
            notes.append(f"segments cannot be compared: no row {words} the change has what is measured")
            return None
    return near


def _last(n: np.ndarray) -> int:
    """From which window on the last ones have ``ROWS_MAX`` rows at most, one at least."""
    more = np.cumsum(n[::-1])[::-1] > ROWS_MAX
    return min(int(more.sum()), len(n) - 1)


def _sides(near: Around, split: Sequence[str]) -> tuple[Cells, Cells]:
    """The outcome by cell of the cross of some columns, before and after; rows in none of a column's levels share one."""
    code, size = np.zeros(len(near.outcome), dtype=np.int64), 1
    for name in split:
        own = near.columns[name]
        n_levels = len(own.names) + 1
        code, size = code * n_levels + np.where(own.codes < 0, len(own.names), own.codes), size * n_levels
    before = cells_of(np.where(near.is_after, -1, code), near.outcome, size)
    return before, cells_of(np.where(near.is_after, code, -1), near.outcome, size)


def _split(near: Around, looked: Search) -> tuple[tuple[str, ...], Decomposition | None]:
    """The columns by which the change is taken apart: those of the first segment, else the one whose mix changed most."""

    def of(split: tuple[str, ...]) -> Decomposition:
        return decompose(*_sides(near, split))

    named = [one for one in looked.named if one.levels]
    if named:
        split = tuple(column for column, _ in named[0].levels)
        if int(np.prod([len(near.columns[one].names) + 1 for one in split])) <= _CELLS_MAX:
            return split, of(split)
    found = [((name,), of((name,))) for name, one in near.columns.items() if _few(one)]
    if not found:
        return (), None

    def moved(one: tuple[tuple[str, ...], Decomposition]) -> float:
        mix = one[1].mix
        return abs(mix.value) / max(mix.high - mix.low, 1e-300)

    return max(found, key=moved)


def _few(one: Levels) -> bool:
    return 2 <= len(one.names) <= _CELLS_MAX


def _features(
    target: _Target, began_in: Began | None, outputs: Collection[str]
) -> tuple[tuple[str, float], ...]:
    """The watches of inputs that changed, in nats, most first; alarms that opened before are another matter."""
    since = -np.inf if began_in is None else began_in.first.timestamp()
    return tuple(
        (f"{watch.id} [{watch.segment}]" if watch.segment else watch.id, nats)
        for watch, nats, opened in strategy.ranking(target.plan, target.state)
        if nats >= LEAST_NATS
        and _is_input(watch.column)
        and watch.column not in outputs
        and not opened < since
    )[:8]


def _is_input(name: str) -> bool:
    column = feature_of(name)
    return column not in RESERVED and not column.startswith(("_", "probability"))


def _faults(seen: View, target: _Target, began_in: Began | None, near: Around | None) -> tuple[str, ...]:
    """Faults of the pipeline in the inputs since the change began, those of the watch's own column first.

    What is wrong with another column, and was just before already, is no cause of this.
    """
    grids = {source: grid for source, grid in target.plan.grids.items() if source in seen.shape.grids}
    rows = _judged(seen, target, [name for name in grids if name not in LABELLED], "")
    since, until = (NEVER, NEVER) if began_in is None else (began_in.best, began_in.first)
    now = _summed(rows.filter(pl.col("start") >= since), grids)
    recent = rows.filter(pl.col("start") < until)["start"].unique().sort().tail(_WINDOWS_BEFORE).to_list()
    earlier = _summed(rows.filter(pl.col("start").is_in(recent)), grids)
    reference = {name: one for name, one in target.reference.items() if name in now}
    old_pairs = set(swapped(reference, earlier))
    said: dict[str, list[str]] = {}
    for name, words in schema_words(seen.tables, seen.shape.expected).items():
        said.setdefault(name, []).append(words)
    pairs = [pair for pair in swapped(reference, now) if pair not in old_pairs or target.watch.column in pair]
    if near is not None:
        pairs += swapped_levels(*near.counts)
        for name, before in near.counts[0].items():
            if name in near.counts[1] and not any(name in pair for pair in pairs):
                for words in renamed(before, near.counts[1][name]):
                    said.setdefault(name, []).append(f"{name}: {words}")
    for one, other in pairs:
        said.setdefault(one, []).append(
            f"columns swapped: {one} and {other} look as if they had changed places"
        )
    in_pair = {name for pair in {*pairs, *old_pairs} for name in pair}
    for name, before_this in reference.items():
        if name in in_pair or name in said:
            continue
        old = (
            ()
            if name not in earlier or name == target.watch.column
            else strategy.causes(before_this, earlier[name])
        )
        known = {words.partition(" ")[0] for words in old}
        for words in strategy.causes(before_this, now[name]):
            if words.partition(" ")[0] not in known:
                said.setdefault(name, []).append(f"{name}: {words}")
    order = sorted(said, key=lambda name: name != target.watch.column)
    return tuple(words for name in order for words in said[name])


def _summed(rows: pl.DataFrame, grids: Mapping[str, Grid]) -> dict[str, Summary]:
    """The increments of each column on its grid, as one summary."""
    found = {}
    for (name,), some in rows.group_by(["column"], maintain_order=True):
        grid = grids[str(name)]
        own = some.filter(pl.col("grid") == grid.id)
        if own.height:
            found[str(name)] = levels_of(own, grid, np.zeros(own.height, dtype=np.int64), 1).effective
    return found

"""Plain rules in the engine: which are in force, what each closed window says of them, and their verdicts.

Rules are written in ``vedette.toml`` (``written.py``). A rule is held against what came
to be known in a window, once, in the order of the windows, with or without a reference.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import polars as pl

from vedette.engine.detecting import arrived_levels
from vedette.engine.outputs import own_columns
from vedette.engine.state import Kept
from vedette.engine.summarise import LABELLED, OF_TASK, Shape
from vedette.lake.events import schema_words
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.lake.tables import ModelTables
from vedette.records import RESERVED, Status, Verdict
from vedette.statistics import Estimates, Statistic, Summary, find_statistic
from vedette.statistics.sampled import Levels, sampled_figures
from vedette.statistics.structured import TASK_FIGURES
from vedette.strategy.rules import (
    Reading,
    Rule,
    RuleState,
    advance,
    gaps_before,
    parse,
    standing_of,
    unknown_of,
)

__all__ = [
    "PREFIX",
    "Standing",
    "drawn_by_rule",
    "judge_rules",
    "read_rules",
    "readings_of",
    "rule_verdicts",
    "silence_rules",
    "unknown_of",
]

PREFIX = "rule:"
"""What the name of a rule's watch begins with."""

_OLDER = "counted on a grid since replaced by that of a new reference"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where rules stand: how far they were judged, and the state of each.

    ``arrival`` and ``known`` are as in ``Kept``; ``said`` is the definition that each state belongs to.
    """

    arrival: int
    known: datetime
    states: Mapping[str, RuleState]
    said: Mapping[str, Any]

    def to_text(self) -> str:
        """The text that ``read`` reads."""
        states = {name: asdict(one) for name, one in self.states.items()}
        return json.dumps(
            {
                "arrival": self.arrival,
                "known": self.known.isoformat(),
                "states": states,
                "said": dict(self.said),
            }
        )

    @classmethod
    def read(cls, text: str) -> Standing | None:
        """What ``to_text`` wrote; None of an empty text."""
        if not text:
            return None
        held = json.loads(text)
        states = {name: RuleState(**one) for name, one in held["states"].items()}
        return cls(held["arrival"], datetime.fromisoformat(held["known"]), states, held["said"])

    @classmethod
    def rules_of(cls, kept: Kept) -> Mapping[str, Any]:
        """The definitions of the rules that were judged."""
        found = cls.read(kept.rules)
        return {} if found is None else found.said

    def of(self, said: Mapping[str, Any]) -> Standing:
        """The same for the rules in force: one that is new, or says something else, begins anew."""
        kept = {name: one for name, one in self.states.items() if said.get(name) == self.said.get(name)}
        return replace(self, states={name: kept.get(name, RuleState()) for name in said}, said=dict(said))


def read_rules(said: Mapping[str, Any]) -> tuple[dict[str, Rule], dict[str, str]]:
    """The rules that can be read, and of the others why not."""
    rules, wrong = {}, {}
    for name, text in said.items():
        try:
            rules[name] = parse(name, text)
        except ValueError as error:
            wrong[name] = str(error)
    return rules, wrong


def drawn_by_rule(kept: Kept | None, watch: str) -> tuple[str, str] | None:
    """The metric and the column that a rule watches, of a watch such as ``rule:low``; None where no figure shows it."""
    rules, _ = read_rules({} if kept is None else Standing.rules_of(kept))
    rule = rules.get(watch.removeprefix(PREFIX)) if watch.startswith(PREFIX) else None
    return (
        None if rule is None or rule.metric in ("values", "schema", "no_data") else (rule.metric, rule.source)
    )


def silence_rules(said: Mapping[str, Any]) -> dict[str, Rule]:
    """The rules that tell of rows which do not come: they go by the clock, not by windows."""
    return {name: one for name, one in read_rules(said)[0].items() if one.metric == "no_data"}


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came in closed windows of knowledge ``steps``: by column and weight a summary, on the grid in force, and counts.

    ``n_rows`` [W] are the rows that came (of sampled ones those that they stand for), whatever they were counted on;
    ``older`` the columns that have rows in a window [W] which were counted on a grid since replaced.
    """

    steps: tuple[datetime, ...]
    levels: Mapping[str, Levels]
    n_rows: np.ndarray
    older: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, rows: pl.DataFrame, shape: Shape, steps: Sequence[datetime]) -> Arrived:
        """Those of the increments of a model's whole."""
        edges = pl.Series(steps, dtype=UTC_TYPE)
        place = edges.search_sorted(rows["known"], side="left").to_numpy()
        counted: dict[str, np.ndarray] = {}
        older: dict[str, np.ndarray] = {}
        for (column, grid), at in rows.with_row_index("_at").group_by(["column", "grid"]):
            own = at["_at"].to_numpy()
            if column not in LABELLED:
                n = counted.setdefault(str(column), np.zeros(len(steps)))
                np.add.at(n, place[own], (at["rows"] * at["weight"]).to_numpy())
            if column in shape.grids and shape.grids[str(column)].id != grid:
                marks = older.setdefault(str(column), np.zeros(len(steps), dtype=np.bool_))
                marks[place[own]] = True
        # every column has as many rows, but for those that came later
        n_rows = np.rint(np.max([np.zeros(len(steps)), *counted.values()], axis=0)).astype(np.int64)
        return cls(tuple(steps), arrived_levels(rows, shape.grids, steps), n_rows, older)


def judge_rules(
    tables: ModelTables,
    shape: Shape,
    standing: Standing,
    came: Arrived,
    reference: Mapping[str, Summary],
) -> tuple[Standing, list[dict[str, Any]]]:
    """The standing after closed windows of knowledge, and what opened, closed or is pending in them.

    ``reference`` has the summaries of the reference by column.
    """
    window_s = shape.settings.window_s
    rules, _ = read_rules(standing.said)
    states, changes = dict(standing.states), []
    for name, rule in rules.items():
        if rule.metric == "no_data":
            continue
        state = states[name]
        for reading in readings_of(tables, rule, shape, came, reference):
            for one in [*gaps_before(rule, state, reading, window_s), reading]:
                before = state
                state, change = advance(rule, state, one)
                if change is not None and rule.severity == "alarm":
                    changes.append(_change(rule, before, state, one, change))
        states[name] = state
    changes.sort(key=lambda one: one["at"])
    return replace(standing, states=states), changes


def _change(rule: Rule, before: RuleState, state: RuleState, reading: Reading, kind: str) -> dict[str, Any]:
    at = reading.end if kind == "closes" else reading.start
    if kind == "closes":
        reason = "recovered" if before.firing else f"was not so for as long as {rule.windows} windows"
    else:
        reason = ""
    return {
        "watch": f"{PREFIX}{rule.name}",
        "segment": "",
        "kind": kind,
        "at": datetime.fromtimestamp(at, UTC).isoformat(),
        "evidence": state.evidence,
        "reason": reason,
    }


def readings_of(
    tables: ModelTables, rule: Rule, shape: Shape, came: Arrived, reference: Mapping[str, Summary]
) -> Iterator[Reading]:
    """What each closed window shows of a rule."""
    window = timedelta(seconds=shape.settings.window_s)
    ends = [(one.timestamp(), (one + window).timestamp()) for one in came.steps]
    if rule.counts_gaps:
        unit = 1.0 if rule.metric == "rows" else window.total_seconds()
        for one, n in zip(ends, came.n_rows.tolist(), strict=True):
            yield Reading(*one, n / unit, n / unit, n / unit, n)
        return
    if rule.metric == "schema":
        yield from _schema(tables, shape, came, ends)
        return
    rule = _of_task(rule, shape)
    levels = came.levels.get(rule.source)
    summary = None if levels is None else levels.kept
    reason = _no_figure(rule, shape, summary)
    older = came.older.get(rule.source, np.zeros(len(ends), dtype=np.bool_))
    if reason is not None or levels is None or summary is None:
        for at, one in enumerate(ends):
            yield Reading(*one, None, None, None, 0, _OLDER if older[at] else reason)
        return
    if rule.metric == "values":
        rows = summary.used.tolist()
        for one, low, high, n in zip(ends, summary.minimum, summary.maximum, rows, strict=True):
            yield Reading(*one, float(low), float(low), float(high), n, None if n > 0 else "no values")
        return
    found, _ = sampled_figures(
        _statistic(rule),
        levels.with_length(shape.settings.window_s),
        _same_grid(reference.get(rule.source), summary),
    )
    assert isinstance(found, Estimates)
    for at, one in enumerate(ends):
        reading = _reading(*one, found, at)
        yield replace(reading, value=None, reason=_OLDER) if older[at] else reading


def _of_task(rule: Rule, shape: Shape) -> Rule:
    """The rule; where the model's task has a figure of that name, read off the column of its labelled rows."""
    task = shape.settings.task or ""
    if task in OF_TASK and rule.metric in TASK_FIGURES[task] and rule.source in LABELLED:
        return replace(rule, source=OF_TASK[task])
    return rule


def _statistic(rule: Rule) -> Statistic:
    kind = next((task for task, column in OF_TASK.items() if column == rule.source), None)
    if kind is not None and rule.metric in TASK_FIGURES[kind]:
        return cast(Statistic, TASK_FIGURES[kind][rule.metric])
    return find_statistic(rule.metric)


def _reading(start: float, end: float, found: Estimates, at: int) -> Reading:
    values = (float(array[at]) for array in (found.value, found.low, found.high))
    value, low, high = (None if math.isnan(one) else one for one in values)
    return Reading(start, end, value, low, high, int(found.n[at]), found.reason[at])


def _same_grid(reference: Summary | None, summary: Summary) -> Summary | None:
    return reference if reference is not None and reference.grid == summary.grid else None


def _no_figure(rule: Rule, shape: Shape, summary: Summary | None) -> str | None:
    """Why there can be no figure of the rule, whatever the rows; None where there can."""
    if rule.source not in shape.all_grids:
        if rule.source in LABELLED:
            return "no labels"
        names = (
            ", ".join(sorted(name for name in shape.grids if not name.startswith("_"))) or "no columns yet"
        )
        return f"no column {rule.source!r}: the model has {names}"
    kind = shape.all_grids[rule.source].kind
    kinds = ("numeric", "latency", "vector") if rule.metric == "values" else _statistic(rule).kinds
    if kind not in kinds:
        return f"{rule.metric} is read off columns of the kind {' or '.join(kinds)}; {rule.source!r} is of the kind {kind}"
    if summary is None:
        return "no labels" if rule.source in LABELLED else "no rows"
    return None


def _schema(
    tables: ModelTables, shape: Shape, came: Arrived, ends: Sequence[tuple[float, float]]
) -> Iterator[Reading]:
    """How many columns of each window are not those of the reference: they have no value in it, or are new."""
    if not shape.expected:
        reason = "no reference: what the columns should be is not known"
        yield from (Reading(*one, None, None, None, 0, reason) for one in ends)
        return
    said = schema_words(tables, shape.expected)
    odd: list[list[str]] = [[] for _ in ends]
    for name, levels in came.levels.items():
        summary = levels.kept
        if name in shape.expected:
            empty = (summary.rows > 0) & (summary.missing == summary.rows)
            words = said.get(name, f"column {name!r} no longer comes")
        elif name in RESERVED or name in own_columns(shape.settings) or name.startswith(("_", "probability")):
            continue
        else:
            empty = summary.rows > summary.missing
            words = f"column {name!r} is new"
        for at in np.flatnonzero(empty).tolist():
            odd[at].append(words)
    for one, found, n_rows in zip(ends, odd, came.n_rows.tolist(), strict=True):
        if not n_rows:
            yield Reading(*one, None, None, None, 0, "no rows")
            continue
        n = float(len(found))
        told = "; ".join(sorted(found)) or "the columns are those of the reference"
        yield Reading(*one, n, n, n, n_rows, None, told)


def rule_verdicts(standing: Standing, known: datetime, window_s: float) -> list[Verdict]:
    """The verdict of every rule but those of silence, as it stands after the window ``known``."""
    rules, wrong = read_rules(standing.said)
    out = [
        Verdict(
            f"{PREFIX}{name}", "", Status.UNKNOWN, None, "", "rule", reason.removeprefix(f"rule {name}: ")
        )
        for name, reason in wrong.items()
    ]
    for name, rule in rules.items():
        if rule.metric == "no_data":
            continue
        state = standing.states[name]
        since = None if state.since is None else datetime.fromtimestamp(state.since, UTC)
        status, reason = standing_of(rule, state, known.timestamp(), window_s)
        out.append(Verdict(f"{PREFIX}{name}", "", status, since, state.evidence, "rule", reason))
    return out

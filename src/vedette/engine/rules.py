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
from typing import Any

from vedette.engine.state import Kept
from vedette.engine.summarise import LABELLED, Shape
from vedette.lake.events import schema_words
from vedette.lake.tables import ModelTables
from vedette.records import Status, Verdict
from vedette.statistics import Estimates, Summary, find_statistic
from vedette.strategy.rules import Reading, Rule, RuleState, advance, parse

__all__ = [
    "PREFIX",
    "Standing",
    "judge_rules",
    "read_rules",
    "rule_verdicts",
    "silence_rules",
]

PREFIX = "rule:"
"""What the name of a rule's watch begins with."""

_NEW = "no window has ended since the rule was made"
_FOREVER = 50  # windows without rows, after which more of them tell nothing new


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


def silence_rules(said: Mapping[str, Any]) -> dict[str, Rule]:
    """The rules that tell of rows which do not come: they go by the clock, not by windows."""
    return {name: one for name, one in read_rules(said)[0].items() if one.metric == "no_data"}


def judge_rules(
    tables: ModelTables,
    shape: Shape,
    standing: Standing,
    arrived: Mapping[str, Summary],
    reference: Mapping[str, Summary],
    steps: Sequence[datetime],
    newest: datetime | None = None,
) -> tuple[Standing, list[dict[str, Any]]]:
    """The standing after closed windows of knowledge, and what opened, closed or is pending in them.

    ``arrived`` has for each column the summary over the W windows ``steps``, ``reference`` that of the reference.
    ``newest`` is the last window with rows, closed or not: what columns come is known at once.
    """
    window_s = shape.settings.window_s
    rules, _ = read_rules(standing.said)
    states, changes = dict(standing.states), []
    for name, rule in rules.items():
        if rule.metric == "no_data":
            continue
        state = states[name]
        if rule.metric == "schema":
            readings = [] if newest is None else list(_schema(tables, shape, state, newest))
        else:
            readings = list(_readings(rule, shape, arrived, reference, steps))
        for reading in readings:
            for one in [*_gaps(rule, state, reading, window_s), reading]:
                before = state
                state, change = advance(rule, state, one)
                if change is not None and rule.severity == "alarm":
                    changes.append(_change(rule, before, state, one, change))
        states[name] = state
    changes.sort(key=lambda one: one["at"])
    known = steps[-1] if steps else standing.known
    return replace(standing, states=states, known=known), changes


def _change(rule: Rule, before: RuleState, state: RuleState, reading: Reading, kind: str) -> dict[str, Any]:
    at = reading.end if kind == "closes" else reading.start
    if kind == "closes":
        reason = "recovered" if before.firing else f"was not so for {rule.windows} windows"
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


def _gaps(rule: Rule, state: RuleState, reading: Reading, window_s: float) -> Iterator[Reading]:
    """Of a rule on how much came: the windows between the last and this in which nothing did."""
    if not rule.counts_gaps or state.last is None:
        return
    between = round((reading.start - state.last) / window_s) - 1
    for back in range(min(between, max(rule.windows, rule.clear_after, _FOREVER)), 0, -1):
        start = reading.start - back * window_s
        yield Reading(start, start + window_s, 0.0, 0.0, 0.0, 0)


def _readings(
    rule: Rule,
    shape: Shape,
    arrived: Mapping[str, Summary],
    reference: Mapping[str, Summary],
    steps: Sequence[datetime],
) -> Iterator[Reading]:
    window = timedelta(seconds=shape.settings.window_s)
    ends = [(one.timestamp(), (one + window).timestamp()) for one in steps]
    summary = arrived.get(rule.source)
    reason = _no_figure(rule, shape, summary)
    if reason is not None or summary is None:
        yield from (Reading(*one, None, None, None, 0, reason) for one in ends)
        return
    if rule.metric == "values":
        rows = summary.used.tolist()
        for one, low, high, n in zip(ends, summary.minimum, summary.maximum, rows, strict=True):
            yield Reading(*one, float(low), float(low), float(high), n, None if n > 0 else "no values")
        return
    found = find_statistic(rule.metric).figures(
        replace(summary, window_s=shape.settings.window_s), _same_grid(reference.get(rule.source), summary)
    )
    yield from (_reading(*one, found, at) for at, one in enumerate(ends))


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
    kinds = ("numeric", "latency") if rule.metric == "values" else find_statistic(rule.metric).kinds
    if kind not in kinds:
        return f"{rule.metric} is read off columns of the kind {' or '.join(kinds)}; {rule.source!r} is of the kind {kind}"
    if summary is None:
        return "no labels" if rule.source in LABELLED else "no rows"
    return None


def _schema(tables: ModelTables, shape: Shape, state: RuleState, newest: datetime) -> Iterator[Reading]:
    """What the columns that come say of the newest window; a window that goes on saying the same is one."""
    start = newest.timestamp()
    end = start + shape.settings.window_s
    if not shape.expected:
        reason = "no reference: what the columns should be is not known"
        yield Reading(start, end, None, None, None, 0, reason)
        return
    words = schema_words(tables, shape.expected)
    n = float(len(words))
    if state.last != start or (n > 0) != (state.firing or state.pending):
        told = "; ".join(words.values()) or "the columns are those of the reference"
        yield Reading(start, end, n, n, n, 1, None, told)


def rule_verdicts(standing: Standing, known: datetime, window_s: float) -> list[Verdict]:
    """The verdict of every rule but those of silence, as it stands after the window ``known``."""
    rules, wrong = read_rules(standing.said)
    out = [
        Verdict(f"{PREFIX}{name}", "", Status.UNKNOWN, None, "", "rule", reason)
        for name, reason in wrong.items()
    ]
    for name, rule in rules.items():
        if rule.metric == "no_data":
            continue
        state = standing.states[name]
        since = None if state.since is None else datetime.fromtimestamp(state.since, UTC)
        status, reason = _status(rule, state, known, window_s)
        out.append(Verdict(f"{PREFIX}{name}", "", status, since, state.evidence, "rule", reason))
    return out


def _status(rule: Rule, state: RuleState, known: datetime, window_s: float) -> tuple[Status, str | None]:
    if state.firing:
        return (Status.ALARM if rule.severity == "alarm" else Status.WARN), None
    if state.last is None:
        return Status.UNKNOWN, state.reason or _NEW
    age = (known.timestamp() - state.last) / window_s
    if age > max(3.0, 2.0 * state.gap):  # an answer outlives its window by as many, or by twice the usual gap
        return Status.UNKNOWN, state.reason or "no rows"
    return (Status.WARN if state.pending else Status.OK), None

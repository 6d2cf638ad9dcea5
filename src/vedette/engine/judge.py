"""From summaries to verdicts: each arrival judged once, window by window, state and verdicts in one commit.

A window of knowledge is judged when it has closed: when a receipt beyond its end was seen, when its end has passed by
the clock of a living producer, or when a whole window went by without arrivals. What arrives for it later is judged
with the next window, so there are never more judgements than windows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine import joining, rules, written
from vedette.engine.detecting import Detection, window_number
from vedette.engine.segments_watched import unknown_segments
from vedette.engine.series_watched import (
    SERIES_SHARE,
    SeriesStanding,
    accept_series,
    judge_series,
    series_verdicts,
)
from vedette.engine.state import GRACE, LIVE, NEVER, Kept, kept_row, key_of, receipts, row_of, told_of
from vedette.engine.stored import of_frame
from vedette.engine.summarise import Shape
from vedette.engine.versions import newest_version
from vedette.engine.words import explained, waits
from vedette.lake.events import latest_reference
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.lake.tables import ModelTables
from vedette.records import Status, Verdict
from vedette.statistics.summary import Summary

__all__ = ["accept", "alarms", "detectors_share", "findings_of", "judge", "reference_plan"]


def reference_plan(
    tables: ModelTables, shape: Shape, known: datetime | None = None
) -> tuple[strategy.Plan, dict[str, Summary], int] | None:
    """The watches that the reference in force allows, its summaries by source, and its arrival; None without one.

    With what joined up to a window (default: the last that was judged; see ``joining``), and without segments that the
    settings no longer name.
    """
    rows = tables["summaries"].scan().filter(pl.col("part") == "reference").collect()
    if rows.is_empty():
        return None
    arrival = int(rows["arrival"].max())  # type: ignore[arg-type]
    rows = rows.filter(pl.col("arrival") == arrival).sort("segment", "column")
    summaries = {
        strategy.source_of(str(column), str(segment)): of_frame(some, shape.grids[str(column)]).merged()
        for (segment, column), some in rows.group_by(["segment", "column"], maintain_order=True)
    }
    if known is None:
        kept = kept_row(tables, series=False)
        known = NEVER if kept is None else kept.known
    later = joining.joined(tables, shape.grids, arrival, known)
    summaries |= {source: one for source, one in later.items() if source not in summaries}
    named = {
        source: one
        for source, one in summaries.items()
        if (segment := strategy.column_and_segment(source)[1]) == ""
        or segment.partition("=")[0] in shape.settings.segments
    }
    late = {one for source in later for one in joining.late(strategy.column_and_segment(source)[1], source)}
    return strategy.plan(named, tables.path.name, late & set(named)), named, arrival


def _same_plan(
    plan: strategy.Plan, reference: Mapping[str, Summary], state: strategy.State
) -> strategy.State:
    """The state without the watches of segments that are no longer named, or with those that are again."""
    if np.array_equal(plan.key, state.key):
        return state
    return strategy.extend(state, plan, reference, np.ones(len(plan.key)))


def judge(tables: ModelTables, now: datetime, *, receipt: datetime | None = None) -> bool:
    """Judge what arrived and has closed, and commit; True where anything was.

    ``receipt`` is the latest receipt among the rows that came in with this round, None where none did. The caller
    holds the work lock.
    """
    kept = kept_row(tables)
    if kept is not None:
        _repeat_changes(tables, kept)
    event, snapshot, said = latest_reference(tables), tables["summaries"].snapshot(), written.in_force(tables)
    standing, series = _standing(kept), _series(kept)
    if snapshot is None or (event is None and not said.rules and not standing.said and not said.series):
        return False
    name, detail = event if event is not None else ("", {"inflation": []})
    fresh = kept is None or kept.reference != name or standing.said != said.rules
    if (
        kept is not None
        and not fresh
        and kept.arrival == snapshot.version()
        and (kept.due is None or kept.due > now)
    ):
        return False
    shape = Shape.of(tables)
    opening = _opening(tables, kept, shape, name, detail, said)
    if opening is None:
        return False
    mark, arrival, detection = opening
    closing = _Closing(timedelta(seconds=shape.settings.window_s), *receipts(tables, now, receipt), now)
    rows = _waiting(tables, mark.origin, mark.arrival, mark.known)
    ready, steps = closing.ready(rows, mark.known)
    rule_rows = _waiting(tables, -1, standing.arrival, standing.known) if said.rules else rows.clear()
    rule_ready, rule_steps = closing.ready(rule_rows, standing.known)
    series_rows = rows.clear() if said.series is False else _waiting(tables, -1, series.arrival, series.known)
    series_ready, series_steps = closing.ready(series_rows, series.known)
    if not steps and not rule_steps and not series_steps and not fresh:
        return False
    coming: list[joining.Joiner] = []
    if event is not None:
        coming = joining.joiners(tables, detection.plan, ready, shape, mark.origin, arrival, steps)
        joining.keep(tables, coming, now)
    through = tables["summaries"].snapshot()
    assert through is not None
    detection.tolerance, detection.independent = said.tolerance, said.rows == "independent"
    changed = detection.run(ready, steps, coming, shape)
    known = max([mark.known, standing.known, *steps[-1:], *rule_steps[-1:], *series_steps[-1:]])
    came = rules.Arrived.of(rule_ready.filter(pl.col("segment") == ""), shape, rule_steps)
    standing, broken = rules.judge_rules(tables, shape, standing.of(said.rules), came, detection.reference)
    if rule_steps:
        standing = replace(standing, arrival=through.version(), known=rule_steps[-1])
    unexpected: list[dict[str, Any]] = []
    if series_steps:
        whole = rules.Arrived.of(series_ready.filter(pl.col("segment") == ""), shape, series_steps)
        series, unexpected = judge_series(tables, shape, series, whole, said)
        series = replace(series, arrival=through.version(), known=series_steps[-1])
    open_rows = rows.filter(pl.col("known") > (steps[-1] if steps else mark.known))
    verdicts = _verdict_rows(tables, shape, detection, standing, known, mark, open_rows)
    if said.series is False:  # turned on again they begin anew
        series = SeriesStanding(through.version(), known)
    window = timedelta(seconds=shape.settings.window_s)
    verdicts += [row_of(one) | {"told": one.evidence} for one in series_verdicts(series, window)]
    waiting = {
        *open_rows["known"].to_list(),
        *rule_rows.filter(pl.col("known") > standing.known)["known"].to_list(),
        *series_rows.filter(pl.col("known") > series.known)["known"].to_list(),
    }
    row = Kept(
        step=mark.step + 1,
        reference=name,
        origin=mark.origin,
        arrival=through.version() if steps else mark.arrival,
        known=steps[-1] if steps else mark.known,
        due=min((closing.due(one + closing.window) for one in waiting), default=None),
        version=_version(tables, mark.version),
        block=detection.state.to_bytes(),
        verdicts=json.dumps(verdicts),
        changes=json.dumps(
            {
                "time": now.isoformat(),
                "rows": _news(verdicts, mark),
                "alarms": sorted([*changed, *broken, *unexpected], key=lambda one: one["at"]),
            }
        ),
        rules=standing.to_text(),
        guarantee="\n".join(detection.dependence.words) if detection.plan.watches else "",
        series=series.to_bytes(),
    )
    _keep(tables, row)
    return True


def _opening(
    tables: ModelTables,
    kept: Kept | None,
    shape: Shape,
    name: str,
    detail: dict[str, Any],
    said: written.Written,
) -> tuple[Kept, int, Detection] | None:
    """Where judging goes on: the mark, the arrival of the reference, and the detectors; None where its rows are not in."""
    renewed = kept is None or kept.reference != name
    until = NEVER if renewed or kept is None else kept.known
    found = reference_plan(tables, shape, until) if name else (strategy.plan({}, tables.path.name), {}, 0)
    if found is None:
        return None
    plan, reference, arrival = found
    told: set[tuple[str, str]] = set()
    budget = shape.settings.budget_per_month * detectors_share(said)
    if kept is None or renewed:
        mark, state = _begin(kept, plan, reference, (name, detail), arrival, shape, budget)
    else:
        mark, state = kept, _same_plan(plan, reference, strategy.State.from_bytes(kept.block))
        if (
            state.budget[0] != budget
        ):  # it was changed, or series were turned on or off: limits go with it from now on
            state = replace(state, budget=np.array([budget]))
        alarms = {key_of(one) for one in json.loads(kept.verdicts) if one["verdict"] == Status.ALARM}
        told = alarms & {(watch.id, watch.segment) for watch in plan.watches}
    return mark, arrival, Detection(plan, state, reference, told, findings_of(detail))


def detectors_share(said: written.Written) -> float:
    """The share of the budget that detectors have: what is left of it beside the series, or less where that is written."""
    most = 1.0 if said.series is False else 1.0 - SERIES_SHARE
    return most if said.detectors_share is None else min(said.detectors_share, most)


def _verdict_rows(
    tables: ModelTables,
    shape: Shape,
    detection: Detection,
    standing: rules.Standing,
    known: datetime,
    mark: Kept,
    open_rows: pl.DataFrame,
) -> list[dict[str, Any]]:
    """All verdicts as they are kept: of the detectors, of what was named and is not there, of the rules."""
    plan, state = detection.plan, detection.state
    judged = strategy.verdicts(
        plan, state, window_number(known, shape), detection.dependence.guarantee, detection.minor
    )
    before = {key_of(one): one for one in json.loads(mark.verdicts)}
    told = explained(tables, plan, state, detection.reference, judged, before)
    sources = {strategy.source_of(*one) for one in open_rows.select("column", "segment").unique().rows()}
    watches = {(watch.id, watch.segment): watch for watch in plan.watches}
    found = [row_of(waits(one, watches, sources)) | {"told": words} for one, words in told]
    missing = {
        f"tolerance:{name}": why for name, why in strategy.unknown_of(plan, detection.tolerance).items()
    }
    missing |= {f"segments:{name}": why for name, why in unknown_segments(tables, shape).items()}
    rest = [Verdict(name, "", Status.UNKNOWN, None, "", "rule", why) for name, why in missing.items()]
    rest += rules.rule_verdicts(standing, known, shape.settings.window_s)
    return found + [row_of(one) | {"told": one.evidence} for one in rest]


def findings_of(
    detail: Mapping[str, Any],
) -> tuple[strategy.Finding, strategy.Finding, strategy.Finding]:
    """What the tests of dependence on the reference said, of the detail of its event; nothing was tested where there is none."""
    nothing = {"tested": 0, "p_value": None, "watch": ""}
    first, second, third = (
        strategy.Finding(
            one["tested"], float("nan") if one["p_value"] is None else one["p_value"], one["watch"]
        )
        for one in detail.get("dependence", [nothing] * 3)
    )
    return first, second, third


def _standing(kept: Kept | None) -> rules.Standing:
    """Where the rules stand; those of a model that had none begin where judging is."""
    found = None if kept is None else rules.Standing.read(kept.rules)
    if found is not None:
        return found
    return rules.Standing(-1 if kept is None else kept.arrival, NEVER if kept is None else kept.known, {}, {})


def _series(kept: Kept | None) -> SeriesStanding:
    """Where the series stand; those of a model that had none begin with its first window, those that an older version of vedette
    kept anew from now on: what was judged is not judged again."""
    if kept is None or not kept.series:
        return SeriesStanding(-1, NEVER)
    return SeriesStanding.read(kept.series) or SeriesStanding(kept.arrival, kept.known)


def alarms(tables: ModelTables, watch: str, segment: str) -> bool:
    """True where a watch alarms as the last step of judging left it: what it sees may be accepted."""
    kept = kept_row(tables, series=False)
    rows = [] if kept is None else json.loads(kept.verdicts)
    return any(key_of(one) == (watch, segment) and one["verdict"] == Status.ALARM for one in rows)


def accept(tables: ModelTables, watch: str, segment: str, now: datetime) -> bool:
    """Take what a watch sees since its alarm opened as normal from now on; False where it does not alarm.

    Its evidence starts at nothing, in one commit with its verdict. The caller holds the work lock.
    """
    kept = kept_row(tables)
    if kept is None:
        return False
    _repeat_changes(tables, kept)
    shape = Shape.of(tables)
    found = reference_plan(tables, shape)
    before = {key_of(one): one for one in json.loads(kept.verdicts)}
    old = before.get((watch, segment))
    if old is None or old["verdict"] != Status.ALARM:
        return False
    series = accept_series(_series(kept), watch)
    if series is not None:
        told = series_verdicts(series, timedelta(seconds=shape.settings.window_s))
        new = next(row_of(one) | {"told": one.evidence} for one in told if one.watch == watch)
        _keep(tables, _accepted(replace(kept, series=series.to_bytes()), before, new, now))
        return True
    if found is None:
        return False
    plan, state = found[0], _same_plan(found[0], found[1], strategy.State.from_bytes(kept.block))
    state = strategy.accept(
        state, np.array([(one.id, one.segment) == (watch, segment) for one in plan.watches])
    )
    judged = strategy.verdicts(plan, state, window_number(kept.known, shape), old["guarantee"])
    rows = {(one.watch, one.segment): row_of(one) | {"told": one.evidence} for one in judged}
    _keep(tables, _accepted(replace(kept, block=state.to_bytes()), before, rows[watch, segment], now))
    return True


def _accepted(
    kept: Kept, before: Mapping[tuple[str, str], Mapping[str, Any]], new: Mapping[str, Any], now: datetime
) -> Kept:
    """The row after one verdict became another."""
    verdicts = [new if key == key_of(new) else one for key, one in before.items()]
    changes = {"time": now.isoformat(), "rows": [new], "alarms": []}
    return replace(kept, step=kept.step + 1, verdicts=json.dumps(verdicts), changes=json.dumps(changes))


def _keep(tables: ModelTables, row: Kept) -> None:
    """State, watermark and verdicts in one commit, and then the history."""
    content = {name: getattr(row, name) for name in Kept.__slots__}
    frame = pl.DataFrame([content], schema_overrides={"due": UTC_TYPE, "known": UTC_TYPE})
    tables["state"].write(frame, {}, replace=True)
    _repeat_changes(tables, row)


def _begin(
    kept: Kept | None,
    plan: strategy.Plan,
    reference: Mapping[str, Summary],
    event: tuple[str, dict[str, Any]],
    arrival: int,
    shape: Shape,
    budget: float,
) -> tuple[Kept, strategy.State]:
    """The state at the start of a reference, and the mark from which on arrivals are judged against it.

    ``budget`` are the false alarms a month that the detectors may make.
    """
    name, detail = event
    state = strategy.begin(
        plan,
        reference,
        np.array(detail["inflation"]),
        windows_per_month=strategy.MONTH_S / shape.settings.window_s,
        budget=budget,
    )
    # of a model that had no reference yet, all that came before is judged against it too
    origin = -1 if kept is None or not kept.reference else arrival - 1
    step, said = (0, "[]") if kept is None else (kept.step, kept.verdicts)
    return Kept(step, name, origin, origin, NEVER, None, "", b"", said, "[]", ""), state


def _news(verdicts: Sequence[Mapping[str, Any]], mark: Kept) -> list[Mapping[str, Any]]:
    """Those of the verdicts that are others than before."""
    before = {key_of(one): one for one in json.loads(mark.verdicts)}
    return [one for one in verdicts if told_of(before.get(key_of(one))) != told_of(one)]


@dataclass(frozen=True, slots=True)
class _Closing:
    """When windows of knowledge close."""

    window: timedelta
    newest: datetime  # the latest receipt
    ingested: datetime  # when rows last came in, by the wall's clock
    now: datetime

    @property
    def live(self) -> bool:
        """True where the producers' clock is the wall's."""
        return abs(self.ingested - self.newest) < LIVE

    def due(self, end: datetime) -> datetime:
        """When a window with this end closes if nothing more comes."""
        silent = self.ingested + max(self.window, GRACE)
        return min(end + GRACE, silent) if self.live and end + GRACE > self.ingested else silent

    def closed(self, end: datetime) -> bool:
        """True where a window with this end takes no more rows."""
        return end <= self.newest or (self.live and end + GRACE <= self.now) or self.due(end) <= self.now

    def ready(self, rows: pl.DataFrame, known: datetime) -> tuple[pl.DataFrame, list[datetime]]:
        """The increments whose window of knowledge has closed, and the starts of those windows after ``known``."""
        ends = (rows["known"] + self.window).to_list()
        closed = rows.filter(pl.Series([self.closed(end) for end in ends], dtype=pl.Boolean))
        return closed, sorted(one for one in closed["known"].unique().to_list() if one > known)


def _waiting(tables: ModelTables, origin: int, arrival: int, known: datetime) -> pl.DataFrame:
    """The increments that were not judged yet."""
    return (
        tables["summaries"]
        .scan()
        .filter(
            (pl.col("part") == "live")
            & (pl.col("arrival") > origin)
            & ((pl.col("arrival") > arrival) | (pl.col("known") > known))
        )
        .collect()
    )


def _version(tables: ModelTables, before: str) -> str:
    """The version whose predictions came last; where none came, that of the reference."""
    newest = newest_version(tables)
    if newest is not None:
        return newest
    said = tables["events"].scan().filter(pl.col("kind") == "reference").sort("time").tail(1).collect()
    return str(said["version"][0]) if said.height else before


def _repeat_changes(tables: ModelTables, kept: Kept) -> None:
    """Write the changes of the last step into the history of verdicts, unless they are there."""
    changes = json.loads(kept.changes)
    if not changes or not changes["rows"]:
        return
    if tables["verdicts"].through("judge") >= kept.step:
        return
    frame = (
        pl.DataFrame(changes["rows"], infer_schema_length=None)
        .drop("told")
        .with_columns(
            pl.col("since").cast(pl.String).str.to_datetime(time_unit="us", time_zone="UTC"),
            pl.lit(datetime.fromisoformat(changes["time"])).alias("time"),
            pl.lit(kept.step).alias("step"),
            pl.lit(kept.version).alias("version"),
        )
    )
    tables["verdicts"].write(frame, {"judge": kept.step})

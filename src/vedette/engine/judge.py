"""From summaries to verdicts: each arrival judged once, window by window, state and verdicts in one commit.

A window of knowledge is judged when it has closed: when a receipt beyond its end was seen, when its end has passed by
the clock of a living producer, or when a whole window went by without arrivals. What arrives for it later is judged
with the next window, so there are never more judgements than windows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.state import GRACE, LIVE, NEVER, OPEN, Kept, kept_row, receipts
from vedette.engine.stored import of_frame
from vedette.engine.summarise import LABELLED, Shape
from vedette.lake.events import latest_reference
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.lake.tables import ModelTables
from vedette.records import Status, Verdict
from vedette.statistics import STATISTICS
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary

__all__ = ["accept", "judge", "reference_plan"]

MONTH_S = 30 * 86400.0


def reference_plan(
    tables: ModelTables, grids: Mapping[str, Grid]
) -> tuple[strategy.Plan, dict[str, Summary], int] | None:
    """The watches that the reference in force allows, its summaries by column, and its arrival; None without one."""
    rows = tables["summaries"].scan().filter(pl.col("part") == "reference").collect()
    if rows.is_empty():
        return None
    arrival = int(rows["arrival"].max())  # type: ignore[arg-type]
    rows = rows.filter(pl.col("arrival") == arrival).sort("column")
    summaries = {
        str(column): of_frame(some, grids[str(column)]).merged()
        for (column,), some in rows.group_by(["column"], maintain_order=True)
    }
    return strategy.plan(summaries, tables.path.name), summaries, arrival


def judge(tables: ModelTables, now: datetime, *, receipt: datetime | None = None) -> bool:
    """Judge what arrived and has closed, and commit; True where anything was.

    ``receipt`` is the latest receipt among the rows that came in with this round, None where none did. The caller
    holds the work lock.
    """
    kept = kept_row(tables)
    if kept is not None:
        _repeat_changes(tables, kept)
    event, snapshot = latest_reference(tables), tables["summaries"].snapshot()
    if event is None or snapshot is None:
        return False
    fresh = kept is None or kept.reference != event[0]
    if (
        kept is not None
        and not fresh
        and kept.arrival == snapshot.version()
        and (kept.due is None or kept.due > now)
    ):
        return False
    shape = Shape.of(tables)
    found = reference_plan(tables, shape.grids)
    if found is None:
        return False
    plan, reference, arrival = found
    if kept is None or fresh:
        mark, state = _begin(kept, plan, reference, event, arrival, shape)
    else:
        mark, state = kept, strategy.State.from_bytes(kept.block)
    rows = _waiting(tables, mark)
    closing = _Closing(timedelta(seconds=shape.settings.window_s), *receipts(tables, now, receipt), now)
    ends = (rows["known"] + closing.window).to_list()
    ready = rows.filter(pl.Series([closing.closed(end) for end in ends], dtype=pl.Boolean))
    steps = sorted(known for known in ready["known"].unique().to_list() if known > mark.known)
    if not steps and not fresh:
        return False
    detector = next(iter(strategy.STRATEGIES.values()))()
    alarms: list[dict[str, Any]] = []
    for step in _steps(plan, ready, steps, shape) if steps else ():
        evidence, state = detector.judge(step, state)
        alarms += _alarms(plan, evidence, state, step.start, closing.window)
    known = steps[-1] if steps else mark.known
    still_open = rows.filter(pl.col("known") > known)
    judged = strategy.verdicts(plan, state, _number(known, shape), detector.guarantee)
    verdicts, changes = _told_now(tables, plan, reference, judged, mark, set(still_open["column"].to_list()))
    row = Kept(
        step=mark.step + 1,
        reference=event[0],
        origin=mark.origin,
        arrival=snapshot.version() if steps else mark.arrival,
        known=known,
        due=min(
            (closing.due(one + closing.window) for one in still_open["known"].unique().to_list()),
            default=None,
        ),
        version=_version(tables, mark.version),
        block=state.to_bytes(),
        verdicts=json.dumps(verdicts),
        changes=json.dumps({"time": now.isoformat(), "rows": changes, "alarms": alarms}),
    )
    _keep(tables, row)
    return True


def accept(tables: ModelTables, watch: str, segment: str, now: datetime) -> bool:
    """Take what a watch sees since its alarm opened as normal from now on; False where it does not alarm.

    Its evidence starts at nothing, in one commit with its verdict. The caller holds the work lock.
    """
    kept = kept_row(tables)
    if kept is None:
        return False
    _repeat_changes(tables, kept)
    shape = Shape.of(tables)
    found = reference_plan(tables, shape.grids)
    before = {_key(one): one for one in json.loads(kept.verdicts)}
    old = before.get((watch, segment))
    if found is None or old is None or old["verdict"] != Status.ALARM:
        return False
    plan, state = found[0], strategy.State.from_bytes(kept.block)
    state = strategy.accept(state, np.array([one.id == watch for one in plan.watches]))
    guarantee = next(iter(strategy.STRATEGIES.values())).guarantee
    judged = strategy.verdicts(plan, state, _number(kept.known, shape), guarantee)
    rows = {(one.watch, one.segment): _row(one) | {"told": one.evidence} for one in judged}
    new = rows[watch, segment]
    verdicts = [new if key == (watch, segment) else one for key, one in before.items()]
    row = replace(
        kept,
        step=kept.step + 1,
        block=state.to_bytes(),
        verdicts=json.dumps(verdicts),
        changes=json.dumps({"time": now.isoformat(), "rows": [new], "alarms": []}),
    )
    _keep(tables, row)
    return True


def _keep(tables: ModelTables, row: Kept) -> None:
    """State, watermark and verdicts in one commit, and then the history."""
    content = {name: getattr(row, name) for name in Kept.__slots__}
    frame = pl.DataFrame([content], schema_overrides={"due": UTC_TYPE, "known": UTC_TYPE})
    tables["state"].write(frame, {}, replace=True)
    _repeat_changes(tables, row)


def _alarms(
    plan: strategy.Plan, evidence: strategy.Evidence, state: strategy.State, start: float, window: timedelta
) -> Iterator[dict[str, Any]]:
    """The alarms that a step opened, by the start of its window, and closed, by the end."""
    begun = datetime.fromtimestamp(start, UTC)
    for opens, which, at in (
        (False, evidence.recovered, begun + window),
        (True, evidence.alarm, begun),
    ):
        for k in np.flatnonzero(which).tolist():
            words = strategy.describe(plan, state, k) if opens else ""
            yield {
                "watch": plan.watches[k].id,
                "segment": "",
                "opens": opens,
                "at": at.isoformat(),
                "evidence": words,
            }


def _begin(
    kept: Kept | None,
    plan: strategy.Plan,
    reference: Mapping[str, Summary],
    event: tuple[str, dict[str, Any]],
    arrival: int,
    shape: Shape,
) -> tuple[Kept, strategy.State]:
    """The state at the start of a reference, and the mark from which on arrivals are judged against it."""
    name, detail = event
    state = strategy.begin(
        plan,
        reference,
        np.array(detail["inflation"]),
        windows_per_month=MONTH_S / shape.settings.window_s,
        budget=shape.settings.budget_per_month,
    )
    # of a model that had no reference yet, all that came before is judged against it too
    origin = -1 if kept is None else arrival - 1
    step, said = (0, "[]") if kept is None else (kept.step, kept.verdicts)
    return Kept(step, name, origin, origin, NEVER, None, "", b"", said, "[]"), state


def _told_now(
    tables: ModelTables,
    plan: strategy.Plan,
    reference: Mapping[str, Summary],
    judged: Sequence[Verdict],
    mark: Kept,
    open_columns: set[str],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The verdicts as they are kept, and those of them that are news."""
    before = {_key(one): one for one in json.loads(mark.verdicts)}
    told = _explained(tables, plan, reference, judged, before)
    verdicts = [_row(_waits(one, plan, open_columns)) | {"told": words} for one, words in told]
    return verdicts, [one for one in verdicts if _told(before.get(_key(one))) != _told(one)]


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


def _waiting(tables: ModelTables, mark: Kept) -> pl.DataFrame:
    """The increments that were not judged yet."""
    return (
        tables["summaries"]
        .scan()
        .filter(
            (pl.col("part") == "live")
            & (pl.col("arrival") > mark.origin)
            & ((pl.col("arrival") > mark.arrival) | (pl.col("known") > mark.known))
        )
        .collect()
    )


def _steps(
    plan: strategy.Plan, rows: pl.DataFrame, known: Sequence[datetime], shape: Shape
) -> Iterator[strategy.Step]:
    """One step for each closed window; what came late for an older one goes with the first."""
    edges = pl.Series(known).dt.timestamp("us").to_numpy()
    whole: dict[str, Summary] = {}
    for (column, grid), some in rows.group_by(["column", "grid"]):
        name = str(column)
        if name in plan.grids and plan.grids[name].id == grid:
            place = np.searchsorted(edges, some["known"].dt.timestamp("us").to_numpy(), side="left")
            whole[name] = of_frame(some, plan.grids[name]).grouped(place, len(known))
    return plan.steps(whole, [_number(one, shape) for one in known], [one.timestamp() for one in known])


def _number(start: datetime, shape: Shape) -> int:
    return round(start.timestamp() * 1e6) // shape.window_us


def _explained(
    tables: ModelTables,
    plan: strategy.Plan,
    reference: Mapping[str, Summary],
    verdicts: Sequence[Verdict],
    before: Mapping[tuple[str, str], Mapping[str, Any]],
) -> list[tuple[Verdict, str]]:
    """The verdicts, each with the words that are kept for the next round.

    An alarm keeps the words with which it was told, says how things are now, and leads with its cause.
    """
    watches = {watch.id: watch for watch in plan.watches}
    open_since = {v.watch: v.since for v in verdicts if v.verdict is Status.ALARM and v.since is not None}
    if not open_since:
        return [(one, one.evidence) for one in verdicts]
    rows = (
        tables["summaries"]
        .scan()
        .filter(
            (pl.col("part") == "live")
            & pl.col("column").is_in([watches[name].column for name in open_since])
            & (pl.col("known") >= min(open_since.values()))
        )
        .collect()
    )
    changed = _changed_columns(tables)
    out: list[tuple[Verdict, str]] = []
    for one in verdicts:
        if one.watch in open_since:
            watch, old = watches[one.watch], before.get((one.watch, one.segment))
            grid = plan.grids[watch.column]
            own = (pl.col("column") == watch.column) & (pl.col("grid") == grid.id)
            some = rows.filter(own & (pl.col("known") >= open_since[one.watch]))
            found = strategy.causes(reference[watch.column], of_frame(some, grid)) if some.height else ()
            fitting = [cause for cause in found if cause.startswith("missing") == (watch.kind == "missing")]
            if watch.kind in ("location", "bias", "errors") and some.height:
                fitting += _in_own_unit(watch.kind, reference[watch.column], of_frame(some, grid).merged())
            if watch.kind == "missing" and watch.column in changed:
                fitting = [changed[watch.column]]
            same = old is not None and _told(old) == _told(_row(one))
            told = str(old["told"]) if same and old is not None else one.evidence
            now = [f"now {one.evidence.partition('; evidence')[0]}"] if told != one.evidence else []
            out.append((replace(one, evidence="; ".join([*fitting, told, *now])), told))
        else:
            out.append((one, one.evidence))
    return out


def _in_own_unit(kind: str, before: Summary, after: Summary) -> list[str]:
    """How the mean of a numeric column or of errors changed, or the errors' mean size, in the column's own unit."""
    if not (before.used[0] and after.used[0]):
        return []
    if kind == "errors":
        old, new = (float(STATISTICS["mae"].figures(one).value[0]) for one in (before, after))
        if np.isnan([old, new]).any():
            return []
        return [f"mean absolute error went from {old:,.4g} to {new:,.4g}"]
    old, new = (float(one.grid.centre + one.total[0] / one.used[0]) for one in (before, after))
    what = "mean error" if kind == "bias" else "mean"
    return [f"{what} went from {old:,.4g} to {new:,.4g}"]


def _changed_columns(tables: ModelTables) -> dict[str, str]:
    """What the newest event says of each column that vanished or changed its type."""
    events = (
        tables["events"]
        .scan()
        .filter(pl.col("kind").is_in(["type_changed", "column_vanished", "column_appeared"]))
    )
    said: dict[str, str] = {}
    for kind, name, detail in (
        events.sort("time", maintain_order=True).select("kind", "name", "detail").collect().iter_rows()
    ):
        said.pop(name, None)
        if kind == "column_vanished":
            said[name] = "the column no longer comes"
        elif kind == "type_changed":
            said[name] = f"the column changed its type: {json.loads(detail).get('type')}, no number"
    return said


def _waits(one: Verdict, plan: strategy.Plan, open_columns: set[str]) -> Verdict:
    """The verdict; where it lacks rows, whether none came or their window is still open."""
    if one.reason != "no rows":
        return one
    column = next((watch.column for watch in plan.watches if watch.id == one.watch), "")
    if column in open_columns:
        return replace(one, reason=OPEN)
    return replace(one, reason="no labels") if column in LABELLED else one


def _version(tables: ModelTables, before: str) -> str:
    """The version whose predictions came last."""
    rows = tables["summaries"].scan().filter(pl.col("part") == "live").select("version", "arrival", "known")
    last = rows.sort("arrival", "known").tail(1).collect()
    if last.is_empty():
        said = tables["events"].scan().filter(pl.col("kind") == "reference").sort("time").tail(1).collect()
        return str(said["version"][0]) if said.height else before
    return str(last["version"][0])


def _row(one: Verdict) -> dict[str, Any]:
    return {
        "watch": one.watch,
        "segment": one.segment,
        "verdict": one.verdict.value,
        "since": None if one.since is None else one.since.isoformat(),
        "evidence": one.evidence,
        "guarantee": one.guarantee,
        "reason": one.reason,
    }


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["watch"], row["segment"]


def _told(row: Mapping[str, Any] | None) -> tuple[str, str | None] | None:
    """What makes a verdict another one: its word, and since when where it is an alarm."""
    return None if row is None else (row["verdict"], row["since"] if row["verdict"] == Status.ALARM else None)


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

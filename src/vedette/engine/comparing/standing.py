"""How the comparisons of ``vedette.toml`` stand: evaluated again where the lake has moved on, told where a decision changed.

A decision is an event of the model (kind ``comparison``), from which ``vedette check`` reads it; a challenger that is to be
rolled back is an alert ``compare:NAME``, until the comparison decides otherwise or is taken out of the file.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from vedette.config.comparing import CompareSettings
from vedette.engine import alerts, requests
from vedette.engine.comparing.evaluating import evaluate
from vedette.errors import VedetteError
from vedette.lake.locks import lock
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Alert, Status, Verdict
from vedette.records.comparing import Evaluated

__all__ = ["KIND", "stand", "verdicts"]

log = logging.getLogger("vedette")

KIND = "comparison"
WORK_WAIT_S = 60.0
SHORT_S, SHARE = 1.0, 0.05
"""What takes longer than ``SHORT_S`` to evaluate is evaluated no oftener than takes that share of a processor."""

_EVALUATED: dict[tuple[Path, str, CompareSettings], _Kept] = {}


@dataclass(frozen=True, slots=True)
class _Kept:
    """A comparison as it was evaluated: of which state of the lake, when (monotonic), and how long that took."""

    snapshot: int
    found: Evaluated
    at: float
    took_s: float

    def holds(self, snapshot: int) -> bool:
        """True where there is nothing new, or it is too soon."""
        soon = self.took_s > SHORT_S and time.monotonic() - self.at < self.took_s / SHARE
        return self.snapshot == snapshot or soon


def stand(
    lake: Lake, model: str, asked: Sequence[CompareSettings], now: datetime
) -> dict[CompareSettings, Evaluated]:
    """The comparisons as they stand; one that cannot be made is logged and left out."""
    found: dict[CompareSettings, Evaluated] = {}
    snapshot = lake.model(model)["summaries"].snapshot()
    at = -1 if snapshot is None else snapshot.version()
    for settings in asked:
        frozen = _frozen(settings)
        before = _EVALUATED.get((lake.path, model, frozen))
        if before is None or not before.holds(at):
            begun = time.monotonic()
            try:
                made = evaluate(lake, model, settings)
            except (VedetteError, ValueError) as error:
                log.error("model %s: comparison %s: %s", model, settings.name, error)
                continue
            before = _Kept(at, made, begun, time.monotonic() - begun)
            _EVALUATED[lake.path, model, frozen] = before
        found[frozen] = before.found
    _tell(lake, model, list(found.values()), [one.name for one in asked], now)
    return found


def verdicts(tables: ModelTables, asked: Sequence[CompareSettings]) -> list[Verdict]:
    """What comparisons decided last: ALARM where the challenger is to be rolled back."""
    last = _last(tables)
    out = []
    for one in asked:
        since, held = last.get(one.name, (None, {}))
        decision, words = str(held.get("decision", "unknown")), "; ".join(held.get("why", ()))
        if (held.get("champion"), held.get("challenger")) != (one.champion, one.challenger):
            since, decision, words = None, "unknown", "it was not evaluated yet"
        status = {"roll back": Status.ALARM, "unknown": Status.UNKNOWN}.get(decision, Status.OK)
        evidence = "" if status is Status.UNKNOWN else f"{decision} {one.challenger}: {words}"
        reason = words if status is Status.UNKNOWN else None
        out.append(Verdict(f"{alerts.COMPARE}{one.name}", "", status, since, evidence, "calibrated", reason))
    return out


def _last(tables: ModelTables) -> dict[str, tuple[datetime, dict[str, Any]]]:
    """The last decision of each comparison, and when it was made."""
    rows = tables["events"].scan().filter(pl.col("kind") == KIND).sort("time", maintain_order=True)
    return {
        name: (at, json.loads(held))
        for name, held, at in rows.select("name", "detail", "time").collect().iter_rows()
    }


def _tell(lake: Lake, model: str, found: Sequence[Evaluated], names: Sequence[str], now: datetime) -> None:
    """Make events of decisions that changed, and alerts of challengers that are to be rolled back."""
    tables = lake.model(model)
    last = _last(tables)
    changed = [one for one in found if _said(one) != _held(last.get(one.name))]
    wanted = {f"{alerts.COMPARE}{one.name}": one for one in found if one.decision == "roll back"}
    still = {f"{alerts.COMPARE}{name}" for name in names} - {f"{alerts.COMPARE}{one.name}" for one in found}
    open_now = {
        one.watch: one
        for one in alerts.alerts(tables)
        if one.state in alerts.OPEN_STATES and one.watch.startswith(alerts.COMPARE)
    }
    steps = [_opened(model, watch, one, now) for watch, one in wanted.items() if watch not in open_now]
    steps += [
        alerts.resolved(one, now, now, "the comparison decides otherwise, or is no longer made")
        for watch, one in open_now.items()
        if watch not in wanted and watch not in still
    ]
    if not changed and not steps:
        return
    rows = [
        {
            "kind": KIND,
            "name": one.name,
            "version": one.challenger,
            "detail": json.dumps(
                {
                    "decision": one.decision,
                    "champion": one.champion,
                    "challenger": one.challenger,
                    "why": [*one.why, *(f"looks like {each.kind}: {each.words}" for each in one.suspects)],
                },
                sort_keys=True,
            ),
            "time": now,
        }
        for one in changed
    ]
    with lock(requests.work_lock(lake), wait_s=WORK_WAIT_S):
        tables = lake.model(model)
        if rows:
            tables["events"].write(pl.DataFrame(rows), {})
        alerts.add_steps(tables, steps)


def _said(one: Evaluated) -> tuple[object, ...]:
    return one.decision, one.champion, one.challenger


def _held(last: tuple[datetime, dict[str, Any]] | None) -> tuple[object, ...] | None:
    return None if last is None else (last[1]["decision"], last[1]["champion"], last[1]["challenger"])


def _opened(model: str, watch: str, one: Evaluated, now: datetime) -> Alert:
    words = "; ".join([*one.why, *(f"looks like {each.kind}: {each.words}" for each in one.suspects)])
    return alerts.of_fact(model, watch, now, f"roll back {one.challenger}: {words}", now)


def _frozen(settings: CompareSettings) -> CompareSettings:
    """The settings as a key: with their tables as tuples."""
    tables = {
        name: tuple(sorted(getattr(settings, name).items())) for name in ("guard_rails", "smallest", "shares")
    }
    return replace(settings, **tables)  # type: ignore[arg-type]

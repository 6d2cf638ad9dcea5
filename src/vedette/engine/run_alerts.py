"""What people are told of training runs, as alerts like any other: acknowledged, silenced, and sent to the channels.

Three kinds of watches, each with the run as segment. ``run.<level>`` is what a training said itself (``run.alert``);
``run.failed`` and ``run.killed`` are runs that broke; ``training.<diagnosis>`` is what is surely wrong with a run that ended,
an ``ALARM`` of the diagnoses. All findings of it are kept as an event ``run_diagnosed``.

An alert fires until it is acknowledged and closed, or until a run that began after it has finished: then it is history. A run
that broke and went on is no longer broken.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from vedette.capture.run_parts import part_of
from vedette.engine import alerts
from vedette.engine.run_diagnosis import diagnose_run, finding_words
from vedette.engine.run_records import BROKEN, RunRecord, alive, merged, tell
from vedette.errors import DataError
from vedette.lake.tables import UTC, Lake, ModelTables
from vedette.records import RUN, Alert, AlertState, Status

__all__ = ["DIAGNOSED", "advance", "due"]

log = logging.getLogger("vedette")

DIAGNOSED = "run_diagnosed"
"""The event that a run which ended was diagnosed, with its findings."""

_KINDS = ("run_started", "run_resumed", "run_ended", "run_alert", DIAGNOSED)
_FRESH = timedelta(days=1)  # a run that ended before is no news any more


def advance(lake: Lake, model: str, now: datetime) -> None:
    """Write what came of the runs since (``model`` ends in ``.run``). The caller holds the work lock."""
    tables = lake.model(model)
    told = _Told(tables, now)
    for run in told.undiagnosed():
        _diagnose(lake, model, run, now)
    alerts.add_steps(tables, (_Told(tables, now) if told.undiagnosed() else told).steps())


def due(tables: ModelTables, now: datetime) -> bool:
    """True where there is something to write: a process that is gone, a silence that ended, a run that is not diagnosed."""
    told = _Told(tables, now)
    return bool(told.undiagnosed() or told.steps())


class _Told:
    """The events of the runs, as far as people are told of them, and the alerts that there are."""

    def __init__(self, tables: ModelTables, now: datetime) -> None:
        self.now, self.tables = now, tables
        frame = tables["events"].scan().filter(pl.col("kind").is_in(_KINDS)).collect()
        self.runs: dict[str, RunRecord] = {}
        self.said: list[tuple[datetime, str, dict[str, Any]]] = []
        self.findings: dict[str, tuple[datetime, list[dict[str, Any]]]] = {}
        frame = frame.sort("time", maintain_order=True)
        for when, kind, name, version, text in frame.select(
            "time", "kind", "name", "version", "detail"
        ).iter_rows():
            document = json.loads(text)
            if kind == "run_alert":
                self.said.append((when, name, document))  # by part: rank 0 has the run's name
            elif kind == DIAGNOSED:
                self.findings[name] = when, document["detail"]["findings"]
            else:
                tell(self.runs.setdefault(name, RunRecord(name)), kind, when, version, document["detail"])
        for one in self.runs.values():
            if one.status == "running":
                status, reason = alive(one.process, now, now.timestamp())
                if status == "killed":  # of a process elsewhere nothing is known for sure
                    one.status, one.reason = status, reason
        self.runs = merged(self.runs)

    def undiagnosed(self) -> list[str]:
        """The runs that ended of late and were not diagnosed since they began or went on."""
        found = []
        for name, one in self.runs.items():
            ended = one.ended or self.now
            if one.status == "running" or self.now - ended > _FRESH:
                continue
            before = self.findings.get(name)
            if before is None or (one.ended is not None and before[0] < one.ended):
                found.append(name)
        return found

    def steps(self) -> list[Alert]:
        """The alerts that open, and those that end."""
        every = alerts.alerts(self.tables)
        known = {one.id for one in every}
        opened = [one for one in self._alerts() if one.id not in known and self._over(one) is None]
        closed = []
        for one in every:
            if one.state not in alerts.OPEN_STATES:
                continue
            over = self._over(one)
            if over is not None:
                closed.append(alerts.resolved(one, self.now, self.now, over))
            elif alerts.silence_over(one, self.now):
                closed.append(alerts.fires_again(one, self.now))
        return [*opened, *closed]

    def _alerts(self) -> list[Alert]:
        """All alerts that the events make, whether they are there yet or not."""
        found = []
        for when, name, document in self.said:
            detail = document["detail"]
            level = str(detail.get("level", "warn"))
            at = "" if document.get("step", -1) < 0 else f" (step {document['step']})"
            words = ": ".join(str(detail[key]) for key in ("title", "text") if detail.get(key))
            part = part_of(name)
            who = f"rank {part.rank}: " if part.rank else ""
            found.append(self._alert(f"{RUN}.{level}", part.run, when, f"{who}{words}{at}"))
        for name, one in self.runs.items():
            if one.status in BROKEN:
                # of a process that is gone nobody knows when it went: it is told when it is found
                when = one.ended or self.now
                key = when.isoformat() if one.ended else str(one.process.get("start"))
                found.append(self._alert(f"{RUN}.{one.status}", name, when, one.reason or one.status, key))
        for name, (when, findings) in self.findings.items():
            found += [
                self._alert(f"training.{one['diagnosis']}", name, when, one["words"])
                for one in findings
                if one["verdict"] == Status.ALARM
            ]
        return [one for one in found if self.now - one.opened <= _FRESH]

    def _alert(self, watch: str, run: str, at: datetime, words: str, key: str | None = None) -> Alert:
        model = self.tables.path.name
        parts = (at.isoformat(), words) if key is None else (key,)
        name = alerts.identifier(model, watch, run, *parts)
        return Alert(
            id=name,
            incident=alerts.identifier(model, run, str(self.runs[run].started) if run in self.runs else ""),
            watch=watch,
            segment=run,
            state=AlertState.FIRING,
            opened=at,
            closed=None,
            evidence=words,
            by=None,
            reason=None,
            until=None,
            changed=self.now,
        )

    def _over(self, alert: Alert) -> str | None:
        """Why an alert is history; None where it is not."""
        own = self.runs.get(alert.segment)
        broken = alert.watch in {f"{RUN}.{one}" for one in BROKEN}
        if broken and own is not None and own.status not in BROKEN:
            return "the run went on"
        for one in self.runs.values():
            later = one.started is not None and one.started > alert.opened
            if later and one.status == "finished" and one.name != alert.segment:
                return f"run {one.name} has finished since"
        return None


def _diagnose(lake: Lake, model: str, run: str, now: datetime) -> None:
    """Keep what the diagnoses say of a run that ended."""
    try:
        found = diagnose_run(lake, model.removesuffix(f".{RUN}"), run)
    except DataError as error:  # its events are here, and its points are not
        log.warning("run %s: cannot be diagnosed: %s", run, error)
        found = ()
    findings = [{**asdict(one), "verdict": one.verdict.value, "words": finding_words(one)} for one in found]
    text = json.dumps({"step": -1, "detail": {"findings": findings}}, default=str)
    row = {"time": now, "kind": DIAGNOSED, "name": run, "version": "", "detail": text}
    tables = lake.model(model)
    tables["events"].write(pl.DataFrame([row], schema_overrides={"time": UTC}), {})

"""What people are told of training runs, as alerts like any other: acknowledged, silenced, and sent to the channels.

Three kinds of watches, each with the run as segment. ``run.<level>`` is what a training said itself (``run.alert``);
``run.failed`` and ``run.killed`` are runs that broke; ``training.<diagnosis>`` is what is surely wrong with a run that ended,
an ``ALARM`` of the diagnoses. All findings of it are kept as an event ``run_diagnosed``, with the ending that it is of.

An alert fires until it is acknowledged and closed, or until a run that began after it has finished: then it is history. A run
that went on is no longer broken, and what is wrong with it is found anew. What came and went between two rounds is told too.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from vedette.capture.run_parts import part_of
from vedette.engine import alerts
from vedette.engine.run_diagnosis import diagnose_runs, finding_words
from vedette.engine.run_records import BROKEN, DIAGNOSED, RunRecord, alive, merged, tell
from vedette.lake.tables import UTC, Lake, ModelTables
from vedette.records import RUN, Alert, AlertState, Health, Status, owner_of
from vedette.strategy.training import Finding

__all__ = ["RunWhy", "advance", "due", "last_run_note", "why_of_run", "with_last_run"]

log = logging.getLogger("vedette")

_KINDS = ("run_started", "run_resumed", "run_ended", "run_alert", DIAGNOSED)
_FRESH = timedelta(days=1)  # a run that ended before is no news any more
_BROKE = {"failed": "failed", "killed": "was killed"}
_WORDS_MAX = 300  # of a reason that stands in a line
_AT_ONCE = 20  # runs that are diagnosed in one round; the others in the next ones


def advance(lake: Lake, model: str, now: datetime) -> None:
    """Write what came of the runs since (``model`` ends in ``.run``). The caller holds the work lock."""
    told = _Told(lake.model(model), now)
    some = told.undiagnosed()[:_AT_ONCE]
    if some:
        _diagnose(lake, model, some, told)
        told = _Told(lake.model(model), now)
    alerts.add_steps(lake.model(model), told.steps())


def due(tables: ModelTables, now: datetime) -> bool:
    """True where there is something to write: a process that is gone, a silence that ended, a run that is not diagnosed."""
    told = _Told(tables, now)
    return bool(told.undiagnosed() or told.steps())


def with_last_run(health: Health, lake: Lake, now: datetime) -> Health:
    """A model's health with a note where its last training went wrong, which changes no verdict."""
    note = last_run_note(lake, health.model, now)
    return health if note is None else replace(health, notes=(*health.notes, note))


def last_run_note(lake: Lake, model: str, now: datetime) -> str | None:
    """A line where the last run of a model failed, was killed, or has an ``ALARM`` of the diagnoses; None where all is well.

    The last is the one that began last; of one that goes on nothing is said. It is as the last round left it.
    """
    own = f"{model}.{RUN}"
    if own not in lake.models():
        return None
    told = _Told(lake.model(own), now)
    begun = [one for one in told.runs.values() if one.started is not None]
    if not begun:
        return None
    last = max(begun, key=lambda one: (str(one.started), one.name))
    where = f"vedette run {model} {last.name}"
    why = (last.reason or "no reason was given")[:_WORDS_MAX]
    if last.status in BROKEN:
        return f"training: the last run, {last.name}, {_BROKE[last.status]}: {why} ({where})"
    _, detail = told.findings.get(last.name, (None, {}))
    grave = [one for one in detail.get("findings", ()) if one.get("verdict") == Status.ALARM]
    if not grave or detail["ending"] != told.ending(last.name):
        return None
    names = ", ".join(str(one["diagnosis"]) for one in grave)
    return f"training: the last run, {last.name}, {last.status} with ALARM {names}: {grave[0]['evidence']} ({where})"


@dataclass(frozen=True, slots=True)
class RunWhy:
    """What is known of the run that an alert is of: how it ended, why, and what the diagnoses found, the gravest first."""

    run: str
    status: str
    started: datetime | None
    ended: datetime | None
    reason: str | None
    findings: tuple[str, ...]
    reached: int | None


def why_of_run(lake: Lake, model: str, alert: Alert) -> RunWhy | None:
    """Why an alert of a model's runs was told, out of the events of its run; None where these are gone."""
    told = _Told(lake.model(f"{model}.{RUN}"), alert.changed)
    one = told.runs.get(alert.segment)
    if one is None:
        return None
    _, detail = told.findings.get(one.name, (None, {"findings": ()}))
    words = tuple(str(each["words"]) for each in detail["findings"] if each.get("verdict") != Status.OK)
    return RunWhy(one.name, one.status, one.started, one.ended, one.reason, words, told.reached(one.name))


class _Told:
    """The events of the runs, as far as people are told of them, and the alerts that there are."""

    def __init__(self, tables: ModelTables, now: datetime) -> None:
        self.now, self.tables = now, tables
        frame = tables["events"].scan().filter(pl.col("kind").is_in(_KINDS)).collect()
        frame = frame.sort("time", maintain_order=True)
        self.runs: dict[str, RunRecord] = {}
        self.went_on: dict[str, datetime] = {}
        self.said: list[tuple[datetime, str, dict[str, Any]]] = []
        self.findings: dict[str, tuple[datetime, dict[str, Any]]] = {}
        for when, kind, name, version, text in frame.select(
            "time", "kind", "name", "version", "detail"
        ).iter_rows():
            document = json.loads(text)
            detail = document.get("detail")
            if not isinstance(detail, dict):
                continue
            if kind == "run_alert":
                self.said.append((when, name, document))  # by part: rank 0 has the run's name
            elif kind == DIAGNOSED:
                if isinstance(detail.get("findings"), list) and "ending" in detail:
                    self.findings[name] = when, detail
            else:
                tell(self.runs.setdefault(name, RunRecord(name)), kind, when, version, detail)
                if kind == "run_resumed":
                    self.went_on[part_of(name).run] = when
        killed = [one for one in self.runs.values() if one.status == "running" and self._is_gone(one)]
        last = self._last([one.name for one in killed])
        for one in killed:
            one.ended = last.get(one.name, one.started)
        self.runs = merged(self.runs)

    def _is_gone(self, one: RunRecord) -> bool:
        """Whether its process is not there; of one on another machine nothing is known for sure."""
        status, reason = alive(one.process, self.now, self.now.timestamp())
        if status == "killed":
            one.status, one.reason = status, reason
        return status == "killed"

    def _last(self, names: list[str]) -> dict[str, datetime]:
        """When the last point of each run came."""
        if not names or self.tables["points"].snapshot() is None:
            return {}
        rows = self.tables["points"].scan().filter(pl.col("run").is_in(names))
        return dict(rows.group_by("run").agg(pl.col("time").max().cast(UTC)).collect().iter_rows())

    def reached(self, run: str) -> int | None:
        """The last step of which a point came; None where none did."""
        if self.tables["points"].snapshot() is None:
            return None
        last = self.tables["points"].scan().filter(pl.col("run") == run).select(pl.col("step").max())
        step: int | None = last.collect().item()
        return step

    def ending(self, run: str) -> str:
        """What tells one ending of a run from another, which it has when it goes on after it."""
        one = self.runs[run]
        return f"{one.status} {one.process.get('start')} {one.resumed}"

    def undiagnosed(self) -> list[str]:
        """The runs that ended of late, and whose ending was not diagnosed."""
        return [
            name
            for name, one in self.runs.items()
            if one.status != "running"
            and self.now - (one.ended or self.now) <= _FRESH
            and (name not in self.findings or self.findings[name][1]["ending"] != self.ending(name))
        ]

    def steps(self) -> list[Alert]:
        """The alerts that open, and those that end."""
        every = alerts.alerts(self.tables)
        known = {one.id for one in every}
        found = [one for one in self._alerts() if one.id not in known]
        for one in [*found, *every]:
            if one.state not in alerts.OPEN_STATES:
                continue
            over = self._over(one)
            if over is not None:
                found.append(alerts.resolved(one, self.now, self.now, over))
            elif alerts.silence_over(one, self.now):
                found.append(alerts.fires_again(one, self.now))
        return found

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
            said = f"{who}{words}{at}"
            found.append(self._alert(f"{RUN}.{level}", part.run, when, said, str(part.rank), words))
        for name, one in self.runs.items():
            if one.status in BROKEN:
                at_end = one.ended or self.now
                words = one.reason or one.status
                found.append(self._alert(f"{RUN}.{one.status}", name, at_end, words, self.ending(name)))
        for name, (when, detail) in self.findings.items():
            found += [
                self._alert(f"training.{one['diagnosis']}", name, when, one["words"], detail["ending"])
                for one in detail["findings"]
                if one.get("verdict") == Status.ALARM
            ]
        return [one for one in found if self.now - one.opened <= _FRESH]

    def _alert(self, watch: str, run: str, at: datetime, words: str, *key: str) -> Alert:
        model = self.tables.path.name
        return Alert(
            id=alerts.identifier(model, watch, run, *key),
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
        run = self.runs.get(alert.segment)
        own = {f"{RUN}.{one}" for one in BROKEN}
        went_on = self.went_on.get(alert.segment)
        if (
            (alert.watch in own or alert.watch.startswith("training."))
            and went_on is not None
            and went_on > alert.opened
        ):
            return "the run went on"
        if run is not None and run.status == "running":
            return None
        for one in self.runs.values():
            later = one.started is not None and one.started > alert.opened
            if later and one.status == "finished" and one.name != alert.segment:
                return f"run {one.name} has finished since"
        return None


def _diagnose(lake: Lake, model: str, names: list[str], told: _Told) -> None:
    """Keep what the diagnoses say of runs that ended; what cannot be diagnosed is said once, and keeps nobody from the rest."""
    own = owner_of(model)
    found: dict[str, tuple[Finding, ...]] = {}
    reasons: dict[str, str] = {}
    try:
        found = diagnose_runs(lake, own, names)
    except Exception:  # noqa: BLE001 - one of them: which, is found one by one
        for name in names:
            try:
                found |= diagnose_runs(lake, own, [name])
            except (
                Exception
            ) as error:  # an event of the user's that looks like one of ours, or a fault of a diagnosis
                log.exception("run %s: cannot be diagnosed", name)
                reasons[name] = f"{type(error).__name__}: {error}"[:300]
    rows = []
    for name in names:
        findings = [
            {**asdict(one), "verdict": one.verdict.value, "words": finding_words(one)}
            for one in found.get(name, ())
        ]
        detail = {"findings": findings, "ending": told.ending(name), "reason": reasons.get(name)}
        text = json.dumps({"step": -1, "detail": detail}, default=str)
        rows.append({"time": told.now, "kind": DIAGNOSED, "name": name, "version": "", "detail": text})
    lake.model(model)["events"].write(pl.DataFrame(rows, schema_overrides={"time": UTC}), {})

"""What each command of the command line does, as one function; ``cli.py`` only parses and prints."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import polars as pl

from vedette import config
from vedette.engine import alerts as alerts_module
from vedette.engine import audit as audit_module
from vedette.engine import (
    channel_changes,
    channel_tries,
    cycle,
    delivery,
    outbox,
    people,
    requests,
    run_alerts,
    written,
)
from vedette.engine import rules as rules_module
from vedette.engine.false_alarms import measured
from vedette.engine.health import health_with_kin, kin_of
from vedette.engine.holds import with_holds
from vedette.engine.runs import runs_of
from vedette.engine.state import due
from vedette.errors import AlertError, ConfigError, LakeError, LockedError, NotThereError
from vedette.lake import ingest as lake_ingest
from vedette.lake.ledger import ledger as read_ledger
from vedette.lake.locks import lock
from vedette.lake.outcomes import identifier
from vedette.lake.sources import sources
from vedette.lake.tables import Lake, ModelTables
from vedette.records import (
    Alert,
    AlertState,
    ChannelReport,
    FalseAlarms,
    Health,
    Ledger,
    Status,
    Verdict,
    check_model_name,
    is_runs,
)

__all__ = [
    "acknowledge",
    "alerts",
    "channels",
    "check",
    "false_alarms",
    "follow",
    "history",
    "ingest",
    "ledger",
    "on_alert",
    "open_lake",
    "rules",
    "silence",
    "try_channel",
    "visit",
    "who",
]

BEHIND_OWNER = 10
"""By how much nicer an ingester is than the server that started it: about a tenth of a processor that both want."""

log = logging.getLogger("vedette")


def open_lake(location: str | Path, model: str | None = None) -> Lake:
    """The lake that is at a location, with the model in it, or ``LakeError`` saying what is there instead."""
    lake = Lake.at(location)
    if not lake.path.is_dir():
        raise LakeError(f"lake={str(location)!r}: no such folder")
    beside = [] if model is None else [*kin_of(lake, model), runs_of(model)]
    if model is not None and not {check_model_name(model), *beside} & set(lake.models()):
        raise NotThereError(
            f"model={model!r}: not in the lake {lake.path}; it has {', '.join(lake.models()) or 'no models'}"
        )
    return lake


def check(location: str, model: str) -> Health:
    """Bring in and judge what there is, in this process (no model runs in it), and give the verdicts.

    Where another process is at work on the lake, its round is waited for.
    """
    lake = open_lake(location, model)
    trainings = [runs_of(model)] if runs_of(model) in lake.models() else []
    for name in (model, *kin_of(lake, model), *trainings):
        visit(lake, name)
    now = lake_ingest.now_of(time.time())
    return run_alerts.with_last_run(health_with_kin(lake, model, now), lake, now)


def visit(lake: Lake, model: str) -> None:
    """A round, where it has something to do; the channels are told in any case: retries and repeats come due."""
    if _work(lake, model):
        cycle.once(lake, models=[model])
    else:
        delivery.deliver(lake, [model])


def _work(lake: Lake, model: str) -> bool:
    """True where a round has something to do: rows in the journals, a window to judge, other rules, what time brings."""
    tables = lake.model(model)
    for folder in sources(lake, model):
        done = {
            s: tables["ledger"].through(identifier(folder.name, s))
            for s in ("predictions", "labels", "batch")
        }
        if any(
            folder.highest(stream) > done[stream] for stream in ("predictions", "labels")
        ) or folder.batches(done["batch"]):
            return True
    now = lake_ingest.now_of(time.time())
    if is_runs(model):
        return run_alerts.due(tables, now)
    return _other_rules(tables, model) or due(tables, now) or alerts_module.due(tables, now)


def _other_rules(tables: ModelTables, model: str) -> bool:
    """True where the rules written are not those in force, or cannot be read: then the round goes before the error."""
    try:
        return written.news(tables, config.read().judged(model))
    except ConfigError:
        return True


def alerts(location: str, model: str) -> list[Alert]:
    """The alerts of a model and of its runs, the newest first, after a round where there is something to do.

    Channels that have taken nothing for a while are named in the log.
    """
    lake = open_lake(location, model)
    found: list[Alert] = []
    for name in (one for one in (model, runs_of(model)) if one in lake.models()):
        visit(lake, name)
        tables, now = lake.model(name), lake_ingest.now_of(time.time())
        for one in outbox.verdicts(tables, now):
            log.warning("%s: %s", one.watch, one.reason)
        found += with_holds(lake, name, alerts_module.alerts(tables, now), now)
    return sorted(found, key=lambda one: (one.opened, one.id), reverse=True)


def channels(location: str) -> list[ChannelReport]:
    """The channels of ``vedette.toml``, what they send, and how that goes for each model of the lake."""
    lake = Lake.at(location)
    boxes = {model: outbox.read(lake.model(model)) for model in lake.models()}
    return [
        ChannelReport(
            name=one.name,
            type=one.type,
            states=one.states,
            models=one.models,
            watches=one.watches,
            repeat_s=one.repeat_s,
            timeout_s=one.timeout_s,
            heartbeat=one.heartbeat,
            deliveries=tuple(
                outbox.delivery_of(model, found[one.name])
                for model, found in boxes.items()
                if one.name in found and found[one.name].active
            ),
        )
        for one in channel_changes.in_force(lake, config.read())
    ]


def try_channel(name: str) -> str:
    """Send a test notice by a channel, and return what came back; ``ChannelError`` where it failed."""
    return channel_tries.try_channel(name)


def history(location: str, model: str) -> pl.DataFrame:
    """Who did what to the watching of a model, the oldest first."""
    return audit_module.audit(open_lake(location, model).model(model))


def rules(location: str, model: str) -> list[tuple[str, Verdict]]:
    """The rules of a model in force, each as it was written and with its verdict, after a round."""
    health = check(location, model)
    said = written.in_force(open_lake(location, model).model(model)).rules
    verdicts = {one.watch: one for one in health.verdicts}
    new = "no row has come since the rule was made"

    def of(name: str) -> Verdict:
        watch = f"{rules_module.PREFIX}{name}"
        return verdicts.get(watch) or Verdict(watch, "", Status.UNKNOWN, None, "", "rule", new)

    return [(text if isinstance(text, str) else text["when"], of(name)) for name, text in said.items()]


def false_alarms(location: str, model: str) -> FalseAlarms | None:
    """The alerts that people marked as false, beside the budget; None where nothing was judged yet."""
    tables = open_lake(location, model).model(model)
    return measured(tables, alerts_module.alerts(tables))


def acknowledge(
    location: str,
    alert: str,
    *,
    by: str | None,
    reason: str | None,
    accept: bool,
    incident: bool = False,
    false: bool = False,
    model: str | None = None,
) -> list[Alert]:
    """Say that someone has seen an alert of the lake, that it was ``false``, or that what it found is normal from now on.

    ``incident``: so of all alerts of its incident that are told and open; where one of them cannot be accepted, none is, and
    ``AlertError`` says which. ``model``: it is one of this model or its runs.
    """
    if accept and false:
        raise ValueError(
            "--accept and --false: must be one of them: what is normal from now on had changed, a false alarm had not"
        )
    act: Callable[..., Alert] = alerts_module.mark_false if false else alerts_module.acknowledge
    act = alerts_module.accept if accept else act
    check = alerts_module.check_acceptable if accept else None
    return on_alert(location, alert, act, incident, model, check=check, by=who(by), reason=reason)


def silence(
    location: str,
    alert: str,
    *,
    by: str | None,
    reason: str,
    duration: str,
    incident: bool = False,
    model: str | None = None,
) -> list[Alert]:
    """Tell nobody of an alert of the lake, or of its whole incident, for a while; ``model`` as for ``acknowledge``."""
    until = lake_ingest.now_of(time.time()) + timedelta(seconds=config.duration_s(duration, "for"))
    return on_alert(
        location, alert, alerts_module.silence, incident, model, by=who(by), reason=reason, until=until
    )


def who(by: str | None) -> str:
    """Who is at the keyboard, where nobody else is named."""
    return people.user() if by is None else by


def on_alert(
    location: str,
    alert: str,
    act: Callable[..., Alert],
    incident: bool,
    of: str | None,
    check: Callable[[ModelTables, str], object] | None = None,
    **said: Any,
) -> list[Alert]:
    """Do something with an alert, or all of its incident, of whichever model has it; nothing where ``check`` refuses one."""
    lake = open_lake(location, of)
    models = lake.models() if of is None else [one for one in (of, runs_of(of)) if lake.has(one)]
    with lock(requests.work_lock(lake), wait_s=cycle.LOCK_WAIT_S):
        known: list[str] = []
        for model in models:
            tables, now = lake.model(model), lake_ingest.now_of(time.time())
            ids = {one.id: one for one in alerts_module.alerts(tables, now)}
            if alert in ids:
                alerts_module.advance(tables, now)  # what a crash kept, before a step of ours
                same = [
                    name
                    for name, one in ids.items()
                    if one.incident == ids[alert].incident
                    and one.state not in (AlertState.RESOLVED, AlertState.PENDING)
                ]
                names = same if incident else [alert]
                if check is not None:
                    for name in names:
                        check(tables, name)
                return [act(tables, name, now=now, **said) for name in names]
            known += [name for name, one in ids.items() if one.state is not AlertState.RESOLVED]
    where = f"not in the lake {lake.path}" if of is None else f"not of model {of!r}"
    raise AlertError(f"alert={alert!r}: {where}; open are {', '.join(known) or 'none'}")


def ledger(location: str, model: str) -> Ledger:
    """The ledger of a model."""
    return read_ledger(open_lake(location, model), model)


def ingest(location: str, progress: Callable[[int, int, str], None] | None = None) -> dict[str, int]:
    """One round over all models; rows that came in, by model. Where a follower runs, its round is waited for."""
    lake = open_lake(location)
    found, models = {}, lake.models()
    for done, model in enumerate(models):
        if progress is not None:
            progress(done, len(models), model)
        found[model] = cycle.once(lake, models=[model])
    return found


def follow(location: str, *, interval_s: float, idle_exit_s: float | None, owner: int | None = None) -> None:
    """Follow the journals until SIGTERM or SIGINT; at once over where another process does already.

    It ends with its parent where that is to be ``owner``: whoever is killed leaves nothing behind. It then lets its owner have
    the processors first, at a priority lower by ``BEHIND_OWNER``: what it brings in is on disk already, and nobody waits.
    """
    if owner is not None:
        os.nice(BEHIND_OWNER)
    lake = Lake.at(location)
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    def stop_now() -> bool:
        return bool(stopped) or (owner is not None and os.getppid() != owner)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        cycle.follow(lake, interval_s=interval_s, idle_exit_s=idle_exit_s, stop=stop_now)
    except LockedError:
        if idle_exit_s is None:
            raise
        # Started by a flush beside another one that was quicker: there is a follower, and that is all that was asked.

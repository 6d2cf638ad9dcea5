"""One round of the engine on one machine: journals to tables, rows to summaries, summaries to verdicts.

Each step commits behind its own watermark, the ledger last; what a crash cuts off is done again from the journals.
After a round, when the lake is free for others, the channels are told (``delivery.py``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

import polars as pl

from vedette import config
from vedette.engine import alerts, delivery, judge, label_watch, people, requests, run_alerts
from vedette.engine import written as judging
from vedette.engine.contract import schema_events
from vedette.engine.outputs import spread
from vedette.engine.reference import take, write_grids
from vedette.engine.runs import round_of_runs
from vedette.engine.segments_watched import with_segments
from vedette.engine.stored import to_frame
from vedette.engine.summarise import Shape, increments
from vedette.engine.telling import Background
from vedette.errors import ConfigError
from vedette.lake import ingest
from vedette.lake.arrivals import Arrivals, collect
from vedette.lake.deleting import apply_tombstones
from vedette.lake.forgotten import forget_ids
from vedette.lake.locks import lock
from vedette.lake.outcomes import identifier
from vedette.lake.received import tidy
from vedette.lake.rows import matches
from vedette.lake.sources import sources
from vedette.lake.tables import Lake, ModelTables
from vedette.records import is_runs

__all__ = ["follow", "once", "round_of"]

log = logging.getLogger("vedette")

LOCK_WAIT_S = 60.0
CLOSE_WAIT_S = 15.0
"""A follower that ends waits so long for what is being sent; what has not ended then is sent again by the next one."""
UNTOLD_EXIT_S = 86400.0
"""A follower that a flush started stays for so long where a notice waits for a channel that does not answer."""
_STREAMS = ("predictions", "labels", "batch")


def round_of(lake: Lake, model: str, now: datetime, written: config.Config | None = None) -> int:
    """Bring in what the journals of a model hold, and judge it; returns the rows that came in.

    ``written`` is what ``vedette.toml`` says; without it the rules stay those that the lake has. The caller holds the
    work lock.
    """
    if is_runs(model):
        rows = round_of_runs(lake, model, now)
        run_alerts.advance(lake, model, now)
        return rows
    tables = lake.model(model)
    if written is not None:
        judging.register(tables, written.judged(model), people.user(), now)
    if apply_tombstones(lake, model, now):
        tables = lake.model(model)
    folders = sources(lake, model)
    keys = [identifier(folder.name, stream) for folder in folders for stream in _STREAMS]
    arrivals = collect(lake, model, ingest.watermarks(tables, "ledger", keys), folders)
    if "predictions" in arrivals.forgotten:
        stay = pl.concat(
            [one.select("id") for one in (tables["predictions"].scan(), arrivals.predictions.lazy())]
        )
        forget_ids(lake, model, arrivals.forgotten["predictions"], stay, now)
    if not arrivals.empty:
        ingest.append(tables, arrivals, now)
        _summarise(tables, arrivals, now)
        label_watch.count_arrivals(tables, Shape.of(tables), now)
    alerts.advance(tables, now)  # what a crash kept from the last round, before its step is gone
    received = [frame["received"].max() for frame in (arrivals.predictions, arrivals.labels) if frame.height]
    judge.judge(tables, now, receipt=max(received, default=None))  # type: ignore[type-var, arg-type]
    alerts.advance(tables, now)
    if not arrivals.empty or any(folder.crowded for folder in folders):
        ingest.close(tables, arrivals, now)
    return arrivals.predictions.height + arrivals.labels.height


def _summarise(tables: ModelTables, arrivals: Arrivals, now: datetime) -> None:
    """Add what the arrivals mean to the summaries, once."""
    marks = ingest.through(arrivals, _STREAMS)
    old = ingest.watermarks(tables, "summaries", marks)
    new = {key: number for key, number in marks.items() if number > old[key]}
    if not new:
        return
    snapshot = tables["summaries"].snapshot()
    arrival = 0 if snapshot is None else snapshot.version() + 1
    new_references = [one for one in arrivals.references if one.number > old.get(one.identifier, 0)]
    frames = [take(tables, one, arrival, now) for one in new_references[-1:]]  # the last one is in force
    shape = Shape.of(tables)
    predictions = ingest.beyond(arrivals, "predictions", old)
    labels = ingest.beyond(arrivals, "labels", old)
    ingest.tell(tables, schema_events(shape, spread(predictions, shape.settings)), now)
    shape = with_segments(tables, shape, predictions, now)
    matched = matches(tables, predictions, labels, shape.settings.segments)
    found, made = increments(shape, predictions, matched, segments=True)
    write_grids(tables, list(made.values()), now, source=None)
    frames.append(to_frame(found, "live", arrival))
    tables["summaries"].write(pl.concat(frames), new)


def once(
    lake: Lake,
    *,
    clock: Callable[[], float] = time.time,
    models: list[str] | None = None,
    wait_s: float = LOCK_WAIT_S,
    written: config.Config | None = None,
) -> int:
    """One round over the models of a lake (default all), under the lake's lock, and telling of it after; returns the
    rows that came in.

    ``written`` is what ``vedette.toml`` says; read where it is not given. Where it is wrong the rules stay as they were,
    and ``ConfigError`` says so after the round.
    """
    names = models if models is not None else lake.models()
    try:
        rows = _rounds(lake, names, written or _written(None), clock, wait_s)
    except Exception:
        try:  # what waits does not wait for a good round
            delivery.deliver(lake, names, clock=clock, completed=False)
        except Exception:  # the round's error is the one to raise
            log.exception("telling failed after a round that failed")
        raise
    delivery.deliver(lake, names, clock=clock, written=written)
    # after, since an action may take its time; what it asks of people is told by the next round
    _act(lake, names, clock, written)
    return rows


def _act(lake: Lake, models: list[str], clock: Callable[[], float], said: config.Config | None) -> None:
    """Evaluate comparisons and do what policies say."""
    written = said or _written(None)
    acting = (
        []
        if written is None
        else [one for one in models if written.policies_of(one) or written.compare_of(one)]
    )
    if not acting:
        return
    from vedette.engine.chain import act  # only where there is something to decide

    for model in acting:
        try:
            act(lake, model, clock=clock, written=written)
        except Exception:  # the round that was done is none the worse
            log.exception("model %s: its policies", model)


def _rounds(
    lake: Lake,
    models: list[str],
    written: config.Config | None,
    clock: Callable[[], float] = time.time,
    wait_s: float = LOCK_WAIT_S,
) -> int:
    with lock(requests.work_lock(lake), wait_s=wait_s):
        return sum(round_of(lake, model, ingest.now_of(clock()), written) for model in models)


def follow(
    lake: Lake,
    *,
    interval_s: float = 5.0,
    idle_exit_s: float | None = None,
    clock: Callable[[], float] = time.time,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Rounds for ever: every ``interval_s``, and at once where a process asks; the lake's only follower.

    Ends when ``stop`` says so, or after ``idle_exit_s`` without rows or requests (a day of that where a notice could not
    be sent and waits). A model whose round fails is logged and tried again; the others go on. Telling goes on beside the
    rounds. Raises ``LockedError`` where another process follows this lake.
    """
    with ExitStack() as stack:
        stack.enter_context(lock(requests.follower_lock(lake), wait_s=0.2))
        telling = Background(lake, clock)
        stack.callback(telling.close, CLOSE_WAIT_S)
        quiet_since = time.monotonic()
        due = 0.0
        written = _written(None)
        while not stop():
            asked = requests.pending(lake)
            now = time.monotonic()
            if not asked and now < due:
                patience_s = UNTOLD_EXIT_S if telling.waiting else 0.0
                if idle_exit_s is not None and now - quiet_since > max(idle_exit_s, patience_s):
                    return
                time.sleep(0.02)
                continue
            failures: dict[str, str] = {}  # by model
            rows, written = 0, _written(written)
            for model in lake.models():
                try:
                    rows += _rounds(lake, [model], written, clock)
                except Exception as error:
                    log.exception("model %s: the round failed", model)
                    failures[model] = f"{model}: {error}"
                telling.tell(model, completed=model not in failures)
            _tidy(lake)
            for name in asked:
                failed = failures.get(requests.model_of(name))
                if failed is None:
                    requests.serve(lake, [name])
                else:
                    requests.refuse(lake, [name], failed)
            if rows or asked:
                quiet_since = time.monotonic()
            due = time.monotonic() + interval_s


def _tidy(lake: Lake) -> None:
    """Delete what servers received and the tables have."""
    try:
        with lock(requests.work_lock(lake), wait_s=LOCK_WAIT_S):
            tidy(lake)
    except Exception:
        log.exception("what servers received cannot be tidied")


def _written(before: config.Config | None) -> config.Config | None:
    """What ``vedette.toml`` says now; as long as it is wrong, what it said before: rows go on coming in.

    What is wrong is told where channels are read from the same file, in the log or as an error.
    """
    try:
        return config.read()
    except ConfigError:
        return before

"""Scheduled reports: a page of each model for each period, made once, whoever looks and however often one starts.

A report that is due is made under a lock of its own, and an event of the model says that it was: another process, or the same
after a restart, finds the event and makes none; the event names the channels that are told of it (``delivery.py``). Of those
that were missed the last is made up. A page is put in its place whole, so that nobody reads half of one. What fails is tried
again after an hour, and is a verdict ``report:NAME`` of the model until it succeeds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from vedette import config
from vedette.capture.shipping.desk import put
from vedette.config import ReportSettings
from vedette.engine import delivery, report_events, requests
from vedette.engine.story import page_of
from vedette.errors import LakeError, LockedError, VedetteError
from vedette.lake.ingest import now_of
from vedette.lake.locks import lock
from vedette.lake.tables import Lake
from vedette.output.links import stamp_of
from vedette.records import ReportPage, is_runs

__all__ = ["Made", "make_due", "place_of", "standing"]

log = logging.getLogger("vedette")

AGAIN = timedelta(hours=1)
WORK_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Made:
    """A report of a model that was due: its page, and why it could not be made, None where it was."""

    report: str
    model: str
    path: str
    error: str | None


def standing(*, clock: Callable[[], float] = time.time) -> list[tuple[ReportSettings, datetime, datetime]]:
    """Each report of ``vedette.toml``, when it was due last, and the start of what it tells of then."""
    now = now_of(clock())
    return [(one, *one.due(now)) for one in config.read().reports]


def make_due(lake: Lake, *, clock: Callable[[], float] = time.time) -> list[Made]:
    """Make every report that is due, and say what became of each.

    Empty where another process makes them now. Raises ``ConfigError`` where ``vedette.toml`` cannot be meant.
    """
    written = config.read()
    if not written.reports:
        return []
    found: list[Made] = []
    try:
        with lock(lake.journal / ".reports.lock", wait_s=0.2):
            for one in written.reports:
                for model in lake.models():
                    if not is_runs(model) and any(fnmatchcase(model, pattern) for pattern in one.models):
                        found += _make(lake, model, one, now_of(clock()))
    except LockedError:
        log.info("reports: another process makes them")
    told = {one.name for one in written.reports if one.channels}
    models = sorted({one.model for one in found if one.error is None and one.report in told})
    if models:  # at once; what is not taken now is tried again by whoever tells of alerts
        delivery.deliver(lake, models, clock=clock, completed=False)
    return found


def _make(lake: Lake, model: str, one: ReportSettings, now: datetime) -> list[Made]:
    """The report of one model, where it is due."""
    end, start = one.due(now)
    made, failed = report_events.last_made(lake.model(model), one.name)
    if (made is not None and made >= end) or (failed is not None and now - failed < AGAIN):
        return []
    path = place_of(one, model, stamp_of(end))
    error = None
    try:
        _place(path, page_of(lake, model, period=(start, end)))
        _forget(path.parent, model, one.keep)
    except VedetteError as wrong:
        error = str(wrong)
    except Exception as wrong:  # one that fails keeps no other from being made, and is told
        log.exception("report %s: model %s", one.name, model)
        error = f"{type(wrong).__name__}: {wrong}"
    with lock(requests.work_lock(lake), wait_s=WORK_WAIT_S):
        page = ReportPage(one.name, start, end, str(path))
        report_events.keep(lake.model(model), page, error, now, one.channels)
    return [Made(one.name, model, str(path), error)]


def place_of(one: ReportSettings, model: str, stamp: str) -> Path:
    """The file of a report of a model, by when it was due."""
    return one.folder / one.name / f"{model}-{stamp}.html"


def _place(path: Path, text: str) -> None:
    """Put a page in its place, on disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, text.encode(), sync=True)
        path.chmod(0o644)  # for whoever the folder is for
    except OSError as error:
        raise LakeError(f"report {path}: cannot be written: {error.strerror}") from error


def _forget(folder: Path, model: str, keep: int) -> None:
    """Delete the pages of a model but for the newest."""
    stamp = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]-[0-9][0-9][0-9][0-9]"
    try:
        for path in sorted(folder.glob(f"{model}-{stamp}.html"))[:-keep]:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise LakeError(f"report {folder}: old pages cannot be deleted: {error.strerror}") from error

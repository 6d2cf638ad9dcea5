"""Trainings as JSON: points of their metrics, and what happened to them, as the rows by which a run is recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from vedette.capture.metrics import Names
from vedette.capture.rejected import Rejected
from vedette.capture.run_events import event_text
from vedette.records import is_storable
from vedette.server.ingest.json_rows import parse
from vedette.server.ingest.limits import Refused

__all__ = ["EVENT_KINDS", "event_rows", "point_rows"]

EVENT_KINDS = {
    "run_started": "the training began; detail may have ranks",
    "run_params": "what it was given: detail has a value by name",
    "run_ended": "it ended: detail has status, finished or failed, and may have reason and summary",
    "run_alert": "people are to be told: detail has title, text and level, info, warn or error",
}
_RUN_MAX = 120
_STATUS = ("finished", "failed")
_LEVELS = ("info", "warn", "error")
_NUMBERED = ("producer", "first")


def _checked(body: bytes, keys: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """The object of a request and the run's name."""
    document = parse(body)
    if type(document) is not dict:
        raise Refused(400, f"{type(document).__name__}: must be an object with {', '.join(keys)}")
    unknown = document.keys() - set(keys) - set(_NUMBERED)
    if unknown:
        raise Refused(400, f"{min(unknown)[:60]!r}: is no key; there are {', '.join((*keys, *_NUMBERED))}")
    run = document.get("run")
    if type(run) is not str or not 0 < len(run) <= _RUN_MAX or not is_storable(run):
        raise Refused(400, f"run={str(run)[:60]!r}: must be text of 1 to {_RUN_MAX} characters")
    return document, run


def _rows(document: Mapping[str, Any], rows: list[dict[str, Any]], version: str) -> bytes:
    numbered = {name: document[name] for name in _NUMBERED if name in document}
    return json.dumps({**numbered, "version": version, "rows": rows}).encode()


def point_rows(body: bytes) -> bytes:
    """Points as rows of the model's runs: a row a step, a feature a metric. Raises ``Refused``.

    >>> point_rows(b'{"run": "a", "points": [{"step": 1, "metrics": {"loss": 0.5}}]}')
    b'{"version": "a", "rows": [{"features": {"loss": 0.5}, "prediction": 1, "time": null}]}'
    """
    document, run = _checked(body, ("run", "points"))
    points = document.get("points")
    if type(points) is not list or not points:
        raise Refused(400, "points: must be a list of objects with step and metrics")
    names, rows = Names(), []
    for number, one in enumerate(points):
        where = f"points[{number}]"
        if type(one) is not dict or not one.keys() <= {"step", "time", "metrics"}:
            raise Refused(400, f"{where}: must be an object with step, metrics and, where it is known, time")
        step, metrics = one.get("step"), one.get("metrics")
        if type(step) is not int or not -(2**53) <= step <= 2**53:
            raise Refused(400, f"{where}.step={str(step)[:40]}: must be a whole number")
        if type(metrics) is not dict or not metrics:
            raise Refused(400, f"{where}.metrics: must be an object of numbers by name")
        features = {}
        for name, value in metrics.items():
            if type(value) not in (int, float) or isinstance(value, bool):
                raise Refused(400, f"{where}.metrics.{name[:60]}={str(value)[:40]}: must be a number")
            try:
                features[names.column(name)] = float(value)
            except Rejected as error:
                raise Refused(400, f"{where}.metrics: {error}") from None
            except OverflowError:
                raise Refused(400, f"{where}.metrics.{name[:60]}: is beyond float64") from None
        rows.append({"features": features, "prediction": step, "time": one.get("time")})
    return _rows(document, rows, run)


def event_rows(body: bytes) -> bytes:
    """An event of a run as a row of the model's runs. Raises ``Refused``."""
    document, run = _checked(body, ("run", "kind", "version", "step", "time", "detail"))
    kind, detail = document.get("kind"), document.get("detail", {})
    if type(kind) is not str or kind not in EVENT_KINDS:
        raise Refused(400, f"kind={str(kind)[:60]!r}: must be one of {', '.join(EVENT_KINDS)}")
    if type(detail) is not dict:
        raise Refused(400, "detail: must be an object")
    try:
        json.dumps(detail, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refused(400, "detail: text must be Unicode, without halves of surrogate pairs") from None
    except RecursionError:
        raise Refused(400, "detail: nested too deeply") from None
    step, version = document.get("step", 0), document.get("version", "1")
    if (
        type(step) is not int
        or not -(2**53) <= step <= 2**53
        or type(version) is not str
        or not 0 < len(version) <= 128
        or not is_storable(version)
    ):
        raise Refused(400, "step: must be a whole number; version: text of 1 to 128 characters")
    if kind == "run_started":
        ranks = detail.get("ranks", 1)
        if type(ranks) is not int or not 1 <= ranks <= 100_000:
            raise Refused(400, f"detail.ranks={str(ranks)[:40]}: must be a whole number from 1")
        # where it runs is not asked: it counts as running as long as something comes from it
        detail = {**detail, "ranks": ranks, "host": detail.get("host") or "another machine"}
    elif kind == "run_ended" and detail.get("status") not in _STATUS:
        raise Refused(
            400, f"detail.status={str(detail.get('status'))[:40]!r}: must be one of {', '.join(_STATUS)}"
        )
    elif kind == "run_ended" and not isinstance(detail.get("summary") or {}, dict):
        raise Refused(400, "detail.summary: must be an object of values by name")
    elif kind == "run_alert":
        if type(detail.get("title")) is not str or detail.get("level", "warn") not in _LEVELS:
            raise Refused(400, f"detail: must have title, text, and level: one of {', '.join(_LEVELS)}")
        detail = {"text": "", "level": "warn", **detail}
    row = {
        "id": run,
        "label": event_text(kind, version, step, detail),
        "time": document.get("time", time.time()),
    }
    return _rows(document, [row], version)

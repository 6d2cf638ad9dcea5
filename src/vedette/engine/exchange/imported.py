"""Runs of another system become runs of a model, each point and each event once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from vedette.capture.metrics import metric_of
from vedette.capture.mirrors import Event
from vedette.capture.mirrors.address import hide, shown
from vedette.engine.exchange import found_runs
from vedette.engine.exchange.difference import event_key, new_rows
from vedette.engine.exchange.found import Exchanged, ExchangedRun, FoundRun
from vedette.engine.exchange.intake import Intake
from vedette.engine.exchange.names import metric_names, run_name
from vedette.engine.runs import runs_of
from vedette.errors import ExchangeError, VedetteError
from vedette.lake.locks import lock
from vedette.lake.points import Kept, read
from vedette.lake.tables import Lake
from vedette.records import check_model_name

__all__ = ["IMPORTED", "import_runs"]

IMPORTED = "imported"
"""The kind of the event that keeps where a run came from, its name there, and the names of its metrics that were changed."""

_LOCK_WAIT_S = 60.0


def import_runs(
    kind: str,
    place: str,
    lake: str | Path | Lake,
    model: str,
    progress: Callable[[int, int, str], None] | None = None,
) -> Exchanged:
    """Import the runs at a place (a log directory of TensorBoard, a tracking URI of MLflow) as runs of a model.

    What is in the lake already is not brought again: points are told apart by metric, step, time (to the microsecond) and
    value, events by kind, time and detail. So an import that was cut off is finished by the next one, and one of a training
    that goes on brings what is new. A run that mirrors one which is in this lake is left as it is. ``progress`` is called with
    runs done, runs known of, and the name of the next.

    Raises ``ValueError`` for a kind or a model that cannot be, ``MissingExtraError`` where the package is not installed,
    ``DataError`` where there is nothing at the place, ``ExchangeError`` where the other system fails, ``IngestError`` where the
    lake has no room.
    """
    check_model_name(model)
    check_model_name(runs_of(model))
    at = lake if isinstance(lake, Lake) else Lake.at(lake)
    sources = found_runs(kind, place)
    first = next(sources, None)  # raises before anything is made
    result = Exchanged(kind, shown(place), model)
    if first is None:
        return result
    at.journal.mkdir(parents=True, exist_ok=True)
    with lock(at.journal / ".exchange.lock", wait_s=_LOCK_WAIT_S):
        known = _Known.of(read(at, runs_of(model)))
        intake = Intake(at, model)
        try:
            found: FoundRun | None = first
            while found is not None:
                if progress is not None:
                    progress(len(result.runs), len(result.runs) + 1, found.original)
                result.runs.append(_import(kind, model, found, known, intake))
                result.leave_out(found.left_out)
                result.notes += found.notes
                found = next(sources, None)
        except (VedetteError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever another system's client raises
            raise ExchangeError(
                f"{shown(place)}: {type(error).__name__}: {hide(str(error), place)}"
            ) from None
        finally:
            intake.close()
    return result


@dataclass(slots=True)
class _Known:
    """What the lake has: names of runs, those that were imported by identity, their events."""

    kept: Kept
    names: set[str]
    imported: dict[str, str] = field(default_factory=dict)  # name by identity
    renamed: dict[str, dict[str, str]] = field(default_factory=dict)  # metrics by run
    events: dict[str, set[tuple[str, int, str]]] = field(default_factory=dict)
    with_points: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, kept: Kept) -> _Known:
        with_points = set(kept.points.select(pl.col("run").unique()).collect()["run"].to_list())
        known = cls(kept, with_points | set(kept.events["name"].to_list()), with_points=with_points)
        for when, kind, name, text in kept.events.select("time", "kind", "name", "detail").iter_rows():
            detail = json.loads(text).get("detail", {}) if name else {}
            if kind == IMPORTED:
                known.imported[detail["identity"]] = name
                known.renamed.setdefault(name, {}).update(detail.get("metrics") or {})
            known.events.setdefault(name, set()).add(event_key(kind, when.timestamp(), detail))
        return known


def _import(kind: str, model: str, found: FoundRun, known: _Known, intake: Intake) -> ExchangedRun:
    name = known.imported.get(found.identity)
    if name is None and found.mirror_of is not None:
        of_model, of_run = found.mirror_of
        if of_model == model and of_run in known.names - set(known.imported.values()):
            return ExchangedRun(
                of_run, found.original, reason="it mirrors the run of that name, which is here"
            )
    name = name or run_name(found.original, found.identity, known.names)
    known.names.add(name)
    known.imported[found.identity] = name
    names = metric_names(
        found.points["metric"].unique().to_list(), known.renamed.get(name), _metrics(known, name)
    )
    n_events = 0
    said = known.events.get(name, set())
    for event in _with_source(kind, found, names):  # the first of them keeps the name for this run
        event = replace(event, detail=json.loads(json.dumps(event.detail)))
        if event_key(event.kind, event.time_s, event.detail) not in said:
            intake.event(name, found.version, event)
            n_events += 1
    new = _new_points(found.points, names, known, name)
    intake.points(name, new, names)
    before = found.points.height - new.height
    return ExchangedRun(name, found.original, new.height, n_events, before)


def _with_source(kind: str, found: FoundRun, names: Mapping[str, str]) -> list[Event]:
    """The events of a found run, with that of its import among them."""
    renamed = {one: name for one, name in names.items() if one != name}
    detail: dict[str, Any] = {"from": kind, "original": found.original, "identity": found.identity}
    if renamed:
        detail["metrics"] = renamed
    at = min((event.time_s for event in found.events), default=0.0)
    events = [event for event in found.events if event.kind != IMPORTED]
    return [Event(at, -1, IMPORTED, detail), *events]


def _metrics(known: _Known, name: str) -> set[str]:
    return set(known.kept.metrics(name)) if name in known.with_points else set()


def _new_points(found: pl.DataFrame, names: Mapping[str, str], known: _Known, name: str) -> pl.DataFrame:
    """The points that the lake does not have, as often as it does not."""
    if name not in known.with_points or found.is_empty():
        return found
    wide = known.kept.points.filter(pl.col("run") == name).collect()
    metrics = [column for column in known.kept.columns if column in wide.columns]
    stored = wide.unpivot(metrics, index=["step", "time"], variable_name="metric", value_name="value").filter(
        pl.col("value").is_not_null()
    )
    folded = {column: metric_of(column).casefold() for column in metrics}
    stored = stored.select(
        pl.col("metric").replace_strict(folded, return_dtype=pl.String),
        "step",
        pl.col("time").dt.epoch("us"),
        "value",
    )
    here = {one: there.casefold() for one, there in names.items()}
    mine = found.with_columns(pl.col("metric").replace_strict(here, return_dtype=pl.String))
    rows = new_rows(mine, stored)
    return found[rows] if len(rows) else found.clear()

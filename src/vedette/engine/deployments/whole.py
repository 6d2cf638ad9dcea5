"""A model's deployments with all that is known of them: what was told, the run, the differences, the first rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl

from vedette.engine.deployments.rows import first_prediction, warm_up
from vedette.engine.deployments.told import of_events
from vedette.engine.deployments.trained import Trained, trained_of, with_run
from vedette.engine.runs import runs_of
from vedette.lake.arrivals import collect
from vedette.lake.deployments import read
from vedette.lake.ingest import watermarks
from vedette.lake.outcomes import identifier
from vedette.lake.points import read as read_runs
from vedette.lake.sources import sources
from vedette.lake.tables import Lake
from vedette.records import Deployment, WarmUp

__all__ = ["deployments_of", "rows_of_version"]

_READ_MAX = 50
"""Deployments of which the first rows are read, the newest."""


def deployments_of(lake: Lake, model: str, version: str | None = None) -> list[Deployment]:
    """The deployments of a model (or of one version), the newest first, with what is still in the journals."""
    found = of_events(model, read(lake, model))
    found = found if version is None else [one for one in found if one.version == version]
    if not found:
        return []
    runs = runs_of(model)
    trained = trained_of(read_runs(lake, runs).events) if lake.has(runs) else Trained()
    found = with_run(found, trained)
    rows = {name: rows_of_version(lake, model, name) for name in {one.version for one in found[:_READ_MAX]}}
    return [
        _with_rows(one, found, rows[one.version]) if rank < _READ_MAX else one
        for rank, one in enumerate(found)
    ]


def _with_rows(one: Deployment, every: list[Deployment], rows: pl.LazyFrame) -> Deployment:
    since = one.began
    later = [other.began for other in every if other.version == one.version and other.began > since]
    until: datetime | None = min(later, default=None)
    first = first_prediction(rows, since, until)
    if first is None:
        return replace(one, notes=(*one.notes, f"no prediction of version {one.version} since"))
    found = warm_up(rows, since, until)
    if isinstance(found, WarmUp):
        return replace(one, first_prediction=first, warm_up=found)
    return replace(one, first_prediction=first, notes=(*one.notes, f"warm-up not known: {found}"))


def rows_of_version(lake: Lake, model: str, version: str) -> pl.LazyFrame:
    """The predictions of a version, ``time`` and where there is one ``latency_s``, with those that the journals hold."""
    tables = lake.model(model)
    snapshot = tables["predictions"].snapshot()
    folders = sources(lake, model)
    keys = [identifier(folder.name, stream) for folder in folders for stream in ("predictions", "batch")]
    fresh = collect(lake, model, watermarks(tables, "predictions", keys), folders).predictions
    parts = [tables["predictions"].scan(snapshot), fresh.lazy()]
    wanted = ("time", "latency_s")
    of_version = [part.filter(pl.col("version") == version) for part in parts]
    names = [set(part.collect_schema().names()) for part in of_version]
    chosen = [
        part.select([one for one in wanted if one in there])
        for part, there in zip(of_version, names, strict=True)
    ]
    return pl.concat(chosen, how="diagonal_relaxed")

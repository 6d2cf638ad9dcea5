"""Deployments as they were told, from the journals into the model's events exactly once, and read back with what waits.

They come by the way of the model's runs, as labels of ``<model>.run``, and stand among the events of these as they came, which
the ledger counts. What a reader reads are the events of the model; how far each producer has come there is kept with them, and
the ledger of the runs is committed last.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import polars as pl

from vedette.errors import LakeError
from vedette.lake import ingest
from vedette.lake.arrivals import Arrivals, collect
from vedette.lake.outcomes import identifier
from vedette.lake.sources import sources
from vedette.lake.tables import SCHEMAS, Lake, ModelTables
from vedette.records import DEPLOYMENT, RUN, owner_of

__all__ = ["append", "kept", "read"]

log = logging.getLogger("vedette")

_TRIES = 8
_EVENTS = SCHEMAS["events"]


def append(lake: Lake, runs: str, arrivals: Arrivals) -> None:
    """Commit the deployments that came with the runs of a model (``<model>.run``) to the events of the model."""
    marks = ingest.through(arrivals, ("labels",))
    if not marks:
        return
    table = lake.model(owner_of(runs))["events"]
    snapshot = table.snapshot()
    old = {key: table.through(key, snapshot) for key in marks}
    rows = _rows(ingest.beyond(arrivals, "labels", old))
    if rows.height:  # of none there is nothing that could come twice
        table.write(rows, {key: number for key, number in marks.items() if number > old[key]})


def kept(tables: ModelTables) -> pl.DataFrame:
    """What the model's events tell of deployments, in order of time: ``time, name, version, detail``."""
    return _ordered(
        tables["events"].scan().filter(pl.col("kind") == DEPLOYMENT).select(list(_EVENTS)).collect()
    )


def read(lake: Lake, model: str) -> pl.DataFrame:
    """The same with what the journals still hold, each row once.

    Raises ``LakeError`` where an ingester commits faster than one can read.
    """
    runs = f"{model}.{RUN}"
    if not lake.has(runs):
        return kept(lake.model(model))
    for _ in range(_TRIES):
        table, ledger = lake.model(model)["events"], lake.model(runs)["ledger"]
        snapshot, done = table.snapshot(), ledger.snapshot()
        folders = sources(lake, runs)
        keys = [identifier(folder.name, "labels") for folder in folders]
        # what the ledger has come to is in the tables, whether there was a deployment among it or not
        after = {key: max(table.through(key, snapshot), ledger.through(key, done)) for key in keys}
        fresh = collect(lake, runs, after, folders)
        old = table.scan(snapshot).filter(pl.col("kind") == DEPLOYMENT).select(list(_EVENTS)).collect()
        if not table.moved_on(snapshot) and not ledger.moved_on(done):
            return _ordered(pl.concat([old, _rows(fresh.labels)]))
    raise LakeError(f"model {model!r}: the lake changed during each of {_TRIES} readings; ingest less often")


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("time", maintain_order=True).select("time", "name", "version", "detail")


def _rows(labels: pl.DataFrame) -> pl.DataFrame:
    """The deployments among labels, as events; what is no JSON of ours is left out and said."""
    found: list[dict[str, Any]] = []
    if labels.height:
        for name, when, text in labels.select("id", "time", "label").iter_rows():
            try:
                said = json.loads(text)
                if said["kind"] != DEPLOYMENT:
                    continue
                json.dumps(said, ensure_ascii=False).encode()  # halves of surrogate pairs are no text
                detail, version = json.dumps(said["detail"]), str(said["version"])
            except (TypeError, ValueError, KeyError, RecursionError) as error:
                log.warning("deployment %s: what was told cannot be read: %s", name, error)
                continue
            found.append(
                {"time": when, "kind": DEPLOYMENT, "name": name, "version": version, "detail": detail}
            )
    return pl.DataFrame(found, schema=_EVENTS)

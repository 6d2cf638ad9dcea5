"""What the commands ``vedette runs`` and ``vedette run`` show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from vedette.capture.run_parts import part_of
from vedette.engine.run_diagnosis import diagnose_run, finding_words
from vedette.engine.run_records import DIAGNOSED
from vedette.engine.runs import curves, runs, runs_of
from vedette.errors import DataError, LakeError, NotThereError
from vedette.lake.points import read
from vedette.lake.tables import Lake
from vedette.output import runs_against, runs_page
from vedette.output.curves import panels
from vedette.output.runs_console import RunsShown
from vedette.records import Status

__all__ = ["list_runs", "show_runs", "write_list", "write_page"]

_BUCKETS = 240  # of a curve in a terminal
_PAGE_BUCKETS = 1000
_OWN = (
    *("run_started", "run_resumed", "run_params", "run_ended", "environment", "evaluated", "architecture"),
    DIAGNOSED,
)
_EVENTS = 10  # shown, the last ones


def _lake(location: str, model: str) -> Lake:
    lake = Lake.at(location)
    if not lake.path.is_dir():
        raise LakeError(f"lake={location!r}: no such folder")
    if runs_of(model) not in lake.models():
        raise NotThereError(f"model={model!r}: has no runs in the lake {lake.path}")
    return lake


def list_runs(location: str, model: str) -> pl.DataFrame:
    """The runs of a model; see ``Monitor.runs``."""
    return runs(_lake(location, model), model)


def write_list(location: str, model: str, metric: str | None, path: Path) -> Path:
    """Write the page of all runs of a model, parameters against results; returns its path."""
    frame = list_runs(location, model)
    pictures = runs_against.cards(runs_against.against(frame, metric))
    path.write_text(runs_page.list_page(model, list(frame.iter_rows(named=True)), pictures), "utf-8")
    return path


def show_runs(
    location: str, model: str, names: Sequence[str], metric: str | None, n: int = _BUCKETS
) -> Callable[[], RunsShown]:
    """What reads the runs named as they are now; it raises ``DataError`` for one that is not there."""
    lake = _lake(location, model)

    def shown() -> RunsShown:
        rows = {row["name"]: row for row in runs(lake, model).iter_rows(named=True)}
        missing = [name for name in names if name not in rows]
        if missing:
            raise DataError(f"run={missing[0]!r}: not there; runs are {', '.join(rows) or 'none yet'}")
        found = curves(lake, model, names, metric, n)
        said = (*_wrong(lake, model, names), *_events(lake, model, names))
        return RunsShown(model, tuple(rows[name] for name in names), tuple(panels(found)), said)

    return shown


def _wrong(lake: Lake, model: str, names: Sequence[str]) -> tuple[str, ...]:
    """What is wrong with the runs, in words."""
    return tuple(
        f"{f'{name}: ' if len(names) > 1 else ''}{finding_words(one)}"
        for name in names
        for one in diagnose_run(lake, model, name)
        if one.named
    )


def _events(lake: Lake, model: str, names: Sequence[str]) -> tuple[str, ...]:
    """What happened in the runs besides their beginning and end, in words, the last ones."""
    rows = read(lake, runs_of(model)).events.filter(
        pl.col("name").str.split("/").list.first().is_in(list(names))
    )
    rows = rows.filter(~pl.col("kind").is_in(list(_OWN)))
    last = pl.int_range(pl.len()).over("name", "kind") == pl.len().over("name", "kind") - 1
    rows = rows.filter((pl.col("kind") != "checkpoint") | last)  # one an epoch: the last one says enough
    left, rows = rows.height - _EVENTS, rows.tail(_EVENTS)
    found = [f"{left:,} earlier events are not shown"] if left > 0 else []
    for kind, name, text in rows.select("kind", "name", "detail").iter_rows():
        document = json.loads(text)
        detail = document.get("detail", {})
        if kind == "run_alert":
            words = ": ".join(str(detail[key]) for key in ("level", "title", "text") if detail.get(key))
        elif kind == "run_data":
            words = _data_words(detail)
        elif kind == "run_reference":
            learned = detail.get("training_rows") or 0
            beside = f", {learned:,} training rows beside it" if learned else ""
            words = f"reference of {detail.get('rows', 0):,} rows{beside}"
        else:
            words = f"{kind} {', '.join(f'{k}={v}' for k, v in detail.items())}".strip()
        part = part_of(name)
        who = f"{part.run}: " if len(names) > 1 else ""
        who += f"rank {part.rank}: " if part.rank else ""
        at = f"step {document['step']}: " if document.get("step", -1) >= 0 else ""
        found.append(f"{who}{at}{words}")
    return tuple(found)


def _data_words(detail: Mapping[str, Any]) -> str:
    """The rows of the sets that went in, and what was found of them."""
    rows = ", ".join(f"{name} {n:,}" for name, n in detail.get("rows", {}).items())
    findings = detail.get("findings")  # cut to a text where there was too much of them
    some = findings if isinstance(findings, list) else []
    found = [f"{one['verdict']} {one['words']}" for one in some if one["verdict"] != Status.OK]
    return f"data: {rows} rows" + (f"; {'; '.join(found)}" if found else "")


def write_page(location: str, model: str, names: Sequence[str], metric: str | None, path: Path) -> Path:
    """Write the page of runs; returns its path."""
    path.write_text(runs_page.page(show_runs(location, model, names, metric, _PAGE_BUCKETS)()), "utf-8")
    return path

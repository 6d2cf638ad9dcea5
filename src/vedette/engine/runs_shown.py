"""What the commands ``vedette runs`` and ``vedette run`` show."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from vedette.capture.run_parts import part_of
from vedette.engine.run_diagnosis import diagnose_run, finding_words
from vedette.engine.runs import curves, runs, runs_of
from vedette.errors import DataError, LakeError
from vedette.lake.points import read
from vedette.lake.tables import Lake
from vedette.output import runs_page
from vedette.output.curves import panels
from vedette.output.runs_console import RunsShown

__all__ = ["list_runs", "show_runs", "write_page"]

_BUCKETS = 240  # of a curve in a terminal
_PAGE_BUCKETS = 1000
_OWN = ("run_started", "run_resumed", "run_params", "run_ended", "environment", "settings", "evaluated")
_EVENTS = 10  # shown, the last ones


def _lake(location: str, model: str) -> Lake:
    lake = Lake.at(location)
    if not lake.path.is_dir():
        raise LakeError(f"lake={location!r}: no such folder")
    if runs_of(model) not in lake.models():
        raise LakeError(f"model={model!r}: has no runs in the lake {lake.path}")
    return lake


def list_runs(location: str, model: str) -> pl.DataFrame:
    """The runs of a model; see ``Monitor.runs``."""
    return runs(_lake(location, model), model)


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
    rows = rows.filter(~pl.col("kind").is_in(list(_OWN))).tail(_EVENTS)
    found = []
    for kind, name, text in rows.select("kind", "name", "detail").iter_rows():
        document = json.loads(text)
        detail = document.get("detail", {})
        if kind == "run_alert":
            words = f"{detail.get('level')}: {detail.get('title')}: {detail.get('text')}"
        else:
            words = f"{kind} {', '.join(f'{k}={v}' for k, v in detail.items())}".strip()
        part = part_of(name)
        who = f"{part.run}: " if len(names) > 1 else ""
        who += f"rank {part.rank}: " if part.rank else ""
        found.append(f"{who}step {document.get('step')}: {words}")
    return tuple(found)


def write_page(location: str, model: str, names: Sequence[str], metric: str | None, path: Path) -> Path:
    """Write the page of runs; returns its path."""
    path.write_text(runs_page.page(show_runs(location, model, names, metric, _PAGE_BUCKETS)()), "utf-8")
    return path

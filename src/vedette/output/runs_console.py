"""Training runs for a terminal or as one JSON document: the list of them, and the curves of some, live if asked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.curves import Panel, drawn, limited_by, number_or_word, weight_of
from vedette.output.names import visible

__all__ = ["RunsShown", "print_run", "print_runs", "results_of", "run_json", "runs_json"]

_COLOURS = {"running": "bright_blue", "finished": "green", "failed": "bold red", "killed": "bold red"}
_NAME, _VALUE, _REASON = 40, 24, 200
_PARAMS_SHOWN, _RESULTS_SHOWN = 6, 8
_PANELS = 10  # of a run in a terminal, those that tell most


@dataclass(frozen=True, slots=True)
class RunsShown:
    """Runs as they are shown: each by the columns of ``Monitor.runs``, their events in words, and their curves."""

    model: str
    runs: tuple[Mapping[str, Any], ...]
    panels: tuple[Panel, ...]
    events: tuple[str, ...] = ()

    @property
    def going(self) -> bool:
        """True while any of them runs."""
        return any(one["status"] == "running" for one in self.runs)


def _plain(value: Any) -> Any:
    """A value as JSON has it; NaN and inf as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``Monitor.runs`` with its parameters, last values and summary as objects."""
    found: dict[str, Any] = {"params": {}, "last": {}, "summary": {}}
    for name, value in row.items():
        kind, dot, rest = name.partition(".")
        if dot and kind in found:
            if value is not None:
                found[kind][rest] = _plain(value)
        else:
            found[name] = _plain(value)
    return found


def runs_json(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The document of ``vedette runs --json``."""
    return [_nested(row) for row in frame.iter_rows(named=True)]


def run_json(shown: RunsShown) -> dict[str, Any]:
    """The document of ``vedette run --json``: the runs, and the buckets of each curve."""
    return {
        "model": shown.model,
        "runs": [_nested(row) for row in shown.runs],
        "curves": {
            panel.title: {
                label: [{k: _plain(v) for k, v in row.items()} for row in frame.iter_rows(named=True)]
                for label, frame in panel.curves.items()
            }
            for panel in shown.panels
        },
        "events": list(shown.events),
    }


def print_runs(frame: pl.DataFrame, *, as_json: bool = False) -> None:
    """Print the runs, the newest first, with the parameters that differ beside the results."""
    if as_json:
        print_json(runs_json(frame))
        return
    console = Terminal()
    if frame.is_empty():
        console.print("no runs yet")
        return
    table = Table(box=None, header_style="bold", padding=(0, 1))
    every = [name for name in frame.columns if name.startswith("params.")]
    differ = [name for name in every if frame[name].drop_nulls().n_unique() > 1]
    told = [name for name in results_of(frame.columns) if frame[name].null_count() < frame.height]
    # what tells how good a run is comes first, and of that what most runs have
    told.sort(key=lambda name: (weight_of(name.partition(".")[2]), frame[name].null_count()))
    params, results = differ[:_PARAMS_SHOWN], told[:_RESULTS_SHOWN]
    left, heads = console.width - 60, [*params, *results]
    while heads and sum(min(len(name), _VALUE) for name in heads) > left:
        heads.pop()  # a column of letters on end helps nobody
    params, results = [one for one in params if one in heads], [one for one in results if one in heads]
    for head in ("run", "status", "started", "took", "steps"):
        table.add_column(head, justify="right" if head in ("took", "steps") else "left")
    for name in (*params, *results):
        table.add_column(
            visible(name.partition(".")[2], _VALUE),
            justify="right",
            overflow="fold",
            header_style="bold cyan" if name in params else "bold",
        )
    for row in frame.iter_rows(named=True):
        status = row["status"]
        table.add_row(
            Text(visible(row["name"], _NAME)),
            Text(_status(row), _COLOURS.get(status, "yellow")),
            f"{row['started']:%Y-%m-%d %H:%M}" if row["started"] is not None else "",
            _took(row["started"], row["ended"]),
            f"{row['steps']:,}",
            *(Text(_shown(row[name])) for name in (*params, *results)),
        )
    console.print(table)
    hidden = len(differ) + len(told) - len(params) - len(results)
    if hidden:
        console.print(f"{hidden} more parameters that differ, and results: --json has all", highlight=False)
    for row in frame.iter_rows(named=True):
        if row["reason"]:
            console.print(Text(f"{visible(row['name'], _NAME)}: {visible(row['reason'], _REASON)}", "dim"))


def results_of(columns: Sequence[str]) -> list[str]:
    """The columns of last values and summaries, without the limits of intervals, which stand beside their figure.

    >>> results_of(["last.loss", "last.f1", "last.f1_low", "last.f1_high", "last.so_low", "params.lr"])
    ['last.loss', 'last.f1', 'last.so_low']
    """
    found = [name for name in columns if name.startswith(("last.", "summary."))]
    return [name for name in found if limited_by(name, found) is None]


def _status(row: Mapping[str, Any]) -> str:
    """How a run stands, and the rank that broke it.

    >>> _status({"status": "failed", "failed_rank": 3}), _status({"status": "finished"})
    ('failed (rank 3)', 'finished')
    """
    rank = row.get("failed_rank")
    return str(row["status"]) if rank is None else f"{row['status']} (rank {rank})"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return number_or_word(value) if isinstance(value, float) else visible(str(value), _VALUE)


def _took(started: datetime | None, ended: datetime | None) -> str:
    """The time between two moments in its largest units.

    >>> from datetime import timedelta
    >>> _took(datetime(2026, 1, 1), datetime(2026, 1, 1) + timedelta(seconds=3725)), _took(None, None)
    ('1 h 2 min', '')
    """
    if started is None or ended is None:
        return ""
    seconds = max(0, round((ended - started).total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def print_run(
    read: Callable[[], RunsShown], *, as_json: bool = False, follow: bool = False, every_s: float = 1.0
) -> None:
    """Print runs with their curves; with ``follow`` again every so often, until none of them runs."""
    if as_json:
        shown = read()
        while follow and shown.going:
            time.sleep(every_s)
            shown = read()
        print_json(run_json(shown))
        return
    console = Terminal()
    shown = read()
    if not (follow and shown.going):
        console.print(_picture(shown, console.width))
        return
    with Live(_picture(shown, console.width), console=console, auto_refresh=False) as live:
        while shown.going:
            time.sleep(every_s)
            shown = read()
            live.update(_picture(shown, console.width), refresh=True)


def _picture(shown: RunsShown, width: int) -> Group:
    parts: list[Text] = []
    for row in shown.runs:
        head = Text(visible(str(row["name"]), _NAME), "bold")
        head.append(f" {_status(row)}", _COLOURS.get(row["status"], "yellow"))
        head.append(f", {row['steps']:,} steps", "")
        took = _took(row["started"], row["ended"])
        head.append(f", {took}" if took else "")
        if row["reason"]:
            head.append(f": {visible(row['reason'], _REASON)}", "dim")
        parts.append(head)
        said = [
            f"{k.partition('.')[2]}={_shown(v)}"
            for k, v in row.items()
            if k.startswith("params.") and v is not None
        ]
        if said:
            parts.append(Text(visible("  ".join(said), 1000), "dim"))
    parts += [Text(visible(one, 300), "yellow") for one in shown.events]
    moving = [one for one in shown.panels if one.moves]
    for panel in moving[:_PANELS]:
        parts += [Text(""), *drawn(panel, min(width, 120))]
    if len(moving) > _PANELS:
        names = ", ".join(visible(one.title, _NAME) for one in moving[_PANELS:])
        more = f"{len(moving) - _PANELS} more curves, each by --metric NAME, all by --html FILE: {names}"
        parts += [Text(""), Text(more, "dim")]
    return Group(*parts)

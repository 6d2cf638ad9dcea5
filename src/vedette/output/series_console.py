"""What became of recorded series, for a terminal or as one JSON document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible
from vedette.strategy.series.change_points import ChangePoint
from vedette.strategy.series.found import SeriesFound
from vedette.strategy.series.watch import Alarm

__all__ = ["print_series", "series_json"]

_SHOWN = 50
_NAME = 60  # characters of a series' name


def series_json(found: SeriesFound) -> dict[str, Any]:
    """The document of ``vedette series --json``: alarms in order of time, and the changes of each series."""
    return {
        "rows": len(found.times),
        "reference_rows": found.reference,
        "budget_per_month": found.budget_per_month,
        "methods": list(found.methods),
        "timed": found.timed,
        "notes": list(found.notes),
        "unknown": _unknown(found),
        "guarantees": {name: dict(one) for name, one in found.watched.guarantees.items()},
        "alarms": [_alarm(one, found) for one in found.watched.alarms],
        "outlook": {
            name: {"steps": _number(steps), "low": _number(low), "high": _number(high)}
            for name, (steps, low, high) in found.outlook.items()
        },
        "changes": {
            name: {
                "reason": one.reason or None,
                "seasons": list(found.seasons[name]),
                "changes": [_change(it, found) for it in one.changes],
            }
            for name, one in found.changes.items()
        },
    }


def _alarm(one: Alarm, found: SeriesFound) -> dict[str, Any]:
    at = {"row": one.row, "time": _when(one.time, found), "since": _when(one.since, found)}
    numbers = {name: _number(getattr(one, name)) for name in ("value", "expected", "low", "high")}
    return {
        "series": one.series,
        **at,
        "method": one.method,
        **numbers,
        "guarantee": one.guarantee,
        "evidence": _told(one, found),
    }


def _change(one: ChangePoint, found: SeriesFound) -> dict[str, Any]:
    return {
        "row": one.at,
        "time": _when(float(found.times[one.at]), found),
        "first_row": one.dates[0],
        "last_row": one.dates[-1],
        "before": _number(one.before),
        "after": _number(one.after),
        "size": _number(one.size),
        "low": _number(one.low),
        "high": _number(one.high),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _when(seconds: float, found: SeriesFound) -> str | None:
    if not found.timed or not math.isfinite(seconds):
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def print_series(found: SeriesFound, *, as_json: bool = False) -> None:
    """Print the alarms as they would have been told, and the changes looking back."""
    if as_json:
        print_json(series_json(found))
        return
    console = Terminal()
    n, alarms = len(found.times), found.watched.alarms
    judged = n - found.reference
    console.print(
        f"{len(found.names)} series, {n:,} rows: {found.reference:,} learned from, {judged:,} judged by "
        f"{', '.join(found.methods)}; at most {found.budget_per_month:g} false alarms a month over all",
        highlight=False,
    )
    for note in found.notes:
        console.print(visible(note, 3 * _NAME), highlight=False, markup=False)
    if not found.timed:
        console.print("no column of times: rows are taken to be an hour apart", highlight=False)
    console.print(Text(f"{len(alarms):,} alarms", "bold red" if alarms else "green"))
    for one in alarms[:_SHOWN]:
        console.print(
            Text.assemble(
                (_place(one.time, one.row, found), "bold"), f" {_name(one.series, found)}{_told(one, found)}"
            ),
            soft_wrap=True,
        )
    if len(alarms) > _SHOWN:
        console.print(f"and {len(alarms) - _SHOWN:,} more: --json has all")
    for name in _unknown(found):
        console.print(
            f"{visible(name, _NAME)}: UNKNOWN: fewer than 50 numbers to learn from",
            highlight=False,
            markup=False,
        )
    _print_changes(console, found)
    for name, (steps, low, high) in found.outlook.items():
        told = (
            "not known" if math.isnan(steps) else f"in {steps:,.0f} steps ({_short(low)} to {_short(high)})"
        )
        console.print(f"{visible(name, _NAME)}: beyond the limit: {told}", highlight=False, markup=False)
    for name, said in _guarantees(found.names, found.watched.guarantees):
        console.print(Text(f"{visible(name, _NAME)}: {said}", "dim"), highlight=False)


def _print_changes(console: Terminal, found: SeriesFound) -> None:
    rows = [(name, one) for name, of in found.changes.items() for one in of.changes]
    for name, of in found.changes.items():
        if of.reason:
            console.print(f"{visible(name, _NAME)}: {of.reason}", highlight=False, markup=False)
    for name, seasons in found.seasons.items():
        if seasons:
            told = " and ".join(f"the wave of its {one}s" for one in seasons)
            console.print(
                f"{visible(name, _NAME)}: changes are looked for without {told}",
                highlight=False,
                markup=False,
            )
    if not rows:
        console.print("looking back: no change of level", highlight=False)
        return
    table = Table(
        box=None,
        header_style="bold",
        padding=(0, 1),
        title="looking back: changes of level",
        title_justify="left",
    )
    for head in ("series", "when", "may be", "before", "after", "change", "95 % interval"):
        table.add_column(
            head, justify="right" if head in ("before", "after", "change") else "left", overflow="fold"
        )
    for name, one in rows[:_SHOWN]:
        first, last = (_place(float(found.times[at]), at, found) for at in (one.dates[0], one.dates[-1]))
        table.add_row(
            Text(visible(name, _NAME)),
            Text(_place(float(found.times[one.at]), one.at, found)),
            Text(first if first == last else f"{first} to {last}"),
            f"{one.before:.4g}",
            f"{one.after:.4g}",
            f"{one.size:+.4g}",
            f"{one.low:.4g} to {one.high:.4g}",
        )
    console.print(table)
    if len(rows) > _SHOWN:
        console.print(f"and {len(rows) - _SHOWN:,} more: --json has all")


def _short(steps: float) -> str:
    return f"{steps:,.0f}" if math.isfinite(steps) else "never"


def _told(one: Alarm, found: SeriesFound) -> str:
    """The words of an alarm; of rows without times since which row, in place of a date that nobody gave."""
    if found.timed:
        return one.words
    before = int(np.searchsorted(found.times, one.since))
    return f"{one.words.rpartition(', since ')[0]}, since {'now' if before >= one.row else f'row {before}'}"


def _unknown(found: SeriesFound) -> list[str]:
    """The series that were not judged."""
    return [
        name for name, one in zip(found.names, found.watched.verdict[-1], strict=True) if one == "UNKNOWN"
    ]


def _name(series: str, found: SeriesFound) -> str:
    return f"{visible(series, _NAME)}: " if len(found.names) > 1 else ""


def _place(seconds: float, row: int, found: SeriesFound) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}" if found.timed else f"row {row}"


def _guarantees(names: Sequence[str], said: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
    """What stands behind the alarms of each series; one line where it is the same of all."""
    lines = [(name, ", ".join(f"{method} {one}" for method, one in said[name].items())) for name in names]
    if len({line for _, line in lines}) == 1 and len(lines) > 1:
        return [("all series", lines[0][1])]
    return lines

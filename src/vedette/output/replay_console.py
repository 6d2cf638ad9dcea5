"""A dry run of rules for a terminal, or as one JSON document."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from statistics import median
from typing import Any

from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible

__all__ = ["print_replayed", "replayed_json"]

FIRINGS_SHOWN = 20


def print_replayed(found: Any, *, as_json: bool = False) -> None:
    """Print what each rule would have told, which incidents it would have caught, and how late."""
    if as_json:
        print_json(replayed_json(found))
        return
    console = Terminal()
    if found.first is None:
        console.print(f"{found.model}: {_nothing(found)}", highlight=False, markup=False)
        return
    console.print(
        f"{found.model}: windows from {_time(found.first)} to {_time(found.last)} UTC, {len(found.incidents)} known incidents",
        highlight=False,
        markup=False,
    )
    for one in found.rules:
        console.print(
            Text.assemble((visible(one.name, 60), "bold"), f"  {visible(one.when, 200)}"), highlight=False
        )
        for words in _lines(one, len(found.incidents)):
            console.print(f"  {visible(words, 400)}", highlight=False, markup=False)


def replayed_json(found: Any) -> dict[str, Any]:
    """A dry run as JSON has it."""
    document = asdict(found)
    for rule, one in zip(document["rules"], found.rules, strict=True):
        rate = one.per_month
        rule |= {
            "false": one.false,
            "missed": one.missed,
            "per_month": None if rate is None else dict(zip(("value", "low", "high"), rate, strict=True)),
        }
    return document


def _nothing(found: Any) -> str:
    """That there are no windows, or none in the span that was asked for."""
    if found.there is None:
        return "no windows with rows yet"
    asked = [
        f"{word} {_time(one)}"
        for word, one in (("from", found.since), ("before", found.until))
        if one is not None
    ]
    return (
        f"no windows with rows {' and '.join(asked)}; there are some from {_time(found.there[0])} "
        f"to {_time(found.there[1])} UTC"
    )


def _lines(one: Any, n_incidents: int) -> list[str]:
    if one.n_windows == one.n_unknown and one.n_windows:
        return [f"said nothing in {one.n_windows} windows: {one.reason}"]
    out = []
    if n_incidents:
        caught = sorted(found.late_s for found in one.caught if found.late_s is not None)
        said = f"would have caught {len(caught)} of {n_incidents} incidents"
        if caught:
            said += f", the median {_length(median(caught))} after it began, the last {_length(caught[-1])}"
        out.append(said)
    times = "once" if len(one.firings) == 1 else f"{len(one.firings)} times" if one.firings else "never"
    out.append(
        f"would have fired {times} in {one.n_windows} windows, {one.false} of them without a known incident"
    )
    if one.per_month is not None:
        rate, low, high = one.per_month
        out.append(f"{rate:.3g} a month (95 % interval {low:.3g} to {high:.3g})")
    if one.repeated:
        out.append(f"would have fired again at {len(one.repeated)} alerts that were marked as false")
    for firing in one.firings[:FIRINGS_SHOWN]:
        end = "still fires" if firing.closed is None else f"until {_time(firing.closed)}"
        met = f" (incident {', '.join(firing.incidents)})" if firing.incidents else ""
        out.append(f"{_time(firing.opened)} {end}{met}: {firing.evidence}")
    if len(one.firings) > FIRINGS_SHOWN:
        out.append(f"... and {len(one.firings) - FIRINGS_SHOWN} more, with --json")
    if one.n_unknown:
        out.append(f"{one.n_unknown} windows said nothing, the last: {one.reason}")
    return out


def _time(one: datetime) -> str:
    return f"{one:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _length(seconds: float) -> str:
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"

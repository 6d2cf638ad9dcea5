"""Looks at endpoints and the stability of a model, for a terminal or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from rich.table import Table
from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible
from vedette.output.numbers import span
from vedette.records import Status
from vedette.records.stability import SloReport, Stability, StabilityFigure

__all__ = ["look_printer", "print_looks", "print_stability", "stability_json"]

_WORDS = 160
_STYLES = {Status.ALARM: "bold red", Status.WARN: "yellow", Status.UNKNOWN: "dim", Status.OK: "green"}


class Seen(Protocol):
    """What of a look is shown."""

    @property
    def up(self) -> bool: ...
    @property
    def answer(self) -> str: ...
    @property
    def latency_s(self) -> float | None: ...
    @property
    def status(self) -> int | None: ...


def look_json(name: str, look: Seen | None, refused: str | None = None) -> dict[str, Any]:
    """A look as a JSON object; ``up`` is null where nothing was asked."""
    if look is None:
        return {"endpoint": name, "up": None, "answer": refused, "latency_s": None, "status": None}
    return {
        "endpoint": name,
        "up": look.up,
        "answer": look.answer,
        "latency_s": look.latency_s,
        "status": look.status,
    }


def print_looks(
    model: str, looks: Sequence[tuple[str, Seen | None, str | None]], *, as_json: bool = False
) -> None:
    """Print one look at each endpoint of a model."""
    if as_json:
        print_json({"model": model, "endpoints": [look_json(*one) for one in looks]})
        return
    console = Terminal()
    for name, look, refused in looks:
        console.print(_look_line(name, look, refused), highlight=False)


def look_printer(*, as_json: bool = False) -> Callable[[str, str, Seen | None], None]:
    """What prints each look as a line, as it comes; as JSON one object a line."""
    console = Terminal()

    def tell(model: str, name: str, look: Seen | None) -> None:
        if as_json:
            print(json.dumps({"model": model, **look_json(name, look)}), flush=True)
        else:
            console.print(_look_line(name, look, None), highlight=False)
            sys.stdout.flush()

    return tell


def _look_line(name: str, look: Seen | None, refused: str | None) -> Text:
    if look is None:
        return Text.assemble(
            ("UNKNOWN", "dim"), f" {visible(name, 63)}: {visible(refused or 'not looked at', 300)}"
        )
    word, style = ("up", "green") if look.up else ("down", "bold red")
    took = "" if look.latency_s is None else f" in {look.latency_s * 1000:.3g} ms"
    return Text.assemble((word, style), f" {visible(name, 63)}: {visible(look.answer, 300)}{took}")


def stability_json(found: Stability) -> dict[str, Any]:
    """The record as a JSON object."""
    return asdict(found)


def print_stability(found: Stability, *, as_json: bool = False) -> None:
    """Print the objectives and the figures, each with its interval, what it rests on, or why it is not known."""
    if as_json:
        print_json(stability_json(found))
        return
    console = Terminal()
    version = f" version {found.version}" if found.version else ""
    within = f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    console.print(Text.assemble((found.model, "bold"), f"{version}, {within}"), highlight=False)
    if found.slos:
        console.print(_slos(found.slos))
    console.print(_figures(found.figures))


def _slos(slos: Sequence[SloReport]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), title="objectives", title_justify="left")
    for name in ("", "slo", "of", "objective", "bad", "of all", "budget left", "used up in", "said"):
        table.add_column(name)
    for one in slos:
        table.add_row(
            Text(one.verdict.value, _STYLES[one.verdict]),
            Text(visible(one.name, 63)),
            Text(visible(one.of, 63)),
            f"{one.objective:.6g} / {span(one.period_s)}",
            f"{one.bad:,.0f}",
            f"{one.total:,.0f}",
            _percent(one.left),
            "-" if one.exhausted_in.value is None else _number(one.exhausted_in.value, "s"),
            Text(visible(one.reason or one.evidence, _WORDS)),
        )
    return table


def _figures(figures: Sequence[StabilityFigure]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), title="figures", title_justify="left")
    for name in ("", "figure", "of", "value", "interval", "n", "seen", "said"):
        table.add_column(name)
    for one in figures:
        table.add_row(
            Text(one.verdict.value, _STYLES[one.verdict]),
            one.name,
            Text(visible(one.of, 80)),
            "" if one.value is None else _number(one.value, one.unit),
            _interval(one),
            f"{one.n:,}",
            "" if one.completeness is None else f"{one.completeness:.0%}",
            Text(visible(one.reason or one.note or "", _WORDS)),
        )
    return table


def _interval(one: StabilityFigure) -> str:
    if one.low is None:
        return ""
    high = "never" if one.high is None else _number(one.high, one.unit)
    return f"{_number(one.low, one.unit)} to {high}"


def _percent(one: StabilityFigure) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "-"
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"


def _number(value: float, unit: str) -> str:
    """A number as a person reads it: seconds in their largest unit, shares near 1 in full.

    >>> _number(7200.0, "s"), _number(0.99958, ""), _number(0.0042, "s"), _number(3.1e9, "bytes/d")
    ('2 h', '0.99958', '0.0042 s', '3.1e+09 bytes/d')
    """
    if unit == "s":
        return span(value)
    text = f"{value:.5f}" if 0.9 < value < 1 else f"{value:.4g}"
    return f"{text} {unit}" if unit not in ("", "p") else text

"""Advice for a terminal, or as one JSON document."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible
from vedette.strategy.advice.words import Advised, length, paragraphs

__all__ = ["advice_json", "print_advice"]


def advice_json(advised: Advised) -> dict[str, Any]:
    """The advice as plain values; what is infinite or not known is null."""
    advice = asdict(advised.advice)
    found = {
        "model": advised.model,
        "first": advised.first,
        "last": advised.last,
        "n_left_out": advised.n_left_out,
        "false_alarms": None if advised.false is None else asdict(advised.false),
        "words": paragraphs(advised),
        **advice,
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_advice(advised: Advised, *, as_json: bool = False) -> None:
    """Print the advice: in words, the candidates, and what the choice sees."""
    if as_json:
        print_json(advice_json(advised))
        return
    console, advice = Terminal(), advised.advice
    for words in paragraphs(advised):
        console.print(visible(words, 4000), highlight=False, markup=False)
        console.print()
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name in ("candidate", "false alarms a month", "delay", "guarantee", ""):
        table.add_column(name, justify="right" if name in ("delay",) else "left")
    for one in advice.entries:
        said = "advised" if one.name == advice.choice.name else (one.left or "")
        if not one.within and not one.left:
            said = f"{said}, not shown to keep the budget".removeprefix(", ")
        rate = f"{one.rate:.2f} ({one.rate_low:.2f} to {one.rate_high:.2f})"
        table.add_row(
            Text(one.name), Text(rate), length(one.delay, advice.window_s), Text(one.guarantee), Text(said)
        )
    for name, why in advice.left_out:
        table.add_row(Text(name), "", "", "", Text(f"left out: {why}"))
    console.print(table)
    console.print()
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name in ("fault", "seen in", "95 % interval", f"within {length(advice.horizon, advice.window_s)}"):
        table.add_column(name)
    for sight in advice.sights:
        delay = sight.delay
        seen = length(delay.median, advice.window_s) if math.isfinite(delay.median) else "not by half"
        low, high = (
            length(one, advice.window_s) if math.isfinite(one) else "never" for one in (delay.low, delay.high)
        )
        table.add_row(
            Text(sight.words),
            Text(seen),
            Text("" if low == high == "never" else f"{low} to {high}"),
            f"{100 * delay.seen:.0f} %",
        )
    console.print(table)

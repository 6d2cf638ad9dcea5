"""What was found of the sets that a model is trained and tested on, for a terminal or as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from vedette.output.console import COLOURS, Terminal, print_json
from vedette.output.names import visible
from vedette.records import Status

__all__ = ["print_splits"]

_WORDS = 300
_CLASSES_SHOWN = 12


def print_splits(document: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Print the findings, the gravest first, and the classes of each set."""
    if as_json:
        print_json(document)
        return
    console = Terminal()
    sets = ", ".join(f"{name} {n:,} rows" for name, n in document["rows"].items())
    verdict = Status(document["verdict"])
    console.print(Text.assemble((verdict.value, COLOURS[verdict]), f" {sets}"))
    for one in document["findings"]:
        status = Status(one["verdict"])
        line = Text.assemble((f"{status.value:<8}", COLOURS[status]), visible(one["words"], _WORDS))
        if one["low"] is not None:
            line.append(f" ({100 * one['low']:.3g} to {100 * one['high']:.3g} %)")
        console.print(line, soft_wrap=True)
        if one["advice"]:
            console.print(Text(f"        {visible(one['advice'], _WORDS)}", "dim"), soft_wrap=True)
    if not document["findings"]:
        console.print("nothing is shared, repeated or out of order", highlight=False)
    if document["classes"]:
        table = Table(box=None, header_style="bold", padding=(0, 1))
        table.add_column("class")
        for name in document["classes"]:
            table.add_column(name, justify="right")
        names = list(next(iter(document["classes"].values())))
        for name in names[:_CLASSES_SHOWN]:
            shares = [
                f"{one[name]:,} ({100 * one[name] / max(sum(one.values()), 1):.3g} %)"
                for one in document["classes"].values()
            ]
            table.add_row(Text(visible(name, 60)), *shares)
        console.print(table)
        if len(names) > _CLASSES_SHOWN:
            console.print(f"and {len(names) - _CLASSES_SHOWN} more classes: --json has all", highlight=False)

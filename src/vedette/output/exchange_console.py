"""What an import or an export of runs did, for a terminal or as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible

__all__ = ["print_exchanged"]

_NAME, _WORDS = 60, 400
_RUNS_SHOWN, _NOTES_SHOWN = 200, 20


def print_exchanged(document: Mapping[str, Any], done: str, *, as_json: bool = False) -> None:
    """Print each run with its points, and what was left out; ``done`` is imported or exported."""
    if as_json:
        print_json(document)
        return
    console = Terminal()
    runs = document["runs"]
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name in ("run", "name there" if done == "imported" else "", "points", "there before", "events", ""):
        table.add_column(name, justify="right" if name in ("points", "there before", "events") else "left")
    for one in runs[:_RUNS_SHOWN]:
        original = one["original"] if one["original"] != one["name"] else ""
        table.add_row(
            Text(visible(one["name"], _NAME)),
            Text(visible(original, _NAME)),
            f"{one['points']:,}",
            f"{one['points_before']:,}",
            f"{one['events']:,}",
            Text(visible(one["reason"], _WORDS), "dim"),
        )
    console.print(table)
    if len(runs) > _RUNS_SHOWN:
        console.print(f"and {len(runs) - _RUNS_SHOWN:,} more runs: --json has all", highlight=False)
    console.print(f"{len(runs):,} runs, {document['points']:,} points {done}", highlight=False)
    for what, n in document["left_out"].items():
        console.print(Text(f"not as it was: {n:,} {visible(what, _WORDS)}", "yellow"), soft_wrap=True)
    for note in document["notes"][:_NOTES_SHOWN]:
        console.print(Text(visible(note, _WORDS), "yellow"), soft_wrap=True)
    if len(document["notes"]) > _NOTES_SHOWN:
        console.print(
            f"and {len(document['notes']) - _NOTES_SHOWN} more notes: --json has all", highlight=False
        )

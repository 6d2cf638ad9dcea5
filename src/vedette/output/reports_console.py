"""Scheduled reports for a terminal, or as one JSON document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible

__all__ = ["print_made", "print_reports"]


def print_reports(found: Any, *, as_json: bool = False) -> None:
    """Print each report: how often it is made, when it was due last, and where it goes."""
    if as_json:
        rows = [
            {"name": one.name, "every": one.every, "models": one.models, "folder": str(one.folder), "keep": one.keep,
             "start": start, "end": end}
            for one, end, start in found
        ]  # fmt: skip
        print_json({"reports": rows})
        return
    console = Terminal()
    if not found:
        console.print("no reports: name some in vedette.toml, each begun with \\[[reports]]", highlight=False)
    for one, end, start in found:
        said = (
            f"{one.name}: every {one.every} of {', '.join(one.models)}, last due at {end:%Y-%m-%d %H:%M} UTC"
        )
        words = f"{said} of what was since {start:%Y-%m-%d %H:%M}; to {one.folder}"
        console.print(visible(words, 600), highlight=False, markup=False)


def print_made(found: Any, *, as_json: bool = False) -> None:
    """Print what became of the reports that were due."""
    if as_json:
        print_json({"made": [asdict(one) for one in found]})
        return
    console = Terminal()
    if not found:
        console.print("no report is due", highlight=False)
    for one in found:
        words = one.path if one.error is None else f"FAILED: {one.error}"
        console.print(visible(f"{one.report}, {one.model}: {words}", 600), highlight=False, markup=False)

"""Rehearsals for a terminal, or as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible
from vedette.records.rehearsing import Rehearsed

__all__ = ["print_rehearsed"]

_WORDS = 400


def print_rehearsed(found: Sequence[Rehearsed], *, as_json: bool = False) -> None:
    """Print what policies would have done in each rehearsal, how long after the fault began, and what it looks like."""
    if as_json:
        print_json([one.document() for one in found])
        return
    console = Terminal()
    for one in found:
        what = (
            "as it was recorded"
            if one.fault is None and one.began is None
            else f"fault: {one.fault or 'none'}"
        )
        console.print(
            Text.assemble((what, "bold"), f"  {one.model}, {one.windows:,} windows"), highlight=False
        )
        if not one.acts:
            console.print("  no policy would have acted", highlight=False, markup=False)
        for act in one.acts:
            after = "" if act.after_s is None else f", {act.after_s / 3600:.1f} h after it began"
            console.print(
                f"  {act.policy} at {act.at:%Y-%m-%d %H:%M} UTC{after}", highlight=False, markup=False
            )
            for words in (f"on {act.on}: {act.evidence}", *(f"would {plan}" for plan in act.plan)):
                console.print(f"    {visible(words, _WORDS)}", highlight=False, markup=False)
        if one.fault is not None:
            style = "green" if one.right else "yellow"
            named = one.named or "nothing"
            console.print(
                Text(f"  it looks like {named}" + ("" if one.right else ", which is not it"), style)
            )

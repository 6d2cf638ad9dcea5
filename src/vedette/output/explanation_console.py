"""An explanation for a terminal: the paragraph, and the segments as a table; or one JSON document."""

from __future__ import annotations

from rich.table import Table

from vedette.output.console import Terminal, print_json
from vedette.output.explanation import Explanation, between, explanation_json, number, paragraph
from vedette.output.names import visible

__all__ = ["print_explanation"]

SEGMENTS_SHOWN = 6


def print_explanation(model: str, found: Explanation | None, *, as_json: bool = False) -> None:
    """Print why something fired, or that nothing alarms."""
    if as_json:
        print_json({"model": model, "watch": None} if found is None else explanation_json(found))
        return
    console = Terminal()
    if found is None:
        console.print(
            f"{visible(model)}: nothing alarms; name a watch to look at it all the same", markup=False
        )
        return
    console.print(paragraph(found), highlight=False, markup=False)
    if found.search is None or not found.search.segments:
        return
    table = Table(title=f"{visible(found.what, 80)} by segment", title_justify="left", show_edge=False)
    for name in ("segment", "before", "after", "95 % of the change", "rows", "nats", ""):
        table.add_column(name, justify="left" if name in ("segment", "") else "right")
    for one in found.search.segments[:SEGMENTS_SHOWN]:
        table.add_row(
            visible(one.name, 70),
            number(found, one.before),
            number(found, one.after),
            between(found, one.low, one.high),
            f"{one.n_before + one.n_after:,}",
            f"{one.nats:.1f}",
            "changed" if one.named else "",
        )
    console.print(table, markup=False)
    if found.search.left_out:
        console.print(f"Not looked at: {found.search.left_out}.", highlight=False, markup=False)

"""What became of the labels, for a terminal or as one JSON document."""

from __future__ import annotations

from dataclasses import asdict

import polars as pl
from rich.table import Table
from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible
from vedette.records import Labels

__all__ = ["print_labels"]

_DELAYS_SHOWN = 12
_WORDS = 300  # of a name, in characters
_SAID = (
    ("counted", "count: the label in force of a prediction"),
    ("again", "said what was known"),
    ("corrected", "held until a later one said otherwise"),
    ("contradicting", "known at the same time as another that says otherwise, and received before it"),
    ("waiting", "wait for a prediction with their id"),
)


def print_labels(found: Labels, delays: pl.DataFrame, *, as_json: bool = False) -> None:
    """Print the numbers of labels by kind, and the share that has come by delay."""
    if as_json:
        print_json({**asdict(found), "delays": delays.to_dicts()})
        return
    console = Terminal()
    console.print(Text.assemble((found.model, "bold"), f": {found.received:,} labels received"))
    for name, said in _SAID:
        if n := int(getattr(found, name)):
            console.print(f"{n:>12,}  {said}", highlight=False)
    console.print(f"{found.labelled:,} of {found.predictions:,} predictions have a label", highlight=False)
    if found.without_id:
        console.print(f"{found.without_id:,} have no id, so that no label can come for them", highlight=False)
    if found.repeated:
        console.print(
            f"{found.repeated:,} have an id that an earlier one had, which takes its label", highlight=False
        )
    if found.received:
        console.print(f"labels: {visible(found.late_words, _WORDS)}", highlight=False, markup=False)
    if delays.is_empty():
        return
    table = Table(
        box=None, header_style="bold", padding=(0, 1), title="labels that have come", title_justify="left"
    )
    several = delays["segment"].n_unique() > 1 or delays["segment"][0] != ""
    for name in (
        *(["segment"] if several else []),
        "after",
        "share",
        "95 % interval",
        "predictions",
        "reason",
    ):
        table.add_column(name, justify="right" if name in ("after", "share", "predictions") else "left")
    for (segment,), rows in delays.group_by("segment", maintain_order=True):
        step = -(-rows.height // _DELAYS_SHOWN)
        for row in rows.gather_every(step).iter_rows(named=True):
            empty = row["share"] is None
            line = [
                _delay(row["delay_s"]),
                "" if empty else f"{row['share']:.3f}",
                "" if empty else f"{row['low']:.3f} to {row['high']:.3f}",
                f"{row['n']:,}",
                row["reason"] or "",
            ]
            table.add_row(*map(Text, ([visible(str(segment), _WORDS)] if several else []) + line))
    console.print(table)


def _delay(seconds: float) -> str:
    """A delay in its largest whole unit; 0 is within the window of the prediction.

    >>> _delay(0.0), _delay(7200.0), _delay(172800.0)
    ('same window', '2 h', '2 d')
    """
    if seconds == 0:
        return "same window"
    for unit_s, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds % unit_s == 0:
            return f"{seconds / unit_s:g} {unit}"
    return f"{seconds:g} s"

"""What was deleted of a subject, and what an audit of membership found: for a terminal, or as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible

__all__ = ["print_forgotten", "print_membership", "print_released", "print_spending"]

REMAINS_SHOWN = 20


def print_forgotten(found: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Print the report of a deletion: rows, names that were replaced, and what a search still found."""
    if as_json:
        print_json(dict(found))
        return
    console = Terminal()
    rows = ", ".join(f"{n:,} {stream}" for stream, n in found["rows"].items()) or "no rows: none was there"
    console.print(f"{visible(found['model'])}: deleted {rows} of the subject, by {visible(found['column'])}")
    for table, n in found["scrubbed"].items():
        console.print(f"  named in {n:,} rows of {table}: replaced by forgotten-{found['tombstone']}")
    if found["done"]:
        console.print(f"searched {found['searched']}: found nothing")
    else:
        console.print(f"searched {found['searched']}: still found in")
        for one in found["remains"][:REMAINS_SHOWN]:
            console.print(f"  {visible(one)}")
        if len(found["remains"]) > REMAINS_SHOWN:
            console.print(f"  and {len(found['remains']) - REMAINS_SHOWN:,} more")
        console.print("Files of living processes go when those go on to the next: ask again then.")
    console.print(f"report {found['digest']}")


def print_membership(found: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Print an audit of membership: the reading, the rates, and what epsilon is at least."""
    if as_json:
        print_json(dict(found))
        return
    console = Terminal()
    console.print(found["meaning"])
    console.print(f"  {found['n_members']:,} rows trained on, {found['n_others']:,} others")
    for rate in found["rates"]:
        if rate["value"] is None:
            console.print(f"  at {rate['at']:.1%} false positives: UNKNOWN, {rate['reason']}")
        else:
            interval = f"[{rate['low']:.2%}, {rate['high']:.2%}]"
            console.print(
                f"  at {rate['at']:.1%} false positives ({rate['false_positive_rate']:.2%} measured): "
                f"{rate['value']:.2%} {interval} of the rows trained on are told"
            )
    console.print(
        f"  epsilon at least {found['epsilon']:.3f} (delta {found['delta']:g}, {found['level']:.0%})"
    )


def print_released(
    rows: Sequence[tuple[str, float | None, float | None, float | None]],
    spending: Mapping[str, Any],
    *,
    as_json: bool = False,
) -> None:
    """Print released figures with the intervals of their noise, and what is left of the budget."""
    if as_json:
        names = ("name", "value", "low", "high")
        released = [dict(zip(names, row, strict=True)) for row in rows]
        print_json({"released": released, "spent": spending["spent"], "left": spending["left"]})
        return
    console = Terminal()
    for name, value, low, high in rows:
        told = "UNKNOWN" if value is None else f"{value:,.6g}"
        interval = "" if low is None or high is None else f" [{low:,.6g}, {high:,.6g}]"
        console.print(f"{visible(name)}: {told}{interval}")
    console.print(f"spent {spending['spent']:.4g} of epsilon {spending['epsilon']:g}")


def print_spending(found: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Print what was spent of a budget, release by release."""
    if as_json:
        print_json(dict(found))
        return
    console = Terminal()
    console.print(
        f"{visible(found['model'])}: spent {found['spent']:.4g} of epsilon {found['epsilon']:g}, delta {found['delta']:g}"
    )
    for one in found["releases"]:
        what = f"{visible(one['what'])}, epsilon {one['epsilon']:g} by {visible(one['subject'])}"
        console.print(f"  {one['time'][:16]} {visible(one['by'])}: {what}")

"""Two versions side by side, for a terminal or as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible
from vedette.output.numbers import span
from vedette.records.comparing import Evaluated

__all__ = ["print_evaluated", "when_words"]

_COLOURS = {"promote": "green", "hold": "cyan", "roll back": "bold red", "unknown": "magenta"}
_CLAIMS = {"better": "green", "not worse": "green", "worse": "bold red", "unknown": "magenta"}
_WORDS = 300


def print_evaluated(found: Sequence[Evaluated], *, as_json: bool = False) -> None:
    """Print what was decided, why, and each figure with its confidence sequence."""
    if as_json:
        print_json([one.document() for one in found])
        return
    console = Terminal()
    for one in found:
        _print(console, one)


def _print(console: Terminal, one: Evaluated) -> None:
    title = f"{one.model} {visible(one.name, _WORDS)}: {visible(one.challenger, 60)} against {visible(one.champion, 60)}"
    console.print(
        Text.assemble((one.decision.upper(), _COLOURS[one.decision]), f"  {title} ({one.mode})"),
        highlight=False,
    )
    if one.since is not None and one.until is not None:
        rows = ", ".join(
            f"{n:,} of {visible(version, 60)}" + ("" if share is None else f" ({share:.0%} labelled)")
            for version, n, share in (
                (v, one.rows[v], one.labelled.get(v)) for v in (one.champion, one.challenger)
            )
        )
        console.print(
            f"  rows from {one.since:%Y-%m-%d %H:%M} to {one.until:%Y-%m-%d %H:%M} UTC: {rows}",
            highlight=False,
            markup=False,
        )
    for words in (*one.why, *([one.split] if one.split else [])):
        console.print(f"  {visible(words, _WORDS)}", highlight=False, markup=False)
    for suspect in one.suspects:
        console.print(
            f"  looks like {suspect.kind}: {visible(suspect.words, _WORDS)}", highlight=False, markup=False
        )
    if one.decision == "hold":
        console.print(f"  {when_words(one)}", highlight=False, markup=False)
    if any(figure.difference is not None for figure in one.found):
        console.print(_table(one))


def _table(one: Evaluated) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name in (
        "figure",
        "role",
        one.champion,
        one.challenger,
        "difference",
        "interval",
        "claim",
        "guarantee",
    ):
        table.add_column(
            visible(name, 40), justify="right" if name in (one.champion, one.challenger) else "left"
        )
    for figure in one.found:
        role = figure.role if figure.margin is None else f"{figure.role} {figure.margin:g}"
        if figure.difference is None or figure.low is None or figure.high is None:
            table.add_row(
                figure.figure, role, "", "", "", "", Text(figure.claim, "magenta"), figure.reason or ""
            )
            continue
        table.add_row(
            visible(figure.figure, 60),
            role,
            _number(figure.champion),
            _number(figure.challenger),
            f"{figure.difference:+.4g}",
            f"{figure.low:+.4g} to {figure.high:+.4g}",
            Text(figure.claim, _CLAIMS.get(figure.claim, "")),
            figure.guarantee,
        )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def when_words(one: Evaluated) -> str:
    """When it will be decided, in words.

    >>> one = Evaluated("m", "a", "3", "4", "canary", "hold", (), (), None, None, 0, {}, {}, None, False, 250_000.0, None)
    >>> when_words(one)
    'decided in about 2.9 d, if rows come on as they came'
    """
    if one.decided_in_s is None:
        return "when it will be decided is not known"
    late = f", nine times in ten within {span(one.late_s, 2)}" if one.late_s is not None else ""
    return f"decided in about {span(one.decided_in_s, 2)}{late}, if rows come on as they came"

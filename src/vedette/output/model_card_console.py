"""The life of a version in a terminal, or as one JSON document."""

from __future__ import annotations

from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.model_card import card_json, value_words
from vedette.output.names import visible
from vedette.records import Life, LiveFigure

__all__ = ["print_life"]

_SHOWN, _DIFF_LINES = 400, 12


def print_life(life: Life, *, as_json: bool = False) -> None:
    """Print a life, a section after the other, each with what is not known of it."""
    if as_json:
        print_json(card_json(life))
        return
    console = Terminal()
    title = f"{life.model}, version {visible(life.version, 80)}"
    console.print(
        Text.assemble((title, "bold"), (f"  as known on {life.made:%Y-%m-%d %H:%M} UTC", "dim")),
        highlight=False,
    )
    for one in life.sections:
        console.print(Text(f"\n{one.title}", "bold"))
        for fact in one.facts:
            lines = fact.value.splitlines() if fact.lines else [fact.value]
            console.print(
                Text.assemble((f"  {visible(fact.name, 60)}: ", "dim"), visible(lines[0], _SHOWN)),
                highlight=False,
            )
            for line in lines[1:_DIFF_LINES]:
                console.print(f"    {visible(line, _SHOWN)}", highlight=False, markup=False)
            if len(lines) > _DIFF_LINES:
                console.print(
                    f"    ... {len(lines) - _DIFF_LINES} more lines (--markdown, --html, --json)",
                    style="dim",
                    highlight=False,
                )
        for each in one.figures:
            console.print(f"  {_words(each)}", highlight=False, markup=False)
        for when in one.happened:
            by = f", by {when.by}" if when.by else ""
            console.print(
                f"  {when.time:%Y-%m-%d %H:%M:%S}  {visible(f'{when.words}{by}', _SHOWN)}",
                highlight=False,
                markup=False,
            )
        for why in one.unknown:
            console.print(Text(f"  not known: {visible(why, _SHOWN)}", "magenta"), highlight=False)


def _words(one: LiveFigure) -> str:
    value, between = value_words(one)
    note = f"  {one.note}" if one.note else ""
    return visible(f"{one.name}: {value} {between} of {one.n:,} rows{note}".replace("  of", " of"), _SHOWN)

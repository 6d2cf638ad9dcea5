"""The life of a version as a model card: Markdown and one JSON document; ``model_card_page.py`` has the page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vedette.output.comparison import Estimate
from vedette.output.names import visible
from vedette.output.numbers import estimate, unit_of
from vedette.records import Life, LiveFigure, Section

__all__ = ["card_json", "card_markdown", "value_words"]

_CELL, _LINES = 400, 24_576


def card_json(life: Life) -> dict[str, Any]:
    """The document of ``vedette story --json``: each section by its name, and all that is not known."""
    return {
        "model": life.model,
        "version": life.version,
        "made": life.made,
        "sections": {
            one.name: {k: v for k, v in asdict(one).items() if k != "name"} for one in life.sections
        },
        "unknown": list(life.unknown),
    }


def value_words(one: LiveFigure) -> tuple[str, str]:
    """A figure's value and its interval as a person reads them; where there is no value, the reason in place of it.

    >>> value_words(LiveFigure("accuracy", 0.91234, 0.905, 0.919, 6000))
    ('91.2 %', '[90.5, 91.9]')
    """
    if one.value is None:
        return f"not known: {one.reason or 'no value'}", ""
    name = one.name.split()[-1] if " of " not in one.name else one.name.partition(" of ")[0]
    return estimate(Estimate(one.value, one.low, one.high, one.n), unit_of(name.rpartition("/")[2]))


def card_markdown(life: Life) -> str:
    """The card as Markdown, as registries and repositories show it; what it was given is text and never markup."""
    parts = [
        f"# Model card: {_text(life.model)}, version {_text(life.version)}",
        f"As it was known on {life.made:%Y-%m-%d %H:%M} UTC. Figures are over all rows of the version, "
        "with their 95 % intervals.",
    ]
    for one in life.sections:
        parts += [f"## {one.title}", *_section(one)]
    parts.append("## What is not known")
    parts.append("\n".join(f"- {_text(one)}" for one in life.unknown) or "Nothing that this card asks for.")
    return "\n\n".join(parts) + "\n"


def _section(one: Section) -> list[str]:
    parts = []
    plain = [f"- **{_text(fact.name)}**: {_text(fact.value)}" for fact in one.facts if not fact.lines]
    if plain:
        parts.append("\n".join(plain))
    parts += [f"{_text(fact.name)}:\n\n{_indented(fact.value)}" for fact in one.facts if fact.lines]
    if one.figures:
        rows = ["| figure | value | 95 % interval | rows | note |", "|---|---|---|---|---|"]
        for each in one.figures:
            value, between = value_words(each)
            rows.append(
                f"| {_text(each.name)} | {_text(value)} | {_text(between)} | {each.n:,} | {_text(each.note)} |"
            )
        parts.append("\n".join(rows))
    if one.happened:
        parts.append(
            "\n".join(
                f"- {each.time:%Y-%m-%d %H:%M:%S} UTC: {_text(each.words)}{f', by {_text(each.by)}' if each.by else ''}"
                for each in one.happened
            )
        )
    parts += [f"*Not known: {_text(why)}*" for why in one.unknown]
    return parts or ["Nothing."]


_MARKUP = {ord(one): f"\\{one}" for one in "\\`*_[]|#~"} | {
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("&"): "&amp;",
}


def _text(given: str) -> str:
    """A text in one line, of which nothing is read as markup.

    >>> _text("a|b <script>")
    'a\\\\|b &lt;script&gt;'
    """
    return visible(given, _CELL).translate(_MARKUP)


def _indented(given: str) -> str:
    """Lines as a block of code, which no fence in them can end."""
    return "\n".join(f"    {visible(line, _CELL)}" for line in given[:_LINES].splitlines())

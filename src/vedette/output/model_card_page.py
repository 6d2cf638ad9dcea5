"""The life of a version as one HTML file that opens offline, and as the part of a page."""

from __future__ import annotations

from vedette.output.model_card import value_words
from vedette.output.names import bidi, html, visible
from vedette.output.runs_page import framed
from vedette.records import Life, LiveFigure, Section

__all__ = ["body", "page"]

_VALUE, _LINES = 2000, 24_576


def page(life: Life) -> str:
    """The card as a page of its own. Names are escaped; nothing is loaded from elsewhere, and there is no script."""
    return framed(f"{life.model} {life.version}", body(life))


def body(life: Life) -> str:
    """The card as the inside of a page."""
    head = (
        f"<h1>{bidi(life.model, 80)}, version {bidi(life.version, 80)}</h1>"
        f"<p class=dim>As it was known on {life.made:%Y-%m-%d %H:%M} UTC. Figures are over all rows of the version, with their "
        "95&nbsp;% intervals.</p>"
    )
    lacking = "".join(f"<li>{html(one, _VALUE)}</li>" for one in life.unknown)
    last = f"<section class=card><h2>What is not known</h2><ul>{lacking}</ul></section>" if lacking else ""
    return head + "".join(_section(one) for one in life.sections) + last


def _section(one: Section) -> str:
    facts = "".join(
        f"<div><dt>{html(fact.name, 120)}</dt><dd>{html(fact.value, _VALUE)}</dd></div>"
        for fact in one.facts
        if not fact.lines
    )
    texts = "".join(
        f"<details><summary>{html(fact.name, 120)}</summary><pre tabindex=0>{_lines(fact.value)}</pre></details>"
        for fact in one.facts
        if fact.lines
    )
    happened = "".join(
        f"<li><span class=dim>{each.time:%Y-%m-%d %H:%M:%S} UTC</span> {html(each.words, _VALUE)}"
        f"{f' <span class=dim>by {html(each.by, 120)}</span>' if each.by else ''}</li>"
        for each in one.happened
    )
    lacking = "".join(f"<p class=dim>Not known: {html(why, _VALUE)}</p>" for why in one.unknown)
    return (
        f'<section class=card id="{one.name}"><h2>{one.title}</h2>'
        + (f"<dl class=known-of>{facts}</dl>" if facts else "")
        + texts
        + (_figures(one.title, one.figures) if one.figures else "")
        + (f"<ol class=steps>{happened}</ol>" if happened else "")
        + lacking
        + "</section>"
    )


def _figures(title: str, figures: tuple[LiveFigure, ...]) -> str:
    noted = any(one.note for one in figures)
    rows = "".join(_row(one, noted) for one in figures)
    note = "<th>note</th>" if noted else ""
    head = f"<tr><th>figure</th><th>value</th><th>95&nbsp;% interval</th><th>rows</th>{note}</tr>"
    return f'<div class=wide tabindex=0 role=region aria-label="{title}: figures"><table class=figures>{head}{rows}</table></div>'


def _row(one: LiveFigure, noted: bool) -> str:
    value, between = value_words(one)
    cells = [html(value, _VALUE), html(between, 80), f"{one.n:,}", *([html(one.note, 400)] if noted else [])]
    return f"<tr><th scope=row>{bidi(one.name, 80)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _lines(given: str) -> str:
    return "\n".join(html(visible(line, 400), 400) for line in given[:_LINES].splitlines())

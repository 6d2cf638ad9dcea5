"""The picture of an explanation: segments before and after, what the change is made of, inputs that changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from vedette.output.explanation import Explanation, number, paragraph, step
from vedette.output.names import html, visible
from vedette.statistics.decomposition import Part

__all__ = ["fragment", "picture"]

WIDTH, ROW, HEAD, GAP = 640, 20, 22, 12
LEFT, RIGHT = 214, 566  # of what is drawn; beside it are names and numbers
SEGMENTS_DRAWN, INPUTS_DRAWN, NAME = 6, 6, 32


def fragment(one: Explanation) -> str:
    """The explanation for a card of the page: its paragraph and its picture, safe to put into HTML."""
    return f"<p>{html(paragraph(one, lead=False), None)}</p>{picture(one)}"


def picture(one: Explanation) -> str:
    """The picture as SVG, empty where there is nothing to draw. Names are escaped; colours are those of the page."""
    parts: list[str] = []
    y = 0
    for draw in (_segments, _parts, _inputs):
        drawn, height = draw(one, y)
        if drawn:
            parts.append(drawn)
            y += height + GAP
    if not parts:
        return ""
    label = f"why {one.watch} fired: segments, parts of the change, inputs"
    return f'<svg viewBox="0 0 {WIDTH} {y}" role="img" aria-label="{escape(visible(label), quote=True)}">{"".join(parts)}</svg>'


def _segments(one: Explanation, top: int) -> tuple[str, int]:
    """A row for each segment: a ring where its mean was, a dot where it is, a bar for the interval of the change."""
    if one.search is None or not one.search.segments:
        return "", 0
    shown = [each for each in one.search.segments if not np.isnan([each.before, each.after]).any()][
        :SEGMENTS_DRAWN
    ]
    if not shown:
        return "", 0
    ends = [
        v
        for each in shown
        for v in (each.before, each.after, each.before + each.low, each.before + each.high)
    ]
    x, ticks = _axis([v for v in ends if not np.isnan(v)], zero=False)
    said = [_text(0, top + 14, f"{one.what}: ring before, dot after", "start", bold=True, most=96)]
    said.append(_text(WIDTH, top + 14, "nats", "end"))
    bottom = top + HEAD + ROW * len(shown)
    said += _grid(x, ticks, top + HEAD, bottom, lambda value: number(one, value))
    for at, each in enumerate(shown):
        y = top + HEAD + ROW * at + ROW // 2
        colour = "var(--ALARM)" if each.named else "var(--ref)"
        said.append(_text(LEFT - 12, y + 4, each.name, "end", bold=each.named, most=NAME - 4 * each.named))
        if not np.isnan([each.low, each.high]).any():
            low, high = x(each.before + each.low), x(each.before + each.high)
            said.append(_line(low, high, y, "var(--refband)", 8))
        said.append(_line(x(each.before), x(each.after), y, colour, 1.6))
        said.append(
            f'<circle cx="{x(each.before)}" cy="{y}" r="3.6" fill="var(--card)" stroke="{colour}" stroke-width="1.6"/>'
        )
        said.append(f'<circle cx="{x(each.after)}" cy="{y}" r="4.2" fill="{colour}"/>')
        said.append(_text(WIDTH, y + 4, f"{each.nats:.1f}", "end"))
    return "".join(said), HEAD + ROW * len(shown) + 16


def _parts(one: Explanation, top: int) -> tuple[str, int]:
    """A bar for each part of the change, with its interval."""
    named: list[tuple[str, Part]] = []
    if one.decomposition is not None:
        named += [("within segments", one.decomposition.within), ("another mix", one.decomposition.mix)]
        named += [
            (words, part)
            for words, part in (
                ("new segments", one.decomposition.new),
                ("vanished segments", one.decomposition.vanished),
            )
            if part.value
        ]
    if one.concept is not None and one.concept.reason is None:
        named += [
            ("rows alike (concept)", one.concept.concept),
            ("other inputs (covariate)", one.concept.covariate),
        ]
        named += [("inputs of one side alone", one.concept.outside)] if one.concept.outside.value else []
    if not named:
        return "", 0
    x, ticks = _axis([v for _, part in named for v in (part.value, part.low, part.high)], zero=True)
    split = f", by {' and '.join(one.split)}" if one.split else ""
    said = [
        _text(0, top + 14, f"what the change over all rows is made of{split}", "start", bold=True, most=96)
    ]
    said += _grid(x, ticks, top + HEAD, top + HEAD + ROW * len(named), lambda value: step(one, value))
    for at, (words, part) in enumerate(named):
        y = top + HEAD + ROW * at + ROW // 2
        said.append(_text(LEFT - 12, y + 4, words, "end"))
        said.append(_bar(x(0.0), x(part.value), y, "var(--mark)"))
        said.append(_line(x(part.low), x(part.high), y, "var(--fg)", 1))
    return "".join(said), HEAD + ROW * len(named) + 16


def _inputs(one: Explanation, top: int) -> tuple[str, int]:
    """A bar for the evidence of each input that changed."""
    shown = one.features[:INPUTS_DRAWN]
    if not shown:
        return "", 0
    x, _ = _axis([0.0, *(nats for _, nats in shown)], zero=True)
    said = [
        _text(0, top + 14, "inputs that changed most", "start", bold=True),
        _text(WIDTH, top + 14, "nats", "end"),
    ]
    for at, (name, nats) in enumerate(shown):
        y = top + HEAD + ROW * at + ROW // 2
        said.append(_text(LEFT - 12, y + 4, name, "end"))
        said.append(_bar(x(0.0), x(nats), y, "var(--ref)"))
        said.append(_text(WIDTH, y + 4, f"{nats:.1f}", "end"))
    return "".join(said), HEAD + ROW * len(shown)


def _axis(values: Sequence[float], *, zero: bool) -> tuple[Callable[[float], float], list[float]]:
    """From values to places, and two or three values to mark."""
    low, high = min(values), max(values)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    span = (high - low) or abs(high) or 1.0
    low, high = low - 0.02 * span, high + 0.02 * span

    def x(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (RIGHT - LEFT), 1)

    size = 10.0 ** np.floor(np.log10((high - low) / 2))
    every = next(size * k for k in (1, 2, 5, 10) if (high - low) / (size * k) <= 4.0)
    first = int(np.ceil(low / every))
    ticks = [at * every for at in range(first, int(np.floor(high / every)) + 1)]
    return x, [float(one) for one in ticks]


def _grid(
    x: Callable[[float], float], ticks: Sequence[float], top: int, bottom: int, words: Callable[[float], str]
) -> list[str]:
    said = []
    for value in ticks:
        colour = "var(--dim)" if value == 0 else "var(--line)"
        said.append(f'<line x1="{x(value)}" x2="{x(value)}" y1="{top}" y2="{bottom}" stroke="{colour}"/>')
        said.append(
            _text(
                x(value),
                bottom + 12,
                "0" if value == 0 else words(value).removesuffix(" points"),
                "middle",
            )
        )
    return said


def _line(a: float, b: float, y: int, colour: str, width: float) -> str:
    return f'<line x1="{a}" x2="{b}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="{width}"/>'


def _bar(a: float, b: float, y: int, colour: str) -> str:
    low, width = min(a, b), max(abs(b - a), 0.8)
    return f'<rect x="{low}" y="{y - 5}" width="{width:.1f}" height="10" fill="{colour}" opacity=".75"/>'


def _text(x: float, y: int, words: str, anchor: str, *, bold: bool = False, most: int = NAME) -> str:
    weight = ' class="strong"' if bold else ""
    title = f"<title>{escape(visible(words, 300))}</title>" if len(words) > most else ""
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}"{weight}>{title}{escape(visible(words, most))}</text>'
    )

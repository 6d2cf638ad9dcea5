"""The pictures of a report as SVG: histograms, paired bars, and dots with whiskers.

Paths have whole coordinates and are stretched to the width of the card; text is not, since its places are percents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from vedette.output.comparison import Estimate, Picture
from vedette.output.names import bidi, html
from vedette.output.numbers import number, percent, tick, values

__all__ = ["Axis", "bars", "histogram", "texts", "whisker"]

HEIGHT = 96  # of a histogram's plot, in pixels
ROW = 22  # of a category's bars, in pixels
LEVELS = 12  # shown; the others are told as one sum
NAME = 28  # characters of a category's name: no more have room
FREQUENT = 8  # of these are the most frequent, the others those that changed most


class Axis:
    """A scale from ``low`` to ``high``, linear or logarithmic, with round ticks; places are percents.

    >>> Axis(0.0, 10.0).ticks()
    ((0.0, '0'), (20.0, '2'), (40.0, '4'), (60.0, '6'), (80.0, '8'), (100.0, '10'))
    >>> Axis(1.0, 1000.0, log=True).ticks()
    ((0.0, '1'), (33.3, '10'), (66.7, '100'), (100.0, '1,000'))
    """

    def __init__(self, low: float, high: float, *, log: bool = False, unit: str = "") -> None:
        self.log, self.unit = log, unit
        self.low, self.high = (math.log10(low), math.log10(high)) if log else (low, high)
        if self.high / 2 - self.low / 2 <= 0:
            pad = abs(self.low) * 0.5 or 1.0
            self.low, self.high = self.low - pad, self.high + pad

    def place(self, value: float) -> float:
        """Where a value lies, in percent of the width; beyond the ends at the end."""
        value = math.log10(value) if self.log and value > 0 else self.low if self.log else value
        share = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)  # the span may exceed the floats
        return round(100 * min(max(share, 0.0), 1.0), 1)

    def ticks(self, about: int = 6) -> tuple[tuple[float, str], ...]:
        """Places and texts of round values within the scale: at most ``about`` and one."""
        if self.unit == "time":
            places = [self.low, self.low / 2 + self.high / 2, self.high]
            return tuple(zip((0.0, 50.0, 100.0), values(tuple(places), "time"), strict=True))
        if self.log:
            found = self._decades()
        else:
            span = self.high / about - self.low / about
            if not math.isfinite(span) or span <= 0:
                return ()
            step = _round_step(span)
            first, last = math.ceil(self.low / step), math.floor(self.high / step)
            scale, suffix = (100, " %") if self.unit == "%" else (1, f" {self.unit}" if self.unit else "")
            found = tuple(
                (self.place(k * step), tick(k * step * scale, step * scale) + suffix)
                for k in range(first, min(last, first + 3 * about) + 1)
            )
        return found

    def _decades(self) -> tuple[tuple[float, str], ...]:
        every = max(1, math.ceil((self.high - self.low) / 5))
        factors = (1, 2, 5) if self.high - self.low < 1.5 else (1,)
        return tuple(
            (self.place(factor * 10.0**power), number(factor * 10.0**power))
            for power in range(math.floor(self.low), math.ceil(self.high) + 1)
            if power % every == 0
            for factor in factors
            if self.low <= power + math.log10(factor) <= self.high
        )


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not under ``rough``.

    >>> _round_step(0.3), _round_step(7.0), _round_step(2.0)
    (0.5, 10.0, 2.0)
    """
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def texts(ticks: Sequence[tuple[float, str]], y: int) -> str:
    """The texts of an axis; those at its ends do not stand out of it."""
    return "".join(
        f'<text x="{place:g}%" y="{y}"{" class=s" if place < 7 else " class=e" if place > 93 else ""}>{text}</text>'
        for place, text in ticks
    )


def histogram(picture: Picture, kind: str) -> str:
    """Two distributions of numbers on one axis: the current filled, the reference outlined.

    Areas are shares of rows: a bin twice as wide is drawn half as high. The axis is logarithmic where the bins are
    more even so.
    """
    edges, unit = picture.edges, "time" if kind == "time" else ""
    if len(edges) < 2:
        return ""
    log = unit != "time" and _log_is_more_even(edges)
    axis = Axis(edges[0], edges[-1], log=log, unit=unit)
    if edges[0] == edges[-1]:
        sums = [(sum(side),) if side else () for side in (picture.current, picture.reference)]
        picture = replace(picture, edges=(edges[0], edges[0]), current=sums[0], reference=sums[1])
        places, ticks = [400.0, 600.0], [(50.0, values(edges[:1], unit)[0])]
    else:
        places, ticks = [10 * axis.place(one) for one in edges], [*axis.ticks()]
    widths = [max(b - a, 1e-9) for a, b in pairwise(places)]
    even = max(widths) < 1.5 * min(widths) + 2  # places are rounded to 1
    typical = sorted(widths)[len(widths) // 2]
    heights = [
        [share * typical / width if not even else share for share, width in zip(shares, widths, strict=False)]
        for shares in (picture.current, picture.reference)
    ]
    top = max((one for side in heights for one in side), default=0.0)
    if top <= 0:
        return ""
    current, reference = (_steps(side, places, top) for side in heights)
    peak = f"<text x=0 y=10 class=s>{percent(top)}{'' if len(widths) == 1 or not even else ' a bin'}</text>"
    scale = "; logarithmic axis" if log else ""
    drawn = f'<path class=c d="{current}"/>' + (f'<path class=r d="{reference}"/>' if reference else "")
    return (
        f'<svg class=hist role=img aria-label="{_histogram_words(picture, unit, scale)}">'
        f'<svg y=14 width="100%" height={HEIGHT} viewBox="0 0 1000 {HEIGHT}" preserveAspectRatio=none>{drawn}</svg>'
        f'{peak if even else ""}<line class=a x1=0 x2="100%" y1={HEIGHT + 14.5} y2={HEIGHT + 14.5} />'
        f"{texts(ticks, HEIGHT + 29)}"
        f"</svg>{_beyond(picture, scale)}"
    )


def _log_is_more_even(edges: Sequence[float]) -> bool:
    """Whether the logarithms of bin edges are spaced more evenly than the edges themselves."""
    widths = [b - a for a, b in pairwise(edges)]
    if edges[0] <= 0 or len(edges) < 4 or min(widths) <= 0 or max(widths) < 4 * min(widths):
        return False
    logs = [math.log(b) - math.log(a) for a, b in pairwise(edges)]
    return min(logs) > 0 and max(logs) / min(logs) < max(widths) / min(widths)


def _steps(heights: Sequence[float], places: Sequence[float], top: float) -> str:
    """A path along the tops of the bins, from the axis to the axis; "" where there is nothing."""
    if not any(heights):
        return ""
    path, last = [f"M{places[0]:.0f} {HEIGHT}"], HEIGHT
    for height, end in zip(heights, places[1:], strict=False):
        y = round(HEIGHT - (HEIGHT - 1) * height / top)
        if y != last:
            path.append(f"V{y}")
            last = y
        path.append(f"H{end:.0f}")
    return "".join([*path, f"V{HEIGHT}"])


def _histogram_words(picture: Picture, unit: str, scale: str) -> str:
    said = []
    for name, shares in (("current", picture.current), ("reference", picture.reference)):
        if any(shares):
            at = max(range(len(shares)), key=shares.__getitem__)
            low, high = values((picture.edges[at], picture.edges[at + 1]), unit)
            said.append(f"{name} highest from {low} to {high}")
    low, high = values((picture.edges[0], picture.edges[-1]), unit)
    return f"Histogram from {low} to {high}{scale}: {', '.join(said)}"


def _beyond(picture: Picture, scale: str) -> str:
    below, above, *reference = map(percent, picture.beyond)
    parts = [scale[2:]] if scale else []
    if max(picture.beyond) >= 5e-4:
        was = f" (reference {reference[0]}, {reference[1]})" if picture.reference else ""
        parts.append(f"not drawn: {below} below, {above} above{was}")
    return f"<p class=note>{html('; '.join(parts))}</p>" if parts else ""


def _levels(picture: Picture) -> list[int]:
    """Which categories are shown: the most frequent, and of the rest those whose share changed most."""
    count = len(picture.labels)
    if count <= LEVELS:
        return list(range(count))
    rest = range(FREQUENT, count)
    if picture.reference:
        gap = [abs(a - b) for a, b in zip(picture.current, picture.reference, strict=True)]
        rest = sorted(rest, key=lambda one: -gap[one])  # type: ignore[assignment]  # any sequence of numbers
    return sorted([*range(FREQUENT), *rest[: LEVELS - FREQUENT]])


def bars(picture: Picture) -> str:
    """Two distributions over categories: a filled bar for the current, an outlined one for the reference under it."""
    shown = _levels(picture)
    paired = bool(picture.reference)
    top = max((*picture.current, *picture.reference), default=0.0)
    if top <= 0:
        return ""
    current, reference, names, shares = [], [], [], []
    for row, at in enumerate(shown):
        y = row * ROW
        share = picture.current[at]
        if width := round(997 * share / top):
            current.append(f"M0 {y + (3 if paired else 5)}h{width}v{8 if paired else 12}H0z")
        names.append(bidi(picture.labels[at], NAME, 200))
        said = percent(share)
        if paired:
            was = picture.reference[at]
            if width := round(997 * was / top):
                reference.append(f"M0 {y + 13}h{width}v5H0z")
            said = f"{said}<i>{percent(was)}</i>"
        shares.append(f"<li>{said}")
    height = ROW * len(shown)
    drawn = f'<path class=c d="{"".join(current)}"/>' + (
        f'<path class=r d="{"".join(reference)}"/>' if reference else ""
    )
    return (
        f"<div class=bars><div class=bn>{''.join(names)}</div>"
        f'<svg role=img aria-label="Shares by category, told beside" height={height} viewBox="0 0 1000 {height}" '
        f"preserveAspectRatio=none>{drawn}</svg><ul>{''.join(shares)}</ul></div>{_others(picture, shown)}"
    )


def _others(picture: Picture, shown: Sequence[int]) -> str:
    further, more, more_was = picture.others
    count = len(picture.labels) - len(shown) + further
    if not count:
        return ""
    current = max(0.0, sum(picture.current) - sum(picture.current[at] for at in shown)) + more
    said = f"and {count:,} more with {percent(current)} of rows"
    if picture.reference:
        was = max(0.0, sum(picture.reference) - sum(picture.reference[at] for at in shown)) + more_was
        said += f" (reference {percent(was)})"
    return f"<p class=note>{said}</p>"


def whisker(axis: Axis, points: Sequence[tuple[str, Estimate | None]], label: str, y: int = 10) -> str:
    """Dots with their intervals on one axis, one under another; each point has a class of the stylesheet."""
    parts = []
    for row, (mark, one) in enumerate(points):
        if one is None or one.value is None:
            continue
        at = y + 13 * row
        if one.low is not None and one.high is not None:
            low, high = axis.place(one.low), axis.place(one.high)
            parts.append(f'<line class={mark} x1="{low:g}%" x2="{high:g}%" y1={at} y2={at} />')
        parts.append(f'<circle class={mark} cx="{axis.place(one.value):g}%" cy={at} r=3.5 />')
    if not parts:
        return "<span></span>"
    return f'<svg class=dot role=img aria-label="{html(label, 200)}">{"".join(parts)}</svg>'

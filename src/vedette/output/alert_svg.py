"""The picture of an alert as SVG that stands by itself: no stylesheet, nothing loaded, light colours."""

from __future__ import annotations

import re
from html import escape

from vedette.output.names import visible
from vedette.output.report import HEIGHT, WIDTH, Picture, chart
from vedette.output.theme import LIGHT
from vedette.records import Verdict

__all__ = ["COLOURS", "HEAD", "alert_svg"]

HEAD = 26  # for the title
COLOURS = dict(re.findall(r"--([A-Za-z]+):([^;\s]+)", LIGHT))


def alert_svg(picture: Picture, verdict: Verdict, title: str) -> str:
    """The figure over its windows under a title; empty where no window has a value. Names are escaped."""
    drawn = chart(picture, verdict)
    if not drawn:
        return ""
    drawn = re.sub(r"var\(--([A-Za-z]+)\)", lambda found: COLOURS[found[1]], drawn)
    inner = drawn.replace("<svg ", f'<svg y="{HEAD}" width="{WIDTH}" height="{HEIGHT}" ', 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEAD + HEIGHT}" width="{WIDTH}" '
        f'height="{HEAD + HEIGHT}" font-family="system-ui,sans-serif" font-size="11" fill="{COLOURS["dim"]}">'
        f'<rect width="100%" height="100%" fill="{COLOURS["card"]}"/>'
        f'<text x="10" y="18" font-size="13" font-weight="700" fill="{COLOURS[verdict.verdict]}">'
        f"{escape(visible(title, 90))}</text>{inner}</svg>"
    )

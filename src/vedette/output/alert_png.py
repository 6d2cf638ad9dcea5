"""The picture of an alert as PNG, which mail and chats show where they do not show SVG; drawn by Pillow where it is there.

Pillow comes with the extra ``apprise``: one wheel without dependencies of its own, which has a font in it. What turns SVG
into PNG (cairo, a browser) would need libraries of the system.
"""

from __future__ import annotations

import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vedette.output.alert_svg import COLOURS, HEAD
from vedette.output.names import visible
from vedette.output.report import HEIGHT, WIDTH, Picture, Point, chart, stretches, tick
from vedette.records import Status, Verdict

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["alert_png"]

SCALE = 2  # pixels for each unit of the SVG: screens of today show it without blur
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 10 + HEAD, 22
_DASH = 5, 4


def alert_png(picture: Picture, verdict: Verdict, title: str) -> bytes | None:
    """The same figure, band, reference and mark as the SVG has; None where Pillow is not installed or nothing is drawn."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        return None
    if not chart(picture, verdict):
        return None
    size = WIDTH * SCALE, (HEAD + HEIGHT) * SCALE
    image = Image.new("RGB", size, COLOURS["card"])
    draw = ImageDraw.Draw(image, "RGBA")  # so that a translucent band lets what is below it through
    drawing = _Drawing(draw, picture, lambda height: ImageFont.load_default(height * SCALE))
    drawing.axes()
    drawing.reference()
    drawing.figure()
    if verdict.since is not None and verdict.verdict in (Status.ALARM, Status.WARN):
        drawing.upright(verdict.since, COLOURS[verdict.verdict])
    drawing.text(10, 5, visible(title, 90), COLOURS[verdict.verdict], 13)
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


class _Drawing:
    """Draws the parts of a picture, in the units of the SVG."""

    def __init__(self, draw: ImageDraw, picture: Picture, font: Any) -> None:
        self._draw, self._picture, self._font = draw, picture, font
        shown = [*picture.points, *([picture.reference] if picture.reference else [])]
        levels = [v for one in shown for v in (one.value, one.low, one.high) if v is not None]
        self.pad = (max(levels) - min(levels)) * 0.06 or abs(max(levels)) * 0.05 or 1.0
        self.low, self.high = min(levels) - self.pad, max(levels) + self.pad
        self.first = picture.points[0].start.timestamp()
        self.last = picture.points[-1].start.timestamp()

    def x(self, when: datetime) -> float:
        share = (when.timestamp() - self.first) / max(self.last - self.first, 1.0)
        return (LEFT + share * (WIDTH - LEFT - RIGHT)) * SCALE

    def y(self, value: float) -> float:
        share = (self.high - value) / (self.high - self.low)
        return (TOP + share * (HEIGHT + HEAD - TOP - BOTTOM)) * SCALE

    def text(self, x: float, y: float, words: str, colour: str, size: int, anchor: str = "la") -> None:
        self._draw.text((x * SCALE, y * SCALE), words, fill=colour, font=self._font(size), anchor=anchor)

    def axes(self) -> None:
        span = self.high - self.low
        for value in (self.low + self.pad, (self.low + self.high) / 2, self.high - self.pad):
            y = self.y(value)
            self._draw.line((LEFT * SCALE, y, (WIDTH - RIGHT) * SCALE, y), fill=COLOURS["line"], width=SCALE)
            self.text(LEFT - 6, y / SCALE, tick(value, span), COLOURS["dim"], 11, "rm")
        pattern = "%Y-%m-%d" if self.last - self.first > 2 * 86400 else "%m-%d %H:%M"
        bottom, ends = HEAD + HEIGHT - 4, self._picture.points
        self.text(LEFT, bottom, f"{ends[0].start:{pattern}}", COLOURS["dim"], 11, "ls")
        self.text(WIDTH - RIGHT, bottom, f"{ends[-1].start:{pattern}}", COLOURS["dim"], 11, "rs")
        middle = (LEFT + WIDTH - RIGHT) / 2
        self.text(middle, bottom, visible(self._picture.figure, 60), COLOURS["dim"], 11, "ms")

    def reference(self) -> None:
        one = self._picture.reference
        if one is None or one.value is None:
            return
        left, right = LEFT * SCALE, (WIDTH - RIGHT) * SCALE
        if one.low is not None and one.high is not None:
            box = (left, self.y(one.high), right, max(self.y(one.low), self.y(one.high) + 1))
            self._draw.rectangle(box, fill=COLOURS["refband"])
        y, step = self.y(one.value), sum(_DASH) * SCALE
        for at in range(left, right, step):
            self._draw.line((at, y, min(at + _DASH[0] * SCALE, right), y), fill=COLOURS["ref"], width=SCALE)

    def figure(self) -> None:
        for run in stretches(self._picture.points):
            line = [(self.x(one.start), self.y(one.value)) for one in run if one.value is not None]
            if len(run) == 1:
                x, y = line[0]
                self._draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=COLOURS["mark"])
                continue
            if len(band := _band(self, run)) > 2:
                self._draw.polygon(band, fill=COLOURS["band"])
            self._draw.line(line, fill=COLOURS["mark"], width=3, joint="curve")

    def upright(self, when: datetime, colour: str) -> None:
        if self.first <= when.timestamp() <= self.last:
            x = self.x(when)
            self._draw.line((x, TOP * SCALE, x, (HEAD + HEIGHT - BOTTOM) * SCALE), fill=colour, width=3)


def _band(drawing: _Drawing, run: list[Point]) -> list[tuple[float, float]]:
    above = [(drawing.x(one.start), drawing.y(one.high)) for one in run if one.high is not None]
    below = [(drawing.x(one.start), drawing.y(one.low)) for one in reversed(run) if one.low is not None]
    return above + below

"""A page that opens offline: the verdicts first, then a picture for each, in one HTML file without scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from vedette.output.names import html, visible
from vedette.output.theme import DARK, LIGHT
from vedette.records import Alert, Health, Ledger, Status, Verdict

__all__ = ["HEIGHT", "WIDTH", "Picture", "Point", "Told", "chart", "page", "stretches", "tick"]

WIDTH, HEIGHT = 640, 150
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 10, 22
GAPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Point:
    """One window of a figure: its start, value and interval (None where there is a reason instead), and rows."""

    start: datetime
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn for a verdict: a figure over its windows, the same figure of the reference, and the windows in which
    a change may have begun, from the start of the first to the end of the last."""

    watch: str
    figure: str
    points: Sequence[Point]
    reference: Point | None
    began: tuple[datetime, datetime] | None = None


_COLOURS = f"""
:root{{color-scheme:light dark;{LIGHT}}}
@media(prefers-color-scheme:dark){{:root{{{DARK}}}}}
"""

_STYLE = """\
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,sans-serif}main{max-width:1180px;margin:0 auto;padding:24px 18px 64px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:36px 0 12px}p{margin:4px 0}.dim{color:var(--dim)}
.word{font-weight:700;letter-spacing:.02em}.OK{color:var(--OK)}.WARN{color:var(--WARN)}.ALARM{color:var(--ALARM)}
.UNKNOWN{color:var(--UNKNOWN)}.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(520px,100%),1fr));
gap:14px}.card{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--line);border-radius:8px;
padding:12px 14px;min-width:0;break-inside:avoid}.card.is-ALARM{border-left-color:var(--ALARM)}.card.is-WARN
{border-left-color:var(--WARN)}.card.is-UNKNOWN{border-left-color:var(--UNKNOWN)}.card.is-OK{border-left-color:var(--OK)}
.card h3{font-size:15px;margin:0;overflow-wrap:anywhere}.card p{font-size:13.5px;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block;margin-top:8px}svg text{font:11px system-ui,sans-serif;fill:var(--dim)}
svg text.strong{font-weight:600;fill:var(--fg)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}td,th{padding:4px 12px 4px 0;text-align:
right;border-bottom:1px solid var(--line)}td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}
.wide{grid-column:1/-1;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr));gap:4px 28px}
.told td,.told th{text-align:left;vertical-align:top}.told td:nth-child(-n+2){white-space:nowrap}
.wide>div{min-width:0}.scroll{overflow-x:auto}@media print{body{background:#fff}.card{border-color:#bbb}}
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A period, and the alerts that were open in it, the newest first."""

    start: datetime
    end: datetime
    alerts: tuple[Alert, ...]


def page(
    health: Health,
    pictures: Sequence[Picture],
    ledger: Ledger,
    made: datetime,
    note: str = "",
    why: Mapping[tuple[str, str], str] | None = None,
    told: Told | None = None,
) -> str:
    """The page of a model as text. Names and texts are escaped; nothing is loaded from elsewhere.

    ``why`` is, by watch and segment, what explains an alarm, as HTML that is safe (``explanation_svg.fragment``). ``told``
    are the alerts of a period; verdicts and ledger are as they stand.
    """
    explained = why or {}
    by_watch = {picture.watch: picture for picture in pictures}
    order = [Status.ALARM, Status.WARN, Status.UNKNOWN, Status.OK]
    verdicts = sorted(health.verdicts, key=lambda one: order.index(one.verdict))
    counts = {status: sum(one.verdict is status for one in verdicts) for status in order}
    tally = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
    title = f"{health.model} version {health.version}: {health.verdict.value}"
    cards = "".join(
        _card(one, by_watch.get(one.watch), explained.get((one.watch, one.segment), "")) for one in verdicts
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_COLOURS}{_STYLE}</style></head><body><main>"
        f"<h1>{escape(health.model)} <span class=dim>version {escape(health.version)}</span> "
        f'<span class="word {health.verdict.value}">{health.verdict.value}</span></h1>'
        f"<p class=dim>{tally or 'nothing is watched yet'}. Made {made:%Y-%m-%d %H:%M} UTC. {escape(note)}</p>"
        "<p class=dim>Line and band: the figure by window with its 95 % interval. Dashes: the same figure of the "
        "reference. The upright line: since when; the upright band: when a change may have begun (95 %).</p>"
        f"{'' if told is None else _alerts(told)}"
        f"<h2>Verdicts</h2><div class=cards>{cards}</div>"
        f"<h2>Ledger</h2>{_ledger(ledger)}</main></body></html>\n"
    )


def _alerts(told: Told) -> str:
    head = f"<h2>Alerts from {_day(told.start)} to {_day(told.end)} UTC</h2>"
    if not told.alerts:
        return f"{head}<p class=dim>None was open.</p>"
    rows = "".join(
        f"<tr><td>{_day(one.opened)}</td><td>{'open' if one.closed is None else _day(one.closed)}</td>"
        f"<td>{escape(visible(one.watch))}{f' [{escape(visible(one.segment))}]' if one.segment else ''}</td>"
        f"<td>{one.state.value}{', false' if one.false else ''}</td><td>{escape(visible(one.evidence))}</td></tr>"
        for one in told.alerts
    )
    names = ("opened", "closed", "watch", "state", "evidence")
    columns = "".join(f"<th scope=col>{name}</th>" for name in names)
    return (
        f"{head}<div class=scroll tabindex=0 role=region aria-label=Alerts><table class=told>"
        f"<thead><tr>{columns}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _card(verdict: Verdict, picture: Picture | None, why: str = "") -> str:
    told = verdict.since is not None and verdict.verdict in (Status.ALARM, Status.WARN)
    since = f" since {_day(verdict.since)}" if told and verdict.since is not None else ""
    said = verdict.reason if verdict.verdict is Status.UNKNOWN else verdict.evidence
    segment = f" [{escape(verdict.segment)}]" if verdict.segment else ""
    drawn = chart(picture, verdict) if picture is not None else ""
    return (
        f'<article class="card is-{verdict.verdict.value}{" wide" if why else ""}"><div>'
        f'<h3><span class="word {verdict.verdict.value}">'
        f"{verdict.verdict.value}</span> {escape(verdict.watch)}{segment}<span class=dim>{since}</span></h3>"
        f"<p>{escape(said or '')}</p><p class=dim>guarantee: {escape(verdict.guarantee)}</p>{drawn}</div>"
        f"{f'<div>{why}</div>' if why else ''}</article>"
    )


def chart(picture: Picture, verdict: Verdict) -> str:
    """The figure over its windows as SVG, in the colours of the page; empty where nothing can be drawn."""
    points = [one for one in picture.points if one.value is not None]
    if not points:
        return ""
    levels = [
        v
        for one in (*points, *([picture.reference] if picture.reference else []))
        for v in (one.value, one.low, one.high)
        if v is not None
    ]
    low, high = min(levels), max(levels)
    if not math.isfinite(1.2 * (high - low)):
        return ""  # further apart than a number can say: there is no scale for them
    said = escape(visible(picture.figure, 200), quote=True)
    pad = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    low, high = low - pad, high + pad
    first, last = picture.points[0].start.timestamp(), picture.points[-1].start.timestamp()
    span = max(last - first, 1.0)

    def x(when: datetime) -> float:
        return round(LEFT + (when.timestamp() - first) / span * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said} by window">']
    for value in (low + pad, (low + high) / 2, high - pad):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value)}" y2="{y(value)}" stroke="var(--line)"/>'
        )
        parts.append(
            f'<text x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{tick(value, high - low)}</text>'
        )
    if picture.reference is not None and picture.reference.value is not None:
        reference = picture.reference
        assert reference.value is not None
        if reference.low is not None and reference.high is not None:
            parts.append(
                f'<rect x="{LEFT}" width="{WIDTH - LEFT - RIGHT}" y="{y(reference.high)}" '
                f'height="{max(round(y(reference.low) - y(reference.high), 1), 0.5)}" fill="var(--refband)"/>'
            )
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(reference.value)}" y2="{y(reference.value)}" '
            'stroke="var(--ref)" stroke-dasharray="5 4"/>'
        )
    if picture.began is not None:
        ends_at = [min(max(x(when), LEFT), WIDTH - RIGHT) for when in picture.began]
        parts.append(
            f'<rect x="{ends_at[0]}" width="{max(round(ends_at[1] - ends_at[0], 1), 2.0)}" y="{TOP}" '
            f'height="{HEIGHT - TOP - BOTTOM}" fill="var(--{verdict.verdict.value})" opacity=".14"/>'
        )
    for run in stretches(picture.points):
        band = [(x(p.start), y(p.high)) for p in run if p.high is not None] + [
            (x(p.start), y(p.low)) for p in reversed(run) if p.low is not None
        ]
        line = [(x(p.start), y(p.value)) for p in run if p.value is not None]
        if len(run) > 1:
            parts.append(f'<polygon points="{_path(band)}" fill="var(--band)"/>')
            parts.append(
                f'<polyline points="{_path(line)}" fill="none" stroke="var(--mark)" stroke-width="1.6"/>'
            )
        else:
            parts.append(f'<circle cx="{line[0][0]}" cy="{line[0][1]}" r="2" fill="var(--mark)"/>')
    if (
        verdict.since is not None
        and verdict.verdict in (Status.ALARM, Status.WARN)
        and first <= verdict.since.timestamp() <= last
    ):
        at, colour = x(verdict.since), f"var(--{verdict.verdict.value})"
        ends = f'y1="{TOP}" y2="{HEIGHT - BOTTOM}"'
        parts.append(f'<line x1="{at}" x2="{at}" {ends} stroke="{colour}" stroke-width="1.5"/>')
    pattern = "%Y-%m-%d" if span > 2 * 86400 else "%m-%d %H:%M"
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">{picture.points[0].start:{pattern}}</text>')
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{picture.points[-1].start:{pattern}}</text>'
    )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{said}</text></svg>'
    )
    return "".join(parts)


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def tick(value: float, span: float) -> str:
    """A number for an axis: as many digits as its span needs, and no remains of rounding beside zero."""
    if abs(value) < span * 1e-3:
        return "0"
    return (
        f"{value:.3g}"
        if abs(value) < 1e-3 or abs(value) >= 1e6
        else f"{value:,.4g}"
        if abs(value) < 1000
        else f"{value:,.0f}"
    )


def stretches(points: Sequence[Point]) -> list[list[Point]]:
    """Stretches of windows that have a value: the line is broken where there is none."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point.value is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:g},{b:g}" for a, b in points)


def _ledger(ledger: Ledger) -> str:
    head = (
        "producer",
        "stream",
        "seen",
        "in lake",
        "in journal",
        "sampled out",
        "dropped",
        "rejected",
        "torn",
        "forgotten",
        "",
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in (one.producer, one.stream))
        + "".join(
            f"<td>{n:,}</td>"
            for n in (
                one.seen,
                one.in_lake,
                one.in_journal,
                one.sampled_out,
                one.dropped,
                one.rejected,
                one.torn,
                one.forgotten,
            )
        )
        + (
            f'<td class="{Status.OK.value}">balanced</td>'
            if one.balanced
            else f'<td class="{Status.ALARM.value}">does not balance</td>'
        )
        + "</tr>"
        for one in ledger.producers
    )
    names = "".join(f"<th>{name}</th>" for name in head)
    table = (
        "<div class=scroll tabindex=0 role=region aria-label=Ledger>"
        f"<table><tr>{names}</tr>{rows}</table></div>"
    )
    gaps = sorted(ledger.gaps, key=lambda gap: gap.accounted)
    more = f"<li>and {len(gaps) - GAPS_SHOWN:,} more</li>" if len(gaps) > GAPS_SHOWN else ""
    listed = "".join(f"<li>{html(gap.said)}</li>" for gap in gaps[:GAPS_SHOWN])
    return table + (f"<ul>{listed}{more}</ul>" if gaps else "")

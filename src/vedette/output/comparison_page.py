"""A report of two files as one HTML page that opens offline, prints, and can be read without its script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from vedette.output.comparison import Column, Comparison, Estimate, Finding, Side
from vedette.output.comparison_figures import confusion_html, estimate_html, figures_html
from vedette.output.comparison_style import SCRIPT, STYLE
from vedette.output.comparison_svg import Axis, bars, histogram, whisker
from vedette.output.comparison_words import (
    apart,
    compared_words,
    metric_words,
    only_words,
    together_words,
    verdict_mark,
    verdict_words,
)
from vedette.output.names import bidi, html
from vedette.output.numbers import estimate, number, percent, unit_of

__all__ = ["page"]

OWN_UNIT = frozenset({"wasserstein"})  # distances in the unit of the column: no common axis
OVERVIEW_DISTANCES = 2
AXIS_MAX = (
    1.0  # of a distance without a unit: one column that changed beyond measure must not hide the others
)


def page(report: Comparison) -> str:
    """The page as text that encodes as UTF-8. Names are escaped and set apart; nothing is loaded from elsewhere."""
    axes = _distance_axes(report.columns)
    verdict = report.verdict.value
    against = f" against {bidi(report.reference, 120)}" if report.reference is not None else ""
    body = [
        f"<h1><span class='word {verdict}'>{verdict}</span> {bidi(report.current, 120)}"
        f"<span class=dim>{against}</span></h1>{_summary(report)}",
        _findings(report),
        f"<h2 id=model>The model</h2>{_legend(report)}{figures_html(report.figures)}"
        if report.figures
        else "",
        f"<h2>Confusion matrix</h2>{confusion_html(report.confusion)}" if report.confusion else "",
        _together(report),
        _columns(report, axes),
        f"<h2>Notes</h2>{''.join(f'<p>{html(note)}</p>' for note in report.notes)}" if report.notes else "",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        f"<title>{verdict}: {html(report.current, 80)}</title><style>{STYLE}</style></head>"
        '<body><a class=skip href="#columns">To the columns</a><main>'
        "<button class=theme id=theme type=button aria-label='Light or dark' title='Light or dark'>◐</button>"
        f"{''.join(body)}"
        f"</main><script>{SCRIPT}</script></body></html>\n"
    )


def _policy() -> str:
    style, script = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (STYLE, SCRIPT)
    )
    return (
        f"default-src 'none'; style-src {style}; script-src {script}; img-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )


def _summary(report: Comparison) -> str:
    rows = f"{report.rows:,} rows of {bidi(report.current, 60)}"
    if report.reference is not None:
        known = f"{report.reference_rows:,} rows of " if report.reference_rows is not None else ""
        rows += f" against {known}{bidi(report.reference, 60)}"
    return (
        f"<p class=lead>{rows}: {html(compared_words(report))}.</p>"
        f"<p class=note>Made {report.made:%Y-%m-%d %H:%M} UTC. Brackets and whiskers: 95 % intervals. "
        "n: the rows a figure rests on.</p>"
    )


def _legend(report: Comparison) -> str:
    """Which mark is which file."""
    if report.reference is None:
        return ""
    return "<p class=dim>Filled: current. Hollow, and the second line of numbers: reference.</p>"


def _findings(report: Comparison) -> str:
    if not report.findings:
        return ""
    places = {one.metric: "model" for one in report.figures} | {
        one.name: f"column-{at}" for at, one in enumerate(report.columns, 1)
    }
    return (
        "<h2>Worth knowing</h2><ol class=findings>"
        f"{''.join(_finding(one, places) for one in report.findings)}</ol>"
    )


def _finding(one: Finding, places: Mapping[str, str]) -> str:
    model = places.get(one.about) == "model"
    about = bidi(metric_words(one.about) if model else one.about, 60) if one.about else ""
    if one.about in places:
        about = f'<a href="#{places[one.about]}">{about}</a>'
    about = f"<b>{about}</b>: " if about else ""
    return f"<li><span class='word {one.status.value}'>{one.status.value}</span><span>{about}{html(one.words, 600)}</span></li>"


def _together(report: Comparison) -> str:
    """How well a classifier over all columns tells the files apart, and what part of that each column carries."""
    one = report.together
    if one is None:
        return ""
    rows = f"{one.auc.n:,} current rows against {one.reference_rows:,}, {one.columns:,} columns"
    mark = ("WARN" if one.matters else "dim") if one.changed else "dim"
    head = (
        f"<h2 id=together>All columns together</h2><p class=note>How well a classifier that has not seen a row tells which "
        f"file it is from: 0.5 is not at all, 1 always. {rows}.</p>"
    )
    told = f"<b class={mark}>{together_words(one)}</b>"
    if one.auc.value is None:
        return f"{head}<article class=whole><p>{told}: {html(one.reason or 'unknown', 300)}</p></article>"
    drawn = whisker(Axis(0.0, 1.0), [("c", one.auc)], "AUC, told beside")
    rows_of = [f"<div>AUC{drawn}<span>{estimate_html(one.auc, '')}</span></div>"]
    if one.changed:
        top = max([share.high or 0.0 for share in one.shares.values()] + [1.0])
        for name, share in one.shares.items():
            drawn = whisker(Axis(0.0, top), [("c", _from_zero(share))], f"share of {name}, told beside")
            rows_of.append(f"<div>{bidi(name, 32)}{drawn}<span>{estimate_html(share, '%')}</span></div>")
        told += " <span class=dim>Below the AUC: the parts of columns in the distance of the files' mean scores.</span>"
    return f"{head}<article class='whole'><p>{told}</p><div class=dist>{''.join(rows_of)}</div></article>"


def _from_zero(one: Estimate) -> Estimate:
    """The estimate as it is drawn on an axis from 0."""
    value, low, high = (None if part is None else max(part, 0.0) for part in (one.value, one.low, one.high))
    return Estimate(value, low, high, one.n)


def _columns(report: Comparison, axes: Mapping[str, Axis]) -> str:
    if not report.columns:
        return '<h2 id="columns">Columns</h2><p class=dim>There are none.</p>'
    compared = report.reference is not None
    key = (
        "<p class=note><span class='key'></span>current<span class='key r'></span>reference. "
        "Distances are drawn from 0; each without a unit on an axis of its own, the same in all columns.</p>"
        if compared
        else ""
    )
    cards = "".join(_card(one, at, compared, axes) for at, one in enumerate(report.columns, 1))
    return (
        f'<h2 id="columns">Columns</h2>{_overview(report.columns, compared)}{_controls(compared)}{key}'
        f"<div class=cards>{cards}</div>"
    )


def _controls(compared: bool) -> str:
    """Search, filters and order: shown only where the script runs."""
    chips = (("all", "all"), ("changed", "changed"), ("unknown", "cannot be judged"))
    buttons = "".join(
        f"<button type=button data-show={name} aria-pressed={'true' if name == 'all' else 'false'}>{text}</button>"
        for name, text in (chips if compared else ())
    )
    return (
        '<div class=controls role=search><input id=q type=search placeholder="Search columns  ( / )" '
        f'aria-label="Search columns by name">{buttons}<label>sort by <select id=sort>'
        "<option value=change>change<option value=name>name<option value=missing>missing</select></label>"
        "<span id=count class=dim role=status aria-live=polite></span></div>"
    )


def _overview(columns: Sequence[Column], compared: bool) -> str:
    """All columns as a table: a line each, in the order of the cards."""
    names: dict[str, int] = {}
    for one in columns:
        for name in one.distances:
            names[name] = names.get(name, 0) + 1
    shown = sorted(names, key=lambda name: (name != "psi", -names[name]))[:OVERVIEW_DISTANCES]
    heads = ["column", "kind", *(["verdict"] if compared else []), "missing", *map(metric_words, shown)]
    head = "".join(
        f"<th scope=col{' class=t' if at < 2 + compared else ''}><button type=button>{html(name, 40)}</button></th>"
        for at, name in enumerate(heads)
    )
    body = []
    for at, one in enumerate(columns, 1):
        verdict = (
            f"<td class=t><span class='{verdict_mark(one)}'>{verdict_words(one)}</span>" if compared else ""
        )
        share = _missing(one.current)
        cells = "".join(_distance_cell(one.distances.get(name), name) for name in shown)
        body.append(
            f'<tr><td class=t><a href="#column-{at}">{bidi(one.name, 48, 0)}</a><td class=t>{html(one.kind, 40)}'
            f"{verdict}<td>{percent(share)}{cells}"
        )
    return (
        '<div class=overview tabindex=0 role=region aria-label="All columns"><table id=overview>'
        f"<thead><tr>{head}</thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _distance_cell(one: Estimate | None, name: str) -> str:
    if one is None or one.value is None:
        return "<td>"
    value, interval = estimate(one, unit_of(name))
    return f"<td>{value} <small>{interval}</small>"


def _missing(side: Side | None) -> float | None:
    return None if side is None or not side.rows else side.missing / side.rows


def _card(one: Column, at: int, compared: bool, axes: Mapping[str, Axis]) -> str:
    mark = verdict_mark(one) if compared else ""
    kept = "changed" if one.changed else "unknown" if one.changed is None and not apart(one) else "same"
    share = _missing(one.current)
    data = f" data-m={share:.6g}" if share is not None else ""
    words = verdict_words(one, compared=compared)
    only = only_words(one) if compared else ""
    drawn = _drawn(one)
    return (
        f'<article class="col is-{mark}" id=column-{at} data-c={kept}{data}><h3>{bidi(one.name, 80)}</h3>'
        f"<p class=meta><b class={mark or 'dim'}>{words}</b><span>{html(one.kind, 40)}</span><span>{html(one.role, 40)}</span>"
        f"{f'<span>{only}</span>' if only else ''}{_p_value(one)}</p>{_told(one, compared)}{drawn}"
        f"{_distances(one, axes)}{_table(one, compared, opened=not drawn)}</article>"
    )


def _p_value(one: Column) -> str:
    if one.p_value is None:
        return ""
    return f"<span>p {'< 1e-6' if one.p_value < 1e-6 else number(one.p_value)}</span>"


def _told(one: Column, compared: bool) -> str:
    said = [*([one.words] if one.words else []), *([one.reason] if one.reason and compared else [])]
    return "".join(f"<p>{html(text, 1000)}</p>" for text in said)


def _drawn(one: Column) -> str:
    if one.picture is None:
        return ""
    return bars(one.picture) if one.picture.labels else histogram(one.picture, one.kind)


def _distance_axes(columns: Iterable[Column]) -> dict[str, Axis]:
    """One axis from 0 for each distance that has no unit, over all columns: what is far looks far.

    What lies beyond ``AXIS_MAX`` is drawn at the end.
    """
    tops: dict[str, float] = {}
    for one in columns:
        for name, distance in one.distances.items():
            for level in (distance.value, distance.high):
                if level is not None and name not in OWN_UNIT:
                    tops[name] = max(tops.get(name, 0.0), level)
    return {name: Axis(0.0, min(top or 1.0, AXIS_MAX) * 1.03) for name, top in tops.items()}


def _distances(one: Column, axes: Mapping[str, Axis]) -> str:
    rows = []
    for name, distance in one.distances.items():
        words = html(metric_words(name), 40)
        unit = unit_of(name, one.kind)
        if distance.value is None:
            rows.append(f"<div>{words}<span></span><span>{estimate_html(distance, unit)}</span></div>")
            continue
        axis = axes.get(name) or Axis(0.0, max(distance.value, distance.high or 0.0) * 1.03 or 1.0)
        drawn = whisker(axis, [("c", distance)], f"{metric_words(name)}, told beside")
        rows.append(f"<div>{words}{drawn}<span>{estimate_html(distance, unit)}</span></div>")
    return f"<div class=dist>{''.join(rows)}</div>" if rows else ""


def _table(one: Column, compared: bool, opened: bool) -> str:
    """The figures of the files that have the column, folded away where there is a picture."""
    files = {"current": one.current, "reference": one.reference if compared else None}
    sides = {name: side for name, side in files.items() if side is not None}
    if not sides:
        return ""
    rows = _counts(one.kind, [*sides.values()])
    for name in dict.fromkeys(name for side in sides.values() for name in side.figures):
        unit = unit_of(name, one.kind)
        cells = "".join(_cells(side.figures.get(name), unit) for side in sides.values())
        rows.append(f"<tr><td>{html(metric_words(name), 60)}{cells}")
    heads = "".join(f"<th>{name}<th>n" for name in sides)
    table = f"<div class=scroll tabindex=0><table><tr><th>{heads}{''.join(rows)}</table></div>"
    return f"<details{' open' if opened else ''}><summary>Figures</summary>{table}</details>"


def _counts(kind: str, sides: Sequence[Side]) -> list[str]:
    """Rows of the table that are counted, not estimated: no interval."""
    rows = []
    for name, always in (("rows", True), ("missing", True), ("nan", False), ("inf", False)):
        counts = [getattr(side, name) for side in sides]
        if always or any(counts):
            rows.append(_plain_row(name, [f"{count:,}" for count in counts]))
    unit = "time" if kind == "time" else ""
    for name in ("minimum", "maximum"):
        found = [getattr(side, name) for side in sides]
        if any(one is not None for one in found):
            rows.append(_plain_row(name, [number(one, unit) for one in found]))
    return rows


def _plain_row(name: str, cells: Iterable[str]) -> str:
    return f"<tr><td>{name}{''.join(f'<td>{escape(cell)}<td>' for cell in cells)}"


def _cells(one: Estimate | None, unit: str) -> str:
    if one is None:
        return "<td><td>"
    if one.value is None:
        return f"<td>{html(one.reason or 'unknown', 120)}<td>{one.n:,}"
    value, interval = estimate(one, unit)
    return f"<td>{value} <small>{interval}</small><td>{one.n:,}"

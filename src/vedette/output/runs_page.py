"""A page of training runs: their parameters and results, and each curve with its band, as one HTML file that opens offline."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from vedette.output.comparison_svg import Axis
from vedette.output.curves import Panel, extent, limited_by, number_or_word, weight_of
from vedette.output.names import bidi, html
from vedette.output.runs_console import RunsShown
from vedette.output.theme import DARK, LIGHT

__all__ = ["LINES", "STYLE", "by_run", "card", "framed", "list_page", "page", "table"]

_WIDTH, _HEIGHT = 1000, 260
LINES = 6
STYLE = f""":root{{{LIGHT};--l0:#1f6feb;--l1:#b35900;--l2:#1a7f4b;--l3:#7a3fb0;--l4:#0b7285;--l5:#c62828}}
@media(prefers-color-scheme:dark){{:root{{{DARK};--l0:#6ea8fe;--l1:#f0a050;--l2:#56c98a;--l3:#c69bf0;--l4:#5ccfe0;
--l5:#ff7b72}}}}
body{{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}}
main{{max-width:1060px;margin:auto;padding:24px}}
.card{{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px;margin:14px 0}}.dim{{color:var(--dim)}}
table{{border-collapse:collapse;display:block;overflow-x:auto}}
td,th{{text-align:left;padding:3px 12px 3px 0;border-bottom:1px solid var(--line)}}
svg{{width:100%;height:auto;display:block}}text{{fill:var(--dim);font-size:12px}}.grid{{stroke:var(--line)}}
.grid3{{display:grid;grid-template-columns:repeat(auto-fill,minmax(280px,1fr));gap:18px}}figure{{margin:0}}
.line td,.line th{{white-space:nowrap}}
.known-of div{{display:grid;grid-template-columns:minmax(0,min(190px,34%)) 1fr;gap:0 14px;padding:3px 0}}
.known-of{{margin:0 0 8px}}.known-of div{{border-bottom:1px solid var(--line)}}
.known-of dt{{color:var(--dim)}}.known-of dd{{margin:0;overflow-wrap:anywhere}}.wide{{overflow-x:auto}}
.steps{{padding-left:22px}}.steps li{{overflow-wrap:anywhere}}pre{{overflow-x:auto;font-size:13px}}
.p0{{fill:var(--l0);opacity:.8}}
h2{{font-size:17px;margin:0 0 6px}}.dot{{display:inline-block;width:10px;height:10px;border-radius:5px;margin:0 5px 0 12px}}
""" + "".join(
    f".m{k}{{stroke:var(--l{k});fill:none;stroke-width:1.6}}.b{k}{{fill:var(--l{k});opacity:.2}}.d{k}{{background:var(--l{k})}}"
    for k in range(LINES)
)


def list_page(model: str, rows: Sequence[Mapping[str, object]], pictures: str) -> str:
    """The page of all runs of a model: what each was given and reached, and parameters against results (``pictures``)."""
    shown = RunsShown(model, tuple(rows), ())
    return framed(
        f"{model}: {len(rows):,} runs",
        f"<h1>{bidi(model, 80)}: {len(rows):,} runs</h1>{by_run(shown)}{pictures}",
    )


def page(shown: RunsShown) -> str:
    """The page as text that encodes as UTF-8. Names are escaped; nothing is loaded from elsewhere, and there is no script."""
    title = ", ".join(str(row["name"]) for row in shown.runs)
    events = "".join(f"<p>{html(one)}</p>" for one in shown.events)
    curves = "".join(map(card, [one for one in shown.panels if one.moves]))
    return framed(
        title, f"<h1>{bidi(shown.model, 80)}: {bidi(title, 200)}</h1>{table(shown)}{events}{curves}"
    )


def framed(title: str, body: str) -> str:
    """A body as a page of its own, which loads nothing and runs no script."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{html(title, 80)}</title><style>{STYLE}</style></head><body><main>"
        f"{body}</main></body></html>\n"
    )


def by_run(shown: RunsShown) -> str:
    """Each run as a row: status, parameters that differ, results."""
    own = ["status", "started", "steps"]
    names = [name for name in dict.fromkeys(key for row in shown.runs for key in row) if "." in name]
    names = [name for name in names if limited_by(name, names) is None]
    told = [name for name in names if any(row.get(name) not in (None, "") for row in shown.runs)]
    same = {
        name
        for name in told
        if name.startswith("params.") and len({str(row.get(name)) for row in shown.runs}) == 1
    }
    told.sort(key=lambda name: weight_of(name.partition(".")[2]) if not name.startswith("params.") else -1)
    heads = [*own, *(name for name in told if name not in same), "reason"]
    heads = [name for name in heads if any(row.get(name) not in (None, "") for row in shown.runs)]
    alike = ", ".join(
        f"{name.partition('.')[2]} {_word(shown.runs[0].get(name))}" for name in told if name in same
    )
    rows = "".join(
        f"<tr><th>{bidi(str(row['name']), 60)}</th>"
        f"{''.join(f'<td>{html(_cell(row, name), 300)}</td>' for name in heads)}</tr>"
        for row in shown.runs
    )
    head = "".join(f"<th>{html(name.partition('.')[2] or name, 60)}</th>" for name in heads)
    said = f"<p class=dim>alike in all: {html(alike, 1000)}</p>" if alike else ""
    return f"<div class=card><table class=line><tr><th></th>{head}</tr>{rows}</table>{said}</div>"


def table(shown: RunsShown) -> str:
    """Each run as a column: status, parameters, results."""
    names = [name for name in shown.runs[0] if name != "name"] if shown.runs else []
    names = [name for name in names if any(row.get(name) not in (None, "") for row in shown.runs)]
    names = [name for name in names if limited_by(name, names) is None]
    names.sort(
        key=lambda name: weight_of(name.partition(".")[2]) if name.startswith(("last.", "summary.")) else -1
    )
    head = "".join(f"<th>{bidi(str(row['name']), 60)}</th>" for row in shown.runs)
    rows = "".join(
        f"<tr><th>{html(name, 80)}</th>{''.join(f'<td>{html(_cell(row, name), 300)}</td>' for row in shown.runs)}</tr>"
        for name in names
    )
    return f"<div class=card><table><tr><th></th>{head}</tr>{rows}</table></div>"


def _cell(row: Mapping[str, object], name: str) -> str:
    """A value, with its interval where there is one."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    interval = f" ({_word(low)} to {_word(high)})" if low is not None and high is not None else ""
    return _word(row.get(name)) + interval


def _word(value: object) -> str:
    if isinstance(value, float):
        return number_or_word(value)
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "strftime") else str(value)


def card(panel: Panel) -> str:
    low, high, first, last = extent(panel.curves)
    across, up = Axis(float(first), float(max(last, first + 1))), Axis(low, high)
    grid = "".join(
        f"<line class=grid x1=0 x2={_WIDTH} y1={_y(place)} y2={_y(place)} /><text x=2 y={_y(place) - 3:.1f}>{html(text)}</text>"
        for place, text in up.ticks(4)
    )
    steps = "".join(
        f'<text x={place * _WIDTH / 100:.1f} y={_HEIGHT + 16} text-anchor="middle">{html(text)}</text>'
        for place, text in across.ticks(8)
        if 2 < place < 98
    )
    curves, legend = "", ""
    for at, (label, frame) in enumerate(panel.curves.items()):
        k = at % LINES
        curves += "".join(_curve(frame, across, up, k))
        odd = int(frame["nan"].sum()) + int(frame["inf"].sum())
        said = f" <span class=dim>({odd:,} NaN or inf)</span>" if odd else ""
        legend += (
            f"<span class='dot d{k}'></span>{bidi(label, 60)} {html(number_or_word(frame['last'][-1]))}{said}"
        )
    return (
        f"<div class=card><h2>{bidi(panel.title, 80)}{legend}</h2>"
        f'<svg viewBox="0 -12 {_WIDTH} {_HEIGHT + 34}" role="img" aria-label="{html(panel.title, 80)}">'
        f"{grid}{steps}{curves}</svg></div>"
    )


def _y(place: float) -> float:
    return round(_HEIGHT * (1 - place / 100), 1)


def _curve(frame: pl.DataFrame, across: Axis, up: Axis, k: int) -> Iterator[str]:
    """The band and the line of one curve, in pieces between which nothing is finite."""
    piece: list[tuple[float, float, float, float]] = []
    rows = frame.select("step", "end", "min", "max", "mean").iter_rows()
    for start, end, low, high, mean in (*rows, (0, 0, math.nan, math.nan, math.nan)):
        if math.isfinite(low) and math.isfinite(high) and math.isfinite(mean):
            x = round(across.place((start + end - 1) / 2) * _WIDTH / 100, 1)
            piece.append((x, _y(up.place(low)), _y(up.place(high)), _y(up.place(mean))))
            continue
        if piece:
            there = " ".join(f"{x},{top}" for x, _, top, _ in piece)
            back = " ".join(f"{x},{bottom}" for x, bottom, _, _ in reversed(piece))
            yield f'<polygon class=b{k} points="{there} {back}"/>'
            ends = f"{piece[0][0]},{piece[0][3]} " if len(piece) == 1 else ""
            yield f'<polyline class=m{k} points="{ends}{" ".join(f"{x},{mean}" for x, _, _, mean in piece)}"/>'
        piece = []

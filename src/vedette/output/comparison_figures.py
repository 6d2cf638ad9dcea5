"""The model's figures on the page of a report: intervals beside the reference's on one axis, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

from vedette.output.comparison import Confusion, Estimate, Figures
from vedette.output.comparison_svg import Axis, texts, whisker
from vedette.output.comparison_words import figure_status, is_main, metric_words, silent_words, without_value
from vedette.output.names import bidi, html
from vedette.output.numbers import estimate, percent, unit_of, width

__all__ = ["confusion_html", "estimate_html", "figures_html"]

SEGMENTS = 12  # of each figure: those that changed, and the largest
CLASSES = 24  # of a confusion matrix: the most frequent are shown, the others are summed


def figures_html(figures: Sequence[Figures]) -> str:
    """A block for each metric, a row for each segment, all rows of a block on one axis.

    What is one class's, or an average over classes, is folded away where nothing of it changed.
    """
    none = without_value(figures)
    silent = {metric for several in none.values() for metric in several}
    metrics: dict[str, list[Figures]] = {}
    for one in figures:
        if one.metric not in silent:
            metrics.setdefault(one.metric, []).append(one)
    first: list[str] = []
    folded: list[str] = []
    for metric, rows in metrics.items():
        shown = is_main(metric) or any(one.changed for one in rows)
        (first if shown else folded).append(_block(metric, rows))
    head = f"<summary>By class, and averages over classes: {len(folded)}</summary>"
    more = f"<details>{head}<div class=figs>{''.join(folded)}</div></details>"
    told = "".join(
        f"<p class=note>{html(reason, 300)}: {html(silent_words(several), 1000)}</p>"
        for reason, several in none.items()
    )
    return f"<div class=figs>{''.join(first)}</div>{more if folded else ''}{told}"


def _kept_rows(rows: Sequence[Figures]) -> tuple[list[Figures], int]:
    """All rows, the segments that changed and the largest of the others in their order; and how many are left out."""
    places = [at for at, one in enumerate(rows) if one.segment]
    places.sort(key=lambda at: (not rows[at].changed, -rows[at].current.n, at))
    out = set(places[SEGMENTS:])
    return [one for at, one in enumerate(rows) if at not in out], len(out)


def _block(metric: str, rows: Sequence[Figures]) -> str:
    unit = unit_of(metric)
    rows, out = _kept_rows(rows)
    more = f"<p class=note>and {out:,} more segment{'' if out == 1 else 's'} with --json</p>" if out else ""
    spread = [
        level
        for one in rows
        for side in (one.current, one.reference)
        if side is not None
        for level in (side.value, side.low, side.high)
        if level is not None
    ]
    shares = {one.labelled for one in rows}
    labelled = _labelled(next(iter(shares))) if len(shares) == 1 else ""
    head = f"<section class=fig><h3>{html(metric_words(metric), 64)}{labelled}</h3>"
    if not spread:
        return head + "".join(_row(one, unit, None, not labelled) for one in rows) + more + "</section>"
    low, high = min(spread), max(spread)
    pad = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    axis = Axis(low - pad, high + pad, unit=unit if unit == "%" else "")
    line = "<svg class=ax aria-hidden=true><line x1=0 x2='100%' y1=.5 y2=.5 />"
    scale = f"<div class=fr><span></span>{line}{texts(axis.ticks(4), 12)}</svg></div>"
    return head + "".join(_row(one, unit, axis, not labelled) for one in rows) + scale + more + "</section>"


def _labelled(share: float | None) -> str:
    return "" if share is None or share >= 1 else f" <small>{share * 100:.3g} % labelled</small>"


def _row(one: Figures, unit: str, axis: Axis | None, labelled: bool) -> str:
    name = bidi(one.segment, 40, 200) if one.segment else "all rows"
    changed = f"<b class={figure_status(one).value}>changed</b>" if one.changed else ""
    if one.changed is False:
        changed = "<span class=dim>no change told</span>"
    aside = changed + (_labelled(one.labelled) if labelled else "")
    points = (("c", one.current), ("r", one.reference))
    drawn = whisker(axis, points, f"{one.segment or 'all rows'}: numbers beside") if axis else "<span></span>"
    by = width(one.current, one.reference)
    told = f"<div>{estimate_html(one.current, unit, rows=True, by=by)}</div>"
    if one.reference is not None:
        told += f"<div class=dim>{estimate_html(one.reference, unit, rows=True, by=by)}</div>"
    return (
        f"<div class=fr><div class=fn>{name}{f'<div>{aside}</div>' if aside else ''}</div>"
        f"{drawn}<div class=fv>{told}</div></div>"
    )


def estimate_html(one: Estimate | None, unit: str, *, rows: bool = False, by: float = 0.0) -> str:
    """A value with its interval, and the rows it rests on; or the reason why there is none."""
    if one is None:
        return "-"
    if one.value is None:
        return f"<em>{html(one.reason or 'unknown', 300)}</em>"
    value, interval = estimate(one, unit, by)
    n = f" <small>n {one.n:,}</small>" if rows else ""
    return f"<b>{value}</b> {interval}{n}"


def confusion_html(matrix: Confusion) -> str:
    """The matrix as a table: a row for each label, a column for each prediction; the shade is the share of the row."""
    names, counts = _kept(matrix)
    if not names:
        return ""
    head = "".join(f"<th scope=col>{name}</th>" for name in names)
    body = []
    for at, (name, row) in enumerate(zip(names, counts, strict=True)):
        total = sum(row)
        cells = []
        for to, count in enumerate(row):
            share = count / total if total else 0.0
            shade = min(9, int(10 * share))
            cells.append(
                f'<td class="{"g" if at == to else "b"}{shade}">{count:,}'
                + (f"<small>{percent(share)}</small>" if count else "")
                + "</td>"
            )
        body.append(f"<tr><th scope=row>{name}</th>{''.join(cells)}<td>{total:,}</td></tr>")
    return (
        "<p class=note>Rows: the label. Columns: what was predicted. Percents: of the label's row.</p>"
        "<div class=scroll tabindex=0 role=region aria-label='Confusion matrix'><table class=confusion>"
        f"<tr><td></td>{head}<th scope=col>rows</th></tr>{''.join(body)}</table></div>"
    )


def _kept(matrix: Confusion) -> tuple[list[str], list[list[int]]]:
    """The classes' names as HTML and the counts, with the rarest classes summed where there are too many."""
    names = [bidi(one, 24, 300) for one in matrix.classes]
    counts = [list(row) for row in matrix.counts]
    if len(names) <= CLASSES:
        return names, counts
    weight = [sum(row) + sum(other[at] for other in counts) for at, row in enumerate(counts)]
    kept = sorted(sorted(range(len(names)), key=lambda at: -weight[at])[: CLASSES - 1])
    last = [at for at in range(len(names)) if at not in set(kept)]
    groups = [*([at] for at in kept), last]
    summed = [[sum(counts[a][b] for a in row for b in column) for column in groups] for row in groups]
    return [*(names[at] for at in kept), f"{len(last):,} others"], summed

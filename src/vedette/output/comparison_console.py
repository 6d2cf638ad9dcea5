"""A report of two files for a terminal, or as one JSON document."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from vedette.output.comparison import Column, Comparison, Estimate, Figures, to_json
from vedette.output.comparison_words import (
    is_main,
    metric_words,
    only_words,
    silent_words,
    summary,
    together_words,
    verdict_words,
    without_value,
)
from vedette.output.names import visible
from vedette.output.numbers import estimate, number, percent, unit_of, width
from vedette.output.pipes import hush
from vedette.records import Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["print_comparison"]

COLUMNS_SHOWN, DESCRIBED = 15, 40
FIGURES_SHOWN = 20
SHARES_SHOWN = 4
FINDINGS_SHOWN = 10
NAME, WORDS = 30, 300  # the longest that are shown, in characters
NARROW = 64  # under this a table is told as lines
COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.ALARM: "bold red", Status.UNKNOWN: "magenta"}


def print_comparison(
    report: Comparison, *, as_json: bool, file: TextIO | None = None, html: str | None = None
) -> None:
    """Print the verdict, what is worth knowing, the columns that changed and the model's figures.

    ``html`` is the path of the report's page, where one was written.
    """
    if as_json:
        _print_json(report, file)
        return
    from vedette.output.console import Terminal  # rich is only wanted here

    console = Terminal(file=file)
    say = _Writer(console)
    against = f" against {say.safe(report.reference, 120)}" if report.reference is not None else ""
    say.line(
        (report.verdict.value, COLOURS[report.verdict]),
        (f" {say.safe(report.current, 120)}", "bold"),
        against,
    )
    say.line(say.safe(summary(report), 1000))
    _findings(say, report)
    _columns(say, report)
    _together(say, report)
    _figures(say, report.figures)
    if report.notes:
        say.gap()
    for note in report.notes:
        say.line("note: ", say.safe(note, 1000))
    if html is not None:
        say.gap()
        say.line("the whole report: ", (say.safe(html, 1000), "bold"))


def _print_json(report: Comparison, file: TextIO | None) -> None:
    target = sys.stdout if file is None else file
    try:
        target.write(f"{to_json(report)}\n")
        target.flush()
    except BrokenPipeError:
        if file is not None:
            raise
        hush()


class _Writer:
    """Lines on a console, in characters that its encoding has: names do not act, whatever they hold."""

    def __init__(self, console: Console) -> None:
        from rich.text import Text

        self._console, self._text = console, Text
        self._encoding = getattr(console.file, "encoding", None) or "utf-8"
        self.narrow = console.width < NARROW

    def safe(self, text: str, length: int) -> str:
        """A text with what cannot be seen or encoded shown as marks, cut to ``length``."""
        return visible(text, length).encode(self._encoding, "backslashreplace").decode(self._encoding)

    def text(self, *parts: str | tuple[str, str]) -> Text:
        """Parts with or without a style as one text, without markup."""
        return self._text.assemble(*parts)

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Parts as one line, wrapped at the width of the terminal."""
        self._console.print(self.text(*parts), highlight=False)

    def gap(self, heading: str = "") -> None:
        """An empty line, and a heading under it."""
        self._console.print()
        if heading:
            self.line((heading, "bold"))

    def table(self, heads: Iterable[str]) -> Table:
        """An empty table without lines; n stands to the right. Without any name there is no line of heads."""
        from rich.table import Table

        heads = tuple(heads)
        table = Table(
            box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False, show_header=any(heads)
        )
        for name in heads:
            table.add_column(name, justify="right" if name == "n" else "left", overflow="fold")
        return table

    def show(self, table: Table) -> None:
        """Print a table."""
        self._console.print(table, highlight=False)

    def estimate(self, one: Estimate | None, unit: str, by: float = 0.0) -> str:
        """A value with its interval, or the reason why there is none."""
        if one is None:
            return ""
        if one.value is None:
            return self.safe(one.reason or "unknown", 80)
        value, interval = estimate(one, unit, by)
        return f"{value} {interval}".rstrip()


def _findings(say: _Writer, report: Comparison) -> None:
    if not report.findings:
        return
    say.gap("Worth knowing")
    table = say.table(("", ""))
    metrics = {one.metric for one in report.figures}
    for one in report.findings[:FINDINGS_SHOWN]:
        name = metric_words(one.about) if one.about in metrics else one.about
        about = f"{say.safe(name, NAME)}: " if name else ""
        status = say.text((one.status.value, COLOURS[one.status]))
        table.add_row(status, say.text((about, "bold"), say.safe(one.words, WORDS)))
    say.show(table)


def _columns(say: _Writer, report: Comparison) -> None:
    """The columns that changed, most important first."""
    if report.reference is None:
        _described(say, report.columns)
        return
    changed = [one for one in report.columns if one.changed]
    if not changed:
        return
    say.gap("Columns that changed")
    table = say.table(("column", "kind", "what changed", "distance"))
    for one in changed[:COLUMNS_SHOWN]:
        name, kind = say.safe(one.name, NAME), say.safe(one.kind, 12)
        words, distance = say.safe(_said(one), WORDS), _distance(say, one)
        if say.narrow:
            say.line((name, "bold"), f" ({kind}): {words}", f"; {distance}" if distance else "")
        else:
            table.add_row(say.text((name, "bold")), say.text(kind), say.text(words), say.text(distance))
    if not say.narrow:
        say.show(table)
    if len(changed) > COLUMNS_SHOWN:
        say.line(f"... and {len(changed) - COLUMNS_SHOWN:,} more")


def _together(say: _Writer, report: Comparison) -> None:
    """How well rows of the two files can be told apart, and by which columns."""
    one = report.together
    if one is None:
        return
    say.gap("All columns together")
    if one.auc.value is None:
        say.line(f"AUC of telling the files apart: {say.safe(one.reason or 'unknown', 120)}")
        return
    rows = f"{one.auc.n:,} rows against {one.reference_rows:,}, {one.columns:,} columns"
    changed = together_words(one)
    mark = "yellow" if one.changed and one.matters else ""
    say.line(
        "AUC of telling the files apart ",
        (say.estimate(one.auc, ""), "bold"),
        f" ({rows}): ",
        (changed, mark),
    )
    if one.changed:
        for name, share in [*one.shares.items()][:SHARES_SHOWN]:
            say.line("  ", (say.safe(name, NAME), "bold"), f" carries {say.estimate(share, '%')}")


def _described(say: _Writer, columns: tuple[Column, ...]) -> None:
    """What each column of a file alone holds."""
    if not columns:
        return
    say.gap("Columns")
    table = say.table(("column", "kind", "n", "missing", "distinct", "values"))
    for one in columns[:DESCRIBED]:
        side = one.current
        if side is None:
            continue
        used = side.rows - side.missing - side.nan
        missing = percent((side.missing + side.nan) / side.rows if side.rows else None)
        distinct = say.estimate(side.figures.get("distinct"), "count")
        cells = (
            say.safe(one.name, NAME),
            say.safe(one.kind, 12),
            f"{used:,}",
            missing,
            distinct,
            _held(say, one),
        )
        if say.narrow:
            name, kind, n, *rest = cells
            say.line((name, "bold"), f" ({kind}): n {n}, missing {', '.join(part for part in rest if part)}")
        else:
            table.add_row(say.text((cells[0], "bold")), *map(say.text, cells[1:]))
    if not say.narrow:
        say.show(table)
    if len(columns) > DESCRIBED:
        say.line(f"... and {len(columns) - DESCRIBED:,} more on the page and with --json")


def _held(say: _Writer, one: Column) -> str:
    """The mean, spread and ends of numbers, the most frequent categories, the ends of times."""
    side, picture = one.current, one.picture
    if side is None:
        return ""
    if one.kind == "text":
        return f"{say.estimate(side.figures.get('length_mean'), '')} bytes"
    if picture is not None and picture.labels and one.kind not in ("numeric", "vector"):
        told = zip(picture.labels[:3], picture.current, strict=False)
        return say.safe(", ".join(f"{level[:24]} {percent(share)}" for level, share in told), WORDS)
    if side.minimum is None or side.maximum is None:
        return ""
    unit = "time" if one.kind == "time" else ""
    ends = f"{number(side.minimum, unit)} to {number(side.maximum, unit)}"
    of = "norms: " if one.kind == "vector" else ""
    mean, sd = side.figures.get("mean"), side.figures.get("sd")
    if mean is None or mean.value is None:
        return f"{of}{ends}"
    spread = f"sd {number(sd.value)}, " if sd is not None and sd.value is not None else ""
    return f"{of}mean {say.estimate(mean, '')}, {spread}{ends}"


def _said(one: Column) -> str:
    return only_words(one) or one.words.rstrip(". ") or verdict_words(one)


def _distance(say: _Writer, one: Column) -> str:
    """The first of a column's distances that has a value."""
    for name, distance in one.distances.items():
        if distance.value is not None:
            return f"{say.safe(metric_words(name), 20)} {say.estimate(distance, unit_of(name, one.kind))}"
    return ""


def _figures(say: _Writer, figures: tuple[Figures, ...]) -> None:
    if not figures:
        return
    say.gap("The model")
    compared = any(one.reference is not None for one in figures)
    table = say.table(("figure", "current", "n", *(("reference", "") if compared else ())))
    last = ""
    every, figures = len(figures), _told(figures)
    none = without_value(figures)
    silent = {metric for several in none.values() for metric in several}
    for one in figures:
        if one.metric in silent:
            continue
        unit, by = unit_of(one.metric), width(one.current, one.reference)
        now, was = say.estimate(one.current, unit, by), say.estimate(one.reference, unit, by)
        name, where = say.safe(metric_words(one.metric), NAME), say.safe(one.segment, NAME)
        changed = ("changed" if one.changed else "", "bold red")
        if say.narrow:
            tail = f"; reference {was}" if was else ""
            aside = f" {where}" if where else ""
            say.line((name, "bold"), f"{aside}: {now}, n {one.current.n:,}{tail} ", changed)
            continue
        label = f"  {where}" if where and one.metric == last else f"{name} {where}".rstrip()
        cells = [say.text(was), say.text(changed)] if compared else []
        table.add_row(say.text(label), say.text(now), f"{one.current.n:,}", *cells)
        last = one.metric
    if not say.narrow:
        say.show(table)
    for reason, several in none.items():
        say.line(f"{say.safe(reason, 80)}: {silent_words(several)}")
    if every > len(figures):
        say.line(f"... and {every - len(figures):,} more on the page and with --json")


def _told(figures: tuple[Figures, ...]) -> tuple[Figures, ...]:
    """The figures for a terminal: averages over classes and single classes where they changed, of segments the first."""
    kept = [one for one in figures if one.changed or is_main(one.metric)]
    whole = [one for one in kept if not one.segment]
    first = kept[0].metric if kept else ""
    segments = [one for one in kept if one.segment and (one.changed or one.metric == first)]
    return (*whole[:FIGURES_SHOWN], *segments[:FIGURES_SHOWN])

"""Verdicts, figures and alerts for a terminal, or as one JSON document."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import IO, Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette.capture.shipping.delivery import Shipped
from vedette.output.names import visible
from vedette.output.pipes import hush
from vedette.records import Alert, AlertState, ChannelReport, Delivery, FalseAlarms, Health, Status, Verdict

__all__ = [
    "alert_json",
    "health_json",
    "print_alerts",
    "print_audit",
    "print_cases",
    "print_channels",
    "print_figures",
    "print_guarantee",
    "print_health",
    "print_ingested",
    "print_json",
    "print_rules",
    "print_shipped",
    "print_tried",
    "verdict_line",
]

COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.ALARM: "bold red", Status.UNKNOWN: "magenta"}
ROWS_SHOWN = 200
_ALIKE = 5  # verdicts that are unknown for one reason, from which on they are one line
QUIET_SHOWN = 12
RESOLVED_SHOWN = 10
PIPED_WIDTH = 200  # characters


class Terminal(Console):
    """A console whose reader may have had enough (``| head``): the rest is not printed, the exit code stays true.

    What goes into a pipe or a file has no width of its own, unless ``COLUMNS`` says so: lines are not broken at 80.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        super().__init__(file=file)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = PIPED_WIDTH

    def on_broken_pipe(self) -> None:
        """Print no more."""
        hush()


def print_json(document: Any) -> None:
    """Print a document as JSON."""
    try:
        json.dump(document, sys.stdout, indent=1, allow_nan=False, default=_text)
        sys.stdout.write("\n")
        sys.stdout.flush()
    except BrokenPipeError:
        hush()


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")


def health_json(health: Health) -> dict[str, Any]:
    """A model's health as the JSON of ``vedette check --json``."""
    return {
        "model": health.model,
        "version": health.version,
        "verdict": health.verdict.value,
        "verdicts": [
            {
                "watch": one.watch,
                "segment": one.segment,
                "verdict": one.verdict.value,
                "since": one.since,
                "evidence": one.evidence,
                "guarantee": one.guarantee,
                "reason": one.reason,
            }
            for one in health.verdicts
        ],
    }


def verdict_line(verdict: Verdict) -> Text:
    """One verdict as a line: the word, what is watched, since when, and the evidence or the reason."""
    line = Text()
    line.append(f"{verdict.verdict.value:<8}", style=COLOURS[verdict.verdict])
    line.append(verdict.watch, style="bold")
    if verdict.segment:
        line.append(f" [{verdict.segment}]")
    if verdict.since is not None and verdict.verdict in (Status.ALARM, Status.WARN):
        line.append(f" since {verdict.since:%Y-%m-%d %H:%M}".removesuffix(" 00:00"))
    said = verdict.reason if verdict.verdict is Status.UNKNOWN else verdict.evidence
    if said:
        line.append(f": {said}")
    return line


def print_health(health: Health, *, as_json: bool = False) -> None:
    """Print the verdicts: those that need a person first, the quiet ones as a count."""
    if as_json:
        print_json(health_json(health))
        return
    console = Terminal()
    head = Text.assemble(
        (health.model, "bold"),
        f" version {health.version}: " if health.version else ": ",
        (health.verdict.value, COLOURS[health.verdict]),
    )
    console.print(head)
    order = (Status.ALARM, Status.WARN, Status.UNKNOWN)
    alike = Counter(
        one.reason for one in health.verdicts if one.verdict is Status.UNKNOWN and not one.evidence
    )
    often = {reason for reason, n in alike.items() if reason and n > _ALIKE}
    for status in order:
        for one in health.verdicts:
            if one.verdict is status and not (
                status is Status.UNKNOWN and not one.evidence and one.reason in often
            ):
                console.print(verdict_line(one), highlight=False, soft_wrap=True)
    for reason in sorted(often):
        some = [
            _watched(one) for one in health.verdicts if one.verdict is Status.UNKNOWN and one.reason == reason
        ]
        names = ", ".join(some[:QUIET_SHOWN]) + (" ..." if len(some) > QUIET_SHOWN else "")
        line = Text.assemble(
            ("UNKNOWN ", COLOURS[Status.UNKNOWN]),
            f"{len(some)} ({visible(names, 900)}): {visible(reason, 900)}",
        )
        console.print(line, highlight=False, soft_wrap=True)
    quiet = [_watched(one) for one in health.verdicts if one.verdict is Status.OK]
    if quiet:
        names = ", ".join(quiet[:QUIET_SHOWN]) + (" ..." if len(quiet) > QUIET_SHOWN else "")
        console.print(
            Text.assemble(("OK      ", "green"), f"{len(quiet)} more: {visible(names, 900)}"), highlight=False
        )
    for note in health.notes:
        console.print(Text(visible(note, 900)), highlight=False, soft_wrap=True)
    if health.guarantee:  # the last line says which guarantee stands and why, the rest what was found
        console.print(Text(f"{health.guarantee[-1]} ({health.guarantee[-2]})", "dim"), highlight=False)


def _watched(one: Verdict) -> str:
    return f"{one.watch}{f' [{one.segment}]' if one.segment else ''}"


def print_guarantee(health: Health, *, as_json: bool = False) -> None:
    """Print what was found of dependence and season, and which guarantee stands behind the alarms."""
    if as_json:
        print_json({"model": health.model, "version": health.version, "guarantee": list(health.guarantee)})
        return
    console = Terminal()
    for line in health.guarantee or ("nothing was judged against a reference yet",):
        console.print(visible(line, 300), highlight=False, markup=False)


def print_figures(frame: pl.DataFrame, *, as_json: bool = False) -> None:
    """Print figures, one row each; the last 200 of them in a terminal."""
    if as_json:
        print_json({"figures": frame.to_dicts()})
        return
    console = Terminal()
    if frame.is_empty():
        console.print("no figures: nothing was recorded yet")
        return
    by_figure: dict[str, list[dict[str, Any]]] = {}
    for row in frame.tail(ROWS_SHOWN).iter_rows(named=True):
        by_figure.setdefault(_figure(row), []).append(row)
    shared = _shared_notes(by_figure)
    for figure in shared:
        by_figure[figure] = [row | {"note": None} for row in by_figure[figure]]
    if console.width >= _WIDE:
        table = Table(box=None, header_style="bold", padding=(0, 1))
        for name in ("figure", *_COLUMNS):
            table.add_column(name, justify="right" if name in ("value", "n") else "left", overflow="fold")
        for figure, rows in by_figure.items():
            for line in _lines(rows):
                table.add_row(Text(figure), *map(Text, line))
        console.print(table)
    else:  # the figure on a line of its own, which may be as long as it likes
        console.print(Text(_in_columns(_COLUMNS), "bold"))
        for figure, rows in by_figure.items():
            console.print(Text(figure, "bold"), soft_wrap=True)
            for line in _lines(rows):
                console.print(Text(_in_columns(line)), soft_wrap=True)
    for figure, note in shared.items():
        console.print(Text(f"{figure}: {note}", "dim"), soft_wrap=True)
    if frame.height > ROWS_SHOWN:
        console.print(
            f"the last {ROWS_SHOWN} of {frame.height:,} figures; --since, --metric and --feature narrow them, --json gives all"
        )


_WIDE = 100
_COLUMNS = ("window", "value", "95 % interval", "n", "reason")


def _shared_notes(by_figure: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    """By figure the note that all of its windows have, which is said once below."""
    found = {}
    for figure, rows in by_figure.items():
        notes = {row.get("note") for row in rows}
        if len(rows) > 1 and len(notes) == 1 and (note := notes.pop()):
            found[figure] = note
    return found


def _figure(row: Mapping[str, Any]) -> str:
    """What a figure tells of: the metric, its column or class, its segment."""
    of = f" of {row['feature']}" if row["feature"] and row["metric"] != "rows" else ""
    of = f" of {row['part']}" if row["part"] else of
    where = f" [{row['segment']}]" if row["segment"] else ""
    return f"{row['metric']}{of}{where}"


def _in_columns(line: Sequence[str]) -> str:
    window, value, interval, n, reason = line
    return f"  {window:16}  {value:>10}  {interval:22}  {n:>9}  {reason}".rstrip()


def _lines(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A line for each window; one for all where none has a value, for one and the same reason."""
    first = rows[0]
    if len(rows) > 1 and all(row["value"] is None and row["reason"] == first["reason"] for row in rows):
        return [
            (
                f"{len(rows)} windows",
                "",
                "",
                _rows([row["n"] for row in rows]),
                first["reason"] or "",
            )
        ]
    return [
        (
            f"{row['start']:%Y-%m-%d %H:%M}".removesuffix(" 00:00"),
            _number(row["value"]),
            "" if row["low"] is None else f"{_number(row['low'])} to {_number(row['high'])}",
            _rows([row["n"]]),
            row["reason"] or _said(row),
        )
        for row in rows
    ]


def _said(row: Mapping[str, Any]) -> str:
    """What is to be known of a figure beside its number."""
    known = row.get("as_of")
    parts = [
        f"as of {known:%Y-%m-%d %H:%M}".removesuffix(" 00:00") if known else "",
        row["kind"] if row.get("kind", "measured") != "measured" else "",
        f"sampled: {row['sampled']}" if row.get("sampled") else "",
        row.get("note") or "",
    ]
    return "; ".join(part for part in parts if part)


def _rows(n: list[int | None]) -> str:
    """A number of rows; nothing where any is hidden."""
    known = [one for one in n if one is not None]
    return f"{sum(known):,}" if len(known) == len(n) else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def print_alerts(
    many: Sequence[Alert], *, as_json: bool = False, false_alarms: FalseAlarms | None = None
) -> None:
    """Print alerts with what is known of them: all that are open, and the last that were resolved; and, where any was
    marked, how many were false beside the budget.
    """
    if as_json:
        print_json([alert_json(one) for one in many])
        return
    console = Terminal()
    if not many:
        console.print("no alerts")
    resolved = [one for one in many if one.state is AlertState.RESOLVED]
    shown = [one for one in many if one.state is not AlertState.RESOLVED] + resolved[:RESOLVED_SHOWN]
    for one in shown:
        colour = {"firing": "bold red", "resolved": "green"}.get(one.state.value, "yellow")
        head = Text.assemble((one.state.value, colour), f" {one.id} ", (visible(one.watch, 60), "bold"))
        if one.segment:
            head.append(f" [{visible(one.segment, 60)}]")
        if one.false:
            head.append(" (false alarm)", style="yellow")
        closed = f", closed {one.closed:%Y-%m-%d %H:%M}" if one.closed is not None else ""
        until = f" until {one.until:%Y-%m-%d %H:%M}" if one.until is not None else ""
        console.print(head.append(f" since {one.opened:%Y-%m-%d %H:%M} UTC{closed}"), highlight=False)
        console.print(f"  {visible(one.evidence, 600)}", highlight=False, markup=False)
        if one.cause is not None:
            console.print(f"  not told by itself: {one.cause} explains it", highlight=False)
        if one.hushed is not None:
            console.print(
                f"  nobody is told: maintenance until {one.hushed:%Y-%m-%d %H:%M} UTC", highlight=False
            )
        if one.by or one.reason:
            said = f"{one.state.value}{until}{f' by {one.by}' if one.by else ''}{f': {one.reason}' if one.reason else ''}"
            console.print(f"  {visible(said, 300)}", highlight=False, markup=False)

    if len(many) > len(shown):
        console.print(f"... and {len(many) - len(shown):,} more that were resolved, with --json")
    if false_alarms is not None and false_alarms.marked:
        console.print(str(false_alarms), highlight=False)


def alert_json(one: Alert) -> dict[str, Any]:
    """An alert as ``vedette alerts --json`` has it."""
    found = {name: getattr(one, name) for name in Alert.__slots__}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value.value if name == "state" else value
        for name, value in found.items()
    }


def print_rules(rules: Sequence[tuple[str, Verdict]], *, as_json: bool = False) -> None:
    """Print each rule as it was written, and its verdict."""
    if as_json:
        print_json(
            [
                {"rule": one.watch.partition(":")[2], "when": when, "verdict": one.verdict.value,
                 "since": one.since, "evidence": one.evidence, "reason": one.reason}
                for when, one in rules
            ]
        )  # fmt: skip
        return
    console = Terminal()
    if not rules:
        said = "no rules: vedette.toml, [models.NAME.rules], is where they are written"
        console.print(said, highlight=False, markup=False)
    for when, one in rules:
        name = visible(one.watch.partition(":")[2], 60)
        head = Text.assemble(
            (one.verdict.value, COLOURS[one.verdict]), " ", (name, "bold"), f"  {visible(when, 200)}"
        )
        console.print(head, highlight=False)
        said = one.reason or one.evidence
        if said:
            console.print(f"  {visible(said, 300)}", highlight=False, markup=False)


def print_audit(frame: pl.DataFrame, *, as_json: bool = False) -> None:
    """Print who did what, the oldest first."""
    if as_json:
        print_json(frame.to_dicts())
        return
    console = Terminal()
    if frame.is_empty():
        console.print("nobody did anything yet")
    for row in frame.iter_rows(named=True):
        on = f" {row['on']}" if row["on"] else ""
        detail = f": {row['detail']}" if row["detail"] else ""
        line = f"{row['time']:%Y-%m-%d %H:%M} UTC  {row['by'] or 'unknown'}  {row['what']}{on}{detail}"
        console.print(visible(line, 600), highlight=False, markup=False)


def print_cases(found: Sequence[Any], *, as_json: bool = False) -> None:
    """Print what became of files of cases."""
    if as_json:
        names = ("source", "cases", "checks", "failures")
        print_json([{name: getattr(one, name) for name in names} | {"passed": one.passed} for one in found])
        return
    console = Terminal()
    for one in found:
        state = ("passed", "green") if one.passed else ("FAILED", "bold red")
        told = f": {one.cases} case{'s' if one.cases > 1 else ''}, {one.checks} expectations"
        console.print(Text.assemble(state, f" {visible(one.source, 200)}{told}"), highlight=False)
        for words in one.failures:
            console.print(f"  {visible(words, 600)}", highlight=False, markup=False)


def print_channels(many: Sequence[ChannelReport], *, as_json: bool = False) -> None:
    """Print channels: what each sends, and how telling of each model stands."""
    if as_json:
        print_json({"channels": [asdict(one) for one in many]})
        return
    console = Terminal()
    if not many:
        console.print("no channels: nobody is told of alerts; name some in vedette.toml", highlight=False)
    for one in many:
        tells = [f"alerts {', '.join(one.states)}"] if one.states else []
        tells += ["a heartbeat"] if one.heartbeat else []
        again = "never again" if one.repeat_s is None else f"again every {_length(one.repeat_s)}"
        console.print(
            Text.assemble((one.name, "bold"), f" ({one.type}): {' and '.join(tells)}, {again}"),
            highlight=False,
        )
        said = f"  of models {', '.join(one.models)}, watches {', '.join(one.watches)}"
        console.print(said, highlight=False, markup=False)
        for delivery in one.deliveries:
            console.print(f"  {_delivery(delivery)}", highlight=False, markup=False)


def _length(seconds: float) -> str:
    """A length of time in its largest whole unit: ``4 h``."""
    for unit_s, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds % unit_s == 0:
            return f"{seconds / unit_s:g} {unit}"
    return f"{seconds:g} s"


def _delivery(one: Delivery) -> str:
    """How telling of a model stands, as a line."""
    if one.time is None:
        return f"{one.model}: nothing sent yet, {one.waiting} waiting"
    said = f"{one.model}: {one.outcome} {one.time:%Y-%m-%d %H:%M:%S} UTC"
    if one.error:
        said += f", {one.tries} {'try' if one.tries == 1 else 'tries'}: {visible(one.error, 300)}"
    if one.next is not None:
        said += f"; next {one.next:%Y-%m-%d %H:%M:%S} UTC"
    return said + (f"; {one.waiting} waiting" if one.waiting else "")


def print_tried(name: str, said: str, *, as_json: bool = False) -> None:
    """Print what came back from a test of a channel."""
    if as_json:
        print_json({"channel": name, "answer": said})
        return
    Terminal().print(f"{name}: {said}", highlight=False, markup=False)


def print_ingested(rows: Mapping[str, int], *, as_json: bool = False) -> None:
    """Print how many rows came in, by model."""
    if as_json:
        print_json({"models": dict(rows)})
        return
    console = Terminal()
    for model, count in rows.items():
        console.print(f"{model}: {count:,} rows came in")


def print_shipped(found: Shipped | None, *, as_json: bool = False) -> None:
    """Print what went out to a server; None: another process shipped it."""
    if as_json:
        print_json({"shipped": None if found is None else asdict(found)})
    elif found is None:
        Terminal().print("another process ships it: all is acknowledged")
    else:
        more = "".join(
            f", {count:,} {word}"
            for count, word in ((found.torn, "torn"), (found.void, "void"), (found.set_aside, "set aside"))
            if count
        )
        Terminal().print(f"{found.rows:,} rows shipped{more}")

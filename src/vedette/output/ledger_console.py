"""The ledger for a terminal, or as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible
from vedette.records import Gap, Ledger, ProducerLedger, Window

__all__ = ["ledger_json", "print_ledger"]

PARTS = ("seen", "in_journal", "in_lake", "sampled_out", "dropped", "rejected", "torn", "forgotten")
KEPT = ("seen", "in_lake", "in_journal")
SHOWN = (*KEPT, "sampled_out", "dropped", "rejected", "torn", "forgotten")
ALWAYS = ("seen", "in_lake")  # columns that are there though all their numbers are 0
REASONS_SHOWN = 20
GAPS_SHOWN = 20
WORDS = 300  # of a reason, in characters


def ledger_json(ledger: Ledger) -> dict[str, Any]:
    """The ledger as the JSON of ``vedette ledger --json``.

    Totals over the predictions and over the labels, then the equation of each producer and stream, of each window of
    them, and the gaps.
    """
    return {
        "model": ledger.model,
        "balanced": ledger.balanced,
        **{part: ledger.total(part) for part in PARTS},
        "labels": {part: ledger.total(part, "labels") for part in PARTS},
        "producers": [_equation_json(one) for one in ledger.producers],
        "windows": [
            _equation_json(one) | {"start": _start(one.window), "end": _end(one.window)}
            for one in ledger.windows
        ],
        "gaps": [
            {
                "producer": one.producer,
                "stream": one.stream,
                "n": one.n,
                "first": one.first,
                "last": one.last,
                "start": _start(one.window),
                "end": _end(one.window),
                "reason": one.reason,
                "accounted": one.accounted,
                "said": one.said,
            }
            for one in ledger.gaps
        ],
    }


def _equation_json(one: ProducerLedger) -> dict[str, Any]:
    return {
        "producer": one.producer,
        "stream": one.stream,
        "balanced": one.balanced,
        **{part: getattr(one, part) for part in PARTS},
        "reasons": {part: dict(reasons) for part, reasons in one.reasons.items()},
    }


def _start(window: Window | None) -> Any:
    return None if window is None else window.start


def _end(window: Window | None) -> Any:
    return None if window is None else window.end


def print_ledger(ledger: Ledger, *, as_json: bool = False, windows: bool = False) -> None:
    """Print the equation of each producer and stream (``windows``: and of each window), the reasons and the gaps."""
    if as_json:
        print_json(ledger_json(ledger))
        return
    console = Terminal()
    if not ledger.producers and not ledger.gaps:
        console.print("nothing was recorded yet")
        return
    state = ("balanced", "green") if ledger.balanced else ("DOES NOT BALANCE", "bold red")
    console.print(Text.assemble((ledger.model, "bold"), ": ", state))
    _equations(console, {"": [(f"{one.producer} {one.stream}", [one]) for one in ledger.producers]})
    if windows:
        console.print()
        _equations(console, _runs(ledger.windows))
    _reasons(console, ledger)
    _gaps(console, ledger.gaps)


def _equations(
    console: Terminal, sections: Mapping[str, Sequence[tuple[str, Sequence[ProducerLedger]]]]
) -> None:
    """A table with a row for each group of equations, as lines where it is too wide for the terminal."""
    every = [group for rows in sections.values() for _, group in rows]
    columns = [part for part in SHOWN if part in ALWAYS or any(_sum(group, part) for group in every)]
    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    table.add_column("", no_wrap=True)
    for part in columns:
        table.add_column(_plain(part), justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for title, rows in sections.items():
        if title:
            table.add_row(Text(title, "bold"))
        for name, group in rows:
            table.add_row(Text(name), *(f"{_sum(group, part):,}" for part in columns), _off(group))
    wanted = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
    if wanted <= console.width:
        console.print(table)
        return
    for title, rows in sections.items():
        if title:
            console.print(Text(title, "bold"))
        for name, group in rows:
            parts = [part for part in SHOWN[1:] if part == "in_lake" or _sum(group, part)]
            said = " + ".join(f"{_sum(group, part):,} {_plain(part)}" for part in parts)
            off = _off(group)
            line = f"{'  ' if title else ''}{name}: {_sum(group, 'seen'):,} seen = {said}"
            console.print(Text.assemble(line, ", " if off else "", off))


def _sum(group: Sequence[ProducerLedger], part: str) -> int:
    return sum(int(getattr(one, part)) for one in group)


def _plain(part: str) -> str:
    return part.replace("_", " ")


def _off(group: Sequence[ProducerLedger]) -> Text:
    """By how many rows the two sides of equations differ; empty where they do not."""
    off = sum(one.seen - sum(getattr(one, part) for part in PARTS[1:]) for one in group if not one.balanced)
    if all(one.balanced for one in group):
        return Text("")
    return Text(f"{abs(off):,} {'missing' if off > 0 else 'too many'}", "bold red")


def _runs(windows: Sequence[ProducerLedger]) -> dict[str, list[tuple[str, list[ProducerLedger]]]]:
    """Equations of windows by producer and stream; windows in a row that lost nothing are one group."""
    found: dict[str, list[list[ProducerLedger]]] = {}
    for one in windows:
        groups = found.setdefault(f"{one.producer} {one.stream}", [])
        if groups and _quiet(groups[-1][-1]) and _quiet(one):
            groups[-1].append(one)
        else:
            groups.append([one])
    return {name: [(_span(group), group) for group in groups] for name, groups in found.items()}


def _quiet(one: ProducerLedger) -> bool:
    return one.window is not None and one.balanced and one.seen == one.in_lake + one.in_journal


def _span(group: Sequence[ProducerLedger]) -> str:
    """The windows of a group in words: the start of one, start and end of several."""
    first, last = group[0].window, group[-1].window
    if first is None or last is None:
        return "unknown window"
    start, end = (f"{one:%Y-%m-%d %H:%M}" for one in (first.start, last.end))
    if first.start.year == 1970:
        return f"before {end}"
    return start if len(group) == 1 else f"{start} to {end}, {len(group):,} windows"


def _reasons(console: Terminal, ledger: Ledger) -> None:
    """Why rows were not kept, the most frequent reasons first."""
    counts: dict[tuple[str, str, str], int] = {}
    for one in ledger.producers:
        for part, reasons in one.reasons.items():
            for reason, n in reasons.items():
                counts[one.stream, part, reason] = counts.get((one.stream, part, reason), 0) + n
    if not counts:
        return
    console.print()
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    for (stream, part, reason), n in ordered[:REASONS_SHOWN]:
        console.print(Text(f"  {n:,} {stream} {_plain(part)}: {visible(reason, WORDS)}"))
    if len(ordered) > REASONS_SHOWN:
        console.print(Text(f"  and {len(ordered) - REASONS_SHOWN:,} more reasons: --json gives all"))


def _gaps(console: Terminal, gaps: Sequence[Gap]) -> None:
    """What is missing, those first that the equation does not account for."""
    if not gaps:
        return
    console.print()
    console.print(Text(f"{len(gaps):,} {'gap' if len(gaps) == 1 else 'gaps'}", "bold"))
    for gap in sorted(gaps, key=lambda one: one.accounted)[:GAPS_SHOWN]:
        console.print(Text(f"  {visible(gap.said, WORDS)}", "" if gap.accounted else "bold red"))
    if len(gaps) > GAPS_SHOWN:
        console.print(Text(f"  and {len(gaps) - GAPS_SHOWN:,} more: --json gives all"))

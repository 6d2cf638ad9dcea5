"""Maintenances for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta

from vedette.config import Maintenance
from vedette.output.console import Terminal, print_json
from vedette.output.names import visible

__all__ = ["print_maintenances", "words"]


def words(one: Maintenance) -> str:
    """When it is and what it is for, in a line.

    >>> from datetime import datetime
    >>> words(Maintenance("a1", "backup", datetime(2026, 3, 1, 2, tzinfo=UTC), datetime(2026, 3, 1, 3, tzinfo=UTC), "day"))
    'every day from 2026-03-01 02:00 UTC for 1 h: backup'
    """
    begins = f"{one.begins.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if one.every:
        when = f"every {one.every} from {begins} for {_long(one.ends - one.begins)}"
        when += f" by the clock of {one.timezone}" if one.timezone != "UTC" else ""
        when += f" until {one.until:%Y-%m-%d %H:%M} UTC" if one.until is not None else ""
    else:
        when = f"{begins} to {one.ends:%Y-%m-%d %H:%M} UTC"
    of = [
        f"{name} {', '.join(visible(pattern, 60) or 'all rows' for pattern in patterns)}"
        for name, patterns in (("models", one.models), ("watches", one.watches), ("segments", one.segments))
        if patterns != ("*",)
    ]
    ended = f", ended {one.ended:%Y-%m-%d %H:%M} UTC" if one.ended is not None else ""
    return f"{when}{ended}{''.join(f'; {part}' for part in of)}: {visible(one.reason, 300)}"


def _long(length: timedelta) -> str:
    """A length of time in hours, or minutes where it is no whole number of these.

    >>> _long(timedelta(hours=36)), _long(timedelta(minutes=90))
    ('36 h', '90 min')
    """
    hours, rest = divmod(length, timedelta(hours=1))
    return f"{length / timedelta(minutes=1):g} min" if rest else f"{hours} h"


def print_maintenances(many: Sequence[Maintenance], *, as_json: bool = False) -> None:
    """Print each in a line, with its id and who made it; or all as a JSON list."""
    if as_json:
        print_json([one.document() for one in many])
        return
    console = Terminal()
    if not many:
        console.print("no maintenance")
    for one in many:
        by = f" by {visible(one.by, 60)}" if one.by else " of vedette.toml"
        console.print(f"{one.id}{by}: {words(one)}", highlight=False, markup=False, soft_wrap=True)

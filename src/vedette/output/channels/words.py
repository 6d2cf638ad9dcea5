"""A notice in words for people, and as JSON for programs.

Names and evidence come from outside: what cannot be seen is shown as a mark, so that no line tears and no terminal obeys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterable
from datetime import datetime
from typing import Any

from vedette.output.links import alert_url, model_url, report_url
from vedette.output.names import visible
from vedette.records import Alert, AlertState, Notice, ReportPage, Status

__all__ = ["body", "document", "groups", "indented", "line", "text", "title"]

NAMED_MAX = 3
ALERTS_MAX = 20
_NUMBER = re.compile(r"\d[\d.,e+-]*")
_TOLD = ("id", "watch", "segment", "state", "opened", "closed", "evidence", "by", "reason")
_WORD = {
    AlertState.FIRING: "ALARM",
    AlertState.ACKNOWLEDGED: "acknowledged",
    AlertState.SILENCED: "silenced",
    AlertState.RESOLVED: "resolved",
}


def title(notice: Notice) -> str:
    """One line: the model, what, and since when.

    >>> from datetime import datetime, timezone
    >>> title(Notice("k", "heartbeat", "delays", None, None, (), False, datetime(2026, 1, 5, tzinfo=timezone.utc)))
    'delays: a round was completed at 2026-01-05 00:00 UTC'
    """
    if notice.kind == "test":
        return f"{notice.model}: a test of this channel, at {_time(notice.time)} UTC; nothing is wrong"
    if notice.report is not None:
        told = notice.report
        return f"{notice.model}: the report {told.name}, {_time(told.start)} to {_time(told.end)} UTC"
    if not notice.alerts:
        return f"{notice.model}: a round was completed at {_time(notice.time)} UTC"
    parts = []
    for state, word in _WORD.items():
        some = [one for one in notice.alerts if one.state is state]
        if some:
            still = "still " if notice.repeat else ""
            parts.append(f"{still}{word} {_names(some)} {_when(some)}")
    told_on = "nobody has reacted: " if notice.kind == "escalation" else ""
    return f"{notice.model}: {told_on}{'; '.join(parts)}"


def text(notice: Notice) -> str:
    """The notice for people: the title, and a line or two for each alert.

    Where they are many, those whose words differ by numbers alone are told by the first few and the count of the others; what
    is rare comes first.
    """
    lines = [title(notice)]
    many = len(notice.alerts) > ALERTS_MAX
    left = len(notice.alerts)
    for some in _alike(notice.alerts, _words) if many else [list(notice.alerts)]:
        n_lines = sum(one.startswith("- ") for one in lines)
        named = some[: min(NAMED_MAX, ALERTS_MAX - n_lines)] if many else some
        if not named:
            break
        for one in named:
            lines.append(f"- {line(one)}")
            if one.by or one.reason:
                by = f" by {visible(one.by, 60)}" if one.by else ""
                lines.append(
                    f"  {one.state.value}{by}{f': {visible(one.reason, 300)}' if one.reason else ''}"
                )
        if len(some) > len(named):
            lines.append(f"  ... and {len(some) - len(named):,} more like it, {len(some):,} in all")
        left -= len(some)
    if left:
        lines.append(f"... and {left:,} more: vedette alerts {notice.model}")
    elif many:
        lines.append(f"All {len(notice.alerts):,}: vedette alerts {notice.model}")
    if notice.report is not None:
        lines += _where(notice)
    elif notice.url is not None:
        first = notice.alerts[0].id if len(notice.alerts) == 1 else None
        base, model = notice.url, notice.model
        lines.append(model_url(base, model) if first is None else alert_url(base, model, first))
    firing = [one.id for one in notice.alerts if one.state is AlertState.FIRING]
    if firing:
        whole = " --incident" if len(firing) > 1 else ""
        lines.append(f"Seen it? vedette ack {firing[0]}{whole}")
    return "\n".join(lines)


def _where(notice: Notice) -> list[str]:
    """Where the page of a report is: attached, on the server, or else where it was written."""
    assert notice.report is not None
    attached = [] if notice.report.page is None else [f"The page is attached: {notice.report.page.name}"]
    if notice.url is not None:
        return [*attached, report_url(notice.url, notice.model, notice.report.name, notice.report.end)]
    return attached or [f"The page is {visible(notice.report.path, 500)}"]


def line(alert: Alert) -> str:
    """One alert: its state, what is watched, since when, and the evidence."""
    where = f" [{visible(alert.segment, 60)}]" if alert.segment else ""
    said = f": {visible(alert.evidence, 600)}" if alert.evidence else ""
    return f"{_WORD[alert.state]} {visible(alert.watch, 80)}{where} {_when([alert])}{said}"


def document(notice: Notice) -> dict[str, Any]:
    """The notice as the JSON that programs get; a picture is in it as SVG, which is text."""
    base = notice.url
    drawn = [one.content.decode() for one in notice.pictures if one.media_type == "image/svg+xml"]
    return {
        "key": notice.key,
        "kind": notice.kind,
        "model": notice.model,
        "version": notice.version,
        "incident": notice.incident,
        "repeat": notice.repeat,
        "time": notice.time.isoformat(),
        "title": title(notice),
        "text": text(notice),
        "groups": groups(notice),
        "url": None if base is None else model_url(base, notice.model),
        "picture": drawn[0] if drawn else None,
        "report": None if notice.report is None else _report(notice.report, base, notice.model),
        "alerts": [
            {name: _plain(getattr(one, name)) for name in _TOLD}
            | {
                "verdict": None if one.state is AlertState.RESOLVED else Status.ALARM.value,
                "url": None if base is None else alert_url(base, notice.model, one.id),
            }
            for one in notice.alerts
        ],
    }


def _report(told: ReportPage, base: str | None, model: str) -> dict[str, Any]:
    return {
        "name": told.name, "start": told.start.isoformat(), "end": told.end.isoformat(), "path": told.path,
        "url": None if base is None else report_url(base, model, told.name, told.end),
    }  # fmt: skip


def body(notice: Notice) -> bytes:
    """The document as bytes of UTF-8; the same notice gives the same bytes."""
    # escapes of ASCII: a surrogate in a name has no bytes in UTF-8
    return json.dumps(document(notice), ensure_ascii=True, sort_keys=True).encode()


def indented(content: Any) -> str:
    """A document as JSON for people to read."""
    return json.dumps(content, ensure_ascii=True, sort_keys=True, indent=2)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, AlertState) else value


def _names(alerts: list[Alert]) -> str:
    groups = _alike(alerts, lambda one: (one.watch, one.segment))
    named = [
        visible(some[0].watch, 60)
        + (f" [{visible(some[0].segment, 40)}]" if some[0].segment else "")
        + (f" ({len(some):,} alerts)" if len(some) > 1 else "")
        for some in groups[:NAMED_MAX]
    ]
    more = sum(map(len, groups[NAMED_MAX:]))
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def _alike(alerts: Iterable[Alert], of: Callable[[Alert], Hashable]) -> list[list[Alert]]:
    """Alerts in groups of those that are alike, the smallest first: one that failed is not lost among a thousand warnings."""
    found: dict[Hashable, list[Alert]] = {}
    for one in alerts:
        found.setdefault(of(one), []).append(one)
    return sorted(found.values(), key=len)


def _words(one: Alert) -> Hashable:
    """What an alert says, but for its numbers."""
    return one.state, one.watch, one.segment, _NUMBER.sub("#", one.evidence or "")


def groups(notice: Notice) -> list[dict[str, Any]]:
    """How many alerts of a notice are alike, by state, watch and segment, the fewest first, with the evidence of the first few.

    >>> groups(Notice("k", "alerts", "delays", None, None, (), False, datetime(2026, 1, 5)))
    []
    """
    return [
        {
            "state": some[0].state.value,
            "watch": some[0].watch,
            "segment": some[0].segment,
            "n": len(some),
            "first": [one.evidence for one in some[:NAMED_MAX]],
        }
        for some in _alike(notice.alerts, lambda one: (one.state, one.watch, one.segment))
    ]


def _when(alerts: list[Alert]) -> str:
    since = f"since {_time(min(one.opened for one in alerts))}"
    closed = [one.closed for one in alerts if one.closed is not None]
    return f"{since} until {_time(max(closed))} UTC" if len(closed) == len(alerts) else f"{since} UTC"


def _time(one: datetime) -> str:
    return f"{one:%Y-%m-%d %H:%M}"

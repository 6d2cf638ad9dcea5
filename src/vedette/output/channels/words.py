"""A notice in words for people, and as JSON for programs.

Names and evidence come from outside: what cannot be seen is shown as a mark, so that no line tears and no terminal obeys.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from vedette.output.links import alert_url, model_url
from vedette.output.names import visible
from vedette.records import Alert, AlertState, Notice, Status

__all__ = ["body", "document", "line", "text", "title"]

NAMED_MAX = 3
ALERTS_MAX = 20
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
    if not notice.alerts:
        return f"{notice.model}: a round was completed at {_time(notice.time)} UTC"
    parts = []
    for state, word in _WORD.items():
        some = [one for one in notice.alerts if one.state is state]
        if some:
            still = "still " if notice.repeat else ""
            parts.append(f"{still}{word} {_names(some)} {_when(some)}")
    return f"{notice.model}: {'; '.join(parts)}"


def text(notice: Notice) -> str:
    """The notice for people: the title, and a line or two for each alert."""
    lines = [title(notice)]
    for one in notice.alerts[:ALERTS_MAX]:
        lines.append(f"- {line(one)}")
        if one.by or one.reason:
            by = f" by {visible(one.by, 60)}" if one.by else ""
            lines.append(f"  {one.state.value}{by}{f': {visible(one.reason, 300)}' if one.reason else ''}")
    if len(notice.alerts) > ALERTS_MAX:
        lines.append(f"... and {len(notice.alerts) - ALERTS_MAX} more: vedette alerts {notice.model}")
    if notice.url is not None:
        first = notice.alerts[0].id if len(notice.alerts) == 1 else None
        base, model = notice.url, notice.model
        lines.append(model_url(base, model) if first is None else alert_url(base, model, first))
    firing = [one.id for one in notice.alerts if one.state is AlertState.FIRING]
    if firing:
        whole = " --incident" if len(firing) > 1 else ""
        lines.append(f"Seen it? vedette ack {firing[0]}{whole}")
    return "\n".join(lines)


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
        "url": None if base is None else model_url(base, notice.model),
        "picture": drawn[0] if drawn else None,
        "alerts": [
            {name: _plain(getattr(one, name)) for name in _TOLD}
            | {
                "verdict": None if one.state is AlertState.RESOLVED else Status.ALARM.value,
                "url": None if base is None else alert_url(base, notice.model, one.id),
            }
            for one in notice.alerts
        ],
    }


def body(notice: Notice) -> bytes:
    """The document as bytes of UTF-8; the same notice gives the same bytes."""
    # escapes of ASCII: a surrogate in a name has no bytes in UTF-8
    return json.dumps(document(notice), ensure_ascii=True, sort_keys=True).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, AlertState) else value


def _names(alerts: list[Alert]) -> str:
    named = [
        visible(one.watch, 60) + (f" [{visible(one.segment, 40)}]" if one.segment else "")
        for one in alerts[:NAMED_MAX]
    ]
    return ", ".join(named) + (f" and {len(alerts) - NAMED_MAX} more" if len(alerts) > NAMED_MAX else "")


def _when(alerts: list[Alert]) -> str:
    since = f"since {_time(min(one.opened for one in alerts))}"
    closed = [one.closed for one in alerts if one.closed is not None]
    return f"{since} until {_time(max(closed))} UTC" if len(closed) == len(alerts) else f"{since} UTC"


def _time(one: datetime) -> str:
    return f"{one:%Y-%m-%d %H:%M}"

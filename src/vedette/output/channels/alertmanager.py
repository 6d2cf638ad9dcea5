"""Tells a Prometheus Alertmanager by its API v2, and tells it again before it forgets.

An alert there is known by its labels: ``alertname``, ``model``, ``watch``, ``segment`` where there is one, ``severity``, and
``vedette_alert``, the id of the alert here, so that a further alarm of the same watch is another alert. Labels never change
while it is open; what does (evidence, state, who) is in its annotations. ``startsAt`` is when the alarm began in event time.
Alertmanager takes an alert for resolved when its ``endsAt`` has passed, so one that is open has an end that lies
``RENEWALS`` repeats ahead, and is sent again every ``repeat`` (``engine/notices.py``); that it is resolved is sent as an end
that has passed. An alert that is silenced here is silenced there for as long, once, by a silence of its own.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from vedette.config import is_web_url
from vedette.errors import ChannelError
from vedette.output.channels.guarded import Answer, Reach, request
from vedette.output.channels.webhook import environment
from vedette.output.channels.words import indented, title
from vedette.output.links import alert_url, model_url
from vedette.output.names import visible
from vedette.records import Alert, AlertState, Notice

__all__ = ["Alertmanager"]

RENEWALS = 4
"""Repeats that an alert lives on without: Prometheus itself gives its alerts four times the delay between two sendings."""
TEST_S = 60.0
_SILENCES_BYTES_MAX = 1_000_000
_ID = "vedette_alert"


@dataclass(frozen=True)
class Alertmanager:
    """An Alertmanager's address, such as ``http://alertmanager:9093``; user and password may be in it.

    Of several that form a cluster each is a channel of its own, as Prometheus sends to each.
    """

    COMMON: ClassVar[tuple[str, ...]] = ("public", "repeat_s")

    url: str = field(default="", repr=False)
    url_env: str | None = None
    allow: Sequence[str] = ()
    public: bool = False
    repeat_s: float | None = 300.0
    timeout_s: float = 10.0
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def send(self, notice: Notice) -> str:
        """Post the alerts of the notice, and silences; ``ChannelError`` where one of them was not taken."""
        now = datetime.fromtimestamp(self.clock(), UTC)
        alerts = self._alerts(notice, now)
        answer = self._ask("alerts", alerts)
        if not answer.taken:
            raise ChannelError(f"answered {answer.said} to {len(alerts)} alerts")
        for one in notice.alerts:
            if one.state is AlertState.SILENCED and one.until is not None and one.until > now:
                self._silence(one, now, one.until)
        return f"{answer.said}: {len(alerts)} alerts"

    def preview(self, notice: Notice) -> str:
        """The alerts, as JSON; silences are set beside them."""
        alerts = self._alerts(notice, datetime.fromtimestamp(self.clock(), UTC))
        return f"POST .../api/v2/alerts\n\n{indented(alerts)}"

    def _alerts(self, notice: Notice, now: datetime) -> list[dict[str, Any]]:
        return [self._alert(notice, one, now) for one in notice.alerts] or [self._own(notice, now)]

    def _alert(self, notice: Notice, one: Alert, now: datetime) -> dict[str, Any]:
        labels = {
            "alertname": "VedetteAlarm",
            "model": notice.model,
            "watch": _label(one.watch),
            "segment": _label(one.segment),
            "severity": "critical",
            _ID: one.id,
        }
        annotations = {
            "summary": f"{notice.model}: {_label(one.watch)}{f' [{_label(one.segment)}]' if one.segment else ''}",
            "description": visible(one.evidence, 2000),
            "state": one.state.value,
            "incident": one.incident,
            "by": visible(one.by or "", 100),
            "reason": visible(one.reason or "", 500),
        }
        resolved = one.state is AlertState.RESOLVED
        # a window of the future cannot have closed: an end that has not come would be no end
        ends = min(max(one.closed or now, one.opened), now) if resolved else self._end(now)
        link = None if notice.url is None else alert_url(notice.url, notice.model, one.id)
        return _document(labels, annotations, min(one.opened, ends), ends, link)

    def _own(self, notice: Notice, now: datetime) -> dict[str, Any]:
        """A notice without alerts: the heartbeat, an alert that always fires as long as rounds are done, or a test."""
        test = notice.kind == "test"
        labels = {
            "alertname": "VedetteTest" if test else "VedetteWatchdog",
            "model": notice.model,
            "severity": "none",
        }
        ends = now + timedelta(seconds=TEST_S) if test else self._end(now)
        link = None if notice.url is None else model_url(notice.url, notice.model)
        return _document(labels, {"summary": title(notice)}, notice.time if test else now, ends, link)

    def _end(self, now: datetime) -> datetime:
        assert self.repeat_s is not None, "config refuses a channel of this type that never repeats"
        return now + timedelta(seconds=RENEWALS * self.repeat_s)

    def _silence(self, one: Alert, now: datetime, until: datetime) -> None:
        """Silence an alert there, unless it is already."""
        wanted = urlencode({"filter": f'{_ID}="{one.id}"'})
        answer = self._ask(f"silences?{wanted}", None)
        if not answer.taken:
            raise ChannelError(f"answered {answer.said} to the question for silences")
        try:
            known = [each for each in json.loads(answer.content) if each["status"]["state"] != "expired"]
        except (ValueError, KeyError, TypeError):
            raise ChannelError("answered with no list of silences: is it an Alertmanager?") from None
        if known:
            return
        answer = self._ask(
            "silences",
            {
                "matchers": [{"name": _ID, "value": one.id, "isRegex": False, "isEqual": True}],
                "startsAt": _time(now),
                "endsAt": _time(until),
                "createdBy": visible(one.by or "vedette", 100),
                "comment": visible(one.reason or "silenced in vedette", 500),
            },
        )
        if not answer.taken:
            raise ChannelError(f"answered {answer.said} to a silence")

    def _ask(self, what: str, document: object) -> Answer:
        """Post a document, or get what there is where it is None."""
        base = self.url if self.url_env is None else environment("url_env", self.url_env)
        if not is_web_url(base):
            raise ChannelError(f"url_env={self.url_env!r}: holds no URL with https:// or http:// and a host")
        parts = urlsplit(base)
        path, _, query = what.partition("?")
        url = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/api/v2/{path}", query=query))
        headers = {"User-Agent": "vedette", "Content-Type": "application/json"}
        return request(
            url,
            None if document is None else json.dumps(document).encode(),
            headers,
            timeout_s=self.timeout_s,
            reach=Reach(self.public, self.allow),
            method="GET" if document is None else "POST",
            size_max=_SILENCES_BYTES_MAX if document is None else 1,
        )


def _label(text: str) -> str:
    return visible(text, 200)


def _document(
    labels: dict[str, str],
    annotations: dict[str, str],
    starts: datetime,
    ends: datetime,
    link: str | None,
) -> dict[str, Any]:
    """An alert as the API takes it; what is empty is left out, as Alertmanager would."""
    made: dict[str, Any] = {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": _time(starts),
        "endsAt": _time(ends),
    }
    return made if link is None else made | {"generatorURL": link}


def _time(one: datetime) -> str:
    return one.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

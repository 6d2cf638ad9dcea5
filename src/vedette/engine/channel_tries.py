"""A channel tried by a person: what it would send, of an alert or as a test, and that it is sent now."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from vedette import config
from vedette.config import ChannelSettings
from vedette.engine import channel_changes
from vedette.engine.delivery import PICTURED
from vedette.engine.glance import alerts_of
from vedette.errors import AlertError, ChannelError, ConfigError
from vedette.lake.tables import Lake
from vedette.records import AlertState, Notice

__all__ = ["preview_channel", "try_channel"]

log = logging.getLogger("vedette")


def try_channel(
    name: str,
    lake: Lake | None = None,
    *,
    model: str = "",
    alert: str = "",
    clock: Callable[[], float] = time.time,
) -> str:
    """Send a test by the channel of that name, or an alert of a model as it would be told; returns what came back.

    Raises ``ChannelError`` where it failed, ``ConfigError`` where there is no such channel, ``AlertError`` no such alert.
    What is tried is no delivery: a receiver that drops what it has seen takes it, and the alert is told as ever.
    """
    from vedette.output.channels.attempt import (
        attempt,
    )  # only where something is sent: it loads what speaks HTTP

    settings, notice = _notice(name, lake, model, alert, clock)
    taken, said = attempt(settings, notice)
    if not taken:
        raise ChannelError(f"channel {name}: {said}")
    return said


def preview_channel(
    name: str, lake: Lake, *, model: str = "", alert: str = "", clock: Callable[[], float] = time.time
) -> str:
    """What :func:`try_channel` would send, as text without secrets; nothing is sent. Raises as it does."""
    from vedette.output.channels import channel, preview  # as above
    from vedette.output.channels.attempt import without_secrets

    settings, notice = _notice(name, lake, model, alert, clock)
    return without_secrets(preview(channel(settings), notice), settings)


def _notice(
    name: str, lake: Lake | None, model: str, alert: str, clock: Callable[[], float]
) -> tuple[ChannelSettings, Notice]:
    """The channel, and what it is given."""
    written = config.read()
    there = written.channels if lake is None else channel_changes.in_force(lake, written)
    known = {one.name: one for one in there}
    if name not in known:
        raise ConfigError(f"channel={name!r}: not in vedette.toml; there are {', '.join(known) or 'none'}")
    now = datetime.fromtimestamp(clock(), UTC)
    key = hashlib.blake2b(f"test {name} {now.isoformat()}".encode(), digest_size=16).hexdigest()
    notice = Notice(key, "test", "vedette", None, None, (), False, now)
    if lake is None or not alert:
        return known[name], notice
    one = next((each for each in alerts_of(lake, model, now) if each.id == alert), None)
    if one is None:
        raise AlertError(f"alert={alert!r}: model {model!r} has none of that id")
    if one.state is AlertState.PENDING:
        raise AlertError(f"alert={alert!r}: is pending, and nobody is told of one that is")
    url = written.server.url
    notice = replace(notice, kind="alerts", model=model, incident=one.incident, alerts=(one,), url=url)
    if known[name].type in PICTURED:
        from vedette.engine.alert_pictures import pictures_of  # as above

        try:
            notice = replace(notice, pictures=pictures_of(lake, model, notice.alerts))
        except Exception:  # as where it is delivered: what cannot be drawn is told in words
            log.exception("model %s: no picture for channel %s", model, name)
    return known[name], notice

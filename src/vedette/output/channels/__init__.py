"""Where alerts are told: a notice comes in, and goes out to people or to another system; a channel a file.

A channel is a class with one method, ``send``, which returns what came back in a few words and raises ``ChannelError``
where the notice was not taken. It is made anew for each round from the keys of its table in ``vedette.toml`` (those that
only its type has), ``timeout_s``, and what its ``COMMON`` names of the settings. One that has a method ``preview`` says what it
would send. It keeps nothing: what was told, what waits
and when it is tried again is in the lake (``engine/delivery.py``). ``words.py`` puts a notice into words, and into JSON;
``guarded.py`` is the one way to an HTTP address.

To add a channel: write the class in a file of its own and enter it in ``CHANNELS`` (its keys in ``config.CHANNEL_TYPES``
and ``docs/settings.md``), or let a package bring it as an entry point of the group ``vedette.channels``, named as the type.
``tests/test_channels.py`` runs every shared check on each.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Protocol

from vedette.config import ChannelSettings
from vedette.errors import ChannelError, VedetteError
from vedette.output.channels.alertmanager import Alertmanager
from vedette.output.channels.apprise import Apprise
from vedette.output.channels.command import Command
from vedette.output.channels.terminal import Terminal
from vedette.output.channels.webhook import Webhook
from vedette.output.channels.words import document, indented
from vedette.records import Notice

__all__ = ["CHANNELS", "Channel", "channel", "find_channel", "preview"]


class Channel(Protocol):
    """Tells a notice to whoever listens."""

    def send(self, notice: Notice) -> str:
        """What came back, in a few words; ``ChannelError`` where the notice was not taken.

        The same notice can come again, with the same ``key``. It may take as long as the channel's ``timeout_s``.
        """


def preview(made: Channel, notice: Notice) -> str:
    """What a channel would send, as text: of one that does not say, the notice as JSON.

    >>> from datetime import datetime
    >>> preview(Terminal(), Notice("k", "test", "delays", None, None, (), False, datetime(2026, 1, 5)))
    'vedette: delays: a test of this channel, at 2026-01-05 00:00 UTC; nothing is wrong\\n'
    """
    shown = getattr(made, "preview", None)
    return str(shown(notice)) if callable(shown) else indented(document(notice))


CHANNELS: dict[str, type[Channel]] = {
    "terminal": Terminal,
    "command": Command,
    "webhook": Webhook,
    "alertmanager": Alertmanager,
    "apprise": Apprise,
}
"""The channels that come with vedette, by type."""


def find_channel(kind: str) -> type[Channel]:
    """The class of a type of channel; ``ChannelError`` with the types there are where there is none.

    >>> find_channel("webhook").__name__
    'Webhook'
    """
    if kind in CHANNELS:  # no look-up of entry points for vedette's own
        return CHANNELS[kind]
    others = {entry.name: entry for entry in entry_points(group="vedette.channels")}
    if kind not in others:
        raise ChannelError(f"type={kind!r}: must be one of {', '.join([*CHANNELS, *sorted(others)])}")
    found: Any = others[kind].load()
    if not isinstance(found, type) or not callable(getattr(found, "send", None)):
        raise ChannelError(f"entry point {kind} = {others[kind].value}: must be a class with a method send")
    return found


def channel(settings: ChannelSettings) -> Channel:
    """The channel that the settings name; ``ChannelError`` where it cannot be made, ``MissingExtraError`` for an extra.

    >>> channel(ChannelSettings("here", "terminal"))
    Terminal(timeout_s=10.0)
    """
    made: Any = find_channel(settings.type)
    asked = getattr(made, "COMMON", ())  # what a class wants to know of the keys that all channels have
    if settings.public and "public" not in asked:
        raise ChannelError(
            f"channel {settings.name}: type={settings.type!r}: what it reaches cannot be checked; set on the server's pages it "
            "must be webhook, apprise or alertmanager, others belong into vedette.toml"
        )
    try:
        common = {name: getattr(settings, name) for name in asked}
        found: Channel = made(timeout_s=settings.timeout_s, **settings.own, **common)
    except VedetteError:
        raise
    except (TypeError, ValueError) as error:
        raise ChannelError(f"channel {settings.name}: {error}") from None
    return found

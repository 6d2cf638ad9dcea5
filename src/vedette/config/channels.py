"""The channels of ``vedette.toml``: one table a channel, every key known, none that would never send anything."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from vedette.config.allow import check_allow
from vedette.config.values import duration_s, refuse_unknown
from vedette.errors import ConfigError
from vedette.records import AlertState

__all__ = [
    "CHANNEL_KEYS",
    "CHANNEL_TYPES",
    "ChannelSettings",
    "channel_of",
    "channels_of",
    "is_variable_name",
    "is_web_url",
]

CHANNEL_KEYS = {
    "type": "terminal, command, webhook, alertmanager, apprise, or what an installed package brings",
    "states": "states of alerts that are told: firing, acknowledged, silenced, resolved",
    "models": "patterns of the models whose alerts are told, such as 'delays*'",
    "watches": "patterns of the watches whose alerts are told, such as '*.location'",
    "repeat": "how long until an alert that still fires is told again, or 'never'",
    "timeout_s": "seconds that one attempt may take",
    "heartbeat": "true: tells that a round was completed, every 'repeat'",
    "command": "of a command: the program and its arguments, a list",
    "url": "of a webhook: where to send; of an alertmanager: its address",
    "url_env": "of a webhook or an alertmanager: the environment variable that holds the url",
    "allow": "of a webhook or an alertmanager: hosts and networks, the only ones that may be reached",
    "secret": "of a webhook: what notices are signed with",
    "secret_env": "of a webhook: the environment variable that holds the secret",
    "method": "of a webhook: POST, or GET for a heartbeat without a body",
    "urls": "of apprise: a list of its URLs",
    "urls_env": "of apprise: the environment variable that holds the URLs, with blanks between",
}
CHANNEL_TYPES = {
    "terminal": (),
    "command": ("command",),
    "webhook": ("url", "url_env", "secret", "secret_env", "method", "allow"),
    "alertmanager": ("url", "url_env", "allow"),
    "apprise": ("urls", "urls_env"),
}
"""The types that come with vedette, and the keys that only they have."""

RENEWED = ("alertmanager",)
"""Types whose receiver forgets an alert that it is not told of again: they are told every ``repeat`` while it is open."""

_COMMON = ("type", "states", "models", "watches", "repeat", "timeout_s", "heartbeat")
_TELLABLE = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED, AlertState.RESOLVED)
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,19}")  # what may be shown: no URL and no token is one
_TOML = {
    dict: "a table",
    list: "an array",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What a channel sends, and of what. ``own`` are the keys of its type, secrets among them: never shown.

    ``repeat_s`` is None where nothing is told again; a channel with ``heartbeat`` tells that rounds are completed.
    ``public`` is True where somebody else than the owner of the machine set the channel: it reaches public addresses alone,
    and those that its ``allow`` names.
    """

    name: str
    type: str
    states: tuple[str, ...] = ("firing", "resolved")
    models: tuple[str, ...] = ("*",)
    watches: tuple[str, ...] = ("*",)
    repeat_s: float | None = 4 * 3600.0
    timeout_s: float = 10.0
    heartbeat: bool = False
    own: Mapping[str, Any] = field(default_factory=dict, repr=False)
    public: bool = False

    @property
    def renewed(self) -> bool:
        """True where alerts are told again as long as they are open, since the receiver forgets them otherwise."""
        return self.type in RENEWED

    def watches_over(self, watch: str) -> bool:
        """True for a watch whose alerts are told."""
        return any(fnmatchcase(watch, pattern) for pattern in self.watches)


def channels_of(tables: Any, path: str) -> tuple[ChannelSettings, ...]:
    """The channels that the file names; ``ConfigError`` for one that cannot be meant or would never send anything.

    An error shows no value that may be a URL, a secret or an argument, wherever it was written.
    """
    if not isinstance(tables, dict):
        raise ConfigError(
            f"{path}: channels: is {_toml(tables)} (not shown, it may hold secrets): "
            "must be tables, such as [channels.ops]"
        )
    found = []
    for name, table in tables.items():
        if not _CHANNEL_NAME.fullmatch(name):
            raise ConfigError(
                f"{path}: [channels]: a channel's name must be 1 to 63 letters, digits, '_' and '-'; "
                f"one is {len(name)} characters (not shown, it may be a secret)"
            )
        where = f"{path}: [channels.{name}]"
        if not isinstance(table, dict):
            raise ConfigError(
                f"{where}: is {_toml(table)} (not shown, it may hold secrets): "
                f"must be a table with a type, such as [channels.{name}]"
            )
        try:
            found.append(channel_of(name, table, where))
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from None  # the cause may show a secret
    return tuple(found)


def channel_of(name: str, table: Mapping[str, Any], where: str) -> ChannelSettings:
    """The channel that one table names; ``ValueError`` or ``ConfigError`` where it cannot be meant."""
    kind = table.get("type")
    known = isinstance(kind, str) and kind in CHANNEL_TYPES
    if not known and kind not in (others := _installed()):
        shown = f"={kind!r}" if kind is None or (isinstance(kind, str) and _WORD.fullmatch(kind)) else ""
        hidden = "" if shown else f" (is {_toml(kind)}, not shown, it may be a secret)"
        raise ValueError(f"type{shown}: must be one of {', '.join([*CHANNEL_TYPES, *others])}{hidden}")
    assert isinstance(kind, str)
    if known:
        refuse_unknown(table, {key: CHANNEL_KEYS[key] for key in (*_COMMON, *CHANNEL_TYPES[kind])}, where)
    heartbeat, timeout_s = table.get("heartbeat", False), table.get("timeout_s", 10.0)
    if not isinstance(heartbeat, bool):
        raise ValueError(f"heartbeat={heartbeat!r}: must be true or false")
    if heartbeat and kind in ("terminal", "apprise"):
        raise ValueError(
            f"heartbeat=true: a channel of type {kind} is read by people; use a webhook or a command"
        )
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0.1 <= timeout_s <= 600:
        raise ValueError(f"timeout_s={timeout_s!r}: must lie between 0.1 and 600 seconds")
    repeat = table.get("repeat", "5m" if kind in RENEWED else "4h")
    if kind in RENEWED and repeat == "never":
        raise ValueError("repeat='never': the receiver takes an alert that is not told again for resolved")
    if heartbeat and repeat == "never":
        raise ValueError("repeat='never': a heartbeat needs a length of time, such as '5m'")
    made = ChannelSettings(
        name=name,
        type=kind,
        states=_states(table, heartbeat, _TELLABLE if kind in RENEWED else ("firing", "resolved")),
        models=_patterns(table, "models"),
        watches=_patterns(table, "watches"),
        repeat_s=None if repeat == "never" else duration_s(repeat, "repeat"),
        timeout_s=float(timeout_s),
        heartbeat=heartbeat,
        own={key: value for key, value in table.items() if key not in _COMMON},
    )
    _check_variables(made.own)
    if kind in _CHECKS:
        _CHECKS[kind](made)
    return made


def _toml(value: Any) -> str:
    """What kind of value the file has, without the value."""
    return _TOML.get(type(value), f"a {type(value).__name__}")


def is_variable_name(text: str) -> bool:
    """True for what can be the name of an environment variable.

    >>> is_variable_name("OPS_URL"), is_variable_name("https://example.org/hook")
    (True, False)
    """
    return _VARIABLE_NAME.fullmatch(text) is not None


def _check_variables(own: Mapping[str, Any]) -> None:
    """Refuse what cannot be the name of a variable: the URL or the secret itself, most likely."""
    for key, value in own.items():
        names = value if isinstance(value, list) else [value]
        if key.endswith("_env") and not all(isinstance(one, str) and is_variable_name(one) for one in names):
            raise ValueError(
                f"{key}: must be the name of an environment variable: letters, digits and '_', such as OPS_URL "
                "(not shown, it may be a secret)"
            )


def _installed() -> list[str]:
    """Types of channels that installed packages bring, by the names of their entry points."""
    from importlib.metadata import (
        entry_points,
    )  # reads every installed package: only where a type is not ours

    return sorted(entry.name for entry in entry_points(group="vedette.channels"))


def _texts(value: Any) -> bool:
    """True for a list of one text or more, none of them empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value)


def _patterns(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, ["*"])
    if not _texts(value):
        raise ValueError(
            f"{key}={value!r}: must be a list of patterns such as 'delays*'; with none nothing is ever sent"
        )
    return tuple(value)


def _states(table: Mapping[str, Any], heartbeat: bool, usual: Sequence[str]) -> tuple[str, ...]:
    """The states that are told; a channel with a heartbeat tells of alerts only where its states are given."""
    value = table.get("states", [] if heartbeat else [str(one) for one in usual])
    allowed = ", ".join(_TELLABLE)
    if not isinstance(value, list) or not all(isinstance(one, str) and one in _TELLABLE for one in value):
        raise ValueError(f"states={value!r}: must be a list of {allowed}")
    if not value and not heartbeat:
        raise ValueError(f"states=[]: with none nothing is ever sent; must be some of {allowed}")
    if value and set(value) == {AlertState.RESOLVED}:
        raise ValueError(
            f"states={value!r}: nothing would ever be sent (the end of an alert is told where it was told before); "
            "add firing"
        )
    return tuple(dict.fromkeys(value))


def _either(own: Mapping[str, Any], key: str, *, needed: bool) -> None:
    """Refuse both or (where needed) none of a key and the name of the environment variable that holds its value."""
    named = f"{key}_env"
    if key in own and named in own:
        raise ValueError(f"{key} and {named}: only one of the two can be given")
    if needed and key not in own and named not in own:
        raise ValueError(f"{key}: is missing, and so is {named}: nothing would ever be sent")
    if named in own and not isinstance(own[named], str):
        raise ValueError(f"{named}: must be the name of one environment variable")


def _check_command(made: ChannelSettings) -> None:
    import shutil  # only where a channel is read: the recorder's start stays light

    command = made.own.get("command")
    if not _texts(command):
        raise ValueError(
            "command: must be a list, the program and its arguments, such as ['notify', '--now']"
        )
    assert isinstance(command, list)
    program = command[0]
    no_name = "://" in program or any(one.isspace() for one in program)
    # a name without a program is no error here: it may be installed later, and the other channels are told meanwhile
    if no_name and shutil.which(program) is None:
        raise ValueError(
            "command: its first part must be a program alone, each argument a text of its own (not shown)"
        )


def _check_address(made: ChannelSettings) -> None:
    """Of what is reached by HTTP: a URL that is one, and an allow-list of what can be meant."""
    own = made.own
    _either(own, "url", needed=True)
    if "url" in own and not is_web_url(own["url"]):
        raise ValueError(
            "url: must begin with https:// or http:// and name a host (not shown, it may hold a token)"
        )
    if "allow" in own:
        check_allow(own["allow"])


def _check_webhook(made: ChannelSettings) -> None:
    own = made.own
    _check_address(made)
    _either(own, "secret", needed=False)
    if "secret" in own and not (isinstance(own["secret"], str) and own["secret"]):
        raise ValueError("secret: must be text (not shown)")
    if own.get("method", "POST") not in ("POST", "GET"):
        raise ValueError("method: must be POST or GET")
    if own.get("method") == "GET" and (made.states or not made.heartbeat):
        raise ValueError("method='GET': sends no body, so it is for a heartbeat without states")


def _check_apprise(made: ChannelSettings) -> None:
    _either(made.own, "urls", needed=True)
    if "urls" in made.own and not (
        _texts(made.own["urls"]) and all("://" in one for one in made.own["urls"])
    ):
        raise ValueError("urls: must be a list of Apprise URLs, such as 'mailto://...' (not shown)")


_CHECKS = {  # nothing of a terminal's can be wrong
    "command": _check_command,
    "webhook": _check_webhook,
    "alertmanager": _check_address,
    "apprise": _check_apprise,
}


def is_web_url(url: Any) -> bool:
    """True for an ``http`` or ``https`` URL that names a host.

    >>> is_web_url("https://example.org/hook"), is_web_url("example.org/hook"), is_web_url("http://")
    (True, False, False)
    """
    from urllib.parse import urlsplit  # only where a channel is read

    if not isinstance(url, str) or any(c <= " " or c == "\x7f" for c in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port or an address that is none
        return False

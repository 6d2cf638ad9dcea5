"""One attempt to send by a channel: bounded in time, whatever the channel does, and without its secrets in what it says."""

from __future__ import annotations

import os
import re
import threading
from urllib.parse import unquote, urlsplit

from vedette.config import ChannelSettings, is_variable_name
from vedette.errors import VedetteError
from vedette.output.channels import channel
from vedette.output.names import visible
from vedette.records import Notice

__all__ = ["attempt", "without_secrets"]

SLACK_S = 1.0
"""An attempt may run over its channel's timeout by so much before it is given up from outside: names are looked up, and
answers drip, without regard to a timeout."""

_OPEN = ("method", "allow")  # keys of a type that hold no secret
_PART_MIN, _VALUE_MIN = 6, 4  # characters: what is shorter would take ordinary words out of a message


def attempt(settings: ChannelSettings, notice: Notice) -> tuple[bool, str]:
    """Whether the channel took the notice within its time, and what came back; never an exception, never a secret."""
    answers: list[tuple[bool, str]] = []

    def work() -> None:
        try:
            answers.append((True, str(channel(settings).send(notice))))
        except VedetteError as error:
            answers.append((False, str(error)))
        except Exception as error:  # noqa: BLE001  # what a channel raises is recorded and shown, and breaks no round
            answers.append((False, f"{type(error).__name__}: {error}"))

    # a thread that is given up goes on: what it sends after all has the key of what is sent next
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(settings.timeout_s + SLACK_S)
    taken, said = answers[0] if answers else (False, f"no answer within {settings.timeout_s:g} s")
    return taken, visible(without_secrets(said, settings), 300)


def without_secrets(text: str, settings: ChannelSettings) -> str:
    """The text with what the keys of the channel's type hold replaced: their values, and the parts of URLs.

    >>> own = {"url": "https://example.org/hook/T0KEN12"}
    >>> without_secrets("no answer from /hook/T0KEN12", ChannelSettings("ops", "webhook", own=own))
    'no answer from ***'
    """
    secrets: set[str] = set()
    for key, value in settings.own.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and key not in _OPEN:
                named = key.endswith("_env") and is_variable_name(one)
                secrets |= _parts(os.environ.get(one, "")) if named else _parts(one)
    if isinstance(command := settings.own.get("command"), list):
        secrets -= {command[0]}  # which program it was is no secret
    if secrets:
        longest_first = sorted(secrets, key=len, reverse=True)
        # a host comes back in lower case
        text = re.sub("|".join(map(re.escape, longest_first)), "***", text, flags=re.IGNORECASE)
    return text


def _parts(value: str) -> set[str]:
    """A value, its words, and of a URL what may be secret; nothing so short that it would hide words.

    The host of a web address is none; that of another scheme may be a token, as in ``slack://TOKEN/...``.
    """
    words = re.split(r"[\s,]+", value)
    parts = {value, *words}
    for one in words:
        try:
            split = urlsplit(one)
        except ValueError:
            continue  # no URL
        if split.scheme:
            login, _, host = split.netloc.rpartition("@")
            parts |= {split.path, split.query, split.fragment, login, *login.split(":")}
            parts |= {*split.path.split("/"), *re.split("[&=]", split.query)}
            if split.scheme not in ("http", "https"):
                parts |= {split.netloc, host, *host.split(":")}
    parts |= {unquote(one) for one in parts}
    return {one for one in parts if len(one) >= _PART_MIN or (one == value and len(one) >= _VALUE_MIN)}

"""Arguments that must be mappings from names to values, checked before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vedette.capture.rejected import type_name

__all__ = ["check_mapping", "shown"]

_SHOWN_MAX = 80
_LINES = re.compile(r"\s*\n\s*")


def check_mapping(name: str, given: Any, such_as: str) -> Mapping[Any, Any]:
    """What was given, where it is a mapping; else ``ValueError`` with the argument, its value and what is right.

    >>> check_mapping("params", [0.001], "{'lr': 0.001}")
    Traceback (most recent call last):
    ValueError: params=[0.001]: must be a mapping from names to values, such as {'lr': 0.001}, got a list
    """
    if isinstance(given, Mapping):
        return given
    raise ValueError(
        f"{name}={shown(given)}: must be a mapping from names to values, such as {such_as}, got a {type_name(type(given))}"
    )


def shown(given: Any) -> str:
    """A value for a message: its ``repr``, cut where it is long; its type's name where that raises.

    >>> shown("a" * 100)[70:]
    'aaaaaaaaaa... (102 characters)'
    """
    try:
        text = _LINES.sub(" ", repr(given))  # an array has lines of its own
    except Exception:  # noqa: BLE001 - a __repr__ of the user's
        return f"<{type_name(type(given))}>"
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}... ({len(text):,} characters)"

"""What several parts of ``vedette.toml`` have in common: durations, and keys that are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vedette.errors import ConfigError

__all__ = ["duration_s", "patterns_of", "refuse_unknown"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def duration_s(value: str | float, name: str = "window") -> float:
    """Seconds of a duration such as ``"15m"``, ``"1h"`` or a number of seconds.

    >>> duration_s("1h"), duration_s("1.5m"), duration_s(30)
    (3600.0, 90.0, 30.0)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError(
                f"{name}={value!r}: must be a number of seconds, or a number and s, m, h, d or w, such as '1h'"
            )
        seconds = float(match[1]) * _UNIT_S[match[2]]
    if not 1.0 <= seconds <= 366 * 86400.0:
        raise ValueError(f"{name}={value!r}: must lie between one second and a year")
    return seconds


def refuse_unknown(values: Mapping[str, Any], known: Mapping[str, str], where: str) -> None:
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}: must be one of {', '.join(known)}")


def patterns_of(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The patterns that a key of a table lists, all where it is not given; an empty list would match nothing.

    >>> patterns_of({"models": ["delays*"]}, "models"), patterns_of({}, "models")
    (('delays*',), ('*',))
    """
    value = table.get(key, ["*"])
    if isinstance(value, str) or not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{key}={value!r}: must be a list of patterns such as ['delays*']")
    if not all(isinstance(one, str) for one in value):
        raise ValueError(f"{key}={value!r}: must be a list of texts")
    return tuple(value)

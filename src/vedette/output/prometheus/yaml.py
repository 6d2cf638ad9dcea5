"""The little YAML that is written here: mappings, lists, text, numbers and durations, as Prometheus reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from vedette.output.names import visible

__all__ = ["document", "duration"]

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_/-]*")
_WORDS = {
    "y",
    "n",
    "yes",
    "no",
    "on",
    "off",
    "true",
    "false",
    "null",
    "none",
}  # words that are not text in some YAML
_DURATION = re.compile(r"\d+(ms|[smhdwy])")


def document(value: Any, comment: str = "") -> str:
    """A value of mappings, lists, text, numbers and booleans as YAML; text is quoted where it could be anything else.

    >>> print(document({"a": [{"b": 1, "c": "x: y"}], "for": "5m"}), end="")
    a:
      - b: 1
        c: 'x: y'
    for: 5m
    """
    head = [f"# {visible(line)}" for line in comment.splitlines()]
    return "\n".join([*head, *_lines(value)]) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            if isinstance(one, dict | list) and one:
                yield f"{_scalar(key)}:"
                yield from (f"  {line}" for line in _lines(one))
            else:
                yield f"{_scalar(key)}: {_scalar(one)}"
    else:
        for one in value:
            inner = list(_lines(one)) if isinstance(one, dict | list) and one else [_scalar(one)]
            yield f"- {inner[0]}"
            yield from (f"  {line}" for line in inner[1:])


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    if plain or _DURATION.fullmatch(value):
        return value
    shown = visible(value)
    return json.dumps(shown, ensure_ascii=False) if "'" in shown else f"'{shown}'"


def duration(seconds: float) -> str:
    """Seconds as Prometheus writes a duration, of whole seconds.

    >>> duration(120), duration(90), duration(86400)
    ('2m', '90s', '1d')
    """
    whole = max(1, round(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"

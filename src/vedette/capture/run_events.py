"""What happened in a training run, as the JSON text that is recorded of it: whatever the user gave, a text comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vedette.capture.metrics import number_of
from vedette.capture.values import TEXT_BYTES_MAX, Rejected

__all__ = ["event_text", "text_of"]

_NESTED_MAX = 8  # levels of an event's details that JSON cannot say as they are


def event_text(kind: str, version: str, step: int, detail: Mapping[str, Any]) -> str:
    """An event as the JSON text that is recorded of it; over 64 KiB its long details are cut, and it says so.

    >>> event_text("checkpoint", "3", 7, {"path": "a.pt"})
    '{"kind": "checkpoint", "version": "3", "step": 7, "detail": {"path": "a.pt"}}'
    """
    document = {"kind": str(kind), "version": version, "step": step, "detail": detail}
    try:
        text = json.dumps(document, default=_plainly)
    except (TypeError, ValueError, RecursionError):  # keys that JSON has not, or a value that holds itself
        document["detail"] = detail = _keyed(detail, _NESTED_MAX)
        text = json.dumps(document, default=_plainly)
    if len(text.encode()) > TEXT_BYTES_MAX:
        document["detail"] = {name: _cut(value) for name, value in detail.items()} | {"cut": True}
        text = json.dumps(document, default=_plainly)
    return text


def _keyed(value: Any, deep: int, above: tuple[int, ...] = ()) -> Any:
    """A value with texts as keys, as deep as it may be nested; what is deeper, or holds itself, as its text."""
    if not isinstance(value, Mapping | list | tuple):
        return value
    if not deep or id(value) in above:
        return text_of(value)[:2000]
    above = (*above, id(value))
    if isinstance(value, Mapping):
        return {text_of(key): _keyed(one, deep - 1, above) for key, one in value.items()}
    return [_keyed(one, deep - 1, above) for one in value]


def _plainly(value: Any) -> Any:
    """A value that JSON does not know: a number as a number, anything else as its text."""
    try:
        return number_of(value)
    except Rejected:
        return [*value] if isinstance(value, (set, frozenset, tuple)) else text_of(value)[:2000]


def text_of(value: object) -> str:
    """The text of a value; the name of its type where its own ``__str__`` raises."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a __str__ of the user's
        return f"<{type(value).__name__}>"


def _cut(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, default=_plainly)
    return value if len(text) <= 2000 else f"{text[:2000]}... ({len(text):,} characters)"

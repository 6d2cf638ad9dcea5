"""How segments are called, in figures of a lake and in reports of files."""

from __future__ import annotations

import json

__all__ = ["SEGMENTS_MAX", "shown"]

SEGMENTS_MAX = 1000
"""More values than this are an identifier, not a segment."""


def shown(level: str | None) -> str:
    """A level as a segment's name has it: in quotes where it could be read as something else; null is ``null``.

    >>> shown("north"), shown(None), shown("null"), shown("x, b=y")
    ('north', 'null', '"null"', '"x, b=y"')
    """
    if level is None:
        return "null"
    doubtful = level in ("", "null") or any(mark in level for mark in (", ", "=", '"'))
    return json.dumps(level, ensure_ascii=False) if doubtful else level

"""Where a value of a subject stands in words: the spellings to look for, and texts and JSON with something else in its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette.engine.segment_names import shown
from vedette.lake.rows import base_of
from vedette.privacy import folded
from vedette.statistics.hashes import hashes_of_names, hashes_of_numbers

__all__ = ["BYTES_MIN", "Words"]

BYTES_MIN = 4
"""A shorter value is looked for only where it stands as a value: as bytes it is everywhere."""

_VALUES = frozenset(
    {
        "evidence",
        "reason",
        "segment",
        "level",
        "levels",
        "value",
        "values",
        "words",
        "text",
        "title",
        "message",
    }
)
"""Keys of JSON under which a text that is the value and nothing else is a value, and no word or name of the product's."""

_NAMES = frozenset(
    {
        *("watch", "watches", "rule", "metric", "feature", "column", "version", "name", "models"),
        *("key", "policy", "plan", "status", "decision", "champion", "challenger"),
    }
)
"""Keys of JSON under which the names of things stand, or what is held against what is said later."""

_AS_FOUND = frozenset({"before"})
"""Keys of JSON under which everything is to be brought back as it was found."""


@dataclass(frozen=True, slots=True)
class Words:
    """The spellings of a subject's value in a column, as they can stand in texts.

    A number is looked for in quotes and as the level of a segment alone: bare, it is a count, a time or a setting.
    """

    column: str
    values: tuple[str, ...]

    def is_column(self, name: str) -> bool:
        """Whether a column is the value's own, or a further one of its field."""
        return folded(base_of(name)) == folded(self.column)

    @property
    def numeric(self) -> bool:
        """Whether the value is a number, however it is written."""
        return any(_is_number(value) for value in self.values)

    def _segments(self) -> list[str]:
        return [f"{self.column}={shown(value)}" for value in self.values]

    def pattern(self, *, escaped: bool = True) -> re.Pattern[str]:
        """The value as a word of its own, or as the level of a segment; ``escaped``: as JSON spells it, too."""
        bare = [value for value in self.values if len(value) >= BYTES_MIN]
        if self.numeric:
            bare = [f"'{value}'" for value in self.values]
        return _pattern([*self._segments(), *bare], escaped)

    def replaced(self, text: str, token: str) -> str:
        """A text with the token in the place of the value."""
        return self.pattern(escaped=False).sub(self._with(token), text)

    def replaced_json(self, text: str, token: str, *, segments_only: bool = False) -> str:
        """A document with the token in the place of the value, in texts and names of segments; what is no document as a text.

        Numbers, keys and the product's own words stay: the value alone is taken for one only under a key that holds values.
        """
        try:
            document = json.loads(text)
        except ValueError:
            return self.replaced(text, token)
        level = _pattern(self._segments(), escaped=False)
        within, put = level if segments_only else self.pattern(escaped=False), self._with(token)

        def walk(one: Any, key: str, found: bool = False) -> Any:
            found = found or key in _AS_FOUND
            if isinstance(one, str):
                own = found or key in _NAMES or (one in self.values and key not in _VALUES)
                return (level if own else within).sub(put, one)
            if isinstance(one, list):
                return [walk(each, key, found) for each in one]
            if isinstance(one, dict):
                return {level.sub(put, name): walk(each, name, found) for name, each in one.items()}
            return one

        made = walk(document, "")
        return text if made == document else json.dumps(made)

    def _with(self, token: str) -> Callable[[re.Match[str]], str]:
        level = f"{self.column}="

        def put(found: re.Match[str]) -> str:
            if found[0].startswith(level):
                return level + token
            return f"'{token}'" if found[0].startswith("'") and found[0] not in self.values else token

        return put

    def needles(self) -> tuple[bytes, ...]:
        """The bytes to look for in files that hold no columns; of a number none: it lies there as eight bytes among others."""
        if self.numeric:
            return ()
        long = [value for value in self.values if len(value) >= BYTES_MIN]
        spellings = {*long, *(json.dumps(value)[1:-1] for value in long)}
        return tuple(sorted(one.encode("utf-8", "surrogatepass") for one in spellings))

    def hashes(self) -> set[bytes]:
        """The hashes by which summaries know that the value was there."""
        numbers = [float(value) for value in self.values if _is_number(value)]
        found = [*hashes_of_names(self.values), *hashes_of_numbers(np.array(numbers, dtype=np.float64))]
        return {np.asarray(one).astype("<u8").tobytes() for one in found}


def _pattern(found: list[str], escaped: bool) -> re.Pattern[str]:
    spelled = {*found, *(json.dumps(one)[1:-1] for one in found)} if escaped else set(found)
    parts = sorted({re.escape(one) for one in spelled}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

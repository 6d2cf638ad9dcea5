"""The tables ``[models.NAME.compare.NAME]``: which two versions are held against each other, and by what."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vedette.config.values import refuse_unknown
from vedette.errors import ConfigError

__all__ = ["COMPARE_KEYS", "COMPARE_MODES", "CompareSettings", "compare_of", "compared"]

COMPARE_KEYS = {
    "champion": "the version that is in charge",
    "challenger": "the version that may replace it",
    "mode": "canary, ab, interleaved (each request is answered by one of them) or shadow (both answer each)",
    "goals": "figures in which the challenger must be better: a list",
    "guard_rails": "figures in which it must not be worse, with the margin by which it may be: a table",
    "shown": "figures that are shown, and decide nothing: a list",
    "smallest": "the smallest difference of a figure that matters: a table; default the margin",
    "lower_is_better": "figures of which less is better, where that is not known of them: a list",
    "higher_is_better": "figures of which more is better, where that is not known of them: a list",
    "shares": "the shares of the traffic that were set, by version: a table",
    "unit": "the column by whose values traffic is split, such as user_id: rows of one value are not independent",
    "same_inputs": "true: both are given the same inputs, and a challenger that records others is rolled back",
    "no_leak": "true: a challenger whose process surely grows, where the champion's does not, is rolled back",
    "since": "from when on rows count; default from when both versions have rows",
    "alpha": "the probability of a wrong decision of either kind, default 0.05",
}
COMPARE_MODES = ("canary", "ab", "interleaved", "shadow")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """A comparison of two versions, as it was written."""

    name: str
    champion: str
    challenger: str
    mode: str = "canary"
    goals: tuple[str, ...] = ()
    guard_rails: Mapping[str, float] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    smallest: Mapping[str, float] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()
    higher_is_better: tuple[str, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    unit: str | None = None
    since: datetime | None = None
    alpha: float = 0.05
    same_inputs: bool = False
    no_leak: bool = False

    @property
    def figures(self) -> tuple[str, ...]:
        """All figures that it names, each once."""
        return tuple(dict.fromkeys([*self.goals, *self.guard_rails, *self.shown]))


def compare_of(tables: Any) -> tuple[CompareSettings, ...]:
    """The comparisons of a model's table ``compare``; ``ValueError`` says which is wrong, how, and what is right.

    >>> compare_of({"canary": {"champion": "3", "challenger": "4", "guard_rails": {"accuracy": 0.01}}})[0].mode
    'canary'
    """
    if not isinstance(tables, Mapping):
        raise ValueError(
            f"compare={tables!r}: must be tables by name, such as [models.delays.compare.canary]"
        )
    return tuple(compared(str(name), table) for name, table in tables.items())


def compared(name: str, table: Any) -> CompareSettings:
    """One comparison, checked."""
    where = f"compare.{name}"
    if not _NAME.fullmatch(name):
        raise ValueError(f"{where}: the name must be 1 to 63 characters of a-z, 0-9, '_' and '-'")
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}={table!r}: must be a table with champion and challenger")
    try:
        refuse_unknown(table, COMPARE_KEYS, where)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    versions = {}
    for key in ("champion", "challenger"):
        said = table.get(key)
        if not isinstance(said, str) or not said:
            raise ValueError(f"{where}: {key}={said!r}: must be the text of a version")
        versions[key] = said
    if versions["champion"] == versions["challenger"]:
        raise ValueError(f"{where}: champion and challenger are both {versions['champion']!r}: must be two")
    mode = table.get("mode", "canary")
    if mode not in COMPARE_MODES:
        raise ValueError(f"{where}: mode={mode!r}: must be one of {', '.join(COMPARE_MODES)}")
    found = CompareSettings(
        name,
        versions["champion"],
        versions["challenger"],
        mode,
        goals=_names(where, "goals", table),
        guard_rails=_numbers(where, "guard_rails", table),
        shown=_names(where, "shown", table),
        smallest=_numbers(where, "smallest", table),
        lower_is_better=_names(where, "lower_is_better", table),
        higher_is_better=_names(where, "higher_is_better", table),
        shares=_shares(where, table, versions),
        unit=_unit(where, table, mode),
        since=_since(where, table),
        alpha=_alpha(where, table),
        same_inputs=_same_inputs(where, table),
        no_leak=_truth(where, "no_leak", table),
    )
    if not found.goals and not found.guard_rails:
        raise ValueError(
            f"{where}: must have goals or guard_rails, such as guard_rails = {{ accuracy = 0.01 }}"
        )
    twice = set(found.goals) & set(found.guard_rails)
    if twice:
        raise ValueError(f"{where}: {min(twice)!r} is among goals and guard_rails: must be one of them")
    both = set(found.lower_is_better) & set(found.higher_is_better)
    if both:
        raise ValueError(f"{where}: {min(both)!r} is among lower_is_better and higher_is_better")
    return found


def _names(where: str, key: str, table: Mapping[str, Any]) -> tuple[str, ...]:
    said = table.get(key, [])
    if (
        isinstance(said, str)
        or not isinstance(said, Sequence)
        or not all(isinstance(one, str) for one in said)
    ):
        raise ValueError(f"{where}: {key}={said!r}: must be a list of figures, such as ['accuracy']")
    return tuple(dict.fromkeys(said))


def _numbers(where: str, key: str, table: Mapping[str, Any]) -> dict[str, float]:
    said = table.get(key, {})
    if not isinstance(said, Mapping):
        raise ValueError(f"{where}: {key}={said!r}: must be a table, such as {{ accuracy = 0.01 }}")
    for name, value in said.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(
                f"{where}: {key}.{name}={value!r}: must be a number above 0, in the figure's unit"
            )
    return {name: float(value) for name, value in said.items()}


def _shares(where: str, table: Mapping[str, Any], versions: Mapping[str, str]) -> dict[str, float]:
    said = _numbers(where, "shares", table)
    if said and (set(said) != set(versions.values()) or sum(said.values()) > 1 + 1e-9):
        raise ValueError(
            f"{where}: shares={said!r}: must be the shares of {versions['champion']!r} and {versions['challenger']!r}, "
            "together at most 1"
        )
    return said


def _unit(where: str, table: Mapping[str, Any], mode: str) -> str | None:
    said = table.get("unit")
    if said is not None and (not isinstance(said, str) or not said):
        raise ValueError(f"{where}: unit={said!r}: must be the name of a column")
    if said is not None and mode == "shadow":
        raise ValueError(
            f"{where}: unit={said!r}: of mode shadow both versions answer each row: leave it out"
        )
    return said


def _since(where: str, table: Mapping[str, Any]) -> datetime | None:
    said = table.get("since")
    if said is None:
        return None
    try:
        found = said if isinstance(said, datetime) else datetime.fromisoformat(str(said))
    except ValueError:
        raise ValueError(f"{where}: since={said!r}: must be like 2026-11-22T09:00") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _truth(where: str, key: str, table: Mapping[str, Any]) -> bool:
    said = table.get(key, False)
    if not isinstance(said, bool):
        raise ValueError(f"{where}: {key}={said!r}: must be true or false")
    return said


def _same_inputs(where: str, table: Mapping[str, Any]) -> bool:
    said = _truth(where, "same_inputs", table)
    if said and table.get("unit") is not None:
        raise ValueError(
            f"{where}: same_inputs: rows of one {table['unit']} are not independent: leave one of both out"
        )
    return said


def _alpha(where: str, table: Mapping[str, Any]) -> float:
    said = table.get("alpha", 0.05)
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said < 0.5:
        raise ValueError(f"{where}: alpha={said!r}: must be above 0 and less than 0.5")
    return float(said)

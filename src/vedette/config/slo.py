"""Service-level objectives of a model: the tables ``[models.M.slo.NAME]``.

::

    [models.delays.slo.answers]
    objective = 0.999             # of all predictions, these must be made without an error
    of = "error_rate"

    [models.delays.slo.fast]
    objective = 0.99
    of = "latency_s < 0.25"       # any column of seconds: stage_model_s < 0.1
    period = "7d"

    [models.delays.slo.up]
    objective = 0.995
    of = "available"              # of the looks at its endpoints
    endpoint = "production"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vedette.config.values import duration_s

__all__ = ["SLO_KEYS", "SloSettings", "check_objective", "slo_of", "slos_of"]

SLO_KEYS = {
    "objective": "the share of events that must be good, above 0 and below 1",
    "of": "error_rate, available, or a column of seconds below a limit, such as 'latency_s < 0.25'",
    "period": "over how long the objective holds; windows of burn rates scale with it",
    "version": "predictions or looks of this version alone",
    "endpoint": "with of = 'available': looks at this endpoint alone",
    "min_rows": "events of a long window with fewer of which nobody is told",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_BELOW = re.compile(r"\s*([A-Za-z_]\w*)\s*<\s*(\d+\.?\d*(?:e-?\d+)?|\.\d+)\s*", re.IGNORECASE)
_PERIOD_MIN_S = 3600.0
_ROWS = 50


@dataclass(frozen=True, slots=True)
class SloSettings:
    """One objective. ``column`` and ``below`` are set where it is of a column of seconds, ``kind`` says which it is.

    >>> slo_of("fast", {"objective": 0.99, "of": "latency_s < 0.25"}).below
    0.25
    """

    name: str
    objective: float
    of: str
    kind: str
    period_s: float = 30 * 86_400.0
    version: str | None = None
    endpoint: str | None = None
    min_rows: int = _ROWS
    column: str = ""
    below: float = 0.0

    @property
    def of_looks(self) -> bool:
        """True where its events are looks at endpoints, and not predictions."""
        return self.kind == "available"


def slos_of(tables: Any) -> dict[str, SloSettings]:
    """The objectives of a model by name; ``ValueError`` names what cannot be."""
    if not isinstance(tables, Mapping):
        raise ValueError(f"slo={tables!r}: must be tables, such as [models.delays.slo.answers]")
    return {name: slo_of(name, table) for name, table in tables.items()}


def slo_of(name: str, table: Any) -> SloSettings:
    """The objective that a table describes.

    >>> slo_of("answers", {"objective": 1.0, "of": "error_rate"})
    Traceback (most recent call last):
    ValueError: slo.answers: objective=1.0: must lie above 0 and below 1, such as 0.999
    """
    where = f"slo.{name}"
    if not _NAME.fullmatch(name):
        raise ValueError(f"{where}: the name must be 1 to 63 characters of a-z, 0-9, '_' and '-'")
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}={table!r}: must be a table with the keys objective and of")
    unknown = sorted(set(table) - set(SLO_KEYS))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}: must be one of {', '.join(SLO_KEYS)}")
    try:
        kind, column, below = _of(table.get("of"))
        period_s = duration_s(table.get("period", "30d"), "period")
        if period_s < _PERIOD_MIN_S:
            raise ValueError(f"period={table['period']!r}: must be an hour or longer")
        for key in ("version", "endpoint"):
            if key in table and (not isinstance(table[key], str) or not table[key]):
                raise ValueError(f"{key}={table[key]!r}: must be text")
        if "endpoint" in table and kind != "available":
            raise ValueError(f"endpoint={table['endpoint']!r}: goes with of = 'available' alone")
        rows = table.get("min_rows", _ROWS)
        if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= 1_000_000:
            raise ValueError(f"min_rows={rows!r}: must be a whole number from 1 to 1,000,000")
        return SloSettings(
            name, check_objective(table.get("objective")), str(table["of"]), kind, period_s,
            table.get("version"), table.get("endpoint"), rows, column, below,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def check_objective(objective: Any) -> float:
    """The objective; ``ValueError`` for what is no share that can be missed.

    >>> check_objective(0.999)
    0.999
    """
    if isinstance(objective, bool) or not isinstance(objective, int | float) or not 0 < objective < 1:
        raise ValueError(f"objective={objective!r}: must lie above 0 and below 1, such as 0.999")
    return float(objective)


def _of(said: Any) -> tuple[str, str, float]:
    """What kind an objective is, and of a column its name and the seconds that it must stay below."""
    if said in ("error_rate", "available"):
        return str(said), "", 0.0
    found = _BELOW.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise ValueError(
            f"of={said!r}: must be 'error_rate', 'available', or a column below a limit such as 'latency_s < 0.25'"
        )
    if float(found[2]) <= 0:
        raise ValueError(f"of={said!r}: nothing takes less than 0 seconds: must be a limit above 0")
    return "below", found[1], float(found[2])

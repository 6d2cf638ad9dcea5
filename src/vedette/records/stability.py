"""How stable what serves a model is: figures, objectives with their budgets, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from vedette.records.figures import Status

__all__ = ["BurnReport", "SloReport", "Stability", "StabilityFigure"]


@dataclass(frozen=True, slots=True)
class StabilityFigure:
    """One number of the stability of a model, with how sure it is and how much it saw.

    ``name`` is what it is (``availability``, ``time_between_restarts_s`` ...), ``of`` what it is of (an endpoint, a pair of
    versions, a column), ``value``, ``low`` and ``high`` are None where ``reason`` says why; ``high`` alone is None where there is
    no upper limit. ``n`` counts what it rests on, ``completeness`` is the share of the time that was looked at, where that
    matters. ``verdict`` is what is to be thought of it.
    """

    name: str
    of: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str = ""
    completeness: float | None = None
    verdict: Status = Status.OK
    note: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BurnReport:
    """How fast a budget burns over a long and a short window, in multiples of what is allowed; None without rows.

    ``factor`` is what both must not reach, ``severity`` alarm or warn; ``broken`` is None where too few rows came to tell.
    """

    factor: float
    long_s: float
    short_s: float
    severity: str
    long: float | None
    short: float | None
    n: int
    broken: bool | None


@dataclass(frozen=True, slots=True)
class SloReport:
    """A service-level objective as it stands: the share of bad events against what is allowed, and the budget that is left."""

    name: str
    of: str
    objective: float
    period_s: float
    bad: float
    total: float
    left: StabilityFigure
    exhausted_in: StabilityFigure
    burns: tuple[BurnReport, ...]
    verdict: Status
    evidence: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Stability:
    """What is known of the stability of a model from ``since`` to ``until``, half-open; of one ``version`` or of all (None)."""

    model: str
    version: str | None
    since: datetime
    until: datetime
    figures: tuple[StabilityFigure, ...] = ()
    slos: tuple[SloReport, ...] = field(default=())

    def figure(self, name: str, of: str | None = None) -> StabilityFigure | None:
        """The first figure of a name (and of an endpoint, column or pair); None where there is none."""
        return next((one for one in self.figures if one.name == name and of in (None, one.of)), None)

    def __str__(self) -> str:
        """A line for each objective and figure."""
        lines = [f"{self.model}: {self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"]
        lines += [f"{one.verdict} slo {one.name}: {one.reason or one.evidence}" for one in self.slos]
        for one in self.figures:
            said = one.reason or (
                f"{one.value:.6g} {one.unit}".rstrip()
                + f" ({'-' if one.low is None else f'{one.low:.6g}'} to {'-' if one.high is None else f'{one.high:.6g}'})"
            )
            lines.append(f"{one.verdict} {one.name}{f' of {one.of}' if one.of else ''}: {said}")
        return "\n".join(lines)

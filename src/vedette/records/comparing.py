"""Two versions of a model held against each other: what was found of each figure, and what it says to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Difference", "Evaluated", "Suspect"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two versions.

    ``role`` is ``goal`` (the challenger must be shown to be better), ``guard-rail`` (it must be shown not to be worse by more
    than ``margin``) or ``shown`` (nothing hangs on it). ``difference`` is challenger less champion with its confidence sequence
    ``low`` to ``high``: it holds at all looks together, with a probability that the guarantee names. ``claim`` is ``better``,
    ``not worse``, ``worse``, ``undecided``, or ``unknown`` where ``reason`` says why there is nothing to go by. ``guarantee`` is
    ``proved`` (exact at any number of rows) or ``calibrated`` (in large samples).
    """

    figure: str
    role: str
    higher_is_better: bool
    margin: float | None
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    n_champion: int
    n_challenger: int
    claim: str
    guarantee: str
    reason: str | None = None

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Suspect:
    """What is another with the challenger than with the champion, and may be why it does worse.

    ``kind`` is ``schema``, ``missing``, ``scaled``, ``shifted`` or ``changed`` of a column, ``swapped classes``, ``leaking``,
    ``slow`` or ``errors``.
    """

    kind: str
    column: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A comparison of two versions as it stands.

    ``decision`` is ``promote``, ``hold``, ``roll back``, or ``unknown`` where nothing can be said; ``why`` says so in words.
    ``rows`` and ``labelled`` are by version, of the windows in which both had rows. ``split`` are the words of a test of whether
    traffic is split by the shares that were set, None where nobody set any. ``decided_in_s`` is how long it takes until it is
    decided either way, with a probability of a half, ``late_s`` with one of nine tenths; None where that is not known.
    ``suspects`` are what is another with a challenger that is rolled back, the likeliest cause first.
    """

    model: str
    name: str
    champion: str
    challenger: str
    mode: str
    decision: str
    why: tuple[str, ...]
    found: tuple[Difference, ...]
    since: datetime | None
    until: datetime | None
    looks: int
    rows: Mapping[str, int]
    labelled: Mapping[str, float | None]
    split: str | None
    mismatch: bool
    decided_in_s: float | None
    late_s: float | None
    suspects: tuple[Suspect, ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain values, times as ISO text."""
        found = {name: getattr(self, name) for name in self.__slots__}
        found |= {"found": [one.document() for one in self.found], "why": list(self.why)}
        found["suspects"] = [
            {"kind": one.kind, "column": one.column, "words": one.words} for one in self.suspects
        ]
        found |= {"rows": dict(self.rows), "labelled": dict(self.labelled)}
        for name in ("since", "until"):
            when = getattr(self, name)
            found[name] = None if when is None else when.isoformat()
        return found

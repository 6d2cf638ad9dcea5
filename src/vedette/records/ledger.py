"""What became of every row that a producer saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vedette.records.figures import Window

__all__ = ["Counted", "Counters", "Gap", "Ledger", "ProducerLedger"]


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows of one window that a producer did not keep: ``n`` of a part (dropped, sampled_out, rejected), for a reason.

    The window is half-open, in microseconds since 1970-01-01 UTC.
    """

    part: str
    reason: str
    start_us: int
    length_us: int
    n: int


@dataclass(frozen=True, slots=True)
class Counters:
    """What one producer counted of a stream besides its rows, since its folder was made.

    Windows that start before ``before_us`` may have been folded into one, from 1970 to there. ``problem`` says what of
    it could not be read, and is empty where all could.
    """

    counted: tuple[Counted, ...] = ()
    before_us: int = 0
    problem: str = ""

    @property
    def dropped(self) -> int:
        """Rows for which there was no room or time."""
        return sum(one.n for one in self.counted if one.part == "dropped")

    @property
    def sampled_out(self) -> int:
        """Rows that a sampler left out."""
        return sum(one.n for one in self.counted if one.part == "sampled_out")

    @property
    def rejected(self) -> dict[str, int]:
        """Rows that could not be taken, by reason."""
        return self.reasons("rejected")

    def reasons(self, part: str) -> dict[str, int]:
        """The rows of a part by reason."""
        found: dict[str, int] = {}
        for one in self.counted:
            if one.part == part:
                found[one.reason] = found.get(one.reason, 0) + one.n
        return found


@dataclass(frozen=True, slots=True)
class ProducerLedger:
    """The ledger's equation for one producer and one stream (predictions or labels), over all or in one window.

    ``forgotten`` are the rows of subjects that were deleted. ``window`` is None for the whole, and for rows of which not even
    a time is known. ``reasons`` are, by part (dropped, sampled_out, rejected, torn, forgotten), the rows of each reason.
    """

    producer: str
    stream: str
    seen: int
    in_journal: int
    in_lake: int
    sampled_out: int
    dropped: int
    rejected: int
    torn: int
    reasons: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    window: Window | None = None
    forgotten: int = 0

    @property
    def balanced(self) -> bool:
        """True where every row that was seen is accounted for."""
        lost = self.sampled_out + self.dropped + self.rejected + self.torn
        return self.seen == self.in_journal + self.in_lake + lost + self.forgotten


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows that are missing, or of which is not known whether they are, and why.

    ``stream`` is empty where it is not known, ``n`` is their number (None: not known; negative: too many), ``first`` and
    ``last`` the sequences between which they lie, or None; ``window`` is None where it is not known. ``accounted`` is true
    where the equation has them, as torn. ``said`` is the gap in words.
    """

    producer: str
    stream: str
    n: int | None
    first: int | None
    last: int | None
    window: Window | None
    reason: str
    accounted: bool
    said: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of a model: seen = in journal + in lake + sampled out + dropped + rejected + torn + forgotten.

    ``producers`` are the equations over all, ``windows`` those of each window, whose parts add up to them; ``gaps`` are
    all rows that were lost after they were taken, and all that is not known.
    """

    model: str
    producers: tuple[ProducerLedger, ...]
    windows: tuple[ProducerLedger, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def balanced(self) -> bool:
        """True where the equation holds for every producer, stream and window, and nothing is unknown."""
        equations = (*self.producers, *self.windows)
        return all(one.balanced for one in equations) and all(gap.accounted for gap in self.gaps)

    def total(self, part: str, stream: str = "predictions") -> int:
        """The sum of one part of the equation over the producers of a stream."""
        return sum(int(getattr(p, part)) for p in self.producers if p.stream == stream)

"""So many rows of each window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vedette.capture.sampling.row import Row, check_count, power_of_half

__all__ = ["Reservoir", "Windows"]

_WINDOWS_MAX = 64  # of which the rows are counted at the same time


class Windows:
    """Counts the rows of windows of event time; of the oldest it forgets that there were any."""

    def __init__(self) -> None:
        self._seen: dict[object, int] = {}

    def count(self, key: object) -> int:
        """One more; returns how many there are now."""
        n = self._seen.get(key, 0) + 1
        if n == 1 and len(self._seen) >= _WINDOWS_MAX:
            for old in list(self._seen)[: _WINDOWS_MAX // 2]:
                self._seen.pop(old, None)
        self._seen[key] = n
        return n


@dataclass(frozen=True, slots=True)
class Reservoir:
    """Keeps what a reservoir of ``rows`` rows would let in: the first ``rows`` of each window all, then fewer and fewer.

    Of the ``t``-th row of a window the probability is ``rows / t``, rounded up to a power of one half. A reservoir puts rows
    in the place of others; a journal takes none back, so that of ``N`` rows of a window about ``rows * (1 + ln(N / rows))``
    and at most twice as many are kept, and figures are at least as exact as those of ``rows`` rows drawn at random.
    ``window_s`` is the length of the windows in seconds (default those of the model).

    Source: Vitter (1985), "Random sampling with a reservoir", algorithm R, whose probability of being let in this is.

    >>> reservoir = Reservoir(2, window_s=60)
    >>> [reservoir.chance(Row({}, 1, None, None, 0.0))[0] for _ in range(9)]
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    """

    rows: int
    window_s: float | None = None
    _windows: Windows = field(default_factory=Windows, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_count("rows", self.rows)

    def bind(self, window_s: float, pressure: Callable[[], float]) -> None:  # noqa: ARG002 - as the others
        """Told by the recorder: the length of a window."""
        if self.window_s is None:
            object.__setattr__(self, "window_s", window_s)

    def chance(self, row: Row) -> tuple[float, None]:
        """What is left of one, from the first row beyond the reservoir's size on."""
        n = self._windows.count(row.time_s // (self.window_s or 3600.0))
        return power_of_half(self.rows / n), None

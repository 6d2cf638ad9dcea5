"""The same share of each segment or class, or as many rows of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vedette.capture.sampling.reservoir import Windows
from vedette.capture.sampling.row import Row, check_count, check_rate, key_of, power_of_half

__all__ = ["Stratified"]

_STRATA_MAX = 1000


@dataclass(frozen=True, slots=True)
class Stratified:
    """Draws within each segment or class: of a rare one exactly its share too, or as many rows as of a frequent one.

    ``by`` is the name of a feature, several names, or ``"prediction"`` for the class predicted. ``rate`` is the share of each
    stratum that is kept, a number for all of them or a mapping from the stratum's value to its own (``None`` in it: of all
    others; default 1; of several names the keys are tuples). ``1``, ``1.0``, ``True`` and ``"1"`` are one value. ``rows``
    instead is a number of rows of each stratum and window, as :class:`Reservoir` keeps them. Of more than 1,000 strata the
    rest are one; rows without the feature are one.

    Raises ``ValueError`` where both or neither are given, or are impossible.

    >>> sampler = Stratified("region", rate={"north": 0.5, None: 0.01})
    >>> sampler.chance(Row({"region": "north"}, 1, None, None, 0.0))
    (0.5, ('north',))
    >>> sampler.chance(Row({"region": "south"}, 1, None, None, 0.0))
    (0.01, ('south',))
    """

    by: str | tuple[str, ...]
    rate: float | Mapping[Any, float] | None = None
    rows: int | None = None
    window_s: float | None = None
    _rates: dict[Any, float] = field(default_factory=dict, repr=False, compare=False)
    _known: set[Any] = field(default_factory=set, repr=False, compare=False)
    _windows: dict[Any, Windows] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = (self.by,) if isinstance(self.by, str) else tuple(self.by)
        if not names or not all(isinstance(one, str) and one for one in names):
            raise ValueError(f"by={self.by!r}: must be the name of a feature, several, or 'prediction'")
        object.__setattr__(self, "by", names)
        if (self.rate is None) == (self.rows is None):
            raise ValueError(
                "give one of rate= (a share of each stratum) and rows= (so many of each and window)"
            )
        if self.rows is not None:
            check_count("rows", self.rows)
        elif isinstance(self.rate, Mapping):
            for value, rate in self.rate.items():
                check_rate(f"rate of {value!r}", rate)
                several = isinstance(value, tuple) and len(names) > 1
                if value is not None and several != (len(names) > 1):
                    raise ValueError(f"rate of {value!r}: must be of a value for each of {', '.join(names)}")
                key = tuple(map(key_of, value)) if several else key_of(value)
                self._rates[key] = float(rate)
        elif self.rate is not None:
            check_rate("rate", self.rate)

    def bind(self, window_s: float, pressure: Callable[[], float]) -> None:  # noqa: ARG002 - as the others
        """Told by the recorder: the length of a window."""
        if self.window_s is None:
            object.__setattr__(self, "window_s", window_s)

    def chance(self, row: Row) -> tuple[float, Any]:
        """The rate of the row's stratum, and the stratum."""
        values = (row.prediction if name == "prediction" else row.features.get(name) for name in self.by)
        named = tuple(key_of(value) for value in values)
        stratum: Any = named
        if stratum not in self._known:
            if len(self._known) >= _STRATA_MAX:
                stratum = None
            self._known.add(stratum)
        if self.rows is not None:
            window = row.time_s // (self.window_s or 3600.0)
            windows = self._windows.setdefault(stratum, Windows())
            return power_of_half(self.rows / windows.count(window)), stratum
        if isinstance(self.rate, Mapping):
            key = named[0] if len(named) == 1 else named
            return self._rates.get(key, self._rates.get(None, 1.0)), stratum
        assert self.rate is not None
        return self.rate, stratum

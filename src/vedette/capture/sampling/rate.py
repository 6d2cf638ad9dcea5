"""A share of all rows."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.capture.sampling.row import Row, check_rate

__all__ = ["Rate"]


@dataclass(frozen=True, slots=True)
class Rate:
    """Keeps one row of each ``n`` that follow each other, at a random place; ``n`` is the whole part of ``1 / rate``.

    >>> Rate(0.01).chance(Row({"a": 1.0}, 1, None, None, 0.0))
    (0.01, None)
    """

    rate: float

    def __post_init__(self) -> None:
        check_rate("rate", self.rate)

    def chance(self, row: Row) -> tuple[float, None]:  # noqa: ARG002 - the protocol's
        """The rate."""
        return self.rate, None

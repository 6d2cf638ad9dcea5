"""Every row is kept."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.capture.sampling.row import Row

__all__ = ["All"]


@dataclass(frozen=True, slots=True)
class All:
    """Keeps every row: what a monitor without a sampler does, at no cost.

    >>> All().chance(Row({"a": 1.0}, 1, None, None, 0.0))
    (1.0, None)
    """

    def chance(self, row: Row) -> tuple[float, None]:  # noqa: ARG002 - the protocol's
        """One."""
        return 1.0, None

"""What is known of one figure of two versions: its looks, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.strategy.versions import Looks

__all__ = ["Seen", "nothing"]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """``looks`` is None where ``reason`` says why there is nothing to go by. ``proved``: exact at any number of rows.

    ``threshold`` is what the looks are held against in the place of no difference: of what is no difference of two versions, such
    as how often they disagree.
    """

    looks: Looks | None
    champion: float | None = None
    challenger: float | None = None
    n: tuple[int, int] = (0, 0)
    proved: bool = False
    reason: str | None = None


def nothing(reason: str) -> Seen:
    """A figure of which nothing is known."""
    return Seen(None, reason=reason)

"""How a row is refused: with a reason under which it is counted."""

from __future__ import annotations

__all__ = ["Rejected", "type_name"]


class Rejected(Exception):  # noqa: N818 - it is an outcome that is counted, not an error that is shown
    """A row that cannot be kept; the message is the reason under which it is counted."""


def type_name(kind: type) -> str:
    """The name of a type for a reason, whatever the type's own type does when it is asked."""
    try:
        return str.__str__(type.__dict__["__name__"].__get__(kind))[:80]
    except Exception:  # noqa: BLE001 - a name is for the reason only
        return "of unknown name"

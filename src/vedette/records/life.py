"""The life of a version of a model: what is known of it from its code to its last prediction, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Fact", "Happening", "Life", "LiveFigure", "Section"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is known, by name; ``lines`` where it is a text of several lines, such as a diff."""

    name: str
    value: str
    lines: bool = False


@dataclass(frozen=True, slots=True)
class LiveFigure:
    """A figure over all rows of the version, or of a set that it was evaluated on: with its interval, or why it has no value."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened, when, and by whom where somebody did it."""

    time: datetime
    words: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a life: its facts, figures and happenings, and in ``unknown`` what cannot be said, each with the reason."""

    name: str
    title: str
    facts: tuple[Fact, ...] = ()
    figures: tuple[LiveFigure, ...] = ()
    happened: tuple[Happening, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Life:
    """The life of a version, as it was known when it was ``made``.

    The sections are ``code``, ``data``, ``runs``, ``validation``, ``deployments``, ``traffic``, ``quality``, ``drift``,
    ``labels``, ``alerts`` and ``actions``, in this order.
    """

    model: str
    version: str
    made: datetime
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section:
        """A section by its name. Raises ``KeyError`` where there is none."""
        found = next((one for one in self.sections if one.name == name), None)
        if found is None:
            raise KeyError(f"section {name!r}: must be one of {', '.join(one.name for one in self.sections)}")
        return found

    @property
    def unknown(self) -> tuple[str, ...]:
        """All that is not known, in words."""
        return tuple(f"{one.title}: {why}" for one in self.sections for why in one.unknown)

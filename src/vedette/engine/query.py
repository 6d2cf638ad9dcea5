"""What is asked of a model's figures: which statistics, columns and windows, in the words of a user and in ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Any

import numpy as np
import polars as pl

from vedette.engine.direction_columns import feature_of
from vedette.engine.leaf_columns import LEAVES
from vedette.engine.summarise import LABELLED, QUALITY, SCORES, window_starts
from vedette.statistics import BREAKDOWNS, Breakdown, Statistic, every_statistic
from vedette.statistics.grid import Grid
from vedette.statistics.post_stratified import POST_STRATIFIED
from vedette.statistics.structured import TASK_FIGURES, USUAL, BoxShare
from vedette.statistics.structured.detection import IMAGE_METRICS, IOU, SCORE

__all__ = ["Query", "Span", "moment", "names_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OF_ROWS = frozenset({"throughput_per_s", "error_rate"})
"""Statistics that tell of rows as a whole: said of the predictions, never of a feature."""


def moment(value: Any, name: str) -> datetime | None:
    """A time as a user says it (datetime, date, ISO text; without a zone: UTC), or ``ValueError``.

    >>> moment("2013-05-01", "since")
    datetime.datetime(2013, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                f"{name}={value!r}: must be a datetime, a date or ISO text such as 2026-11-22T09:00"
            ) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise ValueError(f"{name}={value!r}: must be a datetime, a date or ISO text such as 2026-11-22T09:00")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def names_of(value: str | Sequence[str] | None, name: str) -> tuple[str, ...] | None:
    """One name or several as a tuple without repeats, None for all; ``ValueError`` for anything else.

    >>> names_of("mean", "metric"), names_of(["mean", "sd", "mean"], "metric")
    (('mean',), ('mean', 'sd'))
    """
    if value is None:
        return None
    names = (value,) if isinstance(value, str) else tuple(dict.fromkeys(value))
    if not names or not all(isinstance(one, str) and one for one in names):
        raise ValueError(f"{name}={value!r}: must be a name, or a list of names")
    return names


@dataclass(frozen=True, slots=True)
class Span:
    """Which windows are asked for: bounds of event time, a moment of knowledge, and a length (0: one for all)."""

    window_us: int
    version: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None

    def keep(self) -> pl.Expr:
        """The increments that belong to it."""
        kept = pl.col("part") == "live"
        if self.version is not None:
            kept &= pl.col("version") == self.version
        if self.since is not None:
            kept &= pl.col("start") >= self.since
        if self.until is not None:
            kept &= pl.col("start") < self.until
        if self.as_of is not None:
            kept &= pl.col("known") < self.as_of
        return kept

    def starts(self, times: pl.Series, first_us: int) -> np.ndarray:
        """The start of the window of each time, in microseconds; the first of all where there is one window."""
        return window_starts(times, self.window_us) if self.window_us else np.full(len(times), first_us)


@dataclass(frozen=True, slots=True)
class Query:
    """The figures that are asked for; None stands for all.

    ``window_s`` is the length of the windows in seconds, 0 for one window over all, None for the model's own. With ``estimate``
    what windows whose labels have not come are estimated by is read too. ``iou`` and ``score`` are of figures of boxes: how
    much two must overlap to be the same, and from which score on one is found. ``against`` is what is compared with: the
    ``reference``, or the rows that the model was trained on, which came with it (``training``).
    """

    metrics: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    version: str | None = None
    window_s: float | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    estimate: bool = False
    iou: float = IOU
    score: float = SCORE
    against: str = "reference"

    @property
    def statistics(self) -> Mapping[str, Statistic | Breakdown]:
        """The statistics asked for, by name; ``ValueError`` where there is none of a name. Breakdowns only by name.

        Of boxes, rankings and sets of labels a name may mean another one: ``of_column`` knows.
        """
        if self.metrics is None:
            return every_statistic()
        of_tasks = {name: one for own in TASK_FIGURES.values() for name, one in own.items()}
        known: dict[str, Statistic | Breakdown] = {**of_tasks, **every_statistic(), **BREAKDOWNS}
        for name in self.metrics:
            if name not in known:
                names = sorted({*known, *IMAGE_METRICS})
                near = get_close_matches(str(name), names, 3)
                meant = f"did you mean {' or '.join(near)}? " if near else ""
                raise ValueError(f"metric={name!r}: {meant}must be one of {', '.join(names)}")
        return {name: statistic for name, statistic in known.items() if name in self.metrics}

    @property
    def hashes(self) -> bool:
        """True where a statistic asked for says ``needs_hashes``: those of distinct values are most of a summary."""
        return any(getattr(statistic, "needs_hashes", False) for statistic in self.statistics.values())

    @property
    def reference(self) -> bool:
        """True where a statistic asked for compares with the reference."""
        compared = any(getattr(statistic, "needs_reference", False) for statistic in self.statistics.values())
        return self.estimate or compared

    def of_column(self, column: str, grid: Grid) -> dict[str, Statistic | Breakdown]:
        """The statistics asked for that can be read off a column."""
        if self.features is not None and feature_of(column) not in self.features:
            return {}
        if grid.kind in TASK_FIGURES:
            own = TASK_FIGURES[grid.kind]
            names = [name for name in self.metrics or USUAL[grid.kind] if name in own]
            return {name: self._of_boxes(own[name]) for name in names}
        return {
            name: statistic
            for name, statistic in self.statistics.items()
            if grid.kind in statistic.kinds and self._said_of(name, column)
        }

    def _of_boxes(self, statistic: Statistic | Breakdown) -> Statistic | Breakdown:
        """The statistic, of boxes with the overlap and the score that are asked for."""
        return (
            replace(statistic, iou=self.iou, score=self.score)
            if isinstance(statistic, BoxShare)
            else statistic
        )

    def kinds(self) -> list[str]:
        """The kinds of columns that what is asked for is read off."""
        plain = [kind for one in self.statistics.values() for kind in one.kinds]
        asked = self.statistics
        return list(
            dict.fromkeys([*plain, *(kind for kind, own in TASK_FIGURES.items() if set(own) & set(asked))])
        )

    def _said_of(self, name: str, column: str) -> bool:
        # every column of a window has as many rows: said once, unless it is asked of one column
        if name == "rows":
            return column == "prediction" or self.features is not None
        return name not in _OF_ROWS or column == "prediction"

    def columns(self, grids: Mapping[str, Grid]) -> set[str]:
        """The columns whose summaries are needed; labelled rows are told as a share of the predictions."""
        wanted = {column for column, grid in grids.items() if self.of_column(column, grid)}
        if QUALITY in wanted and (self.estimate or set(self.statistics) & {*POST_STRATIFIED}):
            wanted |= {SCORES} & set(grids)  # of all rows, labelled or not
        if QUALITY in wanted and self.estimate:
            wanted |= {LEAVES} & set(grids)
        return wanted | {"prediction"} if wanted & LABELLED else wanted

    def span(self, own_us: int) -> Span:
        """The windows asked for, of a model whose own are so long; ``ValueError`` where they do not fit together.

        Bounds are moved up to the next start of a window asked for, so that none is cut in two.
        """
        length = own_us if self.window_s is None else round(self.window_s * 1e6)
        if length % own_us:
            raise ValueError(
                f"window={self.window_s} s: must be a multiple of the model's window of {own_us / 1e6:g} s"
            )
        since, until = (_aligned(when, length or own_us, up=True) for when in (self.since, self.until))
        return Span(length, self.version, since, until, _aligned(self.as_of, own_us))


def _aligned(when: datetime | None, window_us: int, *, up: bool = False) -> datetime | None:
    """The start of the window in which a moment lies, or (``up``) of the first that does not start before it."""
    if when is None:
        return None
    micros = (when - _EPOCH) // timedelta(microseconds=1)
    return _EPOCH + timedelta(
        microseconds=-(-micros // window_us) * window_us if up else micros // window_us * window_us
    )

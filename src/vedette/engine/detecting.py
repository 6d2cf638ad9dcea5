"""Closed windows through the detectors: one step a window, and the alarms that people are to be told of."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.joining import Joiner, late
from vedette.engine.stored import levels_of
from vedette.engine.summarise import Shape
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.statistics.grid import Grid
from vedette.statistics.sampled import Levels
from vedette.statistics.summary import Summary

__all__ = ["Detection", "arrived", "arrived_levels", "window_number"]

Key = tuple[str, str]  # of a watch: its name and segment


@dataclass(slots=True)
class Detection:
    """What the detectors know and have told: ``told`` are the watches whose alarm is more than their tolerance."""

    plan: strategy.Plan
    state: strategy.State
    reference: dict[str, Summary]
    told: set[Key]
    findings: tuple[strategy.Finding, strategy.Finding, strategy.Finding]
    tolerance: Mapping[str, float] = field(default_factory=dict)
    independent: bool = False
    _kept: tuple[np.ndarray, strategy.EDetector] | None = None

    def run(
        self, rows: pl.DataFrame, steps: Sequence[datetime], coming: Sequence[Joiner], shape: Shape
    ) -> list[dict[str, Any]]:
        """Judge the windows ``steps`` in their order, and let what joins join; returns the alarms opened and closed."""
        window = timedelta(seconds=shape.settings.window_s)
        changed: list[dict[str, Any]] = []
        for part, new in _stretches(steps, coming):
            if self.plan.watches:
                limits = strategy.tolerances(self.plan, self.reference, self.tolerance, self.state)
                for step in _steps(self.plan, rows, part, steps, shape):
                    evidence, self.state = self._detector(limits).judge(step, self.state)
                    changed += self._changes(evidence, limits, step.start, window)
            if new:
                self._join(new)
        return changed

    @property
    def dependence(self) -> strategy.Dependence:
        """What was found of dependence so far, and the guarantee that stands."""
        return strategy.conclude(self.findings, self.plan, self.state, independent=self.independent)

    def _detector(self, limits: np.ndarray) -> strategy.EDetector:
        """The detector that the state before a step calls for: the windows decide, not the rounds."""
        proved = self.independent and self.dependence.guarantee == strategy.EDetectorRows.guarantee
        return strategy.EDetectorRows(tolerances=limits) if proved else self._calibrated(limits)

    def _calibrated(self, limits: np.ndarray) -> strategy.EDetector:
        if self._kept is None or self._kept[0] is not limits:
            self._kept = (
                limits,
                strategy.EDetector(tolerances=limits),
            )  # it keeps what it computes of the reference
        return self._kept[1]

    @property
    def minor(self) -> np.ndarray:
        """The watches [K] whose alarm is within its tolerance: told as a WARN."""
        keys = [(watch.id, watch.segment) for watch in self.plan.watches]
        return self.state.latched & np.array([key not in self.told for key in keys], dtype=np.bool_)

    def _join(self, new: Sequence[Joiner]) -> None:
        """Plan, state and reference with what joins."""
        self.reference |= {one.source: one.whole for one in new}
        own = {source for one in new for source in late(one.segment, one.source)}
        larger = strategy.plan(self.reference, self.plan.model, self.plan.late | own)
        inflation = np.ones(len(larger.key))
        for one in new:
            inflation[larger.rows_of(one.source)] = one.noise
        self.state = strategy.extend(self.state, larger, self.reference, inflation)
        self.plan = larger

    def _changes(
        self, evidence: strategy.Evidence, limits: np.ndarray, start: float, window: timedelta
    ) -> Iterator[dict[str, Any]]:
        """The alarms that a step closed, by the end of its window, and those it opened, by the start."""
        begun = datetime.fromtimestamp(start, UTC)
        for k in np.flatnonzero(evidence.recovered).tolist():
            if self._key(k) in self.told:
                self.told.discard(self._key(k))
                yield self._change(k, "closes", begun + window, "", "recovered")
        if not bool(self.state.latched.any()):
            return
        for k in np.flatnonzero(self.state.latched & ~strategy.minor(self.state, limits)).tolist():
            if self._key(k) not in self.told:
                self.told.add(self._key(k))
                yield self._change(k, "opens", begun, strategy.describe(self.plan, self.state, k), "")

    def _key(self, k: int) -> Key:
        watch = self.plan.watches[k]
        return watch.id, watch.segment

    def _change(self, k: int, kind: str, at: datetime, evidence: str, reason: str) -> dict[str, Any]:
        name, segment = self._key(k)
        said = {"watch": name, "segment": segment, "kind": kind}
        return {**said, "at": at.isoformat(), "evidence": evidence, "reason": reason}


def _stretches(
    steps: Sequence[datetime], coming: Sequence[Joiner]
) -> Iterator[tuple[Sequence[datetime], list[Joiner]]]:
    """The windows up to each after which something joins, with what joins, and the rest."""
    done = 0
    for known in sorted({one.known for one in coming}):
        end = bisect.bisect_right(steps, known)
        yield steps[done:end], [one for one in coming if one.known == known]
        done = end
    yield steps[done:], []


def _steps(
    plan: strategy.Plan, rows: pl.DataFrame, part: Sequence[datetime], steps: Sequence[datetime], shape: Shape
) -> Iterator[strategy.Step]:
    """One step for each closed window of a part of them."""
    if not part:
        return iter(())
    edges = pl.Series(steps, dtype=UTC_TYPE)
    place = edges.search_sorted(
        rows["known"], side="left"
    )  # what came late for an older one goes with the first
    first = steps.index(part[0])
    own = rows.filter((place >= first) & (place < first + len(part)))
    whole = arrived(own, plan.grids, part)
    return plan.steps(whole, [window_number(one, shape) for one in part], [one.timestamp() for one in part])


def arrived(rows: pl.DataFrame, grids: Mapping[str, Grid], known: Sequence[datetime]) -> dict[str, Summary]:
    """By source the summary over closed windows, of sampled rows as many as they are worth."""
    return {name: one.effective for name, one in arrived_levels(rows, grids, known).items()}


def arrived_levels(
    rows: pl.DataFrame, grids: Mapping[str, Grid], known: Sequence[datetime]
) -> dict[str, Levels]:
    """By source what closed windows hold, by weight; what came late for an older one goes with the first."""
    edges = pl.Series(known, dtype=UTC_TYPE).dt.timestamp("us").to_numpy()
    whole: dict[str, Levels] = {}
    for (column, segment, grid), some in rows.group_by(["column", "segment", "grid"]):
        name = strategy.source_of(str(column), str(segment))
        if len(known) and name in grids and grids[name].id == grid:
            place = np.searchsorted(edges, some["known"].dt.timestamp("us").to_numpy(), side="left")
            whole[name] = levels_of(some, grids[name], place, len(known))
    return whole


def window_number(start: datetime, shape: Shape) -> int:
    """The number of a window, counted from 1970."""
    return round(start.timestamp() * 1e6) // shape.window_us

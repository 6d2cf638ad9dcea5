"""What a training run has recorded so far, read back from where it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

__all__ = ["History", "Store"]

_NAMED_MAX = 20  # metrics in a message: a large network has thousands


class Store(Protocol):
    """Where a run's points are read back from."""

    def points(self, run: str, metric: str) -> tuple[Sequence[int], Sequence[float]]:
        """Steps and values of one metric, in order of steps; empty where it has none."""

    def metrics(self, run: str) -> Sequence[str]:
        """The metrics that a run has."""


class History(Mapping[str, list[float]]):
    """What a run has recorded so far, read back from where it is kept: a list of values for each metric.

    Of a step that was recorded twice, as after going back to a checkpoint, the later value counts.
    """

    def __init__(self, run: str, store: Store) -> None:
        self._run, self._store = run, store

    def __getitem__(self, metric: str) -> list[float]:
        _, values = self._points(metric)
        return list(values)

    def steps(self, metric: str) -> list[int]:
        """The steps of a metric's values."""
        steps, _ = self._points(metric)
        return list(steps)

    def _points(self, metric: str) -> tuple[Sequence[int], Sequence[float]]:
        if isinstance(metric, str):
            steps, values = self._store.points(self._run, metric)
            if len(steps):
                return steps, values
        there = list(self)
        named = ", ".join(there[:_NAMED_MAX]) or "no metrics yet"
        more = f" and {len(there) - _NAMED_MAX:,} more" if len(there) > _NAMED_MAX else ""
        raise KeyError(f"{metric!r}: run {self._run} has {named}{more}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.metrics(self._run))

    def __len__(self) -> int:
        return len(self._store.metrics(self._run))

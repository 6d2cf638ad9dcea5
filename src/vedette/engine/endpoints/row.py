"""Looks at one endpoint as rows: rates of counters between two looks, and restarts.

A process that says when it began (``process_start_time_seconds``) has restarted where that time is later than any that was seen;
of others a counter that fell tells. Behind one address there may be several processes that answer by turns: each one's counters
are held against its own last ones, so that their rates are right, and an older process that answers again has not restarted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vedette.config.endpoints import EndpointSettings
from vedette.engine.endpoints.exposition import Labels, Samples
from vedette.engine.endpoints.look import Look

__all__ = ["Rows"]

_PROCESSES_MAX = 64  # behind one address, whose counters are remembered
_SAME_S = 1.0  # two times of a start are one, however it was rounded


@dataclass(frozen=True, slots=True)
class _Before:
    """What a process had counted at its last look."""

    at_s: float
    counted: Mapping[str, Mapping[Labels, float]]


class Rows:
    """Makes a row of each look at one endpoint; it remembers what counters had counted before."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._before: OrderedDict[float | None, _Before] = OrderedDict()
        self._newest: float | None = None  # start of the youngest process that was seen
        self._last_s: float | None = None

    def of(self, look: Look, at_s: float) -> dict[str, Any]:
        """The columns of a look that was at a time, in seconds of a clock that is not set back."""
        row: dict[str, Any] = {
            "endpoint": self._settings.name,
            "kind": self._settings.kind,
            "stage": self._settings.stage or None,
            "up": int(look.up),
            "status": look.status,
            "every_s": self._settings.every_s,
            "answer": look.answer[:200],
            **look.parts,
        }
        if look.samples is not None:
            row |= self._measured(look.samples, at_s)
        return row

    def _measured(self, samples: Samples, at_s: float) -> dict[str, Any]:
        """Values, rates, when the process began, and whether it has restarted since."""
        chosen = {column: samples.chosen(one) for column, one in self._settings.metrics.items()}
        counted = {
            column: found
            for column, found in chosen.items()
            if self._settings.metrics[column].name in samples.counters
        }
        start = samples.start_time
        key = self._process(start)
        before = self._before.get(key)
        fell = before is not None and any(
            value < before.counted.get(column, {}).get(labels, value)
            for column, found in counted.items()
            for labels, value in found.items()
        )
        younger = start is not None and self._newest is not None and start > self._newest + _SAME_S
        restarted = younger or (start is None and fell)
        row: dict[str, Any] = {"start_time": start, "restarted": int(restarted)}
        for column, found in chosen.items():
            if column not in counted:
                row[column] = sum(found.values()) if found else None
            elif restarted and self._last_s is not None and at_s > self._last_s:
                row[column] = sum(found.values()) / (at_s - self._last_s)  # it began to count since
            elif before is not None and at_s > before.at_s:
                risen = _risen(found, before.counted.get(column, {}), known=start is not None)
                row[column] = risen / (at_s - before.at_s)
            else:
                row[column] = None
        self._keep(key, start, _Before(at_s, counted))
        self._last_s = at_s
        return row

    def _process(self, start: float | None) -> float | None:
        """By which key a process is remembered."""
        if start is None:
            return None
        return next((one for one in self._before if one is not None and abs(one - start) <= _SAME_S), start)

    def _keep(self, key: float | None, start: float | None, now: _Before) -> None:
        self._before[key] = now
        self._before.move_to_end(key)
        if len(self._before) > _PROCESSES_MAX:
            self._before.popitem(last=False)
        if start is not None:
            self._newest = start if self._newest is None else max(self._newest, start)


def _risen(now: Mapping[Labels, float], before: Mapping[Labels, float], *, known: bool) -> float:
    """What counters have counted since; one that fell was set back and counts from 0.

    One that was not there before was made since where it is ``known`` that the process is the same.
    """
    total = 0.0
    for labels, value in now.items():
        old = before.get(labels, 0.0 if known else value)
        total += value - old if value >= old else value
    return total

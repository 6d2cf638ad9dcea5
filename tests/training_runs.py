"""A training run in memory, as callbacks see one, for tests and benchmarks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from vedette.capture.training.door import TrainingDoor
from vedette.engine.run_tools import RunTools


class MemoryRun(TrainingDoor):
    """Keeps what is logged in lists."""

    def __init__(self, name: str = "run") -> None:
        self.name = name
        self.history: dict[str, list[float]] = defaultdict(list)
        self.steps: dict[str, list[int]] = defaultdict(list)
        self.events: list[dict[str, Any]] = []
        self.alerts: list[tuple[str, str, str]] = []
        self.given: dict[str, Any] = {}
        self._step = -1
        self.tools = RunTools(None, self)  # type: ignore[arg-type] # it gives no reference

    def log(self, step: int | None = None, /, **metrics: Any) -> None:
        self._step = self._step + 1 if step is None else step
        for name, value in metrics.items():
            self.history[name].append(float(value))
            self.steps[name].append(self._step)

    def log_many(self, steps: Sequence[int], metrics: Mapping[str, Any]) -> None:
        for name, values in metrics.items():
            self.history[name] += [float(one) for one in values]
            self.steps[name] += [int(one) for one in steps]

    def params(self, params: Mapping[str, Any], /) -> None:
        self.given.update(params)

    def event(self, kind: str, **detail: Any) -> None:
        self.events.append({"kind": kind, **detail})

    def alert(self, title: str, text: str = "", level: str = "warn") -> None:
        self.alerts.append((title, text, level))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind."""
        return [one for one in self.events if one["kind"] == kind]


class BrokenRun(MemoryRun):
    """A run of which every call raises."""

    def log(self, step: int | None = None, /, **metrics: Any) -> None:
        raise OSError("the disk is gone")

    def log_many(self, steps: Sequence[int], metrics: Mapping[str, Any]) -> None:
        raise OSError("the disk is gone")

    def event(self, kind: str, **detail: Any) -> None:
        raise OSError("the disk is gone")

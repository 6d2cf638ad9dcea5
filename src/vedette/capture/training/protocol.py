"""What a callback needs of a training run: six calls, none of which raises or waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

__all__ = ["TrainingRun"]


@runtime_checkable
class TrainingRun(Protocol):
    """A training run as callbacks and hooks see it. Nothing of it may raise into a training."""

    @property
    def name(self) -> str:
        """What the run is called."""

    @property
    def history(self) -> Mapping[str, Sequence[float]]:
        """The values of each metric that was logged so far, in the order of its steps."""

    def log(self, step: int | None = None, /, **metrics: Any) -> None:
        """Keep metrics of a step; without a step it is the last one and one more. Names may hold ``/``."""

    def log_many(self, steps: Sequence[int], metrics: Mapping[str, Any]) -> None:
        """Keep metrics of many steps, each an array as long as ``steps``."""

    def params(self, params: Mapping[str, Any], /) -> None:
        """Keep parameters of the training."""

    def event(self, kind: str, /, **detail: Any) -> None:
        """Keep that something happened."""

    def alert(self, title: str, text: str = "", level: str = "warn") -> None:
        """Tell people something."""

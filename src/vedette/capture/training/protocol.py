"""What a callback needs of a training run, six calls, none of which raises or waits; and what a run needs of other rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

__all__ = ["Tools", "TrainingRun"]


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


class Tools(Protocol):
    """What a run is given of statistics, judgement and the lake."""

    def should_stop(self, values: Sequence[float], name: str, **arguments: Any) -> Any:
        """Whether a training should stop, see ``strategy.training.should_stop``."""

    def larger_is_better(self, name: str) -> bool:
        """Whether larger values of a figure of this name are better; ``ValueError`` where it does not tell."""

    def curve(self, metric: str) -> tuple[list[int], list[float]]:
        """Steps and values of a metric of this run so far, in order of steps; empty where it has none."""

    def evaluate(
        self, y_true: Any, y_pred: Any, *, metrics: Sequence[str] | None, level: float, **arguments: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Figures of a data set (``statistics.evaluation.evaluate``), and what is kept of its rows."""

    def data(
        self, train: Any, *, target: str | None, ignore: Sequence[str], **arguments: Any
    ) -> tuple[Any, dict[str, Any]]:
        """What was found of the sets of rows (``vedette.splits``), and what is kept of it."""

    def reference(
        self,
        x: Any,
        y: Any,
        *,
        prediction: Any,
        probability: Any,
        names: Sequence[str] | None,
        training: Any,
    ) -> dict[str, Any]:
        """Give a monitor its reference, and say how many rows it has."""

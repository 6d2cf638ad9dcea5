"""Early stopping: a training ends where its figure surely got worse, surely gains nothing more, or is no number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from vedette.capture.training.checkpoints import Checkpoint, Checkpoints
from vedette.capture.training.protocol import TrainingRun

__all__ = ["EarlyStopping", "Judge", "Judged"]


class Judged(Protocol):
    """What is to be thought of a figure's values so far (``strategy.training.Stop``)."""

    @property
    def stop(self) -> bool:
        """Whether the training should stop."""

    @property
    def best_at(self) -> int:
        """Which of the values was best, from 0."""

    @property
    def worse(self) -> float:
        """By how much the figure got worse since its best, with the limits of its interval."""

    @property
    def low(self) -> float:
        """The lower limit."""

    @property
    def high(self) -> float:
        """The upper limit."""

    @property
    def reason(self) -> str:
        """Why."""


Judge = Callable[..., Judged]


class EarlyStopping:
    """Says when a training is over; ``run.early_stopping`` makes it.

    ``by`` names the figure, ``larger`` whether greater ones are better (the name tells it where it can). The last ``patience``
    values are compared with as many about the best: the training stops where the figure is *surely* worse, at ``level`` over
    all looks together; where it surely gains no more than ``useful`` in ``patience`` evaluations; and at once where
    the figure or the loss is NaN or infinite. Inside the noise it goes on. A run that was resumed has the values before.

    With ``checkpoints`` a model that is given to :meth:`see` is kept, and :meth:`restore` puts the best one back: after a
    NaN that is the best of the good ones. ``stopped`` is True once, and for good; ``reason`` says why, ``best_step`` where.
    Raises ``ValueError`` for a name that does not tell which way is better, and for numbers that cannot be.
    """

    def __init__(
        self,
        run: TrainingRun,
        judge: Judge,
        *,
        by: str = "val_loss",
        larger: bool | None = None,
        patience: int = 8,
        useful: float = 0.0,
        level: float = 0.05,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        if not isinstance(by, str) or not by:
            raise ValueError(f"by={by!r}: must name a figure, such as val_loss")
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 4:
            raise ValueError(f"patience={patience!r}: must be a whole number, 4 evaluations or more")
        if not 0 <= useful < math.inf:
            raise ValueError(f"useful={useful!r}: must be 0 or more, in the unit of {by}")
        self._run, self._judge, self._by = run, judge, by
        self._said = {"larger": larger, "patience": patience, "useful": useful, "level": level}
        self._checkpoints = checkpoints
        self._steps: list[int] = []
        self._values: list[float] = []
        self.stopped, self.broken, self.reason = False, False, ""
        self.best_step: int | None = None
        judge([], by, **self._said)  # what cannot be is said before the training begins
        self._missing = 0

    def go_on(self, steps: list[int], values: list[float]) -> None:
        """Begin with the values that the run has from before it was cut off."""
        self._steps, self._values = list(steps), list(values)

    def see(self, step: int, row: Mapping[str, float], model: Any = None, *, optimizer: Any = None) -> bool:
        """Take the figures of an evaluation; True where the training is to stop.

        ``row`` has the figure by its name, and ``loss`` where there is one; without the figure it is no evaluation. Where the
        first ten rows have none an event ``not_watched`` says so: such a training would never stop.
        """
        if self.stopped:
            return True
        broken = [name for name in (self._by, "loss") if name in row and not math.isfinite(row[name])]
        if broken:
            return self.breaks(step, f"{broken[0]} is {row[broken[0]]}")
        if self._by not in row:
            self._lacks(row)
            return False
        self._missing = -1
        self._steps.append(step)
        self._values.append(float(row[self._by]))
        if self._checkpoints is not None and model is not None:
            kept = self._checkpoints.save(model, step, dict(row), optimizer=optimizer)
            if kept is None and self._checkpoints.stop:
                return self.breaks(step, "a weight is NaN or infinite")
        found = self._judge(self._values, self._by, **self._said)
        self.best_step = self._steps[found.best_at]
        if found.stop:
            numbers = {"worse": found.worse, "low": found.low, "high": found.high}
            self._stop(step, f"{self._by}: {found.reason}", **numbers)
        return self.stopped

    def update(
        self, value: float, model: Any = None, *, step: int | None = None, optimizer: Any = None
    ) -> bool:
        """Take the figure's next value in a loop of one's own; True where to leave it. Steps count from 1 on."""
        at = step if step is not None else (self._steps[-1] + 1 if self._steps else 1)
        return self.see(at, {self._by: float(value)}, model, optimizer=optimizer)

    def breaks(self, step: int, why: str) -> bool:
        """A number is none: the training is to stop at once."""
        if not self.stopped:
            self.broken = True
            self._stop(step, why)
        return True

    def restore(self, model: Any, *, optimizer: Any = None) -> Checkpoint | None:
        """Put the weights of the best checkpoint into a model; None where none was kept, and the model is as it was.

        ``optimizer`` gets the state that was kept with it. Raises ``DataError`` where the files are not what was written.
        """
        found = None if self._checkpoints is None else self._checkpoints.best or self._checkpoints.last
        if self._checkpoints is None or found is None:
            return None
        self._checkpoints.load(found, model, optimizer=optimizer)
        self._run.event("checkpoint_restored", step=found.step, path=str(found.path))
        return found

    def _stop(self, step: int, why: str, **numbers: float) -> None:
        self.stopped = True
        best = "" if self.best_step is None else f", best at step {self.best_step}"
        self.reason = f"{why}{best}"
        finite = {name: one for name, one in numbers.items() if math.isfinite(one)}
        self._run.event(
            "early_stopped", step=step, by=self._by, reason=self.reason, best_step=self.best_step, broken=self.broken, **finite
        )  # fmt: skip

    def _lacks(self, row: Mapping[str, float]) -> None:
        if self._missing < 0:  # it came before: this is no evaluation
            return
        self._missing += 1
        if self._missing == 10:
            reason = (
                f"by={self._by!r}: is in none of the first rows, which have {', '.join(row) or 'nothing'}"
            )
            self._run.event("not_watched", by="early_stopping", what=self._by, reason=reason)

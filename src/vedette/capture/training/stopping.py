"""Early stopping: a training ends where its figure surely got worse, surely gains nothing more, or is no number."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from vedette.capture.rejected import type_name
from vedette.capture.training.agreed import same_on_all_ranks
from vedette.capture.training.checkpoints import Checkpoint, Checkpoints
from vedette.capture.training.protocol import TrainingRun

__all__ = ["EarlyStopping", "Judge", "Judged"]

_logger = logging.getLogger("vedette")
_EACH = 500  # evaluations that are looked at one by one


class Judged(Protocol):
    """What is to be thought of a figure's values so far (``strategy.training.Stop``)."""

    @property
    def stop(self) -> bool:
        """Whether the training should stop."""

    @property
    def larger(self) -> bool:
        """Whether larger values are better."""

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

    With ``checkpoints``, ranked by the same figure, a model that is given to :meth:`see` is kept, and :meth:`restore` puts the
    best one back: after a NaN that is the best of the good ones. ``stopped`` is True once, and for good; ``reason`` says why,
    ``best_step`` where. Raises ``ValueError`` for a name that does not tell which way is better, and for numbers that cannot
    be.
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
        if larger is not None and not isinstance(larger, bool):
            raise ValueError(f"larger={larger!r}: must be True, False, or None where the name tells")
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 4:
            raise ValueError(f"patience={patience!r}: must be a whole number, 4 evaluations or more")
        if isinstance(useful, bool) or not isinstance(useful, int | float) or not 0 <= useful < math.inf:
            raise ValueError(f"useful={useful!r}: must be 0 or more, in the unit of {by}")
        self._run, self._judge, self._by = run, judge, by
        self._said = {"larger": larger, "patience": patience, "useful": useful, "level": level}
        judged_larger = judge([], by, **self._said).larger
        if checkpoints is not None and (checkpoints.by, checkpoints.larger) != (by, judged_larger):
            raise ValueError(
                f"checkpoints: are ranked by {checkpoints.by} ({'max' if checkpoints.larger else 'min'}), and {by} is what stops "
                f"the training: must be by={by!r}, best={'max' if judged_larger else 'min'!r}"
            )
        self._checkpoints = checkpoints
        self._steps: list[int] = []
        self._values: list[float] = []
        self.stopped, self.broken, self.reason = False, False, ""
        self.best_step: int | None = None
        self._missing, self._told = 0, False

    @property
    def by(self) -> str:
        """The figure that it stops by."""
        return self._by

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
            if row.keys() - {"loss"}:
                self._lacks(row)
            return False
        self._missing = -1
        self._steps.append(step)
        self._values.append(float(row[self._by]))
        if model is not None and not self._keeps(step, row, model, optimizer):
            return self.breaks(step, "a weight is NaN or infinite")
        n = len(self._values)
        if n > _EACH and n % (n // 100):  # of thousands of evaluations each hundredth part is looked at
            return False
        found = self._judge(self._values, self._by, **self._said)
        self.best_step = self._steps[found.best_at]
        if found.stop:
            numbers = {"worse": found.worse, "low": found.low, "high": found.high}
            self._stop(step, f"{self._by}: {found.reason}", **numbers)
        return self.stopped

    def update(
        self, value: float, model: Any = None, *, step: int | None = None, optimizer: Any = None
    ) -> bool:
        """Take the figure's next value in a loop of one's own; True where to leave it.

        Without ``step`` it is that of the run's last ``log``. With a ``model``, and an ``optimizer`` of PyTorch, they are kept.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{self._by}={value!r}: must be a number") from None
        last = getattr(self._run, "step", None)
        following = self._steps[-1] + 1 if self._steps else 1
        at = step if step is not None else following if last is None or last < 0 else last
        return self.see(at, {self._by: number}, model, optimizer=optimizer)

    def breaks(self, step: int, why: str) -> bool:
        """A number is none: the training is to stop at once."""
        if not self.stopped:
            self.broken = True
            self._stop(step, why)
        return True

    def _keeps(self, step: int, row: Mapping[str, float], model: Any, optimizer: Any) -> bool:
        """Keep the model; False where a weight is no number. A folder that cannot be written is told, and stops nothing."""
        if self._checkpoints is None:
            return True
        try:
            kept = self._checkpoints.save(model, step, dict(row), optimizer=optimizer)
        except OSError as error:
            self._run.event("not_watched", by="early_stopping", what="checkpoints", reason=str(error)[:200])
            self._checkpoints = None
            return True
        return kept is not None or not self._checkpoints.stop

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

    def ends(self, model: Any, *, together: bool = False) -> None:
        """The training has ended: put the best weights back, ``together`` on all ranks those of the first.

        What cannot be put back is told; the other ranks get the weights that there are, since they wait for them.
        """
        try:
            self.restore(model)
        except Exception as error:  # noqa: BLE001 - the training has ended well, and its model is there
            why = f"{type_name(type(error))}: {error}"[:300]
            self._run.event("not_watched", by="early_stopping", what="restore", reason=why)
            _logger.warning("run %s: the best weights are not put back: %s", self._run.name, why)
        if together:
            same_on_all_ranks(model)

    def fitted(self, model: Any) -> None:
        """Keep a model that is there only when its training has ended, as boosters are."""
        if self._steps:
            self._keeps(self._steps[-1], {self._by: self._values[-1]}, model, None)

    def _stop(self, step: int, why: str, **numbers: float) -> None:
        self.stopped = True
        best = "" if self.best_step is None else f", best at step {self.best_step}"
        self.reason = f"{why}{best}"
        finite = {name: one for name, one in numbers.items() if math.isfinite(one)}
        self._run.event(
            "early_stopped", step=step, by=self._by, reason=self.reason, best_step=self.best_step, broken=self.broken, **finite
        )  # fmt: skip

    def over(self) -> None:
        """The run has ended; a figure that never came is told, and is the reason why nothing was stopped."""
        if not self.stopped and not self._values:
            self.reason = f"by={self._by!r}: no row of the run had it: nothing could be stopped"
            self._tell(self.reason)

    def _tell(self, reason: str) -> None:
        if self._told:
            return
        self._told = True
        self._run.event("not_watched", by="early_stopping", what=self._by, reason=reason)
        _logger.warning("run %s: early stopping %s", self._run.name, reason)

    def _lacks(self, row: Mapping[str, float]) -> None:
        if self._missing < 0:  # it came before: this is no evaluation
            return
        self._missing += 1
        if self._missing == 10:
            reason = (
                f"by={self._by!r}: is in none of the first rows, which have {', '.join(row) or 'nothing'}"
            )
            self._tell(reason)

"""Named stages of a call: where its time goes. ``with monitor.stage("preprocess"):`` around a part of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

__all__ = ["Stages", "column_of"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def column_of(stage: str) -> str:
    """The column in which a stage's seconds are kept. Raises ``ValueError`` for what cannot be a name.

    >>> column_of("preprocess")
    'stage_preprocess_s'
    """
    if not isinstance(stage, str) or not _NAME.fullmatch(stage):
        raise ValueError(
            f"stage={stage!r}: must be a letter and at most 63 letters, digits and '_', such as 'preprocess'"
        )
    return f"stage_{stage}_s"


class Stages:
    """The stages of one monitor's calls, apart for each thread and each task.

    What was measured goes with the next row that is recorded in the same thread or task.
    """

    def __init__(self) -> None:
        self._open: ContextVar[dict[str, float] | None] = ContextVar("vedette_stages", default=None)

    def stage(self, name: str) -> _Stage:
        """What measures a part of a call."""
        return _Stage(self, column_of(name))

    def begin(self) -> None:
        """A call begins: what is measured in threads that it starts with its context is its own too."""
        if self._open.get() is None:
            self._open.set({})

    def add(self, column: str, seconds: float) -> None:
        """Add to a stage; one that comes several times in a call counts together."""
        held = self._open.get()
        if held is None:
            self._open.set({column: seconds})
        else:
            held[column] = held.get(column, 0.0) + seconds

    def take(self) -> dict[str, float]:
        """What was measured since the last row."""
        held = self._open.get()
        if held is None:
            return {}
        self._open.set(None)
        return held

    def before(self, log: Callable[..., None]) -> Callable[..., None]:
        """A ``log`` that keeps with a row what was measured before it."""

        def staged(features: Any, prediction: Any = None, **given: Any) -> None:
            held = self.take()
            if held and isinstance(features, Mapping):
                features = {**features, **held}
            log(features, prediction, **given)

        return staged


class _Stage:
    """Measures the wall time between entering and leaving, whatever happens in between."""

    __slots__ = ("_column", "_stages", "_start")

    def __init__(self, stages: Stages, column: str) -> None:
        self._stages, self._column = stages, column

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._stages.add(self._column, time.perf_counter() - self._start)

"""Named stages of a call: where its time goes. ``with monitor.stage("preprocess"):`` around a part of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

__all__ = ["Stages", "column_of"]

_NAMES_MAX = 256  # each is a column
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


class _Held:
    """What was measured for one row, or one call, that is yet to be recorded.

    A context that was copied holds the same object; once it is ``taken``, in whichever, it is nobody's any more.
    """

    __slots__ = ("of_call", "outer", "seconds", "taken")

    def __init__(self, outer: _Held | None = None, *, of_call: bool = False) -> None:
        self.seconds: dict[str, float] = {}
        self.outer, self.of_call, self.taken = outer, of_call, False


class Stages:
    """The stages of one monitor's calls, apart for each thread and each task.

    What was measured goes with the next row that is recorded in the same thread or task; what was measured in a watched call,
    or in the same thread or task before it, with the rows of that call.
    """

    def __init__(self) -> None:
        self._now: ContextVar[_Held | None] = ContextVar("vedette_stages", default=None)
        self._columns: set[str] = set()

    def stage(self, name: str) -> _Stage:
        """What measures a part of a call. Raises ``ValueError`` for what is no name, or for too many of them."""
        column = column_of(name)
        if column not in self._columns:
            if len(self._columns) >= _NAMES_MAX:
                raise ValueError(
                    f"stage={name!r}: there are {_NAMES_MAX} stages already: name what is done, not what to"
                )
            self._columns.add(column)
        return _Stage(self, column)

    def _open(self) -> _Held | None:
        held = self._now.get()
        return None if held is None or held.taken else held

    def begin(self) -> None:
        """A call begins: what is measured in threads that it starts with its context is its own too."""
        held = self._open()
        if held is None or held.of_call:  # a call within a call has stages of its own
            self._now.set(_Held(held, of_call=True))
        else:
            held.of_call = True

    def add(self, column: str, seconds: float) -> None:
        """Add to a stage; one that comes several times in a call counts together."""
        held = self._open()
        if held is None:
            held = _Held()
            self._now.set(held)
        held.seconds[column] = held.seconds.get(column, 0.0) + seconds

    def take(self) -> dict[str, float]:
        """What was measured since the last row, or since the call began."""
        held = self._open()
        if held is None:
            return {}
        held.taken = True
        self._now.set(held.outer)
        return held.seconds

    def before(self, log: Callable[..., None]) -> Callable[..., None]:
        """A ``log`` that keeps with a row what was measured before it."""

        def staged(features: Any, prediction: Any = None, **given: Any) -> None:
            seconds = self.take()
            if seconds and isinstance(features, Mapping):
                try:
                    features = {**features, **seconds}
                except Exception:  # noqa: BLE001, S110 - a mapping of the user's that raises: ``log`` says so
                    pass
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

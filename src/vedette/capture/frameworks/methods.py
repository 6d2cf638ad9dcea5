"""What adapters have in common whose model has one method that takes a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vedette.capture.frameworks.calls import Calls, Reader
from vedette.capture.frameworks.inputs import Rows, rows_of
from vedette.capture.frameworks.outputs import outputs_of

__all__ = ["recorded"]


def recorded(
    calls: Calls,
    method: Callable[..., Any],
    names: Callable[[], Sequence[str] | None] = lambda: None,
    read: Reader = outputs_of,
    rows: Callable[[Any, Sequence[str] | None], Rows] = rows_of,
) -> Callable[..., Any]:
    """A method that does the same, and whose first argument is the batch; ``names`` are the model's own of its columns."""

    def call(*args: Any, **kwargs: Any) -> Any:
        def asked() -> Rows:
            batch = args[0] if args else next(iter(kwargs.values()))
            return rows(batch, calls.names if calls.names is not None else names())

        return calls.run(lambda: method(*args, **kwargs), asked, args, kwargs, read)

    return call

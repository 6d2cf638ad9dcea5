"""Any callable: a function, a method, a coroutine function, an object with ``__call__``; a TensorRT engine is one."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.inputs import Rows, rows_of_call

__all__ = ["watch"]


def watch(function: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    """A function that does the same, and whose calls are recorded.

    A call whose one argument is a mapping is a row, one whose argument is a table, a matrix or a list of mappings has a row
    for each of theirs; else the arguments by their names are the features.
    """
    bound = _signature(function)

    def rows(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Callable[[], Rows]:
        if len(args) == 1 and not kwargs and isinstance(args[0], Mapping):
            return lambda: [dict(args[0])]
        return lambda: rows_of_call(bound(args, kwargs), calls.names)

    called = function if inspect.isroutine(function) else type(function).__call__
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):

        @functools.wraps(function)
        async def later(*args: Any, **kwargs: Any) -> Any:
            asked = calls.ask(rows(args, kwargs), args, kwargs)
            start = time.perf_counter()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:  # a task that is cancelled has failed too
                calls.failed(asked, time.perf_counter() - start, error)
                raise
            calls.answered(asked, time.perf_counter() - start, result)
            return result

        return later

    @functools.wraps(function, updated=() if isinstance(function, type) else ("__dict__",))
    def now(*args: Any, **kwargs: Any) -> Any:
        return calls.run(lambda: function(*args, **kwargs), rows(args, kwargs), args, kwargs)

    return now


def _signature(function: Callable[..., Any]) -> Callable[[Sequence[Any], Mapping[str, Any]], dict[str, Any]]:
    """What gives a call's arguments their names; by number where the function does not say them."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return lambda args, kwargs: {**{f"x{i}": one for i, one in enumerate(args)}, **kwargs}

    def bind(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            match signature.parameters[name].kind:
                case inspect.Parameter.VAR_POSITIONAL:
                    found |= {f"{name}{i}": one for i, one in enumerate(value)}
                case inspect.Parameter.VAR_KEYWORD:
                    found |= value
                case _ if name not in ("self", "cls"):
                    found[name] = value
        return found

    return bind

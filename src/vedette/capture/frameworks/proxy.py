"""A model that is watched: in all as the model itself, but that some of its methods are recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Watched", "proxy"]

_OWN = frozenset({"__wrapped__", "_watched_methods"})
_PASSED_ON = (
    *("__len__", "__getitem__", "__iter__", "__contains__", "__enter__", "__exit__", "__eq__", "__hash__"),
    *("__bool__", "__int__", "__float__", "__call__"),
)


class Watched:
    """Stands for a model, whose attributes it has; ``__wrapped__`` is the model, which is not changed.

    ``isinstance`` takes it for one of the model's class. What is pickled or copied is the model, unwatched.
    """

    def __init__(self, model: Any, methods: Mapping[str, Callable[..., Any]]) -> None:
        object.__setattr__(self, "__wrapped__", model)
        object.__setattr__(self, "_watched_methods", dict(methods))

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        methods = object.__getattribute__(self, "_watched_methods")
        return (
            methods[name] if name in methods else getattr(object.__getattribute__(self, "__wrapped__"), name)
        )

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __dir__(self) -> list[str]:
        return dir(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self.__wrapped__,)


def _itself(model: Any) -> Any:
    return model


def _passing_on(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        model, found = self.__wrapped__, self._watched_methods.get(name)
        return getattr(type(model), name)(model, *args, **kwargs) if found is None else found(*args, **kwargs)

    method.__name__ = name
    return method


def proxy(model: Any, methods: Mapping[str, Callable[..., Any]]) -> Any:
    """A model whose ``methods`` are these; Python's own (``len``, an index, a call) as far as the model has them."""
    own = {
        name: _passing_on(name)
        for name in _PASSED_ON
        if getattr(type(model), name, None) is not getattr(object, name, None)
        and getattr(type(model), name, None) is not None
    }
    return type("Watched", (Watched,), own)(model, methods)

"""PyTorch modules, by forward hooks: the module stays what it is, and so does what holds it.

On a GPU nothing waits for the device: times are those of its own events, and what was asked and answered is copied to
pinned memory behind the work that is queued. A call is recorded once its copy is there, which later calls look after.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from vedette.capture.frameworks.calls import Calls, reason_of
from vedette.capture.frameworks.inputs import Rows, rows_of, rows_of_call

__all__ = ["watch"]

_WAITING_MAX = 1024  # calls whose copies are not there yet; more are counted as dropped


def watch(module: Any, calls: Calls) -> Any:
    """The same module, whose calls are recorded; while it trains (``train()`` with gradients) they are not."""
    import torch

    hooks = _Hooks(calls, torch)
    module.register_forward_pre_hook(_Hook(hooks.before), with_kwargs=True, prepend=True)
    module.register_forward_hook(_Hook(hooks.after), with_kwargs=True, always_call=True)
    return module


class _Hook:
    """A hook that stays behind where its module is pickled or copied: what comes out is not watched."""

    def __init__(self, function: Callable[..., None]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> None:
        self._function(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        return _no_hook, ()


def _no_hook() -> Callable[..., None]:
    return _nothing


def _nothing(*_: Any) -> None:
    """Does nothing."""


class _Hooks:
    """What is done before and after each call. Calls may be nested and come from several threads."""

    def __init__(self, calls: Calls, torch: Any) -> None:
        self._calls, self._torch = calls, torch
        self._begun = threading.local()
        self._waiting: deque[tuple[Any, Any, Any, Any, Any, dict[str, float]]] = deque()

    def before(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        stack = self._begun.__dict__.setdefault("stack", [])
        if module.training and self._torch.is_grad_enabled():
            stack.append(None)
            return
        if self._on_gpu(args, kwargs):
            self._calls.begin()
            try:
                start = self._torch.cuda.Event(enable_timing=True)
                start.record()
                stack.append((self._fetch((args, kwargs)), start))
            except Exception as error:  # noqa: BLE001 - the model must not feel it: a graph is captured, say
                stack.append((reason_of(error, "features"), time.perf_counter()))
            return
        asked = self._calls.ask(lambda: self._rows(args, kwargs), args, kwargs)
        stack.append((asked, time.perf_counter()))

    def after(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:  # noqa: ARG002
        now = time.perf_counter()
        stack = self._begun.__dict__.get("stack")
        begun = stack.pop() if stack else None
        if begun is None:
            return
        asked, start = begun
        if isinstance(start, float):
            error = sys.exc_info()[1]  # the hook is called while what a call has raised is handled
            if result is None and error is not None:
                self._calls.failed(asked, now - start, error)
            else:
                self._calls.answered(asked, now - start, result)
            return
        try:
            end, copied = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
            end.record()
            answer = self._fetch(result)
            copied.record()
            self._waiting.append((asked, start, end, copied, answer, self._calls.finish(1)))
        except Exception as error:  # noqa: BLE001 - as above
            self._calls.answered(reason_of(error, "output"), 0.0, None)
            return
        self._record_what_is_there()

    def _record_what_is_there(self) -> None:
        while self._waiting and (self._waiting[0][3].query() or len(self._waiting) > _WAITING_MAX):
            try:
                (args, kwargs), start, end, copied, answer, held = self._waiting.popleft()
            except IndexError:  # another thread was first
                return
            if not copied.query():
                self._calls.answered("watch: the device is too far behind", 0.0, None, held=held)
                continue
            asked = self._calls.read(lambda args=args, kwargs=kwargs: self._rows(args, kwargs), args, kwargs)  # type: ignore[misc]
            try:
                seconds = start.elapsed_time(end) / 1000
            except Exception as error:  # noqa: BLE001 - as above
                asked, seconds = reason_of(error, "output"), 0.0
            self._calls.answered(asked, seconds, answer, held=held)

    def _on_gpu(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        tensors = (one for one in (*args, *kwargs.values()) if isinstance(one, self._torch.Tensor))
        return any(one.is_cuda for one in tensors)

    def _fetch(self, value: Any) -> Any:
        """The same on the CPU, once the device has come so far."""
        if isinstance(value, self._torch.Tensor):
            if not value.is_cuda:
                return value.detach().clone()
            pinned = self._torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            return pinned.copy_(value.detach(), non_blocking=True)
        if isinstance(value, Mapping):
            return {name: self._fetch(one) for name, one in value.items()}
        if isinstance(value, tuple | list):
            return type(value)(self._fetch(one) for one in value) if type(value) in (tuple, list) else value
        return value

    def _rows(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Rows:
        if len(args) == 1 and not kwargs:
            return rows_of(args[0], self._calls.names)
        tensors = {**{f"x{i}": one for i, one in enumerate(args)}, **kwargs}
        if all(isinstance(one, self._torch.Tensor) and one.ndim for one in tensors.values()):
            return rows_of(tensors)
        return rows_of_call(tensors, self._calls.names)

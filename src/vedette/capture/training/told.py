"""What cannot be watched is told once, as an event of the run, with the reason; the training goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vedette.capture.rejected import type_name
from vedette.capture.training.protocol import TrainingRun

__all__ = ["Told", "need"]


class Told:
    """What was told of one watcher: for each place the first reason, and never again.

    >>> from types import SimpleNamespace
    >>> told = Told(SimpleNamespace(event=lambda kind, **detail: print(kind, detail)), "torch")
    >>> told.say("activations", "the module is compiled")
    not_watched {'by': 'torch', 'what': 'activations', 'reason': 'the module is compiled'}
    >>> told.say("activations", "the module is compiled")
    """

    def __init__(self, run: TrainingRun, by: str) -> None:
        self._run, self._by = run, by
        self.reasons: dict[str, str] = {}

    def say(self, what: str, reason: str) -> None:
        """Tell that something is not watched; only the first time."""
        if what in self.reasons:
            return
        self.reasons[what] = reason
        try:
            self._run.event("not_watched", by=self._by, what=what, reason=reason)
        except Exception:  # noqa: BLE001, S110 - it stays in ``reasons``; the training must not feel it
            pass

    def failed(self, what: str, error: BaseException) -> None:
        """Tell that a hook failed."""
        self.say(what, f"{type_name(type(error))}: {str(error)[:200]}")

    def guarded(self, what: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function; what it raises is told, and None comes back."""
        try:
            return call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the training must not feel it
            self.failed(what, error)
            return None


def need(package: str, extra: str = "") -> Any:
    """A framework's module, imported; where it is not installed, ``MissingExtraError`` with what to install.

    >>> need("math").floor(1.5)
    1
    """
    from importlib import import_module

    from vedette.errors import MissingExtraError

    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{package}: is not installed, and what was asked for is made of it; "
            f"pip install {extra or package.partition('.')[0]}"
        ) from error

"""Trains again: calls a program, or a Python function in a process of its own, with the window that failed."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from vedette.errors import ChannelError
from vedette.output.actions.command import KEY_VARIABLE, arguments_of, given_of
from vedette.output.programs import run
from vedette.records.actions import Occasion

__all__ = ["Retrain"]

_ENTRY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_CALL = (
    "import functools, importlib, json, sys\n"
    "module, _, name = sys.argv[1].partition(':')\n"
    "function = functools.reduce(getattr, name.split('.'), importlib.import_module(module))\n"
    "function(json.load(sys.stdin))\n"
)


@dataclass(frozen=True)
class Retrain:
    """``command``, a list of arguments, or ``call``, a Python function as ``module:function``, which is given what set it off:
    model, version, watch, evidence, and since when (``docs/policies.md``). It may take up to ``timeout_s``."""

    repeatable: ClassVar[bool] = False

    command: Sequence[str] = field(default=(), repr=False)
    call: str | None = None
    timeout_s: float = 3600.0

    def __post_init__(self) -> None:
        if (self.call is None) == (not self.command):
            raise ValueError(
                "must have one of command, a list of arguments, and call, such as 'training:again'"
            )
        if self.call is not None and (not isinstance(self.call, str) or not _ENTRY.fullmatch(self.call)):
            raise ValueError(
                f"call={self.call!r}: must be like 'training:again', a module and a function of it"
            )
        if self.command:
            arguments_of("command", self.command)

    def plan(self, occasion: Occasion) -> str:
        """What it would do, in words."""
        return f"train {occasion.model} again by {self.call or self.command[0]}"

    def found(self, occasion: Occasion) -> Mapping[str, Any] | None:  # noqa: ARG002
        """What a program changes is not known."""
        return None

    def act(self, occasion: Occasion, key: str) -> str:
        """Run it to its end; ``ChannelError`` where it fails."""
        arguments = [sys.executable, "-c", _CALL, self.call] if self.call is not None else list(self.command)
        return run(arguments, given_of(occasion, key), {KEY_VARIABLE: key}, self.timeout_s)

    def reversible(self, before: Mapping[str, Any] | None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def undo(self, occasion: Occasion, before: Mapping[str, Any] | None, key: str) -> str:  # noqa: ARG002
        """There is no way back: a version that was trained is deployed, or not, by somebody else."""
        raise ChannelError("a training cannot be undone: what it made is not in charge until it is deployed")

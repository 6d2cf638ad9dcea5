"""Runs a program: what set it off as JSON on its standard input, the action's key in ``VEDETTE_ACTION_KEY``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vedette.errors import ChannelError
from vedette.output.programs import run
from vedette.records.actions import Occasion

__all__ = ["KEY_VARIABLE", "Command", "arguments_of", "given_of"]

KEY_VARIABLE = "VEDETTE_ACTION_KEY"


@dataclass(frozen=True)
class Command:
    """``command`` and its arguments, from a list, never by a shell; ``back`` is the one that undoes it.

    ``repeatable``: whether running it twice is as good as once.
    """

    command: Sequence[str] = field(repr=False)
    back: Sequence[str] = field(default=(), repr=False)
    timeout_s: float = 60.0
    repeatable: bool = False

    def __post_init__(self) -> None:
        arguments_of("command", self.command)
        if self.back:
            arguments_of("back", self.back)

    def plan(self, occasion: Occasion) -> str:  # noqa: ARG002
        """What it would do, in words: the program, without its arguments, which may hold a token."""
        return f"run {self.command[0]}"

    def found(self, occasion: Occasion) -> Mapping[str, Any] | None:  # noqa: ARG002
        """What a program changes is not known."""
        return None

    def act(self, occasion: Occasion, key: str) -> str:
        """Run it; ``ChannelError`` where it fails, or takes longer than ``timeout_s``."""
        return run(self.command, given_of(occasion, key), {KEY_VARIABLE: key}, self.timeout_s)

    def reversible(self, before: Mapping[str, Any] | None) -> bool:  # noqa: ARG002
        """Where it was given a program for that."""
        return bool(self.back)

    def undo(self, occasion: Occasion, before: Mapping[str, Any] | None, key: str) -> str:  # noqa: ARG002
        """Run ``back``."""
        if not self.back:
            raise ChannelError(f"{self.command[0]}: has no way back: give it one as back = [...]")
        return run(self.back, given_of(occasion, key), {KEY_VARIABLE: key}, self.timeout_s)


def arguments_of(name: str, said: Any) -> None:
    """Raise ``ValueError`` for what is no list of arguments."""
    if (
        isinstance(said, str)
        or not isinstance(said, Sequence)
        or not said
        or not all(isinstance(one, str) for one in said)
    ):
        raise ValueError(
            f"{name}: a {type(said).__name__} (not shown): must be a list of a program and its arguments"
        )


def given_of(occasion: Occasion, key: str) -> bytes:
    """What a program is told of what set it off."""
    return json.dumps({"id": key, **occasion.document()}, sort_keys=True).encode()

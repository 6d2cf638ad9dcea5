"""Tells by running a program: the notice as JSON on its standard input, its key in ``VEDETTE_NOTICE_KEY``.

Exit 0 means that the notice was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vedette.output.channels.words import body
from vedette.output.programs import run
from vedette.records import Notice

__all__ = ["KEY_VARIABLE", "Command"]

KEY_VARIABLE = "VEDETTE_NOTICE_KEY"


@dataclass(frozen=True)
class Command:
    """A program and its arguments."""

    command: Sequence[str] = field(repr=False)  # arguments may hold a token
    timeout_s: float = 10.0

    def send(self, notice: Notice) -> str:
        """Run the program; ``ChannelError`` where it does not exist, fails, or takes longer than ``timeout_s``."""
        return run(self.command, body(notice), {KEY_VARIABLE: notice.key}, self.timeout_s)

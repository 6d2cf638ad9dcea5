"""Tells by running a program: the notice as JSON on its standard input, its key in ``VEDETTE_NOTICE_KEY``.

The program is started from a list of arguments, never by a shell, in a session of its own, so that a timeout can kill it
with its children. Exit 0 means that the notice was taken.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from vedette.errors import ChannelError
from vedette.output.channels.words import body
from vedette.output.names import visible
from vedette.records import Notice

__all__ = ["KEY_VARIABLE", "Command"]

KEY_VARIABLE = "VEDETTE_NOTICE_KEY"
_SAID_BYTES = 2000


@dataclass(frozen=True)
class Command:
    """A program and its arguments."""

    command: Sequence[str] = field(repr=False)  # arguments may hold a token
    timeout_s: float = 10.0

    def send(self, notice: Notice) -> str:
        """Run the program; ``ChannelError`` where it does not exist, fails, or takes longer than ``timeout_s``."""
        # files rather than pipes: a child that outlives the program holds no pipe of ours open
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(body(notice))
            given.seek(0)
            try:
                process = subprocess.Popen(
                    list(self.command),
                    stdin=given,
                    stdout=said,
                    stderr=said,
                    env={**os.environ, KEY_VARIABLE: notice.key},
                    start_new_session=True,
                )
            except OSError as error:
                raise ChannelError(f"cannot be started: {error.strerror}") from None
            try:
                code = process.wait(self.timeout_s)
            except subprocess.TimeoutExpired:
                raise ChannelError(f"no end within {self.timeout_s:g} s: killed") from None
            finally:
                if process.poll() is None:
                    _kill(process)
            words = _last_line(said)
        if code != 0:
            ended = f"exit {code}" if code > 0 else f"killed by signal {-code}"
            raise ChannelError(f"{ended}{words and f': {words}'}")
        return f"exit 0{words and f': {words}'}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and the children that it left in its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended just now
    process.wait()


def _last_line(said: BinaryIO) -> str:
    """The last line that the program printed."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _SAID_BYTES))
    lines = said.read(_SAID_BYTES).decode("utf-8", "replace").split("\n")
    return visible(next((one.strip() for one in reversed(lines) if one.strip()), ""), 200)

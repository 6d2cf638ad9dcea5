"""Running a program for a channel or an action: from a list of arguments, never by a shell, bounded in time.

It runs in a session of its own, so that a time-out can kill it with its children.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from vedette.errors import ChannelError
from vedette.output.names import visible

__all__ = ["run"]

_SAID_BYTES = 2000


def run(arguments: Sequence[str], given: bytes, variables: Mapping[str, str], timeout_s: float) -> str:
    """Run a program with ``given`` on its standard input; how it ended, and the last line that it printed.

    Raises ``ChannelError`` where it cannot be started, does not exit with 0, or takes longer than ``timeout_s`` and is killed.

    >>> run(["cat"], b"done", {}, 10.0)
    'exit 0: done'
    """
    # files rather than pipes: a child that outlives the program holds no pipe of ours open
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as said:
        stdin.write(given)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                list(arguments),
                stdin=stdin,
                stdout=said,
                stderr=said,
                env={**os.environ, **variables},
                start_new_session=True,
            )
        except OSError as error:
            raise ChannelError(f"cannot be started: {error.strerror}") from None
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ChannelError(f"no end within {timeout_s:g} s: killed") from None
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

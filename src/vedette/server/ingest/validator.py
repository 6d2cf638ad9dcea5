"""A process that checks what is sent, and that may die of it; and the pool of them.

Bytes that came from elsewhere meet a large library here first. Where it crashes, takes too long or too much memory, the
process is gone, the request is refused, and another process takes the next one. Parent and child speak over pipes: the
length of a JSON head and of a body (two u32) and the head, and back the length of a JSON answer and that. The body lies in
memory that both have (a memfd): through a pipe it would be copied twice, and both would be woken for each 64 KiB.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import queue
import resource
import select
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import IO, Any, cast

from vedette.server.ingest.limits import Refused

__all__ = ["Validators", "main"]

log = logging.getLogger("vedette")

_SIZES = struct.Struct("<II")
_KEPT_BYTES = 8 * 2**20  # as much as our sender sends at once
MEMORY_BYTES = 3 * 2**30
"""What a checking process may map, beyond which it fails: a library reserves much that it never touches."""


def main() -> None:
    """Check what comes over standard input until it ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from vedette.server.ingest.arrow import MalformedError, batch_of, rows_of

    source, sink = sys.stdin.buffer, sys.stdout.buffer
    shared = int(sys.argv[1])
    while head := source.read(_SIZES.size):
        said_bytes, body_bytes = _SIZES.unpack(head)
        said = json.loads(source.read(said_bytes))
        body = mmap.mmap(shared, body_bytes, access=mmap.ACCESS_READ) if body_bytes else b""
        try:
            answer = (batch_of if said.pop("_batch") else rows_of)(body, said)
        except MalformedError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": "takes too much memory to be read"}
        except Exception as error:  # noqa: BLE001 - what a library makes of foreign bytes: the request is refused with it
            answer = {"error": f"cannot be read: {type(error).__name__}"}
        data = json.dumps(answer).encode()
        try:
            sink.write(_SIZES.pack(len(data), 0) + data)
            sink.flush()
        except BrokenPipeError:  # whoever asked was killed meanwhile
            os._exit(0)


class Validators:
    """A pool of checking processes. ``check`` may be called by any thread."""

    def __init__(self, n: int = 1, timeout_s: float = 20.0) -> None:
        self.n, self.timeout_s = n, timeout_s
        self.died = 0
        self._free: queue.Queue[_Process | None] = queue.Queue()
        for _ in range(n):
            self._free.put(None)  # started when it is needed

    def check(self, body: bytes, said: Mapping[str, Any], *, batch: bool) -> dict[str, Any]:
        """What is to be known of a body. Raises ``Refused``: 400 for what is malformed, or killed two that looked at it."""
        for last in (False, True):
            try:
                answer = self._checked(body, {**said, "_batch": batch})
                break
            except (OSError, EOFError, TimeoutError) as error:
                self.died += 1
                log.error(
                    "a request of %s could not be checked: %s: %s",
                    said.get("model"),
                    type(error).__name__,
                    error,
                )
                if last:
                    raise Refused(
                        400, "the body: whoever checks it has died of it, or took too long"
                    ) from None
        if "error" in answer:
            raise Refused(400, str(answer["error"]))
        return answer

    def _checked(self, body: bytes, said: Mapping[str, Any]) -> dict[str, Any]:
        try:
            process = self._free.get(timeout=self.timeout_s)
        except queue.Empty:
            raise Refused(503, "too much waits to be checked", retry_after_s=2) from None
        kept: _Process | None = None
        try:
            if process is not None and process.poll() is not None:
                process.end()
                process = None
            process = process or _Process()
            answer = self._ask(process, body, said)
            kept = process
            return answer
        finally:
            if kept is None and process is not None:
                process.end()
            self._free.put(kept)

    def warm(self) -> None:
        """Start a process ahead, so that the first request need not wait for it."""
        process = self._free.get()
        try:
            process = process or _Process()
        finally:
            self._free.put(process)

    def _ask(self, process: _Process, body: bytes, said: Mapping[str, Any]) -> dict[str, Any]:
        until = time.monotonic() + self.timeout_s
        head = json.dumps(said).encode()
        stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        process.show(body)
        _write(stdin, _SIZES.pack(len(head), len(body)) + head, until)
        size, _ = _SIZES.unpack(_exactly(stdout, _SIZES.size, until))
        return cast("dict[str, Any]", json.loads(_exactly(stdout, size, until)))

    def close(self) -> None:
        """End the processes that are free."""
        while True:
            try:
                process = self._free.get_nowait()
            except queue.Empty:
                return
            if process is not None:
                process.end()


class _Process(subprocess.Popen[bytes]):
    """A checking process, and the memory that it shares with this one."""

    def __init__(self) -> None:
        self._shared = os.memfd_create("vedette-body")
        self._size = 0
        super().__init__(
            [sys.executable, "-c", "from vedette.server.ingest.validator import main; main()", str(self._shared)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[self._shared],
        )  # fmt: skip

    def show(self, body: bytes) -> None:
        """Have it see a body; pages beyond what most bodies need are given back."""
        if self._size > max(len(body), _KEPT_BYTES):
            os.ftruncate(self._shared, _KEPT_BYTES)
            self._size = _KEPT_BYTES
        at = 0
        while at < len(body):
            at += os.pwrite(self._shared, memoryview(body)[at:], at)
        self._size = max(self._size, len(body))

    def end(self) -> None:
        """End it, whatever it does."""
        self.kill()
        self.wait()
        os.close(self._shared)
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass  # of what it had not taken yet nothing is needed


def _write(sink: IO[bytes], data: bytes, until: float) -> None:
    """Write all of it, no longer than until then: who reads may have stopped."""
    os.set_blocking(sink.fileno(), False)
    left = memoryview(data)
    while left:
        _, ready, _ = select.select([], [sink], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError("the body was not taken in time")
        left = left[os.write(sink.fileno(), left[: 1 << 20]) :]


def _exactly(source: IO[bytes], n: int, until: float) -> bytes:
    found = bytearray()
    while len(found) < n:
        ready, _, _ = select.select([source], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError("no answer in time")
        piece = os.read(source.fileno(), n - len(found))
        if not piece:
            raise EOFError("the process has ended")
        found += piece
    return bytes(found)

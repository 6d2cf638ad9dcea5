"""The turn of a producer: whoever has it looks at what is known of its numbers and writes, and nobody else does meanwhile.

Within this process a lock of the event loop, between processes a lock on one byte of a file in the folder that they share.
The byte's place is drawn from the producer's name, so that two wait for one another only by chance, and none by name. The
lock belongs to the open file (Linux: "open file description lock"), so that two servers in one process keep each other out
too, and the kernel lets go of it when a process dies.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import struct
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vedette.server.ingest.limits import Refused
from vedette.server.ingest.watermarks import Key

__all__ = ["Turns"]

_LOCKS_MAX = 100_000
_POLL_S = 0.002
_FLOCK = struct.Struct("@hhqqi4x")  # struct flock: type, whence, start, length, pid


class Turns:
    """The turns of all producers of a lake, by model, producer and stream.

    ``wait_s`` is how long another process may have one's turn until it is told to come again.
    """

    def __init__(self, path: Path, wait_s: float = 10.0) -> None:
        self.wait_s = wait_s
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._locks: OrderedDict[Key, asyncio.Lock] = OrderedDict()

    def close(self) -> None:
        """Let go of the file, and of every turn with it."""
        os.close(self._file)

    @asynccontextmanager
    async def of(self, key: Key) -> AsyncIterator[None]:
        """Have a producer's turn. Raises ``Refused`` (503) where another process does not end with it."""
        place = _place(key)
        async with self._own(key):
            until = time.monotonic() + self.wait_s
            while not self._locked(place):
                if time.monotonic() > until:
                    raise Refused(503, "another process takes rows of this producer", retry_after_s=1)
                await asyncio.sleep(_POLL_S)
            try:
                yield
            finally:
                self._ask(fcntl.F_UNLCK, place)

    def _own(self, key: Key) -> asyncio.Lock:
        found = self._locks.pop(key, None) or asyncio.Lock()
        self._locks[key] = found
        while len(self._locks) > _LOCKS_MAX:
            oldest = next(iter(self._locks))
            if self._locks[oldest].locked():
                break
            del self._locks[oldest]
        return found

    def _locked(self, place: int) -> bool:
        try:
            self._ask(fcntl.F_WRLCK, place)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def _ask(self, kind: int, place: int) -> None:
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, place, 1, 0))


def _place(key: Key) -> int:
    digest = hashlib.blake2b("\n".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 2  # the end of what is locked must be a number of 63 bits too

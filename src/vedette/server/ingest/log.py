"""The log that a server keeps of what it has taken: many requests, one sync, then all their answers.

One thread writes. What waits while it syncs is written and synced together next, so that the disk's time is shared by as
many as come. What cannot be written is not answered for.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from vedette.capture.journal import sync
from vedette.capture.shipping.desk import put
from vedette.errors import IngestError, LockedError
from vedette.lake.locks import held, lock
from vedette.lake.received.index import logs_folder
from vedette.lake.received.records import SALT_BYTES, Received, encode
from vedette.lake.tables import Lake

__all__ = ["Log"]

log = logging.getLogger("vedette")

FILE_BYTES = 32 * 2**20
FILE_AGE_S = 30.0
"""A file that is so large or so old is ended, so that it can be deleted once all in it is in the lake."""
NOT_WRITTEN = "could not be written by the server, which answered so"

_TURN_S = 5.0
_RETRY_S = 0.2
_IDENTITY = re.compile(r"[0-9a-f]{8}")


@dataclass(slots=True)
class _Waiting:
    received: Received
    body: bytes
    n: int  # of numbers that the log is to give it; 0 where it has its own
    received_us: int
    done: Future[Received]

    @property
    def size(self) -> int:
        return len(self.body) + 512


class Log:
    """A log in a folder that is this process's own while it lives. ``append`` may be called by any thread.

    ``after`` says which number the log has come to of a producer of its own: it gives the next.
    """

    def __init__(
        self,
        lake: Lake,
        queue_bytes: int,
        after: Callable[[tuple[str, str, str]], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lake, self.queue_bytes = lake, queue_bytes
        self._after, self._clock = after, clock
        self._held = ExitStack()
        self.folder = _claim(logs_folder(lake), self._held)
        self.producer = f"server-{self.folder.name}@{_identity(self.folder)}"
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._changed = threading.Condition()
        self._ending = False
        self._next: dict[tuple[str, str, str], int] = {}
        self._file, self._size, self._opened_at, self._salt = -1, 0, 0.0, b""
        self._path = self.folder
        self._given_up: dict[tuple[str, str, str], Received] = {}
        self.syncs = self.records = 0
        self._thread = threading.Thread(target=self._run, name="vedette-log", daemon=True)
        self._thread.start()

    @property
    def queued_bytes(self) -> int:
        """The bytes that wait to be written."""
        return self._queued

    def others(self) -> dict[str, tuple[int, bool]]:
        """The logs of other processes: by name, when the last process began to have it, and whether it lives.

        Where this is the same as before and none lives, none has written since.
        """
        found = {}
        for one in self.folder.parent.iterdir():
            if one == self.folder:
                continue
            try:
                begun = (one / "lock").stat().st_mtime_ns
            except (FileNotFoundError, NotADirectoryError):
                continue
            found[one.name] = (begun, held(one / "lock"))
        return found

    @property
    def broken(self) -> bool:
        """True where its thread has ended before its time: nothing is taken any more."""
        return not self._ending and not self._thread.is_alive()

    def append(self, received: Received, body: bytes, n: int = 0) -> Future[Received] | None:
        """Write it, with ``n`` numbers of the log's own giving where that is not 0; done once it is on disk.

        None where too much waits already. The future raises ``OSError`` where it could not be written.
        """
        found = self.append_all([(received, body, n)])
        return None if found is None else found[0]

    def append_all(self, ones: Sequence[tuple[Received, bytes, int]]) -> list[Future[Received]] | None:
        """Write several as :meth:`append`, with one sync: all of them, or none."""
        waiting = [_Waiting(*one, round(self._clock() * 1e6), Future()) for one in ones]
        size = sum(one.size for one in waiting)
        if self.broken:
            raise OSError("the log's thread has ended")
        with self._changed:
            if self._ending:
                raise OSError("the server is ending")
            if self._queued and self._queued + size > self.queue_bytes:
                return None
            self._queue.extend(waiting)
            self._queued += size
            self._changed.notify()
        return [one.done for one in waiting]

    def close(self) -> None:
        """Write and sync what waits, and let go of the folder."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        self._close_file()
        self._held.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._queue and not self._ending:
                    self._changed.wait(_TURN_S)
                together = list(self._queue)
                self._queue.clear()
                ending = self._ending
            try:
                if together:
                    self._write(together)
                elif self._old():
                    self._next_file()  # so that this one can be deleted
            except Exception:  # this thread is the only one that writes: it goes on, whatever befell it
                log.exception("the log %s: a turn failed", self.folder)
                for one in together:
                    _fail(one.done, OSError("the log failed"))
            with self._changed:
                self._queued -= sum(one.size for one in together)
            if ending and not together:
                return

    def _old(self) -> bool:
        return self._size > 0 and time.monotonic() - self._opened_at > FILE_AGE_S

    def _write(self, together: list[_Waiting]) -> None:
        """Write and sync; what fails fails for all of them."""
        given = dict(self._next)
        parts: list[bytes] = []
        done: list[tuple[_Waiting, Received]] = []
        try:
            if self._file < 0 or self._size > FILE_BYTES or self._old():
                self._next_file()
            parts += [self._encoded(word, b"", together[0].received_us) for word in self._given_up.values()]
            for waiting in together:
                received = self._numbered(waiting, given)
                try:
                    head = self._encoded(received, waiting.body, waiting.received_us)
                except ValueError as error:  # too much goes with it: that is no fault of the others
                    _fail(waiting.done, OSError(str(error)))
                    continue
                if waiting.n:
                    given[received.key] = received.end
                parts += (head, waiting.body)
                done.append((waiting, received))
            size = sum(len(part) for part in parts)
            _write_all(self._file, parts)
            os.fdatasync(self._file)
        except Exception as error:  # noqa: BLE001 - told to each of those who wait
            log.error("the log %s cannot be written: %s: %s", self.folder, type(error).__name__, error)
            self._give_up(done)
            self._next = given  # what was given out may be on disk: it is not given to others
            if self._file >= 0 and not self._size:
                self._path.unlink(missing_ok=True)  # nothing in it was answered for
            self._close_file()
            time.sleep(_RETRY_S)
            for waiting in together:
                _fail(waiting.done, error if isinstance(error, OSError) else OSError(str(error)))
            return
        self._size += size
        self._next, self._given_up = given, {}
        self.syncs += 1
        self.records += len(done)
        for waiting, received in done:
            if not waiting.done.cancelled():
                waiting.done.set_result(received)

    def _give_up(self, done: list[tuple[_Waiting, Received]]) -> None:
        """Note that the numbers that were given to rows which could not be written stand for no rows: nobody was answered."""
        for waiting, one in done:
            if not waiting.n:
                continue
            before = self._given_up.get(one.key)
            first = one.first if before is None else before.first
            lost = {
                "first": first, "last": one.end - 1, "part": "void", "reason": NOT_WRITTEN,
                "time": waiting.received_us / 1e6,
            }  # fmt: skip
            about = {"version": one.about.get("version", ""), "lost": [lost]}
            self._given_up[one.key] = replace(one, kind="word", first=first, digest="", about=about)

    def _encoded(self, one: Received, body: bytes, received_us: int) -> bytes:
        return encode(one, len(body), zlib.crc32(body), received_us, self._salt)

    def _numbered(self, one: _Waiting, given: dict[tuple[str, str, str], int]) -> Received:
        if not one.n:
            return one.received
        key = one.received.key
        first = given.get(key) or self._after(key) + 1
        return replace(one.received, first=first, end=first + one.n)

    def _next_file(self) -> None:
        """Go on in another file. One that is empty as yet is gone on with."""
        numbers = sorted(int(path.stem) for path in self.folder.glob("*.log"))
        last = self.folder / "last"  # numbers are not used twice, whatever was deleted
        if last.exists() and (text := last.read_text().strip("\0 ")):
            numbers.append(int(text))
        self._close_file()
        number = max(numbers, default=0) + 1
        put(last, str(number).encode(), sync=True)
        path = self.folder / f"{number:012d}.log"
        salt = secrets.token_bytes(SALT_BYTES)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write_all(file, [salt])
            os.fsync(file)
            sync(self.folder)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        self._file, self._salt, self._size, self._opened_at, self._path = (
            file,
            salt,
            0,
            time.monotonic(),
            path,
        )

    def _close_file(self) -> None:
        """Write no more to a file; to one that failed not either: what of it is on disk nobody can say."""
        if self._file >= 0:
            os.close(self._file)
            self._file, self._size = -1, 0


def _fail(future: Future[Received], error: OSError) -> None:
    if not future.done():
        future.set_exception(error)


def _write_all(file: int, parts: list[bytes]) -> None:
    """Write parts, as few calls as may be; a write may take less than it was given."""
    views = deque(memoryview(part) for part in parts if part)
    while views:
        written = os.writev(file, list(views)[:512])
        while views and written >= len(views[0]):
            written -= len(views.popleft())
        if written:
            views[0] = views[0][written:]


def _claim(folder: Path, held_by: ExitStack) -> Path:
    """The first folder that no living process has, locked for as long as ``held_by`` is open."""
    for number in range(1, 10_000):
        path = folder / f"{number:04d}"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            held_by.enter_context(lock(path / "lock"))
        except LockedError:
            continue
        sync(folder)
        return path
    raise IngestError(f"{folder}: 9,999 server processes have a log there already")


def _identity(folder: Path) -> str:
    path = folder / "identity"
    if not path.exists() or not _IDENTITY.fullmatch(path.read_text()):
        put(path, secrets.token_hex(4).encode(), sync=True)
    return path.read_text()

"""Which version answers this request: a hash, a comparison and a look-up, from a file that is mapped."""

from __future__ import annotations

import logging
import mmap
import os
import time
from collections.abc import Collection
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any
from zlib import crc32

from vedette.capture.guard import Guard, can_guard, guard
from vedette.capture.routing.policy import BUCKETS, mixed
from vedette.capture.routing.table import MAGIC, SIZE, held

__all__ = ["Router"]

log = logging.getLogger("vedette")

_LOOK_S = 1.0  # between looks for a file that is not there yet
_GOLDEN = 40_503  # buckets from one request without an identifier to the next: the golden section of them, which is odd


class Router:
    """Picks the version for each request by the policy of a file; a change holds from the next request on.

    It never raises and never waits: where the file is not there, or has no policy that is whole, ``default`` answers, and
    ``problem`` says why. Threads may share one, processes have one each.

    Parameters
    ----------
    path
        The file, as ``write`` makes it. It may come later: until then a look a second is made for it.
    default
        The version that answers where nothing else is said.
    versions
        Those that this process has; to others nothing is sent, ``default`` answers instead, and ``missing`` is the number of
        buckets, of 65,536, of which that is so. All if None.

    Examples
    --------
    >>> import tempfile
    >>> from vedette.capture.routing import Policy, write
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = f"{folder.name}/routing"
    >>> with Router(path, default="3") as router:
    ...     before = router.version("ann")
    ...     _ = write(path, Policy({"3": 0.5, "4": 0.5}))
    ...     answers = [router.look() and router.version(f"user-{number}") for number in range(1000)]
    >>> before, abs(answers.count("4") - 500) < 60
    ('3', True)
    >>> folder.cleanup()
    """

    def __init__(
        self, path: str | os.PathLike[str], *, default: str, versions: Collection[str] | None = None
    ) -> None:
        if versions is not None and default not in versions:
            raise ValueError(f"default={default!r}: must be one of versions={sorted(versions)}")
        self.path, self.default, self.missing = Path(path), default, 0
        self._versions = frozenset(versions) if versions is not None else None
        self._generations: Any = (0, 0)  # the mapped file as numbers of eight bytes
        self._view: mmap.mmap | None = None
        self._guard: Guard | None = None
        self._problem = f"{path}: is not there yet"
        self._looked = 0.0
        self._turn = count(hash((os.getpid(), id(self))) % BUCKETS)  # workers do not start at the same one
        self._take(-1)
        self.look()

    def version(self, identifier: str | None = None) -> str:
        """The version that answers. Without an identifier, or where the policy says ``alternating``, versions take turns.

        An identifier that is no text counts as what ``str`` makes of it.
        """
        if self._generations[1] != self._generation:
            self._follow()
        if identifier is None or not self._sticky:
            return self._buckets[next(self._turn) * _GOLDEN % BUCKETS]
        try:
            code = crc32(identifier.encode())
        except (UnicodeEncodeError, AttributeError):  # a lone surrogate; a number
            code = crc32(str(identifier).encode("utf-8", "surrogatepass"))
        # what policy.bucket says, here for its speed
        return self._buckets[code >> 16 ^ self._mixing[code & 0xFFFF]]

    @property
    def shadow(self) -> tuple[str, ...]:
        """The versions that get a copy of each request."""
        if self._generations[1] != self._generation:
            self._follow()
        return self._shadow

    @property
    def generation(self) -> int:
        """The number of the policy that is followed; 0 where there is none."""
        return max(self._generation, 0)

    @property
    def problem(self) -> str | None:
        """Why ``default`` answers everything; None where a policy is followed."""
        return self._problem or None

    def look(self) -> bool:
        """Map the file if it is there by now; whether it is mapped. Called by itself once a second until it is."""
        if self._view is None:
            self._looked = time.monotonic()
            try:
                view = self._mapped()
            except OSError as error:
                self._problem = f"{self.path}: {error.strerror or error}"
                return False
            if view is None:
                self._problem = f"{self.path}: is no file of routing policies"
                return False
            self._view, self._generations = view, memoryview(view).cast("Q")
            self._follow()
        return True

    def close(self) -> None:
        """Let go of the file; from then on ``default`` answers."""
        view, self._view = self._view, None
        generations, self._generations = self._generations, (0, 0)
        self._take(0)
        self._problem = "the router is closed"
        if view is not None:
            generations.release()
            if self._guard is not None:
                self._guard.release()
            view.close()

    def __enter__(self) -> Router:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _mapped(self) -> mmap.mmap | None:
        """The file, guarded where it may be written to: whoever cuts it off would end the process that reads it."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            guarded = can_guard()
        except PermissionError:
            descriptor, guarded = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC), False
        try:
            if os.fstat(descriptor).st_size != SIZE or os.pread(descriptor, len(MAGIC), 0) != MAGIC:
                return None
            view = mmap.mmap(descriptor, SIZE, prot=mmap.PROT_READ | (mmap.PROT_WRITE if guarded else 0))
        finally:
            os.close(descriptor)
        if guarded:
            self._guard = guard(view)
        return view

    def _follow(self) -> None:
        """Take the policy that holds now."""
        if self._view is None:
            if time.monotonic() - self._looked >= _LOOK_S:
                self.look()
            return
        generation = int(self._generations[1])
        found = held(self._view)
        if found is None:
            self._take(generation)
            self._problem = f"{self.path}: has no policy that is whole"
            log.warning("vedette: %s; version %s answers", self._problem, self.default)
            return
        known = self._versions
        buckets = [
            version if known is None or version in known else self.default for version in found.buckets
        ]
        self.missing = sum(one != other for one, other in zip(buckets, found.buckets, strict=True))
        shadow = tuple(version for version in found.policy.shadow if known is None or version in known)
        # the generation last: a thread that sees it has the rest
        self._buckets, self._mixing, self._shadow = buckets, mixed(found.policy.salt), shadow
        self._sticky, self._problem = found.policy.mode == "sticky", ""
        self._generation = found.generation
        log.info("vedette: %s: policy %d holds: %s", self.path, found.generation, dict(found.policy.shares))

    def _take(self, generation: int) -> None:
        self._buckets, self._shadow, self._sticky = [self.default] * BUCKETS, (), True
        self._mixing = mixed("")
        self._generation = generation

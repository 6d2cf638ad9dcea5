"""A preallocated file and the ways to write into it: mapped and guarded, or a ``write`` for each piece.

Both take ``target[start:stop] = data`` and give it back, so that who writes need not know which it is.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Any

from vedette.capture.core import core
from vedette.capture.guard import Guard, can_guard, guard, populate
from vedette.capture.guard import sync as sync_pages

__all__ = ["PreparedFile", "can_be_mapped", "file_of_core", "write_all"]

# A store to a mapped page that the disk cannot back is a SIGBUS: only file systems whose preallocated blocks are
# written in place are mapped. Copy-on-write and network file systems get a write() a row.
_MAPPED_FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs", "f2fs", "overlay"})


class _Written:
    """A file behind the operations of a map that a writer needs, for where it cannot be mapped."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = os.dup(descriptor)

    def __setitem__(self, place: slice, data: bytes) -> None:
        write_all(self.descriptor, data, place.start)

    def __getitem__(self, place: slice) -> bytes:
        return os.pread(self.descriptor, place.stop - place.start, place.start)

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = close


def file_of_core(path: Path, size: int, head: bytes) -> Any:
    """A file that the core is to make."""
    return core.Map(_fresh(path), path, size, head)


def _fresh(path: Path) -> Path:
    """The name of a file that has nothing in it yet."""
    return path.with_name(path.name + ".tmp")


class PreparedFile:
    """A new file with all its blocks, which gets its name once its first bytes are there.

    ``target`` is what to write into; ``broken`` is true once a store did not reach the file. ``made`` is the file where it
    is there already. Raises ``OSError`` where there is no room for it.
    """

    guard: Guard | None = None  # until there is one, also where its making is interrupted
    descriptor = -1
    _map: Any = None

    def __init__(self, path: Path, size: int, head: bytes, *, mapped: bool, made: Any = None) -> None:
        self.path, self.size = path, size
        self.target: Any = None
        if mapped and core is not None:
            if made is None:
                made = file_of_core(path, size, head)
                core.make((made,), False)
            self._map = made
            self.target, self.descriptor = memoryview(self._map), self._map.descriptor
            self.guard = guard(self.target)
            return
        self._make(_fresh(path), head, mapped=mapped)

    def _make(self, fresh: Path, head: bytes, *, mapped: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self.descriptor = os.open(fresh, flags, 0o600)
        try:
            _allocate(self.descriptor, self.size)
            write_all(self.descriptor, head, 0)
            if mapped:
                self.target = mmap.mmap(self.descriptor, self.size, flags=mmap.MAP_SHARED)
                self.guard = guard(self.target)
            else:
                self.target = _Written(self.descriptor)
            fresh.rename(self.path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            self.close()
            raise

    @property
    def broken(self) -> bool:
        """True once a store did not reach the file."""
        return self.guard is not None and self.guard.broken

    @property
    def intact(self) -> bool:
        """False where another process has deleted the file or cut it off: what is written goes nowhere."""
        found = os.fstat(self.descriptor)
        return found.st_nlink > 0 and found.st_size >= self.size and not self.broken

    def populate(self, start: int, length: int) -> None:
        """Fault pages in ahead of their use; a kernel that cannot leaves that to the stores."""
        if self.guard is not None:
            populate(self.target, start, length)

    def cut(self, n_bytes: int) -> None:
        """Give back the room behind the first ``n_bytes``."""
        self.size = min(self.size, n_bytes)
        os.ftruncate(self.descriptor, self.size)

    def sync(self, start: int = 0, end: int | None = None) -> None:
        """Put the file, or its bytes from ``start`` to ``end``, on disk.

        A part is put there without the pages behind it, which wait for rows and would have to be faulted in again.
        Raises ``OSError``; after one the file must not be taken as safe.
        """
        if end is None or self.guard is None:
            os.fdatasync(self.descriptor)
        else:
            sync_pages(self.target, start, end)

    def rewrite(self, n_bytes: int) -> None:
        """Put the first ``n_bytes`` into a new file in this one's place, and that on disk.

        For a file that could not be synced: the system may take its pages as clean then, and forget them.
        """
        fresh = _fresh(self.path)
        fresh.unlink(missing_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(fresh, flags, 0o600)
        try:
            write_all(descriptor, self.target[0:n_bytes], 0)
            os.fsync(descriptor)
            fresh.rename(self.path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let the file go; a piece that is written later fails with ``ValueError`` or ``OSError``."""
        if self.guard is not None:
            self.guard.release()
        try:
            if isinstance(self.target, memoryview):
                self.target.release()
            elif self.target is not None:
                self.target.close()
        except BufferError:
            pass  # a thread that a fork has left behind still looks at it: unmapped with the last reference
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if self._map is not None:
            self._map.close_descriptor()
        elif descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        # the map itself goes with its last reference: a thread may be about to write into a slot that it has taken
        if self.guard is not None:
            self.guard.release()
        self._close_descriptor()


def can_be_mapped(folder: Path) -> bool:
    """True where the file system is known to write preallocated blocks in place, and a SIGBUS can be caught."""
    if not hasattr(os, "posix_fallocate") or not can_guard():
        return False
    device = folder.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False
    for line in mounts:
        mount, _, kind = line.partition(" - ")
        if mount.split(" ")[2] == name:
            return kind.split(" ")[0] in _MAPPED_FILE_SYSTEMS
    return False


def _allocate(descriptor: int, n_bytes: int) -> None:
    """Give a file all its blocks. Raises ``OSError`` where there is no room for them."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, n_bytes)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
                raise
    for at in range(0, n_bytes, 2**20):
        write_all(descriptor, bytes(min(2**20, n_bytes - at)), at)


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write it all or raise: the system may take a part where the disk is nearly full."""
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        n = os.pwrite(descriptor, data[written:], offset + written)
        if n == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += n

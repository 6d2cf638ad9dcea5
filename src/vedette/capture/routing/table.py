"""The file that a policy lies in: two places for one, and a number that says which holds.

::

    0     8  VDTROUT1
    8     8  generation: the policy is in place generation % 2
    4096     place 0: length (4), CRC-32 (4), then UTF-8 JSON, a zero byte, and the version's number of each of 65,536 buckets
    102400   place 1

Integers are little-endian, a place has 96 KiB. Who writes takes the lock of the file, fills the place that does not hold, and
then stores the number: a reader sees the policy of before or the one of after, whenever the writer dies. The file is never
replaced, so that who has mapped it goes on seeing it.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import zlib
from pathlib import Path
from struct import Struct

from vedette.capture.folder import sync_folder
from vedette.capture.routing.policy import BUCKETS, Policy, assigned
from vedette.errors import ConfigError

__all__ = ["SIZE", "Held", "held", "read", "write"]

MAGIC = b"VDTROUT1"
SIZE = 4096 + 2 * 98304
_PLACES = (4096, 4096 + 98304)
_PLACE_BYTES = 98304
_GENERATION = Struct("<Q")
_PLACE = Struct("<II")


class Held:
    """What a file says at one generation: the policy, and the version of each bucket."""

    __slots__ = ("buckets", "generation", "policy")

    def __init__(self, generation: int, policy: Policy, buckets: list[str]) -> None:
        self.generation, self.policy, self.buckets = generation, policy, buckets


def write(path: str | os.PathLike[str], policy: Policy) -> int:
    """Make ``policy`` the one that holds, for every router that reads ``path``; on disk when this returns its generation.

    The file is made where there is none, in a folder that is there. Of the identifiers that were answered before as few as
    possible change their version, unless the salt is another. Raises ``ConfigError`` where the file is not one of policies, or
    the policy does not fit.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = write(f"{folder}/routing", Policy({"3": 1.0}))
    ...     second = write(f"{folder}/routing", Policy({"3": 0.95, "4": 0.05}))
    ...     first, second, dict(read(f"{folder}/routing").shares)
    (1, 2, {'3': 0.95, '4': 0.05})
    """
    path = Path(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_size == 0 or _begun(descriptor):
            os.posix_fallocate(descriptor, 0, SIZE)
            os.pwrite(descriptor, MAGIC, 0)
            sync_folder(path.parent)
        with mmap.mmap(descriptor, _checked(path, descriptor)) as view:
            before = held(view)
            keep = before.buckets if before is not None and before.policy.salt == policy.salt else []
            data = _encoded(policy, assigned(policy, keep))
            generation = _GENERATION.unpack_from(view, 8)[0] + 1
            at = _PLACES[generation % 2]
            view[at : at + len(data)] = data
            view.flush()
            memoryview(view).cast("Q")[1] = generation  # one store
            view.flush()
    finally:
        os.close(descriptor)
    return int(generation)


def read(path: str | os.PathLike[str]) -> Policy:
    """The policy that holds; ``ConfigError`` where the file has none that is whole, ``FileNotFoundError`` without a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with mmap.mmap(descriptor, _checked(Path(path), descriptor), prot=mmap.PROT_READ) as view:
            found = held(view)
    finally:
        os.close(descriptor)
    if found is None:
        raise ConfigError(f"{path}: has no policy that is whole; write one")
    return found.policy


def held(view: mmap.mmap) -> Held | None:
    """What holds now; None where nothing does, or what is there is not whole."""
    for _ in range(100):
        generation = int(_GENERATION.unpack_from(view, 8)[0])
        if not generation:
            return None
        found = _decoded(generation, bytes(view[_PLACES[generation % 2] :][:_PLACE_BYTES]))
        if generation == _GENERATION.unpack_from(view, 8)[0]:  # else it was written over meanwhile
            return found
    return None


def _begun(descriptor: int) -> bool:
    """True for a file whose first writer died before it was one."""
    return os.fstat(descriptor).st_size <= SIZE and not any(os.pread(descriptor, SIZE, 0))


def _checked(path: Path, descriptor: int) -> int:
    size = os.fstat(descriptor).st_size
    if size != SIZE or os.pread(descriptor, len(MAGIC), 0) != MAGIC:
        raise ConfigError(f"{path}: is no file of routing policies ({size} bytes)")
    return size


def _encoded(policy: Policy, buckets: list[str]) -> bytes:
    versions = list(dict.fromkeys(buckets))
    numbers = {version: number for number, version in enumerate(versions)}
    text = json.dumps(
        {
            "shares": dict(policy.shares),
            "shadow": list(policy.shadow),
            "mode": policy.mode,
            "salt": policy.salt,
            "versions": versions,
        }
    ).encode()
    data = text + b"\0" + bytes(numbers[version] for version in buckets)
    if len(data) + _PLACE.size > _PLACE_BYTES:
        raise ConfigError(
            f"a policy of {len(data)} bytes: must be at most {_PLACE_BYTES - _PLACE.size}; fewer versions"
        )
    return _PLACE.pack(len(data), zlib.crc32(data)) + data


def _decoded(generation: int, place: bytes) -> Held | None:
    size, check = _PLACE.unpack_from(place)
    data = place[_PLACE.size : _PLACE.size + size]
    if len(data) != size or zlib.crc32(data) != check:
        return None
    text, _, numbers = data.partition(b"\0")
    said = json.loads(text)
    policy = Policy(said["shares"], tuple(said["shadow"]), said["mode"], said["salt"])
    versions = said["versions"]
    return Held(generation, policy, [versions[number] for number in numbers[:BUCKETS]])

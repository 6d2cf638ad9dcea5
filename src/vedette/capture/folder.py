"""What lies in a producer's folder: names of files, heads and ends of segments, and the lock; standard library only."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

from vedette.capture.format import SEAL_AT, STREAMS, Header, seal_bytes
from vedette.errors import JournalError

__all__ = [
    "SegmentFile",
    "batch_files",
    "create_folder",
    "folder_number",
    "is_alive",
    "journal_bytes",
    "last_end",
    "read_header",
    "seal_file",
    "segment_files",
    "sync_folder",
    "take_lock",
    "unlink_segment",
    "unopened",
]

_FOLDER = re.compile(r"(\d{4,})-[0-9a-f]{8}")
_SEGMENT = re.compile(r"(predictions|labels)-(\d{16})-[0-9a-f]{6}\.seg")
_BATCH = re.compile(r"batch-(\d{12,})\.(predictions|labels|reference)\.(\d+)\.([0-9a-f]{8})\.arrow")
_HEADER_BYTES_USUAL, _HEADER_BYTES_MAX = 32_768, 2**22


@dataclass(frozen=True, slots=True, order=True)
class SegmentFile:
    """A segment by its name: the first sequence, and where it lies."""

    first: int
    path: Path


def folder_number(name: str) -> int | None:
    """The number of a producer's folder, or None where the name is none of ours."""
    match = _FOLDER.fullmatch(name)
    return int(match[1]) if match else None


def segment_files(folder: Path, stream: str) -> list[SegmentFile]:
    """The segments of a stream, in the order of their sequences."""
    matches = (_SEGMENT.fullmatch(name) for name in os.listdir(folder))
    return sorted(SegmentFile(int(m[2]), folder / m[0]) for m in matches if m and m[1] == stream)


def batch_files(folder: Path) -> list[tuple[int, str, int, int, Path]]:
    """Number, stream, rows, checksum and path of the batches, in the order of their numbers."""
    matches = (_BATCH.fullmatch(name) for name in os.listdir(folder))
    return sorted((int(m[1]), m[2], int(m[3]), int(m[4], 16), folder / m[0]) for m in matches if m)


def read_header(file: SegmentFile) -> Header:
    """Return the header of a segment. Raises ``JournalError`` where it is damaged or not what the name says."""
    with file.path.open("rb") as stream:
        data = stream.read(_HEADER_BYTES_USUAL)
        try:
            header = Header.decode(data)
        except JournalError:
            data += stream.read(_HEADER_BYTES_MAX)  # a very wide layout, or the second copy of one
            header = Header.decode(data)
    if header.first != file.first or not file.path.name.startswith(header.stream):
        raise JournalError(f"holds {header.stream} from {header.first}, which is not what its name says")
    return header


def unopened(file: SegmentFile) -> bool:
    """True for a segment that was made ahead of its use and has had none. Raises ``OSError``."""
    try:
        return not read_header(file).opened
    except JournalError:
        return False


def last_end(file: SegmentFile, header: Header) -> int:
    """Return the end of a segment's rows: the sealed end, else one more than the last sequence found in a slot.

    A slot counts from its first bytes: a row that a kill cut in two is torn, not absent.
    """
    if header.end is not None:
        return header.end
    with file.path.open("rb") as stream:
        stream.seek(header.header_bytes)
        data = stream.read(header.capacity * header.slot_bytes)
    data = data[: len(data) // header.slot_bytes * header.slot_bytes]
    words, step = memoryview(data).cast("Q"), header.slot_bytes // 8
    leads, trails = words[::step].tolist() if data else [], words[step - 1 :: step].tolist() if data else []
    for index in range(len(leads) - 1, -1, -1):
        if header.first + index in (leads[index], trails[index]):
            return header.first + index + 1
    return header.first


def seal_file(file: SegmentFile, header: Header, end: int) -> None:
    """Mark a dead producer's segment as ended; one without rows is deleted. The folder's lock must be held."""
    if end == header.first:
        unlink_segment(file)
        return
    mark = seal_bytes(end)
    descriptor = os.open(file.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        for at in (SEAL_AT, header.header_bytes // 2 + SEAL_AT):
            os.pwrite(descriptor, mark, at)
    finally:
        os.close(descriptor)


def unlink_segment(file: SegmentFile) -> None:
    """Delete a segment and its texts."""
    file.path.unlink(missing_ok=True)
    file.path.with_suffix(".txt").unlink(missing_ok=True)


def create_folder(path: Path) -> None:
    """Make a folder that only its owner can read; refuse a symbolic link in its place. Raises ``OSError``."""
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink():
        raise OSError(f"{path}: a symbolic link stands in the place of a journal's folder")


def take_lock(folder: Path) -> int | None:
    """Take the lock of a producer's folder and return its descriptor; None where a living process has it."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_alive(folder: Path) -> bool:
    """True while a living process holds the folder's lock."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (
            errno.ENOENT,
            errno.ELOOP,
        ):  # none, or a link in its place, which no process of ours holds
            return False
        raise
    try:
        # shared, so that two readers who ask at the same time do not take each other for the producer
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def journal_bytes(root: Path) -> int:
    """The bytes that a journal takes, all models and producers together."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size  # noqa: PTH116, PTH118 - half the time of Path
            except OSError:
                pass  # freed by the reader meanwhile
    return total


def sync_folder(path: Path) -> None:
    """Put a folder's names on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


assert STREAMS == ("predictions", "labels")  # the patterns above name them

"""What a journal's sender and those who record into it leave for each other, in files: ``<journal>/.sender``.

``lock``
    is held by the one process that ships this journal.
``requests/``
    has an empty file, ``<time>-<random>-<model>``, for each ``flush`` that waits. A round of the sender lists them first and,
    once all that the journal held then is acknowledged, deletes them; or it leaves ``<name>.error`` with the reason.
``status.json``
    says how shipping goes.
``acknowledged.json``
    has the highest sequence of each stream that a server ever acknowledged: rows that are gone because of that are not torn.
``aside/``
    has what the server refused, each with its reason (``letters.py``).
``log``
    has what the sender's process says.

``<journal>/identity`` names the journal for ever: producers' folders are numbered within it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vedette.capture.folder import create_folder, is_alive, sync_folder, take_lock
from vedette.capture.journal import models
from vedette.errors import JournalError
from vedette.records import is_model_name

__all__ = ["Desk", "Request", "Status", "put"]

_IDENTITY = re.compile(r"[0-9a-f]{32}")
_STALE_S = 86_400.0  # who asked so long ago is gone


@dataclass(frozen=True, slots=True)
class Status:
    """How shipping goes: ``working``, ``waiting`` for a server that does not answer as it should, or ``stopped``, and why.

    ``since`` is when that began, in seconds since 1970-01-01 UTC.
    """

    state: str = "working"
    why: str = ""
    since: float = 0.0
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody waits until all that the journal holds of a model is acknowledged."""

    name: str
    model: str


class Desk:
    """The folder ``.sender`` of a journal."""

    def __init__(self, journal: Path) -> None:
        self.journal, self.path = journal, journal / ".sender"
        self._requests = self.path / "requests"

    def open(self) -> None:
        """Make the folders that are not there yet. Raises ``OSError``."""
        self.journal.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_folder(self.path)
        create_folder(self._requests)

    def identity(self) -> str:
        """The name of the journal, 32 hexadecimal digits, given once. Raises ``OSError``, ``JournalError``."""
        path = self.journal / "identity"
        if not path.exists():
            fresh = path.with_name(f"identity.{uuid.uuid4().hex}.tmp")
            try:
                put(fresh, uuid.uuid4().hex.encode(), sync=True)
                with contextlib.suppress(
                    FileExistsError
                ):  # another process was first: its name is the journal's
                    os.link(fresh, path)
            finally:
                fresh.unlink(missing_ok=True)
            sync_folder(self.journal)
        name = path.read_text("ascii", "replace").strip()
        if not _IDENTITY.fullmatch(name):
            raise JournalError(
                f"{path}: holds {name[:40]!r}: must be 32 hexadecimal digits; restore it, or move the journal away"
            )
        return name

    def take(self) -> int | None:
        """Become the journal's sender: the lock's descriptor, None where another process is. Raises ``OSError``."""
        self.open()
        return take_lock(self.path)

    @property
    def held(self) -> bool:
        """True while somebody ships this journal."""
        return is_alive(self.path)

    @property
    def models(self) -> list[str]:
        """The models of which anything was ever recorded."""
        return [name for name in models(self.journal) if is_model_name(name)]

    # --- requests -----------------------------------------------------------------------------------------------

    def ask(self, model: str) -> Request:
        """Leave a request. Raises ``OSError``."""
        self.open()
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}-{model}"
        (self._requests / name).touch(mode=0o600)
        return Request(name, model)

    def waits(self, request: Request) -> bool:
        """True while a request was not answered."""
        return (self._requests / request.name).exists()

    def pending(self) -> list[Request]:
        """The requests that wait, the oldest first."""
        try:
            names = sorted(os.listdir(self._requests))
        except FileNotFoundError:
            return []
        parts = [(name, name.split("-", 2)) for name in names if not name.endswith(".error")]
        return [Request(name, part[2]) for name, part in parts if len(part) == 3 and is_model_name(part[2])]

    def serve(self, request: Request, error: str | None = None) -> None:
        """Answer a request: all is acknowledged, or why it will not be."""
        path = self._requests / request.name
        if error is not None:
            put(path.with_name(f"{request.name}.error"), error.encode())
        path.unlink(missing_ok=True)

    def withdraw(self, request: Request) -> None:
        """Wait no longer."""
        (self._requests / request.name).unlink(missing_ok=True)

    def answer(self, request: Request) -> str | None:
        """Why a request that waits no more was refused; None where it was served."""
        path = self._requests / f"{request.name}.error"
        try:
            error = path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return None
        path.unlink(missing_ok=True)
        return error

    def tidy(self) -> None:
        """Delete what those who are long gone left behind."""
        now = time.time()
        for entry in os.scandir(self._requests):
            with contextlib.suppress(FileNotFoundError):
                if now - entry.stat().st_mtime > _STALE_S:
                    Path(entry.path).unlink(missing_ok=True)

    # --- what the sender says -----------------------------------------------------------------------------------

    def say(self, status: Status) -> None:
        """Leave word of how shipping goes. Raises ``OSError``."""
        put(self.path / "status.json", json.dumps(asdict(status)).encode())

    def status(self) -> Status | None:
        """The last word of a sender, None where there is none."""
        document = _read(self.path / "status.json")
        try:
            return Status(**document) if document else None
        except TypeError:
            return None  # that of another version of vedette

    def acknowledged(self) -> dict[str, int]:
        """The highest sequence that a server acknowledged, by ``model/producer/stream``."""
        found = _read(self.path / "acknowledged.json")
        return {key: value for key, value in found.items() if isinstance(value, int)}

    def acknowledge(self, marks: Mapping[str, int]) -> None:
        """Write down what is acknowledged. Raises ``OSError``."""
        put(self.path / "acknowledged.json", json.dumps(marks).encode())


def _read(path: Path) -> dict[str, Any]:
    """The JSON object of a file; empty where there is none."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def put(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Put a file in its place, whole or not at all; with ``sync`` it is on disk then. Raises ``OSError``."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(descriptor)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise

"""How a process asks the lake's one ingester for a round, and waits for it.

A request is an empty file in ``<journal>/.requests``, named ``<time>-<random>-<model>``. A round begins by listing
them and ends by deleting those it listed (or by leaving ``<name>.error`` with the reason), so a request that is gone
was served by a round that began after it was made. ``ensure`` starts an ingester where none runs.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path

from vedette.errors import IngestError, LakeError
from vedette.lake.locks import held
from vedette.lake.tables import Lake

__all__ = ["alive", "ask", "ensure", "follower_lock", "model_of", "pending", "refuse", "serve", "work_lock"]

IDLE_EXIT_S = 20.0
"""An ingester that a ``flush`` started ends after so long without rows or requests."""

_POLL_S = 0.005

_children: list[int] = []  # ingesters that this process started, until they are reaped


def follower_lock(lake: Lake) -> Path:
    """Held for life by a process that follows the journals."""
    return lake.journal / ".follow.lock"


def work_lock(lake: Lake) -> Path:
    """Held by whoever writes the lake, for one round."""
    return lake.journal / ".ingest.lock"


def _folder(lake: Lake) -> Path:
    return lake.journal / ".requests"


def pending(lake: Lake) -> list[str]:
    """The requests that wait."""
    folder = _folder(lake)
    return (
        sorted(entry.name for entry in folder.iterdir() if not entry.name.endswith(".error"))
        if folder.is_dir()
        else []
    )


def serve(lake: Lake, names: list[str]) -> None:
    """Say that these requests are done."""
    for name in names:
        (_folder(lake) / name).unlink(missing_ok=True)


def refuse(lake: Lake, names: list[str], reason: str) -> None:
    """Say that these requests failed, and why."""
    for name in names:
        folder = _folder(lake)
        (folder / f"{name}.tmp.error").write_text(reason, "utf-8")
        (folder / f"{name}.tmp.error").replace(folder / f"{name}.error")
    serve(lake, names)


def ensure(lake: Lake, *, idle_exit_s: float = IDLE_EXIT_S, owned: bool = False) -> int | None:
    """Start an ingester of this lake in a process of its own, unless one follows already; returns the process, if any.

    One that is ``owned`` ends with this process, however that ends; others go on until they are idle.
    """
    if held(follower_lock(lake)):
        return None
    command = [sys.executable, "-m", "vedette", "ingest", "--follow"]
    command += ["--lake", str(lake.path), "--idle-exit-s", str(idle_exit_s)]
    command += ["--owner", str(os.getpid())] if owned else []
    log = str(lake.journal / ".ingest.log")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    child = os.posix_spawn(
        sys.executable,
        command,
        {**os.environ, "POLARS_MAX_THREADS": os.environ.get("POLARS_MAX_THREADS", "2")},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, log, flags, 0o600),
        ],
        setsid=True,  # a Ctrl-C in the model's terminal is not meant for it
    )
    _children.append(child)
    _children[:] = [one for one in _children if not _ended(one)]
    return child


def alive(child: int) -> bool:
    """Whether an ingester that ``ensure`` started in this process still runs."""
    if child in _children and _ended(child):
        _children.remove(child)
    return child in _children


def _ended(child: int) -> bool:
    """Reap a child that has ended."""
    try:
        return os.waitpid(child, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True  # somebody else in this process reaped it


def model_of(name: str) -> str:
    """The model that a request is for."""
    return name.split("-", 2)[2]


def ask(lake: Lake, model: str, *, timeout_s: float) -> None:
    """Return once a whole round has begun and ended since the call; ``IngestError`` where none does in time."""
    folder = _folder(lake)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}-{model}"
        request = folder / name
        request.touch()
    except OSError as error:
        raise LakeError(
            f"lake {lake.path}: cannot be written: {error.strerror}; the folder must be writable"
        ) from error
    failure = folder / f"{name}.error"
    deadline = time.monotonic() + timeout_s
    asked = -1e9
    while request.exists():
        now = time.monotonic()
        if now > deadline:
            request.unlink(missing_ok=True)
            raise IngestError(
                f"no ingester served lake {lake.path} within {timeout_s:.0f} s; see {lake.journal / '.ingest.log'}"
            )
        if now - asked > 3.0:  # a start takes about a second; one that died is started again
            ensure(lake)
            asked = now
        time.sleep(_POLL_S)
    if failure.exists():
        reason = failure.read_text("utf-8")
        failure.unlink(missing_ok=True)
        raise IngestError(
            f"the ingester of lake {lake.path} failed: {reason}; what was recorded is still in the journal"
        )

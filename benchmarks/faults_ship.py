"""The sender among the trials of failing calls: a server that keeps what it is given, and what it has then, as an account."""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the server is that of the tests

import pyarrow as pa
from tests.servers import Running, serve

from faults_rows import BATCH_ROWS, MODEL, Account
from vedette.capture import producers
from vedette.capture.format import STREAMS
from vedette.capture.shipping.delivery import Again, Stopped
from vedette.capture.shipping.desk import Desk
from vedette.capture.shipping.sender import Sender
from vedette.capture.shipping.transport import Client
from vedette.config import ServerSettings
from vedette.errors import JournalError

__all__ = ["account_of", "arrow_batch", "serving", "ship", "ship_all"]

_ROUNDS = 8
_OWN = {"id", "time", "received", "version", "_sequence", "_settings"}


@contextmanager
def serving() -> Iterator[Running]:
    """A server for the processes of one trial."""
    with serve() as running:
        yield running


def arrow_batch(worker: str, k: int) -> bytes:
    """A batch that says whose it is, and that a server takes."""
    table = pa.table({"id": [f"{worker}.{k}"] * BATCH_ROWS, "version": ["1"] * BATCH_ROWS})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


class _Shipping:
    """A sender at work on a journal, as its process has it."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url
        self.client = Client(url, lambda: ServerSettings(connect_timeout_s=5.0, timeout_s=5.0))
        self.sender: Sender | None = None
        self._lock: int | None = None

    def close(self) -> None:
        """End, as its process would."""
        self.client.close()
        if self._lock is not None:
            os.close(self._lock)

    def rounds(self) -> str | None:
        """Go round a few times, without the waits between; why it is not done, None where it is."""
        why: str | None = "not begun"
        for _ in range(_ROUNDS):
            try:
                if self.sender is None:
                    desk = Desk(self.root)
                    self._lock = desk.take() if self._lock is None else self._lock
                    if self._lock is None:
                        return "another process has the lock"
                    desk.tidy()
                    self.sender = Sender(desk, self.client)
                for flow in self.sender._flows.values():
                    flow.ready_at = 0.0
                self.sender._stopped.clear()
                found = self.sender.round()
            except (
                Again,
                Stopped,
                OSError,
                JournalError,
            ) as error:  # what a sender's process stands, and says
                why = f"{type(error).__name__}: {error}"
                continue
            why = "; ".join(found.behind.values()) or ("there is more" if found.more else None)
            if why is None:
                break
        return why


def ship(root: Path, url: str, disarm: Any) -> list[str]:
    """Ship with a fault, and go on without it in the same process; what was amiss."""
    shipping = _Shipping(root, url)
    shipping.rounds()
    disarm()
    why = shipping.rounds()
    shipping.close()
    return [] if why is None else [f"a sender does not go on after the fault: {why}"]


def ship_all(root: Path, url: str) -> list[str]:
    """Ship what there is, as another process would; what was amiss."""
    shipping = _Shipping(root, url)
    why = shipping.rounds()
    shipping.close()
    return [] if why is None else [f"another sender does not ship the rest: {why}"]


def account_of(running: Running, root: Path) -> Account:
    """What the server has, as if it had been read from the journal; and what the journal still has, which is amiss."""
    account, store = Account(), running.store
    for stream in STREAMS:
        rows = store.all_rows(stream)
        names = Counter(row["id"] for row in rows)
        account.doubled += [f"{stream} {name}" for name, n in names.items() if n > 1 or name is None]
        known: dict[str, Any] = account.rows if stream == "predictions" else account.labels
        for row in rows:
            values = {
                name.partition("__")[0]: value
                for name, value in row.items()
                if name not in _OWN and value is not None
            }
            known[row["id"]] = values if stream == "predictions" else values.get("label")
        counts = account.counts[stream]
        counts["rows"] += len(rows)
        for part in ("torn", "void", "set_aside"):
            counts[part] += sum(told.get(part, 0) for key, told in store.counts.items() if key[2] == stream)
        for (part, _), n in store.counted(stream).items():
            counts[part] += n
    for (_, producer), batches in store.batches.items():
        numbers = [number for _, number, _ in batches]
        account.doubled += [f"batch {producer} {n}" for n, times in Counter(numbers).items() if times > 1]
        for stream, _, table in batches:
            worker, k = table["id"][0].as_py().split(".")
            account.batches.add((worker, int(k)))
            account.counts[stream]["batches"] += table.num_rows
    for folder in producers(root, MODEL):
        for stream in STREAMS:
            left = sum(len(chunk.ids) for chunk in folder.read(stream, 0))
            account.unaccounted += left  # all was acknowledged, so that all should be freed
        account.unaccounted += len(folder.batches(0))
    return account

"""What the trials of faults log, and how a journal is compared with what had returned.

A worker is a thread that does one thing after the other, numbered from 1: :func:`perform` does the ``k``-th, whose kind
and values follow from ``k`` alone, so that how far each worker came is all that must survive it. Types change,
columns appear, texts and ids are short and long, old and new; there are labels, batches, and rows that are refused and
sampled out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.capture import ProducerFolder, Recorder, producers
from vedette.capture.format import STREAMS

__all__ = ["BATCH_ROWS", "MODEL", "Account", "Reading", "adds", "json_batch", "kind", "perform", "total"]

MODEL = "faults"
BATCH_ROWS = 4


def kind(k: int) -> str:
    """What a worker does in its step ``k``."""
    if k % 997 == 100:
        return "batch"
    for divisor, name in ((53, "rejected"), (59, "sampled out"), (5, "label")):
        if k % divisor == 0:
            return name
    return "row"


ADDS = {
    "row": ("predictions", 1),
    "label": ("labels", 1),
    "batch": ("predictions", BATCH_ROWS),
    "rejected": ("predictions", 1),
    "sampled out": ("predictions", 2),
}


def adds(k: int) -> tuple[str, int]:
    """The stream of step ``k``, and how many rows it adds to what that stream has seen."""
    return ADDS[kind(k)]


_totals: dict[str, list[int]] = {stream: [0] for stream in STREAMS}


def total(stream: str, k: int) -> int:
    """The rows that a worker's first ``k`` steps have shown to a stream."""
    while len(_totals[stream]) <= k:
        to, n = adds(len(_totals[stream]))
        _totals[stream].append(_totals[stream][-1] + n * (to == stream))
    return _totals[stream][k]


def name_of(worker: str, k: int) -> str:
    """The id of step ``k``; every eleventh has no room in its slot."""
    return f"{worker}.{k}" if k % 11 else f"{worker}.{k}".ljust(50, "x")


def features(k: int) -> dict[str, Any]:
    """The features of step ``k``: an integer among floats, texts that come back and texts that do not, new columns."""
    row: dict[str, Any] = {
        "i": k if k % 97 == 0 else float(k),
        "text": f"t{k % 300}" if k % 7 else f"only {k}",
    }
    if k % 13 == 0:
        row["raw"] = b"%d" % k
    if k > 200:
        row[f"new{min(k // 200, 3)}"] = k % 2 == 0
    return row


def expected(k: int) -> dict[str, Any]:
    """The columns that step ``k`` reads back as."""
    return {**features(k), "prediction": k % 2, "probability": 0.5}


def label(k: int) -> int | str:
    """The label of step ``k``, of one type or another."""
    return k % 3 if k % 2 else f"class {k % 3}"


def json_batch(worker: str, k: int) -> bytes:
    """A batch that says whose it is."""
    return json.dumps([worker, k]).encode()


def perform(recorder: Recorder, worker: str, k: int, batch: Callable[[str, int], bytes] = json_batch) -> None:
    """Do step ``k`` of a worker; ``batch`` gives the bytes of a batch."""
    match kind(k):
        case "row":
            recorder.log(features(k), k % 2, probability=0.5, id=name_of(worker, k))
        case "label":
            recorder.label(name_of(worker, k), label(k))
        case "batch":
            content = batch(worker, k)
            recorder.write_batch("predictions", BATCH_ROWS, lambda path: path.write_bytes(content) and None)
        case "rejected":
            recorder.log({"i": []})
        case "sampled out":
            recorder.sample_out("predictions", 2)


@dataclass
class Account:
    """What was found in a journal, and what became of each row of a stream."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
    batches: set[tuple[str, int]] = field(default_factory=set)
    doubled: list[str] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {stream: Counter() for stream in STREAMS})
    unaccounted: int = 0
    problems: list[str] = field(default_factory=list)

    def seen(self, stream: str) -> int:
        """The right side of the ledger's equation."""
        return sum(self.counts[stream].values())

    def misses(self, worker: str, steps: Iterable[int]) -> tuple[list[str], list[str]]:
        """The rows, labels and batches of a worker's steps that are not there, and those that are wrong."""
        missing, wrong = [], []
        for k in steps:
            name = name_of(worker, k)
            match kind(k):
                case "row" if name not in self.rows:
                    missing.append(name)
                case "row" if not _same(self.rows[name], expected(k)):
                    wrong.append(f"{name}: {self.rows[name]}")
                case "label" if name not in self.labels:
                    missing.append(name)
                case "label" if self.labels[name] != label(k):
                    wrong.append(f"{name}: {self.labels[name]}")
                case "batch" if (worker, k) not in self.batches:
                    missing.append(f"batch {name}")
        return missing, wrong


def _same(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return row == other and all(type(row[name]) is type(other[name]) for name in ("text", "prediction"))


class Reading:
    """Reads a journal bit by bit, as the ingester does, and frees what it has read where ``free`` is true.

    It begins after the sequences given, by folder and stream.
    """

    def __init__(
        self, root: Path, *, free: bool = True, after: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        self.root, self._free = root, free
        self._after = dict(after or {})
        self._counted: dict[tuple[str, str], Counter[str]] = {}
        self._batches: dict[str, int] = {}

    def read(self, account: Account, *, done: bool = True) -> None:
        """Add to the account what the last reading had not; ``done`` where no producer lives, so that every slot is decided."""
        for folder in producers(self.root, MODEL):
            for stream in STREAMS:
                self._rows(folder, stream, account, done=done)
                self._counters(folder, stream, account)
            self._take_batches(folder, account)
            account.problems += folder.problems

    def _rows(self, folder: ProducerFolder, stream: str, account: Account, *, done: bool) -> None:
        key = (folder.name, stream)
        start = self._after.get(key, 0)
        counts, accounted = account.counts[stream], 0
        for chunk in folder.read(stream, start):
            void = sum(chunk.void.values())
            counts["rows"] += len(chunk.ids)
            counts["torn"] += chunk.torn
            counts["void"] += void
            accounted += len(chunk.ids) + chunk.torn + void
            names = chunk.ids.tolist()
            values: list[dict[str, Any]] = [{} for _ in names]
            for one, (column, present) in chunk.columns.items():
                plain = column.tolist()
                for index in present.nonzero()[0].tolist():
                    values[index][one.base] = plain[index]
            self._note(account, stream, zip(names, values, strict=True))
            self._after[key] = chunk.next - 1
        if done:
            account.unaccounted += abs(folder.highest(stream) - self._after.get(key, 0))
        account.unaccounted += abs(self._after.get(key, 0) - start - accounted)
        if self._free:
            folder.free(stream, self._after.get(key, 0))

    def _note(self, account: Account, stream: str, rows: Iterable[tuple[str | None, dict[str, Any]]]) -> None:
        known: dict[str, Any] = account.rows if stream == "predictions" else account.labels
        for name, row in rows:
            if name is None or name in known:
                account.doubled.append(f"{stream} {name}")
            else:
                known[name] = row if stream == "predictions" else row.get("label")

    def _counters(self, folder: ProducerFolder, stream: str, account: Account) -> None:
        found = folder.counters(stream)
        now = Counter(
            dropped=found.dropped, sampled_out=found.sampled_out, rejected=sum(found.rejected.values())
        )
        account.counts[stream].update(now)
        account.counts[stream].subtract(self._counted.get((folder.name, stream), Counter()))
        self._counted[folder.name, stream] = now

    def _take_batches(self, folder: ProducerFolder, account: Account) -> None:
        for batch in folder.batches(self._batches.get(folder.name, 0)):
            worker, k = json.loads(batch.path.read_bytes())
            if (worker, k) in account.batches:
                account.doubled.append(f"batch {worker}.{k}")
            account.batches.add((worker, k))
            account.counts[batch.stream]["batches"] += batch.n_rows
            self._batches[folder.name] = batch.number
        if self._free:
            folder.free_batches(self._batches.get(folder.name, 0))

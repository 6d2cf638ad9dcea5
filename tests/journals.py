"""What the tests of the journal share: a recorder in a folder, and its rows read back as plain dicts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.capture import ProducerFolder, Recorder, producers
from vedette.records import Physical, Settings

MODEL = "delays"


def record(root: Path, **options: Any) -> Recorder:
    """A recorder with small segments."""
    return Recorder(root, MODEL, "1", Settings(), **{"segment_bytes": 65_536, **options})


@dataclass
class Read:
    """All that a journal gave."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    torn: int = 0
    void: dict[str, int] = field(default_factory=dict)
    absent: dict[str, int] = field(default_factory=dict)
    next: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    sampled_out: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def column(self) -> dict[str, list[Any]]:
        """The values of each column, None where a row has none."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {name: [row.get(name) for row in self.rows] for name in names}


def read(root: Path, stream: str = "predictions", folders: list[ProducerFolder] | None = None) -> Read:
    """Read a whole journal. A column is named as in the lake, with its type where a feature has several."""
    found = Read()
    for folder in producers(root, MODEL) if folders is None else folders:
        for chunk in folder.read(stream, found.next.get(folder.name, 1) - 1):
            rows: list[dict[str, Any]] = [{} for _ in chunk.ids]
            for one, (values, present) in chunk.columns.items():
                variants = [
                    other for other in chunk.fields if (other.role, other.name) == (one.role, one.name)
                ]
                name = one.base if len(variants) == 1 else f"{one.base} {one.physical}"
                plain = (
                    values.astype("M8[us]").tolist()
                    if one.physical is Physical.TIMESTAMP
                    else values.tolist()
                )
                for index in present.nonzero()[0].tolist():
                    rows[index][name] = plain[index]
            for index, row in enumerate(rows):
                row["_sequence"], row["_time"] = int(chunk.sequence[index]), float(chunk.time[index])
                row["_received"] = float(chunk.received[index])
            found.rows += rows
            found.ids += chunk.ids.tolist()
            found.torn += chunk.torn
            for reason, n in chunk.void.items():
                found.void[reason] = found.void.get(reason, 0) + n
            for one, n in chunk.absent.items():
                found.absent[one.name] = found.absent.get(one.name, 0) + n
            found.next[folder.name] = chunk.next
        counters = folder.counters(stream)
        found.dropped += counters.dropped
        found.sampled_out += counters.sampled_out
        for reason, n in counters.rejected.items():
            found.rejected[reason] = found.rejected.get(reason, 0) + n
        found.problems += folder.problems
    return found


def run(program: str, *arguments: object, wrapper: list[str] | None = None, check: bool = True) -> str:
    """Run a Python program in a process of its own and return what it printed."""
    command = [*(wrapper or []), sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout

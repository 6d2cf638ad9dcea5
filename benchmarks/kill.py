"""Kill a logging process with ``kill -9`` at random instants, and count what is lost: no row whose ``log`` returned.

Each round a child process logs rows from several threads, with ids ``round-thread-i``; after each return it writes
``i`` into memory that it shares with the parent. The parent kills it after a random time, reads the journal, and
checks that every row that had returned is there once, as it was given, and that every slot is a row, void or torn.
The rounds share one journal, so that each process but the first adopts the folder of one that was killed; small
segments and changing types make it open and seal files all the time.
Run: ``python benchmarks/kill.py [--rounds N] [--threads N] [--seed N] [--root FOLDER]``.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from vedette.capture import ProducerFolder, Recorder, producers
from vedette.records import Physical, Settings

MODEL = "killed"


@dataclass
class Result:
    """What all rounds together came to."""

    rounds: int = 0
    returned: int = 0
    rows: int = 0
    torn: int = 0
    void: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unaccounted: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """True where nothing was lost, doubled, wrong or unaccounted for."""
        return not (self.lost or self.doubled or self.wrong or self.unaccounted or self.problems)


def log_until_killed(
    root: Path, number: int, n_threads: int, returned: mmap.mmap, segment_bytes: int
) -> None:
    """The child: log for ever, and say after each return how far each thread has come."""
    recorder = Recorder(root, MODEL, str(number), Settings(), segment_bytes=segment_bytes)

    def work(thread: int) -> None:
        log, i = recorder.log, 0
        while True:
            i += 1
            # every so often another type of value, a text that is new, an id too long for the slot
            value = float(i) if i % 997 else i
            name = f"{number}-{thread}-{i}" + ("-" + "x" * 50 if i % 11 == 0 else "")
            log({"i": value, "carrier": f"c{i % 300}"}, i % 2, probability=0.5, id=name, latency_s=None)
            struct.pack_into("<q", returned, 8 * thread, i)

    for thread in range(1, n_threads):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    work(0)


def run(root: Path, rounds: int, *, n_threads: int = 3, seed: int = 0, segment_bytes: int = 32_768) -> Result:
    """Kill ``rounds`` processes one after the other and read the journal after each."""
    chance = random.Random(seed)
    result = Result()
    after: dict[str, int] = {}
    for number in range(rounds):
        returned = mmap.mmap(-1, 4096)
        child = os.fork()
        if child == 0:
            try:
                log_until_killed(root, number, n_threads, returned, segment_bytes)
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0.0, 0.06) if chance.random() < 0.8 else chance.uniform(0.0, 0.004))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        came = struct.unpack_from(f"<{n_threads}q", returned)
        _check(root, number, came, after, result)
        returned.close()
        result.rounds += 1
    return result


def _check(root: Path, number: int, came: tuple[int, ...], after: dict[str, int], result: Result) -> None:
    seen: dict[str, float] = {}
    for folder in producers(root, MODEL):
        _read(folder, number, after, seen, result)
    result.returned += sum(came)
    for thread, last in enumerate(came):
        for i in range(1, last + 1):
            name = f"{number}-{thread}-{i}" + ("-" + "x" * 50 if i % 11 == 0 else "")
            if name not in seen:
                result.lost.append(name)
            elif seen[name] != i:
                result.wrong.append(name)


def _read(
    folder: ProducerFolder, number: int, after: dict[str, int], seen: dict[str, float], result: Result
) -> None:
    start = after.get(folder.name, 0)
    accounted = 0
    for chunk in folder.read("predictions", start):
        values: list[float | None] = [None] * len(chunk.ids)
        for one, (column, present) in chunk.columns.items():
            if one.name == "i" and one.physical in (Physical.FLOAT64, Physical.INT64):
                for index in present.nonzero()[0].tolist():
                    values[index] = float(column[index])
        for name, value in zip(chunk.ids.tolist(), values, strict=True):
            if name in seen or not name.startswith(f"{number}-"):
                result.doubled.append(name)
            seen[name] = -1.0 if value is None else value
        accounted += len(chunk.ids) + chunk.torn + sum(chunk.void.values())
        result.rows += len(chunk.ids)
        result.torn += chunk.torn
        result.void += sum(chunk.void.values())
        after[folder.name] = chunk.next - 1
    highest = folder.highest("predictions")
    result.unaccounted += abs(highest - start - accounted)
    result.problems += folder.problems
    folder.free("predictions", after.get(folder.name, 0))


def main() -> int:
    """Print what was counted; return 1 where anything was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--root", type=Path, default=None, help="a folder on the disk to try (default: a temporary one)"
    )
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="vedette-kill-", dir=arguments.root))
    try:
        result = run(root, arguments.rounds, n_threads=arguments.threads, seed=arguments.seed)
        n_folders = len(producers(root, MODEL))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(
        f"{result.rounds} kills: {result.returned} rows returned, {result.rows} read, {result.torn} torn, "
        f"{result.void} void, {len(result.lost)} lost, {len(result.doubled)} doubled, {len(result.wrong)} wrong, "
        f"{result.unaccounted} slots unaccounted for, {n_folders} producer folder(s)"
    )
    for problem in result.problems[:10]:
        print(problem)
    return 0 if result.clean else 1


if __name__ == "__main__":
    sys.exit(main())

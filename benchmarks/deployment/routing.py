"""What a decision of the router costs, and how soon a rollback reaches every worker.

``python benchmarks/deployment/routing.py`` prints the time of a decision over that of hashing the identifier and one dictionary
look-up, once with Python's own hash and once with the CRC-32 that is the same in every process; then, for 8 workers that ask
all the time, the seconds from the rollback until the last of them follows, also where the writer is killed right after or in
the middle: then it is written again, as whoever starts the server again does.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
import timeit
import zlib
from pathlib import Path

from vedette.capture.routing import Policy, Router, read, write

WORKER = """
import sys, time
from vedette.capture.routing import Router
router = Router(sys.argv[1], default="none")
print("ready", flush=True)
seen = router.version("ann")
while True:
    found = router.version("ann")
    if found != seen:
        print(found, time.time(), flush=True)
        seen = found
    if found == "end":
        break
    time.sleep(0.0005)
"""
WRITER = """
import sys
from vedette.capture.routing import Policy, write
write(sys.argv[1], Policy({sys.argv[2]: 1.0}))
print("written", flush=True)
import time
time.sleep(60)
"""


def cost(folder: Path) -> None:
    """Print the ratios."""
    write(folder / "routing", Policy({"3": 0.9, "4": 0.1}))
    router = Router(folder / "routing", default="3")
    table = dict(enumerate(["3"] * 9000 + ["4"] * 1000))
    identifier = "user-1234567"
    crc32 = zlib.crc32
    names = {"router": router, "table": table, "identifier": identifier, "crc32": crc32}

    def ns(statement: str) -> float:
        return min(timeit.repeat(statement, globals=names, number=200_000, repeat=9)) / 200_000 * 1e9

    decision = ns("router.version(identifier)")
    own, crc = ns("table[hash(identifier) % 10000]"), ns("table[crc32(identifier.encode()) % 10000]")
    print(
        f"a decision {decision:.0f} ns: {decision / own:.2f} times Python's hash and a look-up, {decision / crc:.2f} times "
        "CRC-32 and a look-up"
    )


def rollback(folder: Path, rounds: int) -> None:
    """Print how long the last of 8 workers takes."""
    path = folder / "workers"
    write(path, Policy({"start": 1.0}))
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    taken = []
    for number in range(rounds):
        version = str(number)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), version], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        if number % 2:
            writer.stdout.readline()
        else:
            time.sleep(0.05 + 0.01 * (number % 20))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        start = time.time()
        if version not in read(path).shares:
            write(path, Policy({version: 1.0}))
        ends = []
        for worker in workers:
            assert worker.stdout is not None
            found, at = worker.stdout.readline().split()
            assert found == version, f"{found} instead of {version}"
            ends.append(float(at))
        taken.append(max(max(ends) - start, 0.0))
    write(path, Policy({"end": 1.0}))
    for worker in workers:
        worker.communicate(timeout=30)
    print(f"{rounds} rollbacks, each writer killed: the last of 8 workers after at most {max(taken):.3f} s")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cost(Path(folder))
        rollback(Path(folder), given.rounds)


if __name__ == "__main__":
    main()

"""What a call of ``Recorder.log`` costs, as a multiple of the plainest way to put such a row into memory.

The yardstick is one line in a loop, with ``S = struct.Struct("<qd10dddd")`` and ``get`` an ``operator.itemgetter`` of
the ten features::

    S.pack_into(buf, 0, i, time.time(), *get(features), 1.0, 0.93, 0.004)

Yardstick and recorder alternate within one process, in processor time (what the system does for the pages of the
files is in it, waiting for other processes is not), and the ratio is the median over the repeats. The recorder's
figures include opening and sealing the segments that the rows fill. ``numeric_one_file`` has all rows in one
segment: the difference to ``numeric`` is what changing files costs.
Run: ``python benchmarks/capture.py [--rows N] [--repeats N] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import operator
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from vedette.capture import Recorder
from vedette.records import Settings

FEATURES = {f"feature_{index}": 1.1 * index for index in range(10)}
MIXED = {
    **{f"number_{index}": 1.1 * index for index in range(4)},
    **{f"count_{index}": index for index in range(3)},
    "carrier": "AA",
    "origin": "JFK",
    "delayed": True,
}


def yardstick(rows: int) -> float:
    """Seconds for a row, the plainest way."""
    packer = struct.Struct("<qd10dddd")
    buffer, get = bytearray(packer.size), operator.itemgetter(*FEATURES)
    features = FEATURES
    start = time.thread_time()
    for i in range(rows):
        packer.pack_into(buffer, 0, i, time.time(), *get(features), 1.0, 0.93, 0.004)
    return (time.thread_time() - start) / rows


def numeric(log: Callable[..., None], rows: int) -> float:
    """Seconds for a row of ten floats, prediction, probability and latency."""
    features = FEATURES
    start = time.thread_time()
    for _ in range(rows):
        log(features, 1.0, probability=0.93, latency_s=0.004)
    return (time.thread_time() - start) / rows


def with_id(log: Callable[..., None], rows: int) -> float:
    """The same with a text id."""
    features, name = FEATURES, "order-12345"
    start = time.thread_time()
    for _ in range(rows):
        log(features, 1.0, probability=0.93, id=name, latency_s=0.004)
    return (time.thread_time() - start) / rows


def mixed(log: Callable[..., None], rows: int) -> float:
    """Four floats, three integers, two texts and a boolean, with a text id and an integer prediction."""
    features, name = MIXED, "order-12345"
    start = time.thread_time()
    for _ in range(rows):
        log(features, 1, probability=0.93, id=name, latency_s=0.004)
    return (time.thread_time() - start) / rows


def third_party_modules() -> list[str]:
    """The modules from outside the standard library that importing the capture package loads."""
    program = (
        "import sys, vedette.capture\n"
        "names = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - {'vedette'}\n"
        "print(*sorted(n for n in names if not n.startswith('_') and getattr(sys.modules.get(n), '__file__', None)))"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, env=_path()
    )
    return found.stdout.split()


def _path() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(sys.modules["vedette.capture"].__file__ or "").parents[2])}


def measure(rows: int, repeats: int) -> dict[str, float]:
    """Median nanoseconds a row of each way, and median ratios to the yardstick."""
    folder = Path(tempfile.mkdtemp(prefix="vedette-benchmark-"))
    try:
        ways = {"numeric": numeric, "numeric_one_file": numeric, "with_id": with_id, "mixed": mixed}
        sizes = {"numeric_one_file": 256 * rows}
        recorders = {
            name: Recorder(
                folder / name,
                "benchmark",
                "1",
                Settings(),
                journal_bytes_max=2**40,
                segment_bytes=sizes.get(name, 4 * 2**20),
            )
            for name in ways
        }
        times: dict[str, list[float]] = {name: [] for name in ("yardstick", *ways)}
        for repeat in range(-1, repeats):  # the first warms up
            for name, way in ways.items():
                way(recorders[name].log, 10)  # the folder is claimed and the layout compiled
            for name in times:
                took = yardstick(rows) if name == "yardstick" else ways[name](recorders[name].log, rows)
                if repeat >= 0:
                    times[name].append(took)
            for name in ways:
                recorders[name].close()
                shutil.rmtree(folder / name)
        result = {f"{name}_ns": 1e9 * median(taken) for name, taken in times.items()}
        for name in ways:
            pairs = zip(times[name], times["yardstick"], strict=True)
            result[f"{name}_ratio"] = median(way / plain for way, plain in pairs)
        return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Print the figures; return 1 where importing the package loads more than the standard library."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000, help="rows in one measurement")
    parser.add_argument("--repeats", type=int, default=11, help="alternating measurements of each way")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    foreign = third_party_modules()
    result = measure(arguments.rows, arguments.repeats)
    if arguments.json:
        print(json.dumps({**result, "third_party_modules": foreign}))
    else:
        for name in ("yardstick", "numeric", "numeric_one_file", "with_id", "mixed"):
            ratio = f"  {result[f'{name}_ratio']:.2f} x yardstick" if name != "yardstick" else ""
            print(f"{name:16} {result[f'{name}_ns']:7.0f} ns a row{ratio}")
        print(f"third-party modules loaded by `import vedette.capture`: {', '.join(foreign) or 'none'}")
    return 1 if foreign else 0


if __name__ == "__main__":
    sys.exit(main())

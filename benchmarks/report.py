"""What ``vedette report`` costs, against merely reading both files with pyarrow.

    python benchmarks/report.py [--runs 5] [--scale]

The files: 1,000,000 rows by 20 columns each (12 numeric with 2 % nulls, 6 categorical with 5 to 55 levels, 2 texts of
high cardinality), Parquet as pyarrow writes it. Each run takes turns: a process that imports ``pyarrow.parquet`` and reads
both files with ``read_table``, and a process that runs ``vedette report current --reference reference --html F
--json``; CPU is user and system time of the whole process. Two ratios are printed, medians over the runs: to the reading
alone (what the first process spent between its import and its end) and to the whole first process.

``--scale`` prints CPU and peak memory for 100,000 to 5,000,000 rows of 20 columns and for 20 to 1,000 columns of
100,000 rows, each beside the reading.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

READ = """
import sys, time
import pyarrow.parquet as pq
began = time.process_time()
tables = [pq.read_table(path) for path in sys.argv[1:]]
print(time.process_time() - began)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: CPU seconds, seconds, peak memory in MiB, and what it printed."""

    cpu_s: float
    memory_mib: float
    printed: str


def run(command: list[str]) -> Cost:
    """Run a command to its end."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{command[:4]} ended with {child.returncode}")
        out.seek(0)
        return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out.read().decode())


def write(path: Path, rows: int, columns: int, seed: int) -> None:
    """A file of which 12 in 20 columns are numeric, 6 categorical and 2 texts."""
    rng = np.random.default_rng(seed)
    table: dict[str, pa.Array] = {}
    for number in range(columns):
        kind = number % 20
        if kind < 12:
            values = rng.normal(size=rows) if kind % 3 else rng.lognormal(size=rows)
            table[f"number{number}"] = pa.array(
                values + 0.05 * (kind == 0) * seed, mask=rng.random(rows) < 0.02
            )
        elif kind < 18:
            levels = pa.array([f"level{k}" for k in range(5 + 10 * (kind - 12))])
            codes = pa.array(rng.integers(0, len(levels), rows), pa.int32())
            table[f"category{number}"] = pa.DictionaryArray.from_arrays(codes, levels).cast(pa.string())
        else:
            people = pa.array(rng.integers(0, 10**9, rows)).cast(pa.string())
            table[f"text{number}"] = pa.compute.binary_join_element_wise("user", people, "-")
    pq.write_table(pa.table(table), path)


def both(folder: Path, rows: int, columns: int) -> list[str]:
    """The two files of a size, written where they are not there yet.

    By processes of their own: a process inherits the peak memory of the one that starts it.
    """
    paths = [folder / f"{name}-{rows}-{columns}.parquet" for name in ("current", "reference")]
    for seed, path in enumerate(reversed(paths)):
        if not path.exists():
            run([sys.executable, __file__, "--write", str(path), str(rows), str(columns), str(seed)])
    return [str(path) for path in paths]


def costs(folder: Path, files: list[str]) -> tuple[Cost, Cost, float]:
    """The reading process, the report, and what the reading alone took."""
    read = run([sys.executable, "-c", READ, *files])
    page = str(folder / "page.html")
    report = run(
        [
            sys.executable,
            "-m",
            "vedette",
            "report",
            files[0],
            "--reference",
            files[1],
            "--html",
            page,
            "--json",
        ]
    )
    return read, report, float(read.printed)


def main() -> None:
    """Print the ratios, and the table of sizes where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--write", nargs=4, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.write:
        path, *numbers = told.write
        write(Path(path), *map(int, numbers))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = both(folder, 1_000_000, 20)
        costs(folder, files)  # warm: files in the page cache, modules compiled
        found = [costs(folder, files) for _ in range(told.runs)]
        reading, whole, report = (
            statistics.median(values)
            for values in zip(*((alone, read.cpu_s, made.cpu_s) for read, made, alone in found), strict=True)
        )
        print(f"reading alone {reading:.2f} s, its process {whole:.2f} s, report {report:.2f} s of CPU")
        print(f"ratio to the reading {report / reading:.2f}, to its process {report / whole:.2f}")
        print(f"peak memory {max(made.memory_mib for _, made, _ in found):.0f} MiB")
        print(f"page {(folder / 'page.html').stat().st_size / 1e6:.2f} MB")
        if told.scale:
            print(f"{'rows':>10} {'columns':>8} {'reading s':>10} {'report s':>9} {'MiB':>6} {'page MB':>8}")
            for rows, columns in (
                (100_000, 20),
                (1_000_000, 20),
                (5_000_000, 20),
                (100_000, 200),
                (100_000, 1000),
            ):
                _, made, alone = costs(folder, both(folder, rows, columns))
                size = (folder / "page.html").stat().st_size / 1e6
                line = f"{rows:>10} {columns:>8} {alone:10.2f} {made.cpu_s:9.2f} {made.memory_mib:6.0f} {size:8.2f}"
                print(line, flush=True)


if __name__ == "__main__":
    main()

"""What ``vedette check`` costs with 1,000 monitored figures over 90 days of hourly summaries.

The baseline is ``python -c "import polars, deltalake, scipy.special"``, each a fresh process, the two taken in turn;
CPU of the process and its children. Printed for two row counts: the cost must not follow the rows.
Run: python benchmarks/check.py [ROUNDS] [ROWS_AN_HOUR ...]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import vedette

FEATURES = 333  # three watches each, and the prediction's
DAYS = 90
START = datetime(2026, 1, 1, tzinfo=UTC)
BASELINE = [sys.executable, "-c", "import polars, deltalake, scipy.special"]


def cpu_s(command: list[str]) -> float:
    """CPU seconds of a command, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1, 2), done.stderr.decode()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def frame(rng: np.random.Generator, day: int | None, rows: int) -> pl.DataFrame:
    """Rows of one day (or of a reference): independent normal features, the prediction one of two classes."""
    data = {f"f{i:03d}": rng.normal(size=rows) for i in range(FEATURES)}
    data["prediction"] = rng.integers(0, 2, rows)
    if day is not None:
        seconds = np.sort(rng.uniform(0, 86400, rows))
        data["time"] = [START + timedelta(days=day, seconds=float(s)) for s in seconds]
    return pl.DataFrame(data)


def build(lake: Path, rows_an_hour: int) -> None:
    """Log 90 days, and let one ingest bring them in and judge them."""
    rng = np.random.default_rng(7)
    with vedette.Monitor("wide", lake=lake, window="1h", task="classification") as monitor:
        monitor.reference(frame(rng, None, 5000))
        for day in range(DAYS):
            taken = monitor.log_many(frame(rng, day, 24 * rows_an_hour))
            assert taken, "the journal is full: fewer rows an hour"
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "vedette", "ingest", "--lake", str(lake)], check=True, capture_output=True
    )
    print(
        f"  ingest and judgement of {DAYS * 24 * rows_an_hour:,} rows: {time.perf_counter() - start:.1f} s",
        file=sys.stderr,
    )


def main(rounds: int, sizes: list[int]) -> None:
    """Print the ratio of the medians for each size."""
    for rows_an_hour in sizes:
        with tempfile.TemporaryDirectory() as folder:
            lake = Path(folder) / "lake"
            build(lake, rows_an_hour)
            command = [sys.executable, "-m", "vedette", "check", "wide", "--lake", str(lake), "--json"]
            ours, theirs = [], []
            for _ in range(rounds):
                ours.append(cpu_s(command))
                theirs.append(cpu_s(BASELINE))
            a, b = statistics.median(ours), statistics.median(theirs)
            print(
                f"vedette check, {DAYS * 24 * rows_an_hour:,} rows behind: {a:.2f} s CPU, "
                f"imports alone {b:.2f} s, ratio {a / b:.2f} (at most 2)"
            )


if __name__ == "__main__":
    os.environ.pop("VEDETTE_CONFIG", None)
    arguments = [int(one) for one in sys.argv[1:]]
    main(arguments[0] if arguments else 7, arguments[1:] or [60, 120])

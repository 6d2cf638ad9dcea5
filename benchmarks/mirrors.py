"""What a mirror of a training run costs: a call of ``run.log``, a step of a training, and the rows that a mirror keeps up with.

``python benchmarks/mirrors.py`` prints for each kind: microseconds a call of ``run.log`` with five metrics (bursts of 1,000 calls
with pauses, in which the mirror catches up; the quiet tenth and the median of the bursts), microseconds a step of a training
(products of matrices that take half a millisecond, then ``run.log``), the rows a second that a mirror writes when it has the
processor to itself, and the points a second of an import. It wants the extras ``tensorboard`` and ``mlflow``, SQLAlchemy and
alembic.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import numpy as np

import vedette
from vedette.capture.mirrors import About, Row, open_mirror
from vedette.engine.exchange.imported import import_runs

ROW = {"loss": 0.1, "accuracy": 0.2, "lr": 0.001, "grad_norm": 2.0, "step_s": 0.01}


def kinds(folder: Path) -> dict[str, list[str]]:
    """The addresses to try, by name."""
    return {
        "none": [],
        "tensorboard": [f"tensorboard:{folder / 'tb'}"],
        "mlflow": [f"mlflow:sqlite:///{folder / 'mlflow.db'}"],
    }


def quiet_and_median(values: list[float]) -> tuple[float, float]:
    """The tenth smallest of a hundred, and the one in the middle."""
    return float(np.quantile(values, 0.1)), statistics.median(values)


def calls(log: Callable[..., None], bursts: int, n: int = 1000) -> list[float]:
    """Microseconds a call of each burst."""
    found = []
    for _ in range(bursts):
        begun = time.perf_counter()
        for step in range(n):
            log(step, **ROW)
        found.append((time.perf_counter() - begun) / n * 1e6)
        time.sleep(0.3)
    return found


def steps(log: Callable[..., None] | None, seconds: float) -> list[float]:
    """Microseconds a step of a training, with a call of ``run.log`` each."""
    left = np.random.default_rng(0).normal(size=(160, 160))
    found: list[float] = []
    end = time.perf_counter() + seconds
    step = 0
    while (begun := time.perf_counter()) < end:
        for _ in range(4):
            left @ left
        if log is not None:
            log(step, **ROW)
        step += 1
        found.append((time.perf_counter() - begun) * 1e6)
    return found


def rows_a_second(address: str, n: int) -> float:
    """What a mirror writes by itself."""
    mirror = open_mirror(address, About("bench", "1", "alone", 1.7e9))
    rows = [Row(1.7e9 + step / 100, step, ROW) for step in range(n)]
    begun = time.perf_counter()
    for start in range(0, n, 5000):
        mirror.write(rows[start : start + 5000])
    mirror.close()
    return n / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bursts", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=5.0, help="of training for each kind, twice")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        monitor = vedette.Monitor("bench", lake=folder / "lake", resources=False)
        runs = {kind: monitor.run(kind, also=also, environment=False) for kind, also in kinds(folder).items()}
        for run in runs.values():
            run.log(**ROW)
        time.sleep(8.0)  # mirrors are open by then
        taken: dict[str, list[float]] = {kind: [] for kind in runs}
        trained: dict[str, list[float]] = {kind: [] for kind in ("no run.log", *runs)}
        for _ in range(4):  # in turn, since the machine is not the same for long
            for kind, run in runs.items():
                taken[kind] += calls(run.log, given.bursts // 4)
            trained["no run.log"] += steps(None, given.seconds / 4)
            for kind, run in runs.items():
                trained[kind] += steps(run.log, given.seconds / 4)
        for run in runs.values():
            run.end()
        for kind, values in taken.items():
            quiet, median = quiet_and_median(values)
            print(f"{kind:<12} run.log {quiet:6.2f} µs quiet, {median:6.2f} µs median")
        for kind, values in trained.items():
            quiet, median = quiet_and_median(values)
            mean = statistics.fmean(values)
            print(f"{kind:<12} step    {quiet:6.0f} µs quiet, {median:6.0f} µs median, {mean:6.0f} µs mean")
        for kind, n in (("tensorboard", 20_000), ("mlflow", 5_000)):
            print(f"{kind:<12} alone   {rows_a_second(kinds(folder)[kind][0], n):8,.0f} rows a second")
            place = kinds(folder)[kind][0].partition(":")[2]
            begun = time.perf_counter()
            found = import_runs(kind, place, folder / "lake", "imported")
            seconds = time.perf_counter() - begun
            print(
                f"{kind:<12} import  {found.points / seconds:8,.0f} points a second ({found.points:,} points)"
            )


if __name__ == "__main__":
    main()

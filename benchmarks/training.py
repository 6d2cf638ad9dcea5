"""What recording a training run costs, what its points take and how fast they are read and drawn; beside other tools.

    python benchmarks/training.py [--full] [--check] [--json] [--only PART ...] [--peers-python PYTHON]

Parts: ``cost`` (``run.log`` of five metrics against ``Monitor.log`` of one prediction, in turn in one process; the least of
many short loops of each, since a neighbour only ever adds), ``storage`` (bytes a point of float32 values with noise, reading
them back, drawing them), ``exact`` (float64 with noise in every bit come back bit for bit), ``kill`` (``kill -9`` at random
moments: points whose ``log`` returned and that are not there), ``peers`` (TensorBoard's writer of PyTorch or of tensorboardX,
MLflow, W&B offline and Trackio, where the given Python has them: ``pip install tensorboardX mlflow wandb trackio``; the time of
five metrics of one step). Limits are marked ok or MISS; with ``--check`` a miss makes the exit status 1. ``--full`` takes ten
million points and fifty kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import vedette
from vedette.engine import cycle
from vedette.engine.runs import curve_frame, runs_of
from vedette.lake.points import read
from vedette.lake.tables import Lake
from vedette.output.curves import Panel, drawn

PARTS = ("cost", "storage", "exact", "kill", "peers")
_METRICS = 5

_KILLED = """
import sys, vedette
run = vedette.Monitor("m", lake=sys.argv[1]).run(environment=False)
print(run.name, flush=True)
step = 0
while True:
    for _ in range(100):
        run.log(step, loss=1.0, accuracy=0.5)
        step += 1
    print(step, flush=True)
"""

_PEERS = {
    "tensorboard": """
import tempfile
try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:
    from tensorboardX import SummaryWriter
writer = SummaryWriter(tempfile.mkdtemp())
def log(i):
    for name in NAMES: writer.add_scalar(name, 0.3, i)
""",
    "mlflow": """
import tempfile
import mlflow
mlflow.set_tracking_uri("sqlite:///" + tempfile.mkdtemp() + "/runs.db")
mlflow.set_experiment("p")
mlflow.start_run()
def log(i):
    mlflow.log_metrics({name: 0.3 for name in NAMES}, step=i)
""",
    "wandb": """
import os, tempfile
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DIR=tempfile.mkdtemp())
import wandb
run = wandb.init(project="p")
def log(i):
    run.log({name: 0.3 for name in NAMES}, step=i)
""",
    "trackio": """
import os, tempfile
os.environ.update(TRACKIO_DIR=tempfile.mkdtemp(), TRACKIO_SHOW_DASHBOARD="False")
import trackio
run = trackio.init(project="p", embed=False)
def log(i):
    trackio.log({name: 0.3 for name in NAMES}, step=i)
""",
}
_TIMED = """
import time
for i in range(100): log(i)
found = []
for k in range(10):
    start = time.perf_counter()
    for i in range(100 + k * 50, 150 + k * 50): log(i)
    found.append((time.perf_counter() - start) / 50 * 1e6)
print("MICROSECONDS", min(found), flush=True)
import os
os._exit(0)
"""


@dataclass(frozen=True)
class Found:
    """One figure with its limit."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    least: bool = False

    @property
    def missed(self) -> bool:
        """True where it is beyond its limit."""
        return self.limit is not None and (self.value < self.limit if self.least else self.value > self.limit)


def least(call: Callable[[int], None], loops: int, rows: int = 1000) -> float:
    """The least time of a call in microseconds over short loops."""
    times = []
    for k in range(loops):
        start = time.perf_counter()
        for i in range(k * rows, (k + 1) * rows):
            call(i)
        times.append((time.perf_counter() - start) / rows * 1e6)
    return min(times)


def cost(folder: Path, full: bool) -> list[Found]:
    """Of ``run.log`` and ``Monitor.log``, in turn."""
    monitor = vedette.Monitor("m", lake=folder)
    features = {f"f{k}": float(k) for k in range(10)}
    prediction, run = monitor.log, monitor.run("cost", environment=False)
    log = run.log

    def of_prediction(_: int) -> None:
        prediction(features, 1.0, probability=0.93, latency_s=0.004)

    def of_step(i: int) -> None:
        log(i, loss=0.3, accuracy=0.9, lr=0.1, norm=2.0, auc=0.5)

    def nothing(_: int) -> None:
        pass

    rounds = [
        (least(nothing, 20), least(of_prediction, 20), least(of_step, 20)) for _ in range(20 if full else 5)
    ]
    empty, one, five = (min(column) for column in zip(*rounds, strict=True))
    run.end()
    monitor.close()
    return [
        Found("Monitor.log of ten features", one - empty, "us"),
        Found("run.log of five metrics", five - empty, "us"),
        Found("run.log over Monitor.log", (five - empty) / (one - empty), "times", 3.0),
    ]


def storage(folder: Path, full: bool) -> list[Found]:
    """Float32 values with noise, five metrics a step, logged one by one; then read and drawn."""
    n = (10_000_000 if full else 1_000_000) // _METRICS
    rng = np.random.default_rng(7)
    noise = rng.normal(size=n)
    curve = 2 * np.exp(-np.arange(n) / (n / 5)) + 0.1 * noise
    values = {f"m{k}": np.roll(curve, 997 * k).astype(np.float32).astype(np.float64) for k in range(_METRICS)}
    monitor = vedette.Monitor("m", lake=folder)
    lake = Lake.at(folder)
    run = monitor.run("stored", environment=False)
    columns, part = [values[name].tolist() for name in values], max(1, n // 20)
    for begin in range(0, n, part):
        rows = zip(*(column[begin : begin + part] for column in columns), strict=True)
        for step, (a, b, c, d, e) in enumerate(rows, begin):
            run.log(step, m0=a, m1=b, m2=c, m3=d, m4=e)
        cycle.once(lake)
    run.end()
    cycle.once(lake)
    lake.model(runs_of("m"))["points"].compact()
    taken = sum(one["size_bytes"] for one in _files(lake))
    start = time.perf_counter()
    kept = read(lake, runs_of("m"))
    curves = {name: kept.curve("stored", name) for name in values}
    read_s = time.perf_counter() - start
    lost = sum(not np.array_equal(curves[name]["value"].to_numpy(), values[name]) for name in values)
    start = time.perf_counter()
    steps = np.arange(n * _METRICS)
    long = np.concatenate(list(values.values()))
    build_s = time.perf_counter()
    drawn(Panel("m", {"m": curve_frame(steps, long, 2000)}), 120, 20)
    draw_s = time.perf_counter() - build_s
    monitor.close()
    scale = 1.0 if full else 10.0
    return [
        Found("bytes a point in the table", taken / n / _METRICS, "bytes", 4.0),
        Found("curves that did not come back bit for bit", lost, "", 0),
        Found(f"all {n * _METRICS:,} points read", read_s, "s", 1.0 / scale if full else None),
        Found(f"a curve of {n * _METRICS:,} points thinned and drawn", draw_s, "s", 1.0 if full else None),
    ]


def _files(lake: Lake) -> list[dict[str, int]]:
    """The files that the table of points has now."""
    table = lake.model(runs_of("m"))["points"].snapshot()
    assert table is not None
    paths = [Path(one.removeprefix("file://")) for one in table.file_uris()]
    return [{"size_bytes": path.stat().st_size} for path in paths]


def exact(folder: Path, full: bool) -> list[Found]:
    """Any 64 bits that are a float, NaN with any payload apart."""
    bits = np.random.default_rng(1).integers(0, 2**63, 200_000 if full else 50_000) * 2 + 1
    values = bits.view(np.float64)
    values = values[~np.isnan(values)]
    monitor = vedette.Monitor("m", lake=folder)
    with monitor.run("exact", environment=False) as run:
        for step, value in enumerate(values.tolist()):
            run.log(step, x=value)
    cycle.once(Lake.at(folder))
    back = np.array(run.history["x"])
    monitor.close()
    return [Found("floats that changed", float((back.view(np.int64) != values.view(np.int64)).sum()), "", 0)]


def kill(folder: Path, full: bool) -> list[Found]:
    """Kill at random moments; what was said to be logged must be there."""
    lost = rows = 0
    chance = random.Random(5)
    for _ in range(50 if full else 8):
        with subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(folder)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            name = process.stdout.readline().strip()
            said = int(process.stdout.readline())
            time.sleep(chance.uniform(0.0, 0.4))
            os.kill(process.pid, signal.SIGKILL)
            whole = process.stdout.read()
            said = max([said, *(int(line) for line in whole[: whole.rfind("\n") + 1].split())])
            process.wait()
        cycle.once(Lake.at(folder))
        steps = read(Lake.at(folder), runs_of("m")).curve(name, "loss")["step"].to_numpy()
        lost += said - int((np.unique(steps) < said).sum())
        rows += said
    return [Found("rows logged before a kill", rows, ""), Found("of these lost", lost, "", 0)]


def peers(python: str, own_us: float) -> list[Found]:
    """The same five metrics by other tools."""
    found = []
    names = f"NAMES = {[f'm{k}' for k in range(_METRICS)]!r}\n"
    for name, code in _PEERS.items():
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [python, "-c", names + code + _TIMED], capture_output=True, text=True, cwd=folder, check=False
            )
        said = [line for line in done.stdout.splitlines() if line.startswith("MICROSECONDS")]
        if not said:
            print(
                f"{name}: not measured: {(done.stderr.strip().splitlines() or ['?'])[-1][:200]}",
                file=sys.stderr,
            )
            continue
        each = float(said[0].split()[1])
        found += [
            Found(f"{name}, five metrics", each, "us"),
            Found(f"{name} over run.log", each / own_us, "times", 10.0, least=True),
        ]
    return found


def main() -> int:
    """Run the parts asked for and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--peers-python")
    given = parser.parse_args()
    found: list[Found] = []
    for part in (cost, storage, exact, kill):
        if part.__name__ in given.only or (part is cost and "peers" in given.only and given.peers_python):
            with tempfile.TemporaryDirectory() as folder:
                found += part(Path(folder), given.full)
    if "peers" in given.only and given.peers_python:
        own = next(one.value for one in found if one.name.startswith("run.log of"))
        found += peers(given.peers_python, own)
    if given.json:
        print(json.dumps([asdict(one) | {"missed": one.missed} for one in found], indent=1))
    else:
        for one in found:
            mark = "" if one.limit is None else "  MISS" if one.missed else "  ok"
            print(f"{one.name:60} {one.value:14,.3f} {one.unit}{mark}")
    return int(given.check and any(one.missed for one in found))


if __name__ == "__main__":
    sys.exit(main())

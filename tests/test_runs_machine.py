"""The machine beside a training run: what is read, at which step it is kept, what it leaves alone, and what is judged by it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import vedette
from vedette.capture.machine import available_bytes, children_cpu_seconds
from vedette.capture.training.machine import MachineReadings
from vedette.lake.ledger import ledger
from vedette.lake.tables import Lake
from vedette.records import Status

LEAK = """
import sys, time
import torch, vedette
torch.set_num_threads(1)
lake, leaks = sys.argv[1], sys.argv[2] == "leaks"
monitor = vedette.Monitor("net", lake=lake)
module = torch.nn.Linear(64, 64)
optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
kept, end = [], time.monotonic() + 6
with monitor.run("one", environment=False) as run:
    while time.monotonic() < end:
        x = torch.randn(256, 64)
        optimizer.zero_grad()
        hidden = module(x.repeat(4, 1))
        loss = hidden.square().mean()
        loss.backward()
        optimizer.step()
        run.log(loss=loss.item())
        if leaks:
            kept.append((hidden, hidden.repeat(4, 1)))
        time.sleep(0.02)
monitor.close()
"""

KERAS = """
import sys, time
import keras, numpy as np, vedette
class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 170
    def __getitem__(self, at):
        time.sleep(0.03)  # many times what else a busy machine may do in a step
        return np.zeros((2, 8), "float32"), np.zeros((2, 1), "float32")
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")
monitor = vedette.Monitor("net", lake=sys.argv[1])
with monitor.run("one", environment=False) as run:
    model.fit(Rows(), epochs=1, verbose=0, callbacks=[run.callback("keras", every=6)])
monitor.close()
"""


def write(folder: Path, files: dict[str, str]) -> None:
    """Files with their texts, in folders that are made."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({}, 8_000),
        # 5,000 less (4,000 - 1,500 that can be given back): less than the machine has
        ({"a/b/memory.max": "5000", "a/b/memory.current": "4000", "a/b/memory.stat": "anon 2\ninactive_file 1500"}, 2_500),
        ({"a/b/memory.max": "max", "a/b/memory.current": "4000", "a/b/memory.stat": "inactive_file 0"}, 8_000),
        # the limit of a group above holds too, also where it is passed
        ({"a/memory.max": "3000", "a/memory.current": "3100", "a/memory.stat": "inactive_file 0"}, 0),
    ],
)  # fmt: skip
def test_available_memory_is_the_least_of_machine_and_control_groups(
    tmp_path: Path, groups: dict[str, str], expected: int
) -> None:
    """A container's limit less what it takes counts where it is less than what the machine has."""
    machine = {"meminfo": "MemTotal: 99 kB\nMemAvailable: 7 kB\n", "self/cgroup": "0::/a/b\n"}
    write(tmp_path / "proc", machine)
    write(tmp_path / "cgroup", groups)
    found = available_bytes(tmp_path / "proc", tmp_path / "cgroup")
    assert found == (7 * 1024 if expected == 8_000 else expected)


def test_control_groups_of_version_one_count_too(tmp_path: Path) -> None:
    """The memory controller's own tree is read where there is one; no files are no figure."""
    write(
        tmp_path / "proc", {"meminfo": "MemAvailable: 900 kB\n", "self/cgroup": "5:cpu:/x\n4:memory:/job\n"}
    )
    own = "cgroup/memory/job/memory."
    write(
        tmp_path,
        {
            f"{own}limit_in_bytes": "900",
            f"{own}usage_in_bytes": "300",
            f"{own}stat": "total_inactive_file 100",
        },
    )
    assert available_bytes(tmp_path / "proc", tmp_path / "cgroup") == 700
    assert available_bytes(tmp_path / "nothing", tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="children are told of by Linux alone")
def test_the_work_of_children_is_told_apart(tmp_path: Path) -> None:
    """A child that computes counts as a worker's core, while it runs and after, and not as the process's own."""
    readings = MachineReadings()
    before = children_cpu_seconds()
    child = subprocess.Popen(
        [sys.executable, "-c", "import time\nend = time.time() + 1.2\nwhile time.time() < end: pass"]
    )
    time.sleep(0.6)
    during = readings.read()
    usage = os.wait4(child.pid, 0)[2]
    child.returncode = 0
    after = children_cpu_seconds()
    assert before is not None
    assert after is not None
    assert during["workers_cpu_share"] > 0.1
    assert during["cpu_share"] < during["workers_cpu_share"]
    assert after - before == pytest.approx(usage.ru_utime + usage.ru_stime, abs=0.1)


def test_readings_leave_the_run_as_the_user_logged_it(tmp_path: Path) -> None:
    """History, steps and the results of a run are those that were logged; the machine's curves are there by name."""
    monitor = vedette.Monitor("net", lake=tmp_path)
    with monitor.run("one", environment=False, system_s=0.1) as run:
        for _ in range(8):
            run.log(loss=0.5)
            time.sleep(0.1)
    assert list(run.history) == ["loss"]
    assert run.history.steps("loss") == list(range(8))
    row = monitor.runs().row(0, named=True)
    assert (row["steps"], row["last_step"]) == (8, 7)
    assert [name for name in row if name.startswith("last.")] == ["last.loss"]
    steps, memory = run.history.steps("rss_bytes"), run.history["rss_bytes"]
    assert len(set(steps)) == len(steps) >= 3
    assert steps == sorted(steps)
    assert max(steps) <= 7
    own = float(MachineReadings.memory()["rss_bytes"])
    assert all(own / 3 < one < own * 3 for one in memory)
    assert monitor.points("one", "cpu_share")["count"].sum() >= 2
    monitor.close()


def test_threads_that_log_and_the_one_that_reads_lose_nothing(tmp_path: Path) -> None:
    """Four threads log while readings go on: each point is there, and the ledger balances."""
    monitor = vedette.Monitor("net", lake=tmp_path)
    with monitor.run("one", environment=False, system_s=0.1) as run:

        def log(name: str) -> None:
            for step in range(2000):
                run.log(step, {name: float(step)})
                if step % 400 == 0:
                    time.sleep(0.05)

        threads = [threading.Thread(target=log, args=(f"m{one}",)) for one in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for one in range(4):
        assert run.history[f"m{one}"] == [float(step) for step in range(2000)]
    monitor.flush()
    assert ledger(Lake.at(tmp_path), "net.run").balanced
    monitor.close()


@pytest.mark.parametrize("off", [None, 0, False])
def test_no_readings_where_none_are_wanted(tmp_path: Path, off: Any) -> None:
    """``system_s`` of None or 0 starts no thread and keeps nothing."""
    before = set(threading.enumerate())
    monitor = vedette.Monitor("net", lake=tmp_path)
    with monitor.run("one", environment=False, system_s=off) as run:
        assert "vedette-resources" not in {one.name for one in set(threading.enumerate()) - before}
        run.log(loss=1.0)
    with pytest.raises(KeyError):
        run.history["rss_bytes"]
    with pytest.raises(ValueError, match=r"system_s=-1.*0\.1 to 3,600"):
        monitor.run("two", environment=False, system_s=-1)
    monitor.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_reads_nothing(tmp_path: Path) -> None:
    """A child that lives on, as a loader's worker does, has no thread that reads; the parent's goes on."""
    program = (
        "import os, sys, threading, time\nimport vedette\n"
        "monitor = vedette.Monitor('net', lake=sys.argv[1])\n"
        "run = monitor.run('one', environment=False, system_s=0.1)\n"
        "run.log(loss=1.0)\ntime.sleep(0.3)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    reads = any(one.name == 'vedette-resources' for one in threading.enumerate())\n"
        "    time.sleep(0.3)\n"
        "    os._exit(7 if reads else 0)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "run.end(); monitor.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folders = list((tmp_path / ".journal" / "net.run").iterdir())
    monitor = vedette.Monitor("net", lake=tmp_path)
    assert monitor.points("one", "rss_bytes")["count"].sum() >= 1
    assert monitor.runs()["status"].to_list() == ["finished"]
    assert (
        len([one for one in folders if one.is_dir()]) == 2
    )  # the run's and the machine's, none of the child
    monitor.close()


@pytest.mark.parametrize("kind", ["leaks", "healthy"])
def test_a_training_that_leaks_is_told(tmp_path: Path, kind: str) -> None:
    """Outputs kept with their graph are a memory leak after five seconds; the same training without is none."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    subprocess.run([sys.executable, "-c", LEAK, str(tmp_path), kind], check=True)
    monitor = vedette.Monitor("net", lake=tmp_path)
    found = {one.diagnosis: one for one in monitor.diagnose("one")}["memory_leak"]
    assert found.named if kind == "leaks" else found.verdict is Status.OK, found
    monitor.close()


def slow_loader(torch: Any, seconds: float, n: int) -> Any:
    """A loader of batches whose rows take their time."""

    class Rows(torch.utils.data.Dataset):  # type: ignore[misc, name-defined] # known when it is loaded
        def __len__(self) -> int:
            return n

        def __getitem__(self, at: int) -> tuple[Any, Any]:
            time.sleep(seconds)
            return torch.randn(8), torch.tensor([0.0])

    return torch.utils.data.DataLoader(Rows(), batch_size=2)


def by_hand(run: Any, torch: Any, loader: Any) -> None:
    """A loop of one's own."""
    module = torch.nn.Linear(8, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    watch = run.watch(module, optimizer, timed_every=6)
    for x, y in loader:
        optimizer.zero_grad()
        loss = (module(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        watch.log(loss=loss)


def by_fit(run: Any, torch: Any, loader: Any) -> None:
    """``fit`` of a module."""
    run.fit(torch.nn.Linear(8, 1), loader, watched={"timed_every": 6})


def by_lightning(run: Any, torch: Any, loader: Any) -> None:
    """Lightning's Trainer."""
    lightning = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed")

    class Net(lightning.LightningModule):  # type: ignore[misc, name-defined] # known when it is loaded
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(8, 1)

        def training_step(self, batch: Any, _: int) -> Any:
            return (self.net(batch[0]) - batch[1]).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[run.callback("lightning", timed_every=6)],
    )  # fmt: skip
    trainer.fit(Net(), loader)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", [by_hand, by_fit, by_lightning])
def test_a_slow_data_set_is_told(tmp_path: Path, way: Any) -> None:
    """Steps that wait for rows are starved, whichever way the training goes; and the waiting is that of the rows."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    monitor = vedette.Monitor("net", lake=tmp_path)
    with monitor.run("one", environment=False) as run:
        way(run, torch, slow_loader(torch, 0.004, 340))
    found = {one.diagnosis: one for one in monitor.diagnose("one")}["data_starvation"]
    assert found.named, found
    waits = sorted(run.history["data_s"])
    assert 0.008 <= waits[len(waits) // 2] < 0.1  # two rows a batch
    monitor.close()


def test_a_slow_data_set_is_told_through_keras(tmp_path: Path) -> None:
    """Keras on PyTorch waits for its rows before a batch begins."""
    if any(find_spec(package) is None for package in ("keras", "torch")):
        pytest.skip("Keras or PyTorch is not installed")
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", KERAS, str(tmp_path)], check=True, env=environment)
    monitor = vedette.Monitor("net", lake=tmp_path)
    found = {one.diagnosis: one for one in monitor.diagnose("one")}["data_starvation"]
    assert found.named, found
    monitor.close()


@pytest.mark.parametrize("way", [by_hand, by_fit])
def test_a_quick_data_set_is_not_told(tmp_path: Path, way: Any) -> None:
    """Rows that are there at once starve nobody."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    monitor = vedette.Monitor("net", lake=tmp_path)
    with monitor.run("one", environment=False) as run:
        way(run, torch, [(torch.randn(2, 8), torch.zeros(2, 1))] * 300)
    found = {one.diagnosis: one for one in monitor.diagnose("one")}["data_starvation"]
    assert found.verdict is Status.OK, found
    monitor.close()

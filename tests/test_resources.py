"""What a process takes: readings against what was taken, the model that they are rows of, and the thread that reads."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KDTree

from vedette import Monitor
from vedette.capture.footprint import footprint
from vedette.capture.resources import Readings, Resources, check_every, gpu_readings


def alone(program: str) -> None:
    """Run a program in a process of its own, where no other test has threads or files."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_readings_are_what_psutil_says() -> None:
    """Memory, threads and open files as another library reads them, at the same time."""
    alone(
        "import psutil\n"
        "from vedette.capture.resources import Readings\n"
        "readings, own = Readings(), psutil.Process()\n"
        "readings.read()\n"
        "found = readings.read()\n"
        "assert abs(found['rss_bytes'] / own.memory_info().rss - 1) < 0.05\n"
        "assert found['threads'] == own.num_threads()\n"
        "assert found['open_files'] == own.num_fds() - 1  # psutil counts what it looks with\n"
        "assert found['rss_peak_bytes'] >= found['rss_bytes']\n"
    )


def test_readings_follow_what_is_taken() -> None:
    """64 MiB, three files and two threads more are seen, and gone again once they are; the peak stays."""
    alone(
        "import tempfile, threading\n"
        "import numpy as np\n"
        "from vedette.capture.resources import Readings\n"
        "readings = Readings(); readings.read(); before = readings.read()\n"
        "block = np.ones(2**23); files = [tempfile.TemporaryFile() for _ in range(3)]; stop = threading.Event()\n"
        "threads = [threading.Thread(target=stop.wait) for _ in range(2)]\n"
        "for thread in threads: thread.start()\n"
        "during = readings.read()\n"
        "size = block.nbytes; del block\n"
        "for file in files: file.close()\n"
        "stop.set()\n"
        "for thread in threads: thread.join()\n"
        "after = readings.read()\n"
        "assert during['rss_bytes'] - before['rss_bytes'] > 0.9 * size\n"
        "assert during['open_files'] - before['open_files'] == 3\n"
        "assert during['threads'] - before['threads'] == 2\n"
        "assert during['rss_bytes'] - after['rss_bytes'] > 0.9 * size\n"
        "assert after['rss_peak_bytes'] >= during['rss_bytes'] * 0.98\n"
    )


def test_the_processor_is_a_share_of_one_core() -> None:
    """As much as the process's own clock says was computed, over the time between two readings."""
    readings = Readings()
    start, used = time.monotonic(), sum(os.times()[:2])
    until = time.process_time() + 0.4
    while time.process_time() < until:
        pass
    time.sleep(0.2)
    found = readings.read()["cpu"]
    share = (sum(os.times()[:2]) - used) / (time.monotonic() - start)
    assert found == pytest.approx(share, abs=0.1)


def test_a_gpu_is_read_through_nvml() -> None:
    """With a stand-in for NVML, since this machine has none: units are whole ones, and what a device refuses is left out."""

    def refuse(_: Any) -> int:
        raise RuntimeError("not supported")

    nvml = SimpleNamespace(
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=50),
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=2**30),
        nvmlDeviceGetPowerUsage=lambda handle: 123_456,
        nvmlDeviceGetTemperature=refuse,
        NVML_TEMPERATURE_GPU=0,
    )
    assert gpu_readings(nvml, None) == {"use": 0.5, "memory_bytes": 2.0**30, "power_w": 123.456}


def test_a_real_gpu_is_read() -> None:
    """Where there is one: use, memory, power and temperature in what they can be."""
    if find_spec("pynvml") is None:
        pytest.skip("nvidia-ml-py is not installed")
    found = Readings().read()
    if "gpu0_memory_bytes" not in found:
        pytest.skip("no NVIDIA GPU, or no driver")
    assert 0 <= found["gpu0_use"] <= 1
    assert 2**20 < found["gpu0_memory_bytes"] < 2**40
    assert 0 < found.get("gpu0_temperature_c", 20) < 120


def test_what_is_read_are_rows_of_the_process(tmp_path: Path) -> None:
    """A watched model has its process beside it, with figures and rules as any; the model's own rows are its own."""
    with Monitor("delays", lake=tmp_path, resources=0.1) as monitor:
        model = monitor.watch(lambda x: x > 1)
        for i in range(200):
            model(float(i))
        time.sleep(0.5)
        monitor.flush()
        process = monitor.resources()
        found = process.figures(["p50", "rows"], window="all")
        own = monitor.figures("rows", window="all")
    values = {row["feature"]: row["value"] for row in found.iter_rows(named=True) if row["metric"] == "rows"}
    assert own["value"].to_list() == [200.0]
    assert values["prediction"] >= 3
    names = {
        "rss_bytes",
        "rss_peak_bytes",
        "cpu",
        "threads",
        "open_files",
        "calls",
        "concurrency",
        "batch_size",
    }
    columns = process.figures("mean", feature=sorted(names), window="all")
    assert set(columns["feature"]) == names
    assert not monitor._tied[0]._thread.is_alive()  # type: ignore[union-attr]


def test_nothing_is_read_where_nobody_wants_it(tmp_path: Path) -> None:
    """``resources=False`` starts no thread and makes no model."""
    with Monitor("delays", lake=tmp_path, resources=False) as monitor:
        monitor.watch(lambda x: x)(1.0)
        assert monitor._tied == []
    assert sorted(one.name for one in (tmp_path / ".journal").iterdir() if one.is_dir()) == ["delays"]


def test_readings_take_no_room_from_the_model(tmp_path: Path) -> None:
    """The files of their journal are small: what a model's own rows need is there."""
    with Monitor("delays", lake=tmp_path, resources=0.1) as monitor:
        monitor.watch(lambda x: x)(1.0)
        time.sleep(0.3)
        assert monitor.resources(0.2) is monitor.resources()
        files = (tmp_path / ".journal" / "delays.process").rglob("*")
        assert sum(one.stat().st_size for one in files) < 2**20
        with pytest.raises(ValueError, match="every_s='x': must be"):
            monitor.resources("x")  # type: ignore[arg-type]


def test_a_watched_function_alone_keeps_its_process_read(tmp_path: Path) -> None:
    """Nobody needs to hold the monitor."""
    watched = Monitor("delays", lake=tmp_path, resources=0.1).watch(lambda x: x)
    gc.collect()
    watched(1.0)
    process = Monitor("delays.process", lake=tmp_path, resources=False)
    seen = process.ledger().total("seen")
    until = time.monotonic() + 10
    while process.ledger().total("seen") < seen + 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert process.ledger().total("seen") >= seen + 2


def test_a_reading_that_fails_ends_nothing() -> None:
    """What goes wrong is said once, and the next reading is tried."""
    calls: list[int] = []

    def log(*_: Any) -> None:
        calls.append(1)
        raise RuntimeError("no")

    resources = Resources(log, dict, 3600.0)
    resources.record()
    resources.record()
    resources.close()
    assert len(calls) == 3


@pytest.mark.parametrize("given", [0, -1, 0.05, 4000, "10", None])
def test_how_often_is_checked(tmp_path: Path, given: Any) -> None:
    """From a tenth of a second to an hour; None and False are never."""
    if given is None:
        assert check_every(given) == 0.0
        return
    with pytest.raises(ValueError, match=r"must be True, False, or 0.1 to 3,600"):
        Monitor("delays", lake=tmp_path, resources=given)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_reads_itself(tmp_path: Path) -> None:
    """After a fork each process has a thread of its own, and rows of both are there."""
    with Monitor("delays", lake=tmp_path, resources=0.1) as monitor:
        monitor.watch(lambda x: x)(1.0)
        child = os.fork()
        if not child:
            time.sleep(0.4)
            alive = monitor._tied[0]._thread.is_alive()  # type: ignore[union-attr]
            monitor.close()
            os._exit(10 + alive)
        status = os.waitpid(child, 0)[1]
        monitor.flush()
        producers = {one.producer for one in monitor.resources().ledger().producers if one.in_lake}
    assert os.waitstatus_to_exitcode(status) == 11
    assert len(producers) >= 1


def test_a_models_footprint_is_its_arrays_and_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an array its bytes, once however often it is held; of trees, which lie outside Python's sight, near a pickle."""
    monkeypatch.setattr("vedette.capture.footprint._SECONDS_MAX", 60.0)  # however busy the machine is
    import pickle

    class Model:
        pass

    model = Model()
    model.weights = np.zeros(10**6)  # type: ignore[attr-defined]
    model.again = [model.weights, model.weights]  # type: ignore[attr-defined]
    assert footprint(model) == pytest.approx(8e6, rel=0.01)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(500, 5)), rng.random(500) > 0.5
    for fitted in (
        RandomForestClassifier(10, random_state=1).fit(x, y),
        RandomForestClassifier(40, random_state=1).fit(x, y),
        KDTree(x),
    ):
        assert footprint(fitted) == pytest.approx(len(pickle.dumps(fitted)), rel=0.25)
    assert footprint(sys) == 0

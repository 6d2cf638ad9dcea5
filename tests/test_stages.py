"""Named stages of a call: with which row they go, and what they measure; and how much is asked at the same time."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journals import read
from vedette import Monitor
from vedette.capture.concurrency import Load


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    """A monitor that reads no resources."""
    with Monitor("delays", lake=tmp_path, resources=False) as one:
        yield one


def rows(tmp_path: Path) -> list[dict[str, Any]]:
    """What was recorded."""
    return read(tmp_path / ".journal").rows


def test_a_stage_goes_with_the_next_row(monitor: Monitor, tmp_path: Path) -> None:
    """Its seconds are a column of that row, and of no other; one that comes twice counts together."""
    for _ in range(2):
        with monitor.stage("preprocess"):
            time.sleep(0.02)
    monitor.log({"a": 1.0}, 1)
    monitor.log({"a": 2.0}, 1)
    first, second = rows(tmp_path)
    assert 0.04 <= first["stage_preprocess_s"] < 0.5
    assert "stage_preprocess_s" not in second


def test_a_stage_that_raises_is_measured(monitor: Monitor, tmp_path: Path) -> None:
    """What is raised passes through, and the time until then counts."""
    with pytest.raises(KeyError), monitor.stage("load"):
        raise KeyError
    monitor.log({"a": 1.0}, None, error=KeyError)
    assert rows(tmp_path)[0]["stage_load_s"] > 0


def test_stages_of_a_watched_call_are_those_of_its_rows(monitor: Monitor, tmp_path: Path) -> None:
    """Each row of a batch has them, and a failed call too."""

    def predict(batch: list[dict[str, float]]) -> list[int]:
        with monitor.stage("model"):
            if batch[0]["a"] < 0:
                raise ValueError("negative")
            return [1] * len(batch)

    watched = monitor.watch(predict)
    watched([{"a": 1.0}, {"a": 2.0}])
    with pytest.raises(ValueError, match="negative"):
        watched([{"a": -1.0}])
    found = rows(tmp_path)
    assert [row["a"] for row in found] == [1.0, 2.0, -1.0]
    assert all(row["stage_model_s"] > 0 for row in found)
    assert found[0]["stage_model_s"] == found[1]["stage_model_s"]


def test_threads_and_tasks_have_stages_of_their_own(monitor: Monitor, tmp_path: Path) -> None:
    """What one measures never goes with another's row."""

    async def call(name: str) -> None:
        with monitor.stage(name):
            await asyncio.sleep(0.01)
        monitor.log({"who": name}, 1)

    async def both() -> None:
        await asyncio.gather(*(call(f"t{i}") for i in range(20)))

    asyncio.run(both())

    def work(name: str) -> None:
        for _ in range(50):
            with monitor.stage(name):
                time.sleep(0)
            monitor.log({"who": name}, 1)

    threads = [threading.Thread(target=work, args=(f"h{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = rows(tmp_path)
    assert len(found) == 20 + 8 * 50
    for row in found:
        assert [name for name in row if name.startswith("stage_")] == [f"stage_{row['who']}_s"]


def test_a_part_in_a_thread_with_the_calls_context_is_its_own(monitor: Monitor, tmp_path: Path) -> None:
    """As servers run plain functions: the stage in the other thread goes with the call that waits for it."""

    def predict(a: float) -> int:
        def inner() -> None:
            with monitor.stage("inner"):
                pass

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(inner,))
        thread.start()
        thread.join()
        return int(a)

    monitor.watch(predict)(1.0)
    assert rows(tmp_path)[0]["stage_inner_s"] > 0


def test_stages_of_calls_in_other_threads_do_not_add_up(monitor: Monitor, tmp_path: Path) -> None:
    """A loop that measures and then has a thread call the model: each row has what came before it, not the sum."""
    watched = monitor.watch(lambda a: a)

    async def serve() -> None:
        for i in range(9):
            with monitor.stage("pre"):
                await asyncio.sleep(0.02)
            await asyncio.to_thread(watched, float(i))

    asyncio.run(serve())
    found = sorted(row["stage_pre_s"] for row in rows(tmp_path))
    assert len(found) == 9
    assert 0.015 < found[4] < 0.06  # the sum grows to 0.18


def test_a_call_within_a_call_has_stages_of_its_own(monitor: Monitor, tmp_path: Path) -> None:
    """What the outer one measured before and after is the outer's."""

    @monitor.watch
    def inner(a: float) -> float:
        with monitor.stage("inner"):
            return a

    @monitor.watch
    def outer(b: float) -> float:
        with monitor.stage("pre"):
            pass
        found = float(inner(b))
        with monitor.stage("post"):
            return found

    outer(1.0)
    found = [sorted(name for name in row if name.startswith("stage_")) for row in rows(tmp_path)]
    assert found == [["stage_inner_s"], ["stage_post_s", "stage_pre_s"]]


def test_a_mapping_that_raises_reaches_nobody(monitor: Monitor, tmp_path: Path) -> None:
    """With a stage before it as without: the row is rejected, or kept without."""

    class Odd(dict[str, float]):
        def keys(self) -> Any:
            raise RuntimeError

    with monitor.stage("x"):
        pass
    monitor.log(Odd(a=1.0), 1)
    back = read(tmp_path / ".journal")
    assert len(back.rows) + sum(back.rejected.values()) == 1


@pytest.mark.parametrize("name", ["", "a b", "1st", "x" * 65, None, "a-b", "é"])
def test_a_name_that_is_none_is_refused(monitor: Monitor, name: Any) -> None:
    """With what it may be; and nothing has changed."""
    before = monitor.log
    with pytest.raises(ValueError, match="must be a letter and at most 63"):
        monitor.stage(name)
    assert monitor.log is before


def test_load_counts_what_goes_on_at_once() -> None:
    """Calls begun, going on, and the most of them; the rows of a call; each reading tells what was since the last."""
    load = Load()
    barrier = threading.Barrier(5)

    def call(n: int) -> None:
        load.begin()
        barrier.wait()
        barrier.wait()
        load.end(n)

    threads = [threading.Thread(target=call, args=(n,)) for n in (1, 2, 3, 10)]
    for thread in threads:
        thread.start()
    barrier.wait()
    during = load.reading()
    barrier.wait()
    for thread in threads:
        thread.join()
    assert during == {"calls": 4.0, "concurrency": 4.0, "concurrency_peak": 4.0}
    assert load.reading() == {
        "calls": 0.0,
        "concurrency": 0.0,
        "concurrency_peak": 4.0,
        "batch_size": 4.0,
        "batch_size_peak": 10.0,
    }
    assert load.reading() == {"calls": 0.0, "concurrency": 0.0, "concurrency_peak": 0.0}

"""Numbers of a device are read when they are there and not before; nothing waits but the end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from tests.training_runs import BrokenRun, MemoryRun
from vedette.capture.training.told import Told
from vedette.capture.training.torch_pending import Pending
from vedette.capture.training.torch_times import StepTimes


class Event:
    """An event of a device that has come as far as the test says."""

    reached = 0.0
    made = 0

    def __init__(self, enable_timing: bool = False) -> None:
        self.at = float("inf")

    def record(self, stream: Any = None) -> None:
        Event.made += 1
        self.at = float(Event.made)

    def query(self) -> bool:
        return self.at <= Event.reached

    def synchronize(self) -> None:
        Event.reached = max(Event.reached, self.at)

    def elapsed_time(self, other: Event) -> float:
        return 1000 * (other.at - self.at)


class Device(NamedTuple):
    """A device by its kind alone."""

    type: str


class Numbers:
    """Tensors of such a device: a stack of scalars, and its copy to the host."""

    def __init__(self, values: list[float], kind: str = "cuda") -> None:
        self.values, self.device, self.dtype, self.shape = (
            values,
            Device(kind),
            "float",
            len(values),
        )

    def double(self) -> Numbers:
        return self

    def copy_(self, other: Numbers, non_blocking: bool = False) -> None:
        assert non_blocking
        self.values = other.values

    def tolist(self) -> list[float]:
        return self.values


@pytest.fixture
def device() -> Any:
    Event.reached, Event.made = 0.0, 0
    cuda = SimpleNamespace(Event=Event, current_stream=lambda _: None)

    def empty(n: int, dtype: Any, pin_memory: bool) -> Numbers:
        assert pin_memory
        return Numbers([0.0] * n, "cpu")

    return SimpleNamespace(
        stack=lambda parts: Numbers([one.values[0] for one in parts], parts[0].device.type),
        empty=empty,
        cuda=cuda,
    )


def test_numbers_come_in_order_when_they_are_there(device: Any) -> None:
    """The second set has to wait for the first; the rest comes at the end, which waits."""
    seen: list[list[float]] = []
    pending = Pending(device, lambda reason: None)
    for value in (1.0, 2.0, 3.0):
        pending.ask([Numbers([value]), Numbers([10 * value])], seen.append)
    assert seen == []
    Event.reached = 2.0
    pending.read()
    assert seen == [[1.0, 10.0], [2.0, 20.0]]
    pending.read(wait=True)
    assert seen[2:] == [[3.0, 30.0]]


def test_what_a_device_never_gets_to_is_left_out_and_told(device: Any) -> None:
    """Of 70 sets the last 64 are kept."""
    seen: list[list[float]] = []
    said: list[str] = []
    pending = Pending(device, said.append)
    for value in range(70):
        pending.ask([Numbers([float(value)])], seen.append)
    assert said == ["the device is too far behind"] * 6
    pending.read(wait=True)
    assert [one[0] for one in seen] == [float(value) for value in range(6, 70)]


def test_stages_of_a_device_are_between_its_events() -> None:
    """One unit of its clock between marks; they are ready when the last has passed."""
    Event.reached, Event.made = 0.0, 0
    times = StepTimes(Event)
    times.begin()  # 1
    for _ in range(2):  # gradients of two batches are accumulated
        times.forward_begins(8)
        times.forward_ends()
        times.backward_ends()
    times.optimizer_begins()
    times.optimizer_ends()
    marks = times.taken()
    assert not marks.ready()
    Event.reached = 100.0
    assert marks.ready()
    assert marks.read() == {"data_s": 2.0, "forward_s": 2.0, "backward_s": 2.0, "optimizer_s": 1.0}


def test_a_closure_is_no_time_of_the_optimizer() -> None:
    """Two passes within the step are taken off it; one that began before counts from its beginning."""
    Event.reached, Event.made = 100.0, 0
    times = StepTimes(Event)
    times.begin()  # 1
    times.optimizer_begins()  # 2
    for _ in range(2):
        times.forward_begins(8)  # 3, 6
        times.forward_ends()
        times.backward_ends()  # 5, 8
    times.optimizer_ends()  # 9: of 7 units 4 were passes
    assert times.taken().read() == {"forward_s": 2.0, "backward_s": 2.0, "optimizer_s": 3.0}
    times.begin()  # 10
    times.forward_begins(8)  # 11
    times.optimizer_begins()  # 12
    times.forward_ends()  # 13
    times.backward_ends()  # 14
    times.optimizer_ends()  # 15: of 3 units 2 were passes
    found = times.taken().read()
    assert found == {"data_s": 1.0, "forward_s": 2.0, "backward_s": 1.0, "optimizer_s": 1.0}


def test_a_validation_between_steps_is_no_loading_of_data() -> None:
    """What follows a pass without gradients is left out."""
    times = StepTimes(Event)
    times.begin()
    times.leave_data_out()
    times.forward_begins(4)
    times.forward_ends()
    assert "data_s" not in times.taken().read()


def test_a_reason_is_told_once_and_never_raised() -> None:
    """Also where the run cannot take it."""
    run = MemoryRun()
    told = Told(run, "test")
    assert told.guarded("x", lambda: 1 / 0) is None
    told.guarded("x", lambda: 1 / 0)
    assert run.of("not_watched") == [
        {"kind": "not_watched", "by": "test", "what": "x", "reason": "ZeroDivisionError: division by zero"}
    ]
    told = Told(BrokenRun(), "test")
    told.failed("y", ValueError("no"))
    assert told.reasons == {"y": "ValueError: no"}


def test_the_end_of_a_run_takes_all_hooks_off() -> None:
    """Of what was closed already and of what was not."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    run, modules = MemoryRun(), [torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)]
    optimizers = [torch.optim.SGD(one.parameters(), lr=0.1) for one in modules]
    watches = [run.watch(one, two) for one, two in zip(modules, optimizers, strict=True)]
    watches[0].close()
    run.close_callbacks()
    run.close_callbacks()
    assert all(not one._optimizer_step_post_hooks for one in optimizers)

"""Hooks on a PyTorch loop say what the gradients, weights and activations are, and the loop goes on as without them."""

from __future__ import annotations

import copy
import math
import os
import pickle
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tests.training_runs import BrokenRun, MemoryRun

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
torch.set_num_threads(1)
nn = torch.nn


def made(seed: int = 0, **activation: Any) -> Any:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), activation.get("kind", nn.ReLU()), nn.Linear(6, 1))


def batch(seed: int = 1) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(16, 4, generator=generator)
    return x, x.sum(dim=1, keepdim=True)


def loop(module: Any, optimizer: Any, steps: int, watch: Any = None) -> list[float]:
    """A plain loop; returns its losses."""
    x, y = batch()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(module(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if watch is not None:
            watch.log(loss=loss)
    return losses


def sgd(module: Any, lr: float = 0.05) -> Any:
    return torch.optim.SGD(module.parameters(), lr=lr)


def test_norms_and_ratios_are_those_that_numpy_finds() -> None:
    """Of the first step, from a copy of the module that makes the same step unwatched."""
    module, run = made(), MemoryRun()
    twin = copy.deepcopy(module)
    optimizer = sgd(module)
    with run.watch(module, optimizer, every=1):
        loop(module, optimizer, 1)
    x, y = batch()
    nn.functional.mse_loss(twin(x), y).backward()
    for name, layer in (("0", twin[0]), ("2", twin[2])):
        gradient = np.concatenate([one.grad.numpy().ravel() for one in layer.parameters()])
        weights = np.concatenate([one.detach().numpy().ravel() for one in layer.parameters()])
        assert run.history[f"grad_norm/{name}"] == pytest.approx([np.linalg.norm(gradient)], rel=1e-5)
        assert run.history[f"weight_norm/{name}"] == pytest.approx([np.linalg.norm(weights)], rel=1e-5)
        ratio = 0.05 * np.linalg.norm(gradient) / np.linalg.norm(weights)  # plain SGD moves by lr * gradient
        assert run.history[f"update_ratio/{name}"] == pytest.approx([ratio], rel=1e-3)
        assert run.history[f"grad_zero_share/{name}"] == pytest.approx([(gradient == 0).mean()], abs=1e-9)
    whole = math.hypot(*(run.history[f"grad_norm/{name}"][0] for name in "02"))
    assert run.history["grad_norm"] == pytest.approx([whole])


def test_a_watched_loop_learns_what_an_unwatched_one_does() -> None:
    """To the bit, and after it the module is as it was before."""
    module = made()
    twin = copy.deepcopy(module)
    optimizer, run = sgd(module), MemoryRun()
    before = {name: dict(one.__dict__) for name, one in module.named_modules()}
    watch = run.watch(module, optimizer, every=3, timed_every=2)
    watched = loop(module, optimizer, 12, watch)
    watch.close()
    watch.close()
    assert watched == loop(twin, sgd(twin), 12)
    assert run.history["loss"] == pytest.approx(watched)
    assert run.steps["loss"] == list(range(1, 13))
    assert run.steps["grad_norm"] == [1, 3, 6, 9, 12]
    after = {name: dict(one.__dict__) for name, one in module.named_modules()}
    assert {name: set(one) for name, one in after.items()} == {name: set(one) for name, one in before.items()}
    for one in module.modules():
        assert not one._forward_hooks
        assert not one._forward_pre_hooks
    assert all(not one._post_accumulate_grad_hooks for one in module.parameters())
    assert not optimizer._optimizer_step_post_hooks
    assert not optimizer._optimizer_step_pre_hooks


def test_stages_are_of_steps_that_took_them() -> None:
    """Each stage has a time, none is longer than the whole, and samples are those of the batch."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module, lr=0.25)
    with run.watch(module, optimizer, every=1000, timed_every=4) as watch:
        loop(module, optimizer, 20, watch)
    assert run.steps["forward_s"] == [2, 6, 10, 14, 18]
    for name in ("data_s", "forward_s", "backward_s", "optimizer_s", "step_s"):
        assert all(0 <= one < 10 for one in run.history[name]), name
    found = zip(run.history["samples_per_s"], run.history["step_s"], strict=True)
    assert [one * two for one, two in found] == pytest.approx([16.0] * 5)
    assert run.history["lr"] == [0.25] * 5


def test_units_that_are_never_positive_are_dead() -> None:
    """Three of six units are pushed below 0; a tanh with huge weights is saturated, a sigmoid at 0 is not."""
    module, run = made(), MemoryRun()
    with torch.no_grad():
        module[0].bias[:3] = -100.0
        module[0].bias[3:] = 100.0
    optimizer = sgd(module, lr=1e-6)
    with run.watch(module, optimizer, every=1):
        loop(module, optimizer, 1)
    assert run.history["dead_share/1"] == [0.5]
    assert run.history["grad_zero_share/0"] == [0.5]  # what is dead has no gradient
    for kind, value, expected in ((nn.Tanh(), 100.0, 1.0), (nn.Sigmoid(), 0.0, 0.0)):
        module, run = made(kind=kind), MemoryRun()
        with torch.no_grad():
            module[0].weight.zero_()
            module[0].bias.fill_(value)
        optimizer = sgd(module, lr=1e-9)
        with run.watch(module, optimizer, every=1):
            loop(module, optimizer, 1)
        assert run.history["saturated_share/1"] == [expected]


def test_a_unit_of_an_image_is_a_channel_and_a_function_can_be_named() -> None:
    """Of four channels one is dead; a layer before ``relu`` as a function is told by its name."""

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)
            self.act = nn.ReLU()
            self.head = nn.Linear(4, 5)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.head(self.act(self.conv(x)).mean((2, 3))))

    torch.manual_seed(0)
    net, run = Net(), MemoryRun()
    with torch.no_grad():
        net.conv.bias[:] = torch.tensor([-100.0, 100.0, 100.0, 100.0])
        net.head.weight.zero_()
        net.head.bias[:] = torch.tensor([-1.0, -1.0, 1.0, 1.0, 1.0])
    optimizer = sgd(net, 1e-9)
    with run.watch(net, optimizer, every=1, activations={"head": "relu"}):
        net(torch.randn(3, 1, 8, 8)).sum().backward()
        optimizer.step()
    assert run.history["dead_share/act"] == [0.25]
    assert run.history["dead_share/head"] == [0.4]
    with pytest.raises(ValueError, match="activations\\['nose'\\]='relu'"):
        run.watch(net, optimizer, activations={"nose": "relu"})


def test_the_first_layer_whose_numbers_break_is_named() -> None:
    """With where it was, the step, and the last one that was fine; once."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    with run.watch(module, optimizer, every=2) as watch:
        loop(module, optimizer, 4, watch)
        with torch.no_grad():
            module[2].weight[0, 0] = float("nan")
        loop(module, optimizer, 4, watch)
    loss, event = run.of("nan")
    # the weights broke before step 5, which is not looked at; its loss makes the next one that is
    assert (loss["where"], loss["step"], loss["last_finite_step"]) == ("loss", 5, 4)
    assert (event["where"], event["step"], event["certain"]) == ("output", 6, False)
    assert run.history["nan_share/2"][-1] > 0
    assert math.isnan(run.history["loss"][-1])
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    with run.watch(module, optimizer, every=1) as watch:
        loop(module, optimizer, 4, watch)
        with torch.no_grad():
            module[2].weight[0, 0] = float("inf")
        loop(module, optimizer, 4, watch)
    (event,) = run.of("nan")
    assert (event["layer"], event["where"], event["step"], event["certain"]) == ("2", "output", 5, True)


@pytest.mark.parametrize(("arguments", "said"), [
    ({"activations": "relu"}, "activations='relu': must be a mapping .*fc1"),
    ({"metrics": ["accuracy"]}, r"metrics=\['accuracy'\]: must be a mapping .*accuracy"),
    ({"watched": 10}, "watched=10: must be a mapping .*every"),
])  # fmt: skip
def test_arguments_that_are_no_mapping_are_refused_by_name(arguments: dict[str, Any], said: str) -> None:
    """Before the training begins, with the argument, its value and what is right."""
    module = made()
    before = [one.clone() for one in module.parameters()]
    with pytest.raises(ValueError, match=said):
        MemoryRun().fit(module, *batch(), **arguments)
    assert all(torch.equal(one, other) for one, other in zip(module.parameters(), before, strict=True))


def test_the_last_finite_step_is_of_what_broke() -> None:
    """Of a loss the last finite one that was logged, of layers the last look at them; where there was none, None."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    with run.watch(module, optimizer, every=10) as watch:
        loop(module, optimizer, 6, watch)  # step 1 is looked at
        with torch.no_grad():
            module[2].weight[0, 0] = float("nan")
        loop(module, optimizer, 4, watch)
    loss, layer = run.of("nan")
    assert (loss["where"], loss["step"], loss["last_finite_step"]) == ("loss", 7, 6)
    assert (layer["step"], layer["last_finite_step"], layer["certain"]) == (8, 1, False)


def test_what_was_broken_before_it_was_watched_is_not_certain() -> None:
    """Hooks that are put on at step 500 know nothing of the step before."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    with torch.no_grad():
        module[2].weight[0, 0] = float("nan")
    with run.watch(module, optimizer, every=10, step=500) as watch:
        loop(module, optimizer, 1, watch)
    (layer,) = run.of("nan")
    assert (layer["step"], layer["last_finite_step"], layer["certain"]) == (501, None, False)


def test_a_gradient_that_breaks_is_told_by_its_layer() -> None:
    """The loss is finite, the gradient of a square root at 0 is not; without activations the gradients tell."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    with run.watch(module, optimizer, every=1, activations=False):
        torch.sqrt(module(batch()[0]).sum() * 0).backward()
        optimizer.step()
    (event,) = run.of("nan")
    assert (event["layer"], event["where"], event["step"], event["last_finite_step"]) == (
        "2",
        "gradient",
        1,
        None,  # nothing was looked at before
    )
    assert event["certain"]  # nothing was trained before
    assert run.history["nan_share/2"] == [0.5]  # all of its gradients, none of its weights


def test_hooks_of_a_run_that_fails_raise_nothing() -> None:
    """What failed is told with its reason, and the training is as without them."""
    module, run = made(), BrokenRun()
    twin = copy.deepcopy(module)
    optimizer = sgd(module)
    with run.watch(module, optimizer, every=1, timed_every=1) as watch:
        assert loop(module, optimizer, 5, watch) == loop(twin, sgd(twin), 5)
    assert "OSError: the disk is gone" in watch.told["metrics"]


def test_what_cannot_be_watched_is_refused_in_words() -> None:
    """Wrong types and numbers are named with what would be right."""
    module, run = made(), MemoryRun()
    with pytest.raises(TypeError, match=r"module of type list: must be a torch.nn.Module"):
        run.watch([], None)
    with pytest.raises(TypeError, match=r"optimizer of type str: must be a torch.optim.Optimizer"):
        run.watch(module, "adam")
    with pytest.raises(ValueError, match="every=0: must be a whole number, 1 or more"):
        run.watch(module, sgd(module), every=0)


def test_without_an_optimizer_the_one_that_trains_the_module_is_found() -> None:
    """And one of another module is not taken for it; the global hook goes with ``close``."""
    optimizers = import_module("torch.optim.optimizer")
    hooks = len(optimizers._global_optimizer_post_hooks)
    module, other, run = made(), made(1), MemoryRun()
    with run.watch(module, every=1) as watch:
        loop(other, sgd(other), 3)
        assert watch.step == 0
        optimizer = sgd(module)
        loop(module, optimizer, 4, watch)
        assert watch.step == 4
    assert run.steps["grad_norm"] == [2, 3, 4]  # the first step is how it was found
    assert len(optimizers._global_optimizer_post_hooks) == hooks
    assert not optimizer._optimizer_step_post_hooks


def test_accumulated_gradients_are_those_of_the_whole_step() -> None:
    """Two halves of a batch make the norm of the whole, and its samples."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    x, y = batch()
    twin = copy.deepcopy(module)
    with run.watch(module, optimizer, every=1, timed_every=1):
        for _ in range(2):
            optimizer.zero_grad()
            for part in (slice(0, 8), slice(8, 16)):
                (nn.functional.mse_loss(module(x[part]), y[part]) / 2).backward()
            optimizer.step()
    nn.functional.mse_loss(twin(x), y).backward()
    whole = math.hypot(*(one.grad.norm().item() for one in twin.parameters()))
    assert run.history["grad_norm"][0] == pytest.approx(whole, rel=1e-5)
    assert run.history["samples_per_s"][0] * run.history["step_s"][0] == pytest.approx(16)


def test_an_optimizer_with_a_closure_is_read_after_it() -> None:
    """LBFGS asks for several passes within a step: gradients are those of the last, the optimizer's time its own."""
    module, run = made(), MemoryRun()
    optimizer = torch.optim.LBFGS(module.parameters(), lr=0.1, max_iter=4)
    x, y = batch()

    def closure() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(module(x), y)
        loss.backward()
        return loss

    with run.watch(module, optimizer, every=1, timed_every=1) as watch:
        for _ in range(3):
            optimizer.step(closure)
        last = math.hypot(*(one.grad.norm().item() for one in module.parameters()))
    assert run.history["grad_norm"][-1] == pytest.approx(last, rel=1e-5)
    assert len(run.history["update_ratio"]) == 3
    assert all(one >= 0 for one in run.history["optimizer_s"])
    assert watch.told == {}


def test_a_scaled_gradient_is_told_unscaled() -> None:
    """Both with a scaler that unscales before the step and with a fused optimizer that does it within."""
    found = []
    for fused in (False, True):
        module, run = made(), MemoryRun()
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        x, y = batch()
        with run.watch(module, optimizer, every=1):
            scaler.scale(nn.functional.mse_loss(module(x), y)).backward()
            scaler.step(optimizer)
            scaler.update()
        found.append(run.history["grad_norm"][0])
    twin = made()
    nn.functional.mse_loss(twin(x), y).backward()
    assert found == pytest.approx(
        [math.hypot(*(one.grad.norm().item() for one in twin.parameters()))] * 2, rel=1e-4
    )


def test_a_step_that_a_scaler_leaves_out_is_none() -> None:
    """Its gradients overflow; the next one, at half the scale, is the first."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    x, y = batch()
    counted = []
    with run.watch(module, optimizer, every=1) as watch:
        for _ in range(6):
            optimizer.zero_grad()
            scaler.scale(100 * nn.functional.mse_loss(module(x), y)).backward()
            scaler.step(optimizer)
            scaler.update()
            counted.append(watch.step)
    assert counted[0] == 0
    assert run.steps["grad_norm"] == list(range(1, counted[-1] + 1))
    assert run.of("nan") == []


def test_an_optimizer_that_steps_within_the_backward_pass_is_refused() -> None:
    """Its steps go on as they were, and it is told."""
    module, run = made(), MemoryRun()
    first = next(module.parameters())
    optimizer = torch.optim.SGD([first], lr=0.1)
    first.register_post_accumulate_grad_hook(lambda _: optimizer.step())
    with run.watch(module, optimizer, every=1, timed_every=1) as watch:
        before = first.detach().clone()
        for _ in range(3):
            module(batch()[0]).sum().backward()
    assert watch.told["steps"] == "the optimizer takes its steps within the backward pass"
    assert not torch.equal(first, before)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("when", ["before", "after", "in place"])
def test_a_compiled_module_is_watched_by_its_parameters(when: str) -> None:
    """Its graph stays whole; what hooks within it would see is refused. Compiled after, it is so again with them."""
    torch._dynamo.reset()
    graphs = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = made()

        def forward(self, x: Any) -> Any:
            return self.inner(x)

    module, run = Net(), MemoryRun()
    optimizer = sgd(module)
    compiled = module
    if when == "before":
        compiled = torch.compile(module, backend=backend)
    elif when == "in place":
        module.compile(backend=backend)
    watch = run.watch(compiled, optimizer, every=2, timed_every=2)
    if when == "after":
        compiled = torch.compile(module, backend=backend)
    losses = loop(compiled, optimizer, 8, watch)
    watch.close()
    twin = made()
    assert losses == pytest.approx(loop(twin, sgd(twin), 8), rel=1e-5)
    assert len(graphs) <= (3 if when == "after" else 1)
    assert all(graph.code.count("linear(") == 2 for graph in graphs)
    assert graphs
    assert run.steps["grad_norm/inner.0"] == [1, 2, 4, 6, 8]
    if when != "after":
        assert "compiled" in watch.told["activations"]
    torch._dynamo.reset()


def test_a_copy_of_a_watched_module_is_not_watched() -> None:
    """Neither a pickled one; both run."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    with run.watch(module, optimizer, every=1, timed_every=1):
        loop(module, optimizer, 1)
        n = len(run.history["forward_s"])
        for one in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
            loop(one, sgd(one), 3)
        assert len(run.history["forward_s"]) == n


def test_wrappers_do_not_change_the_names_of_layers() -> None:
    """DataParallel, which without a GPU calls the module, and DistributedDataParallel of one process."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    wrapped = nn.DataParallel(module)
    with run.watch(wrapped, optimizer, every=1):
        loop(wrapped, optimizer, 1)
    assert {"grad_norm/0", "grad_norm/2", "dead_share/1"} <= set(run.history)


def test_distributed_modules_are_watched(tmp_path: Any) -> None:
    """DistributedDataParallel over gloo: gradients are the averaged ones."""
    if not torch.distributed.is_available():
        pytest.skip("this build of PyTorch has no distributed package")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        module, run = made(), MemoryRun()
        wrapped = nn.parallel.DistributedDataParallel(module)
        optimizer = sgd(wrapped)
        with run.watch(wrapped, optimizer, every=1) as watch:
            loop(wrapped, optimizer, 3, watch)
        assert len(run.history["grad_norm/0"]) == 3
        assert watch.told == {}
    finally:
        torch.distributed.destroy_process_group()


def test_patterns_and_a_name_choose_what_series_are_called() -> None:
    """A second module of the run has its own names; totals are of the layers that are watched."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    with run.watch(module, optimizer, every=1, layers=["2"], name="critic"):
        loop(module, optimizer, 1)
    assert "grad_norm/critic.2" in run.history
    assert "grad_norm/critic.0" not in run.history
    assert run.history["grad_norm/critic"] == run.history["grad_norm/critic.2"]


def test_frozen_and_unused_parameters_are_left_out() -> None:
    """Neither has a gradient; the weights of the unused one are told all the same."""
    module, run = made(), MemoryRun()
    module.unused = nn.Linear(2, 2)
    module[0].requires_grad_(False)
    optimizer = torch.optim.SGD([one for one in module.parameters() if one.requires_grad], lr=0.1)

    class Without(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Any) -> Any:
            return self.inner[2](self.inner[1](self.inner[0](x)))

    net = Without()
    with run.watch(net, optimizer, every=1):
        loop(net, optimizer, 1)
    assert "grad_norm/inner.0" not in run.history
    assert "weight_norm/inner.unused" in run.history
    assert "grad_norm/inner.unused" not in run.history


def test_the_architecture_is_an_event() -> None:
    """With the layers and the number of parameters: 4*6 + 6 + 6 + 1."""
    run = MemoryRun()
    run.watch(made(), None).close()
    (event,) = run.of("architecture")
    assert (event["parameters"], event["trained_parameters"], event["layers_left_out"]) == (37, 37, 0)
    assert [one["kind"] for one in event["layers"]] == ["Linear", "ReLU", "Linear"]


def test_half_precision_sparse_and_large_modules() -> None:
    """A bfloat16 norm is added up as float32, sparse gradients are read, and a copy that is too large is left out."""
    module, run = made().to(torch.bfloat16), MemoryRun()
    optimizer = sgd(module, 1e-3)
    with run.watch(module, optimizer, every=1, updates_bytes_max=10) as watch:
        module(batch()[0].to(torch.bfloat16)).sum().backward()
        optimizer.step()
    gradient = np.concatenate([one.grad.float().numpy().ravel() for one in module.parameters()])
    assert run.history["grad_norm"] == pytest.approx([np.linalg.norm(gradient)], rel=1e-4)
    assert "update_ratio" not in run.history
    assert "updates_bytes_max=10" in watch.told["update_ratio"]
    table, run = nn.Embedding(10, 3, sparse=True), MemoryRun()
    optimizer = sgd(table, 0.1)
    with run.watch(table, optimizer, every=1):
        table(torch.tensor([1, 1, 4])).sum().backward()
        optimizer.step()
    assert run.history["grad_norm"] == pytest.approx([math.sqrt(3 * 2**2 + 3)])
    assert run.history["grad_zero_share/module"] == pytest.approx([0.8])


@pytest.mark.parametrize(("every", "timed_every"), [(1, 1), (3, 50), (50, 7), (10, 4), (1_000, 2)])
def test_the_steps_that_are_looked_at_are_those_that_were_asked_for(every: int, timed_every: int) -> None:
    """The first, each ``every``-th, and of each ``timed_every`` the one half-way between: no other, and none left out."""
    module, run = made(), MemoryRun()
    optimizer = sgd(module)
    with run.watch(module, optimizer, every=every, timed_every=timed_every, activations=False) as watch:
        loop(module, optimizer, 60, watch)
    every_step = range(1, 61)
    assert run.steps["grad_norm"] == [one for one in every_step if one == 1 or one % every == 0]
    assert run.steps["optimizer_s"] == [one for one in every_step if one % timed_every == timed_every // 2]

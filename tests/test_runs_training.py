"""A run of a monitor with what frameworks are given of it: hooks, figures, checkpoints, ``fit``; through the lake and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vedette
from vedette.statistics.evaluation import evaluate


def train(run: Any, steps: int) -> Any:
    """Some steps of a small module, with its hooks on the run."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    run.watch(module, optimizer, every=2)
    x = torch.randn(16, 3)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (module(x) - x.sum(dim=1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        run.log(loss=loss.item())
    return module


def test_hooks_of_a_run_that_was_resumed_count_on(tmp_path: Path) -> None:
    """Steps of the second part follow those of the first, and no hook is left when a run has ended."""
    monitor = vedette.Monitor("net", lake=tmp_path)
    with monitor.run("one", environment=False) as run:
        train(run, 10)
        run.stop("the machine was taken away")
    first = run.history.steps("loss")
    with monitor.run("one", resume=True, environment=False) as run:
        module = train(run, 10)
    assert run.status == "finished"
    steps, norms = run.history.steps("loss"), run.history.steps("grad_norm")
    assert steps[: len(first)] == first
    assert steps == sorted(set(steps))
    assert len(steps) == 20
    assert norms == sorted(norms)
    assert max(norms) > max(first)
    assert not module._forward_hooks
    assert not module._forward_pre_hooks
    monitor.close()


def test_figures_of_a_data_set_are_those_of_the_statistics(tmp_path: Path) -> None:
    """``run.evaluate`` logs value and limits of each, and gives them with the rows they rest on."""
    random = np.random.default_rng(3)
    label = random.integers(0, 2, 300)
    predicted = np.where(random.random(300) < 0.8, label, 1 - label)
    monitor = vedette.Monitor("net", lake=tmp_path)
    with monitor.run("one", environment=False) as run:
        found = run.evaluate("test", label, predicted, step=7)
    assert str(found) == str(evaluate(label, predicted))  # NaN where there is a reason
    assert found["accuracy"][0] == pytest.approx((label == predicted).mean())
    assert run.history["test_accuracy"] == [found["accuracy"][0]]
    assert run.history["test_accuracy_low"] == [found["accuracy"][1]]
    assert run.history.steps("test_accuracy_high") == [7]
    monitor.close()


def test_fit_makes_a_run_that_ends_with_the_training(tmp_path: Path) -> None:
    """Its history is that of the estimator, what its ``fit`` returned is there, and what it raises makes a failed run."""
    linear = pytest.importorskip("sklearn.neural_network", reason="scikit-learn is not installed")
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 3))
    y = (x[:, 0] > 0).astype(int)
    monitor = vedette.Monitor("net", lake=tmp_path)
    model = linear.MLPClassifier(tol=1.0, n_iter_no_change=3, random_state=0)
    run = monitor.fit(model, x, y, validation_data=(x[:20], y[:20]), run="good")
    assert run.fitted is model
    assert run.history["loss"] == pytest.approx(model.loss_curve_)
    assert run.history["val_accuracy"][-1] == model.score(x[:20], y[:20])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        monitor.fit(linear.MLPClassifier(), x, y[:-1], run="bad")
    status = dict(monitor.runs().select("name", "status").iter_rows())
    assert status == {"good": "finished", "bad": "failed"}
    monitor.close()


@pytest.mark.parametrize(("ask", "said"), [
    (lambda run, at: run.checkpoints(at, by=5), "by=5: must name a figure"),
    (lambda run, at: run.early_stopping("val_loss", larger="yes"), "larger='yes': must be True, False, or None"),
    (lambda run, at: run.callback("lightning", every=0), "every=0: must be a whole number, 1 or more"),
    (lambda run, at: run.callback("transformers", activations="relu"), "activations='relu': must be a mapping"),
    (lambda run, at: run.evaluate("val", [0, 1] * 20, [0, 1] * 20, metrics="accuracy"),
     r"metrics='accuracy': must be a list of names, such as \['accuracy'\]"),
    (lambda run, at: run.evaluate("", [0, 1] * 20, [0, 1] * 20), "split='': must name a set"),
    (lambda run, at: run.evaluate("val", [0, 1] * 20, [0, 1] * 20, step="x"), "step='x': must be a whole number"),
    (lambda run, at: run.checkpoints(at).load(None), "checkpoint=None: must be one of these checkpoints"),
    (lambda run, at: run.reference([1, 2]), r"x of shape \(2,\): must be a table"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_wrong_arguments_are_named_when_they_are_given(tmp_path: Path, ask: Any, said: str) -> None:
    """With the value and what is right, before a training begins; the run goes on."""
    for name in ("lightning", "transformers"):
        pytest.importorskip(name, reason="the framework is not installed")
    with vedette.Monitor("net", lake=tmp_path) as monitor:
        with monitor.run("one", environment=False, system_s=None) as run:
            with pytest.raises(ValueError, match=said):
                ask(run, tmp_path / "kept")
            run.log(loss=0.5)
        with pytest.raises(ValueError, match="n='x': must be a whole number of buckets, 1 or more"):
            monitor.points("one", "loss", n="x")  # type: ignore[arg-type]
        assert monitor.runs()["status"].to_list() == ["finished"]

"""Loops that others have written: Lightning's and transformers' trainers, Keras's ``fit``, and our own for PyTorch."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training_runs import BrokenRun, MemoryRun

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore")  # the trainers' own

rng = np.random.default_rng(2)
X = rng.normal(size=(80, 3)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")


def made() -> Any:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))


def test_the_loop_for_a_module_is_a_plain_one() -> None:
    """The losses of the epochs are those of the same loop written by hand."""
    run, module = MemoryRun(), made()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def accuracy(output: Any, targets: Any) -> Any:
        return (output.argmax(1) == targets).float().mean()

    found = run.fit(
        module, X[:60], Y[:60], validation_data=(X[60:], Y[60:]), optimizer=optimizer,
        epochs=3, batch_size=16, shuffle=False, metrics={"accuracy": accuracy}, watched={"every": 5},
    )  # fmt: skip
    assert found is module
    twin, losses = made(), []
    other = torch.optim.SGD(twin.parameters(), lr=0.1)
    for _ in range(3):
        total = 0.0
        for start in range(0, 60, 16):
            x, y = torch.tensor(X[start : min(start + 16, 60)]), torch.tensor(Y[start : min(start + 16, 60)])
            other.zero_grad()
            loss = torch.nn.functional.cross_entropy(twin(x), y)
            loss.backward()
            other.step()
            total += loss.item() * len(y)
        losses.append(total / 60)
    assert run.history["loss"] == pytest.approx(losses, rel=1e-5)
    assert run.steps["loss"] == [4, 8, 12]
    assert len(run.history["batch/loss"]) == 12
    with torch.no_grad():
        output = twin(torch.tensor(X[60:]))
        value = torch.nn.functional.cross_entropy(output, torch.tensor(Y[60:])).item()
        right = (output.argmax(1).numpy() == Y[60:]).mean()
    assert run.history["val_loss"][-1] == pytest.approx(value, rel=1e-5)
    assert run.history["val_accuracy"][-1] == pytest.approx(right)
    assert run.steps["grad_norm"] == [1, 5, 10]


def test_targets_of_a_regression_may_have_one_dimension() -> None:
    """Nothing is spread out over a matrix; a loader will do, and lengths that differ are named."""
    run = MemoryRun()
    module = torch.nn.Linear(3, 1)
    with torch.no_grad():
        module.weight[:] = torch.tensor([[1.0, 2.0, 3.0]])
        module.bias[:] = 0
    y = X @ np.array([1.0, 2.0, 3.0], dtype="float32")
    run.fit(module, X, y, epochs=1, optimizer=torch.optim.SGD(module.parameters(), lr=1e-9))
    assert run.history["loss"][0] < 1e-9
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(y)), batch_size=40
    )
    run.fit(module, loader, epochs=2)
    assert len(run.history["loss"]) == 3
    with pytest.raises(ValueError, match="x of 80 rows and y of 79: must be as many"):
        run.fit(module, X, y[:-1])
    with pytest.raises(ValueError, match="epochs=0: must be a whole number, 1 or more"):
        run.fit(module, X, y, epochs=0)


def test_keras_fit_gets_the_callback_beside_ones_own() -> None:
    """And returns Keras's history."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    run = MemoryRun()
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(optimizer="sgd", loss="binary_crossentropy")
    seen = []
    own = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    history = run.fit(
        model, X, Y.astype("float32"), validation_data=(X, Y.astype("float32")),
        epochs=2, verbose=0, callbacks=[own], watched={"every": 2},
    )  # fmt: skip
    assert run.history["val_loss"] == pytest.approx(history.history["val_loss"])
    assert seen == [0, 1]


# --- Lightning ------------------------------------------------------------------------------------------------


@pytest.fixture
def lightning() -> Any:
    pytest.importorskip("lightning", reason="Lightning is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lightning.pytorch as found
    return found


def module_of(lightning: Any, breaks: bool = False) -> Any:
    class Net(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = made()

        def training_step(self, batch: Any, index: int) -> Any:
            x, y = batch
            loss = torch.nn.functional.cross_entropy(self.net(x), y)
            self.log("loss", loss, on_step=True, on_epoch=True)
            if breaks and index == 2:
                raise KeyboardInterrupt
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            x, y = batch
            self.log("val_loss", torch.nn.functional.cross_entropy(self.net(x), y))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return Net()


def loader() -> Any:
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    return torch.utils.data.DataLoader(data, batch_size=16)


def trainer_of(lightning: Any, tmp_path: Path, **more: Any) -> Any:
    options = {"max_epochs": 2, "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return lightning.Trainer(
        **{**options, **more},
        enable_model_summary=False,
        accelerator="cpu",
        default_root_dir=tmp_path,
        log_every_n_steps=1,
    )


def test_lightning_tells_what_the_module_logs(lightning: Any, tmp_path: Path) -> None:
    """Each step's loss, that of epochs and of validation, gradients; afterwards no hook is left."""
    run, module = MemoryRun(), module_of(lightning)
    trainer = trainer_of(lightning, tmp_path)
    run.fit(
        module, loader(), trainer=trainer, validation_data=loader(), watched={"every": 2, "timed_every": 2}
    )
    losses, twin = [], made()
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    for _ in range(2):
        for x, y in loader():
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(twin(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert run.history["batch/loss"] == pytest.approx(losses, rel=1e-5)
    assert run.steps["batch/loss"] == list(range(1, 11))
    assert run.history["loss"] == pytest.approx([np.mean(losses[:5]), np.mean(losses[5:])], rel=1e-5)
    assert len(run.history["val_loss"]) == 2
    assert run.history["val_loss"][-1] == pytest.approx(
        float(torch.nn.functional.cross_entropy(twin(torch.tensor(X)), torch.tensor(Y))), rel=1e-5
    )
    assert {"grad_norm/net.0", "dead_share/net.1", "forward_s", "backward_s", "data_s", "lr"} <= set(
        run.history
    )
    assert all(one >= 0 for one in run.history["optimizer_s"])
    assert all(not one._forward_hooks for one in module.modules())
    assert trainer.callbacks == [] or all("Watching" not in type(one).__name__ for one in trainer.callbacks)


def test_lightning_with_accumulated_gradients_counts_steps(lightning: Any, tmp_path: Path) -> None:
    """Five batches of an epoch are three steps of two."""
    run, module = MemoryRun(), module_of(lightning)
    call = run.callback("lightning", every=1)
    trainer = trainer_of(lightning, tmp_path, accumulate_grad_batches=2, max_epochs=1, callbacks=[call])
    trainer.fit(module, loader())
    assert run.steps["grad_norm"] == [1, 2, 3]
    assert call.told == {}


def test_a_run_that_fails_does_not_stop_lightning(lightning: Any, tmp_path: Path) -> None:
    """All steps are taken."""
    call = BrokenRun().callback("lightning", every=1)
    trainer = trainer_of(lightning, tmp_path, callbacks=[call])
    trainer.fit(module_of(lightning), loader(), loader())
    assert trainer.global_step == 10
    assert "the disk is gone" in call.told["metrics"]


def test_lightning_needs_its_trainer(lightning: Any) -> None:
    """Which the module does not have."""
    with pytest.raises(TypeError, match="trainer= must be one"):
        MemoryRun().fit(module_of(lightning), loader())


# --- transformers ---------------------------------------------------------------------------------------------


@pytest.fixture
def transformers() -> Any:
    pytest.importorskip(
        "accelerate", reason="accelerate, which transformers' trainer needs, is not installed"
    )
    return pytest.importorskip("transformers", reason="transformers is not installed")


def test_a_trainer_tells_what_it_logs(transformers: Any, tmp_path: Path) -> None:
    """Its losses at its steps, evaluations as val_, gradients after clipping beside its own before it."""

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = made()

        def forward(self, x: Any, labels: Any = None) -> dict[str, Any]:
            logits = self.net(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    rows = [{"x": torch.tensor(x), "labels": torch.tensor(y)} for x, y in zip(X, Y, strict=True)]
    options = transformers.TrainingArguments(
        output_dir=str(tmp_path), max_steps=6, per_device_train_batch_size=16, logging_steps=2, eval_strategy="steps",
        eval_steps=3, report_to=[], use_cpu=True, save_strategy="no", max_grad_norm=0.05, disable_tqdm=True,
    )  # fmt: skip
    run, net = MemoryRun(), Net()
    trainer = transformers.Trainer(model=net, args=options, train_dataset=rows, eval_dataset=rows)
    run.fit(trainer, watched={"every": 1})
    record = trainer.state.log_history
    assert run.history["loss"] == [one["loss"] for one in record if "loss" in one]
    assert run.steps["loss"] == [2, 4, 6]
    assert run.history["val_loss"] == [one["eval_loss"] for one in record if "eval_loss" in one]
    assert run.steps["val_loss"] == [3, 6]
    assert run.steps["grad_norm"] == [1, 2, 3, 4, 5, 6]
    assert all(one <= 0.05 * 1.001 for one in run.history["grad_norm"])
    assert all(one > 0.05 for one in run.history["grad_norm_before_clipping"])
    assert run.given["max_steps"] == 6
    assert all(not one._forward_hooks for one in net.modules())
    assert all(math.isfinite(one) for one in run.history["grad_norm/net.0"])
    with pytest.raises(TypeError, match="a Trainer has its data already"):
        run.fit(trainer, X)

"""The callback of Keras says what Keras says, whatever the backend, and adds times, weights and gradients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training_runs import BrokenRun, MemoryRun

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.filterwarnings("ignore")  # Keras's own, of NumPy and of PyTorch

rng = np.random.default_rng(5)
X = rng.normal(size=(96, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")


@pytest.fixture
def keras() -> Any:
    found = pytest.importorskip("keras", reason="Keras is not installed")
    if found.backend.backend() != "torch":
        pytest.skip("Keras was imported with another backend")
    return found


def made(keras: Any, **compiled: Any) -> Any:
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(8, activation="relu", name="first"),
            layers.Dense(1, activation="sigmoid", name="last"),
        ]
    )
    options = {"optimizer": keras.optimizers.SGD(0.1), "loss": "binary_crossentropy", "metrics": ["accuracy"]}
    model.compile(**{**options, **compiled})
    return model


def fitted(model: Any, call: Any, epochs: int = 2, **more: Any) -> Any:
    return model.fit(
        X,
        Y,
        batch_size=16,
        epochs=epochs,
        validation_data=(X, Y),
        shuffle=False,
        verbose=0,
        callbacks=[call],
        **more,
    )


def test_epochs_are_those_of_keras_own_history(keras: Any) -> None:
    """Loss, accuracy and those of validation, at the number of batches that were trained."""
    run = MemoryRun()
    history = fitted(made(keras), run.callback("keras", every=2)).history
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert run.history[name] == pytest.approx(history[name], rel=1e-6)
        assert run.steps[name] == [6, 12]
    assert run.history["epoch"] == [1, 2]
    assert run.history["lr"][-1] == pytest.approx(0.1)
    assert all(one > 0 for name in ("samples_per_s", "step_s", "epoch_s") for one in run.history[name])
    assert sorted(run.steps["batch/loss"]) == [1, 2, 4, 6, 8, 10, 12]  # threads bring them
    at = dict(zip(run.steps["batch/loss"], run.history["batch/loss"], strict=True))
    assert at[6] == pytest.approx(history["loss"][0])  # the running mean at the epoch's end


def test_gradients_and_updates_are_those_of_the_step(keras: Any) -> None:
    """Plain SGD moves weights by the rate times the gradient; the norm is that of the weights themselves."""
    run, model = MemoryRun(), made(keras)
    weights = model.get_layer("first").get_weights()
    norm = np.linalg.norm(np.concatenate([one.ravel() for one in weights]))
    fitted(model, run.callback("keras", every=1), epochs=1)
    assert run.history["weight_norm/first"][0] == pytest.approx(norm, rel=1e-5)
    ratio = 0.1 * run.history["grad_norm/first"][0] / norm
    assert run.history["update_ratio/first"][0] == pytest.approx(ratio, rel=1e-3)
    assert len(run.history["grad_norm/last"]) == 6
    assert run.history["nan_share/last"] == [0.0] * 6


def test_training_is_the_same_with_the_callback(keras: Any) -> None:
    """Weights and history come out as without it."""
    one, two = made(keras), made(keras)
    fitted(one, MemoryRun().callback("keras", every=1))
    fitted(two, keras.callbacks.Callback())
    for left, right in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_scaled_loss_has_unscaled_gradients(keras: Any) -> None:
    """As a LossScaleOptimizer multiplies them."""
    norms = []
    for scaled in (False, True):
        run, optimizer = MemoryRun(), keras.optimizers.SGD(0.1)
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=256.0)
        fitted(made(keras, optimizer=optimizer), run.callback("keras", every=1), epochs=1)
        norms.append(run.history["grad_norm"][0])
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_a_loss_that_is_none_is_told_once(keras: Any) -> None:
    """Also the layer in which it was seen first."""
    run, model = MemoryRun(), made(keras, loss="mse", metrics=[])
    kernel, bias = model.get_layer("last").get_weights()
    kernel[0] = np.nan
    model.get_layer("last").set_weights([kernel, bias])
    fitted(model, run.callback("keras", every=1))
    (event,) = run.of("nan")
    assert (event["layer"], event["where"], event["step"]) == ("last", "weights", 1)
    run = MemoryRun()
    fitted(model, run.callback("keras", every=1, weights=False))
    (event,) = run.of("nan")
    assert event["where"] == "loss"


def test_a_run_that_fails_does_not_stop_fit(keras: Any) -> None:
    """What failed is told by the callback."""
    call = BrokenRun().callback("keras", every=1)
    assert len(fitted(made(keras), call).history["loss"]) == 2
    assert "the disk is gone" in call.told["epoch"]


def test_wrong_arguments_are_named(keras: Any) -> None:
    """With the value, and what would be right."""
    with pytest.raises(ValueError, match="every=0: must be a whole number, 1 or more"):
        MemoryRun().callback("keras", every=0)
    with pytest.raises(ValueError, match="callback 'torch': a loop of one's own has no callbacks"):
        MemoryRun().callback("torch")
    with pytest.raises(ValueError, match="callback 'theano': must be one of keras, lightning"):
        MemoryRun().callback("theano")


_SCRIPT = """
import json, sys
import numpy as np, keras
from tests.training_runs import MemoryRun
from tests.test_training_keras import made, fitted
run = MemoryRun()
call = run.callback("keras", every=2)
model = made(keras, jit_compile=False) if sys.argv[1] == "tensorflow" else made(keras)
first = model.get_layer("first").get_weights()
norm = float(np.linalg.norm(np.concatenate([one.ravel() for one in first])))
history = fitted(model, call).history
last = float(np.linalg.norm(np.concatenate([one.ravel() for one in model.get_layer("first").get_weights()])))
found = dict(history=history, run=dict(run.history), steps=dict(run.steps), told=call.told, norm=norm, last=last)
print(json.dumps(found))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_other_backends_are_watched(backend: str) -> None:
    """The same figures, but for gradients, which compiled steps do not keep; that is told."""
    if find_spec("keras") is None or find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SCRIPT, backend],
        capture_output=True, text=True, check=False, env=environment, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert found["run"][name] == pytest.approx(found["history"][name], rel=1e-5)
        assert found["steps"][name] == [6, 12]
    assert "keeps no gradients" in found["told"]["gradients"]
    norms = found["run"]["weight_norm/first"]
    if backend == "tensorflow":
        assert abs(norms[0] - found["norm"]) < 0.1
        assert all(0 < one < 1 for one in found["run"]["update_ratio/first"])
    assert norms[-1] == pytest.approx(found["last"], rel=1e-5)
    assert "grad_norm" not in found["run"]

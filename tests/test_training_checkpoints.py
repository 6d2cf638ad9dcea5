"""Checkpoints are the best by their figure and the last, whole or not at all, and none of a model that broke."""

from __future__ import annotations

import hashlib
import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import vedette
from tests.training_runs import MemoryRun
from vedette.errors import DataError

rng = np.random.default_rng(4)
X = rng.normal(size=(60, 3)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
FITTED = LogisticRegression().fit(X, Y)


def steps(folder: Path) -> list[int]:
    return sorted(int(one.name.removeprefix("step-")) for one in folder.glob("step-*"))


def test_the_best_and_the_last_are_kept(tmp_path: Path) -> None:
    """Of these losses the two least and the last; best and last are named."""
    run = MemoryRun()
    kept = run.checkpoints(tmp_path, keep=2)
    for step, loss in enumerate([5.0, 1.0, 3.0, 1.0, 4.0], 1):
        kept.save(FITTED, step, {"val_loss": loss})
    assert steps(tmp_path) == [2, 4, 5]
    assert kept.best is not None
    assert kept.last is not None
    assert (kept.best.step, kept.last.step) == (2, 5)
    assert [one["best"] for one in run.of("checkpoint")] == [True, True, False, False, False]
    assert sorted(one.name for one in tmp_path.iterdir()) == [f"step-{step:09d}" for step in (2, 4, 5)]


def test_the_greatest_may_be_the_best_and_figures_come_from_the_history(tmp_path: Path) -> None:
    """By accuracy, with the last value that was logged."""
    run = MemoryRun()
    kept = run.checkpoints(tmp_path, by="val_accuracy", best="max", keep=1)
    for step, value in enumerate([0.5, 0.9, 0.7], 1):
        run.log(step, val_accuracy=value)
        kept.save(FITTED, step)
    assert steps(tmp_path) == [2, 3]
    assert kept.best is not None
    assert kept.best.figures == {"val_accuracy": 0.9}


def test_the_record_says_what_the_files_are(tmp_path: Path) -> None:
    """Length and SHA-256 of each, and the figures; a changed or missing file is not loaded."""
    kept = MemoryRun("mine").checkpoints(tmp_path)
    made = kept.save(FITTED, 3, {"val_loss": 0.25, "odd": math.nan})
    assert made is not None
    record = json.loads((made.path / "checkpoint.json").read_text("utf-8"))
    (name, one), *_ = record["files"].items()
    content = (made.path / name).read_bytes()
    assert one == {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert (record["run"], record["step"], record["figures"]) == ("mine", 3, {"odd": "nan", "val_loss": 0.25})
    np.testing.assert_array_equal(kept.load(made).coef_, FITTED.coef_)
    (made.path / name).write_bytes(content[:-1] + b"x")
    with pytest.raises(DataError, match=r"model.joblib: is missing, or is not what was written"):
        kept.load(made)
    (made.path / name).unlink()
    with pytest.raises(DataError, match="is missing"):
        kept.load(made.path)
    with pytest.raises(DataError, match="must be a checkpoint"):
        kept.load(tmp_path)


def test_a_training_that_goes_on_ranks_the_old_ones_too(tmp_path: Path) -> None:
    """Also where one of them cannot be read, which is told and left alone."""
    first = MemoryRun().checkpoints(tmp_path, keep=1)
    for step, loss in ((1, 0.5), (2, 2.0)):
        first.save(FITTED, step, {"val_loss": loss})
    (tmp_path / ".unfinished-000000003-1").mkdir()
    (tmp_path / "step-000000009").mkdir()
    (tmp_path / "step-000000009" / "checkpoint.json").write_text("{", "utf-8")
    run = MemoryRun()
    kept = run.checkpoints(tmp_path, keep=1)
    kept.save(FITTED, 3, {"val_loss": 1.0})
    assert steps(tmp_path) == [1, 3, 9]
    assert not list(tmp_path.glob(".unfinished-*"))
    assert run.of("checkpoint_unreadable")[0]["path"].endswith("step-000000009")


def test_without_a_figure_the_last_ones_are_kept(tmp_path: Path) -> None:
    """As many as were asked for; with one there is a best."""
    kept = MemoryRun().checkpoints(tmp_path, keep=2)
    for step in range(1, 5):
        kept.save(FITTED, step, {})
    assert steps(tmp_path) == [3, 4]
    assert kept.best is None
    kept.save(FITTED, 5, {"val_loss": 1.0})
    assert kept.best is not None


def test_a_step_can_be_saved_again(tmp_path: Path) -> None:
    """The new one stands in the place of the old; what a crash left between comes back."""
    kept = MemoryRun().checkpoints(tmp_path)
    kept.save(FITTED, 1, {"val_loss": 2.0})
    kept.save(FITTED, 1, {"val_loss": 1.0})
    assert [one.value for one in kept.all] == [1.0]
    (tmp_path / "step-000000001").rename(tmp_path / ".replaced-step-000000001")
    assert [one.value for one in MemoryRun().checkpoints(tmp_path).all] == [1.0]


def test_a_figure_that_is_none_stops_with_the_last_good_one(tmp_path: Path) -> None:
    """Nothing is written, the reason is told, and ``stop`` says so."""
    run = MemoryRun()
    kept = run.checkpoints(tmp_path)
    kept.save(FITTED, 1, {"val_loss": 1.0})
    assert not kept.stop
    assert kept.save(FITTED, 2, {"val_loss": math.nan}) is None
    assert kept.stop
    assert steps(tmp_path) == [1]
    (event,) = run.of("checkpoint_refused")
    assert (event["step"], event["reason"], event["last_good"]) == (2, "val_loss is nan", 1)


@pytest.mark.filterwarnings("ignore")
def test_torch_modules_and_their_optimizers_come_back(tmp_path: Path) -> None:
    """Shared weights too; one with a weight that is NaN is not kept; a compiled one has the same names."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")

    def made(seed: int) -> Any:
        torch.manual_seed(seed)
        net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3))
        net[2].weight = net[0].weight
        return net

    module, run = made(0), MemoryRun()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    module(torch.tensor(X)).square().mean().backward()
    optimizer.step()
    kept = run.checkpoints(tmp_path)
    saved = kept.save(torch.nn.DataParallel(module), 1, {"val_loss": 1.0}, optimizer=optimizer)
    assert saved is not None
    other = made(1)
    fresh = torch.optim.Adam(other.parameters(), lr=0.5)
    assert kept.load(saved, other, optimizer=fresh) is other
    for left, right in zip(module.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(left, right)
    assert fresh.param_groups[0]["lr"] == 0.1
    with pytest.raises(ValueError, match="a module must be given"):
        kept.load(saved)
    with torch.no_grad():
        module[0].bias[0] = float("inf")
    assert kept.save(module, 2, {"val_loss": 0.5}) is None
    assert run.of("checkpoint_refused")[0]["reason"] == "a weight is NaN or infinite"


def test_the_loop_for_a_module_stops_at_the_last_good_one(tmp_path: Path) -> None:
    """A rate that is far too large breaks the weights."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    run = MemoryRun()
    kept = run.checkpoints(tmp_path, by="loss")
    module = torch.nn.Linear(3, 1)
    target = X.sum(axis=1)

    class Schedule:
        def __init__(self) -> None:
            self.epoch = 0

        def step(self) -> None:
            self.epoch += 1
            if self.epoch == 3:
                optimizer.param_groups[0]["lr"] = 1e30

    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    run.fit(
        module,
        X,
        target,
        optimizer=optimizer,
        scheduler=Schedule(),
        epochs=20,
        batch_size=60,
        checkpoints=kept,
    )
    assert kept.stop
    assert kept.last is not None
    assert kept.last.step == 3 or kept.last.step == 4
    assert all(math.isfinite(one) for one in kept.load(kept.last, module).weight.ravel().tolist())
    assert len(run.history["loss"]) < 20


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost", "keras"])
def test_the_format_is_the_frameworks_own(name: str, tmp_path: Path) -> None:
    """What is read back predicts the same."""
    found = pytest.importorskip(name, reason=f"{name} is not installed")
    kept = MemoryRun().checkpoints(tmp_path)
    if name == "keras":
        model = found.Sequential([found.layers.Input((3,)), found.layers.Dense(1)])
        saved = kept.save(model, 1, {"val_loss": 1.0})
        answer, again = model.predict(X, verbose=0), kept.load(saved).predict(X, verbose=0)
    elif name == "xgboost":
        model = found.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, Y)
        saved = kept.save(model, 1, {"val_loss": 1.0})
        answer, again = (
            model.predict_proba(X)[:, 1],
            kept.load(saved, found.XGBClassifier()).predict_proba(X)[:, 1],
        )
    elif name == "lightgbm":
        model = found.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(X, Y)
        saved = kept.save(model, 1, {"val_loss": 1.0})
        answer, again = model.predict_proba(X)[:, 1], kept.load(saved).predict(X)
    else:
        model = found.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False).fit(X, Y)
        saved = kept.save(model, 1, {"val_loss": 1.0})
        answer, again = model.predict_proba(X), kept.load(saved, found.CatBoostClassifier()).predict_proba(X)
    np.testing.assert_allclose(answer, again, rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_keras_saves_each_epoch_and_stops(tmp_path: Path) -> None:
    """The callback has the epoch's figures, and ends ``fit`` where the loss is none."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    kept = MemoryRun().checkpoints(tmp_path, keep=5)
    targets = X.sum(axis=1)
    history = model.fit(
        X, targets, validation_data=(X, targets), epochs=3, verbose=0, callbacks=[kept.keras()]
    )
    assert [one.value for one in sorted(kept.all, key=lambda one: one.step)] == pytest.approx(
        history.history["val_loss"]
    )
    model.compile(optimizer=keras.optimizers.SGD(1e30), loss="mse")
    history = model.fit(
        X, targets, validation_data=(X, targets), epochs=20, verbose=0, callbacks=[kept.keras()]
    )
    assert len(history.history["loss"]) < 20
    assert kept.stop


@pytest.mark.filterwarnings("ignore")
def test_keras_counts_batches_and_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    """Checkpoints have the steps of the run's rows; a run that was cut within an epoch goes on from the one that is loaded."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    targets = X.sum(axis=1)  # 60 rows: 6 batches of 10
    with vedette.Monitor("net", lake=tmp_path / "lake") as monitor:
        run = monitor.run("cut", environment=False, system_s=None)
        kept = run.checkpoints(tmp_path / "kept", by="loss", keep=9)
        model.fit(
            X, targets, 10, epochs=2, verbose=0, callbacks=[run.callback("keras", every=1), kept.keras()]
        )
        assert (run.history.steps("loss"), sorted(one.step for one in kept.all)) == ([6, 12], [6, 12])
        run.log(15, {"batch/loss": 0.5})  # it was cut within its third epoch
        run.stop("the machine was taken away")
        run = monitor.run("cut", resume=True, environment=False, system_s=None)
        kept = run.checkpoints(tmp_path / "kept", by="loss", keep=9)
        assert kept.last is not None
        model = kept.load(kept.last)
        callbacks = [kept.keras(), run.callback("keras", every=1)]
        model.fit(X, targets, 10, initial_epoch=2, epochs=4, verbose=0, callbacks=callbacks)
        run.end()
        assert sorted(one.step for one in kept.all) == run.history.steps("loss") == [6, 12, 18, 24]
        assert run.history["epoch"] == [1, 2, 3, 4]
        assert run.history.steps("batch/loss") == list(range(1, 25))
        assert {one.step: one.value for one in kept.all} == pytest.approx(
            dict(zip(run.history.steps("loss"), run.history["loss"], strict=True))
        )


@pytest.mark.filterwarnings("ignore")
def test_a_folder_that_is_gone_keeps_nobody_from_training(tmp_path: Path) -> None:
    """What cannot be saved is told once, as an event, and ``fit`` goes on."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    run = MemoryRun()
    saving = run.checkpoints(tmp_path / "kept", by="loss").keras()
    (tmp_path / "kept").rmdir()
    (tmp_path / "kept").write_text("a file")
    history = model.fit(X, X.sum(axis=1), epochs=3, verbose=0, callbacks=[saving])
    assert len(history.history["loss"]) == 3
    assert [one["by"] for one in run.of("not_watched")] == ["checkpoints"]
    assert "kept" in saving.told["checkpoints"]


@pytest.mark.parametrize("step", [-1, 2.0, True, "3"])
def test_steps_that_cannot_be_are_refused(tmp_path: Path, step: Any) -> None:
    """A number of steps is whole and not below 0."""
    pytest.importorskip("keras", reason="Keras is not installed")
    with pytest.raises(ValueError, match=r"step=.*: must be a whole number, 0 or more"):
        MemoryRun().checkpoints(tmp_path).keras(step=step)


@pytest.mark.parametrize(("figures", "said"), [
    ([0.3], r"figures=\[0.3\]: must be a mapping from names to values, such as \{'val_loss': 0.3\}, got a list"),
    ({"val_loss": "low"}, r"figures\['val_loss'\]='low': must be a number"),
])  # fmt: skip
def test_figures_that_are_none_are_refused(tmp_path: Path, figures: Any, said: str) -> None:
    """Before anything is written, with the argument, its value and what is right."""
    kept = MemoryRun().checkpoints(tmp_path)
    with pytest.raises(ValueError, match=said):
        kept.save(FITTED, 1, figures)
    assert not list(tmp_path.iterdir())


def test_a_kill_while_saving_leaves_whole_checkpoints(tmp_path: Path) -> None:
    """A process that saves without end is killed; every checkpoint there can be loaded, and the next training goes on."""
    code = (
        "import sys; from types import SimpleNamespace; import joblib\n"
        "from vedette.capture.training.checkpoints import Checkpoints\n"
        "run = SimpleNamespace(name='run', history={}, event=lambda kind, **detail: None)\n"
        "kept, model = Checkpoints(run, sys.argv[1], keep=3), joblib.load(sys.argv[2])\n"
        "for step in range(1, 10**6):\n"
        "    kept.save(model, step, {'val_loss': 1.0 / step}); print(step, flush=True)\n"
    )
    joblib.dump(FITTED, tmp_path / "model")
    root = Path(__file__).parent.parent
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, tmp_path / "kept", tmp_path / "model"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        assert process.stdout is not None
        for _ in range(int(rng.integers(3, 12))):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = MemoryRun().checkpoints(tmp_path / "kept", keep=3)
        assert 1 <= len(kept.all) <= 4
        for one in kept.all:
            np.testing.assert_array_equal(kept.load(one).coef_, FITTED.coef_)


def test_what_cannot_be_is_refused_in_words(tmp_path: Path) -> None:
    """Before anything is written."""
    run = MemoryRun()
    with pytest.raises(ValueError, match="best='least': must be min or max"):
        run.checkpoints(tmp_path, best="least")
    with pytest.raises(ValueError, match="keep=0: must be a whole number, 1 or more"):
        run.checkpoints(tmp_path, keep=0)
    kept = run.checkpoints(tmp_path)
    with pytest.raises(ValueError, match="step=-1: must be a whole number, 0 or more"):
        kept.save(FITTED, -1)
    with pytest.raises(TypeError, match="checkpoint: model of type dict: must be one of keras, torch"):
        kept.save({}, 1)
    assert list(tmp_path.iterdir()) == []

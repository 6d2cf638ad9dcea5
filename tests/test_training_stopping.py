"""Early stopping ends real trainings that overfit or break, in every framework, and lets those that still learn go on."""

from __future__ import annotations

import math
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vedette
from tests.training_runs import MemoryRun
from vedette.capture.training.stopping import EarlyStopping
from vedette.strategy.training import should_stop

pytestmark = pytest.mark.filterwarnings("ignore")  # the frameworks' own

random = np.random.default_rng(11)
X = random.normal(size=(240, 12)).astype("float32")
NOISE = random.integers(0, 2, 240)  # nothing to learn: every model overfits
KNOWN = (X[:, 0] + 0.3 * random.normal(size=240) > 0).astype(int)
SETS = {"x": X[:120], "xv": X[120:]}


def checked(run: MemoryRun, early: EarlyStopping, all_steps: int, by: str) -> None:
    """It stopped before the end, later than its best, and as the values that were logged say it should have."""
    assert early.stopped
    assert not early.broken
    values = run.history[by]
    assert len(values) < all_steps
    assert should_stop(values, by, patience=4).stop
    assert not any(should_stop(values[:n], by, patience=4).stop for n in range(len(values)))
    best = run.steps[by][int(np.argmin(values))]
    told = run.of("early_stopped")
    assert [one["best_step"] for one in told] == [best] == [early.best_step]
    assert f"best at step {best}" in early.reason


def net(torch: Any) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(12, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))


def test_a_module_that_overfits_is_stopped_and_the_best_weights_come_back(tmp_path: Path) -> None:
    """The validation loss after restoring is that of the best epoch, to the last bits of a float32."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    run = MemoryRun()
    early = run.early_stopping(patience=4, checkpoints=run.checkpoints(tmp_path))
    module = net(torch)
    held = (torch.as_tensor(SETS["xv"]), torch.as_tensor(NOISE[120:]))
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    run.fit(
        module,
        torch.as_tensor(SETS["x"]),
        torch.as_tensor(NOISE[:120]),
        validation_data=held,
        epochs=200,
        optimizer=optimizer,
        early_stopping=early,
    )
    checked(run, early, 200, "val_loss")
    now = float(torch.nn.functional.cross_entropy(module(held[0]), held[1]))
    assert now == pytest.approx(min(run.history["val_loss"]), rel=1e-5)
    assert run.of("checkpoint_restored")[0]["step"] == early.best_step


def test_a_loss_that_is_none_ends_the_training_within_the_epoch(tmp_path: Path) -> None:
    """With the last good weights back, and the run stopped, not finished."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    module = net(torch)
    x, y = torch.as_tensor(SETS["x"]), torch.as_tensor(KNOWN[:120])
    with vedette.Monitor("net", lake=tmp_path / "lake") as monitor:
        with monitor.run("breaks", environment=False) as run:
            early = run.early_stopping("loss", checkpoints=run.checkpoints(tmp_path / "kept", by="loss"))
            steps = []

            def loss(output: Any, targets: Any) -> Any:
                steps.append(1)
                found = torch.nn.functional.cross_entropy(output, targets)
                return found * float("nan") if len(steps) == 13 else found

            run.fit(module, x, y, loss=loss, epochs=50, batch_size=24, early_stopping=early)
        assert len(steps) == 13  # of 5 an epoch
        assert early.stopped
        assert early.broken
        assert all(bool(torch.isfinite(one).all()) for one in module.parameters())
        kept = run.checkpoints(tmp_path / "kept", by="loss").load(
            tmp_path / "kept" / "step-000000010", net(torch)
        )
        for one, other in zip(module.parameters(), kept.parameters(), strict=True):
            assert torch.equal(one, other)
        row = monitor.runs().row(0, named=True)
        assert row["status"] == "stopped"
        assert "NaN or infinite" in row["reason"]


def test_a_run_that_was_stopped_early_is_finished_and_says_why(tmp_path: Path) -> None:
    """It is what a training that went well ends with; ``resume`` does not go on with it."""
    with vedette.Monitor("net", lake=tmp_path) as monitor:
        with monitor.run("early", environment=False) as run:
            early = run.early_stopping("val_loss", patience=4)
            seen = 0
            for step, value in enumerate([*np.linspace(1, 0.1, 20), *np.linspace(0.2, 2, 40)]):
                seen += 1
                run.log(step, val_loss=float(value))
                if early.update(float(value), step=step):
                    break
        assert 20 < seen < 40
        row = monitor.runs().row(0, named=True)
        assert row["status"] == "finished"
        assert "surely worse" in row["reason"]
        assert "best at step 19" in row["reason"]


def test_a_run_that_goes_on_knows_what_it_saw_before(tmp_path: Path) -> None:
    """The values before the cut count: the stop comes where it would have come without one."""
    values = [*np.linspace(1, 0.1, 20), *np.linspace(0.2, 2, 40)]
    whole = EarlyStopping(MemoryRun(), should_stop, patience=4)
    expected = next(step for step, value in enumerate(values) if whole.update(value, step=step))
    with vedette.Monitor("net", lake=tmp_path) as monitor:
        run = monitor.run("cut", environment=False)
        for step in range(22):
            run.log(step, val_loss=float(values[step]))
        run.stop("cut off")
        with monitor.run("cut", resume=True, environment=False) as run:
            early = run.early_stopping(patience=4)
            for step in range(22, len(values)):
                run.log(step, val_loss=float(values[step]))
                if early.update(float(values[step])):
                    break
        assert run.history.steps("val_loss")[-1] == expected


@pytest.mark.parametrize(("near", "most"), [(0.0, 0.05), (0.5, 0.05), (0.7, 0.12)])
def test_noise_does_not_stop_a_training(near: float, most: float) -> None:
    """Asked after each of 60 evaluations that stand still, for noise whose neighbours hang together so much."""
    noise = np.random.default_rng(5)
    stopped = 0
    for _ in range(100):
        values = noise.normal(0, 1, 80)
        for at in range(1, 80):
            values[at] += near * values[at - 1]
        early = EarlyStopping(MemoryRun(), should_stop, patience=6)
        for value in 1 + 0.1 * values[20:]:
            early.update(float(value))
        stopped += early.stopped
    assert stopped <= 100 * most


@pytest.mark.parametrize("patience", [4, 8])
@pytest.mark.parametrize(
    "values", [[0.1] * 20 + [0.098], [0.9] * 30 + [0.89], [0.5] * 10 + [0.51] + [0.5] * 10, [0.5] * 40]
)
def test_a_figure_that_goes_by_steps_is_not_worse_by_one_step(patience: int, values: list[float]) -> None:
    """Most values are alike, so that their spread is none; one step is no evidence."""
    early = EarlyStopping(MemoryRun(), should_stop, by="val_accuracy", patience=patience)
    assert not any(early.update(one, step=at) for at, one in enumerate(values))


def test_the_accuracy_of_few_rows_does_not_stop_a_training() -> None:
    """Of 100 trainings at .99 of 20 rows, 60 evaluations each, 5 at most are stopped."""
    noise = np.random.default_rng(6)
    stopped = 0
    for _ in range(100):
        early = EarlyStopping(MemoryRun(), should_stop, by="val_accuracy", patience=4)
        stopped += any(
            early.update(float(one) / 20, step=at) for at, one in enumerate(noise.binomial(20, 0.99, 60))
        )
    assert stopped <= 5


def test_only_models_of_this_run_are_put_back(tmp_path: Path) -> None:
    """What another run left in the folder stays there, is never ranked with this one's, and never loaded for it."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    weights = []
    for name, values in (("first", [0.9, 0.95]), ("second", [0.5, 0.6])):
        run = MemoryRun(name)
        kept = run.checkpoints(tmp_path, by="val_accuracy")
        early = run.early_stopping("val_accuracy", checkpoints=kept)
        module = net(torch)
        for step, value in enumerate(values):
            with torch.no_grad():
                module[0].bias.fill_(value)
            early.see(step, {"val_accuracy": value}, module)
        with torch.no_grad():
            module[0].bias.fill_(0.0)
        assert early.restore(module) is not None
        weights.append(float(module[0].bias[0]))
        assert len(kept.all) == 2
    assert weights == pytest.approx([0.95, 0.6])
    again = MemoryRun("first").checkpoints(tmp_path, by="val_accuracy")  # it goes on
    assert [one.value for one in again.all] == [0.95, 0.9]


def test_checkpoints_ranked_by_another_figure_are_refused(tmp_path: Path) -> None:
    """They would put back what is best by something else."""
    run = MemoryRun()
    with pytest.raises(ValueError, match="are ranked by val_loss"):
        run.early_stopping("val_accuracy", checkpoints=run.checkpoints(tmp_path))
    with pytest.raises(ValueError, match="does not tell whether larger"):
        run.checkpoints(tmp_path, by="reward")


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    """It is told, and the figure is judged all the same."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    run = MemoryRun()
    early = run.early_stopping(checkpoints=run.checkpoints(tmp_path / "kept"), patience=4)
    shutil.rmtree(tmp_path / "kept")
    values = [*np.linspace(1, 0.1, 20), *np.linspace(0.2, 2, 40)]
    assert any(early.see(step, {"val_loss": float(one)}, net(torch)) for step, one in enumerate(values))
    assert run.of("not_watched")[0]["what"] == "checkpoints"
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="must be a folder that can be written"):
        run.checkpoints(tmp_path / "file")


def test_a_training_that_gains_too_little_is_stopped_where_that_is_asked_for() -> None:
    """``useful`` is in the figure's own unit."""
    values = 1 - 1e-4 * np.arange(100)
    patient, impatient = (
        EarlyStopping(MemoryRun(), should_stop, patience=4, useful=useful) for useful in (0.0, 0.01)
    )
    for value in values:
        patient.update(float(value))
        impatient.update(float(value))
    assert not patient.stopped
    assert impatient.stopped
    assert "no more than 0.01" in impatient.reason


def test_larger_figures_may_be_better() -> None:
    """The name says it, or ``larger``."""
    values = [*np.linspace(0.5, 0.9, 20), *np.linspace(0.85, 0.4, 20)]
    for by, larger in (("val_accuracy", None), ("val_reward", True)):
        early = EarlyStopping(MemoryRun(), should_stop, by=by, larger=larger, patience=4)
        assert any(early.update(float(one)) for one in values)
        assert early.best_step == 20


def test_keras_is_stopped_and_restored(tmp_path: Path) -> None:
    """At the end of the epoch, with the best weights back."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras was imported with another backend")
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Input((12,)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    run = MemoryRun()
    early = run.early_stopping(patience=4, checkpoints=run.checkpoints(tmp_path))
    held = (SETS["xv"], NOISE[120:])
    run.fit(model, SETS["x"], NOISE[:120], validation_data=held, epochs=100, verbose=0, early_stopping=early)
    checked(run, early, 100, "val_loss")
    assert model.evaluate(*held, verbose=0) == pytest.approx(min(run.history["val_loss"]), rel=1e-4)


def test_one_call_trains_stops_and_keeps_the_best(tmp_path: Path) -> None:
    """``monitor.fit`` with the name of a figure and a folder, of a figure of which more is better."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    module = net(torch)
    held = (torch.as_tensor(SETS["xv"]), torch.as_tensor(KNOWN[120:]))

    def accuracy(output: Any, targets: Any) -> Any:
        return (output.argmax(dim=1) == targets).float().mean()

    with vedette.Monitor("net", lake=tmp_path / "lake") as monitor:
        run = monitor.fit(
            module,
            torch.as_tensor(SETS["x"]),
            torch.as_tensor(KNOWN[:120]),
            validation_data=held,
            metrics={"accuracy": accuracy},
            epochs=40,
            early_stopping="val_accuracy",
            checkpoints=tmp_path / "kept",
        )
    assert run.status == "finished"
    assert float(accuracy(module(held[0]), held[1])) == pytest.approx(
        max(run.history["val_accuracy"]), abs=1e-6
    )
    assert sorted(one.name for one in (tmp_path / "kept").iterdir())


def test_lightning_is_stopped_and_restored(tmp_path: Path) -> None:
    """After the validation; the trainer's own callbacks stay as they were."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    lightning = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed")
    torch.manual_seed(0)

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = net(torch)

        def _step(self, batch: Any, name: str) -> Any:
            loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
            self.log(name, loss, on_step=False, on_epoch=True)
            return loss

        def training_step(self, batch: Any, index: int) -> Any:
            return self._step(batch, "loss")

        def validation_step(self, batch: Any, index: int) -> None:
            self._step(batch, "val_loss")

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=3e-3)

    def loader(rows: slice) -> Any:
        data = torch.utils.data.TensorDataset(torch.as_tensor(X[rows]), torch.as_tensor(NOISE[rows]))
        return torch.utils.data.DataLoader(data, batch_size=60)

    run = MemoryRun()
    early = run.early_stopping(patience=4, checkpoints=run.checkpoints(tmp_path))
    trainer = lightning.Trainer(
        max_epochs=200, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    module = Module()
    run.fit(
        module,
        loader(slice(0, 120)),
        validation_data=loader(slice(120, 240)),
        trainer=trainer,
        early_stopping=early,
    )
    checked(run, early, 200, "val_loss")
    held = torch.as_tensor(X[120:]), torch.as_tensor(NOISE[120:])
    now = float(torch.nn.functional.cross_entropy(module.net(held[0]), held[1]))
    assert now == pytest.approx(min(run.history["val_loss"]), rel=1e-4)


def test_a_trainer_of_transformers_is_stopped(tmp_path: Path) -> None:
    """After an evaluation, by the name that the run has for it."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    torch.manual_seed(0)

    class Module(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = net(torch)

        def forward(self, x: Any, labels: Any = None) -> Any:
            logits = self.net(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    rows = [
        {"x": torch.as_tensor(one), "labels": torch.tensor(int(y))} for one, y in zip(X, NOISE, strict=True)
    ]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), num_train_epochs=100, per_device_train_batch_size=60, learning_rate=5e-3,
        eval_strategy="epoch", logging_steps=1000, report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=Module(), args=arguments, train_dataset=rows[:120], eval_dataset=rows[120:]
    )
    run = MemoryRun()
    early = run.early_stopping(patience=4)
    run.fit(trainer, early_stopping=early)
    checked(run, early, 100, "val_loss")


def boosted(name: str, run: MemoryRun, early: EarlyStopping) -> None:
    data = {"validation_data": (SETS["xv"], NOISE[120:]), "early_stopping": early}
    if name == "xgboost":
        model = pytest.importorskip(name, reason="XGBoost is not installed").XGBClassifier(
            n_estimators=300, n_jobs=1
        )
    elif name == "lightgbm":
        found = pytest.importorskip(name, reason="LightGBM is not installed")
        model = found.LGBMClassifier(n_estimators=300, min_child_samples=2, verbose=-1, n_jobs=1)
    else:
        found = pytest.importorskip(name, reason="CatBoost is not installed")
        model = found.CatBoostClassifier(
            iterations=300, learning_rate=0.3, verbose=False, allow_writing_files=False, thread_count=1
        )
    run.fit(model, SETS["x"], NOISE[:120], **data)


@pytest.mark.parametrize(
    ("name", "by"),
    [("xgboost", "val_logloss"), ("lightgbm", "val_binary_logloss"), ("catboost", "val_Logloss")],
)
def test_boosters_are_stopped(name: str, by: str) -> None:
    """By the figure of the validation set, at the iteration at which it surely got worse."""
    run = MemoryRun()
    early = run.early_stopping(by, patience=4)
    boosted(name, run, early)
    checked(run, early, 300, by)


def test_an_estimator_that_is_trained_in_epochs_is_stopped(tmp_path: Path) -> None:
    """The loop ends; an estimator's own fit cannot be ended, and says so."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.neural_network import MLPClassifier

    run = MemoryRun()
    early = run.early_stopping(
        "val_log_loss", patience=4, checkpoints=run.checkpoints(tmp_path, by="val_log_loss")
    )
    model = MLPClassifier(64, learning_rate_init=0.01, random_state=0)
    held = (SETS["xv"], NOISE[120:])
    run.fit(model, SETS["x"], NOISE[:120], validation_data=held, epochs=200, early_stopping=early)
    checked(run, early, 200, "val_log_loss")
    with pytest.raises(TypeError, match="cannot be ended: epochs="):
        run.fit(SGDClassifier(), SETS["x"], NOISE[:120], early_stopping=early)


def test_a_figure_that_never_comes_is_told() -> None:
    """A misspelt name would let the training go on for ever, and nobody would know why."""
    run = MemoryRun()
    early = EarlyStopping(run, should_stop, by="val_los", larger=False)
    for step in range(40):
        early.see(step, {"val_loss": 1.0})
    assert not early.stopped
    told = run.of("not_watched")
    assert len(told) == 1
    assert told[0]["reason"] == "by='val_los': is in none of the first rows, which have val_loss"


def test_a_figure_that_never_came_is_told_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also of a training of a few epochs: the reason stands in the object, in the log, and in the run."""
    with vedette.Monitor("net", lake=tmp_path) as monitor, caplog.at_level("WARNING", "vedette"):
        with monitor.run("short", environment=False) as run:
            early = run.early_stopping()
            assert not early.see(1, {"val_log_loss": 0.5})
        assert early.reason == "by='val_loss': no row of the run had it: nothing could be stopped"
        assert early.reason in caplog.text
        assert run.status == "finished"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"by": "reward"}, "name='reward': does not tell whether larger"),
        ({"by": ""}, "by='': must name a figure"),
        ({"patience": 3}, "patience=3: must be a whole number, 4"),
        ({"useful": -1.0}, "useful=-1.0: must be 0 or more"),
        ({"level": 2.0}, "level=2.0: must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    """Before the training begins."""
    with pytest.raises(ValueError, match=message):
        MemoryRun().early_stopping(**given)


def test_numbers_that_are_none_stop_at_once() -> None:
    """The figure, or the loss beside it; a figure that is merely absent does not."""
    for row in ({"val_loss": math.nan}, {"val_loss": 1.0, "loss": math.inf}):
        early = EarlyStopping(MemoryRun(), should_stop)
        assert early.see(3, row)
        assert early.broken
    early = EarlyStopping(MemoryRun(), should_stop)
    assert not early.see(3, {"loss": 1.0})


def _rank(rank: int, port: int, folder: str) -> None:
    """One of two processes that train together: only the first sees its figure get worse."""
    import torch

    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    if rank == 0:  # a training of its own, which the other rank knows nothing of, waits for nobody
        own, data = MemoryRun(), (torch.as_tensor(SETS["x"]), torch.as_tensor(KNOWN[:120]))
        own.fit(net(torch), *data, validation_data=data, epochs=2, early_stopping=own.early_stopping())
        assert len(own.history["val_loss"]) == 2
    module = torch.nn.parallel.DistributedDataParallel(net(torch))
    run = MemoryRun()
    values = iter(
        [*np.linspace(1, 0.1, 20), *np.linspace(0.2, 2, 80)] if rank == 0 else np.linspace(1, 0.1, 100)
    )

    def figure(output: Any, targets: Any) -> float:
        return 0.0 if module.training else float(next(values))

    held = (torch.as_tensor(SETS["xv"]), torch.as_tensor(KNOWN[120:]))
    early = run.early_stopping("val_figure", larger=False, patience=4)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    data = (torch.as_tensor(SETS["x"]), torch.as_tensor(KNOWN[:120]))
    options = {"batch_size": 120, "epochs": 100, "metrics": {"figure": figure}, "optimizer": optimizer}
    run.fit(module, *data, validation_data=held, early_stopping=early, **options)
    Path(folder, str(rank)).write_text(f"{len(run.history['val_figure'])} {early.stopped}", "utf-8")
    torch.distributed.barrier()
    os._exit(0)  # what PyTorch takes down at the end of a process aborts now and then, with all said and done


def test_all_ranks_stop_when_one_does(tmp_path: Path) -> None:
    """A rank that went on alone would wait for the others for ever."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.distributed.is_available():
        pytest.skip("this PyTorch has no torch.distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_rank, (port, str(tmp_path)), nprocs=2)
    (first, stopped), (second, other) = ((tmp_path / str(rank)).read_text("utf-8").split() for rank in (0, 1))
    assert first == second
    assert 20 < int(first) < 100
    assert (stopped, other) == ("True", "False")

"""What a training run offers to frameworks: callbacks, hooks, ``fit``, figures of a data set, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vedette.capture.training.protocol import Tools, TrainingRun

if TYPE_CHECKING:
    from vedette.capture.training.checkpoints import Checkpoints
    from vedette.capture.training.stopping import EarlyStopping
    from vedette.capture.training.torch import TorchWatch

__all__ = ["TrainingDoor"]


class TrainingDoor:
    """A part of a run: each method loads what it needs when it is called, and nothing before.

    ``tools`` are what it takes of statistics, judgement and the lake, put into a run by whoever makes it: those are rooms that
    this one does not know.
    """

    tools: Tools | None = None
    _stopping: EarlyStopping | None = None

    rank = 0  # of a distributed training: which of its processes this is
    steps_behind = 0  # of a run that was resumed: the steps that it had before

    def callback(self, framework: str, **arguments: Any) -> Any:
        """The callback of a framework that takes such: keras, lightning, transformers, xgboost, lightgbm, catboost.

        What it is given to and which ``arguments`` it takes is said in ``docs/frameworks_training.md``. Raises
        ``ValueError`` for a name that has none, ``MissingExtraError`` where the framework is not installed.
        """
        from vedette.capture.training import callback

        if framework == "keras":  # the others say themselves at which step they are
            arguments.setdefault("step", self.steps_behind)
        return self.attach(callback(self._run(), framework, **arguments))

    def watch(self, module: Any, optimizer: Any = None, **arguments: Any) -> TorchWatch:
        """Watch a PyTorch module in a loop that one writes oneself, see ``capture.training.torch.TorchWatch``.

        In a run that was resumed steps count on from its last one, unless ``step`` says otherwise.
        """
        from vedette.capture.training.torch import TorchWatch

        arguments.setdefault("step", self.steps_behind)
        found: TorchWatch = self.attach(TorchWatch(self._run(), module, optimizer, **arguments))
        return found

    def fit(
        self,
        model: Any,
        x: Any = None,
        y: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        early_stopping: EarlyStopping | str | None = None,
        **arguments: Any,
    ) -> Any:
        """Train a model by its own ``fit``, watched, and return what that returns, see ``capture.training.fit``.

        ``early_stopping`` is one that :meth:`early_stopping` made, or the name of the figure that it stops by; with a name
        ``checkpoints`` may be a folder, in which the best models by that figure are kept, and from which the best is put back.
        """
        from vedette.capture.training.fit import fit

        if (
            early_stopping is not None
            and not hasattr(early_stopping, "see")
            and not isinstance(early_stopping, str)
        ):
            raise TypeError(
                f"early_stopping={early_stopping!r}: must be the name of a figure, or what run.early_stopping made"
            )
        if isinstance(early_stopping, str):
            kept = arguments.pop("checkpoints", None)
            if isinstance(kept, str | Path):
                kept = self.checkpoints(kept, by=early_stopping)
            early_stopping = self.early_stopping(early_stopping, checkpoints=kept)
        return fit(
            self._run(),
            model,
            x,
            y,
            validation_data=validation_data,
            early_stopping=early_stopping,
            **arguments,
        )

    def early_stopping(self, by: str = "val_loss", **arguments: Any) -> EarlyStopping:
        """What ends a training where its figure surely got worse, gains nothing more, or is NaN: give it to ``fit`` or a
        callback, or ask it in a loop of one's own, see ``capture.training.stopping.EarlyStopping``.

        A run that ends after it was stopped so says why: ``finished`` with the reason, or ``stopped`` where a number was none.
        """
        from vedette.capture.training.stopping import EarlyStopping

        made = EarlyStopping(self._run(), self._tools("early_stopping").should_stop, by=by, **arguments)
        if self.steps_behind:
            made.go_on(*self._tools("early_stopping").curve(by))
        self._stopping = made
        return made

    def evaluate(
        self,
        split: str,
        y_true: Any,
        y_pred: Any = None,
        *,
        probability: Any = None,
        task: str = "",
        classes: Sequence[Any] | None = None,
        metrics: Sequence[str] | None = None,
        step: int | None = None,
        level: float = 0.95,
    ) -> dict[str, tuple[float, float, float, int, str | None]]:
        """Figures of a data set, each with its interval: logged as ``val_accuracy``, ``val_accuracy_low``, ``..._high``.

        ``split`` is what stands before their names (``train``, ``val``, ``test``). Returned is for each name the value, the
        limits of its interval, the rows it rests on, and the reason where there is no value. Kept beside them are the mean
        losses of 200 groups of rows, by which another run on the same rows is compared with this one. What labels, predictions
        and ``probability`` may be is said in ``statistics.evaluation.evaluate``; ``ValueError`` for what they cannot.
        """
        if not isinstance(split, str) or not split:
            raise ValueError(f"split={split!r}: must name a set of rows, such as val or test")
        if step is not None and (isinstance(step, bool) or not hasattr(step, "__index__")):
            raise ValueError(f"step={step!r}: must be a whole number, or left out")
        found, facts = self._tools("evaluate").evaluate(
            y_true, y_pred, probability=probability, task=task, classes=classes, metrics=metrics, level=level
        )
        row: dict[str, float] = {}
        for name, (value, low, high, _, reason) in found.items():
            if reason is None:
                row.update(
                    {f"{split}_{name}": value, f"{split}_{name}_low": low, f"{split}_{name}_high": high}
                )
        if row:
            self.keep_figures(step, row)
        detail = {name: {"n": n, "reason": reason} for name, (_, _, _, n, reason) in found.items()}
        self._run().event("evaluated", split=split, level=level, figures=detail, **facts)
        return found

    def keep_figures(self, step: int | None, figures: Mapping[str, float]) -> None:
        """Keep the figures of a data set at a step, by default that after the last."""
        self._run().log(step, **figures)

    def data(
        self,
        train: Any,
        *,
        validation: Any = None,
        test: Any = None,
        target: str | None = None,
        groups: str | None = None,
        time: str | None = None,
        ignore: Sequence[str] = (),
    ) -> Any:
        """Say which data goes in: what the sets share and how they differ is found (``vedette.splits``), kept, and judged.

        Returns the ``Splits`` that were found. Tables and columns are those of ``vedette.splits``, which says what it raises.
        """
        sets = {"validation": validation, "test": test}
        found, facts = self._tools("data").data(
            train, target=target, groups=groups, time=time, ignore=ignore, **sets
        )
        self._run().event("run_data", **facts)
        return found

    def reference(
        self,
        x: Any,
        y: Any = None,
        *,
        prediction: Any = None,
        probability: Any = None,
        names: Sequence[str] | None = None,
        training: Any = None,
    ) -> None:
        """Make a set of rows, as a rule the validation set, what is normal for this version from now on.

        ``x`` are the features [N, F], a table or an array with ``names`` of its columns; ``y`` the labels [N], ``prediction``
        those of the model [N], ``probability`` [N] of the second of two classes or [N, K] of all. ``training`` are the features
        that it was trained on: what is served is then told apart from them too (``monitor.figures(..., against="training")``).
        Raises ``SchemaError`` or ``ValueError`` for what has other lengths or no names, and ``DataError`` for too few rows.
        """
        said = self._tools("reference").reference(
            x, y, prediction=prediction, probability=probability, names=names, training=training
        )
        self._run().event("run_reference", **said)

    def preprocessing(self, thing: Any) -> str:
        """Keep what tells this preprocessing from another, so that a deployment with another one is told; returns it.

        ``thing`` is the function, the fitted estimator, the path of a file or folder, a text or a mapping: what
        ``monitor.deploy(preprocessing=...)`` is given where the version is served (``docs/deployment.md``). Raises ``ValueError``
        for what has no source that can be read.
        """
        from vedette.capture.deployments.artefact import fingerprint

        found = fingerprint(thing)
        self._run().event("run_preprocessing", fingerprint=found)
        return found

    def checkpoints(self, folder: str | Path, **arguments: Any) -> Checkpoints:
        """Keep the best and the last model of a training in a folder, see ``capture.training.checkpoints``.

        Without ``best`` the name of ``by`` says whether less or more is better; ``ValueError`` where it does not tell.
        """
        from vedette.capture.training.checkpoints import Checkpoints

        by = arguments.get("by", "val_loss")
        if "best" not in arguments and self.tools is not None and isinstance(by, str):
            arguments["best"] = "max" if self.tools.larger_is_better(by) else "min"
        return Checkpoints(self._run(), folder, **arguments)

    def close_callbacks(self) -> None:
        """Take off all hooks that this run has put on; called at the run's end."""
        for one in self.__dict__.pop("_attached", []):
            one.close()

    def _tools(self, what: str) -> Tools:
        if self.tools is None:
            raise RuntimeError(
                f"{what}: the run was made without a Monitor, which knows of statistics and the lake"
            )
        return self.tools

    def _run(self) -> TrainingRun:
        return cast(TrainingRun, self)

    def attach(self, thing: Any) -> Any:
        """Have something closed when the run ends, if it can be; returned is the thing itself."""
        if hasattr(thing, "close"):
            self.__dict__.setdefault("_attached", []).append(thing)
        return thing

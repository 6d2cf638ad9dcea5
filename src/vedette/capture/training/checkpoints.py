"""Checkpoints: the best models of a training by any figure, and the last, whole or not at all.

A checkpoint is a folder ``step-<number>`` with the model in its framework's own format, what else was given, and
``checkpoint.json``: the step, the figures, and of each file its length and SHA-256. It is written under another name, synced,
and renamed; what a crash leaves half written is never taken for a checkpoint, and removed by the next. One training at a time
writes into a folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.capture.arguments import check_mapping, shown
from vedette.capture.deployments.artefact import folder_digest
from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.savers import saver_named, saver_of
from vedette.capture.training.told import need
from vedette.errors import DataError

__all__ = ["Checkpoint", "Checkpoints"]

_JSON = "checkpoint.json"
_UNFINISHED = ".unfinished-"
_REPLACED = ".replaced-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint: where it lies, its step, its figures, and the one it is ranked by (NaN where it has none)."""

    path: Path
    step: int
    value: float
    figures: Mapping[str, float]


class Checkpoints:
    """Keeps the ``keep`` best checkpoints and the last in a folder.

    ``by`` names the figure they are ranked by, ``best`` whether the least or the greatest is (``min``, ``max``). A model whose
    figure, loss or weights are NaN or infinite is not kept, the last good one stays, and ``stop`` becomes True: what trains is to
    look at it (``fit`` of a PyTorch module and the callback for Keras do). Checkpoints that lie in the folder already, of this
    run which goes on, are ranked with the new ones; where it has those of another run, this one's go into a folder of its name.

    Raises ``ValueError`` for arguments that cannot be.
    """

    def __init__(
        self,
        run: TrainingRun,
        folder: str | Path,
        *,
        by: str = "val_loss",
        best: str = "min",
        keep: int = 3,
    ) -> None:
        if not isinstance(by, str) or not by:
            raise ValueError(f"by={by!r}: must name a figure, such as val_loss")
        if best not in ("min", "max"):
            raise ValueError(f"best={best!r}: must be min or max")
        if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
            raise ValueError(f"keep={keep!r}: must be a whole number, 1 or more")
        self._run, self._folder, self._by, self._keep = run, Path(folder), by, keep
        self._sign = 1.0 if best == "min" else -1.0
        if any(self._run_of(file) != run.name for file in self._folder.glob(f"step-*/{_JSON}")):
            self._folder = self._folder / run.name
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._clear()
        except OSError as error:
            raise ValueError(
                f"folder={str(folder)!r}: must be a folder that can be written: {error.strerror}"
            ) from error
        self.stop = False
        self._known = {one.step: one for one in map(self._read, self._folder.glob(f"step-*/{_JSON}")) if one}

    @property
    def by(self) -> str:
        """The figure that they are ranked by."""
        return self._by

    @property
    def larger(self) -> bool:
        """Whether a greater one is better."""
        return self._sign < 0

    @property
    def all(self) -> list[Checkpoint]:
        """The checkpoints that are there, the best first; those without a figure last."""
        return sorted(self._known.values(), key=self._rank)

    @property
    def best(self) -> Checkpoint | None:
        """The best by its figure; the earlier of two that are equal. None where none has a figure."""
        return next((one for one in self.all if math.isfinite(one.value)), None)

    @property
    def last(self) -> Checkpoint | None:
        """The one of the last step."""
        return max(self._known.values(), key=lambda one: one.step, default=None)

    def save(
        self, model: Any, step: int, figures: Mapping[str, float] | None = None, *, optimizer: Any = None
    ) -> Checkpoint | None:
        """Keep a model of a step with its figures; None where it is not kept.

        Where ``figures`` are left out, that by which it is ranked and the loss are the last ones of the run's history.
        ``optimizer`` is one of ``torch.optim``, whose state is kept beside. Raises ``TypeError`` for a model that has no format,
        ``OSError`` where the folder cannot be written.
        """
        _check_step(step)
        saver = saver_of(model)
        known = self._figures() if figures is None else _numbers(figures)
        value = known.get(self._by, math.nan)
        broken = [name for name in (self._by, "loss") if name in known and not math.isfinite(known[name])]
        if broken or not saver.finite(model):
            self.stop = True
            why = f"{broken[0]} is {known[broken[0]]}" if broken else "a weight is NaN or infinite"
            good = self.last
            self._run.event(
                "checkpoint_refused", step=step, reason=why, last_good=None if good is None else good.step
            )
            return None
        made = self._write(saver.name, model, step, known, optimizer)
        found = Checkpoint(made, step, value, known)
        self._known[step] = found
        self._remove_others()
        self._run.event(
            "checkpoint",
            step=step,
            path=str(made),
            by=self._by,
            value=value if math.isfinite(value) else None,
            best=self.best is found,
            digests=self._digests(made) if step in self._known else [],
        )
        return found if step in self._known else None

    def load(self, checkpoint: Checkpoint | str | Path, model: Any = None, *, optimizer: Any = None) -> Any:
        """The model of a checkpoint, after its files were compared with their SHA-256.

        PyTorch's weights are put into ``model``; the others come as they were saved. In a run that was resumed what is made
        afterwards (``run.watch``, ``run.callback("keras")``, :meth:`keras`) counts on from the checkpoint's step. Raises
        ``DataError`` where a file is missing or not what was written.
        """
        if not isinstance(checkpoint, Checkpoint | str | os.PathLike):
            raise ValueError(
                f"checkpoint={shown(checkpoint)}: must be one of these checkpoints, or its folder"
            )
        path = checkpoint.path if isinstance(checkpoint, Checkpoint) else Path(checkpoint)
        content = self._content(path)
        for name, one in content["files"].items():
            file = path / name
            if not file.is_file() or _sha256(file) != one["sha256"]:
                raise DataError(
                    f"{file}: is missing, or is not what was written (SHA-256 {one['sha256'][:12]}...)"
                )
        if optimizer is not None and "optimizer.pt" not in content["files"]:
            raise DataError(
                f"{path}: was saved without an optimizer: must be one of save(..., optimizer=...)"
            )
        saver = saver_named(content["format"])
        found = saver.read(path / saver.file, model)
        if optimizer is not None:
            optimizer.load_state_dict(need("torch").load(path / "optimizer.pt", weights_only=True))
        if getattr(self._run, "steps_behind", 0) and content.get("run") == self._run.name:
            self._run.steps_behind = int(content["step"])  # type: ignore[attr-defined] # of a run, which it has
        return found

    def keras(self, *, step: int | None = None) -> Any:
        """A Keras callback that saves after each epoch, and stops the training where a number is none.

        Its steps are batches, as those of ``run.callback("keras")`` are. ``step`` is how many a training that goes on has behind
        it: by default, of a run that was resumed, those of the checkpoint that was loaded, else of the run's last row.
        """
        from vedette.capture.training.keras_saving import saving

        behind = getattr(self._run, "steps_behind", 0) if step is None else step
        return saving(self._run, self, _check_step(behind))

    def _digests(self, folder: Path) -> list[str]:
        """Those of a checkpoint's files and of its folder, by which a deployment finds the run that it came from."""
        files = {name: str(one["sha256"]) for name, one in self._content(folder)["files"].items()}
        own = sorted(f"sha256:{one}" for one in files.values())
        return [*own, folder_digest({**files, _JSON: _sha256(folder / _JSON)})]

    # --- files ------------------------------------------------------------------------------------------------

    def _figures(self) -> dict[str, float]:
        """The last values of what the models are ranked by, and of the loss; a history may have to be read from a disk."""
        found: dict[str, float] = {}
        for name in dict.fromkeys((self._by, "loss")):
            try:
                values = self._run.history[name]
            except KeyError:
                continue
            if len(values):
                found[name] = float(values[-1])
        return found

    def _rank(self, one: Checkpoint) -> tuple[bool, float, int]:
        return (
            not math.isfinite(one.value),
            self._sign * one.value if math.isfinite(one.value) else 0.0,
            one.step,
        )

    def _write(self, kind: str, model: Any, step: int, figures: Mapping[str, float], optimizer: Any) -> Path:
        saver = saver_named(kind)
        final = self._folder / f"step-{step:09d}"
        made = self._folder / f"{_UNFINISHED}{step:09d}-{os.getpid()}"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        try:
            saver.write(model, made / saver.file)
            if optimizer is not None:
                need("torch").save(optimizer.state_dict(), made / "optimizer.pt")
            files = {
                one.name: {"size_bytes": one.stat().st_size, "sha256": _sha256(one)}
                for one in sorted(made.iterdir())
            }
            content = {
                "run": self._run.name,
                "format": kind,
                "step": step,
                "by": self._by,
                # JSON has no NaN
                "figures": {name: one if math.isfinite(one) else str(one) for name, one in figures.items()},
                "saved": time.time(),
                "files": files,
            }
            (made / _JSON).write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False), "utf-8")
            for one in made.iterdir():
                _sync(one)
            _sync(made)
            if final.exists():  # the same step again: a folder cannot be renamed onto one that is not empty
                old = self._folder / f"{_REPLACED}{final.name}"
                shutil.rmtree(old, ignore_errors=True)
                final.rename(old)
                made.rename(final)
                shutil.rmtree(old, ignore_errors=True)
            else:
                made.rename(final)
            _sync(self._folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        return final

    def _clear(self) -> None:
        """Remove what a crash left half written or half removed; what was about to be replaced comes back."""
        for old in self._folder.glob(f"{_REPLACED}*"):
            final = self._folder / old.name.removeprefix(_REPLACED)
            if final.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.rename(final)
        for left in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)

    def _remove_others(self) -> None:
        last = self.last
        kept = {one.step for one in self.all[: self._keep] if math.isfinite(one.value)}
        kept |= {last.step} if last is not None else set()
        if not any(math.isfinite(one.value) for one in self._known.values()):
            kept |= set(
                sorted(self._known)[-self._keep :]
            )  # without figures the last ones are as good as any
        for step in sorted(set(self._known) - kept):
            one = self._known.pop(step)
            gone = self._folder / f"{_UNFINISHED}old-{step:09d}-{os.getpid()}"
            one.path.rename(gone)  # at once no checkpoint, whatever happens while its files are removed
            shutil.rmtree(gone, ignore_errors=True)

    def _content(self, path: Path) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((path / _JSON).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: must be a checkpoint, a folder with {_JSON}: {error}") from error
        return content

    def _run_of(self, file: Path) -> str:
        """The run whose checkpoint it is; this one's where its record cannot be read, which is told later."""
        try:
            return str(self._content(file.parent).get("run", self._run.name))
        except DataError:
            return self._run.name

    def _read(self, file: Path) -> Checkpoint | None:
        """A checkpoint of an earlier training; None, and an event, where its record cannot be read."""
        try:
            content = self._content(file.parent)
            figures = {name: float(one) for name, one in content["figures"].items()}
            return Checkpoint(file.parent, int(content["step"]), figures.get(self._by, math.nan), figures)
        except (DataError, KeyError, TypeError, ValueError) as error:
            self._run.event("checkpoint_unreadable", path=str(file.parent), reason=str(error)[:200])
            return None


def _check_step(step: Any) -> int:
    """A number of steps, or ``ValueError`` saying what it may be."""
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise ValueError(f"step={step!r}: must be a whole number, 0 or more")
    return step


def _numbers(figures: Any) -> dict[str, float]:
    """Figures by name as floats; ``ValueError`` where one is no number."""
    found = {}
    for name, one in check_mapping("figures", figures, "{'val_loss': 0.3}").items():
        try:
            found[str(name)] = float(one)
        except (TypeError, ValueError):
            raise ValueError(f"figures[{name!r}]={shown(one)}: must be a number") from None
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Write to the disk what the page cache has of a file or a folder."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

"""Runs of TensorBoard: each folder below a log directory that has event files is one.

Read are scalars of both forms (``simple_value`` and tensors of the plugin ``scalars``), hyperparameters and their session's
end, and the events of runs that vedette wrote. Two folders ``train`` and ``validation`` beside each other, as Keras writes
them, are one run, with ``val_`` before the names of the latter's metrics. Files are read by ``event_files.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from vedette.capture.mirrors import About, Event
from vedette.engine.exchange.event_files import RecordFile
from vedette.engine.exchange.found import FoundRun
from vedette.engine.exchange.summaries import Summaries
from vedette.errors import DataError

__all__ = ["found_runs", "mirrored"]

_FILES = "*tfevents*"
_TRAIN, _VALIDATION = "train", "validation"


def found_runs(place: str) -> Iterator[FoundRun]:
    """The runs below a log directory, by name; ``DataError`` where there is none."""
    root = Path(place)
    if not root.is_dir():
        raise DataError(f"{place!r}: no such folder")
    folders = _folders(root)
    if not folders:
        raise DataError(f"{place!r}: no event files of TensorBoard in it or below it")
    joined = {
        one.parent
        for one in folders
        if one.name == _TRAIN and one.parent not in folders and one.parent / _VALIDATION in folders
    }
    for folder in sorted({one.parent if one.parent in joined else one for one in folders}):
        if folder in joined:
            yield _joined(root, folder, folders)
        else:
            yield _run(root, folder, folders[folder])


def mirrored(place: str, about: About) -> FoundRun | None:
    """What a log directory has of a run of vedette."""
    root = Path(place)
    files = sorted((root / about.run).glob(_FILES))
    return _run(root, root / about.run, files) if files else None


def _folders(root: Path) -> dict[Path, list[Path]]:
    """The event files of each folder that has any, in the order in which TensorBoard reads them."""
    found: dict[Path, list[Path]] = {}
    for path in sorted(root.rglob(_FILES)):
        if path.is_file():
            found.setdefault(path.parent, []).append(path)
    return found


def _original(root: Path, folder: Path) -> str:
    """The name that TensorBoard shows; of the log directory itself that of the folder."""
    return root.resolve().name if folder == root else folder.relative_to(root).as_posix()


def _read(files: Sequence[Path]) -> tuple[Summaries, list[str], str]:
    """What the files of a folder say, what could not be read of them, and what tells the run from others."""
    found, notes = Summaries(), []
    identity = ""
    for path in files:
        file = RecordFile(path)
        for number, record in enumerate(file):
            if not identity and number == 0:
                identity = f"{path.name}:{record.hex()[:64]}"
            if not found.add(record):
                file.stop(f"record {number:,} is no event")
                break
        if file.broken:
            notes.append(file.broken)
    return found, notes, identity or f"{files[0].name}:{files[0].parent.name}"


def _run(root: Path, folder: Path, files: Sequence[Path]) -> FoundRun:
    found, notes, identity = _read(files)
    points = found.points()
    return FoundRun(
        _original(root, folder), identity, points, _events(found, points), found.version, found.mirror_of,
        dict(found.left_out), notes,
    )  # fmt: skip


def _joined(root: Path, parent: Path, folders: Mapping[Path, Sequence[Path]]) -> FoundRun:
    """The run of which Keras's callback wrote training and validation apart."""
    train, notes, identity = _read(folders[parent / _TRAIN])
    validation, more, _ = _read(folders[parent / _VALIDATION])
    named = validation.points().with_columns(pl.concat_str(pl.lit("val_"), "metric").alias("metric"))
    points = pl.concat([train.points(), named]).sort("time", maintain_order=True)
    left_out = dict(train.left_out)
    for what, n in validation.left_out.items():
        left_out[what] = left_out.get(what, 0) + n
    return FoundRun(
        _original(root, parent), identity, points, _events(train, points), left_out=left_out, notes=[*notes, *more]
    )  # fmt: skip


def _events(found: Summaries, points: pl.DataFrame) -> list[Event]:
    """What the run's own events are, or what can be told of one that vedette did not write."""
    if found.events:
        return found.events
    times = points["time"]
    first = found.started_s if times.is_empty() else int(times.min()) / 1e6  # type: ignore[arg-type]
    last = first if times.is_empty() else int(times.max()) / 1e6  # type: ignore[arg-type]
    events = [Event(first, -1, "run_started", {"imported": "tensorboard"})]
    if found.params:
        events.append(Event(first, -1, "run_params", found.params))
    if found.status:
        end = found.ended_s or last
        events.append(Event(max(end, first), -1, "run_ended", {"status": found.status, "summary": {}}))
    return events

"""What is wrong with a training run: its curves and evaluations out of the lake, judged by all diagnoses."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.run_parts import of_rank
from vedette.capture.training.machine import DENSE
from vedette.engine.run_records import RunRecord, records
from vedette.engine.runs import runs_of
from vedette.errors import DataError
from vedette.lake.points import Kept, read
from vedette.lake.tables import Lake
from vedette.strategy.training import LEVEL, OF_RANKS, Finding, Split, Training, diagnose

__all__ = ["diagnose_run", "diagnose_runs", "finding_words", "training_of"]

POINTS_MAX = 200_000
"""Points of a curve that are looked at: of a longer one so many at equal distances, and all that are no finite numbers."""

_SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
_FIGURES = ("f1", "accuracy")  # by which splits are compared, the first that all of them have
_SAME_ROWS = ("rows", "loss", "row_counts")  # of two evaluations that are compared row by row
_OF_LAST = ("step_s",)  # what the run before is compared by


def diagnose_run(lake: Lake, model: str, run: str, *, level: float = LEVEL) -> tuple[Finding, ...]:
    """All findings of a run, the gravest first; see ``Monitor.diagnose``. ``DataError`` for a run that is not there."""
    return diagnose_runs(lake, model, [run], level=level)[run]


def diagnose_runs(
    lake: Lake, model: str, names: Sequence[str], *, level: float = LEVEL
) -> dict[str, tuple[Finding, ...]]:
    """The findings of several runs, which are read once."""
    kept = read(lake, runs_of(model))
    found = records(kept, time.time())
    for run in names:
        if run not in found:
            raise DataError(f"run={run!r}: not there; runs are {', '.join(found) or 'none yet'}")
    return {run: diagnose(training_of(kept, found, run), level=level) for run in names}


def training_of(kept: Kept, found: dict[str, RunRecord], run: str) -> Training:
    """What is known of a run: its curves, layers in the order of the architecture, its evaluations, and the run before."""
    events = kept.events.filter(pl.col("name") == run)
    names = _in_order(kept.metrics(run), _layers(events))
    series = {name: _curve(kept, run, name) for name in names}
    series |= _memory(kept, events, run)
    for rank in range(1, found[run].ranks):
        curves = {of_rank(rank, name): _curve(kept, run, of_rank(rank, name)) for name in OF_RANKS}
        series |= {name: curve for name, curve in curves.items() if len(curve[0])}
    before = list(found)[: list(found).index(run)]  # in the order in which they began
    earlier = [one for one in before if found[one].status == "finished"]
    last = None
    if earlier:
        there = set(kept.metrics(earlier[-1]))
        last = Training({name: _curve(kept, earlier[-1], name) for name in _OF_LAST if name in there})
    finished = found[run].status != "running"
    told = _details(events, "architecture")
    replicated = bool(told and told[-1].get("replicated"))
    facts = {**_of_data(events), **_of_classes(events), **_of_rows(kept, events, earlier)}
    return Training(
        series, splits=_splits(events, series), last=last, finished=finished, replicated=replicated, **facts
    )


def _memory(kept: Kept, events: pl.DataFrame, run: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """``rss_bytes`` of the process that trained last, at times that lie alike apart: a leak goes by the clock.

    Readings come closer together at the start of a run, and several at one step: between two moments their mean counts.
    """
    frame = kept.readings(run, "rss_bytes").sort("time", maintain_order=True)
    begun = events.filter(pl.col("kind").is_in(["run_started", "run_resumed"]))["time"].max()
    frame = frame.filter(pl.col("time") >= begun) if begun is not None else frame
    if frame.is_empty():
        return {}
    times = frame["time"].dt.epoch("us").to_numpy() / 1e6
    steps = np.maximum.accumulate(frame["step"].to_numpy())
    values = frame["value"].to_numpy()
    if len(times) < 3 or times[-1] <= times[0]:
        return {"rss_bytes": (steps, values)}
    # a machine that slept leaves a gap, and no more; readings of a run so far are DENSE of it and more
    apart = min(float(np.quantile(np.diff(times), 0.95)), (times[-1] - times[0]) / DENSE)
    at = ((times - times[0]) / apart).astype(np.int64)
    first = np.flatnonzero(np.diff(at, prepend=-1))
    return {"rss_bytes": (steps[first], np.add.reduceat(values, first) / np.diff(first, append=len(at)))}


def _of_data(events: pl.DataFrame) -> dict[str, Any]:
    """What ``run.data`` found of the sets that went in."""
    told = _details(events, "run_data")
    if not told:
        return {}
    names = ("duplicates", "n_validation", "feature_auc", "n_positive", "n_negative")
    found = {name: told[-1][name] for name in names if told[-1].get(name) is not None}
    return found if isinstance(found.get("feature_auc", {}), dict) else {}


def _of_classes(events: pl.DataFrame) -> dict[str, Any]:
    """The shares of classes of the last evaluation, of the validation set where there is one."""
    told = {
        _SPLITS.get(str(one.get("split"))): one
        for one in _details(events, "evaluated")
        if one.get("n_predicted")
    }
    one = next((told[name] for name in ("validation", "test", "train") if name in told), None)
    names = ("label_shares", "predicted_shares", "n_predicted")
    return {} if one is None else {name: one[name] for name in names}


def _of_rows(kept: Kept, events: pl.DataFrame, earlier: Sequence[str]) -> dict[str, Any]:
    """The losses of this run and of the last one before it that was evaluated on the same rows, of a test set by preference."""
    own = {
        _SPLITS.get(str(one.get("split"))): one
        for one in _details(events, "evaluated")
        if one.get("row_losses")
    }
    found: dict[
        str, Any
    ] = {}  # of the first set that was evaluated, also where nothing is there to be compared with
    for split in ("test", "validation"):
        one = own.get(split)
        if one is None:
            continue
        mine = {key: np.array(one[key], dtype=np.float64) for key in ("row_losses", "row_counts")}
        found = found or mine
        for name in reversed(earlier):
            others = _details(kept.events.filter(pl.col("name") == name), "evaluated")
            same = [other for other in others if all(other.get(key) == one[key] for key in _SAME_ROWS)]
            if same:
                return {**mine, "last_row_losses": np.array(same[-1]["row_losses"], dtype=np.float64)}
    return found


def _curve(kept: Kept, run: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    frame = kept.curve(run, name)
    steps, values = frame["step"].to_numpy(), frame["value"].to_numpy()
    if len(steps) > POINTS_MAX:
        some = np.zeros(len(steps), dtype=bool)
        some[np.linspace(0, len(steps) - 1, POINTS_MAX).astype(np.int64)] = True
        some |= ~np.isfinite(values)
        steps, values = steps[some], values[some]
    return steps.astype(np.int64), values.astype(np.float64)


def _details(events: pl.DataFrame, kind: str) -> list[dict[str, Any]]:
    rows = events.filter(pl.col("kind") == kind).sort("time", maintain_order=True)
    return [json.loads(text)["detail"] for text in rows["detail"].to_list()]


def _layers(events: pl.DataFrame) -> list[str]:
    """The names of the layers, in their order; none where no architecture was told."""
    told = _details(events, "architecture")
    layers = told[-1].get("layers") if told else None
    return [str(one["layer"]) for one in layers if "layer" in one] if isinstance(layers, list) else []


def _in_order(names: Sequence[str], layers: Sequence[str]) -> list[str]:
    place = {layer: number for number, layer in enumerate(layers)}
    return sorted(
        names, key=lambda name: (name.partition("/")[0], place.get(name.partition("/")[2], len(place)))
    )


def _splits(events: pl.DataFrame, series: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Split]:
    """What the last evaluation of each set reached, by a figure that all sets have."""
    told = {str(one.get("split")): one.get("figures") for one in _details(events, "evaluated")}
    own = {name: figures for name, figures in told.items() if name in _SPLITS and isinstance(figures, dict)}
    for figure in _FIGURES:
        found = {}
        for name, figures in own.items():
            n = int(figures.get(figure, {}).get("n") or 0)
            values = series.get(f"{name}_{figure}", (np.zeros(0), np.zeros(0)))[1]
            if n and len(values) and 0 <= values[-1] <= 1:
                found[_SPLITS[name]] = Split(float(values[-1]), n)
        if len(found) == len(own):
            return found
    return {}


def finding_words(one: Finding) -> str:
    """A finding in a line: the verdict, what, where, since when, and the advice."""
    where = f" in {one.layer}" if one.layer else ""
    since = f", since step {one.since_step}" if one.since_step is not None else ""
    advice = f": {one.advice}" if one.advice else ""
    return f"{one.verdict.value} {one.diagnosis}{where}: {one.evidence}{since}{advice}"

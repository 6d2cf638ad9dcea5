"""What a version came from: code, data, runs with their diagnosis, and the figures of the sets that it was evaluated on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from vedette.capture.run_parts import part_of
from vedette.engine.run_diagnosis import diagnose_runs, finding_words
from vedette.engine.run_records import RunRecord, records
from vedette.engine.runs import runs, runs_of
from vedette.lake.points import read
from vedette.lake.tables import Lake
from vedette.output.numbers import number
from vedette.records import Deployment, Fact, LiveFigure, Section

__all__ = ["Origin", "code", "data", "origin_of", "run_section", "validation"]

_RUNS_MAX = 10
_AVERAGES = ("macro", "micro", "weighted")
_PARAMS_MAX = 40
_RESULTS_MAX = 12
_NO_RUN = (
    "no training run made it: a run has the version of its monitor, and monitor.deploy(run=...) or the digest of a checkpoint "
    "names another"
)


@dataclass(slots=True)
class Origin:
    """The runs that made a version, the newest first; of their events the last of each kind; and their row in ``runs``."""

    runs: list[RunRecord] = field(default_factory=list)
    said: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    evaluated: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def newest(self, kind: str) -> tuple[str, dict[str, Any]] | None:
        """The newest run that told of a kind, and what it told last."""
        return next(
            ((one.name, self.said[one.name, kind]) for one in self.runs if (one.name, kind) in self.said),
            None,
        )


def origin_of(lake: Lake, model: str, version: str, deployed: Iterable[Deployment]) -> Origin:
    """The runs whose version it is, and those that its deployments name."""
    own = runs_of(model)
    if not lake.has(own):
        return Origin()
    kept = read(lake, own)
    named = {one.run for one in deployed if one.run}
    every = records(kept, time.time()).values()
    found = [one for one in reversed(list(every)) if one.version == version or one.name in named]
    origin = Origin(found[:_RUNS_MAX])
    names = {one.name for one in origin.runs}
    for kind, name, text in kept.events.select("kind", "name", "detail").iter_rows():
        run, detail = part_of(name).run, json.loads(text).get("detail")
        if run not in names or not isinstance(detail, dict):
            continue
        origin.said[run, kind] = detail
        if kind == "evaluated":
            origin.evaluated[run, str(detail.get("split"))] = detail
    if names:
        frame = runs(lake, model).filter(pl.col("name").is_in(sorted(names)))
        origin.rows = {row["name"]: row for row in frame.iter_rows(named=True)}
    return origin


def code(origin: Origin) -> Section:
    """The commit, what was changed since, and what it ran in."""
    title = "Code"
    if not origin.runs:
        return Section("code", title, unknown=(_NO_RUN,))
    found = origin.newest("environment")
    if found is None:
        return Section("code", title, unknown=("no run kept its environment (environment=False)",))
    run, said = found
    git = said.get("git")
    facts = [Fact("run", run)]
    unknown = []
    if isinstance(git, dict):
        said_of = {True: ", with changes that were not committed", False: ""}
        dirty = said_of.get(bool(git["dirty"]), "") if git.get("dirty") is not None else ", changes not known"
        facts.append(Fact("commit", f"{git.get('commit')}{dirty}"))
        facts += [Fact("branch", str(git["branch"]))] if git.get("branch") else []
        if git.get("diff"):
            cut = "" if len(git["diff"].encode()) >= (git.get("diff_bytes") or 0) else "\n... (cut)"
            facts.append(Fact("changes", f"{git['diff']}{cut}", lines=True))
        elif git.get("dirty"):
            unknown.append("what was changed since the commit was not kept (diff=False)")
    else:
        unknown.append("the training did not run in a git repository, or git was not there")
    argv = said.get("argv")
    facts += [Fact("command", " ".join(map(str, argv)))] if isinstance(argv, list) and argv else []
    packages = said.get("packages")
    n = len(packages) if isinstance(packages, dict) else 0
    facts.append(Fact("python", f"{said.get('python')} on {said.get('platform')}, {n:,} packages"))
    hardware = said.get("hardware")
    if isinstance(hardware, dict):
        gpus = ", ".join(map(str, hardware.get("gpus") or ())) or "no GPU"
        facts.append(Fact("hardware", f"{hardware.get('processor') or hardware.get('machine')}, {gpus}"))
    return Section("code", title, tuple(facts), unknown=tuple(unknown))


def data(origin: Origin) -> Section:
    """Which sets went in, what was found of them, the reference, and the preprocessing."""
    title = "Data"
    if not origin.runs:
        return Section("data", title, unknown=(_NO_RUN,))
    facts, unknown = [], []
    found = origin.newest("run_data")
    if found is None:
        unknown.append("which data went in was not told (run.data)")
    else:
        sets = found[1].get("rows")
        if isinstance(sets, dict):
            facts += [Fact(f"{name} set", f"{n:,} rows") for name, n in sets.items() if n]
        some = found[1].get("findings")
        wrong = (
            [str(one.get("words")) for one in some if one.get("verdict") != "OK"]
            if isinstance(some, list)
            else []
        )
        facts += [Fact("found", one) for one in wrong] or [Fact("found", "nothing wrong with the splits")]
    found = origin.newest("run_reference")
    if found is None:
        unknown.append("the run gave no reference (run.reference)")
    else:
        facts.append(Fact("reference", f"{found[1].get('rows', 0):,} rows"))
    found = origin.newest("run_preprocessing")
    if found is None:
        unknown.append("which preprocessing it was trained with was not told (run.preprocessing)")
    else:
        facts.append(Fact("preprocessing", str(found[1].get("fingerprint"))))
    return Section("data", title, tuple(facts), unknown=tuple(unknown))


def run_section(lake: Lake, model: str, origin: Origin) -> Section:
    """Each run: how it ended, with which parameters, its last metrics, and what the diagnoses name."""
    title = "Training runs"
    if not origin.runs:
        return Section("runs", title, unknown=(_NO_RUN,))
    findings = diagnose_runs(lake, model, [one.name for one in origin.runs])
    facts = []
    for one in origin.runs:
        began = f"{one.started:%Y-%m-%d %H:%M} UTC" if one.started else "a time that is not known"
        reason = f": {one.reason}" if one.reason else ""
        facts.append(Fact(f"run {one.name}", f"{one.status}{reason}, began {began}"))
        if one.params:
            told = [f"{key}={value}" for key, value in list(one.params.items())[:_PARAMS_MAX]]
            facts.append(Fact("parameters", ", ".join(told)))
        row = origin.rows.get(one.name, {})
        last = {
            key[5:]: value
            for key, value in row.items()
            if key.startswith("last.") and isinstance(value, float)
        }
        plain = [name for name in last if not name.endswith(("_low", "_high"))][:_RESULTS_MAX]
        if plain:
            facts.append(Fact("last values", ", ".join(f"{name} {number(last[name])}" for name in plain)))
        named = [finding_words(each) for each in findings[one.name] if each.named]
        facts.append(Fact("diagnosis", "; ".join(named) or "nothing named"))
    return Section("runs", title, tuple(facts))


def validation(origin: Origin) -> Section:
    """The figures of each set that a run was evaluated on, with their intervals, of the newest run that has them."""
    title = "Validation"
    figures: list[LiveFigure] = []
    for one in origin.runs:
        splits = [split for run, split in origin.evaluated if run == one.name]
        row = origin.rows.get(one.name, {})
        for split in splits:
            figures += _of_split(split, origin.evaluated[one.name, split], row)
        if figures:
            break
    if not figures:
        why = _NO_RUN if not origin.runs else "no run was evaluated on a set (run.evaluate)"
        return Section("validation", title, unknown=(why,))
    return Section("validation", title, figures=tuple(figures))


def _of_split(split: str, said: Mapping[str, Any], row: Mapping[str, Any]) -> Sequence[LiveFigure]:
    told = said.get("figures")
    found = []
    told = told if isinstance(told, dict) else {}
    for name, about in told.items():
        if name.rpartition("_")[2] in _AVERAGES and name.rpartition("_")[0] in told:
            continue  # of two classes the figure itself says it
        ends = [row.get(f"last.{split}_{name}{end}") for end in ("", "_low", "_high")]
        value, low, high = (one if isinstance(one, float) else None for one in ends)
        reason = str(about.get("reason") or ("" if value is not None else "its value was not kept"))
        found.append(LiveFigure(f"{split} {name}", value, low, high, int(about.get("n") or 0), reason))
    return found

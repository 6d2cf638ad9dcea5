"""What became of a version in service: deployments, traffic, quality, drift and labels, with live figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from vedette.engine.labels import labels_of
from vedette.engine.versions import Deployed
from vedette.lake.tables import Lake
from vedette.output.deployments_words import duration, warm_up_words
from vedette.records import Deployment, Fact, Happening, LiveFigure, Section

__all__ = ["deployment_section", "drift", "labels", "quality", "traffic"]

TRAFFIC = ("rows", "latency_p50_s", "latency_p95_s", "latency_p99_s", "error_rate")
QUALITY = (
    *(
        "accuracy",
        "balanced_accuracy",
        "precision",
        "recall",
        "f1",
        "roc_auc",
        "log_loss",
        "brier",
        "calibration_error",
    ),
    *("mae", "rmse", "bias", "mape", "r2", "map", "ndcg"),
)

_COLUMNS_MAX = 12
_DIFFERENCES_MAX = 12
_NO_ROWS = "no prediction of it came yet"


def deployment_section(found: Sequence[Deployment]) -> Section:
    """Each deployment with its steps, its start-up, and what differs from the training."""
    title = "Deployments"
    if not found:
        return Section(
            "deployments", title, unknown=("no deployment was told (monitor.deploy, vedette deploy)",)
        )
    facts: list[Fact] = []
    happened: list[Happening] = []
    unknown: list[str] = []
    for one in found:
        facts.append(
            Fact(
                f"in {one.stage}",
                f"{one.status} since {one.changed:%Y-%m-%d %H:%M:%S} UTC, on {one.where.words}",
            )
        )
        if one.artefact:
            facts.append(Fact("artefact", one.artefact))
        if one.start_up_s is not None:
            facts.append(Fact("start-up", duration(one.start_up_s)))
        if one.warm_up is not None:
            facts.append(Fact("warm-up", warm_up_words(one.warm_up)))
        if one.differences is None:
            unknown.append(f"what differs from the training in {one.stage}: an environment was not recorded")
        else:
            some = [each.words for each in one.differences[:_DIFFERENCES_MAX]]
            left = len(one.differences) - len(some)
            some += [f"{left} more"] if left > 0 else []
            facts.append(Fact("differs", "; ".join(some) or "nothing from what it was trained in"))
        facts += [Fact("told wrongly", problem) for problem in one.problems]
        happened += [
            Happening(
                step.time, f"{one.stage}: {step.status}{f' ({step.note})' if step.note else ''}", step.by
            )
            for step in one.steps
        ]
        unknown += [f"{one.stage}: {note}" for note in one.notes]
    order = sorted(happened, key=lambda each: each.time)
    return Section(
        "deployments", title, tuple(facts), happened=tuple(order), unknown=tuple(dict.fromkeys(unknown))
    )


def traffic(served: Deployed | None, figures: pl.DataFrame) -> Section:
    """How many rows, when, what part of all, how quick, how often it failed."""
    title = "Traffic"
    if served is None:
        return Section("traffic", title, unknown=(_NO_ROWS,))
    facts = (
        Fact("first window", f"{served.first:%Y-%m-%d %H:%M} UTC"),
        Fact("last window ends", f"{served.last:%Y-%m-%d %H:%M} UTC"),
        Fact("share of all rows meanwhile", f"{served.share:.1%}"),
    )
    found, lacking = _named(figures, TRAFFIC)
    return Section("traffic", title, facts, found, unknown=lacking)


def quality(figures: pl.DataFrame) -> Section:
    """How good it is by the labels that came."""
    title = "Quality in service"
    if figures.is_empty():
        return Section("quality", title, unknown=(_NO_ROWS,))
    found, lacking = _named(figures, QUALITY)
    if not found and not lacking:
        lacking = ("no figure of quality: no labels came, or the model has no such figures",)
    return Section("quality", title, figures=found, unknown=lacking)


def drift(figures: pl.DataFrame) -> Section:
    """How far its columns are from the reference, the farthest first."""
    title = "Drift from the reference"
    rows = figures.filter(pl.col("metric").is_in(["psi"]) & pl.col("segment").eq(""))
    if rows.is_empty():
        return Section("drift", title, unknown=("nothing to measure from: there is no reference, or no row",))
    there = rows.filter(pl.col("value").is_not_null()).sort("value", descending=True)
    found = tuple(
        _figure(row, f"psi of {row['feature']}") for row in there.head(_COLUMNS_MAX).iter_rows(named=True)
    )
    lacking = [
        f"psi of {row['feature']}: {row['reason'] or 'no value'}"
        for row in rows.filter(pl.col("value").is_null()).head(_COLUMNS_MAX).iter_rows(named=True)
    ]
    more = there.height - len(found)
    facts = (Fact("other columns", f"{more:,}, each with a smaller psi"),) if more > 0 else ()
    return Section("drift", title, facts, found, unknown=tuple(dict.fromkeys(lacking)))


def labels(lake: Lake, model: str, figures: pl.DataFrame) -> Section:
    """What part of its rows have their label, and what became of all labels of the model."""
    title = "Labels"
    shares = figures.filter(pl.col("labelled").is_not_null())["labelled"]
    found = labels_of(lake, model)
    facts = [
        Fact(
            "of all versions",
            f"{found.received:,} labels came, {found.counted:,} count, {found.waiting:,} wait",
        ),
    ]
    unknown: tuple[str, ...] = ()
    if shares.len():
        facts.insert(0, Fact("rows of this version with a label", f"{max(shares.to_list()):.1%}"))
    else:
        unknown = ("what part of its rows have a label: none came for any that is counted",)
    if found.half_s is not None:
        facts.append(Fact("half of the labels come within", duration(found.half_s)))
    return Section("labels", title, tuple(facts), unknown=unknown)


def _named(figures: pl.DataFrame, names: Sequence[str]) -> tuple[tuple[LiveFigure, ...], tuple[str, ...]]:
    """The figures of these names that have a value, and why the others have none; what the model has not is neither."""
    found, lacking = [], []
    for name in names:
        rows = figures.filter(
            (pl.col("metric") == name) & pl.col("part").is_null() & (pl.col("segment") == "")
        )
        row = next(rows.iter_rows(named=True), None)
        if row is None:
            continue
        if row["value"] is None:
            lacking.append(f"{name}: {row['reason'] or 'no value'}")
        else:
            found.append(_figure(row, name))
    return tuple(found), tuple(dict.fromkeys(lacking))


def _figure(row: dict[str, Any], name: str) -> LiveFigure:
    n = int(row["n"] or 0)
    return LiveFigure(name, row["value"], row["low"], row["high"], n, row["reason"] or "", row["note"] or "")

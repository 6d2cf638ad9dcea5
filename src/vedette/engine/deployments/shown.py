"""Deployments as a frame, and as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from vedette.lake.tables import UTC
from vedette.records import Deployment

__all__ = ["deployments_frame", "deployments_json"]

_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("id", "version", "stage", "status"), pl.String()),
    **dict.fromkeys(("began", "changed", "ended"), UTC),
    **dict.fromkeys(("by", "host", "container", "cluster", "artefact", "run", "run_by"), pl.String()),
    "start_up_s": pl.Float64(),
    "roll_out_s": pl.Float64(),
    "first_prediction": UTC,
    **dict.fromkeys(("warm_up", "warm_up_low", "warm_up_high"), pl.Float64()),
    **dict.fromkeys(("differences", "problems", "notes"), pl.List(pl.String())),
}


def deployments_frame(found: Sequence[Deployment]) -> pl.DataFrame:
    """A row for each deployment; see :meth:`vedette.Monitor.deployments`."""
    return pl.DataFrame([_row(one) for one in found], schema=_SCHEMA)


def _row(one: Deployment) -> dict[str, Any]:
    warm = one.warm_up
    return {
        "id": one.id, "version": one.version, "stage": one.stage, "status": str(one.status),
        "began": one.began, "changed": one.changed, "ended": one.ended, "by": one.by,
        "host": one.where.host, "container": one.where.container, "cluster": one.where.cluster,
        "artefact": one.artefact, "run": one.run, "run_by": one.run_by,
        "start_up_s": one.start_up_s, "roll_out_s": one.roll_out_s, "first_prediction": one.first_prediction,
        "warm_up": warm and warm.ratio, "warm_up_low": warm and warm.low, "warm_up_high": warm and warm.high,
        "differences": None if one.differences is None else [each.words for each in one.differences],
        "problems": list(one.problems), "notes": list(one.notes),
    }  # fmt: skip


def deployments_json(found: Sequence[Deployment]) -> list[dict[str, Any]]:
    """The document of ``vedette deployments --json``: all of each deployment, but the list of packages it is served in."""
    return [_document(one) for one in found]


def _document(one: Deployment) -> dict[str, Any]:
    held = asdict(one)
    environment = held.pop("environment")
    if environment is not None:
        environment = {
            key: value for key, value in environment.items() if key not in ("packages", "argv", "git")
        }
    times = {"began": one.began, "changed": one.changed, "ended": one.ended}
    took = {"start_up_s": one.start_up_s, "roll_out_s": one.roll_out_s}
    return {**held, **times, "by": one.by, **took, "environment": environment, "problems": list(one.problems)}

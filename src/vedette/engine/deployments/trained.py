"""The training run that a deployment came from, and what that one ran in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from vedette.capture.run_parts import part_of
from vedette.engine.deployments.differences import differences
from vedette.records import Deployment

__all__ = ["Trained", "trained_of", "with_run"]

_KINDS = ("environment", "checkpoint", "run_reference", "run_preprocessing")


@dataclass(slots=True)
class Trained:
    """Of each run its environment, with schema and preprocessing; and the run of each digest of a checkpoint, the newest."""

    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    by_digest: dict[str, str] = field(default_factory=dict)


def trained_of(events: pl.DataFrame) -> Trained:
    """What the events of runs (``lake.points.Kept.events``) tell of how they were trained."""
    found = Trained()
    for kind, name, text in (
        events.filter(pl.col("kind").is_in(_KINDS)).select("kind", "name", "detail").iter_rows()
    ):
        detail, run = json.loads(text)["detail"], part_of(name).run
        if not isinstance(detail, dict):
            continue
        one = found.environments.setdefault(run, {})
        if kind == "environment":
            one |= {key: value for key, value in detail.items() if key not in one}
        elif kind == "checkpoint":
            found.by_digest |= {str(digest): run for digest in detail.get("digests") or ()}
        elif kind == "run_reference" and isinstance(detail.get("schema"), dict):
            one["schema"] = detail["schema"]
        elif kind == "run_preprocessing":
            one["preprocessing"] = detail.get("fingerprint")
    return found


def with_run(found: Iterable[Deployment], trained: Trained) -> list[Deployment]:
    """Deployments with the run that they came from where only the digest tells it, and with what differs from it."""
    return [_with_run(one, trained.by_digest, trained.environments) for one in found]


def _with_run(
    one: Deployment, by_digest: Mapping[str, str], environments: Mapping[str, Mapping[str, Any]]
) -> Deployment:
    if one.run is None and one.artefact is not None and one.artefact in by_digest:
        one = replace(one, run=by_digest[one.artefact], run_by="artefact")
    learned = environments.get(one.run or "")
    if one.environment is None or not learned:
        return one
    own = differences(learned, one.environment)
    told = one.differences or ()
    return replace(one, differences=(*told, *(each for each in own if each not in told)))

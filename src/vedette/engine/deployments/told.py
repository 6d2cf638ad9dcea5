"""Deployments from what was told of them, in order of time: each row says a status, and what it does not say stays."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from vedette.capture.deployments.told import deployment_id, unnamed
from vedette.lake.deployments import kept
from vedette.lake.tables import ModelTables
from vedette.records import Deployment, DeploymentStatus, Difference, Place, Step

__all__ = ["deployments", "of_events", "open_of"]

log = logging.getLogger("vedette")

_PLACE = ("host", "container", "cluster")


@dataclass(slots=True)
class _Told:
    """What is known of one deployment so far."""

    id: str
    version: str
    stage: str
    steps: list[Step] = field(default_factory=list)
    status: DeploymentStatus | None = None
    where: Place = field(default_factory=Place)
    said: dict[str, Any] = field(default_factory=dict)

    def tell(self, when: datetime, detail: dict[str, Any]) -> None:
        status = DeploymentStatus(detail["status"])
        where = _place(detail.get("where"), self.where)
        elsewhere = where != self.where and bool(self.steps)
        problem = status.problem_after(self.status, elsewhere=elsewhere)
        note = detail.get("note")
        self.steps.append(Step(status, when, _text(detail.get("by")), where, _text(note), problem))
        if self.status is not DeploymentStatus.RETIRED:
            self.status = status
        self.where = where
        more = {key: value for key, value in detail.items() if value is not None}
        self.said |= more

    def record(self, model: str) -> Deployment:
        environment, differences = self.said.get("environment"), self.said.get("differences")
        run = _text(self.said.get("run"))
        assert self.status is not None
        return Deployment(
            self.id,
            model,
            self.version,
            self.stage,
            self.status,
            tuple(self.steps),
            self.where,
            _text(self.said.get("artefact")),
            run,
            None if run is None else "told",
            _environment(environment, self.said),
            None if not isinstance(differences, list) else tuple(_differences(differences)),
        )


def deployments(tables: ModelTables) -> list[Deployment]:
    """The deployments of a model as the lake's tables have them, the newest first."""
    return of_events(tables.path.name, kept(tables))


def open_of(found: Iterable[Deployment], version: str, stage: str | None = None) -> Deployment | None:
    """The newest deployment of a version (and stage) that is not over; None where there is none."""
    return next(
        (
            one
            for one in found
            if one.version == version and stage in (None, one.stage) and not one.status.is_over
        ),
        None,
    )


def of_events(model: str, frame: pl.DataFrame) -> list[Deployment]:
    """Deployments from rows of ``time, name, version, detail`` in order of time, the newest first.

    A status that names no deployment is that of the newest one of its version and stage which was not retired, or begins one.
    An event of another system that tells no status is left out.
    """
    found: dict[str, _Told] = {}
    for when, name, version, text in frame.select("time", "name", "version", "detail").iter_rows():
        try:
            detail = json.loads(text)
            status, stage = DeploymentStatus(detail["status"]), str(detail.get("stage") or "")
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            log.debug("deployment %s of %s: tells no status: %s", name, model, error)
            continue
        one = found.get(name)
        if name in ("", unnamed(version, stage)):
            one = None if status is DeploymentStatus.REQUESTED else _newest(found, version, stage)
            if one is None:
                name = deployment_id(model, version, stage, when.timestamp())
                one = found.get(name)
        if one is None:
            one = found[name] = _Told(name, version, stage or "production")
        one.tell(when, {**detail, "status": status})
    return sorted(
        (one.record(model) for one in found.values()), key=lambda one: (one.began, one.id), reverse=True
    )


def _newest(found: dict[str, _Told], version: str, stage: str) -> _Told | None:
    alike = (
        one
        for one in reversed(found.values())
        if (one.version, one.stage) == (version, stage) and one.status is not DeploymentStatus.RETIRED
    )
    return next(alike, None)


def _place(said: Any, before: Place) -> Place:
    """A place as it was told; what was not told of the same host stays."""
    if not isinstance(said, dict) or not any(said.get(name) for name in _PLACE):
        return before
    return Place(*(_text(said.get(name)) for name in _PLACE))


def _environment(environment: Any, said: dict[str, Any]) -> dict[str, Any] | None:
    """What it is served in, with what was said of schema and preprocessing; None where nothing was."""
    found = dict(environment) if isinstance(environment, dict) else {}
    found |= {name: said[name] for name in ("schema", "preprocessing") if said.get(name)}
    return found or None


def _differences(told: list[Any]) -> Iterable[Difference]:
    """Differences that whoever deployed told of: texts, or objects with what, name, trained and served."""
    for one in told:
        if isinstance(one, dict) and one.get("what"):
            what = str(one["what"])
            yield Difference(
                what, str(one.get("name") or what), _text(one.get("trained")), _text(one.get("served"))
            )
        else:
            yield Difference("told", str(one), None, None)


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)

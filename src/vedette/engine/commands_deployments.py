"""What ``vedette deployments`` reads."""

from __future__ import annotations

from vedette.engine.commands import open_lake
from vedette.engine.deployments import deployments_of
from vedette.records import Deployment

__all__ = ["deployments"]


def deployments(location: str, model: str, version: str | None, stage: str | None) -> list[Deployment]:
    """The deployments of a model, of one version or stage where it is named, the newest first."""
    found = deployments_of(open_lake(location, model), model, version)
    return [one for one in found if stage in (None, one.stage)]

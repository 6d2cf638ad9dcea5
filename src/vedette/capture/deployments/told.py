"""What is told of a deployment, checked, as the text that is recorded of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from vedette.capture.run_events import event_text
from vedette.records import DEPLOYMENT, DeploymentStatus, Place, is_storable

__all__ = ["check_text", "deployment_id", "place_json", "status_of", "told_text", "unnamed"]

_MAX = {
    "version": 128,
    "stage": 64,
    "id": 200,
    "by": 200,
    "run": 128,
    "note": 2000,
    "host": 255,
    "container": 255,
    "cluster": 255,
}


def check_text(name: str, value: Any) -> str:
    """A text that tells of a deployment, or ``ValueError`` saying what it may be.

    >>> check_text("stage", "canary")
    'canary'
    """
    most = _MAX[name]
    if not isinstance(value, str) or not 0 < len(value) <= most or not is_storable(value):
        raise ValueError(
            f"{name}={str(value)[:80]!r}: must be text of 1 to {most:,} characters, without NUL or half of a surrogate pair"
        )
    return value


def status_of(status: Any) -> DeploymentStatus:
    """A status by its name, or ``ValueError`` saying which there are."""
    try:
        return DeploymentStatus(status)
    except ValueError:
        raise ValueError(
            f"status={str(status)[:60]!r}: must be one of {', '.join(DeploymentStatus)}"
        ) from None


def deployment_id(model: str, version: str, stage: str, requested_s: float) -> str:
    """The id of a deployment that is requested now; the same of the same, so that what is told twice is one.

    >>> deployment_id("delays", "4", "canary", 1795822360.5)
    'delays:4:canary:20261127T233240.500000Z'
    """
    return f"{model}:{version}:{stage}:{datetime.fromtimestamp(requested_s, UTC):%Y%m%dT%H%M%S.%fZ}"


def unnamed(version: str, stage: str) -> str:
    """The name under which a status is told of whichever deployment of a version and stage goes on.

    >>> unnamed("4", "canary")
    '4@canary'
    """
    return f"{version}@{stage}"


def place_json(place: Place) -> dict[str, str]:
    """What is known of a place.

    >>> place_json(Place("node-1"))
    {'host': 'node-1'}
    """
    return {name: value for name, value in asdict(place).items() if value is not None}


def told_text(version: str, detail: Mapping[str, Any]) -> str:
    """The text that is recorded of a status, of at most 64 KiB."""
    return event_text(DEPLOYMENT, version, 0, {name: one for name, one in detail.items() if one is not None})


def who() -> str | None:
    """Who tells: who started the pipeline, where one says so, else the user of this process; None where it has no name."""
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID"):
        if os.environ.get(name):
            return os.environ[name]
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return None

"""A deployment of a version of a model, as it is told: where, from what, and how far it came."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = ["DEPLOYMENT", "Deployment", "DeploymentStatus", "Difference", "Place", "Step", "WarmUp"]

DEPLOYMENT = "deployment"
"""The kind of the events by which deployments are told."""


class DeploymentStatus(StrEnum):
    """How far a deployment has come; all but ``failed`` in the order in which they follow each other.

    >>> DeploymentStatus.STARTING.order < DeploymentStatus.SERVING.order, DeploymentStatus.FAILED.order
    (True, None)
    """

    REQUESTED = "requested"
    BUILDING = "building"
    STARTING = "starting"
    HEALTHY = "healthy"
    SERVING = "serving"
    DRAINING = "draining"
    RETIRED = "retired"
    FAILED = "failed"

    @property
    def order(self) -> int | None:
        """Its place among those that follow each other; None of ``failed``, which may come at any time."""
        return None if self is DeploymentStatus.FAILED else list(DeploymentStatus).index(self)

    @property
    def is_over(self) -> bool:
        """True where nothing serves any more."""
        return self in (DeploymentStatus.RETIRED, DeploymentStatus.FAILED)

    def problem_after(self, before: DeploymentStatus | None, *, elsewhere: bool = False) -> str | None:
        """Why this status cannot follow another, in words; None where it can.

        A status may be left out, and any but a retired deployment may fail; one that failed may begin again. ``elsewhere`` is
        True where the two were told of different places: another replica may start while the first one serves.

        >>> serving, retired = DeploymentStatus.SERVING, DeploymentStatus.RETIRED
        >>> serving.problem_after(DeploymentStatus.BUILDING), DeploymentStatus.FAILED.problem_after(serving)
        (None, None)
        >>> serving.problem_after(retired)
        'serving after retired: what is retired does not come back, a new deployment must be requested'
        """
        if before is None or self is before:
            return None
        if before is DeploymentStatus.RETIRED:
            return f"{self} after retired: what is retired does not come back, a new deployment must be requested"
        if self.order is None or before.order is None or elsewhere or self.order > before.order:
            return None
        return f"{self} after {before}: the order is {', '.join(one for one in DeploymentStatus if one.order is not None)}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something runs: the host, the container in it (of Kubernetes ``namespace/pod``), and the cluster; None: not known."""

    host: str | None = None
    container: str | None = None
    cluster: str | None = None

    @property
    def words(self) -> str:
        """The place in one line.

        >>> Place("node-1", "shop/delays-7d9", "kubernetes").words, Place().words
        ('node-1, container shop/delays-7d9, cluster kubernetes', 'unknown')
        """
        parts = [self.host or ""]
        parts += [f"container {self.container}"] if self.container else []
        parts += [f"cluster {self.cluster}"] if self.cluster else []
        return ", ".join(filter(None, parts)) or "unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """A status as it was told: when, by whom, of which place; ``problem`` where it cannot follow what was told before."""

    status: DeploymentStatus
    time: datetime
    by: str | None = None
    where: Place = Place()
    note: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs between what a version was trained in and what it is served in.

    ``what`` is python, platform, package, hardware, schema or preprocessing; ``trained`` and ``served`` are None where the thing
    is not there on that side.
    """

    what: str
    name: str
    trained: str | None
    served: str | None

    @property
    def words(self) -> str:
        """The difference in one line.

        >>> Difference("package", "numpy", "1.26.4", "2.1.0").words
        'package numpy: trained with 1.26.4, served with 2.1.0'
        """
        sides = self.trained or "nothing", self.served or "nothing"
        name = "" if self.name == self.what else f" {self.name}"
        return f"{self.what}{name}: trained with {sides[0]}, served with {sides[1]}"


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How many times as long the first predictions took as those that followed, with its 95 % interval.

    ``ratio`` is that of the geometric means of the latencies of the first ``n_first`` and the next ``n_later`` rows; ``first_s``
    is the latency of the very first one.
    """

    ratio: float
    low: float
    high: float
    n_first: int
    n_later: int
    first_s: float

    @property
    def slower(self) -> bool:
        """True where the first ones took longer by more than chance explains."""
        return self.low > 1.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment, from all that was told of it.

    ``status`` is the last one that was told, but nothing comes after retired; ``problems`` says what was told in an order that
    cannot be. ``run`` is the training run that the version came from, ``run_by`` how that is known (``told`` or ``artefact``).
    ``environment`` is that of the process which serves, ``differences`` what it does not share with the run's; None where the one
    or the other was not recorded, which is not the same as none. ``first_prediction`` and ``warm_up`` are of the version's rows
    since the deployment began, and before the next one of that version; ``notes`` says why one of them is not known.
    """

    id: str
    model: str
    version: str
    stage: str
    status: DeploymentStatus
    steps: tuple[Step, ...]
    where: Place = Place()
    artefact: str | None = None
    run: str | None = None
    run_by: str | None = None
    environment: dict[str, Any] | None = None
    differences: tuple[Difference, ...] | None = None
    first_prediction: datetime | None = None
    warm_up: WarmUp | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def began(self) -> datetime:
        """When it was first told of."""
        return self.steps[0].time

    @property
    def changed(self) -> datetime:
        """When it came to the status that it has."""
        when = self.began
        before: DeploymentStatus | None = None
        for one in self.steps:
            if one.status is self.status and before is not self.status:
                when = one.time
                if self.status is DeploymentStatus.RETIRED:
                    break
            before = one.status
        return when

    @property
    def by(self) -> str | None:
        """Who told of it first, where somebody said so."""
        return next((one.by for one in self.steps if one.by), None)

    @property
    def problems(self) -> tuple[str, ...]:
        """What was told in an order that cannot be, in words."""
        return tuple(f"{one.time:%Y-%m-%d %H:%M:%S} UTC: {one.problem}" for one in self.steps if one.problem)

    def at(self, status: DeploymentStatus) -> datetime | None:
        """When it first came to a status; None where it was not told of."""
        return next((one.time for one in self.steps if one.status is status), None)

    @property
    def ended(self) -> datetime | None:
        """When it was over; None while it is not."""
        return self.changed if self.status.is_over else None

    @property
    def ready(self) -> datetime | None:
        """When it was first healthy; where that was not told, when it first served."""
        return self.at(DeploymentStatus.HEALTHY) or self.at(DeploymentStatus.SERVING)

    @property
    def start_up_s(self) -> float | None:
        """Seconds from ``starting`` to ready; None where one of the two was not told."""
        return self._until_ready(self.at(DeploymentStatus.STARTING))

    @property
    def roll_out_s(self) -> float | None:
        """Seconds from ``requested`` to ready; None where one of the two was not told."""
        return self._until_ready(self.at(DeploymentStatus.REQUESTED))

    def _until_ready(self, start: datetime | None) -> float | None:
        if start is None or self.ready is None or self.ready < start:
            return None
        return (self.ready - start).total_seconds()

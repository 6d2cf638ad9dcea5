"""A deployment as the script holds it that tells of it: a status at a time, each kept once the call has returned."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from vedette.capture.deployments.artefact import digest_of, fingerprint
from vedette.capture.deployments.place import place_of
from vedette.capture.deployments.told import (
    check_text,
    deployment_id,
    place_json,
    status_of,
    told_text,
    unnamed,
    who,
)
from vedette.capture.environment import environment_of
from vedette.capture.run_events import text_of
from vedette.capture.values import Rejected, event_time
from vedette.records import DeploymentStatus, Place

__all__ = ["Deploying"]

_NOTE_MAX = 2000
_RUNNING = (DeploymentStatus.STARTING, DeploymentStatus.HEALTHY, DeploymentStatus.SERVING)
"""What a process tells of itself: its environment goes with the first of them."""


class Deploying:
    """A deployment that is being told of. :meth:`vedette.Monitor.deploy` makes it, and tells its first status.

    The next ones are its methods: :meth:`building`, :meth:`starting`, :meth:`healthy`, :meth:`serving`, :meth:`draining`,
    :meth:`retired` and :meth:`failed`, each with a ``note`` and a ``time``; :meth:`status` tells one by its name. Left by an
    exception, a ``with`` statement tells that it failed, and raises it on. What was told is in the journal when the call
    returns: a kill, or a server that is away, takes nothing of it.

    >>> import tempfile, vedette
    >>> monitor = vedette.Monitor("delays", lake=tempfile.mkdtemp())
    >>> deployment = monitor.deploy("4", stage="canary", by="ann", environment=False)
    >>> deployment.building()
    >>> deployment.serving(note="5 % of the traffic")
    >>> monitor.deployments().select("version", "stage", "status", "by").row(0)
    ('4', 'canary', 'serving', 'ann')
    """

    def __init__(
        self,
        record: Callable[..., None],
        model: str,
        version: str,
        stage: str = "production",
        *,
        status: str = "requested",
        id: str | None = None,  # noqa: A002 - the public name
        by: str | None = None,
        host: str | None = None,
        container: str | None = None,
        cluster: str | None = None,
        artefact: str | os.PathLike[str] | None = None,
        run: str | None = None,
        environment: bool | Mapping[str, Any] = True,
        schema: Any = None,
        preprocessing: Any = None,
        note: str | None = None,
        time: Any = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.model, self.version = model, check_text("version", version)
        self.stage = check_text("stage", stage)
        self._record, self._clock, self._environment = record, clock, environment
        self._last: DeploymentStatus | None = None
        first, at = status_of(status), self._seconds(time)
        if id is not None:
            self.id = check_text("id", id)
        elif first is DeploymentStatus.REQUESTED:
            self.id = deployment_id(model, version, stage, at)
        else:
            self.id = unnamed(version, stage)
        given = {"host": host, "container": container, "cluster": cluster}
        own = {} if all(given.values()) else place_json(place_of())
        said = {name: check_text(name, one) for name, one in given.items() if one is not None}
        if host is not None and host != own.get("host"):
            own = {}  # of another machine than this one nothing is known but what was given
        detail = {
            "by": who() if by is None else check_text("by", by),
            "where": place_json(Place(**(own | said))),
            "artefact": None if artefact is None else digest_of(artefact),
            "run": None if run is None else check_text("run", run),
            "schema": None if schema is None else schema_of(schema),
            "preprocessing": None if preprocessing is None else fingerprint(preprocessing),
        }
        self._by = detail["by"]
        self._tell(first, note, at, detail)

    def status(self, status: str, *, note: str | None = None, time: Any = None) -> None:
        """Tell a status by its name, at a ``time`` (default now; seconds, a datetime, or ISO 8601).

        Raises ``ValueError`` for a status that there is not, and for one after ``retired``: what is retired does not come back.
        Another order than the usual one is recorded as it was told, and shown as a problem of the deployment.
        """
        self._tell(status_of(status), note, self._seconds(time), {"by": self._by})

    def building(self, *, note: str | None = None, time: Any = None) -> None:
        """What is to be deployed is being built."""
        self.status("building", note=note, time=time)

    def starting(self, *, note: str | None = None, time: Any = None) -> None:
        """A process of it has begun: the start-up counts from here."""
        self.status("starting", note=note, time=time)

    def healthy(self, *, note: str | None = None, time: Any = None) -> None:
        """It could answer: the start-up ends here."""
        self.status("healthy", note=note, time=time)

    def serving(self, *, note: str | None = None, time: Any = None) -> None:
        """Requests reach it."""
        self.status("serving", note=note, time=time)

    def draining(self, *, note: str | None = None, time: Any = None) -> None:
        """It ends what it has, and gets no more."""
        self.status("draining", note=note, time=time)

    def retired(self, *, note: str | None = None, time: Any = None) -> None:
        """It is gone, as was wanted."""
        self.status("retired", note=note, time=time)

    def failed(self, *, note: str | None = None, time: Any = None) -> None:
        """It is gone, or never came, as was not wanted."""
        self.status("failed", note=note, time=time)

    def __enter__(self) -> Deploying:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._last is not DeploymentStatus.RETIRED:
            self.failed(note=f"{kind.__name__}: {text_of(error)}"[:_NOTE_MAX])

    def _seconds(self, moment: Any) -> float:
        now = float(self._clock())
        if moment is None:
            return now
        try:
            return event_time(moment, now)[0]  # a datetime without a zone is UTC
        except Rejected as error:
            raise ValueError(f"time={str(moment)[:60]!r}: {error}") from None

    def _tell(self, status: DeploymentStatus, note: str | None, at: float, more: Mapping[str, Any]) -> None:
        if self._last is DeploymentStatus.RETIRED and status is not DeploymentStatus.RETIRED:
            raise ValueError(f"deployment {self.id}: {status.problem_after(self._last)}")
        detail = {"stage": self.stage, "status": str(status), **more}
        detail["note"] = None if note is None else check_text("note", note)
        if isinstance(self._environment, Mapping):
            detail["environment"], self._environment = dict(self._environment), False
        elif self._environment and status in _RUNNING:
            detail["environment"], self._environment = environment_of(diff=False), False
        self._record(self.id, told_text(self.version, detail), time=at)
        self._last = status


def schema_of(given: Any) -> dict[str, str | None]:
    """The columns that a version is served, with their types: of a table, a mapping, or names alone.

    >>> schema_of({"age": "float64"}), schema_of(["age"])
    ({'age': 'float64'}, {'age': None})
    """
    types = getattr(given, "schema", None) or getattr(given, "dtypes", None)
    if hasattr(given, "columns") and types is not None:  # a table of Polars or pandas
        return {str(name): str(types[name]).lower() for name in given.columns}
    if isinstance(given, Mapping):
        return {str(name): None if kind is None else str(kind).lower() for name, kind in given.items()}
    if (
        isinstance(given, Sequence)
        and not isinstance(given, str)
        and all(isinstance(one, str) for one in given)
    ):
        return dict.fromkeys(given)
    raise ValueError(
        f"schema={type(given).__name__}: must be a table, a mapping from names to types, or a list of names"
    )

"""Channels that admins set, as documents: what holds and where it is from, and each change, audited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from vedette import config
from vedette.config import Config
from vedette.engine import channel_changes, requests
from vedette.engine.cycle import LOCK_WAIT_S
from vedette.lake.ingest import now_of
from vedette.lake.locks import lock
from vedette.lake.tables import Lake
from vedette.server.access import audit
from vedette.server.access.state import Access
from vedette.server.api.answers import JsonRoute, as_json, lake_of, now
from vedette.server.api.documents import ErrorDocument
from vedette.server.api.models import ERRORS
from vedette.server.needs import Caller, needs

__all__ = ["Changing", "changing", "router"]

_Admin = Annotated[Caller, needs("admin")]
_MEANWHILE: dict[int | str, dict[str, Any]] = {
    409: {
        "model": ErrorDocument,
        "description": "It is in vedette.toml, or the channels were changed by somebody else meanwhile",
    }
}
ChannelName = Annotated[
    str,
    Path(description="Name of a channel.", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$", max_length=63),
]
Seen = Annotated[
    int | None,
    Query(ge=0, description="Version that the change is made on: refused where there is another since."),
]


class ChannelGiven(BaseModel, extra="forbid"):
    """A channel with the keys that it has in `vedette.toml`, secrets as names of environment variables."""

    type: str = Field(max_length=20, description="`webhook`, `apprise` or `alertmanager`.")
    states: list[str] | None = Field(None, max_length=4)
    models: list[str] | None = Field(None, max_length=100)
    watches: list[str] | None = Field(None, max_length=100)
    repeat: str | None = Field(None, max_length=20)
    timeout_s: float | None = Field(None, ge=0.1, le=60)
    heartbeat: bool | None = None
    method: Literal["POST", "GET"] | None = None
    url: str | None = Field(None, max_length=500, description="Without a login or a token: else `url_env`.")
    url_env: str | None = Field(None, max_length=100)
    secret_env: str | None = Field(None, max_length=100)
    urls_env: str | None = Field(None, max_length=100)
    secret: str | None = Field(None, max_length=500, description="Refused: `secret_env` names a variable.")
    urls: list[str] | None = Field(None, max_length=20, description="Refused: `urls_env` names a variable.")
    reason: str = Field("", max_length=2000)

    def said(self) -> dict[str, Any]:
        """As the file has it: what is not given is left out."""
        return self.model_dump(exclude={"reason"}, exclude_none=True)


class ChannelDocument(BaseModel):
    """A channel, and where it is from. Of one of the file only name and type are told."""

    name: str
    type: str
    source: Literal["file", "server"]
    holds: bool = Field(description="False of one set here whose name the file has: that of the file holds.")
    said: dict[str, Any] | None
    problem: str | None


class ChannelsDocument(BaseModel):
    """All channels."""

    version: int = Field(description="Changes of those set here; a change can say on which it is made.")
    channels: list[ChannelDocument]


class ChannelChangeDocument(BaseModel):
    """A change of the channels set here."""

    number: int
    time: datetime
    by: str
    change: Literal["added", "changed", "removed", "undone"]
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str


@dataclass(frozen=True, slots=True)
class Changing:
    """Who changes the channels of a lake, and when; each change goes into the audit log."""

    access: Access
    lake: Lake
    written: Config
    by: str
    time: datetime

    def put(self, name: str, said: Mapping[str, Any], reason: str, seen: int | None) -> None:
        """Set a channel; the same again is no change."""
        if channel_changes.put(
            self.lake, self.written, name, said, by=self.by, now=self.time, reason=reason, seen=seen
        ):
            self._audit("channel.set", name, {"set": dict(said), "reason": reason})

    def remove(self, name: str, reason: str, seen: int | None) -> None:
        """Take one away."""
        channel_changes.remove(
            self.lake, self.written, name, by=self.by, now=self.time, reason=reason, seen=seen
        )
        self._audit("channel.remove", name, {"reason": reason})

    def undo(self, number: int, seen: int | None) -> None:
        """Undo a change."""
        found = channel_changes.undo(self.lake, self.written, number, by=self.by, now=self.time, seen=seen)
        self._audit("channel.undo", found.name, {"change": number})

    def _audit(self, action: str, name: str, detail: dict[str, Any]) -> None:
        with self.access.database.writing() as session:
            audit.record(session, self.access.now(), self.by, action, name, detail)


@contextmanager
def changing(access: Access, lake: Lake, caller: Caller) -> Iterator[Changing]:
    """What changes channels, while nobody else writes the lake."""
    written = config.read()
    with lock(requests.work_lock(lake), wait_s=LOCK_WAIT_S):
        yield Changing(access, lake, written, caller.name, now_of(now().timestamp()))


def _told(lake: Lake) -> Response:
    written = config.read()
    found: list[dict[str, Any]] = [
        {"name": one.name, "type": one.type, "source": "file", "holds": True, "said": None, "problem": None}
        for one in written.channels
    ]
    found += [
        {
            "name": one.name, "type": one.said["type"], "source": "server", "holds": one.holds, "said": one.said,
            "problem": one.problem,
        }
        for one in channel_changes.set_by_people(lake, written)
    ]  # fmt: skip
    document = {"version": channel_changes.version(lake), "channels": found}
    return Response(as_json(document), media_type="application/json")


def router(access: Access) -> APIRouter:
    """The routes, which write who changed what into the audit log."""
    routes = APIRouter(
        prefix="/v1/admin/channels", route_class=JsonRoute, tags=["channels"], responses=ERRORS
    )

    @routes.get("", response_model=ChannelsDocument, dependencies=[needs("admin")], summary="Channels")
    def channels(request: Request) -> Response:
        """Every channel, of `vedette.toml` and set here."""
        return _told(lake_of(request))

    @routes.get(
        "/changes", response_model=list[ChannelChangeDocument], dependencies=[needs("admin")],
        summary="Who changed the channels",
    )  # fmt: skip
    def changes(request: Request) -> Response:
        """Every change of those set here, the newest first."""
        found = [asdict(one) for one in channel_changes.changes(lake_of(request))]
        return Response(as_json(found), media_type="application/json")

    @routes.post(
        "/changes/{number}/undo", response_model=ChannelsDocument, responses=_MEANWHILE,
        summary="Undo a change of the channels",
    )  # fmt: skip
    def undo(
        request: Request, caller: _Admin, number: Annotated[int, Path(ge=1)], version: Seen = None
    ) -> Response:
        """The channel of that change is again what it was before it; that is a change, too."""
        with changing(access, lake_of(request), caller) as change:
            change.undo(number, version)
        return _told(lake_of(request))

    @routes.put("/{name}", response_model=ChannelsDocument, responses=_MEANWHILE, summary="Set a channel")
    def put(
        request: Request, caller: _Admin, name: ChannelName, given: ChannelGiven, version: Seen = None
    ) -> Response:
        """Add a channel, or change one that was set here; told from the next round on."""
        with changing(access, lake_of(request), caller) as change:
            change.put(name, given.said(), given.reason, version)
        return _told(lake_of(request))

    @routes.delete(
        "/{name}", response_model=ChannelsDocument, responses=_MEANWHILE, summary="Take a channel away"
    )
    def remove(
        request: Request,
        caller: _Admin,
        name: ChannelName,
        version: Seen = None,
        reason: Annotated[str, Query(max_length=2000)] = "",
    ) -> Response:
        """Of those set here; what waits for it is told to nobody."""
        with changing(access, lake_of(request), caller) as change:
            change.remove(name, reason, version)
        return _told(lake_of(request))

    return routes

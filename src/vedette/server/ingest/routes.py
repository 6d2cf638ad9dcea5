"""The routes by which rows come in."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from deltalake.exceptions import DeltaError
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from polars.exceptions import PolarsError
from starlette.concurrency import run_in_threadpool

from vedette.capture.format import STREAMS
from vedette.errors import VedetteError
from vedette.lake.received.records import Received
from vedette.output.prometheus.own import ServerMetrics
from vedette.records import RUN, check_model_name, is_runs
from vedette.server.application import Service
from vedette.server.ingest.desk import Desk
from vedette.server.ingest.json_deployments import deployment_rows
from vedette.server.ingest.json_rows import parse, request_of
from vedette.server.ingest.json_runs import event_rows, point_rows
from vedette.server.ingest.limits import Limits, Refused
from vedette.server.ingest.openapi import (
    BATCH_OR_RANGE,
    COUNTERS,
    DEPLOYMENTS,
    EVENTS,
    JOURNAL,
    LABELS,
    METRICS,
    POINTS,
    PREDICTIONS,
    TAKEN,
    WATERMARKS,
    ModelName,
    StreamName,
)  # fmt: skip
from vedette.server.ingest.otlp import PROTOBUF, answer_of, status_of, taking
from vedette.server.ingest.otlp import request_of as request_of_otlp
from vedette.server.ingest.sent import JOURNAL_NAME, asked, check_counters, take_batch, take_range
from vedette.server.needs import Caller, needs

__all__ = ["ingest_router", "ingest_service"]

log = logging.getLogger("vedette")

_OF_THE_LAKE = (OSError, VedetteError, PolarsError, DeltaError)
_THREAD_BYTES = 65_536
"""A body so small is checked where it came; a larger one in a thread, so that others need not wait for it."""


def ingest_service(limits: Limits | None = None, metrics: ServerMetrics | None = None) -> Service:
    """What runs beside the routes: the log, and the processes that check. What comes in is counted in ``metrics``."""

    @asynccontextmanager
    async def service(app: FastAPI) -> AsyncIterator[None]:
        desk = app.state.desk = Desk(app.state.lake, limits or Limits(), metrics)
        if any(alive for _, alive in desk.log.others().values()):
            log.info(
                "ingest: another server takes rows of this lake too; each row is taken once by one of them"
            )
        warming = asyncio.create_task(run_in_threadpool(desk.validators.warm))
        try:
            yield
        finally:
            await warming
            await run_in_threadpool(desk.close)

    return service


@dataclass(frozen=True, slots=True)
class _Kind:
    """What can be sent as JSON: of which stream its rows are, its form, and how it becomes rows where it is of a training."""

    name: str
    stream: str
    schema: Mapping[str, Any]
    rows_of: Callable[[bytes], bytes] | None = None


_KINDS = (
    _Kind("predictions", "predictions", PREDICTIONS),
    _Kind("labels", "labels", LABELS),
    _Kind("points", "predictions", POINTS, point_rows),
    _Kind("events", "labels", EVENTS, event_rows),
    _Kind("deployments", "labels", DEPLOYMENTS, deployment_rows),
)

Taken = Awaitable[dict[str, Any]]
T = TypeVar("T")


async def _answered(request: Request, take: Callable[[Desk], Taken]) -> JSONResponse:
    """The answer to what is taken, or why it is not."""
    found = await _taken(request, take)
    if isinstance(found, Refused):
        return JSONResponse(found.document, found.status, found.headers)
    return JSONResponse(found)


async def _taken(request: Request, take: Callable[[Desk], Awaitable[T]]) -> T | Refused:
    """What comes of what is taken, or why it is not."""
    desk: Desk = request.app.state.desk
    try:
        return await take(desk)
    except Refused as error:
        refused = error
    except _OF_THE_LAKE as error:  # not of the request: not now
        log.exception("ingest: a request could not be taken")
        refused = Refused(503, f"the lake could not be used: {type(error).__name__}", retry_after_s=5)
    desk.refused(refused.status)
    return refused


def _model(name: str) -> str:
    try:
        return check_model_name(name)
    except ValueError as error:
        raise Refused(400, str(error)) from None


def ingest_router() -> APIRouter:
    """The routes of ``docs/protocol.md``, and those for rows as JSON."""
    router = APIRouter()
    may_send = [needs("ingest")]

    @router.get(
        "/v1/ingest/{model}/watermarks",
        dependencies=may_send, tags=["sender"], openapi_extra={"parameters": [JOURNAL], **WATERMARKS},
    )  # fmt: skip
    async def watermarks(model: ModelName, request: Request) -> JSONResponse:
        """How far each producer of a journal has come."""

        async def take(desk: Desk) -> dict[str, Any]:
            journal = request.query_params.get("journal", "")
            if not JOURNAL_NAME.fullmatch(journal):
                raise Refused(400, f"journal={journal[:80]!r}: must be 32 hexadecimal digits")
            return {"watermarks": await run_in_threadpool(desk.watermarks.producers, _model(model), journal)}

        return await _answered(request, take)

    @router.post(
        "/v1/ingest/{model}/counters", dependencies=may_send, tags=["sender"], openapi_extra=COUNTERS
    )
    async def counters(model: ModelName, request: Request) -> JSONResponse:
        """What a producer counted beside its rows."""

        async def take(desk: Desk) -> dict[str, Any]:
            said = asked(request)
            async with desk.body(request, digest=True, json=True) as (body, digest):
                told = await run_in_threadpool(parse, body)
                n = check_counters(told, {"model": _model(model), **said})
                whose = f"{said['producer']}@{said['journal']}"
                await desk.counters(Received("counters", model, whose, "", 0, n + 1, digest), body)
            return {"taken": True}

        return await _answered(request, take)

    @router.post(
        "/v1/ingest/{model}/{stream}", dependencies=may_send, tags=["sender"], openapi_extra=BATCH_OR_RANGE
    )
    async def rows(model: ModelName, stream: StreamName, request: Request) -> JSONResponse:
        """A range of a producer's sequences, or a batch, as Arrow."""

        async def take(desk: Desk) -> dict[str, Any]:
            if stream not in (*STREAMS, "reference"):
                raise Refused(404, f"stream={stream[:80]!r}: must be predictions, labels or reference")
            batch = "batch" in request.query_params
            if stream == "reference" and not batch:
                raise Refused(400, "a reference is a batch: batch, after and rows must be given")
            given = asked(request, *(("batch", "after", "rows") if batch else ("first", "end")))
            said = {"model": _model(model), "stream": stream, **given}
            as_json = _content_type(request) == "application/json"
            async with desk.body(request, digest=True, json=as_json) as (body, digest):
                return await (take_batch if batch else take_range)(
                    desk, said, body, digest, _content_type(request)
                )

        return await _answered(request, take)

    for kind in _KINDS:
        _add_json(router, kind, may_send)

    @router.post("/v1/metrics", tags=["rows"], response_class=Response, openapi_extra=METRICS)
    async def metrics(request: Request, caller: Annotated[Caller, needs("ingest")]) -> Response:
        """Metrics of OpenTelemetry (OTLP over HTTP), as protobuf or JSON."""
        kind = _content_type(request)

        async def take(desk: Desk) -> bytes:
            async with desk.body(request, digest=False, json=kind == "application/json") as (body, _):
                return await _otlp(desk, caller, body, kind)

        form = PROTOBUF if kind == PROTOBUF else "application/json"
        found = await _taken(request, take)
        if isinstance(found, Refused):
            why = str(found.document["error"])
            return Response(status_of(why, kind), found.status, found.headers, media_type=form)
        return Response(found, media_type=form)

    return router


async def _otlp(desk: Desk, caller: Caller, body: bytes, kind: str) -> bytes:
    """Take all that can be taken of a message, or nothing; what never can is left out, and told."""
    message = await run_in_threadpool(request_of_otlp, body, kind)
    found = await run_in_threadpool(taking, message, desk.totals, caller.may, desk.clock())
    ones = []
    for model, rows in list(found.rows.items()):
        try:
            await desk.check_columns(model, {name for row in rows for name in row["features"]})
            ones += await run_in_threadpool(_parts, desk, model, rows)
        except Refused as refused:  # too much, too many names: never
            found.leave_out_model(model, str(refused))
    await desk.own_all(ones)
    found.keep()
    return answer_of(found.rejected, found.why, kind)


def _parts(desk: Desk, model: str, rows: list[dict[str, Any]]) -> list[tuple[Received, bytes, int]]:
    """Rows as records of the log, no more in one than a request may have. Raises ``Refused``."""
    parts, most = [], desk.limits.json_rows_max
    for at in range(0, len(rows), most):
        body = json.dumps({"rows": rows[at : at + most]}).encode()
        found = request_of("predictions", body, desk.clock(), most, desk.names)
        about = {**found.about, "n_rows": found.n_rows}
        received = Received("json", model, desk.log.producer, "predictions", 0, found.n_rows, "", about)
        parts.append((received, body, found.n_rows))
    return parts


def _add_json(router: APIRouter, kind: _Kind, may_send: list[Any]) -> None:
    """The route by which anyone sends rows of a kind as JSON."""

    async def send(model: ModelName, request: Request) -> JSONResponse:
        async def take(desk: Desk) -> dict[str, Any]:
            if _content_type(request) != "application/json":
                raise Refused(415, f"Content-Type={_content_type(request)[:80]!r}: must be application/json")
            if is_runs(_model(model)):
                raise Refused(
                    400, f"model={model!r}: is that of trainings: send points and events of the model itself"
                )
            async with desk.body(request, digest=False, json=True) as (body, digest):
                if kind.rows_of is None:
                    return await _json(desk, model, kind.stream, body, digest)
                rows = await run_in_threadpool(kind.rows_of, body)
                return await _json(desk, _model(f"{model}.{RUN}"), kind.stream, rows, digest)

        return await _answered(request, take)

    send.__doc__ = f"Send {kind.name}. They are on disk when the answer comes."
    router.add_api_route(
        f"/v1/models/{{model}}/{kind.name}", send, methods=["POST"], dependencies=may_send, tags=["rows"],
        name=f"send_{kind.name}",
        responses={
            200: {"content": {"application/json": {"schema": TAKEN}}},
            412: {"description": "What comes before is lacking; `through` is how far the server has come"},
        },
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": kind.schema}}}},
    )  # fmt: skip


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _json(desk: Desk, model: str, stream: str, rows: bytes, digest: str) -> dict[str, Any]:
    """Take rows as JSON; ``digest`` is that of the body which they came in."""
    now_s, rows_max = desk.clock(), desk.limits.json_rows_max
    if len(rows) > _THREAD_BYTES:
        found = await run_in_threadpool(request_of, stream, rows, now_s, rows_max, desk.names)
    else:
        found = request_of(stream, rows, now_s, rows_max, desk.names)
    await desk.check_columns(model, found.columns)
    about = {**found.about, "n_rows": found.n_rows}
    if found.producer is None:
        received = Received("json", model, desk.log.producer, stream, 0, found.n_rows, digest, about)
        through, duplicate = await desk.own(received, rows, found.n_rows), False
    else:
        first = found.first or 0
        received = Received(
            "json", model, f"{found.producer}@json", stream, first, first + found.n_rows, digest, about
        )
        through, duplicate = await desk.range(received, rows)
    return {
        "rows": found.n_rows, "through": through, "duplicate": duplicate, "producer": found.producer or desk.log.producer,
    }  # fmt: skip

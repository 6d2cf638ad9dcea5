"""Two versions side by side, and what policies did about them, as documents; approving, refusing and undoing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from vedette import config
from vedette.engine import chain, commands_chain
from vedette.engine.comparing import evaluate, unmade
from vedette.errors import VedetteError
from vedette.lake.stamps import stamp_of
from vedette.lake.tables import Lake
from vedette.records.actions import Taken
from vedette.records.comparing import Evaluated
from vedette.server.api.answers import Editor, JsonRoute, as_json
from vedette.server.api.chain_documents import ActionDocument, ComparisonDocument, Reason
from vedette.server.api.documents import ErrorDocument, ModelName
from vedette.server.api.figures import answers_of
from vedette.server.api.models import ERRORS, known
from vedette.server.needs import Caller, needs

__all__ = ["router"]

_CLOSED: dict[int | str, dict[str, Any]] = {
    409: {
        "model": ErrorDocument,
        "description": "There is no such action, or that cannot be done with it now",
    }
}
router = APIRouter(route_class=JsonRoute, tags=["versions"], responses=ERRORS)


@router.get(
    "/v1/models/{model}/comparisons", response_model=list[ComparisonDocument], dependencies=[needs("view")],
    summary="Its versions side by side",
)  # fmt: skip
def comparisons(request: Request, model: ModelName) -> Response:
    """The comparisons of vedette.toml as they stand, as `vedette compare --json`; an empty list where there are none."""
    lake = known(request, model)
    asked = config.read().compare_of(model)

    def make() -> bytes:
        return as_json([_evaluated(lake, model, one).document() for one in asked])

    key = ("comparisons", model, repr(asked))
    return answers_of(request).respond(request, key, stamp_of(lake, (model,)), make)


def _evaluated(lake: Lake, model: str, asked: config.CompareSettings) -> Evaluated:
    """A comparison; one that cannot be made stops no other."""
    try:
        return evaluate(lake, model, asked)
    except (VedetteError, ValueError) as error:
        return unmade(model, asked, str(error))


@router.get(
    "/v1/models/{model}/actions", response_model=list[ActionDocument], dependencies=[needs("view")],
    summary="What its policies did",
)  # fmt: skip
def actions(request: Request, model: ModelName) -> Response:
    """What was done, and what waits for approval, the newest first, as `vedette actions --json`."""
    return _told(chain.actions(known(request, model).model(model)))


@router.post(
    "/v1/models/{model}/actions/{action}/approve", response_model=list[ActionDocument], responses=_CLOSED,
    summary="Let it be done",
)  # fmt: skip
def approve(request: Request, caller: Editor, model: ModelName, action: str, said: Reason) -> Response:
    """It is done by the next round of the ingester."""
    return _answer(request, caller, model, action, said, chain.approve)


@router.post(
    "/v1/models/{model}/actions/{action}/refuse", response_model=list[ActionDocument], responses=_CLOSED,
    summary="Do not let it be done",
)  # fmt: skip
def refuse(request: Request, caller: Editor, model: ModelName, action: str, said: Reason) -> Response:
    """For this occasion."""
    return _answer(request, caller, model, action, said, chain.refuse)


@router.post(
    "/v1/models/{model}/actions/{action}/undo", response_model=list[ActionDocument], responses=_CLOSED,
    summary="Bring back what was before",
)  # fmt: skip
def undo(request: Request, caller: Editor, model: ModelName, action: str, said: Reason) -> Response:
    """The last part of it first."""
    return _answer(request, caller, model, action, said, chain.undo)


def _answer(
    request: Request, caller: Caller, model: str, action: str, said: Reason, how: Callable[..., Taken]
) -> Response:
    where = str(known(request, model).path)
    return _told([commands_chain.answer(where, model, action, how, by=caller.name, reason=said.reason)])


def _told(found: list[Taken]) -> Response:
    return Response(as_json([one.document() for one in found]), media_type="application/json")

"""The pages of scheduled reports, as they were written."""

from __future__ import annotations

import re

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from vedette import config
from vedette.engine.scheduled import place_of
from vedette.server.api.documents import ModelName
from vedette.server.api.models import known
from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute
from vedette.server.security import DOCUMENT_POLICY

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/models/{model}/reports/{report}/{due}", dependencies=[needs("view")])
def page(request: Request, model: ModelName, report: str, due: str) -> Response:
    """The page of a report of ``vedette.toml`` that was due then, such as ``2026-03-02-0600``."""
    known(request, model)
    one = next((each for each in config.read().reports if each.name == report), None)
    if one is None:
        raise HTTPException(404, f"report={report[:80]!r}: vedette.toml has none of that name")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d-\d{4}", due):
        raise HTTPException(404, f"due={due[:40]!r}: must be like 2026-03-02-0600, when it was due (UTC)")
    path = place_of(one, model, due)
    try:
        text = path.read_text("utf-8")
    except OSError:
        raise HTTPException(
            404, f"the report {report} of {model} that was due {due} is not here: it was not made, is over the {one.keep} that "
            "are kept, or was written where this server does not see it",
        ) from None  # fmt: skip
    return HTMLResponse(
        text, headers={"Content-Security-Policy": DOCUMENT_POLICY, "Cache-Control": "private, no-cache"}
    )

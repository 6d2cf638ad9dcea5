"""The page of a version: its life, and the model card to take away."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from markupsafe import Markup

from vedette.engine.life import life_of
from vedette.output.model_card_page import body
from vedette.server.api.answers import now
from vedette.server.api.documents import ModelName
from vedette.server.api.models import known
from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import render

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_VIEW = [needs("view")]


@router.get("/models/{model}/versions/{version:path}", dependencies=_VIEW)
def version(request: Request, model: ModelName, version: str) -> Response:
    """The life of a version on one page."""
    life = life_of(known(request, model), model, version, now())
    card = Markup(body(life))  # noqa: S704  # names are escaped in it
    return render(request, "version.html", model=model, version=version, card=card)

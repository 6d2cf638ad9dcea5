"""Every route says what it needs, and is asked of the authority."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra server is not installed")

from fastapi import APIRouter, HTTPException, Request
from fastapi.testclient import TestClient

from vedette.lake.tables import Lake
from vedette.server.application import application
from vedette.server.needs import Caller, Need, UnguardedRouteError, need_of, needs, routes_of


class Asked:
    """An authority that remembers what it was asked, and lets those in who say a name."""

    def __init__(self) -> None:
        self.asked: list[tuple[Need, str | None]] = []

    def check(self, request: Request, need: Need, model: str | None) -> Caller:
        self.asked.append((need, model))
        if "name" not in request.headers:
            raise HTTPException(401, "who is there?")
        return Caller(request.headers["name"])


def _router() -> APIRouter:
    router = APIRouter()

    @router.get("/models/{model}/figures", dependencies=[needs("view")])
    def figures(model: str, n: int = 1) -> dict[str, int]:
        return {model: n}

    @router.get("/health", dependencies=[needs("nobody")])
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return router


def test_a_route_is_answered_only_where_the_authority_lets_it(tmp_path: Path) -> None:
    """The need and the path's model are what it is asked; nobody is needed for what needs nobody."""
    authority = Asked()
    client = TestClient(application(Lake.at(tmp_path), authority, [_router()]))
    refused = client.get("/models/net/figures")
    assert (refused.status_code, refused.json()) == (401, {"error": "who is there?"})
    assert client.get("/models/net/figures", headers={"name": "ann"}).json() == {"net": 1}
    assert client.get("/health").status_code == 200
    assert authority.asked == [(Need.VIEW, "net")] * 2


def test_what_is_malformed_is_told_after_who_calls(tmp_path: Path) -> None:
    """An argument that is wrong is named without its value; who may not call does not learn of it."""
    client = TestClient(application(Lake.at(tmp_path), Asked(), [_router()]))
    wrong = client.get("/models/net/figures?n=secret", headers={"name": "ann"})
    assert client.get("/models/net/figures?n=secret").status_code == 401
    assert wrong.status_code == 422
    assert "query.n" in wrong.json()["error"]
    assert "secret" not in wrong.text


def test_an_application_with_an_open_route_is_not_built(tmp_path: Path) -> None:
    """A route without a need is no route."""
    router = APIRouter()

    @router.get("/open")
    def anybody() -> str:
        return "everything"

    with pytest.raises(UnguardedRouteError, match=r"/open.*nothing.*view"):
        application(Lake.at(tmp_path), Asked(), [router])


def test_the_needs_of_all_routes_can_be_read(tmp_path: Path) -> None:
    """A table of routes and needs comes from the application itself."""
    app = application(Lake.at(tmp_path), Asked(), [_router()])
    assert {one.path: need_of(one) for one in routes_of(app)} == {  # type: ignore[attr-defined]
        "/models/{model}/figures": Need.VIEW,
        "/health": Need.NOBODY,
    }

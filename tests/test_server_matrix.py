"""Every route of the real application against everybody who may call it: the table says who gets in."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import timedelta

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from tests.server_access import World, world_at
from vedette.server.needs import Need, need_of, routes_of

# Each route and what it needs: a new route is written here, or the test fails.
ROUTES = {
    "GET /health": "nobody",
    "GET /ready": "nobody",
    "GET /login": "nobody",
    "POST /login": "nobody",
    "GET /login/style.css": "nobody",
    "GET /login/provider": "nobody",
    "GET /login/provider/return": "nobody",
    "POST /v1/login": "nobody",
    "POST /logout": "account",
    "POST /v1/logout": "account",
    "GET /v1/me": "account",
    "POST /v1/me/password": "account",
    "GET /v1/admin/users": "admin",
    "POST /v1/admin/users": "admin",
    "PUT /v1/admin/users/{name}/roles": "admin",
    "PUT /v1/admin/users/{name}/disabled": "admin",
    "PUT /v1/admin/users/{name}/password": "admin",
    "GET /v1/admin/keys": "admin",
    "POST /v1/admin/keys": "admin",
    "POST /v1/admin/keys/{key}/revoke": "admin",
    "GET /v1/admin/audit": "admin",
    "GET /v1/admin/audit/verify": "admin",
    "GET /v1/admin/channels": "admin",
    "GET /v1/admin/channels/changes": "admin",
    "POST /v1/admin/channels/changes/{number}/undo": "admin",
    "PUT /v1/admin/channels/{name}": "admin",
    "DELETE /v1/admin/channels/{name}": "admin",
    "GET /metrics": "view",
    "GET /v1/ingest/{model}/watermarks": "ingest",
    "POST /v1/ingest/{model}/counters": "ingest",
    "POST /v1/ingest/{model}/{stream}": "ingest",
    "POST /v1/models/{model}/predictions": "ingest",
    "POST /v1/models/{model}/labels": "ingest",
    "POST /v1/models/{model}/points": "ingest",
    "POST /v1/models/{model}/events": "ingest",
    "POST /v1/models/{model}/deployments": "ingest",
    "POST /v1/metrics": "ingest",
    "GET /v1/openapi.json": "account",
    "GET /v1/models": "view",
    "GET /v1/models/{model}": "view",
    "GET /v1/models/{model}/verdicts": "view",
    "GET /v1/models/{model}/figures": "view",
    "GET /v1/models/{model}/alerts": "view",
    "POST /v1/models/{model}/alerts/{alert}/acknowledge": "edit",
    "POST /v1/models/{model}/alerts/{alert}/accept": "edit",
    "POST /v1/models/{model}/alerts/{alert}/false": "edit",
    "POST /v1/models/{model}/alerts/{alert}/silence": "edit",
    "POST /v1/models/{model}/alerts/{alert}/escalate": "edit",
    "GET /v1/incidents": "view",
    "GET /v1/maintenance": "view",
    "POST /v1/maintenance": "edit",
    "POST /v1/maintenance/{maintenance}/end": "edit",
    "GET /v1/models/{model}/rules": "view",
    "GET /v1/models/{model}/rules/changes": "view",
    "POST /v1/models/{model}/rules/changes/{number}/undo": "edit",
    "PUT /v1/models/{model}/rules/{name}": "edit",
    "DELETE /v1/models/{model}/rules/{name}": "edit",
    "POST /v1/models/{model}/rules/{name}/dry-run": "view",
    "GET /v1/models/{model}/comparisons": "view",
    "GET /v1/models/{model}/actions": "view",
    "POST /v1/models/{model}/actions/{action}/approve": "edit",
    "POST /v1/models/{model}/actions/{action}/refuse": "edit",
    "POST /v1/models/{model}/actions/{action}/undo": "edit",
    "GET /v1/models/{model}/events": "view",
    "GET /v1/models/{model}/ledger": "view",
    "GET /v1/models/{model}/labels": "view",
    "GET /v1/models/{model}/runs": "view",
    "GET /v1/models/{model}/runs/{name}": "view",
    "GET /v1/models/{model}/stability": "view",
    "GET /v1/models/{model}/deployments": "view",
    "GET /v1/models/{model}/story": "view",
    "GET /v1/models/{model}/explain": "view",
    "GET /v1/models/{model}/audit": "view",
    "GET /v1/events/stream": "view",
    "GET /static/{name}": "nobody",
    "GET /favicon.ico": "nobody",
    "GET /account": "account",
    "POST /account/password": "account",
    "POST /account/sessions/end": "account",
    "POST /account/sessions/{session}/end": "account",
    "POST /account/provider": "account",
    "POST /account/provider/disconnect": "account",
    "POST /account/keys/{key}/revoke": "account",
    "GET /users": "admin",
    "POST /users": "admin",
    "GET /users/{name}": "admin",
    "POST /users/{name}/{action}": "admin",
    "GET /keys": "admin",
    "POST /keys": "admin",
    "POST /keys/{key}/revoke": "admin",
    "GET /channels": "admin",
    "POST /channels": "admin",
    "POST /channels/set": "admin",
    "GET /": "view",
    "GET /alerts": "view",
    "GET /maintenance": "view",
    "POST /maintenance": "edit",
    "POST /maintenance/{maintenance}/end": "edit",
    "GET /words": "view",
    "GET /models/{model}": "view",
    "GET /models/{model}/series": "view",
    "GET /models/{model}/alerts/{alert}": "view",
    "POST /models/{model}/alerts/{alert}/{action}": "edit",
    "GET /models/{model}/runs": "view",
    "GET /models/{model}/runs/{name}": "view",
    "GET /models/{model}/versions": "view",
    "GET /models/{model}/reports/{report}/{due}": "view",
    "GET /models/{model}/versions/{version:path}": "view",
    "GET /models/{model}/ledger": "view",
    "GET /models/{model}/settings": "view",
    "GET /models/{model}/rules": "view",
    "POST /models/{model}/rules": "edit",
    "GET /models/{model}/actions": "view",
    "POST /models/{model}/actions/{action}": "edit",
}

# Who gets in (a dot), or is told 401, 403 or 404, by what a route of the model `delays` needs; then of one without a model.
# fmt: off
BY_NEED = {
    #                     nobody   account   view      edit      admin     ingest
    "nobody":            (". .",   "401 401", "401 401", "401 401", "401 401", "401 401"),
    "viewer":            (". .",   ". .",     ". .",     "403 403", "403 403", "403 403"),
    "editor":            (". .",   ". .",     ". .",     ". .",     "403 403", "403 403"),
    "admin":             (". .",   ". .",     ". .",     ". .",     ". .",     "403 403"),
    "admin of delays":   (". .",   ". .",     ". .",     ". .",     ". 403",   "403 403"),
    "viewer of another": (". .",   ". .",     "404 .",   "404 403", "404 403", "404 403"),
    "editor of another": (". .",   ". .",     "404 .",   "404 .",   "404 403", "404 403"),
    "user without role": (". .",   ". .",     "404 403", "404 403", "404 403", "404 403"),
    "ingest key":        (". .",   ". .",     "403 403", "403 403", "403 403", ". ."),
    "ingest of another": (". .",   ". .",     "404 403", "404 403", "404 403", "404 ."),
    "read key":          (". .",   ". .",     ". .",     "403 403", "403 403", "403 403"),
    "admin key":         (". .",   ". .",     ". .",     ". .",     ". .",     "403 403"),
    "revoked key":       (". .",   "401 401", "401 401", "401 401", "401 401", "401 401"),
    "expired key":       (". .",   "401 401", "401 401", "401 401", "401 401", "401 401"),
    "expired session":   (". .",   "401 401", "401 401", "401 401", "401 401", "401 401"),
    "forged key":        (". .",   "401 401", "401 401", "401 401", "401 401", "401 401"),
}
# fmt: on


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_at(tmp_path_factory.mktemp("matrix")) as made:
        made.user("root", every="admin")
        yield made


@pytest.fixture(scope="module")
def callers(world: World) -> dict[str, TestClient]:
    """Each of those in the table, whose login or key is what the table calls it."""
    roles = {
        "viewer": {"every": "viewer"}, "editor": {"every": "editor"}, "admin": {"every": "admin"},
        "admin of delays": {"delays": "admin"}, "viewer of another": {"churn": "viewer"},
        "editor of another": {"churn": "editor"}, "user without role": {}, "expired session": {"every": "admin"},
    }  # fmt: skip
    for name, given in roles.items():
        world.user(name.replace(" ", "."), **given)
    now = world.clock.time
    world.clock.time = now - 8 * 3600.0 - 1  # a login of before the longest pause
    found = {"expired session": world.login("expired.session")}
    _, ended = world.key("admin", lasts=timedelta(hours=8))
    world.clock.time = now
    found |= {name: world.login(name.replace(" ", ".")) for name in roles if name not in found}
    identifier, revoked = world.key("admin")
    _, good = world.key("admin")
    world.access.keys.revoke(identifier, actor="test", now=world.access.now())
    texts = {
        "ingest key": world.key("ingest")[1], "ingest of another": world.key("ingest", models=["churn"])[1],
        "read key": world.key("read")[1], "admin key": good, "revoked key": revoked, "expired key": ended,
        "forged key": good[:-1] + ("A" if good[-1] != "A" else "B"),
    }  # fmt: skip
    found |= {name: world.bearer(text) for name, text in texts.items()}
    return found | {"nobody": world.client()}


def routes(world: World) -> dict[str, APIRoute]:
    """The routes of the application as it is served, by method and path."""
    return {
        f"{method} {one.path}": one
        for one in routes_of(world.app)
        if isinstance(one, APIRoute)
        for method in one.methods
    }


def test_every_route_is_in_the_table_with_what_it_needs(world: World) -> None:
    """A route that nobody has thought about fails here; so does one whose need was changed."""
    assert {name: str(need_of(one)) for name, one in routes(world).items()} == ROUTES


@pytest.mark.parametrize("who", BY_NEED)
def test_each_route_lets_in_whom_the_table_says(
    who: str, world: World, callers: dict[str, TestClient]
) -> None:
    """The authority's answer to each caller, for each route, is the table's."""
    wrong = []
    order = [Need.NOBODY, Need.ACCOUNT, Need.VIEW, Need.EDIT, Need.ADMIN, Need.INGEST]
    for name, route in routes(world).items():
        if name in (
            "POST /logout",
            "POST /v1/logout",
        ):  # it would end the session that the others need: below
            continue
        with_model, without = BY_NEED[who][order.index(need_of(route))].split()
        expected = with_model if "{model}" in route.path else without
        method, path = name.split()
        path = path.replace("{model}", "delays").replace("{stream}", "labels")
        path = path.replace("{name}", "ghost").replace("{key}", "000000000000")
        # a body that no route takes: who is let in is told so, and changes nothing
        answer = callers[who].request(method, path, **({} if method == "GET" else {"json": {"?": "?"}}))
        refused = {401: "401", 403: "403"}.get(answer.status_code, ".")
        told = html.unescape(answer.text)  # of a page too
        if answer.status_code == 404 and "model 'delays': there is none that you may see" in told:
            refused = "404"
        if path in ("/login", "/v1/login") and method == "POST":
            refused = "."  # what they refuse is a password or another site's page: see test_server_login.py
        if refused != expected:
            wrong.append(f"{who}: {name}: {answer.status_code} {answer.text[:80]}: must be {expected}")
    assert wrong == []


def test_a_logout_needs_somebody(world: World, callers: dict[str, TestClient]) -> None:
    """Nobody cannot log out; who can is nobody after."""
    world.user("leaver", delays="viewer")
    browser = world.login("leaver")
    assert world.client().post("/v1/logout").status_code == 401
    assert browser.post("/v1/logout", json={}).status_code == 200
    assert browser.get("/v1/me").status_code == 401
    assert callers["nobody"].post("/logout").status_code == 401


def test_an_ingest_key_reads_nothing(world: World, callers: dict[str, TestClient]) -> None:
    """No route that reads answers it, whatever it is for."""
    read = [name for name, route in routes(world).items() if need_of(route) in (Need.VIEW, Need.ADMIN)]
    assert len(read) > 5
    for name in read:
        method, path = name.split()
        path = path.replace("{model}", "delays").replace("{name}", "root").replace("{key}", "0" * 12)
        assert callers["ingest key"].request(method, path, json={}).status_code == 403

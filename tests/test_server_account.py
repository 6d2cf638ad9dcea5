"""One's own account, and the pages of admins: what each does, and that nobody else can have it done."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
pytest.importorskip("joserfc", reason="the extra 'server' is not installed")
from starlette.testclient import TestClient

from tests.server_access import ORIGIN, PASSWORD, World, world_at

NEW = "another good password"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_at(tmp_path) as made:
        made.user("root", every="admin")
        made.user("ann", delays="viewer")
        yield made


def token(browser: TestClient, path: str = "/account") -> dict[str, str]:
    """What a form of a page must hold."""
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get(path).text)
    assert found is not None
    return {"csrf": found[1]}


def shown(page: str) -> str:
    """The secret that a page shows once."""
    found = re.search(r'class="secret">([^<]+)<', page)
    assert found is not None, page
    return html.unescape(found[1])


def actions(world: World) -> list[tuple[str, str, str]]:
    """What the audit log has, the oldest first."""
    found = world.login("root").get("/v1/admin/audit?limit=1000").json()["entries"]
    return [(one["actor"], one["action"], one["target"]) for one in reversed(found)]


def test_a_first_password_lets_do_nothing_but_choose_another(world: World) -> None:
    """Every page leads to the account's, every document is refused; after the change all is open."""
    _, made = world.access.users.add("eve", {"*": "viewer"}, None, actor="test", now=world.access.now())
    assert made is not None
    browser = world.login("eve", made)
    refused = browser.get("/v1/models")
    assert (refused.status_code, "must be changed" in refused.text) == (403, True)
    sent = browser.get("/alerts", headers={"Accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/account")
    page = browser.get("/account").text
    assert ("made for you" in page, "/account/sessions" in page) == (True, False)
    given = {**token(browser), "current": made, "password": made, "again": made}
    assert browser.post("/account/password", data=given).status_code == 409  # the same is no change
    given |= {"password": NEW, "again": NEW}
    assert browser.post("/account/password", data=given).status_code == 303
    assert browser.get("/v1/models").status_code != 403
    assert world.login("eve", NEW).get("/v1/me").json()["user"]["change_by"] is None


def test_a_first_password_ends_unused(world: World) -> None:
    """After seven days it lets nobody in, whoever made it; another one does. That of one's own does not end."""
    _, made = world.access.users.add("eve", {}, None, actor="test", now=world.access.now())
    again = world.access.users.set_password("ann", None, actor="test", now=world.access.now())
    assert made is not None
    assert again is not None
    world.clock.time += 7 * 86400
    for name, password in (("eve", made), ("ann", again)):
        late = world.client(**ORIGIN).post("/v1/login", json={"name": name, "password": password})
        assert (late.status_code, "has ended" in late.text) == (401, True)
    assert world.login("root").get("/v1/me").status_code == 200
    fresh = world.access.users.set_password("eve", None, actor="test", now=world.access.now())
    assert world.login("eve", str(fresh)).get("/account").status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"current": "not it, not it"}, 400, "the current password is not right"),
        ({"again": "something else here"}, 409, "the two are not the same"),
        ({"password": "short", "again": "short"}, 409, "must have 12"),
        ({"password": PASSWORD, "again": PASSWORD}, 409, "must be another"),
        ({"csrf": "0" * 64}, 403, "token"),
    ],
)
def test_a_password_is_changed_on_the_page_with_the_one_that_holds(
    change: dict[str, str], status: int, said: str, world: World
) -> None:
    """What is wrong is said beside the form, and nothing changed; what is right ends all other sessions."""
    here, there = world.login("ann"), world.login("ann")
    given = {**token(here), "current": PASSWORD, "password": NEW, "again": NEW}
    answer = here.post("/account/password", data=given | change)
    assert (answer.status_code, said in answer.text) == (status, True)
    assert NEW not in answer.text
    assert there.get("/v1/me").status_code == 200
    assert here.post("/account/password", data=given).status_code == 303
    assert (here.get("/v1/me").status_code, there.get("/v1/me").status_code) == (200, 401)


def test_one_sees_and_ends_ones_own_sessions_and_no_others(world: World) -> None:
    """Each with where it is from; one, or all but this. Those of somebody else have no such address."""
    browsers = [world.login("ann") for _ in range(3)]
    world.login("root")
    page = browsers[0].get("/account").text
    ids = re.findall(r"/account/sessions/([0-9a-f]{16})/end", page)
    assert (len(ids), page.count("this one"), "testclient" in page) == (2, 1, True)
    foreign = world.access.sessions.list("root", world.access.now())[0]["id"]
    data = token(browsers[0])
    assert browsers[0].post(f"/account/sessions/{foreign}/end", data=data).status_code == 404
    assert browsers[0].post(f"/account/sessions/{ids[0]}/end", data=data).status_code == 303
    assert [one.get("/v1/me").status_code for one in browsers].count(401) == 1
    assert browsers[0].post("/account/sessions/end", data=data).status_code == 303
    assert [one.get("/v1/me").status_code for one in browsers] == [200, 401, 401]
    assert actions(world)[-3:-1] == [("user:ann", "session.end", "ann")] * 2


def test_who_made_a_key_revokes_it_whatever_they_may_do_by_now(world: World) -> None:
    """An admin makes a key, is an admin no more, and takes it back; keys of others they cannot."""
    world.user("eve", every="admin")
    browser = world.login("eve")
    added = browser.post("/keys", data={**token(browser, "/keys"), "name": "sender", "scope": ["ingest"]})
    text = shown(added.text)
    assert added.headers["cache-control"] == "no-store"
    world.access.users.set_roles("eve", {}, actor="test", now=world.access.now())
    other, _ = world.key("read")
    assert browser.get("/keys").status_code == 403
    mine = text.split("_")[1]
    page = browser.get("/account").text
    assert (f"/account/keys/{mine}/revoke" in page, other in page, text in page) == (True, False, False)
    data = token(browser)
    assert browser.post(f"/account/keys/{other}/revoke", data=data).status_code == 404
    assert browser.post(f"/account/keys/{mine}/revoke", data=data).status_code == 303
    assert world.bearer(text).get("/v1/me").status_code == 401


def test_an_admin_looks_after_users_on_their_pages(world: World) -> None:
    """Add, roles, a new password, sessions, disable: each takes hold at once and is in the audit log."""
    root, ann = world.login("root"), world.login("ann")
    data = token(root, "/users")
    added = root.post("/users", data={**data, "name": "Bob", "roles": "viewer, editor:delays"})
    assert added.headers["cache-control"] == "no-store"
    assert world.login("bob", shown(added.text)).get("/account").status_code == 200
    assert world.access.users.one("bob")["roles"] == {"*": "viewer", "delays": "editor"}
    assert "bob" in root.get("/users?q=bo").text
    assert "ann" not in root.get("/users?q=bo").text.partition("<main")[2]
    assert root.post("/users/ann/roles", data={**data, "roles": "editor:churn"}).status_code == 303
    assert world.access.users.one("ann")["roles"] == {"churn": "editor"}
    assert root.post("/users/ann/sessions", data=data).status_code == 303
    assert ann.get("/v1/me").status_code == 401
    made = shown(root.post("/users/ann/password", data=data).text)
    again = world.login("ann", made)
    assert root.post("/users/ann/disable", data=data).status_code == 303
    assert again.get("/v1/me").status_code == 401
    assert root.post("/users/ann/enable", data=data).status_code == 303
    assert world.login("ann", made).get("/account").status_code == 200
    did = [(action, target) for actor, action, target in actions(world) if actor == "user:root"]
    assert [one for one in did if one[0] != "login"] == [
        ("user.add", "bob"), ("user.roles", "ann"), ("session.end", "ann"), ("user.password", "ann"),
        ("user.disable", "ann"), ("user.enable", "ann"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("/users", {"name": "ann"}, 409),
        ("/users", {"name": "bob", "roles": "king"}, 400),
        ("/users", {"name": "bob", "roles": "viewer, admin"}, 400),
        ("/users/ghost/roles", {"roles": "viewer"}, 404),
        ("/users/root/disable", {}, 409),
        ("/users/root/roles", {"roles": ""}, 409),
        ("/users/ann/promote", {}, 404),
        ("/keys", {"name": "k"}, 409),
        ("/keys", {"name": "k", "scope": "root"}, 409),
        ("/keys", {"name": "k", "scope": "read", "models": "../x"}, 409),
        ("/keys/000000000000/revoke", {}, 404),
    ],
)
def test_what_cannot_be_is_said_on_a_page(
    path: str, given: dict[str, str], status: int, world: World
) -> None:
    """The last admin stays, roles are roles, and nothing is half done."""
    root = world.login("root")
    before = (world.access.users.list(), world.access.keys.list())
    answer = root.post(path, data={**token(root, "/users"), **given})
    assert (answer.status_code, "<h1>" in answer.text) == (status, True)
    assert (world.access.users.list(), world.access.keys.list()) == before


@pytest.mark.parametrize(
    "path",
    ["/account/password", "/account/sessions/end", "/account/provider", "/account/provider/disconnect",
     "/users", "/users/ann/roles", "/users/ann/disable", "/users/ann/password", "/keys"],
)  # fmt: skip
def test_no_form_of_another_site_is_taken(path: str, world: World) -> None:
    """With the cookie, but without the token, or from elsewhere with it: refused, and nothing changed."""
    root = world.login("root")
    data = {
        "name": "eve",
        "roles": "admin",
        "scope": "admin",
        "current": PASSWORD,
        "password": NEW,
        "again": NEW,
    }
    before = (world.access.users.list(), world.access.keys.list())
    assert root.post(path, data=data).status_code == 403
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert root.post(path, data=data | token(root, "/users"), headers=elsewhere).status_code == 403
    assert (world.access.users.list(), world.access.keys.list()) == before
    assert world.login("root").get("/v1/me").status_code == 200


def test_names_and_browsers_are_shown_as_text(world: World) -> None:
    """What a browser says that it is, and what a key is called, is from outside."""
    bad = "<script>alert(1)</script>"
    world.access.keys.add(bad, ["read"], actor="user:root", now=world.access.now())
    root = world.client(**ORIGIN, **{"User-Agent": bad})
    root.post("/v1/login", json={"name": "root", "password": PASSWORD})
    for path in ("/account", "/users/root", "/keys"):
        assert bad not in root.get(path).text
        assert "&lt;script&gt;" in root.get(path).text


def test_the_log_says_who_was_refused(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A user or key by its name, one that holds no more as such; of a text that may be a password nothing."""
    caplog.set_level("INFO", logger="vedette.server")
    identifier, key = world.key("ingest")
    world.bearer(key).get("/v1/models")
    world.login("ann").get("/v1/admin/users")
    world.access.keys.revoke(identifier, actor="test", now=world.access.now())
    world.bearer(key).get("/v1/me")
    stranger = world.client(**ORIGIN)
    stranger.post("/v1/login", json={"name": "ann", "password": "not it, not it"})
    stranger.post("/v1/login", json={"name": "my own password", "password": "x"})
    said = [one.said for one in caplog.records if hasattr(one, "said") and "caller" in one.said]
    assert [(one["status"], one["caller"]) for one in said if one["status"] >= 400] == [
        (403, f"key:{identifier}"), (403, "user:ann"), (401, f"refused key:{identifier}"),
        (401, "refused user:ann"), (401, ""),
    ]  # fmt: skip
    assert "my own password" not in caplog.text + str(said)


def test_failed_logins_are_audited_by_the_names_that_there_are(world: World) -> None:
    """That of an account whole; of any other text a short digest, the same for the same, that no table has."""
    stranger = world.client(**ORIGIN)
    for name in ("Ann", "my own password", "my own password", "another text"):
        stranger.post("/v1/login", json={"name": name, "password": "not it, not it"})
    entries = world.login("root").get("/v1/admin/audit").json()["entries"]
    failed = [one for one in reversed(entries) if one["action"] == "login.failed"]
    assert [one["target"] for one in failed] == ["ann", "", "", ""]
    digests = [one["detail"].get("unknown", "") for one in failed]
    assert (digests[0], digests[1] == digests[2] != digests[3], len(digests[1])) == ("", True, 8)
    with world_at(world.lake.path.parent / "other") as other:
        assert other.access.secret != world.access.secret


def test_a_key_that_ends_is_made_on_the_page(world: World) -> None:
    """The days that were asked for, for the models that were named."""
    root = world.login("root")
    given = {
        **token(root, "/keys"),
        "name": "k",
        "scope": ["read", "edit"],
        "models": "delays, churn",
        "days": "2",
    }
    text = shown(root.post("/keys", data=given).text)
    held = world.bearer(text)
    assert held.get("/v1/me").json()["models"] == ["churn", "delays"]
    world.clock.time += timedelta(days=2).total_seconds()
    assert held.get("/v1/me").status_code == 401

"""Users, passwords, keys, sessions, delays and the audit log: what each promises, over a real database."""

from __future__ import annotations

import logging
import sqlite3
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
import argon2
from fastapi import HTTPException, Request
from sqlalchemy import select, text

from tests.server_access import ORIGIN, PASSWORD, World, world_at
from vedette.errors import AccessError
from vedette.server.access import audit
from vedette.server.access.passwords import check_password
from vedette.server.access.state import Access
from vedette.server.database.connection import Database
from vedette.server.database.tables import AuditEntry, Key, User
from vedette.server.needs import again


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_at(tmp_path) as made:
        made.user("root", every="admin")
        made.user("ann", delays="viewer")
        yield made


def test_a_password_is_kept_as_argon2id_with_the_parameters_of_owasp(world: World) -> None:
    """Another implementation reads 19 MiB, 2 passes, 1 lane, and agrees that it is the password."""
    with world.access.database.reading() as work:
        kept = work.scalar(select(User.password).where(User.name == "ann"))
    found = argon2.extract_parameters(kept)
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (
        argon2.Type.ID,
        19456,
        2,
        1,
    )
    assert argon2.PasswordHasher().verify(kept, PASSWORD)


def test_a_hash_of_older_parameters_is_made_anew_at_login(world: World) -> None:
    """Who logs in with the right password leaves a hash as strong as a new one."""
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with world.access.database.writing() as work:
        work.execute(text("UPDATE users SET password = :p WHERE name = 'ann'"), {"p": weak})
    assert world.access.users.check("ann", "wrong password here") is None
    assert world.access.users.check("ann", PASSWORD) is not None
    with world.access.database.reading() as work:
        kept = work.scalar(select(User.password).where(User.name == "ann"))
    assert argon2.extract_parameters(kept).memory_cost == 19456
    assert world.access.users.check("ann", PASSWORD) is not None


@pytest.mark.parametrize(
    "password",
    ["short", "ann-likes-long-names@", "vedette-vedette", "aaaaaaaaaaaaaa", "qwerty123456", "x" * 257],
)
def test_a_password_that_would_be_guessed_is_refused_without_being_shown(password: str) -> None:
    """Too short, too long, common, or made of what everybody knows; the message does not hold it."""
    with pytest.raises(AccessError, match="password") as refused:
        check_password(password, "ann-likes-long-names")
    assert password not in str(refused.value)


def test_any_characters_make_a_password(world: World) -> None:
    """Blanks, letters of all scripts and 64 characters or more are taken as they are, none cut off."""
    long = "пароль с пробелами 🦊 " * 4 + "end"
    world.access.users.add("bob", {}, long, actor="test", now=world.access.now())
    assert world.access.users.check("bob", long) is not None
    assert world.access.users.check("bob", long[:-1]) is None


def test_an_unknown_user_gets_the_answer_of_a_wrong_password_as_slowly(world: World) -> None:
    """Status and text are the same; neither is answered without the work of a comparison."""
    known = world.client(**ORIGIN).post("/v1/login", json={"name": "ann", "password": "not the password"})
    other = world.client(**ORIGIN).post("/v1/login", json={"name": "ghost", "password": "not the password"})
    assert (known.status_code, known.text) == (other.status_code, other.text) == (401, known.text)

    def took(name: str) -> float:
        begun = time.process_time()
        world.access.users.check(name, "not the password")
        return time.process_time() - begun

    pairs = [(took("ann"), took("ghost")) for _ in range(7)]
    ratio = statistics.median(b / a for a, b in pairs)
    assert 0.5 < ratio < 2.0  # without the comparison it would be below a tenth


def test_failed_logins_make_one_wait_and_never_lock_out(world: World) -> None:
    """A hundred tries in a second get six looks at the password; a minute later the right one is let in."""
    client = world.client(**ORIGIN)
    answers = [
        client.post("/v1/login", json={"name": "ann", "password": f"guess {n} guess"}) for n in range(100)
    ]
    codes = [one.status_code for one in answers]
    assert (codes.count(401), codes.count(429)) == (6, 94)
    assert all(1 <= int(one.headers["retry-after"]) <= 60 for one in answers if one.status_code == 429)
    world.clock.time += 60
    assert world.login("ann").get("/v1/me").status_code == 200


def test_many_tries_at_once_gain_nothing(world: World) -> None:
    """Each is counted before its password is looked at."""

    def one(n: int) -> int:
        return (
            world.client(**ORIGIN)
            .post("/v1/login", json={"name": "ann", "password": f"guess {n} guess"})
            .status_code
        )

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(one, range(16)))
    assert codes.count(401) == 6


def test_guesses_from_elsewhere_do_not_keep_a_known_browser_out(world: World) -> None:
    """Where somebody logged in before, they log in again while their account is being guessed at."""
    browser = world.login("ann")
    stranger = world.client(**ORIGIN)
    for n in range(10):
        stranger.post("/v1/login", json={"name": "ann", "password": f"guess {n} guess"})
    assert stranger.post("/v1/login", json={"name": "ann", "password": PASSWORD}).status_code == 429
    assert browser.post("/v1/login", json={"name": "ann", "password": PASSWORD}).status_code == 200


def test_of_a_key_only_its_digest_is_kept(world: World) -> None:
    """The file of the database, its log and the list of keys do not hold what lets in."""
    identifier, key = world.key("read")
    assert world.bearer(key).get("/v1/me").json()["name"] == f"key:{identifier}"
    secret = key.rpartition("_")[2] if "_" not in key[17:] else key[17:]
    for path in (world.lake.path / ".server").iterdir():
        assert secret.encode() not in path.read_bytes()
    with world.access.database.reading() as work:
        assert secret not in repr(work.get(Key, identifier)) + repr(world.access.keys.list())


def test_what_is_revoked_is_refused_by_another_process_at_once(world: World) -> None:
    """A second opening of the database, as another process has it, needs no time to learn of it."""
    identifier, key = world.key("read")
    assert world.bearer(key).get("/v1/me").status_code == 200
    url = str(world.access.database.engine.url)
    other = Access.over(Database.open(url), clock=world.clock)
    other.keys.revoke(identifier, actor="test", now=other.now())
    assert world.bearer(key).get("/v1/me").status_code == 401


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer x", "Basic YW5uOmFubg==", "vdt_x", "Bearer vdt_000000000000_" + "A" * 43],
)
def test_what_is_no_key_gets_one_answer(header: str, world: World) -> None:
    """Malformed, of another scheme or unknown: the answer tells nothing apart."""
    answer = world.client(Authorization=header).get("/v1/me")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json() == world.client(Authorization="Bearer other").get("/v1/me").json()


def test_a_login_is_a_new_session_and_a_logout_its_end(world: World) -> None:
    """A cookie that was there before is worth nothing after; nor is one after its logout (fixation)."""
    browser = world.client(**ORIGIN)
    browser.cookies.set("vedette-session", "chosen-by-somebody-else", domain="testserver.local", path="/")
    browser.post("/v1/login", json={"name": "ann", "password": PASSWORD})
    first = [one.value for one in browser.cookies.jar if one.name == "vedette-session"]
    assert first[-1] != "chosen-by-somebody-else"
    fixed = world.client(Cookie="vedette-session=chosen-by-somebody-else")
    assert fixed.get("/v1/me").status_code == 401
    held = world.client(Cookie=f"vedette-session={first[-1]}")
    assert held.get("/v1/me").status_code == 200
    world.client(**ORIGIN, Cookie=f"vedette-session={first[-1]}").post("/v1/logout", json={})
    assert held.get("/v1/me").status_code == 401


@pytest.mark.parametrize("what", ["password", "disabled"])
def test_a_new_password_or_a_disabled_user_ends_all_sessions(what: str, world: World) -> None:
    """Every browser is out at the next request; who is disabled cannot log in."""
    browsers = [world.login("ann"), world.login("ann")]
    root = world.login("root")
    body = {"password": "another good password"} if what == "password" else {"disabled": True}
    assert root.put(f"/v1/admin/users/ann/{what}", json=body).status_code == 200
    assert [one.get("/v1/me").status_code for one in browsers] == [401, 401]
    assert root.get("/v1/me").status_code == 200
    old = world.client(**ORIGIN).post("/v1/login", json={"name": "ann", "password": PASSWORD})
    assert old.status_code == 401


def test_a_session_ends_by_its_pause_and_by_its_age(world: World) -> None:
    """Eight hours without a request, or seven days with them."""
    idle, busy = world.login("ann"), world.login("ann")
    begun = world.clock.time
    for hour in range(7, 7 * 24, 7):
        world.clock.time = begun + hour * 3600
        assert busy.get("/v1/me").status_code == 200
    assert idle.get("/v1/me").status_code == 401
    world.clock.time = begun + 7 * 86400
    assert busy.get("/v1/me").status_code == 401


def test_an_answer_that_goes_on_keeps_no_login_alive(world: World) -> None:
    """It is asked again and again whether its reader still may; 8 hours after the last request nobody is logged in."""
    browser = world.login("ann")
    cookie = "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)
    scope = {
        "type": "http", "app": world.app, "method": "GET", "path": "/v1/events/stream", "query_string": b"",
        "scheme": "http", "headers": [(b"host", b"testserver"), (b"cookie", cookie.encode())],
    }  # fmt: skip
    request = Request(scope)
    for _ in range(7):
        world.clock.time += 3600.0
        assert again(request, "view").name == "user:ann"
    world.clock.time += 3601.0
    with pytest.raises(HTTPException) as refused:
        again(request, "view")
    assert refused.value.status_code == 401
    assert browser.get("/v1/me").status_code == 401


def test_one_changes_ones_own_password_with_the_one_that_holds(world: World) -> None:
    """The current one is asked for; other browsers are out, this one goes on."""
    here, there = world.login("ann"), world.login("ann")
    wrong = here.post(
        "/v1/me/password", json={"current": "not it, not it", "password": "another good password"}
    )
    right = here.post("/v1/me/password", json={"current": PASSWORD, "password": "another good password"})
    assert (wrong.status_code, right.status_code) == (401, 200)
    assert (here.get("/v1/me").status_code, there.get("/v1/me").status_code) == (200, 401)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://testserver:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
def test_another_sites_page_changes_nothing(headers: dict[str, str], world: World) -> None:
    """A request with the cookie that does not come from our own origin is refused, whatever its body says it is."""
    cookie = next(one.value for one in world.login("root").cookies.jar if one.name == "vedette-session")
    forged = world.client(Cookie=f"vedette-session={cookie}", **headers)
    assert forged.put("/v1/admin/users/ann/disabled", json={"disabled": True}).status_code == 403
    assert forged.post("/login", data={"name": "ann", "password": PASSWORD}).status_code == 403
    assert world.access.users.one("ann")["disabled"] is False


def test_a_form_must_hold_its_token(world: World) -> None:
    """From our own origin, but neither JSON nor with the token of this session: refused; with it: taken."""
    from vedette.server.access.sessions import form_token

    browser, other = world.login("ann"), world.login("root")
    token = {
        name: form_token(next(c.value for c in one.cookies.jar if c.name == "vedette-session"))
        for name, one in (("own", browser), ("other", other))
    }
    plain = browser.post("/logout", content=b"{}", headers={"Content-Type": "text/plain"})
    without = browser.post("/logout", data={"a": "b"})
    foreign = browser.post("/logout", data={"csrf": token["other"]})
    assert [plain.status_code, without.status_code, foreign.status_code] == [403, 403, 403]
    assert browser.post("/logout", data={"csrf": token["own"]}).status_code == 303
    assert other.post("/logout", headers={"X-CSRF-Token": token["other"]}).status_code == 303


def test_the_cookie_is_out_of_reach(world: World) -> None:
    """No script reads it, no other site sends it; under TLS no other host can have set it."""
    plain = world.client(**ORIGIN).post("/v1/login", json={"name": "ann", "password": PASSWORD})
    assert "HttpOnly" in plain.headers["set-cookie"]
    assert "SameSite=lax" in plain.headers["set-cookie"]
    secure = world.client(Origin="https://testserver")
    secure.base_url = "https://testserver"
    cookie = secure.post("/v1/login", json={"name": "ann", "password": PASSWORD}).headers["set-cookie"]
    assert cookie.startswith("__Host-vedette-session=")
    assert all(part in cookie for part in ("Secure", "Path=/", "HttpOnly", "SameSite=lax"))
    assert "Domain" not in cookie


def test_a_login_goes_to_no_other_site(world: World) -> None:
    """Where to go after is a path of ours, or the first page."""
    for target, goes in (
        ("/models/a?b=c", "/models/a?b=c"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
    ):
        answer = world.client(**ORIGIN).post(
            "/login", data={"name": "ann", "password": PASSWORD, "next": target}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, goes)


def test_what_is_shown_on_the_login_page_is_text(world: World) -> None:
    """What stands in the address does not become part of the page."""
    page = world.client().get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in page.text


@pytest.mark.parametrize(
    "body",
    [
        {"name": "eve", "roles": {}, "admin": True},
        {"name": "eve", "roles": {"*": "root"}},
        {"name": "eve", "roles": {"../x": "admin"}},
        {"name": "ann", "roles": {}},
        {"name": "ANN", "roles": {}},
        {"name": "a b", "roles": {}},
    ],
)
def test_a_user_is_made_only_of_what_is_asked_for(body: dict[str, object], world: World) -> None:
    """Unknown fields, roles and models, and a name that is there already in whatever case, are refused."""
    before = world.access.users.list()
    assert world.login("root").post("/v1/admin/users", json=body).status_code in (409, 422)
    assert world.access.users.list() == before


def test_nobody_gives_themselves_a_role(world: World) -> None:
    """Neither an editor, nor an admin of one model."""
    world.user("eve", delays="admin")
    for name in ("ann", "eve"):
        browser = world.login(name)
        assert browser.put(f"/v1/admin/users/{name}/roles", json={"roles": {"*": "admin"}}).status_code == 403


def test_the_last_admin_stays(world: World) -> None:
    """Neither their role nor they can be taken away, until there is another."""
    root = world.login("root")
    assert root.put("/v1/admin/users/root/roles", json={"roles": {}}).status_code == 409
    assert root.put("/v1/admin/users/root/disabled", json={"disabled": True}).status_code == 409
    world.user("second", every="admin")
    assert root.put("/v1/admin/users/root/disabled", json={"disabled": True}).status_code == 200


def test_the_audit_log_tells_who_did_what(world: World) -> None:
    """Logins, roles, keys and logouts, with no secret in them."""
    root = world.login("root")
    key = root.post("/v1/admin/keys", json={"name": "k", "scopes": ["ingest"]}).json()
    root.put("/v1/admin/users/ann/roles", json={"roles": {"delays": "editor"}})
    root.post(f"/v1/admin/keys/{key['id']}/revoke", json={})
    world.client(**ORIGIN).post("/v1/login", json={"name": "my password", "password": "not the password"})
    entries = root.get("/v1/admin/audit").json()["entries"]
    assert [(one["actor"], one["action"]) for one in reversed(entries)][-5:] == [
        ("user:root", "login"), ("user:root", "key.add"), ("user:root", "user.roles"),
        ("user:root", "key.revoke"), ("nobody", "login.failed"),
    ]  # fmt: skip
    assert key["key"] not in str(entries)
    assert "my password" not in str(entries)
    assert root.get("/v1/admin/audit/verify").json() == {
        "intact": True,
        "entries": len(entries),
        "fault": None,
    }


@pytest.mark.parametrize("column", ["time", "actor", "action", "target", "detail", "previous", "digest"])
def test_a_changed_row_of_the_audit_log_is_found(column: str, world: World) -> None:
    """The database refuses; who owns it can lift that, and the chain tells which row it was."""
    path = world.lake.path / ".server" / "vedette.db"
    value = "1" if column == "time" else "'x'"
    with sqlite3.connect(path) as raw:
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            raw.execute(f"UPDATE audit SET {column} = {value} WHERE number = 2")
        raw.execute("DROP TRIGGER audit_no_update")
        raw.execute(f"UPDATE audit SET {column} = {value} WHERE number = 2")
    raw.close()
    with world.access.database.reading() as work:
        _, fault = audit.verify(work)
    assert fault is not None
    assert fault.number == 2


def test_a_row_that_was_taken_out_of_the_audit_log_is_found(world: World) -> None:
    """In the middle by the chain; at the end by what the server's log has."""
    with world.access.database.reading() as work:
        last = audit.entries(work)[0]
    with sqlite3.connect(world.lake.path / ".server" / "vedette.db") as raw:
        raw.execute("DROP TRIGGER audit_no_delete")
        raw.execute("DELETE FROM audit WHERE number = :n", {"n": last.number})
    raw.close()
    with world.access.database.reading() as work:
        assert audit.verify(work)[1] is None
        fault = audit.verify(work, (last.number, last.digest))[1]
    assert fault is not None


def test_no_secret_is_in_a_log_an_error_or_a_repr(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Passwords, keys and cookies, given rightly and wrongly, are nowhere in what the process says."""
    caplog.set_level(logging.DEBUG)
    canary = "canary-7f3a91-secret"
    world.access.users.add("cara", {"*": "admin"}, canary, actor="test", now=world.access.now())
    browser = world.login("cara", canary)
    cookie = next(one.value for one in browser.cookies.jar if one.name == "vedette-session")
    key = browser.post("/v1/admin/keys", json={"name": "k", "scopes": ["read"]}).json()["key"]
    said = [
        world.bearer(key + "x").get("/v1/me").text,
        browser.post(
            "/v1/admin/users", json={"name": "d", "password": canary, "roles": {"*": "nothing"}}
        ).text,
        browser.post("/v1/admin/users", json={"name": "d", "password": [canary]}).text,
        world.client(**ORIGIN).post("/v1/login", json={"name": "cara", "password": canary, "x": canary}).text,
        world.client(**ORIGIN).post("/login", data={"name": canary, "password": canary}).text,
        browser.get(f"/v1/me?token={canary}").text,
    ]
    with world.access.database.reading() as work:
        said += [repr(one) for one in (*work.scalars(select(User)), *work.scalars(select(AuditEntry)))]
    ours = [
        vars(one) for one in caplog.records if not one.name.startswith("httpx")
    ]  # not what the test's client says
    assert ours
    text_of_all = "".join(said) + str(ours)
    for secret in (canary, key, cookie):
        assert secret not in text_of_all

"""Logging in by an identity provider: the whole way over real HTTP, and everything that could be forged on it."""

from __future__ import annotations

import base64
import hmac
import html
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
pytest.importorskip("joserfc", reason="the extra 'server' is not installed")
import httpx
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import select
from starlette.testclient import TestClient

from tests.identity_provider import CLIENT, SECRET, IdentityProvider, provider_running
from tests.server_access import ORIGIN, PASSWORD, World, world_at
from tests.test_server_account import token
from vedette.config import ServingSettings, read
from vedette.config.provider import ProviderSettings, provider_of
from vedette.errors import ConfigError
from vedette.server.access import audit
from vedette.server.access.delay import FREE
from vedette.server.access.provider import AT_ONCE
from vedette.server.database.tables import Identity

TO_VEDETTE = "http://testserver"


@pytest.fixture(scope="module")
def running() -> Iterator[IdentityProvider]:
    with provider_running() as found:
        yield found


@pytest.fixture
def idp(running: IdentityProvider) -> IdentityProvider:
    """The provider, as nobody has bent it yet."""
    running.claims, running.forge, running.described, running.answers_as = {"sub": "0001"}, None, {}, ""
    running.slow_s, running.listed = 0.0, []
    running.asked.clear()
    return running


@pytest.fixture
def worlds(idp: IdentityProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Servers with settings for the provider."""
    monkeypatch.setenv("PROVIDER_SECRET", SECRET)
    opened = []

    def made(**given: Any) -> World:
        said = {"client_secret_env": "PROVIDER_SECRET", "name": "Example", "create": True, **given}
        settings = ProviderSettings(idp.url, CLIENT, **said)
        manager = world_at(tmp_path / str(len(opened)), serving=ServingSettings(provider=settings))
        world = manager.__enter__()
        opened.append(manager)
        world.clock.time = time.time()  # the provider's tokens are of now
        world.user("root", every="admin")
        return world

    yield made
    for one in opened:
        one.__exit__(None, None, None)


def to_provider(browser: TestClient, target: str = "/") -> str:
    """Begin a login; where the browser is sent to."""
    answer = browser.get("/login/provider", params={"next": target})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def at_provider(address: str) -> str:
    """Log in at the provider over HTTP; the path and query that it sends the browser back to."""
    answer = httpx.get(address)
    assert answer.status_code == 302, answer.text
    back = str(answer.headers["location"])
    assert back.startswith(f"{TO_VEDETTE}/login/provider/return?")
    return back.removeprefix(TO_VEDETTE)


def logged_in(browser: TestClient, target: str = "/") -> Any:
    """All of the way; the last answer."""
    return browser.get(at_provider(to_provider(browser, target)))


def audited(world: World) -> list[tuple[str, str, str, dict[str, Any]]]:
    found = world.login("root").get("/v1/admin/audit?limit=1000").json()["entries"]
    return [(one["actor"], one["action"], one["target"], one["detail"]) for one in reversed(found)]


def test_one_logs_in_and_out_by_the_provider(worlds: Any, idp: IdentityProvider) -> None:
    """A new account with the roles of its groups and a session as any other, to its logout; each step is audited."""
    world = worlds(roles={"*": {"churn": "viewer"}, "team": {"delays": "editor"}})
    idp.claims = {"sub": "0001", "preferred_username": "Ann", "groups": ["team", "other"]}
    browser = world.client(**ORIGIN)
    assert 'href="/login/provider?next=/models/delays"' in browser.get("/login?next=/models/delays").text
    answer = logged_in(browser, "/models/delays?window=1h")
    assert (answer.status_code, answer.headers["location"]) == (303, "/models/delays?window=1h")
    me = browser.get("/v1/me").json()
    assert me["user"]["roles"] == {"churn": "viewer", "delays": "editor"}
    assert me["name"] == "user:ann"
    assert "token Basic" in idp.asked
    assert browser.post("/v1/logout", json={}).status_code == 200
    assert browser.get("/v1/me").status_code == 401
    steps = [(actor.partition("http")[0], action, target) for actor, action, target, _ in audited(world)]
    assert steps[1:6] == [
        ("provider:", "user.add", "ann"), ("provider:", "identity.connect", "ann"),
        ("user:ann", "login", "ann"), ("user:ann", "logout", "ann"), ("user:root", "login", "root"),
    ]  # fmt: skip


def test_who_somebody_is_goes_by_issuer_and_subject(worlds: Any, idp: IdentityProvider) -> None:
    """Another name of the same subject is the same user; the name of somebody else, or their address, opens nothing."""
    world = worlds()
    idp.claims = {
        "sub": "0001",
        "preferred_username": "ann",
        "email": "ann@example.org",
        "email_verified": True,
    }
    logged_in(world.client())
    idp.claims["preferred_username"] = "anna.married"
    browser = world.client()
    logged_in(browser)
    assert browser.get("/v1/me").json()["name"] == "user:ann"
    idp.claims["sub"] = "0002"
    for name in ("ann", "ROOT"):
        idp.claims["preferred_username"] = name
        thief = world.client()
        refused = logged_in(thief)
        assert refused.status_code == 400
        assert "is there already" in refused.text
        assert thief.get("/v1/me").status_code == 401


def test_roles_follow_the_provider_where_it_made_the_account(worlds: Any, idp: IdentityProvider) -> None:
    """Each login brings those of now; of an account that an admin made and its user connected they stay."""
    world = worlds(roles={"ops": {"*": "admin"}, "team": {"delays": "viewer"}})
    idp.claims = {"sub": "0001", "preferred_username": "ann", "groups": "ops"}
    logged_in(world.client())
    assert world.access.users.one("ann")["roles"] == {"*": "admin"}
    idp.claims["groups"] = ["team"]
    logged_in(world.client())
    assert world.access.users.one("ann")["roles"] == {"delays": "viewer"}
    world.access.users.set_disabled("ann", True, actor="test", now=world.access.now())
    browser = world.client()
    assert logged_in(browser).status_code == 400
    assert browser.get("/v1/me").status_code == 401


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email": "ann@example.org", "email_verified": True}, 303),
        ({"email": "ann@EXAMPLE.org", "email_verified": True}, 303),
        ({"email": "ann@example.org"}, 400),
        ({"email": "ann@example.org", "email_verified": "true"}, 400),
        ({"email": "ann@example.org@evil.example", "email_verified": True}, 400),
        ({"email": "ann@evil-example.org", "email_verified": True}, 400),
        ({}, 400),
    ],
)
def test_only_verified_addresses_of_the_domains(
    claims: dict[str, Any], status: int, worlds: Any, idp: IdentityProvider
) -> None:
    """The whole domain after the last @, and the provider must say that it checked."""
    world = worlds(domains=("example.org",))
    idp.claims = {"sub": "0001", **claims}
    assert logged_in(world.client()).status_code == status


def test_what_one_begins_another_cannot_end(worlds: Any, idp: IdentityProvider) -> None:
    """Login CSRF: a way back that another browser began, with its state and a code that is right, logs nobody in."""
    world = worlds()
    thief, victim = world.client(), world.client()
    back = at_provider(to_provider(thief))
    assert victim.get(back).status_code == 400
    to_provider(victim)  # with a login of their own begun
    refused = victim.get(back)
    assert refused.status_code == 400
    assert "not begun in this browser" in refused.text
    assert victim.get("/v1/me").status_code == 401


def test_nobody_gets_an_account_where_the_settings_do_not_say_so(worlds: Any, idp: IdentityProvider) -> None:
    """A user connects the account that is there, with its password; then it opens, and no other identity does."""
    world = worlds(create=False)
    world.user("ann", delays="viewer")
    assert logged_in(world.client()).status_code == 400
    browser = world.login("ann")
    page = browser.post("/account/provider", data={**token(browser), "current": "not it, not it"})
    assert (page.status_code, idp.url in page.text) == (400, False)
    begun = connect(browser, PASSWORD)
    answer = browser.get(at_provider(begun))
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    other = world.client()
    assert logged_in(other).status_code == 303
    assert other.get("/v1/me").json()["name"] == "user:ann"
    assert (
        browser.post("/account/provider/disconnect", data={**token(browser), "issuer": idp.url}).status_code
        == 303
    )
    assert logged_in(world.client()).status_code == 400
    assert ("user:ann", "identity.connect", "ann", {"issuer": idp.url, "subject": "0001"}) in audited(world)


def connect(browser: TestClient, password: str) -> str:
    """Ask on the account's page to be connected; the provider's address."""
    answer = browser.post("/account/provider", data={**token(browser), "current": password})
    found = re.search(r'href="(http://127[^"]+)"', answer.text)
    assert found is not None, answer.text
    return html.unescape(found[1])


def test_one_who_is_connected_must_still_be_logged_in(worlds: Any, idp: IdentityProvider) -> None:
    """The way back of a connection ties nothing to an account that is not the browser's any more."""
    world = worlds(create=False)
    world.user("ann")
    world.user("bob")
    browser = world.login("ann")
    back = at_provider(connect(browser, PASSWORD))
    browser.post("/v1/login", json={"name": "bob", "password": PASSWORD})
    assert browser.get(back).status_code == 400
    with world.access.database.reading() as work:
        assert list(work.scalars(select(Identity))) == []


def test_an_account_of_the_provider_alone_has_no_password(worlds: Any, idp: IdentityProvider) -> None:
    """No password opens it, not even an empty one, and it cannot be cut off from its only login."""
    world = worlds()
    idp.claims = {"sub": "0001", "preferred_username": "ann"}
    browser = world.client(**ORIGIN)
    logged_in(browser)
    for password in ("", PASSWORD):
        refused = world.client(**ORIGIN).post("/v1/login", json={"name": "ann", "password": password})
        assert refused.status_code == 401
    page = browser.get("/account").text
    assert ("This account has none" in page, 'action="/account/provider/disconnect"' in page) == (True, True)
    given = {**token(browser), "issuer": idp.url}
    assert browser.post("/account/provider/disconnect", data=given).status_code == 409


@pytest.mark.parametrize("change", ["none", "", "cut", "target", "other"])
def test_a_state_that_was_changed_is_refused(change: str, worlds: Any, idp: IdentityProvider) -> None:
    """None, empty, cut off, with another target, or of another login: the code is not even asked for."""
    world = worlds()
    browser = world.client()
    back = at_provider(to_provider(browser))
    query = {name: one[0] for name, one in parse_qs(urlsplit(back).query).items()}
    body, _, signature = query["state"].partition(".")
    evil = base64.urlsafe_b64encode(json.dumps(["https://evil.example", int(time.time()), ""]).encode())
    changed = {
        "none": None, "": "", "cut": query["state"][:-1], "target": f"{evil.decode().rstrip('=')}.{signature}",
        "other": f"{body}.{'A' * len(signature)}",
    }[change]  # fmt: skip
    query.pop("state")
    given = query if changed is None else {**query, "state": changed}
    assert browser.get("/login/provider/return", params=given).status_code == 400
    assert not any(one.startswith("token") for one in idp.asked)


def test_a_way_back_is_gone_once_and_in_time(worlds: Any, idp: IdentityProvider) -> None:
    """The same address again is refused though the cookie is put back; so is one after ten minutes."""
    world = worlds()
    browser = world.client()
    back = at_provider(to_provider(browser))
    secret = next(one.value for one in browser.cookies.jar if one.name == "vedette-login")
    assert browser.get(back).status_code == 303
    again = world.client(Cookie=f"vedette-login={secret}").get(back)
    assert (again.status_code, "used before" in again.text) == (400, True)
    late = world.client()
    back = at_provider(to_provider(late))
    world.clock.time += 601
    assert "more than 10 minutes ago" in late.get(back).text


def test_a_code_that_was_used_is_refused_by_the_provider(worlds: Any, idp: IdentityProvider) -> None:
    """A code under a state of one's own is refused: PKCE ties it to the browser that began, and it is spent."""
    world = worlds()
    first, second = world.client(), world.client()
    back = at_provider(to_provider(first))
    stolen = parse_qs(urlsplit(back).query)["code"][0]
    own = {name: one[0] for name, one in parse_qs(urlsplit(at_provider(to_provider(second))).query).items()}
    refused = second.get("/login/provider/return", params={**own, "code": stolen})
    assert (refused.status_code, "invalid_grant" in refused.text) == (400, True)
    assert second.get("/v1/me").status_code == 401


def unsigned(claims: dict[str, Any], _me: Any) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts)
    return f"{text}."


def by_the_public_key(claims: dict[str, Any], me: IdentityProvider) -> str:
    """HS256 with what everybody knows, the provider's public key, as its secret (key confusion)."""
    parts = [{"alg": "HS256", "kid": "one"}, claims]  # by hand: joserfc makes no such token
    text = ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts)
    made = hmac.new(me.key.as_pem(private=False), text.encode(), "sha256").digest()
    return f"{text}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def by_the_clients_secret(claims: dict[str, Any], me: IdentityProvider) -> str:
    return me.token(claims, OctKey.import_key(SECRET.encode()), "HS256")


def by_another_key(claims: dict[str, Any], me: IdentityProvider) -> str:
    return me.token(claims, RSAKey.generate_key(2048))


def by_a_key_in_its_own_head(claims: dict[str, Any], me: IdentityProvider) -> str:
    """A token that brings the key along by which it is to be checked, and says where there are more."""
    key = RSAKey.generate_key(2048)
    head = {
        "alg": "RS256",
        "kid": "one",
        "jwk": key.as_dict(private=False),
        "jku": "https://evil.example/keys",
    }
    return jwt.encode(head, claims, key, algorithms=["RS256"])


def without(name: str) -> Any:
    return lambda claims, me: me.token({key: one for key, one in claims.items() if key != name})


def with_claims(**more: Any) -> Any:
    return lambda claims, me: me.token(
        claims | {name: one(me) if callable(one) else one for name, one in more.items()}
    )


def changed_after(claims: dict[str, Any], me: IdentityProvider) -> str:
    header, _, signature = me.token(claims).split(".")
    other = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "0002"}).encode()).rstrip(b"=").decode()
    return f"{header}.{other}.{signature}"


FORGED = {
    "unsigned": unsigned, "hs256 by the public key": by_the_public_key,
    "hs256 by the client's secret": by_the_clients_secret, "another key": by_another_key,
    "a key in its own head": by_a_key_in_its_own_head,
    "changed after it was signed": changed_after,
    "another nonce": with_claims(nonce="another"), "no nonce": without("nonce"),
    "another audience": with_claims(aud="another"), "no audience": without("aud"),
    "another's beside ours": with_claims(aud=["another", CLIENT]),
    "made for another": with_claims(aud=[CLIENT, "another"], azp="another"),
    "another party": with_claims(azp="another"),
    "expired": with_claims(exp=lambda _: int(time.time()) - 120), "no end": without("exp"),
    "an end that is no number": with_claims(exp="tomorrow"),
    "of the future": with_claims(iat=lambda _: int(time.time()) + 600), "no time": without("iat"),
    "not yet": with_claims(nbf=lambda _: int(time.time()) + 600),
    "another issuer": with_claims(iss="https://evil.example"), "a longer issuer": with_claims(iss=lambda me: f"{me.url}/"),
    "no issuer": without("iss"), "nobody": without("sub"), "an empty subject": with_claims(sub=""),
    "a long subject": with_claims(sub="x" * 256), "a number": with_claims(sub=1),
    "a subject with a null": with_claims(sub="a\0b"),
    "no token": lambda *_: "", "no text": lambda *_: 17, "an odd text": lambda *_: "a.b.c",
}  # fmt: skip


@pytest.mark.parametrize("how", FORGED)
def test_an_id_token_that_does_not_hold_lets_nobody_in(how: str, worlds: Any, idp: IdentityProvider) -> None:
    """Signature, algorithm, issuer, audience, times, nonce and subject, each wrong or missing."""
    world = worlds()
    idp.forge = FORGED[how]
    browser = world.client()
    refused = logged_in(browser)
    assert refused.status_code == 400
    assert "ID token" in refused.text  # it came as far as that
    assert browser.get("/v1/me").status_code == 401
    assert audited(world)[-2][1] == "login.failed"
    with world.access.database.reading() as work:
        assert list(work.scalars(select(Identity))) == []


def test_a_key_that_is_new_at_the_provider_is_looked_up(worlds: Any, idp: IdentityProvider) -> None:
    """A rotation locks nobody out; and tokens of unknown keys do not have the keys fetched each time."""
    world = worlds()
    assert logged_in(world.client()).status_code == 303
    old, idp.key = idp.key, RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
    try:
        world.clock.time += 11
        assert logged_in(world.client()).status_code == 303
        idp.forge = by_another_key
        idp.asked.clear()
        for _ in range(3):
            logged_in(world.client())
        assert idp.asked.count("keys") == 0
    finally:
        idp.key = old


UNREADABLE = (
    {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "later"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "off the curve"},
    {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"}, {"kty": "EC"},
    {"kty": "RSA", "n": "!", "e": "AQAB"}, {"kty": "RSA", "n": 5, "e": "AQAB"}, {"kty": "RSA", "n": "", "e": ""},
    {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": 5}, {"kty": ["RSA"]}, {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
    {}, None, "a key",
)  # fmt: skip


@pytest.mark.parametrize("listed", [(one,) for one in UNREADABLE] + [UNREADABLE])
def test_a_key_that_cannot_be_read_hides_no_other(
    listed: tuple[Any, ...], worlds: Any, idp: IdentityProvider
) -> None:
    """RFC 7517, section 5: one of an unknown curve or kind, or out of shape, is passed over; the others hold."""
    world = worlds()
    idp.listed = list(listed)
    assert logged_in(world.client()).status_code == 303


def test_where_no_key_can_be_read_nobody_comes_in(worlds: Any, idp: IdentityProvider) -> None:
    """And the page says why."""
    world = worlds()
    old, idp.key = idp.key, RSAKey.generate_key(2048, {"kid": "one", "use": "enc"})
    idp.listed, idp.forge = list(UNREADABLE), by_another_key
    try:
        refused = logged_in(world.client())
    finally:
        idp.key = old
    assert (refused.status_code, "no key for signatures that can be read" in refused.text) == (400, True)


@pytest.mark.parametrize("said", ["https://evil.example", ""])
def test_an_answer_of_another_provider_is_refused(said: str, worlds: Any, idp: IdentityProvider) -> None:
    """Mix-up (RFC 9207): an answer that names another issuer, or none where the provider says that it names itself."""
    world = worlds()
    browser = world.client()
    back = at_provider(to_provider(browser))
    query = {name: one[0] for name, one in parse_qs(urlsplit(back).query).items()} | {"iss": said}
    assert browser.get("/login/provider/return", params=query).status_code == 400
    assert not any(one.startswith("token") for one in idp.asked)


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"}, {"jwks_uri": None},
        {"code_challenge_methods_supported": ["plain"]}, {"padding": "x" * 300_000},
    ],
)  # fmt: skip
def test_what_a_provider_says_of_itself_must_hold(
    described: dict[str, Any], worlds: Any, idp: IdentityProvider
) -> None:
    """Its issuer, its addresses, S256, and a document of an ordinary size; nobody is sent anywhere else."""
    world = worlds()
    idp.described = described
    answer = world.client().get("/login/provider")
    assert (answer.status_code, 'role="alert"' in answer.text) == (503, True)


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\nx"]
)
def test_a_login_by_the_provider_goes_to_no_other_site(
    target: str, worlds: Any, idp: IdentityProvider
) -> None:
    """Where to go after is a path of ours, or the first page (open redirect)."""
    assert logged_in(worlds().client(), target).headers["location"] == "/"


def test_no_other_sites_page_begins_a_login(worlds: Any, idp: IdentityProvider) -> None:
    """A link or picture elsewhere leads to the login page at most: a session takes somebody who wants it."""
    world = worlds()
    for site in ("cross-site", "same-site"):
        answer = world.client(**{"Sec-Fetch-Site": site}).get("/login/provider?next=/alerts")
        assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
        assert 'href="/login/provider?next=/alerts"' in answer.text
    assert world.client(**{"Sec-Fetch-Site": "none"}).get("/login/provider").status_code == 303


def test_logins_that_fail_to_begin_do_not_grow_the_log(worlds: Any, idp: IdentityProvider) -> None:
    """While the provider is down one address adds a few entries, then one a minute at most; all are told, and passwords hold."""
    world = worlds()
    idp.described = {"issuer": "https://evil.example"}
    browser = world.client(**ORIGIN)
    for _ in range(40):
        assert browser.get("/login/provider").status_code == 503
    failed = [detail for _, action, _, detail in audited(world) if action == "login.failed"]
    assert len(failed) == FREE + 1
    world.clock.time += 61
    for _ in range(40):
        browser.get("/login/provider")
    assert [action for _, action, _, _ in audited(world)].count("login.failed") == FREE + 2


def test_a_provider_that_is_down_or_hangs_keeps_no_password_out(worlds: Any, idp: IdentityProvider) -> None:
    """Its login is told so on the page; those who wait for it are few, and everybody else comes in meanwhile."""
    world = worlds()
    idp.slow_s = 3.0
    answers: list[int] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(world.client().get("/login/provider").status_code))
        for _ in range(60)
    ]
    begun = time.monotonic()
    for one in waiting:
        one.start()
    world.login("root")
    assert time.monotonic() - begun < 3.0  # before the provider has answered anybody
    for one in waiting:
        one.join()
    assert answers.count(303) <= AT_ONCE
    assert answers.count(503) >= 60 - AT_ONCE


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "issuer: is not given"),
        ({"issuer": "http://login.example.org"}, "must be like https://"),
        ({"issuer": "https://ann:secret@login.example.org"}, "must be like https://"),
        ({"issuer": "https://a?b"}, "must be like https://"),
        ({"client_secret_env": "not a name: the secret"}, "not the secret"),
        ({"create": "yes"}, "must be true or false"),
        ({"domains": "example.org"}, "must be a list"),
        ({"roles": ["admin"]}, "must be a table"),
        ({"roles": {"ops": "king"}}, "must be viewer"),
        ({"roles": {"ops": "editor:../x"}}, "x"),
        ({"roles": {"ops": ["admin", "viewer"]}}, "a second role"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    """What is wrong is named by its key; what may be a secret is not shown."""
    whole = {"issuer": "https://login.example.org", "client_id": "vedette", **given} if given else {}
    with pytest.raises(ConfigError, match=r"\[server.provider\]") as refused:
        provider_of(whole, tmp_path / "vedette.toml")
    assert said in str(refused.value)
    assert "the secret" not in str(refused.value).replace("not the secret", "")


def test_the_table_of_the_docs_is_read(tmp_path: Path) -> None:
    """What docs/server.md shows is what it means."""
    text = (Path(__file__).parent.parent / "docs" / "server.md").read_text("utf-8")
    table = re.search(r"```toml\n(\[server\.provider\].*?)```", text, re.DOTALL)
    assert table is not None
    (tmp_path / "vedette.toml").write_text(table[1])
    found = read(tmp_path / "vedette.toml").serving.provider
    assert found is not None
    assert found.roles == {
        "*": {"*": "viewer"}, "ml-operations": {"*": "admin"}, "delays-team": {"delays": "editor"},
    }  # fmt: skip
    assert (found.create, found.domains, found.client_secret_env) == (
        True, ("example.org",), "VEDETTE_PROVIDER_SECRET",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="VEDETTE_PROVIDER_SECRET"):
        found.client_secret()


def test_without_a_provider_there_is_none(tmp_path: Path) -> None:
    """The page offers none, and the routes say so."""
    with world_at(tmp_path) as world:
        assert "/login/provider" not in world.client().get("/login").text
        assert world.client().get("/login/provider").status_code == 503
        assert world.client().get("/login/provider/return?code=a&state=b").status_code == 400
        with world.access.database.reading() as work:
            assert list(audit.entries(work)) == []  # anybody could have the log grow


def test_no_secret_of_a_login_is_in_a_log_or_an_answer(
    worlds: Any, idp: IdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the client's secret, nor a code, a verifier, a cookie or a token, whether it goes well or not."""
    caplog.set_level(logging.DEBUG)
    world = worlds()
    secrets = [SECRET]
    for forge in (None, by_another_key, lambda *_: "secret-token.secret-token.x"):
        idp.forge = forge
        browser = world.client()
        back = at_provider(to_provider(browser))
        secrets += parse_qs(urlsplit(back).query)["code"]
        secrets += [one.value for one in browser.cookies.jar if one.name == "vedette-login"]
        answer = browser.get(back)
        said = [vars(one) for one in caplog.records if one.name.startswith(("vedette", "uvicorn"))]
        told = answer.text + str(said) + str(audited(world)) + repr(world.access)
        assert not [one for one in (*secrets, "secret-token") if one in told]

"""Logging in by a provider that people run: Glewlwyd (Debian's package ``glewlwyd``), where it is installed.

``VEDETTE_GLEWLWYD`` names the folder in which its package and those that it needs are unpacked; default ``/``.
"""

from __future__ import annotations

import gzip
import os
import re
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
pytest.importorskip("joserfc", reason="the extra 'server' is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")
import httpx
from joserfc.jwk import RSAKey

from tests.server_access import ORIGIN, world_at
from vedette.config import ServingSettings
from vedette.config.provider import ProviderSettings

ROOT = Path(os.environ.get("VEDETTE_GLEWLWYD", "/"))
PROGRAM = ROOT / "usr" / "bin" / "glewlwyd"
BACK = "http://testserver/login/provider/return"
SECRET, PASSWORD = "a-secret-of-the-client-0815", "a password of Ann's"


@pytest.fixture(scope="module")
def glewlwyd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its issuer, with a client for vedette and a user ann."""
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not installed")
    folder = tmp_path_factory.mktemp("glewlwyd")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _configure(folder, port)
    places = [
        str(ROOT / "usr" / "lib" / f"{os.uname().machine}-linux-gnu"),
        os.environ.get("LD_LIBRARY_PATH", ""),
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [PROGRAM, f"--config-file={folder / 'glewlwyd.conf'}"], stdout=log, stderr=log,
            env={**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, places))},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while "started on port" not in (folder / "log").read_text():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        issuer = f"http://127.0.0.1:{port}/api/oidc"
        _fill(port, issuer)
        yield issuer
    finally:
        process.terminate()
        process.wait(20)


def _configure(folder: Path, port: int) -> None:
    share = ROOT / "usr" / "share"
    tables = share / "doc" / "glewlwyd" / "database" / "init.sqlite3.sql.gz"
    with closing(sqlite3.connect(folder / "glewlwyd.db")) as database:
        database.executescript(gzip.decompress(tables.read_bytes()).decode())
    text = (share / "glewlwyd" / "templates" / "glewlwyd-debian.conf.properties").read_text("utf-8")
    for before, after in (
        ("port=4593", f"port={port}"),
        ("_G_EXTRNAL_URL_", f"http://127.0.0.1:{port}"),
        ('"/usr/', f'"{ROOT}/usr/'),
        ('log_mode="file"', 'log_mode="console"'),
        (
            '@include "/etc/glewlwyd/glewlwyd-db.conf"',
            f'database = {{ type = "sqlite3" path = "{folder / "glewlwyd.db"}" }};',
        ),
    ):
        assert before in text
        text = text.replace(before, after)
    (folder / "glewlwyd.conf").write_text(text)


def _fill(port: int, issuer: str) -> None:
    """As its administrator: the plugin of OpenID Connect, the client and the user."""
    key = RSAKey.generate_key(2048)
    parameters = {
        "iss": issuer, "jwt-type": "rsa", "jwt-key-size": "256",
        "key": key.as_pem(private=True).decode(), "cert": key.as_pem(private=False).decode(),
        "access-token-duration": 3600, "refresh-token-duration": 1209600, "code-duration": 600,
        "auth-type-code-enabled": True, "auth-type-id-token-enabled": True, "pkce-allowed": True,
        "pkce-required": True, "subject-type": "public", "jwks-show": True, "scope": [{"name": "openid"}],
        "claims": [{"name": "preferred_username", "user-property": "username", "type": "string", "mandatory": True}],
    }  # fmt: skip
    client = {
        "client_id": "vedette", "name": "vedette", "confidential": True, "enabled": True, "client_secret": SECRET,
        "password": SECRET, "redirect_uri": [BACK], "authorization_type": ["code"], "scope": [],
        "token_endpoint_auth_method": ["client_secret_basic"],
    }  # fmt: skip
    user = {
        "username": "ann",
        "name": "Ann",
        "password": PASSWORD,
        "enabled": True,
        "scope": ["openid", "g_profile"],
    }
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api", timeout=20) as admin:
        plugin = {
            "module": "oidc",
            "name": "oidc",
            "display_name": "oidc",
            "enabled": True,
            "parameters": parameters,
        }
        for path, given in (
            ("/auth/", {"username": "admin", "password": "password"}),
            ("/mod/plugin/", plugin),
            ("/client/", client),
            ("/user/", user),
        ):
            answer = admin.post(path, json=given)
            assert answer.status_code == 200, (path, answer.text)


def test_one_logs_in_by_a_provider_that_people_run(
    glewlwyd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ann consents there, comes back, and is somebody here, the same at the next login; the code was good for once."""
    monkeypatch.setenv("PROVIDER_SECRET", SECRET)
    provider = ProviderSettings(
        glewlwyd,
        "vedette",
        client_secret_env="PROVIDER_SECRET",
        create=True,
        scopes=(),
        roles={"*": {"*": "viewer"}},
    )
    with (
        world_at(tmp_path, serving=ServingSettings(provider=provider)) as world,
        httpx.Client(base_url=glewlwyd.removesuffix("/oidc"), timeout=20) as ann,
    ):
        world.clock.time = time.time()
        assert ann.post("/auth/", json={"username": "ann", "password": PASSWORD}).status_code == 200
        assert ann.put("/auth/grant/vedette", json={"scope": "openid"}).status_code == 200
        for _ in range(2):
            browser = world.client(**ORIGIN)
            there = browser.get("/login/provider?next=/alerts").headers["location"]
            # what its own page adds once Ann has said yes
            back = ann.get(f"{there}&g_continue").headers["location"]
            assert back.startswith(f"{BACK}?")
            answer = browser.get(back.removeprefix("http://testserver"))
            assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
            assert browser.get("/v1/me").json()["user"]["roles"] == {"*": "viewer"}
        assert [one["name"] for one in world.access.users.list()] == ["ann"]
        own = browser.get("/login/provider").headers["location"]
        state = re.search(r"[?&]state=([^&]+)", own)
        code = re.search(r"[?&]code=([^&]+)", back)
        assert state is not None
        assert code is not None
        refused = browser.get(f"/login/provider/return?state={state[1]}&code={code[1]}")
        assert (refused.status_code, "the provider" in refused.text) == (400, True)

"""An identity provider that the tests log in by.

It is a real HTTP server with the server's side of Authlib behind it: Authlib's code checks the client's secret, the code, its
one use, the redirect address and PKCE, and makes the ID token. It is not a product that people run; of what it cannot be
wrong in by itself (a bad signature, another audience) ``forge`` makes the token.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

pytest.importorskip("authlib", reason="authlib is not installed")
pytest.importorskip("flask", reason="flask is not installed")

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "vedette", "the client's secret: & + %"
Forge = Callable[[dict[str, Any], Any], str]


class _Client:
    """The one client."""

    client_id = CLIENT

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, uri: str) -> bool:
        return uri.endswith("/login/provider/return")

    def check_client_secret(self, secret: str) -> bool:
        return secret == SECRET

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, kind: str) -> bool:
        return kind == "code"

    def check_grant_type(self, kind: str) -> bool:
        return kind == "authorization_code"


@dataclass
class _Code:
    """A code that was given."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    claims: dict[str, Any]

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return 0

    def get_acr(self) -> str:
        return ""

    def get_amr(self) -> list[str]:
        return []


@dataclass
class IdentityProvider:
    """A provider that runs: who logs in there next (``claims``), and in what way it is wrong, if in any."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "0001"})
    forge: Forge | None = None
    described: dict[str, Any] = field(default_factory=dict)
    answers_as: str = ""
    slow_s: float = 0.0
    key: Any = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    listed: list[Any] = field(default_factory=list)  # before its own among its keys
    codes: dict[str, _Code] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def token(self, claims: Mapping[str, Any], key: Any = None, alg: str = "RS256") -> str:
        """An ID token, signed by the provider's key or another."""
        key = key or self.key
        return jwt.encode({"alg": alg, "kid": "one"}, dict(claims), key, algorithms=[alg])


def _application(me: IdentityProvider) -> Flask:
    app = Flask("provider")
    server = AuthorizationServer(
        app, query_client=lambda one: _Client() if one == CLIENT else None, save_token=lambda *_: None
    )

    class Codes(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

        def save_authorization_code(self, code: str, asked: Any) -> None:
            said = asked.payload.data
            me.codes[code] = _Code(
                code, asked.payload.redirect_uri, asked.payload.scope, said.get("nonce"),
                said.get("code_challenge"), said.get("code_challenge_method"), dict(me.claims),
            )  # fmt: skip

        def query_authorization_code(self, code: str, _client: Any) -> _Code | None:
            return me.codes.get(code)

        def delete_authorization_code(self, code: _Code) -> None:
            me.codes.pop(code.code, None)

        def authenticate_user(self, code: _Code) -> dict[str, Any]:
            return code.claims

    class Tokens(OpenIDCode):
        def exists_nonce(self, _nonce: str, _request: Any) -> bool:
            return False

        def generate_user_info(self, user: dict[str, Any], _scope: str) -> UserInfo:
            return UserInfo(**user)

        def encode_id_token(self, token: dict[str, Any], asked: Any) -> str:
            now = int(time.time())
            claims = {
                "iss": me.url, "aud": CLIENT, "iat": now, "exp": now + 300,
                "nonce": asked.authorization_code.get_nonce(), **self.generate_user_info(asked.user, token["scope"]),
            }  # fmt: skip
            return me.token(claims) if me.forge is None else me.forge(claims, me)

    server.register_grant(Codes, [Tokens(require_nonce=True), CodeChallenge(required=True)])

    @app.get("/.well-known/openid-configuration")
    def description() -> Any:
        me.asked.append("description")
        time.sleep(me.slow_s)
        return jsonify(
            {
                "issuer": me.url, "authorization_endpoint": f"{me.url}/authorize",
                "token_endpoint": f"{me.url}/token", "jwks_uri": f"{me.url}/keys",
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True, **me.described,
            }
        )  # fmt: skip

    @app.get("/keys")
    def keys() -> Any:
        me.asked.append("keys")
        return jsonify({"keys": [*me.listed, me.key.as_dict(private=False)]})

    @app.get("/authorize")
    def authorize() -> Any:
        answer = server.create_authorization_response(
            grant_user=me.claims, grant=server.get_consent_grant(end_user=me.claims)
        )
        if "Location" in answer.headers:
            answer.headers["Location"] += f"&iss={me.answers_as or me.url}"
        return answer

    @app.post("/token")
    def token() -> Any:
        me.asked.append(f"token {request.headers.get('Authorization', '')[:5]}")
        return server.create_token_response()

    return app


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def provider_running() -> Iterator[IdentityProvider]:
    """A provider on a port of this machine."""
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIServer

    class Threads(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    me = IdentityProvider()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # plain HTTP, on this machine
        server = make_server("127.0.0.1", 0, _application(me), Threads, _Quiet)
        me.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield me
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


__all__ = ["CLIENT", "SECRET", "IdentityProvider", "provider_running"]

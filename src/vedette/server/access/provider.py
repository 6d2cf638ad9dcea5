"""An identity provider: who somebody is by its ID token (OpenID Connect Core 1.0, authorization code with PKCE, RFC 7636).

What the provider is asked goes over a client with limits of time and size, that follows no redirect and checks
certificates. At most :data:`AT_ONCE` requests wait for it: where it hangs, others are told so at once, and whoever logs in
by a password finds a thread free.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from vedette.config.provider import ProviderSettings, is_secure_url
from vedette.errors import ChannelError, ProviderError
from vedette.output.channels.guarded import Answer, Reach, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joserfc.jwk import Key

__all__ = ["ALGORITHMS", "Identity", "Provider"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures that are taken: by keys of which the provider alone has the private half. Neither ``none`` nor HS256 is one."""

AT_ONCE = 4
_TIMEOUT_S = 5.0
_BYTES_MAX = 256 << 10
_LEEWAY_S = 60  # between the provider's clock and ours
_KEPT_S = 600.0
_AGAIN_S = 10.0  # at most so often it is asked again: for keys that are not known, and after it failed
_SUBJECT_MAX = 255  # OpenID Connect Core 1.0, section 2


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as the provider knows them: ``subject`` is unique and for good at ``issuer``; ``claims`` are all that it says."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]

    @property
    def verified_email(self) -> str | None:
        """The mail address, where the provider says that it checked it."""
        email = self.claims.get("email")
        return email if isinstance(email, str) and self.claims.get("email_verified") is True else None

    def values(self, claim: str) -> frozenset[str]:
        """The texts of a claim, one or a list.

        >>> sorted(Identity("https://a", "1", {"groups": ["ops", "dev"]}).values("groups"))
        ['dev', 'ops']
        """
        held = self.claims.get(claim)
        return frozenset(one for one in (held if isinstance(held, list) else [held]) if isinstance(one, str))


@dataclass(frozen=True, slots=True)
class _Described:
    """What the provider says of itself, and when it was asked."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    posts_secret: bool
    names_itself: bool
    asked: float


class Provider:
    """The provider of a server. What it says of itself is kept for ten minutes."""

    def __init__(self, settings: ProviderSettings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._clock = clock
        self._turn = threading.BoundedSemaphore(AT_ONCE)
        self._described: _Described | None = None
        self._keys: tuple[KeySet, float] | None = None
        self._failed: tuple[float, str] | None = None

    def address(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where a browser goes to log in. Raises ``ProviderError`` where the provider does not answer."""
        with self._asking():
            described = self._description()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code", "client_id": self.settings.client_id, "redirect_uri": redirect_uri,
            "scope": " ".join(("openid", *self.settings.scopes)), "state": state, "nonce": nonce,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        endpoint = described.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def check_issuer(self, said: str) -> None:
        """Raise ``ProviderError`` where an answer says that it is another's (RFC 9207): ``said`` is its ``iss``, or empty."""
        with self._asking():
            described = self._description()
        if said != self.settings.issuer and (said or described.names_itself):
            raise ProviderError("the answer is not from the provider that was asked: begin again")

    def identity(self, code: str, *, redirect_uri: str, verifier: str, nonce: str) -> Identity:
        """Who logged in, by a code that the provider gave. Raises ``ProviderError``, without a secret in it."""
        with self._asking():
            text = self._token(self._description(), code, redirect_uri, verifier)
            claims = self._checked(text)
        if claims.get("nonce") != nonce:
            raise ProviderError("the ID token is not of this login: begin again")
        audience = claims["aud"]
        shared = (isinstance(audience, list) and len(audience) > 1) or "azp" in claims
        if shared and claims.get("azp") != self.settings.client_id:
            raise ProviderError("the ID token was made for another client")
        subject = claims["sub"]
        if not subject or len(subject) > _SUBJECT_MAX or not subject.isprintable():
            raise ProviderError(
                f"the ID token names nobody: sub must have 1 to {_SUBJECT_MAX} printable characters"
            )
        return Identity(self.settings.issuer, subject, claims)

    def _token(self, described: _Described, code: str, redirect_uri: str, verifier: str) -> str:
        """The ID token for a code."""
        secret, me = self.settings.client_secret(), self.settings.client_id
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }  # fmt: skip
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if secret is None or described.posts_secret:
            form |= {"client_id": me} | ({} if secret is None else {"client_secret": secret})
        else:  # RFC 6749, section 2.3.1: both are encoded first; %20, since not all read a blank in a plus sign
            pair = f"{quote(me, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = _ask(described.token_endpoint, urlencode(form).encode(), headers)
        if answer.code in (400, 401):
            said = _object(answer.content).get("error")
            raise ProviderError(f"the provider did not take the code: {_word(said)}: begin again")
        found = _object(_good(answer).content).get("id_token")
        if not isinstance(found, str):
            raise ProviderError("the provider gave no ID token")
        return found

    def _checked(self, text: str) -> dict[str, Any]:
        """The claims of an ID token whose signature, issuer, audience and times are right."""
        for again in (False, True):
            try:
                token = jwt.decode(text, self._key_set(again=again), algorithms=list(ALGORITHMS))
                break
            except (JoseError, ValueError) as error:
                if again or not self._may_ask_again():  # a key that is new there is not known here yet
                    raise ProviderError(
                        f"the ID token is not signed as it must be ({_kind(error)})"
                    ) from None
        rules = jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock()), leeway=_LEEWAY_S,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            sub={"essential": True}, exp={"essential": True}, iat={"essential": True}, nonce={"essential": True},
        )  # fmt: skip
        try:
            rules.validate(token.claims)
        except JoseError as error:
            claim = getattr(error, "claim", "") or "a claim"
            raise ProviderError(f"the ID token does not hold: {_word(claim)} ({_kind(error)})") from None
        return dict(token.claims)

    def _may_ask_again(self) -> bool:
        return self._keys is not None and self._clock() - self._keys[1] >= _AGAIN_S

    def _key_set(self, *, again: bool) -> KeySet:
        """The public keys that the provider signs with; others that it lists are passed over."""
        kept = self._keys
        if kept is not None and not again and self._clock() - kept[1] < _KEPT_S:
            return kept[0]
        listed = _object(_good(_ask(self._description().jwks_uri)).content).get("keys")
        readable = [
            key for one in (listed if isinstance(listed, list) else []) if (key := _key(one)) is not None
        ]
        if not readable:
            raise ProviderError("the provider lists no key for signatures that can be read")
        found = KeySet(readable)
        self._keys = (found, self._clock())
        return found

    def _description(self) -> _Described:
        """What the provider says of itself."""
        kept = self._described
        if kept is not None and self._clock() - kept.asked < _KEPT_S:
            return kept
        if self._failed is not None and self._clock() - self._failed[0] < _AGAIN_S:
            raise ProviderError(self._failed[1])
        try:
            found = self._discovered()
        except ProviderError as error:
            self._failed = (self._clock(), str(error))
            raise
        self._described, self._failed = found, None
        return found

    def _discovered(self) -> _Described:
        """OpenID Connect Discovery 1.0: the document must say the issuer that was asked."""
        issuer = self.settings.issuer
        said = _object(_good(_ask(issuer.rstrip("/") + "/.well-known/openid-configuration")).content)
        if said.get("issuer") != issuer:
            raise ProviderError(
                f"the provider says that it is another issuer than {issuer}: must be the same, to the last character"
            )
        places = [said.get(key) for key in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if not all(isinstance(one, str) and is_secure_url(one) for one in places):
            raise ProviderError("the provider's addresses: must be https:// ones")
        methods = said.get("code_challenge_methods_supported", ["S256"])
        if not isinstance(methods, list) or "S256" not in methods:
            raise ProviderError("the provider does not know PKCE with S256")
        ways = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return _Described(
            str(places[0]), str(places[1]), str(places[2]),
            posts_secret=isinstance(ways, list) and "client_secret_basic" not in ways,
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
            asked=self._clock(),
        )  # fmt: skip

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """A turn to ask the provider; who finds none is not kept waiting."""
        if not self._turn.acquire(blocking=False):
            raise ProviderError("the provider is slow, and others wait for it: try again in a minute")
        try:
            yield
        finally:
            self._turn.release()


def _key(said: object) -> Key | None:
    """A key for signatures; None for one that is for another use or cannot be read (RFC 7517, section 5)."""
    if not isinstance(said, dict) or said.get("use", "sig") != "sig" or said.get("kty") not in ("RSA", "EC"):
        return None
    try:
        key = RSAKey.import_key(said) if said["kty"] == "RSA" else ECKey.import_key(said)
        key.ensure_kid()
    except (JoseError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return None  # a curve or a form of a later day: the keys beside it hold all the same
    return key


def _ask(url: str, content: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    try:
        answer = request(
            url, content, headers or {"Accept": "application/json"}, timeout_s=_TIMEOUT_S, reach=Reach(),
            method="GET" if content is None else "POST", size_max=_BYTES_MAX + 1,
        )  # fmt: skip
    except ChannelError as error:
        raise ProviderError(f"the provider does not answer: {error}") from None
    if len(answer.content) > _BYTES_MAX:
        raise ProviderError(f"the provider answered with more than {_BYTES_MAX} bytes")
    return answer


def _good(answer: Answer) -> Answer:
    if not answer.taken:
        raise ProviderError(f"the provider answered {answer.said}")
    return answer


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProviderError("the provider did not answer with a JSON object")
    return found


def _word(said: object) -> str:
    """A word of the provider's that is as short and plain as the standards' are."""
    plain = isinstance(said, str) and len(said) <= 40 and said.replace("_", "").isalnum() and said.isascii()
    return str(said) if plain else "it gave no reason"


def _kind(error: Exception) -> str:
    return _word(getattr(error, "error", "")) if isinstance(error, JoseError) else type(error).__name__

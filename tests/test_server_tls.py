"""``vedette serve`` with TLS of its own: a certificate of a real authority, and clients that check it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")
import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.test_server_serve import command, serving


class Served(NamedTuple):
    """A server under TLS: its port, the authority that signed its certificate, and the first admin's password."""

    port: int
    authority: Path
    password: str


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate_at(folder: Path) -> tuple[Path, Path, Path]:
    """An authority, and a certificate of it for this machine, good for an hour: the authority's, the chain and the key."""
    now = dt.datetime.now(dt.UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def signed(subject: str, of: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        made = (
            x509.CertificateBuilder()
            .subject_name(_name(subject)).issuer_name(_name("authority")).public_key(of.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5)).not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(of.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )  # fmt: skip
        if authority:
            usage = x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            )  # fmt: skip
            made = made.add_extension(usage, critical=True)
        else:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
            made = made.add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
        return made.sign(authority_key, hashes.SHA256())

    paths = folder / "authority.pem", folder / "chain.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    paths[0].write_bytes(signed("authority", authority_key, authority=True).public_bytes(pem))
    paths[1].write_bytes(signed("vedette", key, authority=False).public_bytes(pem))
    paths[2].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that others reach: it has an admin and TLS, and so needs no other word."""
    folder = tmp_path_factory.mktemp("tls")
    authority, chain, key = certificate_at(folder)
    given = command("users", "add", "ann", "--role", "admin", "--json", lake=folder / "lake")
    password = json.loads(given.stdout)["password"]
    options = ("--host", "0.0.0.0", "--tls-cert", str(chain), "--tls-key", str(key))
    with serving(folder / "lake", *options) as (_, url):
        assert url.startswith("https://")
        yield Served(int(url.rpartition(":")[2]), authority, password)


def client(served: Served, name: str = "localhost") -> httpx.Client:
    """A client that believes the authority, and checks the name."""
    context = ssl.create_default_context(cafile=served.authority)
    return httpx.Client(verify=context, base_url=f"https://{name}:{served.port}", timeout=30)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_who_believes_the_authority_is_served(name: str, served: Served) -> None:
    """By the names of the certificate; and browsers are told to come by TLS from then on."""
    with client(served, name) as browser:
        answer = browser.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


def test_a_login_gets_cookies_that_leave_by_tls_only(served: Served) -> None:
    """``__Host-`` and ``Secure``; they let in, and a page of plain HTTP's origin is another site's."""
    with client(served) as browser:
        given = {"name": "ann", "password": served.password}
        mine = {"Origin": f"https://localhost:{served.port}"}
        forged = browser.post("/v1/login", json=given, headers={"Origin": f"http://localhost:{served.port}"})
        answer = browser.post("/v1/login", json=given, headers=mine)
        cookies = answer.headers.get_list("set-cookie")
        assert (forged.status_code, answer.status_code) == (403, 200)
        assert sorted(re.match(r"[^=]+", one)[0] for one in cookies) == [
            "__Host-vedette-device", "__Host-vedette-session",
        ]  # fmt: skip
        assert all("; Secure" in one and "; HttpOnly" in one for one in cookies)
        assert browser.get("/v1/me").json()["name"] == "user:ann"


def test_who_does_not_know_the_authority_or_the_name_speaks_to_nobody(served: Served) -> None:
    """A client with the system's authorities, and one that calls it by a name that the certificate has not."""
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"https://localhost:{served.port}/health")
    context = ssl.create_default_context(cafile=served.authority)
    with (
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as raw,
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
    ):
        context.wrap_socket(raw, server_hostname="vedette.example.org")


@pytest.mark.parametrize(
    ("version", "spoken"),
    [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)],
)
def test_only_tls_of_today_is_spoken(version: str, spoken: bool, served: Served) -> None:
    """1.2 and 1.3; older ones are refused by the server, to a client that would take them."""
    context = ssl.create_default_context(cafile=served.authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of the old ones
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as raw:
        if spoken:
            with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
                assert wrapped.version() == version.replace("_", ".")
            return
        with pytest.raises(ssl.SSLError, match=r"(?i)alert protocol version|EOF occurred"):
            context.wrap_socket(raw, server_hostname="localhost")


def test_plain_http_gets_no_answer(served: Served) -> None:
    """Nothing is served without TLS on that port."""
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://localhost:{served.port}/health", timeout=10)

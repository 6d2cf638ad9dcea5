"""Apprise's services of docs/alerts.md: each URL is taken, and what is sent comes to who stands in for the service."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import re
import shutil
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.receivers import alert, notice
from vedette.config import ChannelSettings
from vedette.output.channels import channel
from vedette.records import Attachment, Notice

apprise = pytest.importorskip("apprise", reason="the extra 'apprise' is not installed")

DOCS = Path(__file__).parent.parent / "docs" / "alerts.md"
URLS = dict(re.findall(r"^\| (\w[^|]*?) \| `(\w+://[^`]+)` \|", DOCS.read_text("utf-8"), re.MULTILINE))
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTS = {  # where the service lives, and what it answers with when it has taken a notice
    "Slack": ("hooks.slack.com", "ok"),
    "Teams": ("prod-01.westus.logic.azure.com", ""),
    "PagerDuty": ("events.pagerduty.com", '{"status": "success"}'),
    "DingTalk": ("oapi.dingtalk.com", '{"errcode": 0}'),
    "WeCom": ("qyapi.weixin.qq.com", '{"errcode": 0, "errmsg": "ok"}'),
    "Feishu": ("open.feishu.cn", '{"code": 0, "StatusCode": 0, "msg": "success"}'),
}


def told() -> Notice:
    pictures = (Attachment("a1.svg", "image/svg+xml", b"<svg/>"), Attachment("a1.png", "image/png", PNG))
    return replace(notice(alert()), url="https://v.example.org", pictures=pictures)


@dataclass
class Service:
    """A proxy that ends TLS in the place of every host: what was posted, by host."""

    port: int = 0
    answer: bytes = b"ok"
    status: str = "200 OK"
    got: list[tuple[str, str, bytes]] = field(default_factory=list)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the hosts of the services, which the sender is made to trust."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    path = tmp_path_factory.mktemp("certificate") / "all.pem"
    names = ",".join(f"DNS:{host}" for host, _ in HOSTS.values())
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", path, "-out", f"{path}.crt", "-subj", "/CN=services", "-addext", f"subjectAltName={names}"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@contextmanager
def standing_in(certificate: Path) -> Iterator[Service]:
    made = Service()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            host = self.rfile.readline().split()[1].decode().partition(":")[0]
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with (
                context.wrap_socket(self.connection, server_side=True) as secure,
                secure.makefile("rwb") as stream,
            ):
                path = stream.readline().split()[1].decode()
                headers = email.message_from_bytes(b"".join(iter(stream.readline, b"\r\n")))
                made.got.append((host, path, stream.read(int(headers["Content-Length"] or 0))))
                size = f"Content-Length: {len(made.answer)}\r\nConnection: close\r\n\r\n"
                stream.write(f"HTTP/1.1 {made.status}\r\n{size}".encode() + made.answer)
                stream.flush()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def test_every_service_that_the_page_shows_is_tried() -> None:
    """What is documented is below, and Apprise takes each URL as it stands there."""
    assert set(URLS) == {*HOSTS, "mail", "Slack, with the picture"}
    for name, url in URLS.items():
        assert apprise.Apprise().add(url), name


@pytest.mark.parametrize("service", HOSTS)
def test_what_is_sent_has_verdict_evidence_and_link(
    service: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payload comes to the service's own host, under its certificate, by Apprise itself."""
    host, answer = HOSTS[service]
    with standing_in(certificate) as proxy:
        proxy.answer = answer.encode()
        proxy.status = "202 Accepted" if service in ("Teams", "PagerDuty") else "200 OK"
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"{certificate}.crt")
        made = channel(ChannelSettings("x", "apprise", own={"urls": [URLS[service]]}))
        assert made.send(told()).endswith(": taken")
    assert {one for one, _, _ in proxy.got} == {host}
    said = _text(json.loads(b"".join(content for _, _, content in proxy.got)))
    for part in (
        "ALARM x.location",
        "mean went from 0 to 1",
        "https://v.example.org/models/delays/alerts/a1",
    ):
        assert part in said


def _text(value: Any) -> str:
    """All text of a document, without the marks that a service's own way of writing puts before signs."""
    if isinstance(value, dict | list):
        return "\n".join(_text(one) for one in (value.values() if isinstance(value, dict) else value))
    return str(value).replace("\\", "").replace("&#x2F;", "/")


def test_a_mail_has_the_picture() -> None:
    """A real SMTP exchange: the text with link and evidence, and the PNG in the mail."""
    mails: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line.split()[0].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                    self.wfile.write(b"250 taken\r\n")
                elif word == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 here\r\n" if word in (b"EHLO", b"HELO") else b"250 yes\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        where = f"127.0.0.1:{server.server_address[1]}"
        url = f"mailto://{where}?smtp=127.0.0.1&from=vedette@example.org&to=team@example.org&mode=insecure&inline=yes&format=html"
        try:
            made = channel(ChannelSettings("x", "apprise", own={"urls": [url]}))
            assert made.send(told()) == "mailto: taken"
        finally:
            server.shutdown()
            thread.join()
    mail = email.message_from_bytes(mails[0], policy=email.policy.default)
    assert "ALARM x.location" in mail["Subject"]
    parts = {one.get_content_type(): one for one in mail.walk()}
    assert parts["image/png"].get_payload(decode=True) == PNG
    page = parts["text/html"].get_content()
    assert "https://v.example.org/models/delays/alerts/a1" in page.replace("&#x2F;", "/")
    if tuple(int(one) for one in apprise.__version__.split(".")[:1]) >= (2,):
        assert f"cid:{parts['image/png']['Content-ID'].strip('<>')}" in page

"""What a channel may reach: the address that was checked and no other, whatever a name or an answer says."""

from __future__ import annotations

import ipaddress
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.receivers import Receiver, notice, receiver
from vedette import config
from vedette.config import ChannelSettings
from vedette.errors import ChannelError, ConfigError
from vedette.output.channels import channel
from vedette.output.channels.guarded import Reach, request

PUBLIC = "93.184.215.14"


@pytest.fixture
def listening() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A resolver that gives these addresses, one list at a time and the last for good; what was looked up."""
    asked: list[str] = []
    left = list(answers)

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (one, port, 0, 0))
            if ":" in one
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def ask(url: str, reach: Reach) -> str:
    return request(url, b"{}", {}, timeout_s=2.0, reach=reach).said


@pytest.mark.parametrize(
    "place",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
     "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "::127.0.0.1", "2001:db8::1", "192.0.2.1"],
)  # fmt: skip
def test_a_public_channel_reaches_no_address_that_is_not(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback, private, shared, link-local, multicast and documentation, and IPv6 that stands for such an IPv4."""
    names(monkeypatch, [place])
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it was connected to"))
    with pytest.raises(ChannelError, match=r"^the host is ") as refused:
        ask("http://inside.example.org/x", Reach(public=True))
    assert place not in str(refused.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0", "2130706433", "0x7f000001", "017700000001", "127.1", "localhost", "[::1]"]
)
def test_no_way_to_write_this_machine_is_public(host: str) -> None:
    """By the system's own resolver: decimal, hexadecimal, octal and short forms mean what they mean to connect()."""
    with pytest.raises(ChannelError, match=r"^the host is |Name or service|not known"):
        ask(f"http://{host}:8080/", Reach(public=True))


def test_one_bad_address_among_good_ones_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means a public and a private address is a trick or a mistake."""
    names(monkeypatch, [PUBLIC, "127.0.0.1"])
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it was connected to"))
    with pytest.raises(ChannelError, match="not a public address"):
        ask("http://both.example.org/", Reach(public=True))


def test_the_connection_goes_to_the_address_that_was_checked(
    listening: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look-up would say another address (DNS rebinding): there is none, and the name stays in the header Host."""
    asked = names(monkeypatch, [PUBLIC], ["127.0.0.1"])
    connected: list[Any] = []
    real = socket.socket.connect

    def connect(self: socket.socket, place: Any) -> None:
        connected.append(place)
        real(self, ("127.0.0.1", listening.port))

    monkeypatch.setattr(socket.socket, "connect", connect)
    url = f"http://rebound.example.org:{listening.port}/hook?a=1"
    assert ask(url, Reach(public=True)) == "204 No Content"
    assert (asked, connected) == (["rebound.example.org"], [(PUBLIC, listening.port)])
    method, path, headers, _ = listening.got[0]
    assert (method, path) == ("POST", "/hook?a=1")
    assert headers["Host"] == f"rebound.example.org:{listening.port}"


def test_who_writes_the_file_reaches_this_machine_and_no_metadata(
    listening: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay on localhost is reached as ever; a link-local address is not, unless its network is named."""
    made = channel(ChannelSettings("w", "webhook", own={"url": listening.url}))
    assert made.send(notice()) == "204 No Content"
    names(monkeypatch, ["169.254.169.254"])
    with pytest.raises(ChannelError, match=r"169\.254\.169\.254\) is a link-local address, which no channel"):
        ask("http://metadata/latest", Reach())
    address = ipaddress.ip_address("169.254.169.254")
    assert Reach(allow=("metadata",)).refusal("metadata", address, 80) is not None
    assert Reach(allow=("169.254.0.0/16",)).refusal("metadata", address, 80) is None


def test_an_allow_list_is_all_that_is_reached(listening: Receiver) -> None:
    """Of who writes the file it narrows, of a public channel it widens; hosts by name, networks by address."""
    own = {"url": listening.url, "allow": ["alerts.example.org", "10.0.0.0/8"]}
    with pytest.raises(ChannelError, match=r"127\.0\.0\.1 \(127\.0\.0\.1\) is not among what allow names"):
        channel(ChannelSettings("w", "webhook", own=own)).send(notice())
    own["allow"] = ["127.0.0.0/8"]
    assert channel(ChannelSettings("w", "webhook", own=own)).send(notice()) == "204 No Content"
    assert channel(ChannelSettings("w", "webhook", own=own, public=True)).send(notice()) == "204 No Content"
    del own["allow"]
    with pytest.raises(ChannelError, match="the host is not a public address"):
        channel(ChannelSettings("w", "webhook", own=own, public=True)).send(notice())


@pytest.mark.parametrize(
    ("port", "right"), [(80, True), (443, True), (8443, True), (22, False), (25, False), (111, False)]
)
def test_a_public_channel_reaches_ports_of_the_web(port: int, right: bool) -> None:
    """Mail, shells and the like are no webhooks."""
    assert (Reach(public=True).refusal("x", ipaddress.ip_address(PUBLIC), port) is None) is right


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.org/x", "http://", "example.org"]
)
def test_nothing_but_http_is_spoken(url: str) -> None:
    """Other schemes are refused before anything is looked up."""
    with pytest.raises(ChannelError, match="must begin with https:// or http://"):
        ask(url, Reach())


@pytest.mark.parametrize("kind", ["command", "terminal"])
def test_what_cannot_be_checked_is_not_for_public_channels(kind: str) -> None:
    """A program belongs into the file of who owns the machine; of Apprise that is who sets the variable that it is named by."""
    with pytest.raises(ChannelError, match=rf"type='{kind}': what it reaches cannot be checked"):
        channel(ChannelSettings("x", kind, own={}, public=True))


def test_a_public_channel_goes_by_no_proxy(listening: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy looks names up by itself, and reaches what it likes; who writes the file may have one."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listening.port}")
    with pytest.raises(ChannelError, match="not a public address"):
        ask("http://127.0.0.2/x", Reach(public=True))
    assert listening.got == []
    assert ask("http://nosuch.example.org/x", Reach()) == "204 No Content"
    assert listening.got[0][1] == "http://nosuch.example.org/x"


def test_what_was_answered_is_in_no_message(listening: Receiver) -> None:
    """Neither the body nor the words that a server puts beside its status."""
    listening.answers = [(500, {"X-Secret": "inside"})]
    made = channel(ChannelSettings("w", "webhook", own={"url": listening.url}))
    with pytest.raises(ChannelError, match=r"^answered 500 Internal Server Error$"):
        made.send(notice())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("allow = []", r"allow=\[\]: must be a list of hosts and networks"),
        ("allow = ['10.0.0.1/8']", "allow='10.0.0.1/8': must be a host"),
        ("allow = ['https://x']", "allow='https://x': must be a host"),
    ],
)
def test_an_allow_list_that_cannot_be_meant_is_refused(
    line: str, message: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the file is read; so are those of a server."""
    path = tmp_path / "vedette.toml"
    path.write_text(f"[channels.a]\ntype = 'alertmanager'\nurl = 'http://am:9093'\n{line}")
    with pytest.raises(ConfigError, match=message):
        config.read(path)
    path.write_text(f"[server]\nchannels_{line}")
    with pytest.raises(ConfigError, match=f"channels_{message}"):
        config.read(path)


def test_the_certificate_is_of_the_name_and_not_of_the_address(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS to a pinned address the name that was asked for is checked: another one at the same address is refused."""
    pytest.importorskip("psutil", reason="what serves TLS needs it")
    from tests.servers import CERTIFICATE

    path = tmp_path / "both.pem"
    path.write_text(CERTIFICATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    said = b"HTTP/1.1 204 No Content\r\n\r\n"

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                with context.wrap_socket(self.request, server_side=True) as secure:
                    got = b""
                    while not got.endswith(b"{}") and (
                        more := secure.recv(65536)
                    ):  # what is left unread is a reset
                        got += more
                    secure.sendall(said)
            except OSError:
                pass  # the client refused the certificate, as it should

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            port = server.server_address[1]
            assert ask(f"https://localhost:{port}/", Reach()) == "204 No Content"
            names(monkeypatch, ["127.0.0.1"])
            with pytest.raises(ChannelError, match=r"(?i)certificate"):
                ask(f"https://hooks.example.org:{port}/", Reach())
        finally:
            server.shutdown()
            thread.join()

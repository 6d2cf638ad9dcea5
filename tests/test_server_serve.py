"""``vedette serve`` and ``vedette users`` as a person runs them: real processes over a real lake."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")

from vedette.lake.locks import held
from vedette.server.serve import check_binding
from vedette.server.settings import Settings


def command(*given: str, lake: Path, **more: object) -> subprocess.CompletedProcess[str]:
    """A command of vedette, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "vedette", *given, "--lake", str(lake)],
        capture_output=True, text=True, timeout=60, cwd=lake.parent, **more,
    )  # fmt: skip


@contextmanager
def serving(lake: Path, *given: str, name: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that runs, and where; what it says is in the files ``out`` and ``err``, with its name behind."""
    out, err = lake.parent / f"out{name}", lake.parent / f"err{name}"
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "vedette", "serve", "--port", "0", "--lake", str(lake), "--log-json", *given],
            stdout=stdout, stderr=stderr, cwd=lake.parent,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"listening on (https?://\S+?)\"", err.read_text())):
            assert process.poll() is None, err.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def get(url: str, key: str | None = None) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(url, headers={} if key is None else {"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_server_lives_from_its_first_start_to_its_end(tmp_path: Path) -> None:
    """The password is shown once; health needs no login; it becomes ready; a key from the console works and is revoked
    at once; rows come in; SIGTERM ends it and its ingester, with 0."""
    lake = tmp_path / "lake"
    with serving(lake) as (process, url):
        password = re.search(r"password (\S+)", (tmp_path / "out").read_text())
        assert password is not None
        assert get(f"{url}/health") == (200, {"status": "ok"})
        deadline = time.monotonic() + 60
        while get(f"{url}/ready")[0] != 200:
            assert time.monotonic() < deadline, get(f"{url}/ready")
            time.sleep(0.1)
        assert get(f"{url}/v1/me")[0] == 401
        added = json.loads(
            command("users", "keys", "add", "k", "--scope", "read", "--json", lake=lake).stdout
        )
        assert get(f"{url}/v1/me", added["key"])[0] == 200
        assert command("users", "keys", "revoke", added["id"], lake=lake).returncode == 0
        assert get(f"{url}/v1/me", added["key"])[0] == 401
        follower = (
            int((lake / ".journal" / ".follow.lock").read_text()) if (lake / ".journal").is_dir() else 0
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    log = [json.loads(line) for line in (tmp_path / "err").read_text().splitlines()]
    assert log[-1]["message"] == "ended"
    assert password[1] not in (tmp_path / "err").read_text()
    assert added["key"] not in (tmp_path / "err").read_text()
    if follower:
        with pytest.raises(ProcessLookupError):
            os.kill(follower, 0)
    with serving(lake) as (_, _url):
        assert (tmp_path / "out").read_text() == ""  # once


def follower_of(lake: Path, *, other_than: int = 0) -> int:
    """The process that follows a lake, once there is one."""
    path = lake / ".journal" / ".follow.lock"
    deadline = time.monotonic() + 60
    while True:
        found = int(path.read_text() or 0) if path.is_file() and held(path) else 0
        if found not in (0, other_than):
            return found
        assert time.monotonic() < deadline
        time.sleep(0.05)


def gone(process: int, within_s: float = 30.0) -> bool:
    """Whether a process ends in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_server_that_is_killed_leaves_no_ingester(tmp_path: Path) -> None:
    """Its ingester, which lets it have the processors first, ends with it; the next server has one of its own, and leaves none
    behind either."""
    lake = tmp_path / "lake"
    with serving(lake) as (process, _):
        first = follower_of(lake)
        assert os.getpriority(os.PRIO_PROCESS, first) == os.getpriority(os.PRIO_PROCESS, process.pid) + 10
        process.kill()
        process.wait(60)
        with serving(lake, name="2") as (_, url):
            second = follower_of(lake, other_than=first)
            assert get(f"{url}/ready")[0] == 200
    assert gone(first)
    assert gone(second)


def test_two_servers_share_a_lake(tmp_path: Path) -> None:
    """The second says that there is another; both answer for the same users and rows; one ingester serves both, and when the
    one that has it ends, the other goes on with its own."""
    lake = tmp_path / "lake"
    with serving(lake, name="2") as (one, url):
        first = follower_of(lake)
        key = json.loads(
            command("users", "keys", "add", "k", "--scope", "read", "--scope", "ingest", "--json", lake=lake).stdout
        )["key"]  # fmt: skip
        with serving(lake) as (other, second_url):
            assert "another server takes rows of this lake" in (tmp_path / "err").read_text()
            row = json.dumps({"features": {"a": 1.5}, "prediction": 1}).encode()
            for each in (url, second_url):
                headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
                request = urllib.request.Request(f"{each}/v1/models/net/predictions", row, headers)
                with urllib.request.urlopen(request, timeout=30) as answer:
                    assert json.load(answer)["rows"] == 1
            one.send_signal(signal.SIGTERM)
            assert one.wait(60) == 0
            second = follower_of(lake, other_than=first)
            figures = get(f"{second_url}/v1/models/net/figures?metric=rows", key)[1]["figures"]
            assert sum(figure["value"] for figure in figures) == 2  # type: ignore[attr-defined]
            other.send_signal(signal.SIGTERM)
            assert other.wait(60) == 0
    assert gone(second)


def test_it_listens_for_others_only_with_an_admin_and_tls(tmp_path: Path) -> None:
    """An address that others reach is refused, with what lacks, until it was said in so many words."""
    refused = command("serve", "--host", "0.0.0.0", "--port", "0", lake=tmp_path / "lake")
    assert refused.returncode == 70
    assert re.search(r"an admin .* and TLS .*--insecure", refused.stderr)
    assert refused.stdout == ""
    command("users", "add", "root", "--role", "admin", lake=tmp_path / "lake")
    refused = command("serve", "--host", "0.0.0.0", "--port", "0", lake=tmp_path / "lake")
    assert "TLS" in refused.stderr
    assert "an admin" not in refused.stderr
    with serving(tmp_path / "lake", "--host", "0.0.0.0", "--insecure") as (_, url):
        assert get(f"{url.replace('0.0.0.0', '127.0.0.1')}/health")[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_this_machine_may_always_ask(host: str) -> None:
    """A loopback address needs neither."""
    check_binding(Settings(host=host), access=None)  # type: ignore[arg-type]


def test_users_are_kept_from_the_console(tmp_path: Path) -> None:
    """Add, list, role, disable, password, keys and the log, each without the server, and checked."""
    lake = tmp_path / "lake"
    added = command("users", "add", "Ann", "--role", "viewer", "--role", "editor:delays", lake=lake)
    assert re.fullmatch(r"user ann: password \S{23}\n", added.stdout)
    given = command("users", "add", "bob", "--ask", "--role", "admin", lake=lake, input="a good long one\n")
    assert given.stdout == "user bob\n"
    assert command("users", "role", "ann", "viewer:churn", lake=lake).stdout == "user ann: viewer:churn\n"
    assert command("users", "disable", "ann", lake=lake).stdout == "user ann: disabled\n"
    listed = command("users", "list", lake=lake).stdout.splitlines()
    assert listed == ["ann  viewer:churn  disabled", "bob  admin"]
    assert "password" in command("users", "password", "ann", lake=lake).stdout
    told = command("users", "disable", "ghost", lake=lake).stderr.splitlines()
    assert told == [f"the users of {lake.resolve()}", "vedette: user 'ghost': there is none of that name"]
    key = command(
        "users", "keys", "add", "sender", "--scope", "ingest", "--model", "delays", lake=lake
    ).stdout.strip()
    assert re.fullmatch(r"vdt_[0-9a-f]{12}_\S{43}", key)
    assert key.split("_")[1] in command("users", "keys", "list", lake=lake).stdout
    log = json.loads(command("users", "audit", "--json", lake=lake).stdout)["entries"]
    assert [one["action"] for one in reversed(log)] == [
        "user.add", "user.add", "user.roles", "user.disable", "user.password", "key.add",
    ]  # fmt: skip
    assert command("users", "audit", "--verify", lake=lake).stdout == "6 entries hold\n"
    anchored = command("users", "audit", "--verify", "--anchor", f"7:{'0' * 64}", lake=lake)
    assert (anchored.returncode, anchored.stdout[:7]) == (1, "broken:")


def test_a_port_that_is_taken_is_said_and_is_a_failure(tmp_path: Path) -> None:
    """With the port, and the exit code of commands that failed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = command("serve", "--port", str(port), lake=tmp_path / "lake")
    assert ended.returncode == 70, ended.stderr
    assert f"did not start on 127.0.0.1:{port}" in ended.stderr
    assert "address already in use" in ended.stderr

"""A Monitor whose lake is a server, as a user holds it, and the command that ships."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from tests.servers import Refused, Running, end_senders, serve
from tests.test_sender_faults import free_port, journal_of, until
from vedette import config
from vedette.capture.shipping import shipping as shipping_module
from vedette.errors import ConfigError, IngestError, LakeError


@pytest.fixture(autouse=True)
def no_senders_left(tmp_path: Path) -> Iterator[None]:
    """Senders outlive their monitors, but not the tests."""
    yield
    shipping_module._all.clear()  # nothing of these journals is left to do when this process ends
    end_senders(tmp_path)


@pytest.fixture
def server() -> Iterator[Running]:
    """A server that takes everything."""
    with serve() as running:
        yield running


@pytest.fixture
def monitor(server: Running, tmp_path: Path) -> Iterator[vedette.Monitor]:
    """A monitor whose lake is the server."""
    made = vedette.Monitor("delays", version="3", lake=server.url, journal=tmp_path)
    yield made
    made.close()


def test_flush_returns_when_the_server_has_all(monitor: vedette.Monitor, server: Running) -> None:
    """Single rows, labels, batches and a reference are acknowledged when ``flush`` returns."""
    for i in range(500):
        monitor.log({"a": float(i)}, i % 2, probability=0.5, id=f"id{i}")
        monitor.label(f"id{i}", 1)
    monitor.reference(pl.DataFrame({"a": [float(i) for i in range(300)], "prediction": [0, 1] * 150}))
    monitor.log_many({"a": [1.0, 2.0], "prediction": [0, 1], "label": [1, 1]})
    monitor.label_many({"id": ["id1"], "label": [0]})
    monitor.flush(60)
    (batches,) = server.store.batches.values()
    assert (len(server.store.all_rows()), len(server.store.all_rows("labels"))) == (500, 500)
    assert [(stream, table.num_rows) for stream, _, table in batches] == [
        ("reference", 300), ("predictions", 2), ("labels", 2), ("labels", 1),
    ]  # fmt: skip


def test_a_large_batch_goes_out_in_pieces(
    monitor: vedette.Monitor, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with a limit to what it takes at a time is not sent a batch of any size; a reference stays whole."""
    monkeypatch.setattr("vedette.monitor._SHIPPED_ROWS_MAX", 1000)
    rows = pl.DataFrame({"a": [float(i) for i in range(2500)], "prediction": [0, 1] * 1250})
    monitor.reference(rows)
    assert monitor.log_many(rows) == 2500
    monitor.flush(60)
    (batches,) = server.store.batches.values()
    assert [table.num_rows for _, _, table in batches] == [2500, 1000, 1000, 500]


def test_a_batch_of_wide_rows_goes_out_in_pieces_of_eight_megabytes(
    monitor: vedette.Monitor, server: Running
) -> None:
    """Rows of 80,000 bytes go out a hundred at a time."""
    row = np.arange(10_000, dtype=np.float64)
    assert monitor.log_many({"v": np.tile(row, (250, 1)), "prediction": [1] * 250}) == 250
    monitor.flush(60)
    (batches,) = server.store.batches.values()
    assert [table.num_rows for _, _, table in batches] == [104, 104, 42]


def test_flush_says_what_the_server_refused(
    monitor: vedette.Monitor, server: Running, tmp_path: Path
) -> None:
    """Rows that were set aside are an error once, with the reason and the place; what follows is taken."""
    server.store.before = lambda got: (
        Refused(400, "no such feature") if "arrow" in got.headers.get("content-type", "") else None
    )
    monitor.log({"a": 1.0}, 1)
    monitor.log({"a": 2.0}, 1)
    with pytest.raises(
        IngestError, match=r"refused 2 rows: 400 no such feature; they are set aside in .*aside"
    ):
        monitor.flush(60)
    server.store.before = None
    monitor.log({"a": 3.0}, 1)
    monitor.flush(60)
    assert [row["a"] for row in server.store.all_rows()] == [3.0]


def test_flush_says_why_it_has_to_wait(tmp_path: Path) -> None:
    """Without a server, the error says so, and where the rows are."""
    monitor = vedette.Monitor("delays", lake=f"http://127.0.0.1:{free_port()}", journal=tmp_path)
    monitor.log({"a": 1.0}, 1)
    with pytest.raises(
        IngestError, match=r"within 1\.5 s: connection refused; it is kept in .*127\.0\.0\.1"
    ) as error:
        monitor.flush(1.5)
    assert str(journal_of(tmp_path)) in str(error.value)
    monitor.close()


def test_a_wrong_place_is_an_error_at_once(server: Running, tmp_path: Path) -> None:
    """404 is an address that is wrong: flush does not wait for it to become right."""
    monitor = vedette.Monitor("delays", lake=f"{server.url}/nowhere", journal=tmp_path)
    monitor.log({"a": 1.0}, 1)
    start = time.monotonic()
    with pytest.raises(IngestError, match="answered 404 no such path"):
        monitor.flush(60)
    assert time.monotonic() - start < 20
    monitor.close()


def test_a_path_in_front_is_kept(server: Running, tmp_path: Path) -> None:
    """A server behind a prefix is asked below it."""
    monitor = vedette.Monitor("delays", lake=f"{server.url}/some/where/", journal=tmp_path)
    monitor.log({"a": 1.0}, 1)
    with pytest.raises(IngestError):
        monitor.flush(60)
    assert {one.path for one in server.store.got} == {"/some/where/v1/ingest/delays/watermarks"}
    monitor.close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda m, _: m.figures(),
        lambda m, _: m.check(),
        lambda m, _: m.alerts(),
        lambda m, _: m.ledger(),
        lambda m, folder: m.report(folder / "x.html"),
    ],
)
def test_what_a_server_has_is_asked_there(
    monitor: vedette.Monitor, server: Running, tmp_path: Path, ask: Any
) -> None:
    """Calls that read the lake say that a server is to be asked; none is sent anything."""
    with pytest.raises(
        LakeError, match=r"lake='http://127\.0\.0\.1:\d+': is a server: what it has is asked there"
    ):
        ask(monitor, tmp_path)
    assert server.store.got == []


def test_the_token_is_nowhere_to_be_seen(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither files, nor the command line of the sender, nor errors hold the token."""
    monkeypatch.setenv("VEDETTE_TOKEN", "canary-4711")
    server.store.token = "another"
    monitor = vedette.Monitor("delays", lake=server.url, journal=tmp_path)
    monitor.log({"a": 1.0}, 1)
    with pytest.raises(IngestError) as error:
        monitor.flush(60)
    assert {one.headers["authorization"] for one in server.store.got} == {"Bearer canary-4711"}
    assert "canary" not in str(error.value)
    assert "canary" not in repr(monitor.__dict__)
    held = [path for path in tmp_path.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]
    assert held == []
    monitor.close()


# --- where the journal lies, and what is refused ---------------------------------------------------------------------


def test_the_journal_lies_where_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument wins over the environment, that over the file, that over the user's state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    url = "https://example.org:8470"
    places = [config.journal_folder(url, None, None)]
    places.append(config.journal_folder(url, None, str(tmp_path / "file")))
    monkeypatch.setenv("VEDETTE_JOURNAL", str(tmp_path / "environment"))
    places.append(config.journal_folder(url, None, str(tmp_path / "file")))
    places.append(config.journal_folder(url, tmp_path / "argument", str(tmp_path / "file")))
    names = ["state/vedette", "file", "environment", "argument"]
    assert [place.parent for place in places] == [tmp_path / name for name in names]
    digest = hashlib.sha256(url.encode()).hexdigest()
    assert {place.name for place in places} == {f"example.org-8470-{digest[:8]}"}


def test_each_server_has_a_journal_of_its_own(tmp_path: Path) -> None:
    """What was recorded for one server never goes to another that has the folder too."""
    urls = ("https://a.org", "http://a.org", "https://a.org/x", "https://a.org:8470", "https://b.org")
    assert len({config.journal_folder(url, tmp_path, None) for url in urls}) == len(urls)
    assert config.journal_folder("https://A.org/", tmp_path, None) != tmp_path


def test_without_a_home_the_journal_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no home folder the error says what to give."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("VEDETTE_JOURNAL", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError("nobody")))
    with pytest.raises(LakeError, match="give journal= or VEDETTE_JOURNAL"):
        config.journal_folder("https://example.org", None, None)


def test_a_journal_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file in the journal's place is named."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LakeError, match=r"journal='.*file.*': cannot be written"):
        vedette.Monitor("delays", lake="https://example.org", journal=tmp_path / "file")


def test_a_journal_beside_a_folder_lake_is_refused(tmp_path: Path) -> None:
    """A lake in a folder has its journal there."""
    with pytest.raises(ValueError, match="is for a lake behind a server"):
        vedette.Monitor("delays", lake=tmp_path / "lake", journal=tmp_path / "journal")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://", "must be like https://host:8470"),
        ("https://user:s3cret@example.org", "give the token by VEDETTE_TOKEN"),
        ("https://s3cret@example.org", "give the token by VEDETTE_TOKEN"),
        ("https://example.org/?token=s3cret", "must end with the path"),
        ("https://example.org/#s3cret", "must end with the path"),
        ("https://example.org:99999", "must be like https://host:8470"),
        ("https://exa mple.org", "must be like https://host:8470"),
    ],
)
def test_a_url_that_is_none_is_refused_without_its_secrets(url: str, said: str, tmp_path: Path) -> None:
    """The error says what a URL must be, and shows no password and no token."""
    with pytest.raises(LakeError, match=said) as error:
        vedette.Monitor("delays", lake=url, journal=tmp_path)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server = 3", "server=3: must be a table"),
        ("[server]\ntoken = 's3cret'", "unknown key 'token': must be one of .*token_env, token_file"),
        ("[server]\ntoken_env = 's3cret-token'", "token_env: must be the name of an environment variable"),
        ("[server]\ntoken_env = 'A'\ntoken_file = 'b'", "token_env and token_file are both given"),
        ("[server]\ntoken_file = ''", "token_file: must be the path of a file"),
        ("[server]\ntimeout_s = 0", "timeout_s=0: must lie between 0.1 and 600 seconds"),
        ("[server]\nconnect_timeout_s = true", "connect_timeout_s=True: must lie between"),
        ("journal = 3", "journal=3: must be text"),
    ],
)
def test_what_the_file_says_of_a_server_is_checked(tmp_path: Path, text: str, said: str) -> None:
    """Keys of the table ``[server]`` that are unknown or impossible are refused, and no token is shown."""
    path = tmp_path / "vedette.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        config.read(path)
    assert "s3cret" not in str(error.value)


def test_a_token_is_read_from_where_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a variable, or a file beside the configuration, without the line's end; $VEDETTE_TOKEN by default."""
    path = tmp_path / "vedette.toml"
    monkeypatch.setenv("VEDETTE_TOKEN", "one")
    monkeypatch.setenv("OTHER", "two")
    (tmp_path / "token").write_text("three\n")
    found = []
    for text in (
        "",
        "[server]\ntoken_env = 'OTHER'",
        "[server]\ntoken_file = 'token'",
        "[server]\ntoken_env = 'NONE'",
    ):
        path.write_text(text)
        found.append(config.read(path).server.token())
    assert found == ["one", "two", "three", None]
    assert "token" not in repr(config.read(path).server).replace("token_env", "")


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", "ü".encode()])
def test_a_file_that_holds_no_token_is_an_error(tmp_path: Path, content: bytes) -> None:
    """What cannot stand in a header is refused with the file's name, and not shown."""
    (tmp_path / "token").write_bytes(content)
    settings = config.ServerSettings(token_file=tmp_path / "token")
    with pytest.raises(ConfigError, match=r"token_file .*token: (holds no token|cannot be read)") as error:
        settings.token()
    assert "two words" not in str(error.value)


# --- the command -----------------------------------------------------------------------------------------------------


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VEDETTE_")}
    return subprocess.run(
        [sys.executable, "-m", "vedette", *arguments],
        capture_output=True, text=True, check=False, env={**kept, "COLUMNS": "200", **more}, timeout=60,
    )  # fmt: skip


def leave_rows(url: str, journal: Path, n: int) -> None:
    """Rows in a journal, and no sender."""
    from vedette.capture import Recorder
    from vedette.records import Settings

    recorder = Recorder(config.journal_folder(url, journal, None), "delays", "1", Settings())
    for i in range(n):
        recorder.log({"a": float(i)}, 1)
    recorder.close()


def test_ship_brings_what_there_is(server: Running, tmp_path: Path) -> None:
    """``vedette ship`` says how many rows went out, as text and as JSON, and needs no numpy for it."""
    leave_rows(server.url, tmp_path, 10)
    done = run("ship", "--lake", server.url, "--journal", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "10 rows shipped\n", "")
    leave_rows(server.url, tmp_path, 5)
    done = run("ship", "--json", "--once", VEDETTE_LAKE=server.url, VEDETTE_JOURNAL=str(tmp_path))
    assert json.loads(done.stdout) == {"shipped": {"rows": 5, "torn": 0, "void": 0, "set_aside": 0}}
    assert len(server.store.all_rows()) == 15


def test_ship_says_why_not(server: Running, tmp_path: Path) -> None:
    """Exit 70 with the reason where the server fails; 64 where the lake is none."""
    server.store.before = lambda _: Refused(503, "closed today")
    leave_rows(server.url, tmp_path, 10)
    done = run("ship", "--lake", server.url, "--journal", str(tmp_path))
    assert (done.returncode, done.stdout) == (70, "")
    assert "answered 503 closed today; what is not acknowledged is still in" in done.stderr
    done = run("ship", "--lake", "./lake")
    assert (done.returncode, "must be the URL of a server" in done.stderr) == (64, True)
    done = run("ship", "--lake", "https://example.org", "--journal", str(tmp_path))
    assert (done.returncode, "no such folder: nothing was recorded" in done.stderr) == (70, True)


def test_ship_follows_until_it_is_told_to_end(server: Running, tmp_path: Path) -> None:
    """``--follow`` ships what comes, keeps another follower out, and ends at SIGTERM."""
    leave_rows(server.url, tmp_path, 3)
    command = ["ship", "--follow", "--lake", server.url, "--journal", str(tmp_path)]
    process = subprocess.Popen([sys.executable, "-m", "vedette", *command])
    until(lambda: len(server.store.all_rows()) == 3)
    leave_rows(server.url, tmp_path, 4)
    until(lambda: len(server.store.all_rows()) == 7)
    assert "another process ships it" in run(*command).stderr
    leave_rows(server.url, tmp_path, 2)
    done = run("ship", "--lake", server.url, "--journal", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "another process ships it: all is acknowledged\n")
    assert len(server.store.all_rows()) == 9
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_commands_that_read_a_lake_say_that_a_server_is_asked(server: Running) -> None:
    """``vedette check`` on a URL is an error that says what to do."""
    done = run("check", "delays", "--lake", server.url)
    assert (done.returncode, "is a server: what it has is asked there" in done.stderr) == (70, True)

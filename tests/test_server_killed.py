"""A server that is killed while it tells: what it sent and could not write down comes again once, with its key."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")

from tests.receivers import Receiver, alert, receiver
from tests.test_server_serve import serving
from vedette.engine import alerts, outbox, requests
from vedette.lake.locks import held
from vedette.lake.tables import Lake

LEVEL = """
[channels.ops]
type = "webhook"
url = "{url}"
repeat = "never"

[channels.boss]
type = "webhook"
url = "{url}-boss"
[[alerts.escalate]]
after = "1s"
channels = ["boss"]
"""


def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def keys_of(got: Receiver, end: str) -> list[str]:
    return [headers["Idempotency-Key"] for _, path, headers, _ in got.got if path.endswith(end)]


def waiting(lake: Lake) -> list[int]:
    """How many notices wait, by channel."""
    return [len(box.waiting) for box in outbox.read(lake.model("m")).values()]


def killed_while_it_sends(lake: Lake, got: Receiver, end: str) -> None:
    """A server that is killed, with its ingester, while a receiver has a notice and has not answered."""
    got.held, got.hold = end, threading.Event()
    with serving(lake.path) as (process, _):
        until(lambda: keys_of(got, end), "nothing was sent")
        until(lambda: waiting(lake).count(1) == 1, "the other channel has what it was to be told")
        process.send_signal(signal.SIGKILL)
        os.kill(int((lake.journal / ".follow.lock").read_text()), signal.SIGKILL)
        process.wait(20)
    until(lambda: not held(requests.follower_lock(lake)), "the ingester lives on")
    got.hold.set()
    got.hold = None


def test_a_killed_server_tells_again_once_and_no_more(tmp_path: Path) -> None:
    """SIGKILL while it tells of an alert, and in its next life while it tells on: each comes again with its key, and no more."""
    lake = Lake.at(tmp_path / "lake")
    lake.path.mkdir()
    alerts.add_steps(lake.model("m"), [alert("a")])
    with receiver() as got:
        (tmp_path / "vedette.toml").write_text(LEVEL.format(url=got.url))
        for end in ("path", "boss"):
            killed_while_it_sends(lake, got, end)
        with serving(lake.path):
            until(lambda: len(keys_of(got, "boss")) == 2, "nothing came again")
            time.sleep(6)  # more than a round of the ingester
        assert waiting(lake) == [0, 0]
    for end in ("path", "boss"):
        keys = keys_of(got, end)
        assert (len(keys), len(set(keys))) == (2, 1), end

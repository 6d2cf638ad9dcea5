"""What the tests of Prometheus and Alertmanager share: the real programs, started on ports of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

__all__ = ["alertmanager", "asked", "free_port", "needed", "prometheus", "until"]


def needed(*programs: str) -> None:
    """Skip where a program is missing, but not where everything must be tried (``CI=true``)."""
    missing = [one for one in programs if shutil.which(one) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: prometheus, prometheus-alertmanager)")
    assert missing == []


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def asked(url: str) -> Any:
    """The JSON that a URL answers with."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def until(found: Callable[[], Any], what: str, limit_s: float = 25.0) -> Any:
    """What a question finds, asked again until it finds something; a failure that says what did not come."""
    deadline = time.monotonic() + limit_s
    while True:
        with contextlib.suppress(OSError):
            if answer := found():
                return answer
        assert time.monotonic() < deadline, f"within {limit_s:g} s: no {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def _started(folder: Path, ready: str, *command: str) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=folder)
    try:
        until(
            lambda: urllib.request.urlopen(ready, timeout=2).status == 200, f"{command[0]}: {log.read_text()}"
        )
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    """A real Alertmanager that tells nobody: its address."""
    needed("prometheus-alertmanager")
    folder.mkdir()
    (folder / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    url = f"http://127.0.0.1:{free_port()}"
    with _started(
        folder,
        f"{url}/-/ready",
        "prometheus-alertmanager",
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ):
        yield url


@contextlib.contextmanager
def prometheus(folder: Path, configuration: str, rules: str) -> Iterator[str]:
    """A real Prometheus with a configuration and a file of rules: its address."""
    needed("prometheus")
    folder.mkdir()
    (folder / "prometheus.yml").write_text(configuration)
    (folder / "vedette_rules.yml").write_text(rules)
    url = f"http://127.0.0.1:{free_port()}"
    with _started(
        folder,
        f"{url}/-/ready",
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address={url.removeprefix('http://')}",
    ):
        yield url

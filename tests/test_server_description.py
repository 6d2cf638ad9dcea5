"""The description of the API holds: what is tried against the real server by its own word fails nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")

from starlette.testclient import TestClient

from tests.server_access import world_at
from tests.test_server_serve import command, serving

ROOT = Path(__file__).parent.parent
EXAMPLES = int(os.environ.get("VEDETTE_API_EXAMPLES", "4"))
"""Examples of each operation; more, for hours, in a nightly run."""
NOT_TRIED = "events/stream|logout"
"""A stream that does not end, and what would end the login of the others."""


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["ingest", "admin"])
def test_nothing_that_is_tried_by_the_description_fails(scope: str, tmp_path: Path) -> None:
    """schemathesis, all of its checks but one: no answer of 500, none whose status, type or form is not described, nothing
    malformed that is taken, nothing that a wrong key may. (What is well-formed can be refused: names of models, times.)"""
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    lake = tmp_path / "lake"
    with serving(lake) as (_, url):
        key = command("users", "keys", "add", "k", "--scope", scope, lake=lake).stdout.strip()
        sender = command("users", "keys", "add", "s", "--scope", "ingest", lake=lake).stdout.strip()
        row = json.dumps({"features": {"a": 1.0}, "prediction": 1, "id": "r1"}).encode()
        headers = {"Authorization": f"Bearer {sender}", "Content-Type": "application/json"}
        urllib.request.urlopen(
            urllib.request.Request(f"{url}/v1/models/net/predictions", row, headers), timeout=30
        )
        tried = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"{url}/v1/openapi.json", "-H", f"Authorization: Bearer {key}",
                "--checks", "all", "--exclude-checks", "positive_data_acceptance", "-n", str(EXAMPLES), "--seed", "1",
                "--continue-on-failure", "--exclude-path-regex", NOT_TRIED, "--phases", "coverage,fuzzing", "--no-color",
            ],
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.api_hooks", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert tried.returncode == 0, tried.stdout[-6000:] + tried.stderr[-2000:]
        log = [json.loads(line) for line in (tmp_path / "err").read_text().splitlines()]
        assert [one for one in log if one["level"] == "ERROR"] == []


def test_the_description_says_who_may_and_what_can_come_back(tmp_path: Path) -> None:
    """Each operation names how one is known, but those for anybody; each error is the document that the server answers."""
    with world_at(tmp_path) as world:
        _, text = world.key("read")
        found = world.bearer(text).get("/v1/openapi.json").json()
    assert not any(path == "/login" or path.startswith("/models") for path in found["paths"])
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            nobody = path in ("/health", "/ready", "/v1/login")
            assert (operation["security"] == []) is nobody, (method, path)
            assert {"400", "500"} <= operation["responses"].keys()
            if not nobody:
                assert {"401", "403"} <= operation["responses"].keys()
    assert "HTTPValidationError" not in json.dumps(found)


def test_a_method_that_a_path_has_not_is_told_with_those_that_it_has(tmp_path: Path) -> None:
    """Also where they are of several routes."""
    with world_at(tmp_path) as world:
        client: TestClient = world.client()
        answer = client.put("/v1/models/net/labels")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
        assert "error" in answer.json()

"""Every action: it says what it would do and does nothing, refuses keys that it has not, and brings back what was there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vedette.capture.routing import Policy, read, write
from vedette.config.policies import ActionSettings
from vedette.errors import ChannelError
from vedette.output.actions import ACTIONS, action
from vedette.records.actions import Occasion

OCCASION = Occasion(
    "net", "back", "k", "roll back canary: 4 against 3", "accuracy is worse", None, "4", "3", "4"
)
ALARM = Occasion("net", "back", "k", "ALARM accuracy", "accuracy fell", None, "4")

KEYS: dict[str, dict[str, Any]] = {
    "route": {"file": "{folder}/routing", "to": "champion"},
    "webhook": {"url": "http://127.0.0.1:9/hook/T0KEN"},
    "command": {"command": ["touch", "{folder}/touched"]},
    "retrain": {"command": ["touch", "{folder}/touched"]},
    "mlflow_alias": {"alias": "champion", "version": "champion", "registry": "sqlite:///{folder}/mlflow.db"},
    "kubernetes": {
        "deployment": "net",
        "images": {"model": "net:{champion}"},
        "server": "http://127.0.0.1:9",
    },
}


def made(name: str, folder: Path, **more: Any) -> Any:
    text = json.dumps({**KEYS[name], **more}).replace("{folder}", str(folder))
    return action(ActionSettings(name, json.loads(text)))


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_plan_is_words_and_does_nothing(name: str, tmp_path: Path) -> None:
    """One line, without what may be secret, and nothing is there after it that was not before."""
    words = made(name, tmp_path).plan(OCCASION)
    assert words
    assert "\n" not in words
    assert "T0KEN" not in words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_keys_that_it_has_not_are_refused(name: str, tmp_path: Path) -> None:
    """With the action's name and the key."""
    with pytest.raises(ValueError, match=rf"action {name}: .*colour"):
        made(name, tmp_path, colour="red")


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_it_says_whether_it_may_be_repeated(name: str, tmp_path: Path) -> None:
    """A truth, not a word."""
    assert isinstance(made(name, tmp_path).repeatable, bool)


def test_one_that_there_is_not_is_refused_with_those_there_are() -> None:
    """As channels are."""
    with pytest.raises(ValueError, match="must be one of route, webhook, command"):
        action(ActionSettings("rout", {}))


@pytest.mark.parametrize("name", ["route", "mlflow_alias", "kubernetes"])
def test_a_version_of_a_comparison_needs_a_comparison(name: str, tmp_path: Path) -> None:
    """Set off by an alarm there is no champion to go back to."""
    with pytest.raises(ChannelError, match="champion: there is none"):
        made(name, tmp_path).plan(ALARM)


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("route", {"to": None}, "must have one of to"),
        ("route", {"to": None, "shares": {"3": 0.9, "4": 0.3}}, "must add up to 1"),
        ("webhook", {"url": "ftp://x"}, "must be a URL"),
        ("command", {"command": "rm -rf /"}, "must be a list of a program"),
        ("retrain", {"call": "train"}, "must have one of command"),
        ("mlflow_alias", {"version": 3}, "version=3: must be text"),
        ("kubernetes", {"replicas": 2}, "must have one of images"),
        ("kubernetes", {"service": "net"}, "must have one of deployment and service"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(
    name: str, keys: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """When they are read, not when they are needed."""
    with pytest.raises(ValueError, match=f"action {name}") as told:
        made(name, tmp_path, **keys)
    assert words in str(told.value)


def test_traffic_goes_and_comes_back(tmp_path: Path) -> None:
    """How identifiers are dealt stays; what held before is brought back; without a file one is made."""
    path = tmp_path / "routing"
    write(path, Policy({"3": 0.9, "4": 0.1}, mode="alternating", salt="autumn"))
    one = made("route", tmp_path)
    before = one.found(OCCASION)
    one.act(OCCASION, "k")
    assert read(path) == Policy({"3": 1.0}, (), "alternating", "autumn")
    one.undo(OCCASION, before, "k")
    assert read(path) == Policy({"3": 0.9, "4": 0.1}, (), "alternating", "autumn")
    path.unlink()
    before = one.found(OCCASION)
    one.act(OCCASION, "k")
    assert before is None
    with pytest.raises(ChannelError, match="nothing can be brought back"):
        one.undo(OCCASION, before, "k")
    path.write_bytes(b"something else")
    with pytest.raises(ChannelError, match="is no file of routing policies"):
        one.act(OCCASION, "k")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what MLflow calls
def test_an_alias_of_a_real_registry_goes_and_comes_back(tmp_path: Path) -> None:
    """MLflow's own registry in SQLite: pointed to another version, back, and away where there was none."""
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="MLflow's registry in SQLite needs SQLAlchemy")
    registry = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=registry, registry_uri=registry)
    client.create_registered_model("net")
    for _ in range(4):
        client.create_model_version("net", source=str(tmp_path))
    one = made("mlflow_alias", tmp_path)
    before = one.found(OCCASION)
    one.act(OCCASION, "k")
    assert str(client.get_model_version_by_alias("net", "champion").version) == "3"
    assert before == {"version": None}
    other = made("mlflow_alias", tmp_path, version="4")
    held = other.found(OCCASION)
    other.act(OCCASION, "k")
    assert str(client.get_model_version_by_alias("net", "champion").version) == "4"
    other.undo(OCCASION, held, "k")
    assert str(client.get_model_version_by_alias("net", "champion").version) == "3"
    one.undo(OCCASION, before, "k")
    assert client.get_registered_model("net").aliases == {}
    with pytest.raises(ChannelError, match=r"MLflow: .*not found"):
        action(
            ActionSettings("mlflow_alias", {**KEYS["mlflow_alias"], "registry": registry, "name": "nobody"})
        ).act(OCCASION, "k")


@dataclass
class Cluster:
    """Answers as the API of Kubernetes does for GET and for a strategic merge patch of one Deployment and one Service: with
    ``resourceVersion``, conflicts, and ``Status`` documents. It is a fake: no cluster can be had in a test."""

    port: int = 0
    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    conflicts: int = 0
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)

    def answer(
        self, method: str, path: str, token: str | None, kind: str | None, body: Any
    ) -> tuple[int, Any]:
        self.seen.append((method, path, kind))
        if token != "Bearer s3cret":
            return 401, self.status(401, "Unauthorized")
        if path not in self.things:
            return 404, self.status(404, f'"{path.rpartition("/")[2]}" not found')
        thing = self.things[path]
        if method == "GET":
            return 200, thing
        if kind != "application/strategic-merge-patch+json":
            return 415, self.status(415, "the body of the request was in an unknown format")
        if self.conflicts:
            self.conflicts -= 1
            self.changed(thing)
        if body["metadata"]["resourceVersion"] != thing["metadata"]["resourceVersion"]:
            return 409, self.status(
                409, "the object has been modified; please apply your changes to the latest version"
            )
        self.merge(thing["spec"], body["spec"])
        self.changed(thing)
        return 200, thing

    def merge(self, into: dict[str, Any], patch: dict[str, Any]) -> None:
        for key, value in patch.items():
            if key == "containers":  # merged by name
                by_name = {one["name"]: one for one in into[key]}
                for one in value:
                    by_name[one["name"]].update(one)
            elif isinstance(value, dict):
                self.merge(into.setdefault(key, {}), value)
            else:
                into[key] = value

    def changed(self, thing: dict[str, Any]) -> None:
        thing["metadata"]["resourceVersion"] = str(int(thing["metadata"]["resourceVersion"]) + 1)

    def status(self, code: int, message: str) -> dict[str, Any]:
        return {"kind": "Status", "status": "Failure", "message": message, "code": code}


@contextmanager
def clustered() -> Iterator[Cluster]:
    cluster = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            code, document = cluster.answer(
                self.command,
                self.path,
                self.headers.get("Authorization"),
                self.headers.get("Content-Type"),
                body,
            )
            content = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PATCH = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cluster.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()


DEPLOYMENT = "/apis/apps/v1/namespaces/prod/deployments/net"
SERVICE = "/api/v1/namespaces/prod/services/net"


def test_a_deployment_goes_and_comes_back(tmp_path: Path) -> None:
    """Images and replicas are patched and brought back; somebody else's change in between is not written over."""
    (tmp_path / "token").write_text("s3cret\n")
    with clustered() as cluster:
        containers = [{"name": "model", "image": "net:4"}, {"name": "side", "image": "side:1"}]
        cluster.things[DEPLOYMENT] = {
            "metadata": {"resourceVersion": "7"},
            "spec": {"replicas": 3, "template": {"spec": {"containers": containers}}},
        }
        cluster.things[SERVICE] = {
            "metadata": {"resourceVersion": "1"},
            "spec": {"selector": {"app": "net", "version": "4"}},
        }
        where = {
            "server": f"http://127.0.0.1:{cluster.port}",
            "token_file": str(tmp_path / "token"),
            "namespace": "prod",
        }
        image = made("kubernetes", tmp_path, **where)
        cluster.conflicts = 2
        before = image.found(OCCASION)
        image.act(OCCASION, "k")
        assert [one["image"] for one in containers] == ["net:3", "side:1"]
        assert before == {"model": "net:4"}
        assert image.act(OCCASION, "k") == "it was so already"
        image.undo(OCCASION, before, "k")
        assert [one["image"] for one in containers] == ["net:4", "side:1"]
        none = action(ActionSettings("kubernetes", {**where, "deployment": "net", "replicas": 0}))
        before = none.found(ALARM)
        none.act(ALARM, "k")
        assert cluster.things[DEPLOYMENT]["spec"]["replicas"] == 0
        none.undo(ALARM, before, "k")
        assert cluster.things[DEPLOYMENT]["spec"]["replicas"] == 3
        switch = action(
            ActionSettings("kubernetes", {**where, "service": "net", "selector": {"version": "{champion}"}})
        )
        before = switch.found(OCCASION)
        switch.act(OCCASION, "k")
        assert cluster.things[SERVICE]["spec"]["selector"] == {"app": "net", "version": "3"}
        assert before == {"version": "4"}
        cluster.conflicts = 10
        with pytest.raises(ChannelError, match="changed by others each of 4 times"):
            image.act(OCCASION, "k")


def test_what_kubernetes_refuses_is_told(tmp_path: Path) -> None:
    """No login, no such thing, no such container, no address."""
    (tmp_path / "token").write_text("other")
    with clustered() as cluster:
        where = {"server": f"http://127.0.0.1:{cluster.port}", "token_file": str(tmp_path / "token")}
        with pytest.raises(ChannelError, match="401 Unauthorized"):
            made("kubernetes", tmp_path, **where).act(OCCASION, "k")
        (tmp_path / "token").write_text("s3cret")
        with pytest.raises(ChannelError, match='404 "net" not found'):
            made("kubernetes", tmp_path, **where).act(OCCASION, "k")
        cluster.things[DEPLOYMENT] = {
            "metadata": {"resourceVersion": "7"},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "net:4"}]}}},
        }
        with pytest.raises(ChannelError, match="has no container 'model': it has app"):
            made("kubernetes", tmp_path, **where, namespace="prod").act(OCCASION, "k")
    with pytest.raises(ChannelError, match="token_file"):
        made("kubernetes", tmp_path, token_file=str(tmp_path / "none")).act(OCCASION, "k")

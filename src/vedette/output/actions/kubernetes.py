"""Changes a Deployment or a Service of Kubernetes through its API: an image, the replicas, whom a Service selects.

What is there is read first, and patched under the ``resourceVersion`` that was read, so that a change of somebody else in between
is not written over: then it is read again.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from vedette.errors import ChannelError
from vedette.records.actions import Occasion

__all__ = ["Kubernetes"]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PATHS = {
    "deployment": "/apis/apps/v1/namespaces/{}/deployments/{}",
    "service": "/api/v1/namespaces/{}/services/{}",
}
_TRIES = 4
_SAID_BYTES = 2**20


@dataclass(frozen=True)
class Kubernetes:
    """Of a ``deployment`` its ``images`` by container, or ``replicas``; of a ``service`` its ``selector``.

    ``champion`` and ``challenger`` in braces stand for the versions of the comparison, as in
    ``images = { model = "registry/net:{champion}" }``. ``server`` is the API's address (default that of the cluster which this
    runs in), ``token_file`` and ``ca_file`` those of its service account.
    """

    repeatable: ClassVar[bool] = True

    deployment: str | None = None
    service: str | None = None
    namespace: str = "default"
    images: Mapping[str, str] = field(default_factory=dict)
    replicas: int | None = None
    selector: Mapping[str, str] = field(default_factory=dict)
    server: str | None = None
    token_file: str = str(_ACCOUNT / "token")
    ca_file: str = str(_ACCOUNT / "ca.crt")
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if (self.deployment is None) == (self.service is None):
            raise ValueError("must have one of deployment and service")
        if self.deployment is not None and (
            bool(self.images) == (self.replicas is not None) or self.selector
        ):
            raise ValueError(
                "of a deployment must have one of images, such as { model = 'net:3' }, and replicas"
            )
        if self.service is not None and (not self.selector or self.images or self.replicas is not None):
            raise ValueError("of a service must have selector, such as { version = '3' }")
        if self.replicas is not None and (
            isinstance(self.replicas, bool) or not isinstance(self.replicas, int) or self.replicas < 0
        ):
            raise ValueError(f"replicas={self.replicas!r}: must be a whole number, 0 or more")

    def plan(self, occasion: Occasion) -> str:
        """What it would do, in words."""
        wanted = self._wanted(occasion)
        said = ", ".join(f"{name} {value}" for name, value in wanted.items())
        kind, name = (
            ("deployment", self.deployment) if self.deployment is not None else ("service", self.service)
        )
        return f"set {said} of the {kind} {self.namespace}/{name} in Kubernetes"

    def found(self, occasion: Occasion) -> Mapping[str, Any] | None:
        """What is there of what is to be set."""
        _, path = self._path()
        return self._found(self._read(path), self._wanted(occasion))

    def act(self, occasion: Occasion, key: str) -> str:  # noqa: ARG002
        """Patch it."""
        return self._set(self._wanted(occasion))

    def reversible(self, before: Mapping[str, Any] | None) -> bool:
        """What was there is known."""
        return before is not None

    def undo(self, occasion: Occasion, before: Mapping[str, Any] | None, key: str) -> str:  # noqa: ARG002
        """Patch it to what was there."""
        if before is None:
            raise ChannelError("Kubernetes: what was there before is not known")
        return f"{self._set(before)}, as before"

    def _wanted(self, occasion: Occasion) -> dict[str, Any]:
        versions = {"champion": occasion.champion, "challenger": occasion.challenger}

        def filled(text: str) -> str:
            for role, version in versions.items():
                if f"{{{role}}}" in text:
                    if version is None:
                        raise ChannelError(
                            f"{role}: there is none: this policy is not set off by a comparison"
                        )
                    text = text.replace(f"{{{role}}}", version)
            return text

        if self.replicas is not None:
            return {"replicas": self.replicas}
        return {name: filled(value) for name, value in (self.images or self.selector).items()}

    def _patch(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        if self.service is not None:
            return {"selector": dict(wanted)}
        if self.replicas is not None:
            return dict(wanted)
        containers = [{"name": name, "image": image} for name, image in wanted.items()]
        return {"template": {"spec": {"containers": containers}}}

    def _found(self, thing: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What is there of what is to be set."""
        spec = thing.get("spec", {})
        if self.service is not None:
            return {name: spec.get("selector", {}).get(name) for name in wanted}
        if self.replicas is not None:
            return {"replicas": spec.get("replicas", 1)}
        images = {one["name"]: one.get("image") for one in spec["template"]["spec"]["containers"]}
        unknown = sorted(set(wanted) - set(images))
        if unknown:
            raise ChannelError(
                f"Kubernetes: {self.namespace}/{self.deployment} has no container {unknown[0]!r}: it has "
                f"{', '.join(sorted(images))}"
            )
        return {name: images[name] for name in wanted}

    def _path(self) -> tuple[str, str]:
        """What it is in words, and where the API has it."""
        kind, name = (
            ("deployment", self.deployment) if self.deployment is not None else ("service", self.service)
        )
        path = _PATHS[kind].format(quote(self.namespace, safe=""), quote(str(name), safe=""))
        return f"{kind} {self.namespace}/{name}", path

    def _read(self, path: str) -> dict[str, Any]:
        code, thing = self._request("GET", path, None)
        if code != 200:
            raise ChannelError(f"Kubernetes: {self._path()[0]}: {_why(code, thing)}")
        return thing

    def _set(self, wanted: Mapping[str, Any]) -> str:
        words, path = self._path()
        for _ in range(_TRIES):
            thing = self._read(path)
            if self._found(thing, wanted) == dict(wanted):
                return "it was so already"
            version = thing.get("metadata", {}).get("resourceVersion")
            body = {"metadata": {"resourceVersion": version}, "spec": self._patch(wanted)}
            code, answer = self._request("PATCH", path, body)
            if code == 200:
                return f"patched {words}"
            if code != 409:  # somebody changed it in between
                raise ChannelError(f"Kubernetes: {words}: {_why(code, answer)}")
        raise ChannelError(f"Kubernetes: {words}: changed by others each of {_TRIES} times")

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(self._server())
        try:
            token = Path(self.token_file).read_text("utf-8").strip()
        except OSError as error:
            raise ChannelError(f"Kubernetes: token_file={self.token_file!r}: {error.strerror}") from None
        if not token or not token.isprintable():
            raise ChannelError(f"Kubernetes: token_file={self.token_file!r}: holds no token (not shown)")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/strategic-merge-patch+json"
        connection: http.client.HTTPConnection
        try:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=self.ca_file)
                connection = http.client.HTTPSConnection(
                    parts.netloc, timeout=self.timeout_s, context=context
                )
            else:
                connection = http.client.HTTPConnection(parts.netloc, timeout=self.timeout_s)
            try:
                content = None if body is None else json.dumps(body).encode()
                connection.request(method, parts.path.rstrip("/") + path, content, headers)
                answer = connection.getresponse()
                said = answer.read(_SAID_BYTES)
            finally:
                connection.close()
            return answer.status, json.loads(said) if said else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise ChannelError(f"Kubernetes: {parts.hostname}: {why}") from None

    def _server(self) -> str:
        if self.server is not None:
            return self.server
        host, port = (
            os.environ.get("KUBERNETES_SERVICE_HOST"),
            os.environ.get("KUBERNETES_SERVICE_PORT", "443"),
        )
        if not host:
            raise ChannelError(
                "Kubernetes: this does not run in a cluster: give the API's address as server = 'https://...'"
            )
        return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _why(code: int, answer: Mapping[str, Any]) -> str:
    """What the API says of a refusal: the message of its ``Status``."""
    return f"{code} {str(answer.get('message', '')).strip()[:300]}".strip()

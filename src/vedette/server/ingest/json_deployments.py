"""Deployments as JSON: a status of one, as the row by which it is kept beside the model's runs."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from vedette.capture.deployments.told import check_text, status_of, told_text, unnamed
from vedette.server.ingest.json_rows import parse
from vedette.server.ingest.limits import Refused

__all__ = ["DEPLOYMENT_KEYS", "deployment_rows"]

DEPLOYMENT_KEYS = {
    "version": "which version; must be given",
    "stage": "where to, such as canary; default production",
    "status": "requested, building, starting, healthy, serving, draining, retired or failed; default requested",
    "id": "of which deployment; default a new one where it is requested, else the newest of the version and stage",
    "time": "when it happened; default when it is received",
    "by": "who deploys",
    "host": "where it runs",
    "container": "in which container",
    "cluster": "in which cluster",
    "artefact": "what is deployed: sha256: and 64 hexadecimal digits",
    "run": "the training run that it came from",
    "environment": "an object with python, platform, packages (versions by name) and hardware",
    "schema": "an object of types by column",
    "preprocessing": "a text that is another one where the preprocessing is",
    "differences": "what differs from the training: texts, or objects with what, name, trained and served",
    "note": "a word for those who read it",
}
_NUMBERED = ("producer", "first")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PLACE = ("host", "container", "cluster")


def deployment_rows(body: bytes) -> bytes:
    """A status of a deployment as a row of the model's runs. Raises ``Refused``.

    >>> found = json.loads(deployment_rows(b'{"version": "4", "stage": "canary", "status": "serving", "time": 1e9}'))
    >>> found["rows"][0]["id"], json.loads(found["rows"][0]["label"])["detail"]
    ('4@canary', {'stage': 'canary', 'status': 'serving'})
    """
    document = parse(body)
    if type(document) is not dict:
        raise Refused(400, f"{type(document).__name__}: must be an object with version, stage and status")
    unknown = document.keys() - DEPLOYMENT_KEYS.keys() - set(_NUMBERED)
    if unknown:
        raise Refused(
            400, f"{min(unknown)[:60]!r}: is no key; there are {', '.join((*DEPLOYMENT_KEYS, *_NUMBERED))}"
        )
    try:
        version = check_text("version", document.get("version", ""))
        stage = check_text("stage", document.get("stage", "production"))
        given = (name for name in ("id", "by", "run", "note", *_PLACE) if document.get(name) is not None)
        texts = {name: check_text(name, document[name]) for name in given}
        status = status_of(document.get("status", "requested"))
    except ValueError as error:
        raise Refused(400, str(error)) from None
    detail = {
        "stage": stage,
        "status": str(status),
        "by": texts.get("by"),
        "where": {name: texts[name] for name in _PLACE if name in texts} or None,
        "run": texts.get("run"),
        "note": texts.get("note"),
        **_checked(document),
    }
    numbered = {name: document[name] for name in _NUMBERED if name in document}
    row = {
        "id": texts.get("id", unnamed(version, stage)),
        "label": told_text(version, detail),
        "time": document.get("time", time.time()),
    }
    return json.dumps({**numbered, "version": version, "rows": [row]}).encode()


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    """What is no plain text, and what has a form of its own."""
    found: dict[str, Any] = {}
    for name, kind, said in (
        ("artefact", str, "must be sha256: and 64 hexadecimal digits"),
        ("preprocessing", str, "must be text of 1 to 200 characters"),
        ("environment", dict, "must be an object"),
        ("schema", dict, "must be an object of types by column"),
        ("differences", list, "must be a list of texts, or of objects with what, name, trained and served"),
    ):
        value = document.get(name)
        if value is None:
            continue
        fits = type(value) is kind
        if name == "artefact":
            fits = fits and _DIGEST.fullmatch(value) is not None
        if name == "preprocessing":
            fits = fits and 0 < len(value) <= 200
        if name == "differences":
            fits = fits and all(type(one) is str or (type(one) is dict and one.get("what")) for one in value)
        if not fits:
            raise Refused(400, f"{name}={str(value)[:60]!r}: {said}")
        found[name] = value
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refused(400, "text must be Unicode, without halves of surrogate pairs") from None
    except RecursionError:
        raise Refused(400, "nested too deeply") from None
    return found

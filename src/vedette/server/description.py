"""The description of the API, OpenAPI 3: what each route says of itself, and what holds for all of them, said once.

A route's own answers are written beside it; which errors can come before it is known from what it needs and from what stands
in front of the application. Pages are no part of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from vedette.server.needs import Need, need_of, routes_of

__all__ = ["ERROR", "description"]

ERROR: dict[str, Any] = {
    "title": "ErrorDocument",
    "description": "What is wrong: the thing, its value, and what is right.",
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
_PREFIXES = ("/v1/", "/metrics", "/health", "/ready")
_ALL = {
    "400": "What was asked is wrong: the path, the host, an argument",
    "500": "The server failed: its log says of what",
}
_KNOWN = {
    "401": "Nobody is known to ask",
    "403": "Who asks may not, or another site asks",
    "429": "Too often: after Retry-After seconds",
    "503": "Not now: after Retry-After seconds",
}  # fmt: skip
_NAMED = {"404": "There is no such thing, or none that the caller may know of"}
_WITH_BODY = {
    "408": "The body took too long to come",
    "409": "It is not as it must be for that",
    "413": "The body is too large",
    "415": "The body is in another form than those that are taken",
    "422": "The body is malformed",
}
_WITH_ARGUMENTS = {"422": "An argument is malformed"}
_KEYS = {
    "key": {"type": "http", "scheme": "bearer", "description": "an API key"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-vedette", "description": "a login in the browser"},
}  # fmt: skip


def description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application: routes of ``/v1``, metrics and health."""
    found = app.openapi()
    paths: dict[str, Any] = {
        path: operations for path, operations in found["paths"].items() if path.startswith(_PREFIXES)
    }
    for route in routes_of(app):
        if isinstance(route, APIRoute) and route.path_format in paths:
            for method in route.methods or ():
                _complete(paths[route.path_format][method.lower()], need_of(route), route.path_format)
    components = found.get("components", {})
    schemas = {
        name: one
        for name, one in components.get("schemas", {}).items()
        if name not in ("HTTPValidationError", "ValidationError")
    }
    components = {**components, "schemas": {**schemas, "ErrorDocument": ERROR}, "securitySchemes": _KEYS}
    return {**found, "paths": paths, "components": components}


def _complete(operation: dict[str, Any], need: Need, path: str) -> None:
    """Add to an operation what every one of its kind has."""
    answers = operation["responses"]
    expected: dict[str, str] = dict(_ALL)
    if need is Need.NOBODY:
        operation["security"] = []
    else:
        operation["security"] = [{"key": []}] if need is Need.INGEST else [{"key": []}, {"session": []}]
    if need is not Need.NOBODY or "requestBody" in operation:
        expected |= _KNOWN
    if "{" in path:
        expected |= _NAMED
    if operation.get("parameters"):
        expected |= _WITH_ARGUMENTS
    if "requestBody" in operation:
        expected |= _WITH_BODY
    for status, words in expected.items():
        if status not in answers or _is_of_fastapi(answers[status]):
            answers[status] = _error(words)
    # a head that cannot be read, or has over 16 KiB, is answered before anything knows what it is of
    answers["400"].setdefault("content", {}).setdefault("text/plain", {"schema": {"type": "string"}})


def _is_of_fastapi(answer: Mapping[str, Any]) -> bool:
    """True for the answer to malformed arguments that FastAPI would give, and this server does not."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith("/HTTPValidationError")


def _error(words: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ErrorDocument"}
    return {"description": words, "content": {"application/json": {"schema": schema}}}

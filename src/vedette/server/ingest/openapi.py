"""The forms of what is sent as JSON, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from vedette.server.ingest.json_runs import EVENT_KINDS

__all__ = ["EVENTS", "LABELS", "POINTS", "PREDICTIONS", "TAKEN"]

_VALUE: dict[str, Any] = {"type": ["number", "string", "boolean", "null"]}
_TIME = {
    "type": ["string", "number"],
    "description": "ISO 8601 (UTC where it says no zone), or seconds since 1970-01-01 UTC",
}
_ID = {"type": ["string", "integer"], "description": "by which a label finds its prediction"}
_PREDICTION: dict[str, Any] = {
    "type": "object",
    "required": ["features", "prediction"],
    "additionalProperties": False,
    "properties": {
        "features": {
            "type": "object",
            "description": "what the model was given, by name; null is a missing value, which is not the same as no value",
            "additionalProperties": {"anyOf": [_VALUE, {"type": "array", "items": {"type": "number"}, "minItems": 1}]},
        },
        "prediction": {**_VALUE, "description": "the class, or the value"},
        "probability": {
            "description": "of the positive class, or by class",
            "anyOf": [{"type": ["number", "null"]}, {"type": "object", "additionalProperties": {"type": "number"}}],
        },
        "id": _ID,
        "time": {**_TIME, "description": f"of the prediction, default when it is received: {_TIME['description']}"},
        "latency_s": {"type": "number", "description": "how long the model took, in seconds"},
        "error": {"type": "string", "description": "the name of what the model failed with"},
        "inclusion": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "with which a sampler kept the row"},
    },
}  # fmt: skip
_LABEL: dict[str, Any] = {
    "type": "object",
    "required": ["id", "label"],
    "additionalProperties": False,
    "properties": {
        "id": _ID,
        "label": {**_VALUE, "description": "what was true"},
        "time": {**_TIME, "description": f"when it came to be known: {_TIME['description']}"},
    },
}
_BESIDE: dict[str, Any] = {
    "version": {"type": "string", "default": "1", "description": "the model's version"},
    "producer": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "description": "who sends; with `first`"},
    "first": {"type": "integer", "minimum": 1, "description": "number of the first row, from 1"},
    "window": {"type": "string", "description": "length of a window, such as 1h, as of the first rows"},
    "task": {"type": "string"},
    "classes": {"type": "array", "items": {"type": "string"}},
    "timezone": {"type": "string"},
}  # fmt: skip


def _request(row: dict[str, Any]) -> dict[str, Any]:
    many = {"type": "array", "items": row, "minItems": 1, "maxItems": 10_000}
    return {
        "anyOf": [
            {
                "type": "object",
                "required": ["rows"],
                "additionalProperties": False,
                "properties": {"rows": many, **_BESIDE},
            },
            {**row, "properties": {**row["properties"], **_BESIDE}},
        ]
    }


_POINT: dict[str, Any] = {
    "type": "object",
    "required": ["step", "metrics"],
    "additionalProperties": False,
    "properties": {
        "step": {"type": "integer"},
        "metrics": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number"}},
        "time": _TIME,
    },
}
_NUMBERED = {name: _BESIDE[name] for name in ("producer", "first")}
_RUN = {"type": "string", "minLength": 1, "maxLength": 120, "description": "the training's name"}
POINTS: dict[str, Any] = {
    "type": "object",
    "required": ["run", "points"],
    "additionalProperties": False,
    "properties": {"run": _RUN, "points": {"type": "array", "items": _POINT, "minItems": 1}, **_NUMBERED},
}
EVENTS: dict[str, Any] = {
    "type": "object",
    "required": ["run", "kind"],
    "additionalProperties": False,
    "properties": {
        "run": _RUN,
        "kind": {
            "enum": list(EVENT_KINDS),
            "description": "; ".join(f"{kind}: {what}" for kind, what in EVENT_KINDS.items()),
        },
        "version": {
            "type": "string",
            "default": "1",
            "description": "the model's version that the training makes",
        },
        "step": {"type": "integer", "default": 0},
        "time": _TIME,
        "detail": {"type": "object"},
        **_NUMBERED,
    },
}
PREDICTIONS, LABELS = _request(_PREDICTION), _request(_LABEL)
TAKEN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rows": {"type": "integer"},
        "through": {"type": "integer", "description": "the highest number of that producer that is on disk"},
        "duplicate": {"type": "boolean", "description": "true where all of it was there already"},
        "producer": {"type": "string"},
    },
}

"""The forms of what is sent as JSON, for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from vedette.records import DeploymentStatus
from vedette.server.ingest.json_deployments import DEPLOYMENT_KEYS
from vedette.server.ingest.json_runs import EVENT_KINDS

__all__ = [
    "BATCH_OR_RANGE", "COUNTERS", "DEPLOYMENTS", "EVENTS", "JOURNAL", "LABELS", "METRICS", "POINTS", "PREDICTIONS", "TAKEN",
    "WATERMARKS", "ModelName", "StreamName",
]  # fmt: skip

ModelName = Annotated[str, Path(json_schema_extra={"pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"})]
"""Told in the description; what is another is refused by the route, in words."""
StreamName = Annotated[str, Path(json_schema_extra={"enum": ["predictions", "labels", "reference"]})]

_VALUE: dict[str, Any] = {"type": ["number", "string", "boolean", "null"]}
_OUTPUT: dict[str, Any] = {"anyOf": [_VALUE, {"type": "object"}, {"type": "array"}]}
_OF_TASK = "with `task` beside it boxes, a list of items or a set of labels"
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
        "prediction": {**_OUTPUT, "description": f"the class, or the value; {_OF_TASK}"},
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
        "label": {**_OUTPUT, "description": f"what was true; {_OF_TASK}"},
        "time": {**_TIME, "description": f"when it came to be known: {_TIME['description']}"},
    },
}
_BESIDE: dict[str, Any] = {
    "version": {"type": "string", "default": "1", "description": "the model's version"},
    "producer": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "description": "who sends; with `first`"},
    "first": {"type": "integer", "minimum": 1, "description": "number of the first row, from 1"},
    "window": {"type": "string", "description": "length of a window, such as 1h, as of the first rows"},
    "task": {"type": "string", "description": "classification, regression, detection, ranking or multilabel"},
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
_FORMS: dict[str, dict[str, Any]] = {
    "status": {"enum": [str(one) for one in DeploymentStatus], "default": "requested"},
    "stage": {"type": "string", "minLength": 1, "maxLength": 64, "default": "production"},
    "version": {"type": "string", "minLength": 1, "maxLength": 128},
    "time": _TIME,
    "artefact": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    "environment": {"type": "object"},
    "schema": {"type": "object"},
    "differences": {"type": "array", "items": {"type": ["string", "object"]}},
}
DEPLOYMENTS: dict[str, Any] = {
    "type": "object",
    "required": ["version"],
    "additionalProperties": False,
    "properties": {
        **{
            name: {**_FORMS.get(name, {"type": "string", "minLength": 1}), "description": what}
            for name, what in DEPLOYMENT_KEYS.items()
        },
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


def _query(name: str, what: str, *, required: bool, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "description": what, "schema": schema}


def _answer(schema: dict[str, Any], words: str = "Taken, and on disk") -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _lacking() -> dict[str, Any]:
    through = {"type": "integer", "description": "how far the server has come"}
    schema = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}, "through": through},
    }
    return _answer(schema, "What comes before is lacking")


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_DIGEST = {
    "name": "Vedette-Digest", "in": "header", "required": True,
    "description": "SHA-256 of the body before any Content-Encoding",
    "schema": {"type": "string", "pattern": "^sha-256=[0-9a-f]{64}$"},
}  # fmt: skip
JOURNAL = _query("journal", "of which journal", required=True, type="string", pattern="^[0-9a-f]{32}$")
_PRODUCER = _query(
    "producer", "of which of its producers", required=True, type="string", pattern="^[0-9]{4,9}-[0-9a-f]{8}$"
)
_THROUGH = {
    "type": "object",
    "required": ["through", "duplicate"],
    "properties": {"through": {"type": "integer"}, "duplicate": {"type": "boolean"}},
}
_DOCUMENT = {
    "type": "object",
    "required": ["format", "model"],
    "description": "see From a journal to a server",
}
WATERMARKS: dict[str, Any] = {
    "responses": {"200": _answer({"type": "object", "required": ["watermarks"]}, "By producer")}
}
COUNTERS: dict[str, Any] = {
    "parameters": [JOURNAL, _PRODUCER, _DIGEST],
    "requestBody": {"required": True, "content": {"application/json": {"schema": _DOCUMENT}}},
    "responses": {"200": _answer({"type": "object", "required": ["taken"]})},
}
BATCH_OR_RANGE: dict[str, Any] = {
    "parameters": [
        JOURNAL,
        _PRODUCER,
        _DIGEST,
        _query("first", "of a range: its first sequence", required=False, **{**_NUMBER, "minimum": 1}),
        _query("end", "of a range: the one behind its last", required=False, **_NUMBER),
        _query("batch", "of a batch: its number", required=False, **_NUMBER),
        _query("after", "of a batch: that of the one before", required=False, **_NUMBER),
        _query("rows", "of a batch: its rows", required=False, **_NUMBER),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/vnd.apache.arrow.stream": _BINARY,
            "application/vnd.apache.arrow.file": _BINARY,
            "application/json": {"schema": _DOCUMENT},
        },
    },
    "responses": {"200": _answer(_THROUGH), "412": _lacking()},
}
_MESSAGE = {"application/x-protobuf": _BINARY, "application/json": {"schema": {"type": "object"}}}
_OF_METRICS = {
    "200": "An ExportMetricsServiceResponse; what was left out is a partial success",
    "400": "No message; a Status says why",
    "408": "It took too long to come",
    "413": "It is too large",
    "415": "It is in another form",
    "429": "A quota is used up",
    "503": "Not now",
}
METRICS: dict[str, Any] = {
    "requestBody": {"required": True, "content": _MESSAGE},
    "responses": {
        status: {"description": words, "content": _MESSAGE} for status, words in _OF_METRICS.items()
    },
}

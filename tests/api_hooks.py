"""What the description cannot say of bodies that are no JSON, for schemathesis: real ones, whole and damaged."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pyarrow as pa
import requests
import schemathesis
from hypothesis import strategies as st

_DIGEST = "Vedette-Digest"
_WHOLE = re.compile(r"sha-256=[0-9a-f]{64}")


def _stream() -> bytes:
    """An Arrow stream of the form that a sender ships."""
    utc = pa.timestamp("us", "UTC")
    document = {
        "format": 1, "model": "net", "stream": "predictions", "journal": "0" * 32, "producer": "0001-00000000",
        "first": 1, "end": 3, "rows": 2, "lost": [], "version": "1", "settings": {},
    }  # fmt: skip
    fields = [
        pa.field("_sequence", pa.int64()), pa.field("id", pa.utf8()), pa.field("time", utc), pa.field("received", utc),
        pa.field("a", pa.float64(), metadata={"role": "feature", "name": "a", "type": "float64"}),
    ]  # fmt: skip
    schema = pa.schema(fields, metadata={"vedette": json.dumps(document)})
    moment = pa.array([1_795_305_600_000_000] * 2, utc)
    columns = [pa.array([1, 2]), pa.array(["x", "y"]), moment, moment, pa.array([0.5, 1.5])]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return bytes(sink.getvalue().to_pybytes())


def _file() -> bytes:
    table = pa.table({"id": ["a"], "a": [1.0]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _metrics() -> bytes:
    """An export of OpenTelemetry with one gauge."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    named = resource.resource.attributes.add()
    named.key, named.value.string_value = "service.name", "net"
    metric = resource.scope_metrics.add().metrics.add()
    metric.name = "queue"
    point = metric.gauge.data_points.add()
    point.time_unix_nano, point.as_double = 1_700_000_000 * 10**9, 1.5
    return bytes(message.SerializeToString())


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """A body as it is, or with bytes changed, or cut."""
    changed = bytearray(body)
    for at, byte in draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=6)):
        changed[at] = byte
    return bytes(changed[: draw(st.one_of(st.just(len(body)), st.integers(0, len(body))))])


for kind, body in (
    ("application/vnd.apache.arrow.stream", _stream()),
    ("application/vnd.apache.arrow.file", _file()),
    ("application/x-protobuf", _metrics()),
):
    schemathesis.openapi.media_type(kind, damaged(body))


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """A digest of the right form is that of the body: another one says that the line has damaged it, which is 503."""
    if not _WHOLE.fullmatch((case.headers or {}).get(_DIGEST, "")):
        return
    given = {
        name: value
        for name, value in case.as_transport_kwargs().items()
        if name in ("data", "json", "files", "headers")
    }
    sent = requests.Request("POST", "http://localhost", **given).prepare().body or b""
    sent = sent.encode() if isinstance(sent, str) else sent
    case.headers[_DIGEST] = f"sha-256={hashlib.sha256(sent).hexdigest()}"

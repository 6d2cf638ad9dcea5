"""Metrics of OpenTelemetry (OTLP over HTTP) as rows of what is recorded beside a model: ``<model>.process``.

A resource belongs to the model that its attribute ``vedette.model`` names, else ``service.name``. Each moment of a resource is a
row, each of its series a feature: the metric's name, with the attributes of the data point in braces. A gauge is its value. What
only grows says nothing at one moment: of a sum there is the growth a second since the last value (``..._per_s``), of a histogram
the mean of what came since (``..._mean``) and how much that was a second (``..._per_s``). OpenTelemetry sends both as totals by
default; the last total of each series is remembered.

What is refused is one of two things, as OTLP has it. A data point that never will be taken is left out and counted in a partial
success, which is not sent again. Where it is not the time (a quota, a full queue, a disk) nothing of the request is taken, and it
is sent again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from vedette.capture.metrics import column_of
from vedette.errors import SchemaError
from vedette.records import FUTURE_S, PROCESS, check_feature_names, check_model_name
from vedette.server.ingest.json_rows import parse
from vedette.server.ingest.limits import Refused
from vedette.server.ingest.otlp_totals import Draft, Series, Total, Totals

__all__ = ["PROTOBUF", "Taking", "answer_of", "request_of", "status_of", "taking"]

PROTOBUF = "application/x-protobuf"
_DELTA = 1  # AggregationTemporality
_NO_VALUE = 1  # DataPointFlags
_ATTRIBUTES = ("vedette.model", "service.name")


def request_of(body: bytes, kind: str) -> Any:
    """The message of a body. Raises ``Refused``."""
    message = ExportMetricsServiceRequest()
    try:
        if kind == PROTOBUF:
            message.ParseFromString(body)
        elif kind == "application/json":
            document = parse(body)
            if type(document) is not dict:
                raise Refused(400, "no ExportMetricsServiceRequest: must be an object")
            ParseDict(document, message, ignore_unknown_fields=True, max_recursion_depth=30)
        else:
            raise Refused(415, f"Content-Type={kind[:80]!r}: must be {PROTOBUF} or application/json")
    except (DecodeError, ParseError, RecursionError) as error:
        raise Refused(400, f"no ExportMetricsServiceRequest: {str(error)[:200]}") from None
    return message


def answer_of(rejected: int, why: str, kind: str) -> bytes:
    """The answer, in the form of the request; what was left out is a partial success, and not to be sent again."""
    message = ExportMetricsServiceResponse()
    if rejected:
        message.partial_success.rejected_data_points = rejected
        message.partial_success.error_message = why
    if kind == PROTOBUF:
        return bytes(message.SerializeToString())
    told = {"partialSuccess": {"rejectedDataPoints": str(rejected), "errorMessage": why}} if rejected else {}
    return json.dumps(told).encode()


def status_of(why: str, kind: str) -> bytes:
    """The body of an answer that refuses: a ``google.rpc.Status`` whose message (field 2) is why, in the form of the request.

    >>> status_of("too much", PROTOBUF)
    b'\\x12\\x08too much'
    >>> status_of("too much", "application/json")
    b'{"message": "too much", "error": "too much"}'
    """
    if kind != PROTOBUF:
        return json.dumps({"message": why, "error": why}).encode()
    told = why.encode("utf-8", "replace")[:16_000]
    size = len(told)
    varint = bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])
    return b"\x12" + varint + told


@dataclass(slots=True)
class Taking:
    """What a message comes to: rows by model, how many data points are in them; what is left out, and why of the first."""

    draft: Draft
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    points: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    why: str = ""

    def leave_out(self, n_points: int, why: str) -> None:
        """Count data points that are not taken."""
        self.rejected += n_points
        self.why = self.why or why

    def leave_out_model(self, model: str, why: str) -> None:
        """Take nothing of a model."""
        del self.rows[model]
        self.draft.forget(model)
        self.leave_out(self.points[model], why)

    def keep(self) -> None:
        """The rows are on disk: what they say of totals holds."""
        self.draft.keep()


def taking(message: Any, totals: Totals, may: Callable[[str], bool], now_s: float) -> Taking:
    """What is to be taken of a message of those models that ``may`` lets through."""
    found = Taking(Draft(totals))
    moments: dict[str, dict[tuple[int, str], dict[str, float]]] = {}
    for of_resource in message.resource_metrics:
        metrics = [metric for scope in of_resource.scope_metrics for metric in scope.metrics]
        try:
            model = _model(of_resource.resource, may)
        except ValueError as error:
            found.leave_out(sum(map(_n_points, metrics)), str(error))
            continue
        resource = _series("", of_resource.resource.attributes)
        for metric in metrics:
            for point, values in _points(found, (model, resource), metric, (now_s + FUTURE_S) * 1e9):
                moments.setdefault(model, {}).setdefault((point.time_unix_nano, resource), {}).update(values)
                found.points[model] = found.points.get(model, 0) + 1
    for model, of_model in moments.items():
        found.rows[model] = [
            {"features": values, "prediction": "read", "time": nano / 1e9}
            for (nano, _), values in sorted(of_model.items(), key=lambda one: one[0])
        ]
    return found


def _n_points(metric: Any) -> int:
    kind = metric.WhichOneof("data")
    return len(getattr(metric, kind).data_points) if kind else 0


def _points(
    found: Taking, of: tuple[str, str], metric: Any, latest_ns: float
) -> Iterator[tuple[Any, dict[str, float]]]:
    """The data points of a metric, and what each says by the name of its series; others are left out of ``found``."""
    kind = metric.WhichOneof("data")
    told = f"metric {metric.name[:80]}"
    if kind not in ("gauge", "sum", "histogram"):
        if kind:
            found.leave_out(_n_points(metric), f"{told}: {kind} is not taken: gauge, sum and histogram are")
        return
    for point in getattr(metric, kind).data_points:
        if point.flags & _NO_VALUE:
            continue
        if not 0 < point.time_unix_nano <= latest_ns:
            found.leave_out(
                1, f"{told}: time_unix_nano={point.time_unix_nano}: must be there, and not in the future"
            )
            continue
        series = Series(*of, column_of(_series(metric.name, point.attributes)))
        try:
            values = _said(found.draft, series, point, getattr(metric, kind), kind)
            check_feature_names(dict.fromkeys(values))
        except (SchemaError, ValueError) as error:
            found.leave_out(1, str(error))
            continue
        if values:
            yield point, values


def _said(draft: Draft, series: Series, point: Any, data: Any, kind: str) -> dict[str, float]:
    """What a data point says. Raises ``ValueError`` where it is no number."""
    delta = kind != "gauge" and data.aggregation_temporality == _DELTA
    if kind == "histogram":
        total = Total(point.start_time_unix_nano, point.time_unix_nano, float(point.count), float(point.sum))
        return draft.grown(series, total, delta=delta)
    value = float(getattr(point, point.WhichOneof("value") or "as_double"))
    if not math.isfinite(value):
        raise ValueError(f"metric {series.name[:80]}: {value}: must be a number")
    if kind == "gauge" or not (data.is_monotonic or delta):
        return {series.name: value}
    total = Total(point.start_time_unix_nano, point.time_unix_nano, value, math.nan)
    return draft.grown(series, total, delta=delta, falls=not data.is_monotonic)


def _series(name: str, attributes: Any) -> str:
    told = sorted((one.key, _text(one.value)) for one in attributes)
    return f"{name}{{{','.join(f'{key}={value}' for key, value in told)}}}" if told else name


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    return (
        str(getattr(value, kind))
        if kind in ("string_value", "bool_value", "int_value", "double_value")
        else ""
    )


def _model(resource: Any, may: Callable[[str], bool]) -> str:
    """The name under which what a resource says is recorded. Raises ``ValueError``."""
    given = {one.key: _text(one.value) for one in resource.attributes}
    name = next((given[key] for key in _ATTRIBUTES if given.get(key)), None)
    if name is None:
        raise ValueError(f"a resource: must have the attribute {' or '.join(_ATTRIBUTES)}, the model's name")
    if not may(check_model_name(name)):
        raise ValueError(f"model {name!r}: this key may not send for it")
    return check_model_name(f"{name}.{PROCESS}")

"""Metrics of OpenTelemetry (OTLP over HTTP) as rows of what is recorded beside a model: ``<model>.process``.

A resource belongs to the model that its attribute ``vedette.model`` names, else ``service.name``. Each moment of a resource is a
row, each of its series a feature: the metric's name, with the attributes of the data point in braces. A gauge is its value. What
only grows says nothing at one moment: of a sum there is the growth a second since the last value (``..._per_s``), of a histogram
the mean of what came since (``..._mean``) and how much that was a second (``..._per_s``). OpenTelemetry sends both as totals by
default; the last total of each series is remembered here.
"""

from __future__ import annotations

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from vedette.capture.metrics import column_of
from vedette.errors import SchemaError
from vedette.records import FUTURE_S, PROCESS, check_feature_names, check_model_name
from vedette.server.ingest.limits import Refused

__all__ = ["PROTOBUF", "Otlp", "answer_of", "request_of"]

PROTOBUF = "application/x-protobuf"
_SERIES_MAX, _MODELS_MAX = 5_000, 10_000  # of one model; and models
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
            Parse(body.decode(), message, ignore_unknown_fields=True, max_recursion_depth=30)
        else:
            raise Refused(415, f"Content-Type={kind[:80]!r}: must be {PROTOBUF} or application/json")
    except (DecodeError, ParseError, UnicodeDecodeError, RecursionError) as error:
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


class Otlp:
    """Makes rows of messages; remembers the last total of each series. It may be used by any thread."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, OrderedDict[str, tuple[int, int, float, float]]] = OrderedDict()
        self._lock = threading.Lock()

    def rows(
        self, message: Any, may: Callable[[str], bool], now_s: float
    ) -> tuple[dict[str, list[dict[str, Any]]], int, str]:
        """Rows by model; how many data points were left out; why, of the first of them."""
        found: dict[str, dict[int, dict[str, float]]] = {}
        rejected, why = 0, ""
        for of_resource in message.resource_metrics:
            try:
                model = _model(of_resource.resource, may)
            except ValueError as error:
                rejected += sum(
                    len(getattr(one, one.WhichOneof("data") or "gauge").data_points)
                    for scope in of_resource.scope_metrics
                    for one in scope.metrics
                )
                why = why or str(error)
                continue
            for scope in of_resource.scope_metrics:
                for metric in scope.metrics:
                    for point, values in self._points(model, metric, (now_s + FUTURE_S) * 1e9):
                        moment = found.setdefault(model, {}).setdefault(point.time_unix_nano, {})
                        for name, value in values.items():
                            try:
                                check_feature_names([name])
                                moment[name] = value
                            except SchemaError as error:
                                rejected, why = rejected + 1, why or str(error)
                    kind = metric.WhichOneof("data")
                    if kind not in ("gauge", "sum", "histogram"):
                        rejected += len(getattr(metric, kind).data_points) if kind else 0
                        why = (
                            why
                            or f"metric {metric.name[:80]}: {kind} is not taken: gauge, sum and histogram are"
                        )
        rows = {
            model: [
                {"features": values, "prediction": "read", "time": nano / 1e9}
                for nano, values in sorted(moments.items())
                if values and nano
            ]
            for model, moments in found.items()
        }
        return {model: of_model for model, of_model in rows.items() if of_model}, rejected, why

    def _points(self, model: str, metric: Any, latest_ns: float) -> Iterator[tuple[Any, dict[str, float]]]:
        """The data points of a metric, and what each says by the name of its series."""
        kind = metric.WhichOneof("data")
        if kind not in ("gauge", "sum", "histogram"):
            return
        data = getattr(metric, kind)
        for point in data.data_points:
            if point.flags & _NO_VALUE or point.time_unix_nano > latest_ns:
                continue
            name = column_of(_series(metric.name, point.attributes))
            if kind == "histogram":
                yield point, self._grown(model, name, point, data, float(point.count), float(point.sum))
                continue
            value = float(getattr(point, point.WhichOneof("value") or "as_double"))
            if not math.isfinite(value):
                continue
            if kind == "gauge" or not data.is_monotonic:
                yield point, {name: value}
            else:
                yield point, self._grown(model, name, point, data, value, None)

    def _grown(
        self, model: str, name: str, point: Any, data: Any, n: float, total: float | None
    ) -> dict[str, float]:
        """What a total has grown by a second, and the mean of what came since where there is a sum of it too."""
        since = point.start_time_unix_nano
        if data.aggregation_temporality != _DELTA:
            with self._lock:
                own = self._last.setdefault(model, OrderedDict())
                self._last.move_to_end(model)
                before = own.pop(name, None)
                if before is not None and before[1] > point.time_unix_nano:
                    own[name] = before  # an old one, that came late
                    return {}
                own[name] = (since, point.time_unix_nano, n, total or 0.0)
                while len(own) > _SERIES_MAX:
                    own.popitem(last=False)
                while len(self._last) > _MODELS_MAX:
                    self._last.popitem(last=False)
            if before is None or before[0] != since:
                if not since:
                    return {}  # since when it grows nobody says
            else:
                since, n = before[1], n - before[2]
                total = None if total is None else total - before[3]
        seconds = (point.time_unix_nano - since) / 1e9
        if seconds <= 0 or n < 0:
            return {}
        found = {f"{name}_per_s": n / seconds}
        if total is not None and n > 0 and math.isfinite(total):
            found[f"{name}_mean"] = total / n
        return found


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

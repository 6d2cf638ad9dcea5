"""Metrics of OpenTelemetry: what they say of a model; a request is taken whole, in part with word of it, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra server is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")

import httpx

from tests.server_running import RunningServer, running
from vedette.engine import cycle
from vedette.lake.tables import Lake
from vedette.server.ingest import Limits
from vedette.server.ingest.otlp import PROTOBUF, Taking, request_of, taking
from vedette.server.ingest.otlp_totals import Totals

SECOND = 1_000_000_000
NOW = 1_795_305_600


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with running(tmp_path / "lake") as made:
        yield made


def gauge(name: str, *values: float, at: int = 1_700_000_000) -> dict[str, Any]:
    """A gauge, with a value for each second from ``at`` on."""
    points = [{"timeUnixNano": str((at + i) * SECOND), "asDouble": value} for i, value in enumerate(values)]
    return {"name": name, "gauge": {"dataPoints": points}}


def total(
    name: str, value: float, at: int, *, since: int = 1, temporality: int = 2, monotonic: bool = True
) -> dict[str, Any]:
    """A sum: cumulative, unless its temporality is 1."""
    point = {"timeUnixNano": str(at * SECOND), "startTimeUnixNano": str(since * SECOND), "asDouble": value}
    return {
        "name": name,
        "sum": {"dataPoints": [point], "isMonotonic": monotonic, "aggregationTemporality": temporality},
    }


def resource(name: str, *metrics: dict[str, Any], **attributes: str) -> dict[str, Any]:
    """What one process says."""
    given = {"service.name": name, **attributes}
    told = [{"key": key, "value": {"stringValue": value}} for key, value in given.items()]
    return {"resource": {"attributes": told}, "scopeMetrics": [{"metrics": list(metrics)}]}


def post(server: RunningServer, *resources: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/metrics", json={"resourceMetrics": list(resources)}, timeout=30)


def taken(totals: Totals, *resources: dict[str, Any]) -> Taking:
    message = request_of(json.dumps({"resourceMetrics": list(resources)}).encode(), "application/json")
    return taking(message, totals, lambda _: True, NOW)


def features(found: Taking, model: str = "net.process") -> list[dict[str, float]]:
    return [row["features"] for row in found.rows.get(model, [])]


def test_metrics_of_opentelemetry_are_readings_beside_the_model(server: RunningServer) -> None:
    """The real SDK and exporter: a gauge is its value, a counter its growth a second, a histogram the mean of what came."""
    sdk = pytest.importorskip("opentelemetry.sdk.metrics")
    exporting = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    exporter = exporting.OTLPMetricExporter(endpoint=f"{server.url}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = sdk.MeterProvider([reader], resource=Resource.create({"service.name": "net"}))
    meter = provider.get_meter("test")
    gauge, counter = meter.create_gauge("queue.size"), meter.create_counter("requests")
    latency = meter.create_histogram("duration")
    for turn in range(2):
        gauge.set(5 + turn, {"route": "/x"})
        counter.add(10)
        for value in (0.1, 0.3):
            latency.record(value + turn)
        reader.collect()
    provider.shutdown()
    cycle.once(server.lake)
    frame = server.lake.model("net.process")["predictions"].scan().sort("time").collect()
    assert frame["queue.size{route=/x}"].drop_nulls().to_list()[:2] == [5.0, 6.0]
    assert frame["duration_mean"].drop_nulls().to_list()[1] == pytest.approx(1.2)
    growth = frame.select("requests_per_s", "duration_per_s").drop_nulls().row(1)
    assert growth[0] == pytest.approx(growth[1] * 5)
    assert MetricExportResult.SUCCESS is not None
    url = f"{server.url}/v1/metrics"
    assert (
        httpx.post(url, content=b"\xff\xff", headers={"Content-Type": "application/x-protobuf"}).status_code
        == 400
    )
    assert httpx.post(url, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    gauge_of = {
        "name": "x",
        "gauge": {"dataPoints": [{"timeUnixNano": "1795305600000000000", "asDouble": 1.5}]},
    }
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [gauge_of]}]}]}
    told = httpx.post(url, json=body).json()["partialSuccess"]
    assert told["rejectedDataPoints"] == "1"
    assert "service.name" in told["errorMessage"]


def test_where_one_model_must_wait_nothing_of_the_request_is_taken(tmp_path: Path) -> None:
    """A quota that one of two models is over: 429 for both, so that sent again nothing is there twice; once there is room,
    all is taken."""
    with running(tmp_path / "lake", Limits(rows_per_minute=3)) as server:
        both = (resource("small", gauge("x", 1.0)), resource("big", gauge("x", *[1.0] * 3)))
        assert post(server, resource("big", gauge("x", 5.0, at=1_600_000_000))).status_code == 200
        refused = post(server, *both)
        assert refused.status_code == 429
        assert refused.json()["message"] == refused.json()["error"]
        assert int(refused.headers["Retry-After"]) > 0
        desk = server.app.state.desk
        assert desk.quota.wait_s("small.process", 3) == 0.0  # what was taken of its quota was given back
        desk.quota._level.clear()
        assert post(server, *both).json() == {}
    cycle.once(Lake.at(tmp_path / "lake"))
    counts = {
        model: Lake.at(tmp_path / "lake").model(f"{model}.process")["predictions"].scan().collect().height
        for model in ("small", "big")
    }
    assert counts == {"small": 1, "big": 4}


def test_a_total_of_a_refused_request_says_the_same_when_it_is_sent_again(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails once: the growth since the last total that was stored is told by the second try."""
    from vedette.server.ingest import log as module

    fdatasync, failing = module.os.fdatasync, [False]

    def sync(file: int) -> None:
        if failing[0]:
            failing[0] = False
            raise OSError(28, "No space left on device")
        fdatasync(file)

    monkeypatch.setattr(module.os, "fdatasync", sync)
    at = 1_700_000_000
    assert post(server, resource("net", total("n", 10, at, since=at - 10))).status_code == 200
    failing[0] = True
    second = resource("net", total("n", 50, at + 20, since=at - 10))
    assert post(server, second).status_code == 503
    assert post(server, second).json() == {}
    cycle.once(server.lake)
    frame = server.lake.model("net.process")["predictions"].scan().sort("time").collect()
    assert frame["n_per_s"].drop_nulls().to_list()[-1] == 2.0


def test_what_never_will_be_taken_is_told_and_the_rest_is_taken(tmp_path: Path) -> None:
    """A model with too many names in one moment, a point without a time, one of the future and one that is no number are
    counted as rejected; what is beside them is stored."""
    with running(tmp_path / "lake") as server:
        many = [gauge(f"m{i}", 1.0) for i in range(5_000)]
        wrong = [gauge("y", 1.0, at=0), gauge("y", 1.0, at=9_000_000_000)]
        told = post(server, resource("wide", *many), resource("net", gauge("x", 1.0), *wrong)).json()
        assert told["partialSuccess"]["rejectedDataPoints"] == "5002"
        endless = gauge("x", 1.0)
        endless["gauge"]["dataPoints"][0]["asDouble"] = "Infinity"
        told = post(server, resource("net", endless)).json()["partialSuccess"]
        assert (told["rejectedDataPoints"], "must be a number" in told["errorMessage"]) == ("1", True)
        cycle.once(server.lake)
        frame = server.lake.model("net.process")["predictions"].scan().collect()
        assert frame["x"].to_list() == [1.0]
        assert "wide.process" not in {one.name for one in server.lake.path.iterdir()}


def test_a_refusal_of_protobuf_is_a_status(server: RunningServer) -> None:
    """As OTLP has it: the body of an error is a ``google.rpc.Status``, in the form of the request."""
    status_pb2 = pytest.importorskip("google.rpc.status_pb2")
    answer = httpx.post(f"{server.url}/v1/metrics", content=b"\xff" * 300, headers={"Content-Type": PROTOBUF})
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, PROTOBUF)
    assert "ExportMetricsServiceRequest" in status_pb2.Status.FromString(answer.content).message


def test_each_process_has_totals_of_its_own() -> None:
    """Two instances of a service count apart: neither's total is taken for the other's growth."""
    totals = Totals()
    for at, counts in ((10, (100, 7)), (20, (120, 17))):
        found = taken(
            totals,
            *(
                resource("net", total("n", n, at, since=0), **{"service.instance.id": str(i)})
                for i, n in enumerate(counts)
            ),
        )
        found.keep()
    assert features(found) == [{"n_per_s": 2.0}, {"n_per_s": 1.0}]


def test_totals_that_come_late_or_begin_anew() -> None:
    """One older than the last is left out, and told; one that began anew says what came since then."""
    totals = Totals()
    taken(totals, resource("net", total("n", 10, 20))).keep()
    late = taken(totals, resource("net", total("n", 5, 10)))
    assert (late.rows, late.rejected) == ({}, 1)
    assert "older" in late.why
    again = taken(totals, resource("net", total("n", 8, 34, since=30)))
    assert features(again) == [{"n_per_s": 2.0}]


def test_changes_are_told_by_the_second_whatever_their_sign() -> None:
    """A sum with delta temporality is what came in a span: that of what may fall too."""
    given = [
        total("n", -6, 13, since=10, temporality=1, monotonic=False),
        total("m", 6, 13, since=10, temporality=1),
    ]
    assert features(taken(Totals(), resource("net", *given))) == [{"n_per_s": -2.0, "m_per_s": 2.0}]
    level = total("n", -6, 13, since=10, monotonic=False)
    assert features(taken(Totals(), resource("net", level))) == [{"n": -6.0}]


def test_a_resource_of_another_model_touches_no_totals() -> None:
    """What a key may not send for is left out before anything is remembered of it."""
    totals = Totals()

    def message(value: float, at: int) -> Any:
        told = resource("net", total("n", value, at))
        return request_of(json.dumps({"resourceMetrics": [told]}).encode(), "application/json")

    taking(message(10, 10), totals, lambda _: True, 100.0).keep()
    other = taking(message(10**9, 15), totals, lambda name: name != "net", 100.0)
    other.keep()
    assert (other.rows, other.rejected) == ({}, 1)
    assert "may not send" in other.why
    future = taking(message(10**9, 10**9), totals, lambda _: True, 100.0)
    future.keep()
    assert (future.rows, future.rejected) == ({}, 1)
    assert features(taking(message(30, 20), totals, lambda _: True, 100.0)) == [{"n_per_s": 2.0}]

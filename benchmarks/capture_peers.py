"""What other tools cost for the prediction of ``capture_rows.py``, each in a process of its own beside the yardstick.

    pip install prometheus_client opentelemetry-sdk wandb whylogs mlflow-skinny sqlalchemy alembic

in an environment of their own if they do not get on with yours; ``capture.py --peers-python ENVIRONMENT/bin/python``
names it. A peer that is not installed says so. Each does what its documentation shows for a served prediction, with
its defaults, and with as much of the prediction as it can take; nothing leaves the machine. What a call hands to
threads or processes of the peer's own is not in its time.
"""

from __future__ import annotations

import collections
import importlib.metadata
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from capture_rows import CASES, FEATURES, yardstick

__all__ = ["PEERS", "measure"]

Block = Callable[[Sequence[str]], None]
"""Records one prediction for each of the ids."""

_QUIET = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WHYLOGS_NO_ANALYTICS": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
NUMBERS = {**FEATURES, "prediction": 1.0, "probability": 0.93, "latency_s": 0.004}


def deque_append(_: Path) -> Block:
    """The cheapest thing that keeps anything: a tuple of references, without the time, lost with the process."""
    kept: collections.deque[Any] = collections.deque(
        maxlen=1000
    )  # more would be the garbage collector's cost
    features = FEATURES

    def block(names: Sequence[str]) -> None:
        for name in names:
            kept.append((features, 1.0, 0.93, 0.004, name))

    return block


def prometheus_one(_: Path) -> Block:
    """A histogram and a labelled counter, as on the client's front page."""
    from prometheus_client import Counter, Histogram

    latency = Histogram("latency_seconds", "Latency of a prediction")
    count = Counter("predictions", "Predictions", ["model", "version"])

    def block(names: Sequence[str]) -> None:
        for _ in names:
            latency.observe(0.004)
            count.labels("delays", "3").inc()

    return block


def prometheus_all(_: Path) -> Block:
    """A histogram for each of the 13 numbers, and the counter; no id."""
    from prometheus_client import Counter, Histogram

    numbers = [(Histogram(name, "A number"), value) for name, value in NUMBERS.items()]
    count = Counter("predictions", "Predictions", ["model", "version"])

    def block(names: Sequence[str]) -> None:
        for _ in names:
            for histogram, value in numbers:
                histogram.observe(value)
            count.labels("delays", "3").inc()

    return block


def opentelemetry_metrics(_: Path) -> Block:
    """A histogram and a counter with attributes."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    meter = MeterProvider(metric_readers=[InMemoryMetricReader()]).get_meter("benchmark")
    latency = meter.create_histogram("latency", unit="s")
    count = meter.create_counter("predictions")

    def block(names: Sequence[str]) -> None:
        for _ in names:
            latency.record(0.004, {"model": "delays", "version": "3"})
            count.add(1, {"model": "delays", "version": "3"})

    return block


def opentelemetry_span(_: Path) -> Block:
    """A span with all 13 numbers and the id as attributes, in batches to an exporter that drops them."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Drops(SpanExporter):
        def export(self, spans: Any) -> Any:  # noqa: ARG002 - the exporter's signature
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Drops()))
    tracer = provider.get_tracer("benchmark")

    def block(names: Sequence[str]) -> None:
        for name in names:
            with tracer.start_as_current_span("predict") as span:
                span.set_attributes({**NUMBERS, "id": name})

    return block


def logging_json(folder: Path) -> Block:
    """A line of JSON a prediction through ``logging`` to a file, flushed by the handler as always."""

    class Lines(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return json.dumps({"time": record.created, **record.__dict__["row"]})

    handler = logging.FileHandler(folder / "predictions.log")
    handler.setFormatter(Lines())
    logger = logging.getLogger("predictions")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)

    def block(names: Sequence[str]) -> None:
        for name in names:
            logger.info("prediction", extra={"row": {**NUMBERS, "id": name}})

    return block


def wandb_log(folder: Path) -> Block:
    """``run.log`` of a dict in an offline run."""
    import wandb

    run = wandb.init(project="benchmark", dir=str(folder), mode="offline")

    def block(names: Sequence[str]) -> None:
        for name in names:
            run.log({**NUMBERS, "id": name})

    return block


def whylogs_rolling(folder: Path) -> Block:
    """``logger.log`` of a row in a rolling logger, which adds to one profile."""
    import whylogs

    logger = whylogs.logger(mode="rolling", interval=1, when="H", base_name="benchmark")
    logger.append_writer("local", base_dir=str(folder))

    def block(names: Sequence[str]) -> None:
        for name in names:
            logger.log({**NUMBERS, "id": name})

    return block


def whylogs_row(_: Path) -> Block:
    """``why.log(row=...)``, which makes a profile of each row."""
    import whylogs

    def block(names: Sequence[str]) -> None:
        for name in names:
            whylogs.log(row={**NUMBERS, "id": name})

    return block


def mlflow_metrics(folder: Path) -> Block:
    """``mlflow.log_metrics`` of the 13 numbers into SQLite; no id."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.start_run()
    step = iter(range(2**60))

    def block(names: Sequence[str]) -> None:
        for _ in names:
            mlflow.log_metrics(NUMBERS, step=next(step))

    return block


@dataclass(frozen=True)
class Peer:
    """``call`` is what is called for a prediction, in words; ``calls`` how many there are in one block."""

    call: str
    make: Callable[[Path], Block]
    calls: int
    package: str = ""


PEERS = {
    "deque": Peer("deque.append of a tuple", deque_append, 5000),
    "prometheus_one": Peer(
        "histogram.observe, counter.labels.inc: one number", prometheus_one, 1000, "prometheus_client"
    ),
    "prometheus_all": Peer("the same with 13 histograms", prometheus_all, 200, "prometheus_client"),
    "opentelemetry_metrics": Peer(
        "histogram.record, counter.add: one number", opentelemetry_metrics, 500, "opentelemetry-sdk"
    ),
    "opentelemetry_span": Peer("span with 14 attributes", opentelemetry_span, 200, "opentelemetry-sdk"),
    "logging_json": Peer("logger.info, a line of JSON to a file", logging_json, 200),
    "wandb": Peer("run.log of 14 values, offline", wandb_log, 100, "wandb"),
    "whylogs_rolling": Peer("logger.log of a row, rolling", whylogs_rolling, 50, "whylogs"),
    "whylogs_row": Peer("why.log of a row", whylogs_row, 10, "whylogs"),
    "mlflow": Peer("mlflow.log_metrics of 13, SQLite", mlflow_metrics, 10, "mlflow-skinny"),
}


def block_times(block: Block, calls: int, repeats: int) -> dict[str, Any]:
    """Microseconds a call of the calling thread's processor time and of the wall clock, and the ratio of the first
    to the yardstick that ran just before, as medians over the blocks; the first block warms up."""
    names = CASES["with_id"].ids
    assert names is not None
    taken: list[tuple[float, float, float]] = []
    for repeat in range(repeats + 1):
        ids = names(calls)
        plain = yardstick(2000, time.thread_time) / 2000
        wall, start = time.perf_counter(), time.thread_time()
        block(ids)
        took, passed = time.thread_time() - start, time.perf_counter() - wall
        if repeat:
            taken.append((1e6 * took / calls, 1e6 * passed / calls, took / calls / plain))
    cpu, passed, ratio = (median(values) for values in zip(*taken, strict=True))
    return {"us": cpu, "wall_us": passed, "ratio": ratio}


def measure(name: str, python: str, folder: Path, repeats: int) -> dict[str, Any]:
    """Run one peer in a process of the given interpreter; ``missing`` says why there is no figure."""
    peer = PEERS[name]
    options = json.dumps({"folder": str(folder), "repeats": repeats})
    done = subprocess.run(
        [python, __file__, name, options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **_QUIET},
        timeout=600,
    )
    result: dict[str, Any] = {"call": peer.call}
    try:
        return {**result, **json.loads(done.stdout.splitlines()[-1])}
    except (IndexError, ValueError):
        return {**result, "missing": (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]}


def main(name: str, folder: Path, repeats: int) -> None:
    """Measure one peer in this process and print what it took as JSON."""
    peer = PEERS[name]
    folder.mkdir(parents=True, exist_ok=True)
    if peer.package:
        try:
            version = importlib.metadata.version(peer.package)
        except importlib.metadata.PackageNotFoundError:
            print(json.dumps({"missing": f"{peer.package} is not installed for {sys.executable}"}))
            return
    else:
        version = f"Python {sys.version.split()[0]}"
    times = block_times(peer.make(folder), peer.calls, repeats)
    print(json.dumps({"version": version, **times}), flush=True)
    os._exit(0)  # a peer that says goodbye to its server would take a while


if __name__ == "__main__":
    main(sys.argv[1], **{**(given := json.loads(sys.argv[2])), "folder": Path(given["folder"])})

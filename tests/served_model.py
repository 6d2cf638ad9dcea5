"""A served model as they are: FastAPI on uvicorn, with the endpoints of the Open Inference Protocol and Prometheus metrics.

``served`` runs it in a process of its own, which can be killed and started again on the same port.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

_PROGRAM = """
import os, sys
import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics import exposition

app = FastAPI()
requests = Counter("http_requests", "Requests.", ["status"])
queue, seconds = Gauge("queue_length", "Waiting."), Histogram("seconds", "Of a call.")
loaded = {"delays"}

@app.get("/predict")
def predict(fail: int = 0):
    requests.labels("500" if fail else "200").inc()
    queue.set(3)
    seconds.observe(0.02)
    return Response(status_code=500 if fail else 200)

@app.get("/metrics")
def metrics():
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

@app.get("/openmetrics")
def modern():
    from prometheus_client import REGISTRY
    return Response(exposition.generate_latest(REGISTRY), media_type=exposition.CONTENT_TYPE_LATEST)

@app.get("/v2/health/live")
@app.get("/v2/health/ready")
def fine():
    return {}

@app.get("/v2/models/{name}/ready")
def ready(name: str):
    return Response(status_code=200 if name in loaded else 400)

@app.get("/secret")
def secret():
    return Response(status_code=503)

@app.get("/away")
def away():
    return Response(status_code=302, headers={"Location": "http://169.254.169.254/"})

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
"""


class Served:
    """The process, if it runs, and where it is."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Run it, and wait until it answers."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(self.port)], env={**os.environ, "PYTHONWARNINGS": "ignore"}
        )
        for _ in range(400):
            try:
                self.get("/v2/health/live")
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the served model does not answer")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def get(self, path: str) -> None:
        """Ask for a path, whatever is answered; ``OSError`` where nothing is."""
        try:
            urllib.request.urlopen(f"{self.url}{path}", timeout=5).read()
        except urllib.error.HTTPError as error:
            error.close()


@contextmanager
def served() -> Iterator[Served]:
    """A served model that runs."""
    made = Served()
    made.start()
    try:
        yield made
    finally:
        if made.process is not None:
            made.kill()

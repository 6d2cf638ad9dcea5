"""A scikit-learn model behind FastAPI: a new version gets a fifth of the traffic, is worse, and is rolled back by itself.

``pip install vedette fastapi uvicorn scikit-learn`` and ``python examples/deployment/canary.py``. It takes about half a minute.

Version 4 was trained on inputs in inches and is served centimetres. Nobody looks: an ingester compares the versions every few
seconds, the policy of ``vedette.toml`` sends all traffic back to version 3, and the service goes on without a restart.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import vedette
from vedette.capture.routing import Policy, RoutedApp, Router, write

COLUMNS = ("length", "width", "weight")
WRITTEN = """
[models.fish]
task = "classification"
classes = ["no", "yes"]
window = "10s"

[models.fish.compare.canary]
champion = "3"
challenger = "4"
guard_rails = {{ accuracy = 0.02, latency_s = 0.05 }}

[models.fish.policies.back]
on = "roll back canary"
do = [{{ action = "route", file = "{routing}", to = "champion" }}]
"""


def rows(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and widths in centimetres, weights in grams; whether a fish is old enough."""
    length = rng.normal(40, 8, n)
    x = np.column_stack([length, length / 4 + rng.normal(0, 1, n), length**2 / 3 + rng.normal(0, 60, n)])
    return x, (x @ [0.12, 0.25, 0.002] + rng.normal(0, 0.5, n) > 8.4).astype(int)


def service(model: Any, monitor: vedette.Monitor) -> FastAPI:
    """A version of the model as an application of its own."""
    app = FastAPI()

    @app.post("/predict")
    def predict(asked: dict[str, Any]) -> dict[str, Any]:
        begun = time.perf_counter()
        features = {name: float(asked[name]) for name in COLUMNS}
        probability = float(model.predict_proba([list(features.values())])[0, 1])
        answer = "yes" if probability > 0.5 else "no"
        monitor.log(
            features,
            answer,
            probability=probability,
            id=str(asked["id"]),
            latency_s=time.perf_counter() - begun,
        )
        return {"answer": answer}

    return app


def main() -> None:
    """Serve both versions, send requests until all traffic is back, and show what was done."""
    rng = np.random.default_rng(7)
    x, y = rows(rng, 4000)
    good = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    inches = make_pipeline(StandardScaler(), LogisticRegression()).fit(x / [2.54, 2.54, 1.0], y)
    with tempfile.TemporaryDirectory() as folder:
        routing, written = Path(folder) / "routing", Path(folder) / "vedette.toml"
        written.write_text(WRITTEN.format(routing=routing))
        os.environ["VEDETTE_CONFIG"], lake = str(written), f"{folder}/lake"
        write(routing, Policy({"3": 0.8, "4": 0.2}))
        monitors = {version: vedette.Monitor("fish", version=version, lake=lake) for version in ("3", "4")}
        apps = {"3": service(good, monitors["3"]), "4": service(inches, monitors["4"])}
        app = RoutedApp(apps, Router(routing, default="3"))
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        ingester = subprocess.Popen([sys.executable, "-m", "vedette", "ingest", "--follow", "--lake", lake])
        try:
            answered = ask_until_back(port, rng, monitors["3"])
            print(
                f"all traffic is back at version 3 after {answered['3']:,} answers of it and {answered['4']:,} of version 4"
            )
            subprocess.run([sys.executable, "-m", "vedette", "actions", "fish", "--lake", lake], check=True)
        finally:
            ingester.terminate()
            ingester.wait()
            server.should_exit = True
            thread.join()
            for monitor in monitors.values():
                monitor.close()


def ask_until_back(port: int, rng: np.random.Generator, monitor: vedette.Monitor) -> dict[str, int]:
    """Send requests of users, and their labels a moment later, until version 4 answers nobody any more."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    answered, since_four, deadline = {"3": 0, "4": 0}, 0, time.monotonic() + 120
    while since_four < 200:
        if time.monotonic() > deadline:
            raise SystemExit("version 4 was not rolled back within two minutes")
        x, y = rows(rng, 1)
        name = f"fish-{sum(answered.values())}"
        body = json.dumps({"id": name, **dict(zip(COLUMNS, x[0], strict=True))})
        user = {"x-user-id": f"user-{rng.integers(500)}", "Content-Type": "application/json"}
        connection.request("POST", "/predict", body, user)
        answer = connection.getresponse()
        answer.read()
        version = answer.headers["X-Model-Version"]
        answered[version] += 1
        since_four = 0 if version == "4" else since_four + 1
        monitor.label(name, "yes" if y[0] else "no")
    return answered


if __name__ == "__main__":
    main()

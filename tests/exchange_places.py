"""Places to exchange runs with, for tests: TensorBoard's folder, MLflow's store in SQLite, and what reads each independently."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NEEDED = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def need(kind: str) -> None:
    """Skip the test where a package that it needs is not installed."""
    for package in NEEDED[kind]:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


@cache
def _fresh_store() -> Path:
    """An empty store: to make one takes a second or two, to copy it none."""
    from mlflow import MlflowClient

    path = Path(tempfile.mkdtemp()) / "fresh.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


def place(kind: str, folder: Path) -> str:
    """A place of a kind, empty, in a folder."""
    need(kind)
    if kind == "tensorboard":
        return str(folder / "tb")
    path = folder / "mlflow.db"
    shutil.copy(_fresh_store(), path)
    return f"sqlite:///{path}"


def client(uri: str) -> Any:
    """MLflow's own client."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def scalars(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Steps, times and values by tag, as TensorBoard's own reader has them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    reader.Reload()
    return {
        tag: [(one.step, one.wall_time, one.value) for one in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }


def history(uri: str, experiment: str, run: str, metric: str) -> list[tuple[int, int, float]]:
    """Steps, times in milliseconds and values of a metric, as MLflow's own client has them, in order of steps."""
    asked = client(uri)
    found = asked.get_experiment_by_name(experiment)
    runs = asked.search_runs([found.experiment_id], f"attributes.run_name = '{run}'")
    assert len(runs) == 1
    points = asked.get_metric_history(runs[0].info.run_id, metric)
    return sorted((one.step, one.timestamp, one.value) for one in points)

"""A run as one of MLflow's: metrics with step and time, parameters, tags, status. Written through MLflow's own client.

The experiment is that of the address (``mlflow:URI#experiment``), else of the model's name; the run has the tags
``vedette.model``, ``vedette.run`` and ``vedette.version``. Events that MLflow has no place for are tags ``vedette.event.*``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.capture.mirrors.mlflow_names import NAME_TAG, mlflow_name
from vedette.capture.mirrors.rows import About, Event, Row

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

__all__ = [
    "EVENT_TAG",
    "STATUS_TAG",
    "SUMMARY_TAG",
    "MlflowMirror",
    "losses",
    "mirrored_run",
    "open_mirror",
    "split_place",
    "stored",
]

EVENT_TAG, SUMMARY_TAG, STATUS_TAG = "vedette.event.", "vedette.summary.", "vedette.status"

_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED", "killed": "FAILED"}
_METRICS_MAX, _OTHERS_MAX = 1000, 100  # of one request, by MLflow's own rule
_PARAM_MAX, _TAG_MAX = 500, 5000  # characters that every version since 2.14 takes


def split_place(place: str) -> tuple[str, str]:
    """The tracking URI of a place and the experiment, empty where it names none.

    >>> split_place("sqlite:///runs.db#delays")
    ('sqlite:///runs.db', 'delays')
    """
    uri, _, experiment = place.partition("#")
    return uri, experiment


def open_mirror(place: str, about: About) -> MlflowMirror:
    """Begin a run in the experiment, or go on with the one that it has of a run that was resumed."""
    from mlflow import MlflowClient

    uri, experiment = split_place(place)
    return MlflowMirror(MlflowClient(tracking_uri=uri), experiment or about.model, about)


def milliseconds(time_s: float) -> int:
    """A time as MLflow has it: of the microseconds that the lake keeps, so that both agree where it lies in the middle of two.

    >>> milliseconds(1.0005), milliseconds(1.0015)
    (1000, 1002)
    """
    return round(round(time_s * 1e6) / 1000)


def stored(values: np.ndarray[Any, Any], times_us: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Values and times in microseconds as a store keeps them: one in a database has no infinity, and no -0.0.

    >>> stored(np.array([np.inf, -0.0]), np.array([1499, 1501]))
    (array([1.79769313e+308, 0.00000000e+000]), array([1000, 2000]))
    """
    highest = np.finfo(np.float64).max
    return np.clip(values, -highest, highest) + 0.0, np.round(times_us / 1000).astype(np.int64) * 1000


def losses(values: np.ndarray[Any, Any]) -> dict[str, int]:
    """How many values may not be kept as they are, in words.

    >>> losses(np.array([0.5, np.inf, np.nan]))
    {'infinite values, which an SQL store of MLflow keeps as ±1.797e308': 1}
    """
    return {"infinite values, which an SQL store of MLflow keeps as ±1.797e308": int(np.isinf(values).sum())}


def mirrored_run(client: MlflowClient, experiment: str, about: About) -> str | None:
    """The id of the newest run of MLflow that mirrors this one; None where there is none."""
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return None
    wanted = f"tags.`vedette.model` = '{about.model}' and tags.`vedette.run` = '{about.run}'"
    runs = client.search_runs(
        [found.experiment_id], wanted, max_results=1, order_by=["attributes.start_time DESC"]
    )
    return str(runs[0].info.run_id) if runs else None


class MlflowMirror:
    """One run of MLflow; ``id`` is its run id."""

    def __init__(self, client: MlflowClient, experiment: str, about: About) -> None:
        self._client, self._about = client, about
        self._params: dict[str, str] = {}
        self._names: set[str] = set()
        found = mirrored_run(client, experiment, about) if about.resumed else None
        if found is None:
            tags = {"vedette.model": about.model, "vedette.run": about.run, "vedette.version": about.version}
            started = round(about.started_s * 1000)
            run = client.create_run(
                _experiment(client, experiment), start_time=started, tags=tags, run_name=about.run
            )
            self.id = str(run.info.run_id)
        else:
            self.id = found
            self._params = dict(client.get_run(found).data.params)
            client.update_run(found, status="RUNNING")

    def write(self, rows: Sequence[Row | Event]) -> None:
        """Log a batch of metrics, and what the events say."""
        from mlflow.entities import Metric, Param, RunTag

        metrics: list[Metric] = []
        tags: dict[str, str] = {}
        params: dict[str, str] = {}
        ended: Event | None = None
        for row in rows:
            if isinstance(row, Event):
                self._say(row, params, tags)
                ended = row if row.kind == "run_ended" else ended
                continue
            at = milliseconds(row.time_s)
            metrics += [
                Metric(self._name(name, tags), value, at, row.step) for name, value in row.values.items()
            ]
        client, run = self._client, self.id
        for some in _pieces(list(tags.items()), _OTHERS_MAX):
            client.log_batch(run, tags=[RunTag(key, value) for key, value in some])
        for some in _pieces(list(params.items()), _OTHERS_MAX):
            client.log_batch(run, params=[Param(key, value) for key, value in some])
        for batch in _pieces(metrics, _METRICS_MAX):
            client.log_batch(run, metrics=batch)
        if ended is not None:
            status = _STATUS.get(str(ended.detail.get("status")), "FINISHED")
            client.set_terminated(run, status, round(ended.time_s * 1000))

    def close(self) -> None:
        """Nothing is left: what ``write`` was given is there when it returns."""

    def _say(self, event: Event, params: dict[str, str], tags: dict[str, str]) -> None:
        """Put what an event says into parameters and tags."""
        detail = event.detail
        if event.kind == "run_params":
            for name, value in detail.items():
                self._param(name, _as_text(value), params, tags)
        elif event.kind == "run_ended":
            tags[STATUS_TAG] = str(detail.get("status"))
            for name, value in (detail.get("summary") or {}).items():
                tags[self._name(f"{SUMMARY_TAG}{name}", tags)] = _as_text(value)[:_TAG_MAX]
        elif event.kind == "environment":
            tags |= _environment_tags(detail)
            for name, value in (detail.get("tags") or {}).items():
                tags[self._name(str(name), tags)] = str(value)[:_TAG_MAX]
        document = {"kind": event.kind, "step": event.step, "time": event.time_s, "detail": detail}
        text = json.dumps(document)
        if len(text) > _TAG_MAX:
            document["detail"] = _shortened(detail, _TAG_MAX - 200)
            text = json.dumps(document)
        # by time and content, so that the same event told again is the same tag
        number = sha256(text.encode()).hexdigest()[:8]
        tags[f"{EVENT_TAG}{round(event.time_s * 1e6):016d}.{number}"] = text

    def _param(self, name: str, text: str, params: dict[str, str], tags: dict[str, str]) -> None:
        """A parameter can be told once: of one that changes the last value is a tag ``vedette.param.<name>``."""
        key, text = self._name(name, tags), text[:_PARAM_MAX]
        if self._params.setdefault(key, text) == text:
            params[key] = text
        else:
            tags[f"vedette.param.{key}"[:250]] = text

    def _name(self, name: str, tags: dict[str, str]) -> str:
        found = mlflow_name(name)
        if found != name and found not in self._names:
            self._names.add(found)
            tags[f"{NAME_TAG}{found}"] = name
        return found


def _experiment(client: MlflowClient, name: str) -> str:
    """The id of an experiment, which is made where there is none; another process may be quicker."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _environment_tags(detail: Mapping[str, Any]) -> dict[str, str]:
    """What an environment says, under the names that MLflow has for it."""
    git = detail.get("git") or {}
    argv = detail.get("argv") or []
    found = {
        "mlflow.source.git.commit": git.get("commit"),
        "mlflow.source.git.branch": git.get("branch"),
        "mlflow.source.name": argv[0] if argv else detail.get("source"),
        "mlflow.user": detail.get("user"),
        "mlflow.note.content": detail.get("note"),
    }
    return {key: str(value)[:_TAG_MAX] for key, value in found.items() if value}


def _shortened(detail: Mapping[str, Any], n_max: int) -> dict[str, Any]:
    """Details by name as long as they fit, the short ones first; ``cut`` names those that do not."""
    found: dict[str, Any] = {}
    cut: list[str] = []
    room = n_max // 2 - sum(len(name) + 8 for name in detail)
    for name, value in sorted(detail.items(), key=lambda item: len(json.dumps(item[1]))):
        room -= len(json.dumps(value))
        if room >= 0:
            found[name] = value
        else:
            cut.append(name)
    return {**found, "cut": cut} if len(json.dumps(cut)) <= n_max // 2 else {"cut": len(cut)}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _pieces(items: Sequence[Any], n: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), n):
        yield list(items[start : start + n])

"""Runs of MLflow, read through its own client: metrics with all their steps, parameters, tags, status.

A place is a tracking URI, with ``#experiment`` for one experiment alone. Parameters are texts in MLflow: one that is a number
or a truth value as JSON has it is one here. Events and names that vedette put into tags are restored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from vedette.capture.mirrors import About, Event
from vedette.capture.mirrors.address import hide, shown
from vedette.capture.mirrors.mlflow import EVENT_TAG, STATUS_TAG, SUMMARY_TAG, mirrored_run, split_place
from vedette.capture.mirrors.mlflow_names import original_name
from vedette.engine.exchange.found import POINTS, FoundRun, is_time
from vedette.errors import DataError

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["found_runs", "mirrored"]

_STATUS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "stopped"}
_HIGHEST = 1.7976931348623157e308  # what SQL stores keep infinity as
_PAGE = 1000
_OWN = ("vedette.", "mlflow.")


def found_runs(place: str) -> Iterator[FoundRun]:
    """The runs of a tracking store, the oldest first; ``DataError`` where there is no such experiment, or no store."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    uri, experiment = split_place(place)
    try:
        client = MlflowClient(tracking_uri=uri)
        ids = _experiments(client, experiment)
    except MlflowException as error:
        raise DataError(f"{shown(uri)!r}: {hide(str(error), uri)}") from None
    if not ids:
        raise DataError(f"experiment={experiment!r}: not there; {_known(client)}")
    token: str | None = None
    while True:
        page = client.search_runs(
            ids,
            max_results=_PAGE,
            order_by=["attributes.start_time ASC", "attributes.run_id"],
            page_token=token,
        )
        for run in page:
            yield _run(client, run)
        token = page.token
        if not token:
            return


def mirrored(place: str, about: About) -> FoundRun | None:
    """What a tracking store has of a run of vedette."""
    from mlflow import MlflowClient

    uri, experiment = split_place(place)
    client = MlflowClient(tracking_uri=uri)
    found = mirrored_run(client, experiment or about.model, about)
    return None if found is None else _run(client, client.get_run(found))


def _experiments(client: MlflowClient, name: str) -> list[str]:
    if name:
        found = client.get_experiment_by_name(name)
        return [] if found is None else [found.experiment_id]
    return [one.experiment_id for one in _all_experiments(client)]


def _all_experiments(client: MlflowClient) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = client.search_experiments(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _known(client: MlflowClient) -> str:
    names = [one.name for one in _all_experiments(client)]
    return f"experiments are {', '.join(names[:20])}" if names else "the store has no experiment"


def _run(client: MlflowClient, run: Any) -> FoundRun:
    tags = dict(run.data.tags)
    left_out: dict[str, int] = {}
    points = _points(client, run.info.run_id, list(run.data.metrics), tags, left_out)
    model, name = tags.get("vedette.model"), tags.get("vedette.run")
    return FoundRun(
        run.info.run_name or run.info.run_id,
        str(run.info.run_id),
        points,
        _events(run, tags),
        tags.get("vedette.version", ""),
        (model, name) if model and name else None,
        left_out,
    )


def _points(
    client: MlflowClient, run_id: str, metrics: list[str], tags: Mapping[str, str], left_out: dict[str, int]
) -> pl.DataFrame:
    """All points of a run, in order of time; what looks like an infinity that was cut stays as it is, and is counted."""
    frames = [pl.DataFrame(schema=POINTS)]
    for metric in sorted(metrics):
        history = client.get_metric_history(run_id, metric)
        kept = [one for one in history if is_time(one.timestamp / 1000)]
        _count(left_out, "points whose time is none", len(history) - len(kept))
        cut = sum(abs(one.value) == _HIGHEST for one in kept)
        _count(left_out, "values of ±1.797e308, as which an SQL store of MLflow keeps infinity", cut)
        columns = {
            "metric": [original_name(metric, tags)] * len(kept),
            "step": [one.step for one in kept],
            "time": [one.timestamp * 1000 for one in kept],
            "value": [one.value for one in kept],
        }
        frames.append(pl.DataFrame(columns, schema=POINTS).sort("time", "step", maintain_order=True))
    return pl.concat(frames).sort("time", maintain_order=True)


def _count(counts: dict[str, int], what: str, n: int) -> None:
    if n:
        counts[what] = counts.get(what, 0) + n


def _events(run: Any, tags: Mapping[str, str]) -> list[Event]:
    """The run's events: those that vedette kept in tags, and what MLflow itself knows."""
    kept = [event for key in sorted(tags) if key.startswith(EVENT_TAG) and (event := _kept(tags[key]))]
    kept.sort(key=lambda one: (one.time_s, one.kind == "run_ended", one.kind != "run_started"))
    kinds = {event.kind for event in kept}
    started = (run.info.start_time or 0) / 1000
    events: list[Event] = []
    if "run_started" not in kinds and "run_resumed" not in kinds:
        events.append(Event(started, -1, "run_started", {"imported": "mlflow"}))
    if "environment" not in kinds and (environment := _environment(tags)):
        events.append(Event(started, -1, "environment", environment))
    params = {original_name(key, tags): _value(text) for key, text in run.data.params.items()}
    if "run_params" not in kinds and params:
        events.append(Event(started, -1, "run_params", params))
    events += [_whole(event, params) for event in kept]
    if "run_ended" not in kinds and run.info.status in _STATUS:
        ended = (run.info.end_time or run.info.start_time or 0) / 1000
        detail = {"status": tags.get(STATUS_TAG, _STATUS[run.info.status]), "summary": _summary(tags)}
        events.append(Event(max(ended, started), -1, "run_ended", detail))
    return events


def _whole(event: Event, params: Mapping[str, Any]) -> Event:
    """An event of parameters, some of which had no room in a tag, with those that MLflow has itself."""
    if event.kind != "run_params" or "cut" not in event.detail:
        return event
    detail = {name: value for name, value in event.detail.items() if name != "cut" or name in params}
    return replace(event, detail={**params, **detail})


def _kept(text: str) -> Event | None:
    try:
        said = json.loads(text)
        return Event(float(said["time"]), int(said["step"]), str(said["kind"]), dict(said["detail"]))
    except (KeyError, TypeError, ValueError):
        return None


def _environment(tags: Mapping[str, str]) -> dict[str, Any]:
    """What the tags say of the code and who ran it, and the user's own tags."""
    git = {
        key: tags[f"mlflow.source.git.{key}"]
        for key in ("commit", "branch")
        if f"mlflow.source.git.{key}" in tags
    }
    own = {original_name(key, tags): text for key, text in sorted(tags.items()) if not key.startswith(_OWN)}
    found = {
        "git": git, "source": tags.get("mlflow.source.name"), "user": tags.get("mlflow.user"),
        "note": tags.get("mlflow.note.content"), "tags": own,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value}


def _summary(tags: Mapping[str, str]) -> dict[str, Any]:
    named = {key: text for key, text in tags.items() if key.startswith(SUMMARY_TAG)}
    return {original_name(key, tags).removeprefix(SUMMARY_TAG): _value(text) for key, text in named.items()}


def _value(text: str) -> Any:
    """A parameter: a number or a truth value where it reads as one, else its text.

    >>> _value("0.001"), _value("true"), _value("adam"), _value('{"a": 1}')
    (0.001, True, 'adam', '{"a": 1}')
    """
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, (bool, int, float)) else text

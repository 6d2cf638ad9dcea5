"""What ``vedette metrics`` and ``vedette prometheus`` give: the text of the metrics, and the files made for a model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vedette import config
from vedette.engine.commands import open_lake
from vedette.engine.scraped import Scraped, facts_of
from vedette.engine.state import was_live
from vedette.errors import LakeError
from vedette.lake import ingest
from vedette.lake.events import settings_of
from vedette.lake.tables import Lake
from vedette.output.prometheus.alert_rules import alert_rules
from vedette.output.prometheus.dashboard import dashboard
from vedette.output.prometheus.described import Described
from vedette.output.prometheus.scrape_config import scrape_config
from vedette.output.prometheus.text import Exposition
from vedette.output.prometheus.textfile import write_atomically

__all__ = ["DEFAULT_URL", "described", "generated", "metrics_text", "write_metrics"]

DEFAULT_URL = "http://localhost:8470"
"""Where a server listens that was told nothing else."""
_OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def metrics_text(
    location: str, models: Sequence[str], *, every: bool = False, open_metrics: bool = False
) -> bytes:
    """The metrics of models of a lake, or of ``every`` one, as the text of ``/metrics``; all that there is to read is read.

    Raises ``LakeError`` for a model that is not there, or that cannot be read, where it was named.
    """
    lake = _lake_of(location, models, every)
    scraped = Scraped(lake, None if every else models, patience_s=None)
    reading = scraped.reading()
    if reading.failed and not every:
        raise LakeError(f"model={reading.failed[0]!r}: cannot be read; the log says why")
    text, _ = Exposition(lambda: reading)(_OPEN_METRICS if open_metrics else "")
    return text


def write_metrics(location: str, models: Sequence[str], path: Path, *, every: bool = False) -> Path:
    """Write the metrics as a file for node_exporter's textfile collector, which knows Prometheus' own format alone."""
    return write_atomically(path, metrics_text(location, models, every=every))


def _lake_of(location: str, models: Sequence[str], every: bool) -> Lake:
    if every == bool(models):
        raise ValueError(f"models={list(models)}, --all={every}: name models, or give --all")
    lake = open_lake(location)
    for model in models:
        open_lake(location, model)
    return lake


def generated(kind: str, location: str, models: Sequence[str], *, every: bool = False) -> str:
    """The file of a ``kind`` (scrape, rules or grafana) for models of a lake, or ``every`` one."""
    written = config.read()
    if kind == "scrape":
        _lake_of(location, models, every)
        return scrape_config(written.server.url or DEFAULT_URL, models)
    lake = _lake_of(location, models, every)
    names = [name for name in lake.models() if "." not in name] if every else models
    made = [described(lake, name, written.models.get(name, {}), written.server.url) for name in names]
    return alert_rules(made) if kind == "rules" else dashboard(made)


def described(lake: Lake, model: str, written: Mapping[str, Any], url: str | None) -> Described:
    """A model as rules and dashboards are made for it: what ``vedette.toml`` says, and what the lake has."""
    now = ingest.now_of(time.time())
    facts, _ = facts_of(lake, model, now, segments=False)
    tables = lake.model(model)
    settings = config.settings(
        {key: value for key, value in written.items() if key not in config.JUDGING}, settings_of(tables)
    )
    figures: dict[str, dict[str, None]] = {}
    for one in facts.figures:
        if not one.part and not one.segment:
            figures.setdefault(one.metric, {})[one.feature] = None
    rules: Mapping[str, Any] = written.get("rules", {})
    return Described(
        model=model,
        window_s=settings.window_s,
        live=was_live(tables),
        budget_per_month=settings.budget_per_month,
        figures={metric: tuple(features) for metric, features in figures.items()},
        segments=settings.segments or (),
        severities={
            name: "alarm" if isinstance(said, str) else said.get("severity", "alarm")
            for name, said in rules.items()
        },
        url=url,
    )

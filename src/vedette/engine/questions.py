"""What is asked of a model beside its health: figures, labels, causes, advice; one function for each command.

Apart from ``commands``, since ``vedette check`` runs every minute and needs none of what this imports.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import polars as pl

from vedette import config
from vedette.engine import domain as domain_module
from vedette.engine import explain as explain_module
from vedette.engine import fairness as fairness_module
from vedette.engine import figures as figures_module
from vedette.engine import labels as labels_module
from vedette.engine.advise import advise_model
from vedette.engine.commands import open_lake, visit
from vedette.engine.rules_replay import Replayed, replay_model
from vedette.output.explanation import Explanation
from vedette.records import Labels
from vedette.strategy.advice import Advised

__all__ = ["advise", "domain", "explain", "fairness", "figures", "labels", "replay_rules"]


def figures(
    location: str,
    model: str,
    metric: str | None,
    *,
    feature: str | None,
    by: str | None,
    window: str | None,
    as_of: str | None,
    **when: Any,
) -> pl.DataFrame:
    """Figures of a model; see ``Monitor.figures``. Several metrics, features or columns stand between commas."""
    length = None if window is None else 0.0 if window == "all" else config.duration_s(window)
    return figures_module.figures(
        open_lake(location, model),
        model,
        _names(metric),
        feature=_names(feature),
        by=_names(by),
        window_s=length,
        as_of=as_of if as_of is None or "," not in as_of else as_of.split(","),
        **when,
    )


def labels(
    location: str, model: str, by: str | None, *, since: str | None = None, until: str | None = None
) -> tuple[Labels, pl.DataFrame]:
    """What became of a model's labels, and the delays within which they come; see ``Monitor.labels``."""
    lake = open_lake(location, model)
    delays = labels_module.label_delay_of(lake, model, by=_names(by), since=since, until=until)
    return labels_module.labels_of(lake, model), delays


def fairness(
    location: str,
    model: str,
    by: str,
    metric: str | None,
    *,
    window: str | None,
    **rest: Any,
) -> pl.DataFrame:
    """Fairness of a model; see ``Monitor.fairness``. Several metrics stand between commas."""
    length = None if window is None else 0.0 if window == "all" else config.duration_s(window)
    lake = open_lake(location, model)
    return fairness_module.fairness(lake, model, by, _names(metric), window_s=length, **rest)


def domain(
    location: str, model: str, *, since: str | None, until: str | None, against: str | None
) -> pl.DataFrame:
    """How well rows of two spans can be told apart; see ``Monitor.domain``."""
    return domain_module.domain(open_lake(location, model), model, since=since, until=until, against=against)


def explain(location: str, model: str, watch: str | None = None) -> Explanation | None:
    """Why a watch of a model fired, after a round where there is something to do; see ``engine.explain``."""
    lake = open_lake(location, model)
    visit(lake, model)
    return explain_module.explain(lake, model, watch)


def advise(
    location: str, model: str, *, seconds: float, progress: Callable[[int, int, str], None] | None = None
) -> Advised:
    """Which strategy should watch a model; the first SIGINT ends the race, and what it showed by then is the advice."""
    lake = open_lake(location, model)
    visit(lake, model)
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)
        signal.signal(signal.SIGINT, before)  # the second one ends the command

    before = signal.signal(signal.SIGINT, stop)
    try:
        return advise_model(lake.model(model), seconds=seconds, tell=progress, stop=lambda: bool(stopped))
    finally:
        signal.signal(signal.SIGINT, before)


def replay_rules(
    location: str,
    model: str,
    said: Sequence[str],
    *,
    since: str | None = None,
    until: str | None = None,
    incidents: Sequence[str] = (),
) -> Replayed:
    """Rules over the history of a model: would have fired when, which incidents caught, how late."""
    lake = open_lake(location, model)
    visit(lake, model)
    return replay_model(lake.model(model), said, since=since, until=until, incidents=incidents)


def _names(said: str | None) -> list[str] | None:
    return None if said is None else [name.strip() for name in said.split(",")]

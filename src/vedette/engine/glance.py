"""A model at a glance: its verdict, what is open, and how new and how whole its rows are. What a list of models shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from vedette.engine import maintenance
from vedette.engine.alerts import OPEN_STATES
from vedette.engine.alerts import alerts as alerts_of_tables
from vedette.engine.health import LOST, health_with_kin, turns
from vedette.engine.holds import in_force, with_holds
from vedette.engine.runs import runs_of
from vedette.engine.state import kept_row
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Alert, Health, Status, Window, owner_of

__all__ = ["Glance", "alerts_of", "glance", "models_of"]


@dataclass(frozen=True, slots=True)
class Glance:
    """A model as a list shows it.

    ``watched`` counts its verdicts by word; ``alerts`` are those open, of its runs too. ``window`` is the newest with rows,
    ``rows`` the predictions in the lake, ``lost`` those that were seen and could not be kept, ``completeness`` the share of
    those seen in the newest window that are kept, None where nothing came. ``turns`` is when another verdict may come of
    time alone.
    """

    health: Health
    watched: Mapping[str, int]
    alerts: tuple[Alert, ...]
    window: Window | None
    rows: int
    lost: int
    completeness: float | None
    turns: datetime | None

    @property
    def model(self) -> str:
        """Its name."""
        return self.health.model

    def count(self, *states: str) -> int:
        """How many of its alerts are in one of the states."""
        return sum(one.state in states for one in self.alerts)

    def age_s(self, now: datetime) -> float | None:
        """Seconds since the newest window ended; 0 for one that goes on."""
        return None if self.window is None else max(0.0, (now - self.window.end).total_seconds())


def models_of(lake: Lake) -> list[str]:
    """The models that a person knows: what is recorded beside one, such as its runs, is part of it."""
    return sorted({owner_of(name) for name in lake.models()})


def glance(lake: Lake, model: str, now: datetime) -> Glance:
    """A model at a glance, as the last round left it."""
    found = health_with_kin(lake, model, now)
    tables = lake.model(model)
    window, rows, lost, completeness = _newest(tables)
    kept = kept_row(tables, series=False)
    open_ones = tuple(one for one in alerts_of(lake, model, now) if one.state in OPEN_STATES)
    ends = [one.until for one in open_ones if one.until is not None]
    ends += [turn for turn in (None if kept is None else turns(tables, kept, now),) if turn is not None]
    if open_ones:  # they are told then, or no more
        span = maintenance.turns(maintenance.of_lake(lake, in_force().maintenance), model, now)
        ends += [] if span is None else [span]
    counts = Counter(one.verdict.value for one in found.verdicts)
    return Glance(
        found, {one.value: counts[one.value] for one in Status}, open_ones, window, rows, lost, completeness,
        min(ends, default=None),
    )  # fmt: skip


def alerts_of(lake: Lake, model: str, now: datetime) -> list[Alert]:
    """The alerts of a model and of its runs as they stand, the newest first."""
    names = [name for name in (model, runs_of(model)) if lake.has(name)]
    found = [
        one for name in names for one in with_holds(lake, name, alerts_of_tables(lake.model(name), now), now)
    ]
    return sorted(found, key=lambda one: (one.opened, one.id), reverse=True)


def _newest(tables: ModelTables) -> tuple[Window | None, int, int, float | None]:
    """The newest window with rows, the rows of all, those that could not be kept, and the share that was of the newest."""
    counted = (
        tables["ledger"]
        .scan()
        .filter(pl.col("stream").str.ends_with("predictions") & pl.col("window").is_not_null())
        .group_by("window", "window_s")
        .agg(
            pl.col("n").sum().alias("seen"),
            pl.col("n").filter(pl.col("part") == "in_lake").sum().alias("kept"),
            pl.col("n").filter(pl.col("part").is_in(LOST)).sum().alias("lost"),
        )
        .collect()
    )
    lost = int(counted["lost"].sum())
    there = counted.filter(pl.col("kept") > 0).sort("window")
    if there.is_empty():
        return None, 0, lost, None
    last = there.row(-1, named=True)
    of_window = counted.filter(pl.col("window") == last["window"])
    end = last["window"] + timedelta(seconds=last["window_s"])
    share = int(of_window["kept"].sum()) / int(of_window["seen"].sum())
    return Window(last["window"], end), int(counted["kept"].sum()), lost, share

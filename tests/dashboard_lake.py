"""A lake for the tests of the server's pages: a fault in one segment with a new version, late labels, runs, an alert seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import vedette
from vedette.engine import commands, cycle
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.lake.tables import Lake

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS, CHANGE, ROWS = 16, 11, 600
HOSTILE = "</script><img src=x onerror=alert(1)>"
"""What no page may take for its own words: the name of a feature, a category, a run, and a person's reason."""


def rows(random: np.random.Generator, n: int, *, spoilt: bool = False) -> dict[str, np.ndarray]:
    """Inputs, predictions and labels with one error in ten, and many more in one segment where they are spoilt."""
    label = random.integers(0, 2, n)
    region = random.choice(["north", "south", "east", HOSTILE], n)
    device = random.choice(["phone", "web", "tv"], n, p=[0.5, 0.4, 0.1])
    wrong = random.uniform(size=n) < np.where(spoilt & (region == "north") & (device == "web"), 0.55, 0.1)
    return {
        "region": region,
        "device": device,
        "age": random.normal(40, 12, n),
        f"height {HOSTILE}": random.normal(170 if not spoilt else 178, 10, n),
        "prediction": np.where(wrong, 1 - label, label),
        "label": label,
    }


def build(folder: Path) -> Lake:
    """The lake: ``flights`` with all there is to see, ``quiet`` without labels or reference, ``calm`` with nothing wrong."""
    random = np.random.default_rng(7)
    _flights(folder, random)
    _runs(folder, random)
    lake = Lake.at(folder)
    for name, reference in (("calm", True), ("quiet", False)):
        _plain(folder, name, random, reference=reference)
        cycle.once(lake, models=[name])
    found = commands.alerts(str(folder), "flights")
    opened = [one for one in found if one.state == "firing"]
    commands.acknowledge(str(folder), opened[-1].id, by="ann", reason=HOSTILE, accept=False)
    return lake


def _flights(folder: Path, random: np.random.Generator) -> None:
    now = START
    lake = Lake.at(folder)

    def monitor(version: str) -> vedette.Monitor:
        return vedette.Monitor(
            "flights", version, folder, window="1d", task="classification", segments=["device"],
            clock=lambda: now.timestamp(),
        )  # fmt: skip

    own = monitor("1")
    own.reference(pl.DataFrame(rows(random, 3000)))
    late: list[tuple[list[str], Any]] = []
    for day in range(DAYS):
        now = START + DAY * (day + 1)
        if day == CHANGE:
            own.close()
            cycle.once(lake, models=["flights"])
            own = monitor("2")
        frame = pl.DataFrame(rows(random, ROWS, spoilt=day >= CHANGE)).with_columns(
            pl.Series("time", [START + DAY * day + timedelta(seconds=120 * row) for row in range(ROWS)]),
            pl.Series("id", [f"{day}-{row}" for row in range(ROWS)]),
        )
        label = frame["label"]
        own.log_many(frame.drop("label"))
        soon = 500  # the labels of the others come two days later, and restate their windows
        own.label_many(pl.DataFrame({"id": frame["id"][:soon], "label": label[:soon]}))
        late.append((frame["id"][soon:].to_list(), label[soon:]))
        if day >= 2:
            ids, values = late[day - 2]
            own.label_many(pl.DataFrame({"id": ids, "label": values}))
    own.close()
    cycle.once(lake, models=["flights"])
    said = {"time": START + DAY * CHANGE, "kind": "deployment", "name": "2", "version": "2", "detail": "{}"}
    lake.model("flights")["events"].write(
        pl.DataFrame([said]).with_columns(pl.col("time").cast(UTC_TYPE)), {}
    )


def _runs(folder: Path, random: np.random.Generator) -> None:
    for name, rate in (("base", 0.1), ("wide", 0.05)):
        monitor = vedette.Monitor("flights", "2", folder)
        with monitor.run(name, params={"rate": rate, "note": HOSTILE}) as run:
            for step in range(60):
                noise = random.normal(0, 0.02)
                run.log(
                    step,
                    loss=float(np.exp(-rate * step / 3) + noise),
                    val_loss=float(np.exp(-rate * step / 4)),
                )
        monitor.close()
    cycle.once(Lake.at(folder), models=["flights.run"])


def _plain(folder: Path, name: str, random: np.random.Generator, *, reference: bool) -> None:
    now = START
    own = vedette.Monitor(name, "1", folder, window="1d", clock=lambda: now.timestamp())
    if reference:
        own.reference(pl.DataFrame(rows(random, 2000)).select("age", "device", "prediction"))
    for day in range(5):
        now = START + DAY * (day + 1)
        times = [START + DAY * day + timedelta(seconds=400 * row) for row in range(200)]
        frame = pl.DataFrame(rows(random, 200)).select("age", "device", "prediction")
        own.log_many(frame.with_columns(pl.Series("time", times)))
    own.close()

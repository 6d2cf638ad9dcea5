"""Which guarantee stands: calibrated by default, proved where rows are declared independent and nothing speaks against it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from tests.test_cli import run as command
from tests.world import DAY, START
from vedette import config
from vedette.engine import cycle
from vedette.engine.health import health as model_health
from vedette.lake.tables import Lake


def watched(folder: Path, rows: str, *, days_differ: bool = False, seed: int = 3) -> vedette.Health:
    """A model of four columns over twelve days, and what is said of it."""
    rng = np.random.default_rng(seed)
    day = START
    monitor = vedette.Monitor(
        "m", lake=folder, window="1d", task="classification", clock=lambda: day.timestamp()
    )
    written = config.Config(models={"m": {"rows": rows}})

    def frame(n: int, at: object) -> pl.DataFrame:
        level = rng.normal(scale=0.3, size=4) if days_differ else np.zeros(4)
        found = {f"x{k}": rng.normal(level[k], 1.0, n) for k in range(4)}
        return pl.DataFrame({**found, "prediction": rng.integers(0, 2, n)}).with_columns(
            pl.lit(at).alias("time")
        )

    monitor.reference(pl.concat([frame(400, START - (20 - k) * DAY) for k in range(15)]))
    for _ in range(12):
        day += DAY
        monitor.log_many(frame(400, day - DAY / 2))
        cycle.once(Lake.at(folder), models=["m"], written=written)
    monitor.close()
    return model_health(Lake.at(folder), "m")


def test_independence_that_is_declared_and_seen_is_proved(tmp_path: Path) -> None:
    """Every verdict of the detectors says so, and the last line why."""
    found = watched(tmp_path, "independent")
    assert {one.guarantee for one in found.verdicts} == {"proved"}
    assert found.guarantee[-1] == "proved: rows were declared independent, and no test speaks against it"


@pytest.mark.parametrize(
    ("rows", "differ", "why"),
    [
        ("dependent", False, "rows were not declared independent"),
        ("independent", True, "rows were declared independent, but the tests speak against it"),
    ],
)
def test_else_it_is_calibrated_and_says_why(tmp_path: Path, rows: str, differ: bool, why: str) -> None:
    """Not declared, or declared of days that differ: the allowance for windows stays."""
    found = watched(tmp_path, rows, days_differ=differ)
    assert {one.guarantee for one in found.verdicts} == {"calibrated"}
    assert found.guarantee[-1] == f"calibrated: {why}"
    if differ:
        assert any("differ" in line and "most" in line for line in found.guarantee[:-1])


def test_the_command_tells_it(tmp_path: Path) -> None:
    """Lines for people, a document for scripts; the document of ``check`` keeps its keys."""
    watched(tmp_path, "dependent")
    told = command("guarantee", "m", "--lake", str(tmp_path))
    assert (told.returncode, told.stdout.splitlines()[-1].split(":")[0]) == (0, "calibrated")
    document = json.loads(command("guarantee", "m", "--lake", str(tmp_path), "--json").stdout)
    assert document["guarantee"][-1].startswith("calibrated")

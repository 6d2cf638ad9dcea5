"""Embeddings and free texts in the lake: counted by their directions, told as figures, judged, and explained."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from vedette.errors import GridError
from vedette.statistics import STATISTICS, Grid
from vedette.statistics.direction_grid import basis_of, directions_grid, directions_of, summarise_vectors
from vedette.statistics.direction_shift import direction_shifts
from vedette.statistics.directions import summarise_directions
from vedette.statistics.grid import DIRECTION_CELLS

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
METRICS = ("mmd_sd", "mean_shift_sd", "covariance_change")
ENGLISH = [
    "the",
    "order",
    "was",
    "shipped",
    "to",
    "our",
    "customer",
    "in",
    "time",
    "and",
    "paid",
    "by",
    "card",
    "thanks",
]
GERMAN = [
    "die",
    "bestellung",
    "wurde",
    "heute",
    "an",
    "unseren",
    "kunden",
    "geliefert",
    "und",
    "bezahlt",
    "dank",
]


def vectors(seed: int, n: int, length: int = 6) -> np.ndarray:
    """Correlated normal vectors."""
    random = np.random.default_rng(seed)
    return random.normal(size=(n, length)) @ np.random.default_rng(99).normal(size=(length, length))


def counted(grid: Grid, rows: np.ndarray, window: np.ndarray | None = None, n_windows: int = 1) -> Any:
    return summarise_vectors(grid, rows, np.ones(len(rows), dtype=bool), window, n_windows)


def test_windows_add_up_in_any_order() -> None:
    """Counts to the bit and sums to rounding, whatever the shards and their order; each row once along each axis."""
    grid, rows = directions_grid("e", vectors(0, 400)), vectors(1, 900)
    window = np.random.default_rng(3).integers(0, 3, 900)
    whole = counted(grid, rows, window, 3)
    order = np.random.default_rng(4).permutation(900)
    parts = [counted(grid, rows[some], window[some], 3) for some in (order[:200], order[200:], order[:0])]
    summed = parts[0] + parts[2] + parts[1]
    assert (summed.counts == whole.counts).all()
    assert np.allclose(summed.sums, whole.sums, rtol=1e-12)
    by_axis = whole.counts.reshape(3, 6, DIRECTION_CELLS).sum(axis=2)
    assert (by_axis == np.bincount(window)[:, None]).all()
    assert (whole.used == whole.rows).all()


def test_a_grid_comes_back_to_the_bit() -> None:
    """Its JSON has all of it; a summary on another grid is refused."""
    grid = directions_grid("e", vectors(0, 400))
    again = Grid.from_json(grid.to_json())
    assert again == grid
    assert np.array_equal(basis_of(again)[1].axes, basis_of(grid)[1].axes)
    other = directions_grid("e", vectors(5, 400))
    with pytest.raises(GridError):
        STATISTICS["mmd_sd"].figures(counted(grid, vectors(1, 100)), counted(other, vectors(2, 100)))


def test_what_is_no_vector_is_counted_apart() -> None:
    """Missing, NaN and infinite ones; a null vector has no part in any axis."""
    grid, rows = directions_grid("e", vectors(0, 400)), vectors(1, 10)
    rows[0, 1], rows[1, 2], rows[2, 0] = np.nan, np.inf, np.nan
    present = np.arange(10) != 9
    found = summarise_vectors(grid, rows, present)
    told = (found.rows, found.missing, found.nan, found.inf, found.used)
    assert [int(one[0]) for one in told] == [10, 1, 2, 1, 6]


@pytest.mark.parametrize("moved", [0.0, 0.4])
def test_figures_are_those_of_the_whole_matrix_of_products(moved: float) -> None:
    """Against ``direction_shifts`` on all products: means to rounding, limits to what correlations of a pilot differ by."""
    grid = directions_grid("e", vectors(0, 1000))
    basis = basis_of(grid)[1]
    before, now = vectors(1, 4000), vectors(2, 1500) + moved * np.array([1.0, 0, 0, 0, 0, 0])
    exact = direction_shifts(summarise_directions(basis, now), summarise_directions(basis, before))
    for name in METRICS:
        own = STATISTICS[name].figures(counted(grid, now), counted(grid, before))
        assert own.value[0] == pytest.approx(exact[name].value, abs=0.02)
        assert own.low[0] == pytest.approx(exact[name].low, abs=0.03)
        assert own.high[0] == pytest.approx(exact[name].high, abs=0.03)
    both = directions_of(counted(grid, now), 0).moments
    assert np.allclose(both.total, summarise_directions(basis, now).moments.total)


def test_too_little_is_a_reason() -> None:
    """Fewer than 50 vectors, and no reference."""
    grid = directions_grid("e", vectors(0, 400))
    few = STATISTICS["mmd_sd"].figures(counted(grid, vectors(1, 49)), counted(grid, vectors(2, 300)))
    assert few.reason[0] == "fewer than 50 values to compare: 49"
    assert STATISTICS["mmd_sd"].figures(counted(grid, vectors(1, 60))).reason[0] == "no reference"
    with pytest.raises(ValueError, match="pilot of 1 rows without NaN: must be two or more"):
        directions_grid("e", vectors(0, 1))
    with pytest.raises(ValueError, match=r"vectors of shape \(4, 5\), present \(4,\): must be \[rows, 6\]"):
        counted(grid, vectors(0, 4, 5))


class World:
    """A model with embeddings and texts, by the day."""

    def __init__(self, folder: Path) -> None:
        self.random, self.now, self.day = np.random.default_rng(11), START, 0
        self.axes = self.random.normal(size=(8, 8))
        self.monitor = vedette.Monitor("m", lake=folder, window="1d", clock=lambda: self.now.timestamp())

    def rows(self, n: int, *, turned: bool = False, german: bool = False) -> pl.DataFrame:
        found = self.random.normal(size=(n, 8)) @ self.axes + 0.7 * self.axes[2] * turned
        found /= np.linalg.norm(found, axis=1, keepdims=True)  # norms say nothing
        words = GERMAN if german else ENGLISH
        return pl.DataFrame(
            {
                "emb": pl.Series(found.tolist(), dtype=pl.List(pl.Float64)),
                "text": [" ".join(self.random.choice(words, 7)) for _ in range(n)],
                "site": self.random.choice(["a", "b"], n),
                "prediction": self.random.integers(0, 2, n),
            }
        )

    def run(self, days: int, **how: bool) -> None:
        for _ in range(days):
            at = START + DAY * self.day
            self.now = at + DAY * 0.99
            times = [at + timedelta(seconds=200 * row) for row in range(300)]
            self.monitor.log_many(self.rows(300, **how).with_columns(pl.Series("time", times)))
            self.day += 1

    def verdicts(self) -> dict[str, vedette.Verdict]:
        return {one.watch: one for one in self.monitor.check().verdicts}


def test_embeddings_that_turn_and_texts_in_another_language_are_found(tmp_path: Path) -> None:
    """Quiet before; then the column that changed alarms, by its directions alone, and is taken apart along the axis."""
    world = World(tmp_path)
    world.monitor.reference(world.rows(2500))
    world.run(10)
    before = world.verdicts()
    for name in ("emb.direction", "emb.shape", "text.direction", "text.shape", "emb.location"):
        assert before[name].verdict == "OK"
    world.run(6, turned=True)
    turned = world.verdicts()
    assert turned["emb.direction"].verdict == "ALARM"
    assert "vectors moved" in turned["emb.direction"].evidence
    assert turned["text.direction"].verdict == turned["emb.location"].verdict == "OK"
    why = world.monitor.explain("emb.direction")
    assert why is not None
    assert why.began is not None
    assert why.began.first <= START + 10 * DAY <= why.began.last
    assert why.search is not None
    world.run(4, german=True)
    assert world.verdicts()["text.direction"].verdict == "ALARM"
    found = world.monitor.figures(list(METRICS), feature=["emb", "text"])
    assert set(found["feature"]) == {"emb", "text"}
    shift = found.filter((pl.col("metric") == "mean_shift_sd") & (pl.col("feature") == "emb"))
    low = shift.sort("start")["low"].to_list()
    assert max(low[:10]) < 0.3 < min(low[10:16])


def test_segments_and_samples_have_the_figures_too(tmp_path: Path) -> None:
    """``by`` gives them of each value, from rows; a sample's are weighted, and said to be."""
    world = World(tmp_path / "one")
    world.monitor.reference(world.rows(2000))
    world.run(2, turned=True)
    by_site = world.monitor.figures("mean_shift_sd", feature="emb", by="site", window="all")
    assert by_site.height == 2
    assert by_site["segment"].sort().to_list() == ["site=a", "site=b"]
    assert (by_site["low"] > 0.2).all()
    assert by_site["n"].sum() == 600


def test_what_is_no_free_text_has_no_directions(tmp_path: Path) -> None:
    """Codes, single words and few levels are categories, and nothing else."""
    monitor = vedette.Monitor("m", lake=tmp_path, window="1d")
    n = 300
    monitor.reference(
        {
            "code": [f"A-{number:05d}" for number in range(n)],
            "name": [f"name{'x' * (number % 40)}{number}" for number in range(n)],
            "level": [f"one of {number % 5}" for number in range(n)],
            "prediction": np.arange(n) % 2,
        }
    )
    watches = {one.watch for one in monitor.check().verdicts}
    assert not {name for name in watches if name.endswith(".direction")}


def test_vectors_of_a_column_that_comes_later_join(tmp_path: Path) -> None:
    """An embedding that the reference lacks is counted by its directions from its first rows on, and joins the watches."""
    world = World(tmp_path)
    world.monitor.reference(world.rows(2000).drop("emb"))
    world.run(8)
    assert world.verdicts()["emb.direction"].verdict == "OK"
    world.run(14, turned=True)
    assert world.verdicts()["emb.direction"].verdict == "ALARM"

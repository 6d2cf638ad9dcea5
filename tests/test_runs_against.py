"""Parameters against results: the right pairs, the right correlations, a page that escapes what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from typer.testing import CliRunner

import vedette
from vedette.cli import app
from vedette.output.runs_against import against, cards
from vedette.statistics.rank_correlation import rank_correlation


@pytest.mark.parametrize("seed", range(4))
def test_the_correlation_is_scipys(seed: int) -> None:
    """With ties, and with pairs that have no number."""
    random = np.random.default_rng(seed)
    x, y = random.integers(0, 6, 40).astype(float), random.normal(size=40)
    y[3], x[7] = np.nan, np.inf
    there = np.isfinite(x) & np.isfinite(y)
    found = rank_correlation(x, y)
    assert found.value == pytest.approx(stats.spearmanr(x[there], y[there]).statistic, abs=1e-12)
    assert found.n == 38


def test_the_interval_holds_the_truth() -> None:
    """Of 30 pairs of normal numbers with a correlation of .6, whose ranks have one of 6/pi arcsin(.3): 93 to 97 %."""
    random = np.random.default_rng(3)
    truth = 6 / np.pi * np.arcsin(0.3)
    pairs = random.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=(2000, 30))
    found = [rank_correlation(one[:, 0], one[:, 1]) for one in pairs]
    assert 0.93 < np.mean([one.low <= truth <= one.high for one in found]) < 0.975


def test_what_has_no_correlation_has_none() -> None:
    """Four pairs, or a side that is one value."""
    for x, y in (([1, 2, 3, 4], [1, 2, 3, 4]), ([1] * 9, range(9))):
        assert np.isnan(rank_correlation(x, list(y)).value)


def runs(n: int = 9) -> pl.DataFrame:
    at = np.arange(n)
    return pl.DataFrame(
        {
            "name": [f"run-{one}" for one in at],
            "params.lr": 10.0 ** -(at % 3 + 1),
            "params.layers": at.astype(float),
            "params.kind": np.where(at % 2 == 0, "<b>wide</b>", "deep"),
            "params.same": ["x"] * n,
            "last.loss": at * 1.0,
            "last.val_f1": at / n,
            "last.val_f1_low": at / n - 0.1,
            "last.val_f1_high": at / n + 0.1,
        }
    )


def test_parameters_that_differ_stand_against_results() -> None:
    """Results of rows that were not trained on first; each interval at its share of the level; limits are bars."""
    found = against(runs())
    assert [(one.result, one.parameter) for one in found] == [
        (result, parameter) for result in ("val_f1", "loss") for parameter in ("lr", "layers", "kind")
    ]
    layers = found[1]
    assert layers.points[4] == (
        "run-4",
        4.0,
        pytest.approx(4 / 9),
        pytest.approx(4 / 9 - 0.1),
        pytest.approx(4 / 9 + 0.1),
    )
    own = rank_correlation(range(9), range(9), 1 - 0.05 / 6)
    assert layers.correlation == own
    assert found[2].correlation is None  # levels have no order
    text = cards(found)
    assert text.count("<circle") == 6 * 9
    assert text.count("<line class=m0") == 3 * 9
    assert "<b>wide" not in text
    assert "&lt;b&gt;wide" in text


def test_too_few_runs_and_unknown_results_make_no_picture() -> None:
    """Two runs, or a metric that none has."""
    assert against(runs(2)) == []
    assert against(runs(), "val_loss") == []
    assert {one.result for one in against(runs(), "loss")} == {"loss"}


def test_the_page_of_all_runs_is_written(tmp_path: Path) -> None:
    """``vedette runs --html``: a row a run, what is alike in all once, and the pictures."""
    with vedette.Monitor("net", lake=tmp_path) as monitor:
        for at in range(5):
            with monitor.run(f"run-{at}", params={"lr": 10.0**-at, "batch": 32}, environment=False) as run:
                run.log(val_loss=1.0 / (at + 1))
    page = tmp_path / "runs.html"
    done = CliRunner().invoke(app, ["runs", "net", "--lake", str(tmp_path), "--html", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text("utf-8")
    assert len(re.findall("<circle", text)) == 5
    assert "alike in all: batch 32" in text
    assert "rank correlation 1.00" in text or "rank correlation -1.00" in text
    assert all(f"run-{at}" in text for at in range(5))

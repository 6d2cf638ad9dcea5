"""Small cells are hidden, and cannot be reckoned from what is shown: held against linear programmes over random tables."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.optimize import linprog

import vedette
from vedette import config
from vedette.engine.figures import figures
from vedette.engine.suppressing import suppressed
from vedette.errors import ConfigError
from vedette.lake.tables import Lake
from vedette.statistics.small_cells import hidden_in_line, hidden_in_table

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def known(counts: np.ndarray, hidden: np.ndarray, least: float) -> list[tuple[int, float, float]]:
    """What is known of each hidden cell by all sums of rows and columns: its count, and the least and most it can be."""
    n_rows, n_columns = counts.shape
    sums = [np.outer(np.arange(n_rows) == r, np.ones(n_columns)).reshape(-1) for r in range(n_rows)]
    sums += [np.outer(np.ones(n_rows), np.arange(n_columns) == c).reshape(-1) for c in range(n_columns)]
    flat, gone = counts.reshape(-1), np.flatnonzero(hidden.reshape(-1))
    shown = np.setdiff1d(np.arange(flat.size), gone)
    equations = np.array(sums)[:, gone]
    right = np.array([one @ flat - one[shown] @ flat[shown] for one in sums])
    out = []
    for at, cell in enumerate(gone):
        aim = np.zeros(len(gone))
        aim[at] = 1
        low, high = (
            linprog(sign * aim, A_eq=equations, b_eq=right, bounds=(least, None)).fun * sign
            for sign in (1, -1)
        )
        out.append((int(flat[cell]), low, high))
    return out


@pytest.mark.parametrize("seed", range(40))
def test_no_small_cell_of_a_table_is_known_better_than_to_k(seed: int) -> None:
    """By all sums of rows and columns each small cell may be any count of an interval k wide, unless all cells are hidden."""
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(2, 6, 2))
    counts = random.negative_binomial(1, 0.03, shape) * random.integers(0, 2 + seed % 3, shape).clip(0, 1)
    k = int(random.integers(2, 15))
    hidden = hidden_in_table(counts, k)
    small = (counts > 0) & (counts < k)
    assert not (small & ~hidden).any()
    if not hidden.all():
        for count, low, high in known(counts, hidden, 0.0):
            if 0 < count < k:
                assert high - low >= k - 1e-6, (counts.tolist(), hidden.tolist(), k)


@pytest.mark.parametrize("seed", range(60))
def test_no_small_cell_of_a_line_is_known_better_than_to_k(seed: int) -> None:
    """By the sum of the line, and by that nobody's cell is 0, each small cell may be any count of an interval k wide."""
    random = np.random.default_rng(1000 + seed)
    counts = random.negative_binomial(1, 0.05, int(random.integers(2, 9)))
    k = int(random.integers(2, 15))
    hidden = hidden_in_line(counts, k)
    assert not ((counts > 0) & (counts < k) & ~hidden).any()
    shown_all = hidden[counts > 0].all()
    if hidden.any() and not shown_all:
        line = counts[np.newaxis, :]
        total = int(counts[hidden].sum())
        cells = [(low, high) for _, low, high in known_line(line[0][hidden], total)]
        assert min(high - low for low, high in cells) >= k - 1e-6


def known_line(cells: np.ndarray, total: int) -> list[tuple[int, float, float]]:
    """What is known of cells above 0 by their sum alone."""
    out = []
    for at in range(len(cells)):
        aim = np.zeros(len(cells))
        aim[at] = 1
        ones = np.ones((1, len(cells)))
        low, high = (linprog(s * aim, A_eq=ones, b_eq=[total], bounds=(1, None)).fun * s for s in (1, -1))
        out.append((int(cells[at]), low, high))
    return out


def test_nothing_is_hidden_where_nothing_is_small() -> None:
    """Tables and lines of large counts, or of none, are shown whole."""
    assert not hidden_in_table(np.array([[10, 20], [0, 40]]), 10).any()
    assert not hidden_in_line(np.array([10, 0, 11]), 10).any()


def test_the_words_of_a_wrong_call() -> None:
    """A negative count and a k below 1 are refused with their value."""
    with pytest.raises(ValueError, match="k=0"):
        hidden_in_line(np.array([1]), 0)
    with pytest.raises(ValueError, match="-3 is among them"):
        hidden_in_table(np.array([[1, -3]]), 2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Four hours of three regions, of which one has 3 rows in one hour."""
    rows = []
    for hour in range(4):
        for region, n in (("north", 40), ("south", 30), ("east", 3 if hour == 1 else 25)):
            rows += [(region, BEGIN + timedelta(hours=hour, seconds=i)) for i in range(n)]
    frame = pl.DataFrame(rows, schema=["region", "time"], orient="row").with_columns(
        prediction=pl.lit(1), label=pl.lit(1), id=pl.int_range(pl.len()).cast(pl.String)
    )
    with vedette.Monitor("delays", version="1", lake=str(tmp_path / "lake")) as monitor:
        monitor.log_many(frame.drop("label"))
        monitor.label_many(frame.select("id", "label"))
        monitor.flush()
    return Lake.at(tmp_path / "lake")


def test_figures_of_small_segments_are_hidden_with_all_their_numbers(lake: Lake) -> None:
    """Value, interval and rows of the small one are gone, and so are as many others as protect it; the rest is exact."""
    exact = figures(lake, "delays", ["rows", "accuracy"], by="region", k=0)
    shown = figures(lake, "delays", ["rows", "accuracy"], by="region", k=10)
    assert shown.height == exact.height
    hidden = shown.filter(pl.col("reason").str.starts_with("suppressed"))
    assert hidden.filter(pl.col("segment") == "region=east").height >= 2 * 2
    assert (
        hidden.select("value", "low", "high", "n", "completeness", "labelled").null_count().row(0)
        == (hidden.height,) * 6
    )
    keys = ["metric", "segment", "start"]
    open_ = shown.filter(pl.col("n").is_not_null()).sort(keys)
    assert open_.equals(exact.join(open_.select(keys), on=keys, how="semi").sort(keys))
    assert 0 < open_.height < exact.height


def test_the_small_one_is_not_had_by_subtraction(lake: Lake) -> None:
    """In each window and each segment with something hidden two figures are: no total less the others tells of one."""
    shown = figures(lake, "delays", "rows", by="region", k=10)
    for key in ("start", "segment"):
        n_hidden = shown.group_by(key).agg(pl.col("n").is_null().sum())["n"]
        assert 1 not in n_hidden.to_list()
        assert n_hidden.sum() >= 4


def test_windows_of_few_rows_are_hidden(lake: Lake) -> None:
    """Of the whole model too: a window of three rows is not shown, nor what the window over all less the others tells."""
    with vedette.Monitor("delays", version="1", lake=str(lake.path)) as monitor:
        for i in range(3):
            monitor.log({"region": "north"}, 1, id=f"late-{i}", time=BEGIN + timedelta(hours=9))
        monitor.flush()
    shown = figures(lake, "delays", "rows", k=10)
    assert shown["n"].is_null().sum() == 2
    assert shown.filter(pl.col("start") == BEGIN + timedelta(hours=9))["n"].is_null().all()


def test_a_cell_without_rows_is_hidden_in_a_hidden_block() -> None:
    """That there is no figure would tell that nobody was there: such cells of the block get a hidden row."""
    cells = [("a", 0, 3), ("a", 1, 50), ("b", 0, 40), ("c", 0, 60), ("c", 1, 70)]
    frame = pl.DataFrame(
        [
            {
                "metric": "rows", "segment": f"region={name}", "start": BEGIN + timedelta(hours=at),
                "end": BEGIN + timedelta(hours=at + 1), "value": float(n), "low": None, "high": None, "n": n,
                "completeness": 1.0, "labelled": None, "kind": "measured", "reason": None, "feature": None,
                "part": None, "sampled": None, "as_of": None, "note": None,
            }
            for name, at, n in cells
        ],
        schema_overrides=dict.fromkeys(("low", "high", "labelled"), pl.Float64)
        | dict.fromkeys(("reason", "feature", "part", "sampled", "as_of", "note"), pl.String),
    )  # fmt: skip
    shown = suppressed(frame, 10)
    assert shown.height == 6
    assert shown.filter(pl.col("n").is_not_null()).select("segment", "n").rows() == [
        ("region=c", 60),
        ("region=c", 70),
    ]


@pytest.fixture
def classes(tmp_path: Path) -> Lake:
    """300 rows of three classes, 3 of them of the class ``rare``, two of which are taken for another."""
    label = ["rare" if i < 3 else "ab"[i % 2] for i in range(300)]
    told = ["a" if i == 0 or i % 10 == 1 else name for i, name in enumerate(label)]
    frame = pl.DataFrame({"label": label, "prediction": told, "id": [str(i) for i in range(300)]})
    frame = frame.with_columns(time=pl.lit(BEGIN), region=pl.Series(["n", "s"] * 150))
    with vedette.Monitor("kinds", version="1", lake=str(tmp_path / "classes")) as monitor:
        monitor.log_many(frame.drop("label"))
        monitor.label_many(frame.select("id", "label"))
        monitor.flush()
    return Lake.at(tmp_path / "classes")


@pytest.mark.parametrize(
    "metric", ["recall_per_class", "precision_per_class", "support_per_class", "confusion"]
)
@pytest.mark.parametrize("by", [None, "region"])
def test_a_small_class_is_not_had_from_the_others(classes: Lake, metric: str, by: str | None) -> None:
    """Beside the class of 3 rows another is hidden: the sum less those that are shown is not its own."""
    shown = figures(classes, "kinds", metric, by=by, k=10)
    hidden = shown.filter(pl.col("reason").fill_null("").str.starts_with("suppressed"))
    exact = figures(classes, "kinds", metric, by=by, k=0)
    rare = exact.filter(pl.col("part").str.starts_with("rare") & (pl.col("n") > 0))
    for segment in rare["segment"].unique():
        names = (
            hidden.filter(pl.col("segment") == segment)["part"].str.split(">").list.first().unique().to_list()
        )
        assert "rare" in names, segment
        assert len(names) >= 2
    assert hidden.height < shown.height or by is not None
    assert figures(classes, "kinds", metric, by=by, k=1)["reason"].str.starts_with("supp").sum() == 0


@pytest.mark.parametrize("metric", ["precision_macro", "recall_macro", "f1_weighted", "balanced_accuracy"])
def test_an_average_of_classes_is_hidden_where_a_class_is(classes: Lake, metric: str) -> None:
    """Asked for alone or with its classes; where no class is small it is shown, and so is what is no such average."""
    alone = figures(classes, "kinds", metric, k=10)
    assert alone.select("metric", "value", "n").rows() == [(metric, None, None)]
    both = figures(classes, "kinds", [metric, "accuracy", "recall_per_class"], k=10)
    assert both.filter(pl.col("metric") == metric)["value"].to_list() == [None]
    assert both.filter(pl.col("metric") == "accuracy")["n"].to_list() == [300]
    assert figures(classes, "kinds", metric, k=1).equals(figures(classes, "kinds", metric, k=0))


def test_the_setting_holds_for_every_way_out(lake: Lake, tmp_path: Path) -> None:
    """``[privacy]`` k, or a private column without it, hides for the command line as for the library; 0 shows all."""
    command = [
        sys.executable,
        "-m",
        "vedette",
        "figures",
        "delays",
        "--metric",
        "rows",
        "--by",
        "region",
        "--json",
    ]
    for text, hides in (
        ("", False),
        ("[privacy]\nk = 10\n", True),
        ('[models.delays.private]\nemail = "drop"\n', True),
        ('[privacy]\nk = 0\n[models.delays.private]\nemail = "drop"\n', False),
    ):
        path = tmp_path / "vedette.toml"
        path.write_text(text)
        done = subprocess.run(
            [*command, "--lake", str(lake.path)],
            capture_output=True, text=True, check=True, env={**os.environ, "VEDETTE_CONFIG": str(path)},
        )  # fmt: skip
        assert ("suppressed" in done.stdout) is hides, text
        for more in ([], ["--window", "all"]):  # the table for people, too
            words = [one for one in command if one != "--json"]
            environment = {**os.environ, "VEDETTE_CONFIG": str(path)}
            subprocess.run(
                [*words, *more, "--lake", str(lake.path)], capture_output=True, check=True, env=environment
            )


@pytest.mark.parametrize(
    "text", ["[privacy]\nk = -1\n", "[privacy]\nk = true\n", "[privacy]\nkk = 1\n", "privacy = 3\n"]
)
def test_a_wrong_setting_is_refused(text: str, tmp_path: Path) -> None:
    """What is no number of rows, and an unknown key, are named."""
    path = tmp_path / "vedette.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="privacy"):
        config.read(path)

"""A file of many slices is told as the same file in one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from vedette.engine.two_files.run import report
from vedette.output.comparison import Comparison

N = 6000


def rows(seed: int, shift: float) -> pl.DataFrame:
    """Columns of every kind, one of them sorted."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, N)
    return pl.DataFrame(
        {
            "normal": rng.normal(shift, 1, N),
            "sorted": np.sort(rng.lognormal(shift, 1, N)),
            "gaps": pl.Series(rng.normal(size=N)).set(pl.Series(rng.random(N) < 0.1 + shift / 10), None),
            "few": rng.choice(["a", "b", "c"], N, p=[0.5, 0.3, 0.2]),
            "text": [f"user {who}" for who in rng.integers(0, 4000, N)],
            "label": label,
            "prediction": np.where(rng.random(N) < 0.1, 1 - label, label),
            "probability": np.clip(rng.normal(0.3 + 0.4 * label, 0.2), 0, 1),
            "region": rng.choice(["n", "s"], N),
        }
    )


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> tuple[Comparison, Comparison]:
    """The report in one slice, and in slices of 700 rows."""
    now, before = rows(0, 0.2), rows(1, 0.0)
    whole = report(now, before, by="region")
    monkeypatch.setattr("vedette.engine.two_files.source.SLICE_ROWS", 700)
    monkeypatch.setattr("vedette.engine.two_files.quality_rows.SLICE_BYTES", 700 * 16 * 3)
    return whole, report(now, before, by="region")


def test_verdicts_of_slices_are_those_of_the_whole(both: tuple[Comparison, Comparison]) -> None:
    """The same columns have changed, and the same words are said of missing values."""
    one, many = (
        {column.name: (column.changed, column.matters, column.kind) for column in part.columns}
        for part in both
    )
    assert one == many
    assert one["sorted"][0] is True


def test_counts_of_slices_are_those_of_the_whole(both: tuple[Comparison, Comparison]) -> None:
    """Rows, missing values, levels and texts are counted, not sampled: equal to the last row."""
    exact = ("missing_share", "distinct", "mean", "sd", "unseen_share")
    for name in ("normal", "sorted", "gaps", "few", "text"):
        one, many = (next(c for c in part.columns if c.name == name) for part in both)
        assert one.current is not None
        assert many.current is not None
        assert (one.current.rows, one.current.missing) == (many.current.rows, many.current.missing)
        for metric in set(exact) & set(one.current.figures):
            pair = one.current.figures[metric].value, many.current.figures[metric].value
            assert pair[0] == pytest.approx(pair[1], rel=1e-9), (name, metric)


def test_distances_of_slices_lie_within_the_intervals_of_the_whole(
    both: tuple[Comparison, Comparison],
) -> None:
    """Cells are cut on other rows, so binned figures differ, by less than their intervals."""
    for column in both[0].columns:
        other = next(one for one in both[1].columns if one.name == column.name)
        for metric, distance in column.distances.items():
            value = other.distances[metric].value
            if distance.value is not None and distance.low is not None and distance.high is not None:
                assert value is not None
                assert distance.low - 1e-9 <= value <= distance.high + 1e-9, (column.name, metric)


def test_figures_of_slices_are_those_of_the_whole(both: tuple[Comparison, Comparison]) -> None:
    """Accuracy and losses are sums; areas are read off cells that were cut on the same rows."""
    for one, many in zip(both[0].figures, both[1].figures, strict=True):
        assert (one.metric, one.segment, one.current.n) == (many.metric, many.segment, many.current.n)
        assert one.current.value == pytest.approx(many.current.value, rel=1e-9), one.metric


def test_sampled_texts_say_how_sure_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more texts than are kept, distinct values and the share of new ones are estimated, with intervals that hold."""
    monkeypatch.setattr("vedette.engine.two_files.texts.VALUES_MAX", 1000)
    rng, held = np.random.default_rng(5), []
    for _ in range(20):
        now, before = rng.integers(0, 9000, N), rng.integers(0, 6000, N)
        found = report({"a": [f"u{i}" for i in now]}, {"a": [f"u{i}" for i in before]}).columns[0]
        assert found.current is not None
        for metric, truth in (
            ("distinct", len(np.unique(now))),
            ("unseen_share", np.mean(~np.isin(now, before))),
        ):
            one = found.current.figures[metric]
            assert one.low is not None
            assert one.high is not None
            held.append(one.low <= truth <= one.high)
    assert np.mean(held) >= 0.85


@pytest.mark.parametrize("common", ["now", "before", "both"])
def test_sampled_texts_count_frequent_values_whole(monkeypatch: pytest.MonkeyPatch, common: str) -> None:
    """Half of all rows are one value: the share of new ones is estimated on the others, with intervals that hold."""
    monkeypatch.setattr("vedette.engine.two_files.texts.VALUES_MAX", 1000)
    rng, held = np.random.default_rng(6), []
    for run in range(20):
        now, before = rng.integers(0, 9000, N), rng.integers(0, 6000, N)
        for name, rows in (("now", now), ("before", before)):
            if common in (name, "both"):
                rows[rng.random(N) < 0.5] = 10_000 + run
        found = report({"a": [f"u{i}" for i in now]}, {"a": [f"u{i}" for i in before]}).columns[0]
        assert found.current is not None
        one = found.current.figures["unseen_share"]
        assert one.low is not None
        assert one.high is not None
        assert one.high - one.low < 0.2
        held.append(one.low <= np.mean(~np.isin(now, before)) <= one.high)
    assert np.mean(held) >= 0.85


def test_ids_that_a_null_made_floats_of_are_the_same_ids() -> None:
    """pandas has no whole numbers beside nulls: 7 and 7.0 are one id."""
    ids = np.random.default_rng(7).permutation(N) + 10**6
    found = report({"id": np.append(ids, np.nan)}, {"id": ids}).columns[0]
    assert found.distances["unseen_share"].value == 0

"""Categories of many levels in a report: what is told of them is told of the levels, not of a grid's cells."""

from __future__ import annotations

import numpy as np
import pytest

import vedette
from vedette.output.comparison import Column

N = 60_000


def column(now: np.ndarray, before: np.ndarray) -> Column:
    """What a report says of one column."""
    return vedette.report({"c": now}, {"c": before}).columns[0]


def zipf(levels: int, seed: int) -> np.ndarray:
    """Names of levels, the k-th in proportion to 1/k."""
    weight = 1 / np.arange(1, levels + 1)
    return np.random.default_rng(seed).choice(levels, N, p=weight / weight.sum()).astype("U8")


def test_a_file_against_itself_has_no_unseen_values_however_many_levels() -> None:
    """More levels than a grid names are known all the same, and counted exactly."""
    values = np.concatenate([zipf(400, 0)[:55_000], np.arange(1_000, 6_000).astype("U8")])
    values = values[np.random.default_rng(1).permutation(len(values))]
    found = column(values, values)
    assert found.current is not None
    unseen, distinct = (found.current.figures[name] for name in ("unseen_share", "distinct"))
    assert (found.kind, unseen.value, unseen.low) == ("category", 0.0, 0.0)
    assert distinct.value == distinct.low == distinct.high == len(np.unique(values))


@pytest.mark.parametrize("levels", [60, 400, 900])
def test_a_level_that_takes_over_is_far_whatever_its_rank_was(levels: int) -> None:
    """The distances of a column whose rarest level takes six rows of ten are those of a large change."""
    rng = np.random.default_rng(2)
    before = rng.integers(0, levels, N).astype("U8")
    now = np.where(rng.random(N) < 0.6, str(levels - 1), before[rng.permutation(N)])
    found = column(now, before)
    assert found.matters
    told = {name: one.value for name, one in found.distances.items()}
    share = 0.6 + 0.4 / levels
    assert told["psi"] is not None
    assert told["psi"] == pytest.approx(
        (share - 1 / levels) * np.log(share * levels / 0.4 * (1 - 1 / levels)), rel=0.25
    )
    assert told["hellinger"] is not None
    assert told["hellinger"] > 0.45


def test_levels_that_swap_their_ranks_are_compared_one_by_one() -> None:
    """What was rare and became frequent has a cell of its own, as what was frequent has."""
    before = zipf(500, 3)
    now = np.char.mod("%d", 499 - zipf(500, 4).astype(int))
    found = column(now, before)
    psi = found.distances["psi"].value
    assert psi is not None
    assert psi > 2

"""Windows some of whose labels have come: what past errors of an estimate are worth beside them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vedette.statistics.unlabelled import Measure, blend, follow, pull_of

Floats = np.ndarray
SCORES = (np.arange(20) + 0.5) / 20


def window(seed: int, n: int, mean: float, chance: Floats) -> Floats:
    """A window's counts [1, bin, prediction, label]: scores about a mean, labels by the chance of their bin."""
    random = np.random.default_rng(seed)
    bins = np.clip((random.beta(2 * mean, 2 * (1 - mean), n) * 20).astype(int), 0, 19)
    out = np.zeros((1, 20, 2, 2))
    np.add.at(out, (0, bins, (bins >= 10).astype(int), (random.random(n) < chance[bins]).astype(int)), 1)
    return out


def some_of(told: Floats, share: float, seed: int) -> Floats:
    return np.random.default_rng(seed).binomial(told.astype(int), share).astype(float)


def test_the_reach_is_what_the_limits_lie_away() -> None:
    """``Followed.reach`` times the standard deviation is the half width, and grows where errors have long tails."""
    random = np.random.default_rng(0)
    n, sd = 400, 0.01
    one = Measure(np.full(n, 0.6), np.full(n, sd**2), np.full(n, 1e-8), np.zeros(n), np.full(n, np.inf))
    truth = 0.6 + sd * np.clip(random.standard_t(2, n), -20, 20)
    found = follow({"a": {"f1": one}}, {"f1": truth}, level=0.9)["f1"]
    assert found.high - found.value == pytest.approx(found.reach * np.sqrt(found.variance))
    assert found.reach[0] == pytest.approx(stats.norm.ppf(0.95))
    assert (found.reach >= found.reach[0]).all()


def test_a_blend_without_labels_has_the_limits_of_the_record() -> None:
    """The label-free figure with its own reach, and the plain one where all labels came, whatever the reach."""
    chance = np.repeat(SCORES[:, None], 2, axis=1)
    told = window(1, 300, 0.4, SCORES)
    n = told.sum(axis=3)
    none = blend("f1", n, np.zeros_like(told), chance, SCORES, [0.6], [1e-3], reach=[3.0])
    assert none.high[0] - 0.6 == pytest.approx(3 * np.sqrt(1e-3))
    near, far = (blend("f1", n, told, chance, SCORES, [0.6], [1e-3], reach=[one]) for one in (1.7, 5.0))
    assert (near.low[0], near.high[0]) == (far.low[0], far.high[0])


def test_labels_count_for_more_against_an_estimate_that_errs() -> None:
    """Twice the reach is four times the variance: the weight of the labels says so."""
    chance = np.repeat(SCORES[:, None], 2, axis=1)
    told = window(2, 500, 0.4, SCORES)
    some, n, usual = some_of(told, 0.2, 3), told.sum(axis=3), float(stats.norm.ppf(0.95))
    one, two, same = (
        blend("accuracy", n, some, chance, SCORES, [0.6], [spread], reach=[reach])
        for spread, reach in ((1e-3, usual), (1e-3, 2 * usual), (4e-3, usual))
    )
    assert one.weight[0] < two.weight[0] == pytest.approx(same.weight[0])
    assert two.high[0] - two.low[0] == pytest.approx(same.high[0] - same.low[0])


def test_a_reach_that_is_none_is_refused() -> None:
    """One for each window, each above 0."""
    told = window(4, 50, 0.4, SCORES)
    chance = np.full((20, 2), 0.5)
    for reach in ([0.0], [np.nan], [1.6, 1.6]):
        with pytest.raises(ValueError, match="reach of shape"):
            blend("f1", told.sum(axis=3), told, chance, SCORES, [0.5], [0.1], reach=reach)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_few_positives_are_as_unsure_as_they_are(share: float) -> None:
    """F1 where chances say three times the positives there are: 0.9 of the intervals hold, though 1 in 30 is positive."""
    thought, true = np.repeat(SCORES[:, None], 2, axis=1), SCORES * 0.3
    held = []
    for seed in range(300):
        told = window(1000 + seed, 500, 0.25, true)
        right = pull_of("f1", told, SCORES)[0][0]
        found = blend(
            "f1", told.sum(axis=3), some_of(told, share, seed), thought, SCORES, [0.5], [1.0], reach=[1.7]
        )
        held.append(found.low[0] <= right <= found.high[0])
    assert np.mean(held) > 0.87

"""Vectors by their directions: figures against brute force, tests against their law, sums in any order, and faults."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vedette.errors import GridError
from vedette.statistics.direction_shift import direction_shifts
from vedette.statistics.directions import REACH, Directions, summarise_directions, vector_basis
from vedette.statistics.feature_moments import FeatureMoments
from vedette.statistics.squared_length import chi_squares_tail, squared_length
from vedette.strategy.mean_tests import direction_parts, hotelling, length_test


def sides(x: np.ndarray, y: np.ndarray) -> tuple[Directions, Directions]:
    basis = vector_basis(np.concatenate([x, y])[:: max(1, (len(x) + len(y)) // 1000)])
    return summarise_directions(basis, x), summarise_directions(basis, y)


@pytest.mark.parametrize("weights", [[1.0], [3.0, 1.0, 0.2], [1.0] * 30, list(0.7 ** np.arange(20))])
def test_the_tail_of_weighted_chi_squares_is_that_of_draws(weights: list[float]) -> None:
    """Far and near: within 8 % of the shares among a million draws, or of the exact law of equal weights."""
    drawn = np.random.default_rng(0).chisquare(1, size=(200_000, len(weights))) @ np.array(weights)
    for chance in (0.9, 0.5, 0.1, 0.01, 0.002):
        value = float(np.quantile(drawn, 1 - chance))
        told = chi_squares_tail(value, weights)
        assert told == pytest.approx(float((drawn > value).mean()), rel=0.15 if chance < 0.01 else 0.08)
    if len(set(weights)) == 1:
        for value in (0.1, 3.0, 40.0, 120.0):
            assert chi_squares_tail(value, weights) == pytest.approx(
                stats.chi2.sf(value, len(weights)), rel=0.1, abs=0.02
            )


def test_impossible_weights_are_refused() -> None:
    """Weights below 0 or without end are named."""
    with pytest.raises(ValueError, match="must be finite, and 0 or more"):
        chi_squares_tail(1.0, [1.0, -1.0])
    assert chi_squares_tail(1.0, []) == chi_squares_tail(1.0, [0.0]) == 1.0


@pytest.mark.parametrize("length", [0.0, 1.0, 4.0, 15.0])
def test_intervals_of_lengths_hold_the_truth(length: float) -> None:
    """Of 600 noisy vectors, with noise of many sizes, at least 93 % of intervals hold the squared length of the true one."""
    rng = np.random.default_rng(int(length))
    size = 0.6 ** np.arange(12)
    truth = length * np.ones(12) / np.sqrt(12)
    held = 0
    for noise in rng.normal(size=(600, 12)):
        value, low, high = squared_length(truth + noise * np.sqrt(size), np.diag(size), 0.95)
        assert low <= value <= high
        held += low <= length**2 <= high
    assert held >= 0.93 * 600


def test_mmd_is_the_unbiased_sum_over_pairs() -> None:
    """MMD^2 equals the average of the kernel within and between sides, each pair of different rows once."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(80, 5)) + 0.8, rng.normal(size=(120, 5))
    one, other = sides(x, y)
    part = one.basis.parts[2]
    a, b = one.basis.features(x)[:, part], other.basis.features(y)[:, part]
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (a @ a.T, b @ b.T)]
    expected = within[0] + within[1] - 2 * (a @ b.T).mean()
    assert direction_shifts(one, other)["mmd"].value ** 2 == pytest.approx(expected, rel=1e-9)


def test_the_features_are_those_of_a_gaussian_kernel() -> None:
    """The products of Fourier features are near the kernel with the median distance as bandwidth."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 3))
    basis = vector_basis(x)
    scaled = (x - x.mean(0)) / x.std(0)
    apart = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    assert basis.bandwidth == pytest.approx(np.median(apart[np.triu_indices(60, 1)]))
    f = basis.features(x)[:, basis.parts[2]]
    assert np.abs(f @ f.T - np.exp(-(apart**2) / (2 * basis.bandwidth**2))).mean() < 0.1


@pytest.mark.parametrize("length", [3, 32, 200])
def test_the_mean_shift_is_the_distance_of_mahalanobis(length: int) -> None:
    """Of vectors that have no more elements than axes, for correlated elements; of longer ones the truth along one axis."""
    rng = np.random.default_rng(length)
    mix = rng.normal(size=(length, length)) / np.sqrt(length) + np.eye(length)
    x, y = rng.normal(size=(4000, length)) @ mix, rng.normal(size=(4000, length)) @ mix
    leading = np.linalg.eigh(mix.T @ mix)
    x += 0.5 * np.sqrt(leading[0][-1]) * leading[1][:, -1]  # half a deviation along the widest axis
    found = direction_shifts(*sides(x, y))["mean_shift_sd"]
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.2


def test_the_change_of_covariance_is_relative_to_the_reference() -> None:
    """Twice the variance along each axis is a change of 100 %, whatever the scales and correlations."""
    rng = np.random.default_rng(5)
    mix = rng.normal(size=(4, 4)) * [1.0, 10.0, 0.1, 1.0]
    x, y = rng.normal(size=(20_000, 4)) @ mix * np.sqrt(2) + 3, rng.normal(size=(20_000, 4)) @ mix
    found = direction_shifts(*sides(x, y))["covariance_change"]
    assert found.low < 1.0 < found.high < 1.1


@pytest.mark.parametrize(("n", "m"), [(600, 900), (1500, 300)])
def test_the_noise_of_the_reference_counts_where_variances_grew(n: int, m: int) -> None:
    """Of 100 intervals of one axis of four stretched by 2 (truth (4 - 1)/sqrt 4) at least 85 hold, also of a small reference."""
    rng = np.random.default_rng(n)
    stretch = np.array([2.0, 1.0, 1.0, 1.0])
    basis = vector_basis(np.concatenate([rng.normal(size=(400, 4)) * stretch, rng.normal(size=(600, 4))]))
    held, values = 0, []
    for _ in range(100):
        now = summarise_directions(basis, rng.normal(size=(n, 4)) * stretch)
        found = direction_shifts(now, summarise_directions(basis, rng.normal(size=(m, 4))))[
            "covariance_change"
        ]
        held += found.low < 1.5 < found.high
        values.append(found.value)
    assert held >= 85
    assert np.mean(values) == pytest.approx(1.5, abs=0.06)


def test_a_shift_is_told_in_deviations_of_the_main_axis() -> None:
    """The MMD of rows that all moved by 0.7 deviations along their main axis is told as a shift by 0.7."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(10_000, 6)) * [5, 1, 1, 1, 1, 1]
    y = rng.normal(size=(10_000, 6)) * [5, 1, 1, 1, 1, 1]
    basis = vector_basis(y)
    x = x + basis.axes[:, 0] * basis.scale * basis.spread[0] * 0.7
    found = direction_shifts(summarise_directions(basis, x), summarise_directions(basis, y))["mmd_sd"]
    assert found.low < 0.7 < found.high < 0.8


def test_parts_add_up_in_any_order_and_shards() -> None:
    """Five shards in two orders give the moments of all rows at once, and the same figures."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(500, 12)), rng.normal(size=(400, 12))
    whole, reference = sides(x, y)
    shards = [summarise_directions(whole.basis, part) for part in np.array_split(x, 5)]
    for order in (range(5), (3, 0, 4, 1, 2)):
        total = shards[order[0]]
        for place in order[1:]:
            total = total + shards[place]
        assert total.moments.n == 500
        np.testing.assert_allclose(total.moments.outer, whole.moments.outer, atol=1e-9)
        for name, one in direction_shifts(total, reference).items():
            assert one.value == pytest.approx(direction_shifts(whole, reference)[name].value, abs=1e-7)


def test_products_about_another_centre_are_those_of_moved_places() -> None:
    """Moving the centre in the sums is the same as moving the rows."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(300, 9))
    basis = vector_basis(x)
    found = summarise_directions(basis, x)
    centre = rng.normal(size=9)
    places = basis.features(x)[:, : basis.shaped] - centre[: basis.shaped]
    up, down = np.triu_indices(basis.shaped)
    direct = FeatureMoments.of(places[:, up] * places[:, down])
    moved = found.products_about(centre)
    np.testing.assert_allclose(moved.total, direct.total, atol=1e-8)
    np.testing.assert_allclose(moved.outer, direct.outer, atol=1e-6)


def test_hotelling_of_one_element_is_students() -> None:
    """One element, sides of one size: the p-value is that of the t test."""
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(90, 1)), rng.normal(size=(90, 1)) + 0.3
    told = hotelling(FeatureMoments.of(x), FeatureMoments.of(y))
    assert told == pytest.approx(stats.ttest_ind(x[:, 0], y[:, 0]).pvalue, rel=1e-6)


@pytest.mark.parametrize(("n", "m", "length"), [(60, 60, 4), (100, 600, 64)])
@pytest.mark.parametrize("law", ["normal", "skewed", "sphere"])
def test_tests_hold_their_level(n: int, m: int, length: int, law: str) -> None:
    """Of 60 pairs of one law each test names at most 9 at 5 % (a fair one more in 1 of 1,000 runs) and 3 at 0.1 %."""
    rng = np.random.default_rng(n + length)
    drawn = {
        "normal": lambda k: rng.normal(size=(k, length)),
        "skewed": lambda k: np.exp(rng.normal(size=(k, length))),
        "sphere": lambda k: (z := rng.normal(size=(k, length))) / np.linalg.norm(z, axis=1, keepdims=True),
    }[law]
    told = [list(direction_parts(*sides(drawn(n), drawn(m))).values()) for _ in range(60)]
    p = np.array(told, dtype=float)
    assert ((p < 0.05).sum(axis=0) <= 9).all()
    assert ((p < 0.001).sum(axis=0) <= 3).all()


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        (lambda x: x + 0.25, "mean"),
        (lambda x: x * 1.3, "covariance"),
        (lambda x: np.sign(x) * 0.9 + 0.3 * x, "mmd"),
    ],
)
def test_each_change_is_seen_by_the_test_meant_for_it(changed: object, part: str) -> None:
    """A shift, a spread and another shape, at 500 rows a side."""
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(500, 3)), rng.normal(size=(500, 3))
    p = direction_parts(*sides(changed(x), y))[part]  # type: ignore[operator]
    assert p is not None
    assert p < 1e-4


def test_few_rows_constant_rows_and_other_bases_are_told() -> None:
    """Under 50 rows, rows that are all alike, and bases that differ have a reason, no value, or an error."""
    rng = np.random.default_rng(11)
    one, other = sides(rng.normal(size=(49, 3)), rng.normal(size=(200, 3)))
    few = direction_shifts(one, other)["mmd"]
    assert (few.reason, np.isnan(few.value)) == ("fewer than 50 vectors: 49", True)
    assert direction_shifts(other, one)["mmd"].reason == "fewer than 50 vectors in the reference: 49"
    assert set(direction_parts(one, other).values()) == {None}
    same = sides(np.ones((100, 3)), np.ones((100, 3)))
    assert direction_shifts(*same)["mean_shift_sd"].reason == "all vectors are alike"
    assert direction_shifts(*same)["mmd"].value == 0.0
    assert length_test(same[0].fourier, same[1].fourier) is None
    unlike = summarise_directions(vector_basis(rng.normal(size=(100, 3))), np.ones((100, 3)))
    with pytest.raises(GridError, match="only those over one basis"):
        direction_shifts(one, unlike)
    with pytest.raises(ValueError, match=r"vectors of shape \(5, 2\): must be \[rows, 3\]"):
        summarise_directions(one.basis, np.ones((5, 2)))
    with pytest.raises(ValueError, match="pilot of shape"):
        vector_basis(np.ones(3))
    with pytest.raises(ValueError, match="level=95"):
        direction_shifts(other, other, 95.0)
    with pytest.raises(ValueError, match="2 and 3 features"):
        FeatureMoments.empty(2) + FeatureMoments.empty(3)


def test_what_is_not_finite_is_left_out_and_wild_values_are_cut() -> None:
    """NaN and infinity have no part; 1e300 counts as ten deviations away."""
    rows = np.random.default_rng(12).normal(size=(100, 3))
    basis = vector_basis(rows)
    rows[0, 1], rows[1, 2], rows[2, 0] = np.nan, np.inf, 1e300
    found = summarise_directions(basis, rows)
    assert found.moments.n == 98
    assert np.abs(basis.features(rows[2:3])[:, :3]).max() == REACH
    assert np.isfinite(found.moments.outer).all()
    assert vector_basis(np.full((10, 4), np.nan)).axes.shape == (4, 4)

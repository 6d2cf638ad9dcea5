"""Have two sets of rows the same distribution? Against scipy, and valid where it is so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from vedette.statistics import numeric_grid, summarise_numeric
from vedette.strategy.two_samples import inflation, levels, means, numbers, repeats, share, together

Draw = Callable[[np.random.Generator, int], np.ndarray]


def doubled(k: int, n: int, j: int, m: int) -> float:
    """Twice the smaller tail of the hypergeometric distribution, by scipy."""
    law = stats.hypergeom(n + m, k + j, n)
    return float(min(1.0, 2 * min(law.cdf(k), law.sf(k - 1))))


@pytest.mark.parametrize(
    ("k", "n", "j", "m"),
    [(12, 100, 2, 100), (0, 50, 7, 5000), (1, 1, 0, 9), (300, 1000, 250, 1000), (5, 2000, 60, 30_000)],
)
def test_share_is_fishers_test(k: int, n: int, j: int, m: int) -> None:
    """Twice the smaller tail, never less than the two-sided p-value of ``scipy.stats.fisher_exact``."""
    assert share(k, n, j, m) == pytest.approx(doubled(k, n, j, m), rel=1e-9)
    assert (share(k, n, j, m) or 0) >= stats.fisher_exact([[k, n - k], [j, m - j]]).pvalue * (1 - 1e-9)


@pytest.mark.parametrize(("k", "n", "j", "m"), [(0, 0, 1, 9), (0, 5, 0, 5), (5, 5, 5, 5), (0, 0, 0, 0)])
def test_share_of_nothing_is_none(k: int, n: int, j: int, m: int) -> None:
    """No rows, or no row that differs from another: there is nothing to test."""
    assert share(k, n, j, m) is None


def test_share_of_dependent_rows_is_the_normal_test_of_fewer() -> None:
    """With a variance of four times, the z of the pooled test of two shares is half."""
    pooled = (130 + 100) / 2000
    z = (0.13 - 0.10) / np.sqrt(pooled * (1 - pooled) * 2 / 1000)
    assert share(130, 1000, 100, 1000, 4.0) == pytest.approx(2 * stats.norm.sf(z / 2))


@pytest.mark.parametrize("seed", range(5))
def test_means_is_welchs_test(seed: int) -> None:
    """As ``scipy.stats.ttest_ind`` of the rows with unequal variances, or the normal test with that of all rows."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 1, 60 + seed), rng.exponential(1.2, 300)
    found = means(*((float(one.mean()), float(one.var(ddof=1)), len(one)) for one in (a, b)))
    z = (a.mean() - b.mean()) / np.sqrt(np.concatenate([a, b]).var(ddof=1) * (1 / len(a) + 1 / len(b)))
    expected = max(stats.ttest_ind(a, b, equal_var=False).pvalue, 2 * stats.norm.sf(abs(z)))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("one", "other"),
    [((0.0, 1.0, 49), (0.0, 1.0, 99)), ((1.0, 0.0, 99), (2.0, 0.0, 99)), ((np.nan, 1.0, 99), (0.0, 1.0, 99))],
)
def test_means_that_cannot_be_compared_are_none(
    one: tuple[float, float, int], other: tuple[float, float, int]
) -> None:
    """Few rows, no variance, no mean."""
    assert means(one, other) is None


def by_ranks(score: Callable[[np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray) -> float:
    """The p-value of a sum of scores of mid-ranks, drawn without putting back, from the rows themselves."""
    rank = (stats.rankdata(np.r_[a, b]) - 0.5) / (len(a) + len(b)) - 0.5
    s, n, m = score(rank), len(a), len(b)
    variance = n * m / (n + m) / (n + m - 1) * ((s - s.mean()) ** 2).sum()
    return float(2 * stats.norm.sf(abs(s[:n].sum() - n * s.mean()) / np.sqrt(variance)))


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_chi_square_location_spread_and_tails(seed: int, shift: int) -> None:
    """Of values in seven cells: the least of scipy's chi-square and rank sum, of Mood's and of the tails', times four."""
    rng = np.random.default_rng(seed)
    a, b = rng.binomial(6, 0.5, 900), rng.binomial(6, 0.5 + 0.02 * shift, 1300)
    a, b = a[(a > 0) & (a < 6)], b[(b > 0) & (b < 6)]
    counts = np.bincount(a, minlength=7), np.bincount(b, minlength=7)
    table = np.stack(counts)[:, 1:6]
    parts = [
        stats.chi2_contingency(table, correction=False).pvalue,
        stats.mannwhitneyu(a, b, use_continuity=False, method="asymptotic").pvalue,
        by_ranks(np.square, a, b),
    ]
    n, m = len(a), len(b)
    ends = [(int((a == end).sum()), int((b == end).sum())) for end in (1, 5)]
    ends = [(k, j) for k, j in ends if k + j <= 0.1 * (n + m)]
    ends += [(ends[0][0] + ends[1][0], ends[0][1] + ends[1][1])] if len(ends) == 2 else []
    tails = [doubled(k, n, j, m) for k, j in ends]
    parts += [min(1.0, len(tails) * min(tails))] if tails else []
    assert parts[1] == pytest.approx(by_ranks(lambda rank: rank, a, b), rel=1e-9)
    assert numbers(*counts) == pytest.approx(min(1.0, len(parts) * min(parts)), rel=1e-9)


@pytest.mark.parametrize("wild", [-999.0, 50.0, 1e6])
def test_a_few_wild_values_are_seen(wild: float) -> None:
    """Half a percent of sentinels moves no rank to speak of, and is found in the tail."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=5000), rng.normal(size=5000)
    a[:25] = wild
    edges = np.quantile(np.r_[a, b], np.linspace(0, 1, 2049))
    found = numbers(*(np.histogram(x, np.unique(edges))[0] for x in (a, b)))
    assert found is not None
    assert found < 1e-4


def test_a_block_in_runs_is_sorted_and_not_dependent() -> None:
    """Each value in one run: the rows were grouped by it."""
    assert inflation(np.repeat([3.0, 1.0, 2.0], 500)) == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_levels_are_chi_square_and_the_greatest_single_difference(seed: int) -> None:
    """Of five levels: the least of scipy's chi-square and of five of Fisher's tests (times five), times two."""
    rng = np.random.default_rng(seed)
    weights = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    a, b = rng.multinomial(1000, weights), rng.multinomial(1500, np.roll(weights, seed // 3))
    single = min(doubled(int(k), 1000, int(j), 1500) for k, j in zip(a, b, strict=True))
    chi_square = stats.chi2_contingency(np.stack([a, b]), correction=False).pvalue
    assert levels(a, b) == pytest.approx(min(1.0, 2 * min(chi_square, 5 * single)), rel=1e-9)


def test_the_order_of_levels_does_not_matter() -> None:
    """Levels have no order, numbers have: the same counts in another order."""
    rng = np.random.default_rng(0)
    a, b, order = rng.poisson(9, 300), rng.poisson(9, 300), rng.permutation(300)
    assert levels(a[order], b[order]) == pytest.approx(levels(a, b))


@pytest.mark.parametrize("test", [numbers, levels])
def test_which_file_is_the_reference_does_not_matter(
    test: Callable[[np.ndarray, np.ndarray], float | None],
) -> None:
    """Turned around, the p-value is the same."""
    rng = np.random.default_rng(0)
    a, b = rng.poisson(12, 60), rng.poisson(20, 60)
    assert test(a, b) == pytest.approx(test(b, a))


@pytest.mark.parametrize("test", [numbers, levels])
@pytest.mark.parametrize(
    ("a", "b"),
    [([0, 0], [0, 0]), ([100, 0], [100, 0]), ([49, 0], [0, 5000]), ([0, 0], [60, 60])],
    ids=["no rows", "one cell", "49 rows", "no rows on one side"],
)
def test_what_cannot_be_tested_is_none(
    test: Callable[[np.ndarray, np.ndarray], float | None], a: list[int], b: list[int]
) -> None:
    """No p-value where there is no test: fewer than 50 rows, or nothing that could differ."""
    assert test(np.array(a), np.array(b)) is None


def test_repeats_sums_the_excess_of_each_value() -> None:
    """The sum over the values that come more than once, standardised by moments of the binomial that scipy knows."""
    rng = np.random.default_rng(0)
    r, c = rng.binomial(3, 0.4, 500), np.full(500, 3)
    n, m = 4000, 6000
    law = stats.binom(3, n / (n + m))
    k = np.arange(4)
    own = (k - law.mean()) ** 2 / law.var()
    spread = np.sqrt(500 * ((law.pmf(k) * own**2).sum() - 1))
    z = (((r - law.mean()) ** 2 / law.var()).sum() - 500) / spread
    assert repeats(r, c - r, n, m) == pytest.approx(stats.norm.sf(z), rel=1e-9)


def test_repeats_need_values_that_repeat() -> None:
    """Values that come once say nothing, however many they are."""
    once = np.ones(1000, dtype=np.int64)
    assert repeats(np.r_[once, 0 * once], np.r_[0 * once, once], 1000, 1000) is None


def test_together_is_bonferroni() -> None:
    """The least times their number, at most 1; what is none counts for nothing."""
    assert (together([0.01, None, 0.5]), together([0.9, 0.8]), together([None])) == (0.02, 1.0, None)


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_inflation_is_that_of_the_theory(rho: float) -> None:
    """Of values that keep a share rho of the last one: (1 + rho)/(1 - rho), to a fifth on average of 40 files."""
    rng, found = np.random.default_rng(0), []
    for _ in range(40):
        noise, x = rng.normal(size=4000), np.zeros(4000)
        for i in range(1, 4000):
            x[i] = rho * x[i - 1] + noise[i]
        found.append(inflation(x))
    assert np.mean(found) == pytest.approx((1 + rho) / (1 - rho), rel=0.2)


@pytest.mark.parametrize(
    "values", [np.arange(5000.0), -np.arange(5000.0), np.ones(5000), np.arange(99) % 7, np.zeros(0)]
)
def test_inflation_of_what_tells_nothing_is_one(values: np.ndarray) -> None:
    """Sorted, constant, short and empty stretches are taken as independent."""
    assert inflation(values) == 1.0


def skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    """Log-normal values with long tails."""
    return rng.lognormal(0, 2, n)


def rare(rng: np.random.Generator, n: int) -> np.ndarray:
    """A mark on one row in fifty."""
    return (rng.uniform(size=n) < 0.02).astype(np.float64)


def mostly_zero(rng: np.random.Generator, n: int) -> np.ndarray:
    """Nothing on 97 rows of 100, an amount on the others."""
    return np.where(rng.uniform(size=n) < 0.03, rng.exponential(5, n), 0.0)


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    """Standard normal values."""
    return rng.normal(size=n)


def counts_of(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts in 128 cells cut on both files, a value that is frequent in a cell of its own."""
    both = np.r_[a, b]
    cells = np.searchsorted(np.unique(np.quantile(both, np.linspace(0, 1, 129)[1:-1])), both, side="left")
    own = cells[: len(a)], cells[len(a) :]
    return np.bincount(own[0], minlength=130), np.bincount(own[1], minlength=130)


def at_most(found: list[float | None], level: float) -> bool:
    """Whether p-values at or below a level are as rare as they must be: all but one in 10,000 valid tests pass."""
    times = sum(p is not None and p <= level for p in found)
    return times <= int(stats.binom.ppf(0.9999, len(found), level))


@pytest.mark.parametrize("draw", [normal, skewed, rare, mostly_zero])
@pytest.mark.parametrize(("n", "m", "files"), [(200, 200, 3000), (200, 5000, 1000), (3000, 1000, 1000)])
def test_numbers_are_valid(draw: Draw, n: int, m: int, files: int) -> None:
    """Where nothing has changed, p <= 0.01 in about 1 % of files at most, and p <= 0.001 in 0.1 %."""
    rng = np.random.default_rng(n + m)
    found = [numbers(*counts_of(draw(rng, n), draw(rng, m))) for _ in range(files)]
    assert at_most(found, 0.01)
    assert at_most(found, 0.001)


@pytest.mark.parametrize("k", [2, 30, 3000])
@pytest.mark.parametrize(("n", "m"), [(200, 200), (300, 5000), (5000, 5000)])
def test_levels_are_valid(k: int, n: int, m: int) -> None:
    """Of few and of many levels, most of them rare: p <= 0.01 in about 1 % of 1,500 files at most."""
    rng = np.random.default_rng(k + n)
    weights = 1 / np.arange(1, k + 1)
    weights /= weights.sum()
    found = [levels(rng.multinomial(n, weights), rng.multinomial(m, weights)) for _ in range(1500)]
    assert at_most(found, 0.01)
    assert at_most(found, 0.001)


def test_repeats_are_valid() -> None:
    """Of identifiers with a few rows each, in both files alike."""
    rng, found = np.random.default_rng(0), []
    for _ in range(2000):
        a, b = (np.bincount(rng.integers(0, 2000, n), minlength=2000) for n in (1500, 2500))
        found.append(repeats(a, b, 1500, 2500))
    assert at_most(found, 0.01)
    assert at_most(found, 0.001)


def test_dependent_rows_are_judged_as_fewer() -> None:
    """Rows that keep 0.7 of the last one: p <= 0.01 in under 3 % of 400 files; taken as independent, in over 25 %."""
    rng, found, plain = np.random.default_rng(0), [], []
    for _ in range(400):
        noise, x = rng.normal(size=(2, 3000)), np.zeros((2, 3000))
        for i in range(1, 3000):
            x[:, i] = 0.7 * x[:, i - 1] + noise[:, i]
        counts = counts_of(x[0], x[1])
        found.append(numbers(*counts, max(inflation(x[0]), inflation(x[1]))))
        plain.append(numbers(*counts))
    assert np.mean([p is not None and p <= 0.01 for p in found]) < 0.03
    assert np.mean([p is not None and p <= 0.01 for p in plain]) > 0.25


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (lambda rng: rng.normal(0.3, 1, 1000), lambda rng: rng.normal(0, 1, 1000)),
        (lambda rng: rng.normal(0, 1.3, 1000), lambda rng: rng.normal(0, 1, 1000)),
        (
            lambda rng: rng.choice([-1.0, 1.0], 1000) + rng.normal(0, 0.2, 1000),
            lambda rng: rng.normal(0, 1, 1000),
        ),
        (lambda rng: np.where(rng.uniform(size=1000) < 0.04, 1.0, 0.0), lambda _: np.zeros(1000)),
    ],
    ids=["location", "spread", "shape", "a new value"],
)
def test_changes_are_seen(
    now: Callable[[np.random.Generator], np.ndarray], before: Callable[[np.random.Generator], np.ndarray]
) -> None:
    """What has moved, widened, split in two or is new has a p-value under 0.001 in each of 20 files."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = numbers(*counts_of(now(rng), before(rng)))
        assert found is not None
        assert found < 0.001


@pytest.mark.parametrize("size", [(50, 1000), (200, 5000), (400, 400)])
def test_means_of_rare_large_values_hold_their_level(size: tuple[int, int]) -> None:
    """Of 3,000 pairs of one skewed law p is below 0.001 in hardly more than 3: the small side often holds no large one."""
    rng, seen = np.random.default_rng(8), []
    for _ in range(3000):
        sides = [np.where(rng.random(n) < 0.03, 4.0, 0.02) + rng.random(n) / 100 for n in size]
        seen.append(means(*((x.mean(), x.var(ddof=1), len(x)) for x in sides)) or 1.0)
    assert (
        np.mean(np.array(seen) < 0.001) <= 0.008
        if size[0] == 50
        else np.mean(np.array(seen) < 0.001) <= 0.004
    )


def test_a_few_wild_values_in_either_tail_are_seen() -> None:
    """Ten in a thousand values a thousand times as large, half of them below: seen in a fifth of 2,000 rows or more."""
    rng, seen = np.random.default_rng(9), []
    for _ in range(40):
        x, y = rng.normal(size=2000), rng.normal(size=2000)
        x[rng.random(2000) < 0.01] *= 1000
        grid = numeric_grid("x", np.concatenate([x, y]))
        seen.append(numbers(*(summarise_numeric(grid, side).counts[0] for side in (x, y))) or 1.0)
    assert np.mean(np.array(seen) < 0.003) >= 0.2

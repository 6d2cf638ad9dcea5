"""The parts of the methods that watch series: ranks and tails, forecasts, Kalman's filter, regimes, states."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from vedette.strategy.series import kalman, regimes, states
from vedette.strategy.series.baseline import baseline, independent, long_run, season_p
from vedette.strategy.series.forecasters import FORECASTERS, Forecasters, blend, learn, predict, slots
from vedette.strategy.series.residuals import WEIGHTS, Bag, bets, put_in, ranked, refit, tail_shape, uniform


def full_bag(errors: np.ndarray) -> Bag:
    """A bag of K series with as many errors [K, n]."""
    bag = Bag.empty(len(errors), errors.shape[1])
    bag.ring[:] = errors
    bag.n[:] = bag.held[:] = errors.shape[1]
    refit(bag, np.arange(len(errors)))
    return bag


def test_ranks_of_tied_numbers_are_uniform() -> None:
    """With nothing but ties the rank is the number drawn; its law is uniform by Kolmogorov and Smirnov's test."""
    random = np.random.default_rng(5)
    values = random.poisson(0.5, size=3000).astype(float)
    bag = Bag.empty(1, 3000)
    p = []
    for value in values:
        p.append(ranked(bag, np.array([value]), 9)[0][0])
        put_in(bag, np.array([value]), np.array([True]), np.array([False]))
    assert np.isnan(p[0])
    assert stats.kstest(p[1:], "uniform").pvalue > 1e-4


def test_numbers_that_break_ties_look_drawn() -> None:
    """They are uniform, and neither neighbours nor streams hang together."""
    u = np.stack([uniform(np.arange(20_000), stream) for stream in (1, 2)])
    assert stats.kstest(u[0], "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(u[0], u[1])[0, 1]) < 0.03
    assert abs(np.corrcoef(u[0, 1:], u[0, :-1])[0, 1]) < 0.03


@pytest.mark.parametrize("shape", [0.0, 0.25])
def test_tails_are_those_of_the_generalised_pareto_law(shape: float) -> None:
    """Shape and scale fitted to the law's own quantiles lie a margin for the shape's error above the truth."""
    y = stats.genpareto.ppf((np.arange(5000) + 0.5) / 5000, shape)
    fitted, scale = tail_shape(y)
    assert shape < fitted < shape + 0.05
    assert scale == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("law", ["norm", "t", "expon", "uniform"])
def test_far_errors_are_no_more_often_rare_than_they_say(law: str) -> None:
    """P(p <= alpha) is about alpha or less, beyond all errors of the bag, for tails light and heavy."""
    random = np.random.default_rng(3)
    own = stats.t(3) if law == "t" else getattr(stats, law)()
    bag = full_bag(own.rvs(size=(300, 1000), random_state=random))
    for side in (0, 1):
        start, scale, shape, beyond = (
            array[:, side] for array in (bag.from_, bag.scale, bag.shape, bag.beyond)
        )
        for alpha in (1e-3, 1e-4):
            limit = start + stats.genpareto.isf(alpha / beyond, shape, scale=scale)
            truth = own.sf(limit) if side == 0 else own.cdf(-limit)
            assert truth.mean() < 1.6 * alpha


@pytest.mark.parametrize("widen", [1.0, 3.0])
def test_bets_have_mean_one_or_less(widen: float) -> None:
    """E[e] <= 1 of each bet for uniform p, by the sum over a fine grid; unwidened shifts and powers come close to 1."""
    p = (np.arange(2_000_000) + 0.5) / 2_000_000
    log_e, _ = bets(p, 1.0 - p, np.full(len(p), widen))
    mean = np.exp(log_e).mean(axis=0)
    assert (mean <= 1.001).all()
    if widen == 1.0:
        assert (mean > 0.97).all()


def test_shares_of_bets_sum_to_one() -> None:
    """They are a mean."""
    assert WEIGHTS.sum() == pytest.approx(1.0)


def test_what_was_seen_once_is_expected_at_the_same_time() -> None:
    """After three weeks of a weekly pattern the forecast by the week, and the blend, are right to a tenth of its spread."""
    random = np.random.default_rng(1)
    pattern = random.normal(size=168)
    own = Forecasters.empty(1)
    errors = []
    for hour in range(168 * 5):
        at = slots(3600.0 * hour, 1)
        predicted, features = predict(own, *at)
        x = np.array([pattern[hour % 168]])
        if hour >= 168 * 4:
            errors.append((predicted[0, FORECASTERS.index("week")] - x[0], blend(own, predicted)[0] - x[0]))
        learn(own, x, predicted, features, at, np.full(1, 0.3))
    assert np.abs(errors).mean(axis=0).max() < 0.1


def test_the_regression_finds_an_autoregression() -> None:
    """Its error on an AR(1) of .9 is that of the noise, within a twentieth."""
    random = np.random.default_rng(2)
    x = np.zeros((2000, 20))
    noise = random.normal(size=x.shape)
    for row in range(1, len(x)):
        x[row] = 0.9 * x[row - 1] + noise[row]
    own = Forecasters.empty(20)
    error = np.zeros_like(x)
    for row in range(len(x)):
        at = slots(3600.0 * row, 20)
        predicted, features = predict(own, *at)
        error[row] = x[row] - predicted[:, -1]
        learn(own, x[row], predicted, features, at, np.ones(20))
    assert error[1000:].std() == pytest.approx(1.0, abs=0.05)


def test_forecasters_skip_what_is_missing() -> None:
    """NaN changes nothing."""
    own = Forecasters.empty(1)
    at = slots(0.0, 1)
    predicted, features = predict(own, *at)
    learn(own, np.array([np.nan]), predicted, features, at, np.ones(1))
    assert own.n[0] == 0
    assert np.isnan(own.day).all()


LINE = (1.0, 2.0, 1.5, 3.0, 2.0, 4.0, 3.5, np.nan, 5.0, 4.0)
# statsmodels 0.14: UnobservedComponents(LINE, "local linear trend"), noise 1, level .3, slope .001, prior variances 25 and .25
LINE_EXPECTED = (
    0,
    0.96153846,
    1.6898928,
    1.65839757,
    2.686394,
    2.47921603,
    3.64665979,
    3.89070417,
    4.21275527,
    5.10057051,
)
LINE_VARIANCE = (
    26,
    2.51153846,
    2.32703369,
    2.33169844,
    2.28509638,
    2.20988535,
    2.13624513,
    2.07457556,
    2.75502093,
    2.15231901,
)


def test_the_filter_gives_what_statsmodels_gives() -> None:
    """Forecasts and variances of a local linear trend with a missing number."""
    models = np.array([[0.3, 0.001, 0.0, 0.0, 0.0, 1.0]])
    own = kalman.start(models, np.array([3600.0]), np.array([0.0]))
    own.cov[0, 2, 2] = 0.0
    got = [kalman.observe(own, np.array([x]), np.array([3600.0 * row])) for row, x in enumerate(LINE)]
    assert np.array([one[0][0] for one in got]) == pytest.approx(np.array(LINE_EXPECTED), abs=1e-7)
    assert np.array([one[1][0] for one in got]) == pytest.approx(np.array(LINE_VARIANCE), abs=1e-7)


@pytest.mark.parametrize("model", kalman.MODELS[::4])
def test_the_filter_conditions_normal_numbers(model: kalman.Model) -> None:
    """Each forecast and variance is that of the joint normal law of all numbers, at irregular steps, with waves."""
    random = np.random.default_rng(8)
    times = 3600.0 * np.cumsum(random.choice([1.0, 1.0, 2.0], size=12))
    x = random.normal(size=12)
    own = kalman.start(np.array([model]), np.array([3600.0]), np.array([3 * 86400.0]))
    prior = own.cov[0].copy()
    d = len(prior)
    covs, moves = [prior], []
    gaps = np.diff(times) / 3600.0
    for gone in gaps:
        move = np.eye(d)
        move[0, 1] = gone
        move[2, 2] = model.memory**gone
        q = np.zeros((d, d))
        q[0, 0] = gone * model.level + model.slope * gone**2 * max(gone - 1.0, 0.0) / 3.0
        q[1, 1] = gone * model.slope
        q[2, 2] = model.passing * (1 - model.memory ** (2 * gone)) / (1 - model.memory**2)
        waves = np.flatnonzero(np.diag(prior)[3:] > 0) + 3
        q[waves, waves] = gone * model.season
        moves.append(move)
        covs.append(move @ covs[-1] @ move.T + q)
    seen = kalman.harmonics(times)
    joint = np.zeros((12, 12))
    for i, j in product(range(12), range(12)):
        first, last = min(i, j), max(i, j)
        through = np.eye(d)
        for move in moves[first:last]:
            through = move @ through
        joint[i, j] = seen[last] @ through @ covs[first] @ seen[first] + (model.noise if i == j else 0.0)
    for row in range(12):
        expected, variance = kalman.observe(own, x[row : row + 1], times[row : row + 1])
        past = joint[row, :row] @ np.linalg.inv(joint[:row, :row]) if row else np.zeros(0)
        assert expected[0] == pytest.approx(float(past @ x[:row]), abs=1e-6)
        assert variance[0] == pytest.approx(float(joint[row, row] - past @ joint[:row, row]), rel=1e-6)


def test_the_likeliest_model_is_of_the_kind_that_made_the_numbers() -> None:
    """Noise around a level, a random walk, and an autoregression are told apart."""
    random = np.random.default_rng(4)
    noise = random.normal(size=(500, 3))
    passing = np.zeros(500)
    for row in range(1, 500):
        passing[row] = 0.8 * passing[row - 1] + noise[row, 2]
    past = np.stack([noise[:, 0], np.cumsum(noise[:, 1]), passing], axis=1)
    times = np.repeat(3600.0 * np.arange(500)[:, None], 3, axis=1)
    models = kalman.choose(past, times, np.full(3, 3600.0), np.zeros(3))
    assert models[0, 0] <= 1e-3
    assert models[0, 3] == 0.0
    assert models[1, 0] >= 1.0
    assert models[2, 4] == pytest.approx(0.8, abs=0.15)


def some_regimes() -> regimes.Regimes:
    return regimes.Regimes(
        np.array([[-1.0, 2.0]]),
        np.array([[1.0, 0.5]]),
        np.array([[[0.9, 0.1], [0.3, 0.7]]]),
        np.log(np.array([[0.6, 0.4]])),
    )


def test_the_likelihood_of_regimes_is_the_sum_over_all_paths() -> None:
    """Brute force over 2^6 paths."""
    own, x = some_regimes(), np.array([-1.0, 0.5, 2.2, 1.8, np.nan, -2.0])
    total = 0.0
    for path in product(range(2), repeat=7):
        p = np.exp(own.now[0, path[0]])
        for step, number in enumerate(x):
            p *= own.moves[0, path[step], path[step + 1]]
            if not np.isnan(number):
                p *= stats.norm.pdf(number, own.mean[0, path[step + 1]], own.sd[0, path[step + 1]])
        total += p
    assert regimes.log_likelihood(own, x[:, None])[0] == pytest.approx(np.log(total))


def test_the_filter_of_regimes_follows_bayes() -> None:
    """One step by hand: ahead (.66, .34), then weighted by the densities of the number."""
    own = some_regimes()
    above, below, now = regimes.filtered(own, np.array([1.0]))
    ahead = np.array([0.66, 0.34])
    weight = ahead * stats.norm.pdf(1.0, own.mean[0], own.sd[0])
    assert np.exp(now[0]) == pytest.approx(weight / weight.sum())
    assert above[0] == pytest.approx(float(ahead @ stats.norm.sf(1.0, own.mean[0], own.sd[0])))
    assert above[0] + below[0] == pytest.approx(1.0)


def test_regimes_are_found() -> None:
    """Two levels that take turns are found to a fifth of a standard deviation, and how long they stay."""
    random = np.random.default_rng(6)
    state, rows = 0, []
    for _ in range(2000):
        state = state if random.random() < 0.95 else 1 - state
        rows.append((-2.0, 2.0)[state] + random.normal() * 0.5)
    own = regimes.fit(np.array(rows)[:, None], 2)
    assert np.sort(own.mean[0]) == pytest.approx([-2.0, 2.0], abs=0.1)
    assert own.moves[0].diagonal() == pytest.approx([0.95, 0.95], abs=0.02)


def test_moves_of_shards_add_up() -> None:
    """Counts of two halves and of the move between them are those of the whole."""
    sequence = np.random.default_rng(7).integers(0, 8, size=500)
    halves = states.count_moves(sequence[:250]) + states.count_moves(sequence[250:])
    assert (halves + states.count_moves(sequence[249:251]) == states.count_moves(sequence)).all()


def test_strange_moves_of_a_markov_chain_are_uniform() -> None:
    """P-values of a chain of four states in sequence pass Kolmogorov and Smirnov's test, and do not hang together."""
    random = np.random.default_rng(9)
    moves = random.dirichlet(np.full(4, 0.7), size=4)
    state, counts, p = 0, np.zeros((4, 4), dtype=np.int64), []
    for step in range(4000):
        to = int(random.choice(4, p=moves[state]))
        p.append(states.strangeness(counts[state][None], np.array([to]), uniform(np.array([step]), 1))[0])
        counts[state, to] += 1
        state = to
    assert stats.kstest(p, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(p[1:], p[:-1])[0, 1]) < 0.06


def test_the_time_to_failure_is_that_of_the_chain() -> None:
    """Of counts that are many it is h = (I - Q)^-1 1, within its interval, and the interval is narrow."""
    moves = np.array([[70, 25, 5], [30, 60, 10], [0, 0, 0]]) * 1000
    q = np.array([[0.70, 0.25], [0.30, 0.60]])
    truth = np.linalg.solve(np.eye(2) - q, np.ones(2))
    for state in (0, 1):
        expected, low, high = states.time_to_failure(moves, state, (2,))
        assert expected == pytest.approx(truth[state], rel=0.02)
        assert low < truth[state] < high < 1.1 * truth[state]


def test_the_interval_of_the_time_to_failure_covers() -> None:
    """Of 200 chains with failures one in thirty, 400 moves each, about 95 % of the intervals have the truth."""
    random = np.random.default_rng(10)
    covered = 0
    for _ in range(200):
        failures = random.binomial(400, 1 / 30)
        _, low, high = states.time_to_failure(np.array([[400 - failures, failures], [0, 0]]), 0, (1,))
        covered += low <= 30 <= high
    assert 180 <= covered <= 200


@pytest.mark.parametrize(
    ("moves", "from_", "failed", "match"),
    [
        (np.zeros((2, 3)), 0, (1,), "square"),
        (np.zeros((2, 2)), 0, (), "failed"),
        (np.zeros((2, 2)), 0, (5,), "0 to 1"),
    ],
)
def test_what_is_no_chain_is_refused(
    moves: np.ndarray, from_: int, failed: tuple[int, ...], match: str
) -> None:
    """The error says what is wrong."""
    with pytest.raises(ValueError, match=match):
        states.time_to_failure(moves, from_, failed)


def test_no_moves_are_no_time() -> None:
    """NaN where nothing was seen, 0 where it failed already."""
    assert np.isnan(states.time_to_failure(np.zeros((2, 2), dtype=np.int64), 0, (1,))).all()
    assert states.time_to_failure(np.zeros((2, 2), dtype=np.int64), 1, (1,)) == (0.0, 0.0, 0.0)


def test_the_test_of_hours_is_kruskal_and_wallis() -> None:
    """The p-value is scipy's, ties and all."""
    random = np.random.default_rng(11)
    x = random.poisson(4, size=240).astype(float)
    at = 3600.0 * np.arange(240)
    hours = [x[hour::24] for hour in range(24)]
    assert season_p(x, at) == pytest.approx(float(stats.kruskal(*hours).pvalue))


def test_dependence_is_told_from_independence() -> None:
    """Of 40 series of each kind: independent ones pass nearly always, dependent and seasonal ones never."""
    random = np.random.default_rng(12)
    at = 3600.0 * np.arange(600)
    noise = random.normal(size=(600, 40))
    passing = np.zeros_like(noise)
    for row in range(1, 600):
        passing[row] = 0.5 * passing[row - 1] + noise[row]
    wave = noise + np.sin(2 * np.pi * np.arange(600) / 24)[:, None]
    passed = [sum(independent(x[:, one], at) for one in range(40)) for x in (noise, passing, wave)]
    assert passed[0] >= 36
    assert passed[1:] == [0, 0]


def test_the_variance_of_sums_is_that_of_theory() -> None:
    """(1 + phi)/(1 - phi) = 3 for an AR(1) of .5, its upper limit somewhat more; 1 or little more for independent numbers."""
    random = np.random.default_rng(13)
    noise = random.normal(size=200_000)
    x = np.zeros_like(noise)
    for row in range(1, len(x)):
        x[row] = 0.5 * x[row - 1] + noise[row]
    assert 2.8 < long_run(x) < 3.7
    assert 1.0 <= long_run(noise) < 1.3


def test_a_baseline_of_nothing_is_no_error() -> None:
    """Missing numbers alone, and a constant, have a middle and a spread that is not 0."""
    past = np.stack([np.full(60, np.nan), np.full(60, 7.0)], axis=1)
    base = baseline(past, 3600.0 * np.arange(60))
    assert (base.unit > 0).all()
    assert base.plain.all()
    assert np.isnan(base.normal(np.array([np.nan, np.inf]))).all()


def test_errors_of_a_forecaster_that_learns_are_left_behind() -> None:
    """Of the first 150 errors the later two thirds are in the bag; without learning all are; a full ring has its size."""
    for learning, expected in (
        (True, {10: 7, 12: 8, 150: 100, 500: 450, 900: 600}),
        (False, {10: 10, 400: 400, 900: 600}),
    ):
        bag = Bag.empty(1, 600)
        for value in range(1, 901):
            put_in(bag, np.array([float(value)]), np.array([True]), np.array([learning]))
            if value in expected:
                kept = bag.ring[0][~np.isnan(bag.ring[0])]
                assert bag.held[0] == len(kept) == expected[value]
                assert kept.min() == value - expected[value] + 1

"""Figures of a regression's errors against scikit-learn, scipy, hand calculation and simulation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from vedette.statistics import STATISTICS, Grid, Summary, error_grid, numeric_grid, summarise_error

SCORES = {
    "mae": metrics.mean_absolute_error,
    "rmse": metrics.root_mean_squared_error,
    "mse": metrics.mean_squared_error,
    "mape": metrics.mean_absolute_percentage_error,
    "r2": metrics.r2_score,
    "bias": lambda label, prediction: np.mean(prediction - label),
    "quantile_loss_p10": lambda label, prediction: metrics.mean_pinball_loss(label, prediction, alpha=0.1),
    "quantile_loss_p50": lambda label, prediction: metrics.mean_pinball_loss(label, prediction, alpha=0.5),
    "quantile_loss_p90": lambda label, prediction: metrics.mean_pinball_loss(label, prediction, alpha=0.9),
}
LABEL = np.random.default_rng(1).normal(20, 3, 400)
ERROR = np.random.default_rng(2).normal(0, 1, 400)
GRID = error_grid(LABEL, LABEL + ERROR)


def figure(name, summary, level=0.95):
    """The value, limits, number of rows and reason of a single window."""
    found = STATISTICS[name].figures(summary, None, level)
    return found.value[0], found.low[0], found.high[0], found.n[0], found.reason[0]


def counted(label, error):
    """The summary of one window with these labels and errors."""
    return summarise_error(GRID, label, np.asarray(label, dtype=float) + error)


# --- counting


def test_every_row_is_counted_once():
    """Rows without a label are missing, then rows without a prediction NaN, then what is infinite; the rest counts."""
    inf, nan = np.inf, np.nan
    label = [1.0, nan, nan, 2.0, inf, 3.0, inf, -inf, 1e308, 4.0]
    prediction = [1.5, 1.0, nan, nan, 1.0, -inf, inf, nan, -1e308, 4.0]
    found = summarise_error(GRID, label, prediction)
    parts = (found.rows, found.missing, found.nan, found.inf, found.used)
    assert [int(part[0]) for part in parts] == [10, 2, 2, 4, 2]


def test_rows_are_those_with_a_label():
    """The figure ``rows`` counts labels that came, whatever their prediction."""
    found = summarise_error(GRID, [1.0, np.nan, 3.0], [1.0, 2.0, np.nan])
    assert STATISTICS["rows"].figures(found).value.tolist() == [2.0]


def test_a_corrected_label_leaves_no_trace():
    """Taking the old row away and adding the new one gives the sums and counts of the new one alone."""
    first = summarise_error(GRID, [10.0, 20.0, np.nan], [11.0, 19.0, 3.0])
    change = summarise_error(GRID, [20.0, 25.0], [19.0, 19.0], sign=[-1, 1])
    new = summarise_error(GRID, [10.0, 25.0, np.nan], [11.0, 19.0, 3.0])
    for name in ("rows", "missing", "nan", "inf", "counts", "total", "squares", "cubes", "fourths", "sums"):
        np.testing.assert_allclose(getattr(first + change, name), getattr(new, name), rtol=1e-12)


def test_rows_go_to_their_windows():
    """Rows in any order come to the same as each window on its own, over the rows that are counted at once too."""
    rng = np.random.default_rng(3)
    n = 200_000
    label, window = rng.normal(20, 3, n), rng.integers(0, 7, n)
    prediction = label + rng.normal(size=n)
    together = summarise_error(GRID, label, prediction, window, 7)
    alone = Summary.stack(
        [summarise_error(GRID, label[window == w], prediction[window == w]) for w in range(7)]
    )
    np.testing.assert_array_equal(together.counts, alone.counts)
    np.testing.assert_allclose(together.sums, alone.sums, rtol=1e-10, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((GRID, [1.0, 2.0], [1.0]), "must be as many"),
        ((GRID, [1.0], [1.0], [3], 2), "must lie in 0 to 1"),
        ((numeric_grid("x", [1.0]), [1.0], [1.0]), "must be error"),
    ],
)
def test_rows_that_cannot_be_counted_are_refused(arguments, message):
    """Lengths that differ, windows that are not there and grids of other kinds are named."""
    with pytest.raises(ValueError, match=message):
        summarise_error(*arguments)


# --- grids


def test_a_grid_comes_back_from_its_json():
    """The centre of the labels is written to the bit, and is part of the name."""
    grid = error_grid([0.1, 0.2, 0.3], [0.0, 0.0, 0.0])
    assert Grid.from_json(grid.to_json()) == grid
    assert Grid.from_json(grid.to_json()).label_centre == 0.2
    assert dataclasses.replace(grid, label_centre=0.3).id != grid.id


def test_grids_of_other_kinds_keep_their_names():
    """A column's grid has the name that it had before there were grids of errors."""
    grid = numeric_grid("x", [0.0, 1.0] * 5)
    assert "label_centre" not in grid.to_json()
    assert grid.id == "a89e37695e472640"


def test_a_pilot_without_errors_gives_a_grid():
    """Where the pilot has no labels the cells are those of an unknown column, about 0."""
    grid = error_grid([np.nan, np.inf], [1.0, np.inf])
    assert (grid.kind, grid.label_centre, grid.cells) == ("error", 0.0, 130)


# --- values


@pytest.mark.parametrize("centre", [20.0, 1e6, -3e4])
@pytest.mark.parametrize("name", SCORES)
def test_values_agree_with_scikit_learn(name, centre):
    """50 windows of 40 rows at once, also of labels a million times as large as their errors."""
    rng = np.random.default_rng(4)
    label = centre + rng.normal(0, 2, 2000)
    prediction = label + rng.standard_t(5, 2000)
    window = np.repeat(np.arange(50), 40)
    grid = error_grid(label[:200], prediction[:200])
    found = STATISTICS[name].figures(summarise_error(grid, label, prediction, window, 50))
    expected = [SCORES[name](label[window == w], prediction[window == w]) for w in range(50)]
    np.testing.assert_allclose(found.value, expected, rtol=1e-9)


def test_many_rows_agree_with_scikit_learn():
    """A hundred thousand rows around a million lose nothing to rounding."""
    rng = np.random.default_rng(5)
    label = 1e6 + rng.normal(0, 1, 100_000)
    prediction = label + rng.normal(0, 1, 100_000)
    found = summarise_error(error_grid(label[:500], prediction[:500]), label, prediction)
    for name, score in SCORES.items():
        assert figure(name, found)[0] == pytest.approx(score(label, prediction), rel=1e-9), name


@pytest.mark.parametrize("p", [0.05, 0.5, 0.95])
def test_quantiles_of_the_error_are_order_statistics(p):
    """Errors of few values have a cell each: the quantile is the order statistic of rank ceil(p n)."""
    error = np.random.default_rng(6).integers(-5, 6, 500).astype(float)
    label = np.arange(500.0)
    found = summarise_error(error_grid(label, label + error), label, label + error)
    name = f"error_p{round(100 * p):02}"
    assert figure(name, found)[0] == np.quantile(error, p, method="inverted_cdf")


# --- reasons


@pytest.mark.parametrize("name", SCORES)
def test_without_labels_there_is_a_reason(name):
    """Rows that wait for their labels are no errors of 0."""
    waiting = summarise_error(GRID, np.full(10, np.nan), np.ones(10))
    assert figure(name, waiting)[-1] == "no labels"
    assert figure(name, Summary.empty(GRID))[-1] == "no labels"


def test_labels_of_0_have_no_share():
    """Their number is the reason, where scikit-learn divides by 2.2e-16; the other figures do not mind."""
    found = counted(np.r_[LABEL, 0.0, 0.0, 1e-17], np.r_[ERROR, 1.0, 1.0, 1.0])
    assert figure("mape", found)[-1] == "rows with a label of 0: 3"
    assert figure("mae", found)[-1] is None


def test_labels_that_do_not_vary_cannot_be_explained():
    """R2 has a reason for a constant label, and for labels whose spread is lost to rounding so far from the grid."""
    said = "labels do not vary, or too little for their distance from the grid's"
    for label in (np.full(400, 20.0), np.full(400, 0.1), 1e9 + LABEL):
        assert figure("r2", counted(label, ERROR))[-1] == said


@pytest.mark.parametrize("name", ["mae", "rmse", "mse", "mape", "bias", "r2", "quantile_loss_p50"])
def test_a_single_error_is_no_basis(name):
    """Where one error of 400 is all there is of the spread, the reason says so."""
    found = counted(LABEL, np.where(np.arange(400) == 7, 1e6, ERROR))
    assert figure(name, found)[-1].startswith("one or two errors")


@pytest.mark.parametrize(
    ("name", "least"), [("mae", 2), ("bias", 2), ("mape", 2), ("rmse", 4), ("mse", 4), ("r2", 4)]
)
def test_too_few_errors(name, least):
    """One error fewer than the least has a reason, the least has none of that kind."""
    label, error = LABEL[:least], np.array([1.0, -1.1, 0.9, -1.05])[:least]
    few = figure(name, counted(label[1:], error[1:]))[-1]
    assert few == f"fewer than {least} errors: {least - 1}"
    assert figure(name, counted(label, error))[-1] is None


# --- intervals


def test_errors_that_are_all_equal_are_not_certain():
    """300 errors of 2: a share 1 - 0.025^(1/300) of what comes may be different, between 0 and the pilot's worst."""
    found = counted(LABEL[:300], np.full(300, 2.0))
    share, worst = 1 - 0.025 ** (1 / 300), np.abs(GRID.edges).max()
    assert figure("mae", found)[:3] == pytest.approx((2.0, 2 - 2 * share, 2 + share * (worst - 2)))
    square = 4 + share * (worst**2 - 4)
    assert figure("rmse", found)[:3] == pytest.approx((2.0, 2 * np.sqrt(1 - share), np.sqrt(square)))
    bias = 2 + share * (GRID.edges[0] - 2), 2 + share * (GRID.edges[-1] - 2)
    assert figure("bias", found)[:3] == pytest.approx((2.0, *bias))


@pytest.mark.parametrize("name", ["mae", "rmse", "mse", "mape", "r2", "quantile_loss_p90"])
def test_a_model_that_was_always_right_may_be_wrong(name):
    """Without an error in 400 rows the best value is seen, and something worse is within the interval."""
    value, low, high, *_ = figure(name, counted(LABEL, np.zeros(400)))
    best = 1.0 if name == "r2" else 0.0
    assert value == best
    assert low < high
    assert best in (low, high)


def test_the_interval_of_the_bias_is_student_s():
    """Errors that are not skewed have the interval of scipy's t distribution."""
    error = np.r_[ERROR, -ERROR] + 0.3
    expected = stats.t.interval(0.95, 799, error.mean(), stats.sem(error))
    assert figure("bias", counted(np.r_[LABEL, LABEL], error))[1:3] == pytest.approx(expected, rel=1e-6)


def test_the_interval_of_a_normal_rmse_is_chi_square_s():
    """Of 20,000 normal errors it is scipy's chi-square interval, to a twentieth of its width."""
    rng = np.random.default_rng(8)
    label, error = rng.normal(20, 3, 20_000), rng.normal(size=20_000)
    expected = np.sqrt(np.sum(error**2) / stats.chi2.ppf([0.975, 0.025], 20_000))
    found = figure("rmse", counted(label, error))[1:3]
    np.testing.assert_allclose(found, expected, atol=np.diff(expected)[0] / 20)


def test_the_interval_of_r2_is_that_of_resampled_rows():
    """Of 5,000 rows whose errors follow their labels, a bootstrap has the same limits, to a tenth of its width."""
    rng = np.random.default_rng(9)
    label = rng.normal(0, 2, 5000)
    error = 0.5 * rng.normal(size=5000) - 0.3 * label
    found = figure("r2", counted(label, error))
    drawn = rng.integers(0, 5000, (2000, 5000))
    again = 1 - (error[drawn] ** 2).mean(axis=1) / label[drawn].var(axis=1)
    expected = np.quantile(again, [0.025, 0.975])
    np.testing.assert_allclose(found[1:3], expected, atol=np.diff(expected)[0] / 10)


ERRORS = {
    "normal": (lambda rng, size: rng.standard_normal(size), np.sqrt(2 / np.pi), 1.0),
    "laplace": (lambda rng, size: rng.laplace(size=size), 1.0, np.sqrt(2)),
}


@pytest.mark.parametrize("law", ERRORS)
def test_intervals_hold_the_truth(law):
    """Of 1,500 windows of 60 rows, 93 % and more hold the truth, less what chance may take."""
    draw, absolute, root = ERRORS[law]
    rng = np.random.default_rng(10)
    size, windows = 60 * 1500, np.repeat(np.arange(1500), 60)
    label = rng.normal(20, 3, size)
    found = summarise_error(GRID, label, label + draw(rng, size), windows, 1500)
    truths = {
        "mae": absolute,
        "rmse": root,
        "mse": root**2,
        "bias": 0.0,
        "r2": 1 - root**2 / 9,
        "quantile_loss_p90": absolute / 2,
    }
    for name, truth in truths.items():
        figures = STATISTICS[name].figures(found)
        held = ((figures.low <= truth) & (truth <= figures.high)).mean()
        assert held >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / 1500), name
        assert held < 1, name


@pytest.mark.parametrize("name", sorted(SCORES))
def test_a_wild_pilot_is_no_error(name):
    """A label of 1e200 among the pilot's, whose square is beyond float64, leaves the value or gives a reason."""
    label = LABEL.copy()
    label[0] = 1e200
    found = summarise_error(error_grid(label, LABEL), LABEL, LABEL + ERROR)
    value, _, _, _, reason = figure(name, found)
    assert reason is not None or value == pytest.approx(SCORES[name](LABEL, LABEL + ERROR))


@pytest.mark.parametrize("name", ["mae", "bias", "rmse", "mse", "mape", "quantile_loss_p10", "r2"])
def test_rare_large_errors_are_within_the_interval(name):
    """Of errors of N(0, 1) with 1 % of N(100, 1), most windows of 30 hold no large one, and their intervals the truth."""
    rng = np.random.default_rng(11)

    def drawn(size):
        label = rng.normal(20, 2, size)
        return label, label + rng.normal(size=size) + 100 * (rng.random(size) < 0.01)

    truth = SCORES[name](*drawn(1_000_000))
    grid, windows = error_grid(*drawn(1000)), np.repeat(np.arange(500), 30)
    found = STATISTICS[name].figures(summarise_error(grid, *drawn(30 * 500), windows, 500))
    told = np.isfinite(found.value)
    assert ((found.low <= truth) & (found.high >= truth))[told].mean() > 0.95
